//! No spelling of a recipient, and nothing said before it, makes this an open relay.

use crate::harness::Server;

pub(crate) const FORMS: &[(&str, &str, &str)] = &[
    ("<u@foreign.example>", "550 5.7.1", "another domain"),
    ("<u@foreign.example> ", "550 5.7.1", "with white space behind it"),
    ("<u@foreign.example>\t ", "550 5.7.1", "of the other kind too"),
    ("<alice@foreign.example>", "550 5.7.1", "a local part that we know"),
    ("<@example.test:u@foreign.example>", "550 5.7.1", "a source route through us"),
    ("<@example.test,@b.example:u@foreign.example>", "550 5.7.1", "a longer one"),
    ("<\"u@foreign.example\"@example.test>", "550 5.1.1", "a quoted address is a local part"),
    ("<u%foreign.example@example.test>", "550 5.1.1", "the percent hack is not interpreted"),
    ("<foreign.example!u@example.test>", "550 5.1.1", "nor is a bang path"),
    ("<\"foreign.example!u\"@example.test>", "550 5.1.1", "nor a quoted one"),
    ("<u@[127.0.0.1]>", "550 5.7.1", "our address"),
    ("<alice@[127.0.0.1]>", "550 5.7.1", "our address and a user of ours"),
    ("<alice@[IPv6:::1]>", "550 5.7.1", "our other address"),
    ("<alice@[IPv6:::ffff:127.0.0.1]>", "550 5.7.1", "a mapped one"),
    ("<alice@localhost>", "550 5.7.1", "localhost is no domain of ours"),
    ("<alice@mail.example.test>", "550 5.7.1", "our host name is not a mail domain unless listed"),
    ("<alice@foreign.example.test>", "550 5.7.1", "a sub-domain"),
    ("<alice@example.test.foreign.example>", "550 5.7.1", "our domain as a prefix"),
    ("<alice@foreignexample.test>", "550 5.7.1", "our domain as a suffix"),
    ("<alice@test>", "550 5.7.1", "the domain above ours"),
    ("<alice@example.test.>", "501 5.1.3", "a trailing dot"),
    ("<u@foreign.example@example.test>", "501 5.1.3", "two at signs"),
    ("<alice@example.test@foreign.example>", "501 5.1.3", "two at signs the other way"),
    ("<alice@>", "501 5.1.3", "no domain"),
    ("<alice>", "501 5.1.3", "no domain and not postmaster"),
    ("<@foreign.example>", "501 5.1.3", "no local part"),
    ("<>", "501 5.1.3", "nobody"),
    ("<alice@example.test,u@foreign.example>", "501 5.1.3", "a list"),
    ("<alice@example.test> <u@foreign.example>", "5", "two paths"),
    ("<alice@ex\u{0430}mple.test>", "553 5.6.7", "a Cyrillic look-alike"),
    ("<ghost@example.test>", "550 5.1.1", "nobody of that name"),
    ("<alice+tag@example.test>", "250 2.1.5", "a tag is alice's"),
    ("<alice+tag@foreign.example>", "550 5.7.1", "elsewhere it is not"),
    ("<+tag@example.test>", "550 5.1.1", "a tag alone is nobody's"),
    ("<\"../../etc/passwd\"@example.test>", "550 5.1.1", "a path"),
    ("<\"\"@example.test>", "550 5.1.1", "an empty local part"),
    ("<alice@EXAMPLE.test>", "250 2.1.5", "our domain in other letters"),
    ("<Alice@example.test>", "250 2.1.5", "our user in other letters"),
    ("<postMASTER>", "250 2.1.5", "postmaster without a domain"),
    ("<postmaster@example.test>", "250 2.1.5", "and with one"),
];

#[test]
fn no_spelling_of_a_recipient_relays() {
    let server = Server::demo();
    // What is said before a recipient opens nothing: our own name, a sender of ours.
    for before in [
        ["EHLO example.test", "MAIL FROM:<alice@example.test>"],
        ["EHLO mail.example.test", "MAIL FROM:<>"],
        ["HELO [127.0.0.1]", "MAIL FROM:<postmaster@example.test>"],
    ] {
        for (path, want, why) in FORMS {
            let mut client = server.connect();
            client.say_all(&before);
            let reply = client.say(&format!("RCPT TO:{path}"));
            assert!(reply.starts_with(want), "{why}: RCPT TO:{path} got {reply}");
        }
    }
    server.assert_no_mail("nobody got as far as DATA");
}

#[test]
fn a_recipient_of_ours_opens_nothing_for_a_foreign_one_beside_it() {
    let server = Server::demo();
    let mut client = server.connect();
    client.say_all(&["EHLO x.example", "MAIL FROM:<a@x.example>", "RCPT TO:<alice@example.test>"]);
    assert!(client.say("RCPT TO:<u@foreign.example>").starts_with("550 5.7.1 "));
    client.say_all(&["RCPT TO:<bob@example.test>", "DATA", "x\r\n."]);
    assert_eq!((server.mail("alice").len(), server.mail("bob").len()), (1, 1), "the others get theirs");
    let line = server.line(" queued ");
    assert!(line.contains("refused=\"<u@foreign.example> 550\""), "the line names the refusal: {line}");
}

#[test]
fn with_every_recipient_refused_there_is_no_message() {
    let server = Server::demo();
    let mut client = server.connect();
    client.say_all(&["EHLO x.example", "MAIL FROM:<a@x.example>"]);
    client.say("RCPT TO:<u@foreign.example>");
    client.say("RCPT TO:<ghost@example.test>");
    let reply = client.say("DATA");
    assert!(reply.starts_with("554 5.5.1 ") || reply.starts_with("503 5.5.1 "), "{reply}");
    client.say("QUIT");
    assert!(server.line(" refused ").contains("<ghost@example.test> 550"));
    server.assert_no_mail("nobody would get it");
}

#[test]
fn mailboxes_never_leave_the_mail_folder() {
    let server = Server::demo();
    let before = tree(server.data.parent().unwrap());
    for local in ["../x", "../../x", ".ssh/x", "/etc/x", "alice/../../x", "alice/new", ".", ".."] {
        let mut client = server.connect();
        client.say_all(&["EHLO x.example", "MAIL FROM:<a@x.example>"]);
        let reply = client.say(&format!("RCPT TO:<\"{local}\"@example.test>"));
        assert!(reply.starts_with("550 5.1.1 "), "{local}: {reply}");
    }
    assert_eq!(tree(server.data.parent().unwrap()), before);
}

/// Every file and folder below a folder.
pub(crate) fn tree(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}
