//! What is kept of sessions that ended in an error.

use std::path::Path;

use tempfile::TempDir;

use crate::harness::{Server, binary, field};

const SETTINGS: &str = "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n\
    [auth]\nallow_insecure_auth = true\nfailure_delay_ms = 1\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
    [[listener]]\nkind = \"submission\"\naddress = \"127.0.0.1:0\"\n[[user]]\nname = \"alice\"\n";

fn trace(folder: &Path, what: &str) -> String {
    let ask = |more: &[&str]| {
        let mut trace = binary();
        trace.args(["trace", what, "--config", "mail.toml"]).args(more).current_dir(folder);
        trace.output().unwrap()
    };
    let output = ask(&[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&ask(&["--json"]).stdout).unwrap();
    assert!(json.as_array().is_some_and(|list| !list.is_empty()), "{json}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_session_that_is_closed_is_shown_without_its_password() {
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), SETTINGS);
    let mut client = server.connect_to("submission");
    client.say_all(&["EHLO x.example"]);
    for _ in 0..3 {
        client.say_unless_closed("AUTH PLAIN AGFsaWNlAHNlY3JldA==");
    }
    let line = server.line(" closed ");
    let told = trace(folder.path(), &field(&line, "session"));
    assert!(told.starts_with(&format!("session {} ", field(&line, "session"))), "{told}");
    assert!(
        told.contains("\n    C: EHLO x.example\n") && told.contains("\n    C: AUTH PLAIN <redacted "),
        "{told}"
    );
    assert!(!told.contains("AGFsaWNl"), "{told}");
    assert!(trace(folder.path(), "127.0.0.1").contains(&told), "by its address too");
}

#[test]
fn a_message_that_was_cut_off_is_found_by_its_id_and_its_content_is_not_shown() {
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), SETTINGS);
    let mut client = server.connect();
    client.begin_content();
    client.send(b"Subject: private\r\n\r\nvery\r\n");
    client.finish();
    let id = field(&server.line(" dropped "), "id");
    server.line(" session=");
    let told = trace(folder.path(), &id);
    assert!(told.contains("why=\"message cut off: "), "{told}");
    assert!(told.contains("\n    C: DATA\n") && told.contains("\n    -- content, 26 octets\n"), "{told}");
    assert!(!told.contains("private"), "{told}");
    let mut client = server.connect();
    client.begin_content();
    let reply = client.say("fine\r\n.");
    let taken = reply.rsplit(' ').next().unwrap();
    server.settle();
    assert!(!trace(folder.path(), taken).contains("session "), "nothing is kept of what went well");
}
