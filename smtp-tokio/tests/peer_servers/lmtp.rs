//! To Dovecot by LMTP.

use super::dovecot::{Dovecot, User, as_sent};
use super::{codes, mailbox, nasty};
use crate::adapter::{Client, ClientConfig, Envelope, Outcome, Retry, UnixStream, block_on};

const USERS: [User; 3] = [
    User { address: "alice@store.example", quota: None },
    User { address: "full@store.example", quota: Some(2048) },
    User { address: "bob@store.example", quota: None },
];

fn lmtp() -> ClientConfig {
    ClientConfig::lmtp("client.example").unwrap()
}

#[test]
fn each_recipient_has_dovecots_answer_and_its_mailbox_what_was_sent() {
    let Some(dovecot) = Dovecot::start(&USERS) else { return };
    let message = nasty(100_000);
    let outcomes = block_on(async {
        let stream = UnixStream::connect(dovecot.socket()).await.unwrap();
        let mut client = Client::over(stream, lmtp()).await.unwrap();
        let from = mailbox("me@client.example");
        let to = ["alice@store.example", "ghost@store.example", "full@store.example", "bob@store.example"];
        let outcomes = client.send(&Envelope::new(&from).to(&to.map(mailbox)), &message).await;
        client.quit().await;
        outcomes
    });
    assert_eq!(codes(&outcomes), [250, 550, 552, 250], "{}", dovecot.log());
    assert!(outcomes[0].is_accepted() && outcomes[3].is_accepted());
    assert!(outcomes[1..3].iter().all(|outcome| outcome.retry() == Retry::Never));
    let enhanced = |outcome: &Outcome| outcome.reply().unwrap().enhanced().map(|code| code.to_string());
    assert_eq!(enhanced(&outcomes[1]).as_deref(), Some("5.1.1"), "unknown, at RCPT");
    assert_eq!(enhanced(&outcomes[2]).as_deref(), Some("5.2.2"), "over quota, after the dot");
    for user in ["alice", "bob"] {
        let stored = dovecot.messages(user);
        assert_eq!(stored.len(), 1);
        assert_eq!(as_sent(&stored[0]).escape_ascii().to_string(), message.escape_ascii().to_string());
    }
    assert!(dovecot.messages("full").is_empty());
}

#[test]
fn a_connection_to_dovecot_over_tcp_carries_message_after_message() {
    let Some(dovecot) = Dovecot::start(&USERS) else { return };
    let message = |number: usize| format!("Subject: {number}\r\n\r\n.{number}\r\n").into_bytes();
    block_on(async {
        let mut client = Client::to(dovecot.address().to_string(), lmtp()).connect().await.unwrap();
        let (from, alice) = (mailbox("me@client.example"), mailbox("alice@store.example"));
        let ghost = [mailbox("ghost@store.example")];
        for number in 0..20 {
            let outcomes = client.send(&Envelope::new(&from).to(&alice), &message(number)).await;
            assert_eq!(codes(&outcomes), [250]);
            // Nobody is left: the transaction ends without content, and the connection goes on.
            let outcomes = client.send(&Envelope::new(&from).to(&ghost), &message(number)).await;
            assert_eq!(codes(&outcomes), [550]);
        }
        client.quit().await;
    });
    let mut stored: Vec<_> = dovecot.messages("alice").iter().map(|one| as_sent(one).to_vec()).collect();
    let mut sent: Vec<_> = (0..20).map(message).collect();
    // Two of one microsecond have no order.
    stored.sort();
    sent.sort();
    assert_eq!(stored, sent);
}
