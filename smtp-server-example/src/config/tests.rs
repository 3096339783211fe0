use super::*;

macro_rules! after_least {
    ($text:literal) => {
        concat!("hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\n", $text)
    };
}

const LEAST: &str = after_least!("");

fn error(text: &str) -> String {
    Config::parse("mail.toml", text).expect_err(text).to_string()
}

#[test]
fn two_keys_are_enough_and_the_rest_is_as_documented() {
    let config = Config::parse("mail.toml", LEAST).unwrap();
    let example = Config::example();
    assert_eq!(config.limits, example.limits);
    assert_eq!((config.data, config.listener), (example.data, example.listener));
}

#[test]
fn a_domain_with_settings_of_its_own_is_one_of_ours_and_listed_once() {
    let own = "hostname = \"a.b\"\ndomains = [\"One.example\"]\n[[domain]]\nname = \"one.example\"\n[[domain]]\nname = \
               \"two.example\"\ndelivery = \"lmtp:127.0.0.1:24\"";
    let config = Config::parse("mail.toml", own).unwrap();
    assert_eq!(config.domains, ["One.example", "two.example"]);
    assert_eq!(config.delivery("TWO.example").to_string(), "lmtp:127.0.0.1:24");
    assert_eq!(config.delivery("one.example").to_string(), "maildir");
}

#[test]
fn the_example_reads_as_what_it_shows() {
    let no_lists =
        Config { blocklist: Vec::new(), domain: Vec::new(), route: Vec::new(), ..Config::example() };
    assert_eq!(Config::parse("example", &example()).unwrap(), no_lists, "lists are there as comments");
}

#[test]
fn the_example_works_with_every_comment_sign_taken_away() {
    let uncommented: Vec<_> = example()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => setting.to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    let config = Config::parse("example", &uncommented.join("\n")).unwrap();
    assert_eq!(config.user[1].mailbox, Some("bob".into()), "the optional keys were among them");
    assert_eq!(config.limits, Config::example().limits);
}

#[test]
fn what_show_prints_reads_back_as_the_same_settings() {
    let text =
        format!("{LEAST}data = \"/srv/mail\"\n[limits]\nrecipients = 500\n[[user]]\nname = \"carol\"\n");
    let config = Config::parse("mail.toml", &text).unwrap();
    let again = Config::parse("shown", &render(&config)).unwrap();
    assert_eq!(render(&again), render(&config));
    assert_eq!((again.limits.recipients, again.data), (500, "/srv/mail".into()));
}

