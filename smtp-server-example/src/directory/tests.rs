use super::*;

fn user(name: &str) -> User {
    User { name: name.to_owned(), mailbox: PathBuf::from(name), ..User::default() }
}

fn alias(address: &str, to: &[&str]) -> Alias {
    Alias { address: address.to_owned(), to: to.iter().map(|&to| to.to_owned()).collect(), sender: None }
}

fn sources(aliases: Vec<Alias>) -> Sources {
    Sources {
        domains: vec!["Example.test".to_owned(), "other.test".to_owned()],
        users: vec![user("Alice"), user("bob"), user("carol@other.test")],
        aliases,
        tag_separator: "+".to_owned(),
        ..Sources::default()
    }
}

fn directory(aliases: Vec<Alias>) -> Directory {
    Directory::new(sources(aliases)).unwrap()
}

/// Where mail goes: names and addresses, or why it goes nowhere.
fn found(directory: &Directory, address: &str) -> String {
    match directory.find(Mailbox::parse(address.as_bytes()).expect(address)) {
        Found::Here(targets) => {
            let users = targets.users.iter().map(|user| user.name.clone());
            users.chain(targets.remote.iter().map(ToString::to_string)).collect::<Vec<_>>().join(" ")
        }
        Found::NoUser => "nobody".to_owned(),
        Found::Foreign => "foreign".to_owned(),
    }
}

#[test]
fn addresses_are_found_or_not_for_the_right_reason() {
    let directory = directory(Vec::new());
    for (address, want, why) in [
        ("alice@example.test", "Alice", "the plain case"),
        ("ALICE@EXAMPLE.Test", "Alice", "case means nothing"),
        ("alice@other.test", "Alice", "every domain has the same users"),
        ("\"al\\ice\"@example.test", "Alice", "quotes are a spelling, not a name"),
        ("alice+tag@example.test", "Alice", "a tag is not part of the name"),
        ("alice+a+b@example.test", "Alice", "nor are two"),
        ("+tag@example.test", "nobody", "a tag alone is nobody's"),
        ("carol@other.test", "carol@other.test", "a user of one domain"),
        ("carol+x@other.test", "carol@other.test", "with a tag"),
        ("carol@example.test", "nobody", "and not of the other"),
        ("postmaster@example.test", "postmaster", "always there"),
        ("PostMaster", "postmaster", "the one address without a domain"),
        ("dave@example.test", "nobody", "nobody of that name"),
        ("alice@example.org", "foreign", "somebody else's domain"),
        ("alice@mail.example.test", "foreign", "a sub-domain is not ours unless listed"),
        ("alice@test", "foreign", "nor is the domain above"),
        ("alice@notexample.test", "foreign", "nor one that ends like ours"),
        ("alice@[127.0.0.1]", "foreign", "an address literal is not ours unless listed"),
        ("alice@[IPv6:::1]", "foreign", "nor that of IPv6"),
        ("alice@localhost", "foreign", "nor localhost"),
        ("alice@ex\u{0430}mple.test", "foreign", "a Cyrillic look-alike"),
        ("\"u@foreign.example\"@example.test", "nobody", "a quoted @ does not route"),
        ("\"carol@other.test\"@example.test", "nobody", "not even to a user of that name"),
        ("u%foreign.example@example.test", "nobody", "nor does the percent sign"),
        ("foreign.example!alice@example.test", "nobody", "nor a bang path"),
        ("\"../alice\"@example.test", "nobody", "a path is a name like any other"),
        ("\"\"@example.test", "nobody", "the empty quoted string"),
    ] {
        assert_eq!(found(&directory, address), want, "{address}: {why}");
    }
}

#[test]
fn aliases_lead_to_users_and_elsewhere() {
    let directory = directory(vec![
        alias("info", &["alice", "bob@example.test", "u@foreign.example"]),
        alias("all", &["info", "bob", "carol@other.test"]),
        alias("bob", &["bob", "bob@elsewhere.example"]),
        alias("sales@other.test", &["alice"]),
        alias("alice@other.test", &["bob@other.test"]),
        alias("@other.test", &["carol@other.test"]),
        alias("postmaster", &["alice"]),
    ]);
    for (address, want, why) in [
        ("info@example.test", "Alice bob bob@elsewhere.example u@foreign.example", "here and elsewhere"),
        ("info+x@other.test", "Alice bob bob@elsewhere.example u@foreign.example", "an alias takes tags too"),
        (
            "all@example.test",
            "Alice bob carol@other.test bob@elsewhere.example u@foreign.example",
            "through another alias, each once",
        ),
        ("bob@example.test", "bob bob@elsewhere.example", "itself among its targets: a copy stays"),
        ("sales@other.test", "Alice", "at one domain"),
        ("sales@example.test", "nobody", "and at that one only"),
        ("alice@other.test", "bob bob@elsewhere.example", "an alias goes before the user"),
        ("alice@example.test", "Alice", "elsewhere the user stands"),
        ("whoever@other.test", "carol@other.test", "what nobody has at that domain"),
        ("postmaster@example.test", "Alice", "postmaster can be an alias"),
        ("Postmaster", "Alice", "without a domain too"),
    ] {
        assert_eq!(found(&directory, address), want, "{address}: {why}");
    }
}

