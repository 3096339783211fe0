use smtp_proto::server::Step;
use smtp_proto::wire::path::{MailboxBuf, ReversePathBuf};
use smtp_proto::wire::reply::Reply;
use tokio::sync::{mpsc, oneshot};

use crate::connection::Connection;

/// A whole message that waits for its verdict. Dropped unanswered, the client is told to try later (451).
#[derive(Debug)]
#[must_use = "dropped unanswered, the client is told to try later (451)"]
pub struct Message {
    from: ReversePathBuf,
    recipients: Vec<MailboxBuf>,
    content: Vec<u8>,
    verdict: oneshot::Sender<Option<Reply<'static>>>,
}

impl Message {
    /// The reverse-path.
    #[must_use]
    pub fn from(&self) -> &ReversePathBuf {
        &self.from
    }

    /// The recipients in the order in which they were given.
    #[must_use]
    pub fn recipients(&self) -> &[MailboxBuf] {
        &self.recipients
    }

    /// Header and body as they were sent, dots removed.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Takes the message: the client is told 250.
    pub fn accept(self) {
        // A client that is gone meanwhile changes nothing for the taker.
        let _ = self.verdict.send(None);
    }

    /// Refuses the message.
    pub fn refuse(self, reply: Reply<'static>) {
        let _ = self.verdict.send(Some(reply));
    }
}

/// Serves a connection and sends each whole message to `messages`.
pub(crate) async fn collect(mut connection: Connection, messages: mpsc::Sender<Message>) {
    let mut from = ReversePathBuf::Null;
    let (mut recipients, mut content) = (Vec::new(), Vec::new());
    while let Ok(Some(step)) = connection.next().await {
        match step {
            Step::Mail(mail) => {
                from = mail.sender().to_owned();
                mail.accept();
            }
            Step::Rcpt(rcpt) => {
                recipients.push(rcpt.mailbox().to_owned());
                rcpt.accept();
            }
            Step::Content(octets) => content.extend_from_slice(octets),
            Step::Verdict(token) => {
                let (verdict, answer) = oneshot::channel();
                let message = Message {
                    from: std::mem::replace(&mut from, ReversePathBuf::Null),
                    recipients: std::mem::take(&mut recipients),
                    content: std::mem::take(&mut content),
                    verdict,
                };
                if messages.send(message).await.is_ok() {
                    match answer.await {
                        Ok(None) => token.accept(),
                        Ok(Some(reply)) => token.refuse(&reply),
                        // Dropped unanswered: so is the token.
                        Err(_) => drop(token),
                    }
                }
            }
            Step::Reset(_) => {
                recipients.clear();
                content.clear();
            }
            other => other.or_default(),
        }
    }
}