/// Settings, the line of their error, what it says, and why the row is here.
const WRONG: &[(&str, usize, &[&str], &str)] = &[
    ("hostnam = \"a.b\"", 1, &["unknown key `hostnam`", "did you mean `hostname`?"], "a slip"),
    (
        after_least!("recipients = 5"),
        3,
        &["unknown key `recipients`", "`recipients` belongs below [limits]"],
        "right key, wrong table",
    ),
    (
        after_least!("[limits]\nrecipient = 500"),
        4,
        &["unknown key `recipient`", "did you mean `recipients`?"],
        "a slip in a table",
    ),
    (
        after_least!("[[user]]\nname = \"a\"\npassword = \"x\""),
        5,
        &["unknown key `password`", "known here: name, mailbox, senders"],
        "nothing near, in a list",
    ),
    (
        after_least!("[[users]]\nname = \"a\""),
        3,
        &["unknown key `users`", "did you mean `user`?"],
        "a table's name",
    ),
    ("domains = [\"a.b\"]", 1, &["missing field `hostname`"], "a required key"),
    (
        "hostname = \"a.b\"\n[[domain]]\nname = \"c.d\"\ndelivery = \"lmtp\"",
        4,
        &["want maildir, or lmtp: and where it listens"],
        "no place",
    ),
    (
        after_least!("[[domain]]\nname = \"c.d\"\n[[domain]]\nname = \"C.D\""),
        6,
        &["the domain `C.D` is there twice", "case makes no difference"],
        "two for one",
    ),
    (
        after_least!("[limits]\ngroup_memory_percent = 101"),
        4,
        &["there is no more than all", "or 0 for none"],
        "more memory than there is",
    ),
    (after_least!("data = 5"), 3, &["invalid type", "string", "in quotes"], "a wrong type"),
    (
        after_least!("[dns]\ntimeout_seconds = \"2s\""),
        4,
        &["invalid type", "a whole number without quotes"],
        "a unit with a number",
    ),
    (after_least!("[dns]\nservers = [\"127.0.0.1:0\"]"), 4, &["port 0", "port 53"], "no port"),
    (
        after_least!("[relay]\nenabled = \"yes\""),
        4,
        &["invalid type", "true or false"],
        "a word for a switch",
    ),
    (
        "hostname = \"a.b\"\ndomains = \"b.c\"",
        2,
        &["invalid type", "in brackets"],
        "one where there may be more",
    ),
    (after_least!("data ="), 3, &[], "no TOML at all"),
    (after_least!("hostname = \"again\""), 3, &["duplicate key"], "a key twice"),
    ("hostname = \"a b\"\ndomains = [\"b.c\"]", 1, &["`a b` is no domain"], "a host name with a space"),
    ("hostname = \"a.b\"\ndomains = []", 2, &["no domain is listed"], "no domain"),
    ("hostname = \"a.b\"\ndomains = [\n\"b.c\",\n\"-\"]", 4, &["`-` is no domain"], "one of several domains"),
    (
        after_least!("[[listener]]\naddress = \"localhost:25\""),
        4,
        &["want an IP address and a port"],
        "a name instead of an address",
    ),
    (
        after_least!("[[listener]]\naddress = \"127.0.0.1:25\"\nkind = \"imap\""),
        5,
        &["unknown variant `imap`", "submissions"],
        "a kind that there is not",
    ),
    (
        after_least!("[[listener]]\naddress = \"127.0.0.1:25\"\nproxies = [\"10.0.0.0/33\"]"),
        5,
        &["want an IP address or a network"],
        "a prefix over the address's length",
    ),
    (
        after_least!("[[listener]]\nkind = \"submission\"\naddress = \"127.0.0.1:587\""),
        4,
        &["`submission` needs a certificate", "below [tls]"],
        "log-in would be in clear text",
    ),
    (
        after_least!("[[listener]]\naddress = \"unix:/run/mx\""),
        3,
        &["`mx` does not listen on a Unix socket"],
        "other servers come by TCP",
    ),
    (after_least!("[tls]\nkey = \"k.pem\""), 4, &["a key without its certificate"], "half a pair"),
    (
        after_least!("[[user]]\nname = \"a\"\n[[user]]\nname = \"A\""),
        6,
        &["the user `A` is there twice"],
        "names that differ by case alone",
    ),
    (
        after_least!("[[user]]\nname = \"a@b\""),
        4,
        &["the domain of `a@b` is not ours"],
        "an address elsewhere",
    ),
    (after_least!("[[user]]\nname = \"a b\""), 4, &["`a b` is no user name"], "a space"),
    (
        after_least!("[[user]]\nname = \"a\"\nsenders = [\"b@c.d\", \"@\"]"),
        5,
        &["`@` is no address"],
        "no domain behind the @",
    ),
    (
        after_least!("[[user]]\nname = \"users.toml\""),
        4,
        &["is the users' file"],
        "a mailbox where the users' file is",
    ),
    (after_least!("[auth]\nscram_iterations = 100"), 4, &["use 4096 or more"], "fewer than RFC 7677 allows"),
    (
        after_least!("[[user]]\nname = \"..\""),
        4,
        &["`..` does not do as a folder's name", "give this user a `mailbox`"],
        "a name that is a path",
    ),
    (
        after_least!("[[user]]\nname = \"a\"\nmailbox = \"../b\""),
        5,
        &["leads out of its folder"],
        "a mailbox above data",
    ),
    (
        after_least!("[limits]\nrecipients = 10"),
        4,
        &["`recipients` is too small", "use 100 or more"],
        "fewer than RFC 5321 allows",
    ),
    (
        after_least!("[[route]]\nhost = \"a.b\""),
        4,
        &["unknown key `host`", "did you mean `hosts`?"],
        "a slip in a route",
    ),
    (after_least!("[[route]]\nhosts = [\"a.b:0\"]"), 4, &["want a port from 1"], "no port"),
    (after_least!("[[route]]\nto = [\"a b\"]"), 4, &["want a domain"], "no domain"),
    (
        after_least!("[[route]]\nto = [\"Example.Test\"]\nhosts = [\"a.b\"]"),
        4,
        &["`example.test` is ours"],
        "ours",
    ),
    (
        after_least!("[[route]]\nhosts = [\"a.b\"]\nuser = \"me\""),
        5,
        &["a user without a secret", "`secret`"],
        "half of it",
    ),
    (
        after_least!("[[route]]\nhosts = [\"a.b\"]\nsecret = \"word\""),
        5,
        &["a secret without a user", "give `user` too"],
        "the other half",
    ),
    (
        after_least!("[[route]]\nuser = \"me\"\nsecret = \"word\""),
        4,
        &["a user, but no host", "give `hosts`"],
        "credentials for whatever DNS names",
    ),
    (
        after_least!(
            "[[route]]\nhosts = [\"a.b\"]\nuser = \"me\"\nsecret = \"word\"\ntls = \"opportunistic\""
        ),
        7,
        &["the secret would be sent without", "required"],
        "credentials over TLS with anybody",
    ),
    (
        after_least!("[[route]]\nhosts = [\"a.b:465\"]\ntls = \"required\""),
        4,
        &["port 465 has TLS from the start"],
        "STARTTLS where there is none",
    ),
    (
        after_least!("[[route]]\nhosts = [\"a.b:587\"]\ntls = \"implicit\""),
        4,
        &["port 587 has STARTTLS"],
        "and back",
    ),
    (
        after_least!("[[route]]\ntls = \"implicit\""),
        4,
        &["no host of a domain"],
        "MX hosts have none of that",
    ),
    (
        after_least!("[[route]]\nhosts = [\"a.b\"]\n[[route]]\nto = [\"c.d\"]\ntls = \"required\""),
        5,
        &["never reached", "route 1 takes all"],
        "everything is taken before",
    ),
    (
        after_least!("[[route]]\nhosts = [\"a.b\", \"c.d | a.b\"]"),
        4,
        &["`a.b` is there twice"],
        "one host twice",
    ),
    (
        after_least!("[[route]]\nhosts = [\"a.b\"]\nuser = \"me\"\nsecret = \"${fil:/x}\""),
        6,
        &["`secret`: want ${file:/path}", "(the rest of the line is not shown)"],
        "no such source",
    ),
    (after_least!("[[route]]\nsecret = 12345"), 4, &["want a text in quotes", "secret (the rest"], "no text"),
    (
        after_least!("[relay]\nenabled = false\n[[route]]\nhosts = [\"a.b\"]"),
        5,
        &["nothing is sent", "`relay.enabled`"],
        "a way for nothing",
    ),
    (after_least!("[limits]\nrecipients = -1"), 4, &["invalid value"], "less than nothing"),
];