#[test]
fn what_nobody_has_goes_to_the_catch_all_if_there_is_one() {
    let mut with = sources(vec![alias("@other.test", &["bob"])]);
    with.catch_all = "alice".to_owned();
    let directory = Directory::new(with).unwrap();
    for (address, want, why) in [
        ("whoever@example.test", "Alice", "the catch-all"),
        ("whoever@other.test", "bob", "a domain's own goes first"),
        ("bob@example.test", "bob", "who is there gets their own mail"),
        ("postmaster@example.test", "postmaster", "postmaster is always there"),
        ("whoever@foreign.example", "foreign", "it opens no relay"),
    ] {
        assert_eq!(found(&directory, address), want, "{address}: {why}");
    }
    let alice = directory.login("alice").unwrap();
    assert!(!directory.owns(alice, Mailbox::parse(b"whoever@example.test").unwrap()));
}

#[test]
fn aliases_that_lead_nowhere_are_named() {
    for (aliases, want, why) in [
        (vec![alias("a", &["b"]), alias("b", &["a"])], "aliases lead in a circle: a -> b -> a", "two"),
        (
            vec![alias("x", &["a"]), alias("a", &["b"]), alias("b", &["c"]), alias("c", &["a@example.test"])],
            "aliases lead in a circle: a -> b -> c -> a",
            "three, and the one that leads there is not of the circle",
        ),
        (vec![alias("a", &["a"])], "aliases lead in a circle: a -> a", "itself, with no user of that name"),
        (
            vec![alias("a", &["a+x@other.test"])],
            "aliases lead in a circle: a -> a",
            "itself by another spelling",
        ),
        (
            vec![Alias { sender: Some("o@@x".into()), ..alias("a", &["bob"]) }],
            "the alias `a`: its sender `o@@x` is no address",
            "a list whose owner is nobody",
        ),
        (
            vec![alias("all", &["a"]), Alias { sender: Some("o@x.example".into()), ..alias("a", &["bob"]) }],
            "the alias `all` leads to `a`, which has a `sender`: list those behind it instead",
            "a list behind an alias",
        ),
        (vec![alias("a", &["dave"])], "the alias `a` leads to `dave`, and nobody is called that", "nobody"),
        (
            vec![alias("a", &["d@@foreign.example"])],
            "the alias `a`: `d@@foreign.example` is no address",
            "no address",
        ),
        (
            vec![alias("a@foreign.example", &["bob"])],
            "the alias `a@foreign.example`: `foreign.example` is not among `domains`",
            "an alias at somebody else's domain",
        ),
    ] {
        let error = Directory::new(sources(aliases)).unwrap_err();
        assert!(error.starts_with(want), "{why}: {error}");
    }
}

#[test]
fn a_user_sends_in_their_own_names_only() {
    let mut with = sources(vec![
        alias("info", &["alice"]),
        alias("team", &["alice", "bob"]),
        alias("out", &["alice", "u@foreign.example"]),
    ]);
    with.users[0].senders = vec!["Alice@elsewhere.example".to_owned(), "@lists.example".to_owned()];
    let directory = Directory::new(with).unwrap();
    let alice = directory.login("alice").unwrap();
    for (address, want, why) in [
        ("alice@example.test", true, "their own"),
        ("ALICE@Other.test", true, "at each domain, in any case"),
        ("alice+list@example.test", true, "with a tag"),
        ("info@example.test", true, "an alias that is theirs alone"),
        ("team@example.test", false, "an alias shared with others"),
        ("out@example.test", false, "one that leads elsewhere too"),
        ("bob@example.test", false, "somebody else's"),
        ("dave@example.test", false, "nobody's"),
        ("alice@elsewhere.example", true, "listed"),
        ("any@lists.example", true, "a listed domain"),
        ("alice@foreign.example", false, "the same name elsewhere"),
    ] {
        assert_eq!(directory.owns(alice, Mailbox::parse(address.as_bytes()).unwrap()), want, "{why}");
    }
}

#[test]
fn people_log_in_with_their_name_or_address() {
    let directory = directory(vec![alias("info", &["bob"])]);
    for (login, want, why) in [
        ("alice", Some("Alice"), "the name"),
        ("ALICE@example.test", Some("Alice"), "an address"),
        ("alice@foreign.example", None, "elsewhere"),
        ("alice+tag", None, "a tag names nobody"),
        ("info", None, "an alias is nobody"),
        ("carol@other.test", Some("carol@other.test"), "a user of one domain"),
        ("carol", None, "who has no name without it"),
        ("", None, "nothing"),
    ] {
        assert_eq!(directory.login(login).map(|user| user.name.as_str()), want, "{why}");
    }
}

#[test]
fn postmaster_can_be_given_another_mailbox() {
    let postmaster =
        User { name: "Postmaster".to_owned(), mailbox: PathBuf::from("alice"), ..User::default() };
    let sources =
        Sources { domains: vec!["example.test".to_owned()], users: vec![postmaster], ..Sources::default() };
    let directory = Directory::new(sources).unwrap();
    let found = directory.find(Mailbox::parse(b"Postmaster").unwrap());
    let Found::Here(targets) = found else { panic!("postmaster is missing: {found:?}") };
    assert_eq!(targets.users[0].mailbox, PathBuf::from("alice"));
    assert_eq!(directory.users().len(), 1);
}
