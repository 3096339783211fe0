//! Nobody sends through us who may not: whatever they write for a recipient, and whether they look at the answer or not.

use tempfile::TempDir;

use crate::harness::{Client, Server, certificate};
use crate::queue::queue;
use crate::relay::FORMS;
use crate::submission::{alice, with_alice};

/// Goes on to the end of a message as if nothing had been refused; the reply to RCPT.
fn send_regardless(client: &mut Client, rcpt: &str) -> String {
    let reply = client.say(&format!("RCPT TO:{rcpt}"));
    let data = client.say("DATA");
    assert!(data.starts_with('5'), "DATA behind RCPT TO:{rcpt}, {reply}: {data}");
    reply
}

fn assert_nothing_queued(server: &Server) {
    let list = queue(&server.data, "list", &[]);
    assert!(list.contains("deliveries: 0"), "{list}");
}

#[test]
fn who_ignores_each_refusal_has_nothing_queued() {
    let server = Server::demo();
    let refused = || FORMS.iter().filter(|(_, want, _)| want.starts_with('5'));
    assert!(refused().count() >= 30);
    for (path, want, why) in refused() {
        // Our own user, in the envelope and in EHLO, and nobody has logged in.
        let mut client = server.connect();
        client.say_all(&["EHLO mail.example.test", "MAIL FROM:<alice@example.test>"]);
        let reply = send_regardless(&mut client, path);
        assert!(reply.starts_with(want), "{why}: RCPT TO:{path} got {reply}");
    }
    server.assert_no_mail("all of it was refused");
    assert_nothing_queued(&server);
}

#[test]
fn without_a_log_in_a_submission_port_takes_nothing_for_anybody() {
    let server = Server::demo();
    for (path, ..) in FORMS {
        let mut client = server.connect_to("submission");
        client.say_all(&["EHLO client.example"]);
        assert!(client.say("MAIL FROM:<alice@example.test>").starts_with("530 5.7.0 "));
        let reply = send_regardless(&mut client, path);
        assert!(reply.starts_with('5'), "RCPT TO:{path} got {reply}");
    }
    assert_nothing_queued(&server);
}

#[test]
fn a_port_for_lmtp_takes_mail_for_our_mailboxes_only() {
    let folder = TempDir::new().unwrap();
    let server = Server::serve(
        folder.path(),
        &format!(
            "hostname = \"mail.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n{}\
             [[listener]]\nkind = \"lmtp\"\naddress = \"127.0.0.1:0\"\n[[user]]\nname = \"alice\"\n",
            certificate(folder.path())
        ),
    );
    for (path, want, why) in FORMS.iter().filter(|(_, want, _)| want.starts_with('5')) {
        let mut client = server.connect();
        client.say_all(&["LHLO client.example", "MAIL FROM:<alice@example.test>"]);
        let reply = send_regardless(&mut client, path);
        assert!(reply.starts_with(want), "{why}: RCPT TO:{path} got {reply}");
    }
    assert_nothing_queued(&server);
}

/// What a user who has logged in may not do either, and never may: these name nobody, or somebody here who is not there.
const FOR_NOBODY: &[(&str, &str, &str)] = &[
    ("<u%foreign.example@example.test>", "550 5.1.1", "the percent hack"),
    ("<\"u%foreign.example\"@example.test>", "550 5.1.1", "the same in quotes"),
    ("<foreign.example!u@example.test>", "550 5.1.1", "a bang path"),
    ("<\"u@foreign.example\"@example.test>", "550 5.1.1", "a quoted address is a local part"),
    ("<ghost@example.test>", "550 5.1.1", "nobody of that name"),
    ("<u@foreign.example@example.test>", "501 5.1.3", "two at signs"),
    ("<alice@example.test@foreign.example>", "501 5.1.3", "two at signs the other way"),
    ("<u@foreign.example,v@foreign.example>", "501 5.1.3", "a list"),
    ("<u@>", "501 5.1.3", "no domain"),
    ("<@foreign.example>", "501 5.1.3", "no local part"),
    ("<>", "501 5.1.3", "nobody"),
];

#[test]
fn a_log_in_does_not_change_what_a_recipient_means() {
    let folder = TempDir::new().unwrap();
    let server = with_alice(folder.path(), "");
    for (path, want, why) in FOR_NOBODY {
        let mut client = alice(&server);
        client.say_all(&["MAIL FROM:<alice@example.test>"]);
        let reply = send_regardless(&mut client, path);
        assert!(reply.starts_with(want), "{why}: RCPT TO:{path} got {reply}");
    }
    assert_nothing_queued(&server);
}

#[test]
fn a_log_in_is_for_ones_own_name_whoever_the_recipient_is() {
    let folder = TempDir::new().unwrap();
    let server = with_alice(folder.path(), "");
    for (sender, why) in [
        ("<bob@example.test>", "another user"),
        ("<u@foreign.example>", "somebody elsewhere"),
        ("<alice@foreign.example>", "our name elsewhere"),
        ("<alice%foreign.example@example.test>", "something like it"),
    ] {
        let mut client = alice(&server);
        let reply = client.say(&format!("MAIL FROM:{sender}"));
        assert!(reply.starts_with("553 5.7.1 "), "{why}: {reply}");
        send_regardless(&mut client, "<u@foreign.example>");
    }
    assert_nothing_queued(&server);
}

/// A balancer's header from somebody who is none: as text, and in version 2 for the TCP address 198.51.100.7.
const PROXY_HEADERS: &[(&[u8], &str)] = &[
    (b"PROXY TCP4 127.0.0.1 127.0.0.1 4711 25\r\n", "version 1"),
    (b"PROXY UNKNOWN\r\n", "version 1 without addresses"),
    (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x07\x7f\x00\x00\x01\x12\x67\x00\x19", "version 2"),
];

#[test]
fn a_balancers_header_from_anybody_else_ends_the_connection() {
    let server = Server::demo();
    for kind in ["mx", "submission"] {
        for (header, why) in PROXY_HEADERS {
            let mut client = Client::connect(server.address_of(kind).parse().unwrap());
            client.send(header);
            client.send(b"EHLO x.example\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<alice@example.test>\r\n");
            let said = client.rest();
            assert!(!said.contains("\n250") && !said.starts_with("250"), "{kind}, {why}: {said}");
        }
    }
    assert_nothing_queued(&server);
    server.assert_alive();
}