#[test]
fn errors_say_the_line_and_what_to_do() {
    for (text, line, wants, why) in WRONG {
        let error = error(text);
        assert!(error.contains(&format!("mail.toml:{line}: ")), "{why}: line {line} in\n{error}");
        for want in *wants {
            assert!(error.contains(want), "{why}: `{want}` in\n{error}");
        }
    }
}

#[test]
fn a_secret_is_in_no_error_and_in_nothing_that_is_shown() {
    let route = "[[route]]\nhosts = [\"a.b\"]\nuser = \"me\"\nsecret = \"hunter2\"";
    for more in ["", "=", "\"", "\nsecret = \"hunter2\"", "\ntls = \"off\"", "\n[[route]]\nsecret = hunter2"]
    {
        let said = match Config::parse("mail.toml", &format!("{LEAST}{route}{more}\n")) {
            Ok(config) => format!("{}{config:?}", render(&config)),
            Err(error) => error.to_string(),
        };
        assert!(!said.contains("hunter2"), "{more}: {said}");
    }
    let shown = render(&Config::parse("mail.toml", &format!("{LEAST}{route}\n")).unwrap());
    assert!(Config::parse("shown", &shown).unwrap_err().to_string().contains("in the place of a secret"));
}

#[test]
fn a_secret_that_is_not_there_keeps_nobody_from_reading_settings_but_whoever_serves() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("mail.toml");
    let route = "[[route]]\nhosts = [\"a.b\"]\nuser = \"me\"\nsecret = \"${file:/nowhere/secret}\"\n";
    std::fs::write(&file, format!("{LEAST}{route}")).unwrap();
    assert!(Config::read(&file).is_ok());
    let error = Config::read_to_serve(&file).unwrap_err().to_string();
    assert!(error.contains("mail.toml:6: `secret`: can't read /nowhere/secret: "), "{error}");
}

#[test]
fn an_error_shows_the_line_with_a_mark_below_the_place() {
    assert_eq!(
        error(&format!("{LEAST}dta = \"x\"")),
        "error: mail.toml:3: unknown key `dta`\n   |\n 3 | dta = \"x\"\n   | ^^^\n  help: did you mean `data`?"
    );
}

#[test]
fn of_several_unknown_keys_the_first_in_the_file_is_named() {
    assert!(error(&format!("{LEAST}zzz = 1\naaa = 2\n")).contains("`zzz`"));
}

#[test]
fn a_user_without_a_plain_name_can_have_a_mailbox_by_setting() {
    let text = format!("{LEAST}[[user]]\nname = \"o'hara/x\"\nmailbox = \"ohara\"\n");
    assert_eq!(Config::parse("mail.toml", &text).unwrap().user[0].folder(), PathBuf::from("ohara"));
}

#[test]
fn a_missing_file_says_how_to_begin() {
    let failure = Config::read(Path::new("/nowhere/mail.toml")).unwrap_err();
    assert_eq!(failure.exit_code(), 66);
    assert!(failure.to_string().contains("config example > /nowhere/mail.toml"), "{failure}");
}
