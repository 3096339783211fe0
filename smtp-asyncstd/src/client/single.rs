//! Command by command, for proxies and scanners.

use std::io;
use std::time::Duration;

use async_std::future::timeout;
use futures_io::{AsyncRead, AsyncWrite};
use smtp_proto::client::{ClientStep, Ready, Why};
use smtp_proto::sasl::client::Credentials;
use smtp_proto::wire::command::Command;
use smtp_proto::wire::params::{MailParams, RcptParams};
use smtp_proto::wire::path::{Mailbox, ReversePath};
use smtp_proto::wire::reply::ReplyBuf;

use super::connect::ConnectError;
use super::pump::Client;

/// A chunk, or the last.
type Say = for<'r, 'o> fn(Ready<'r>, &'o [u8]) -> Result<(), Why>;

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// MAIL with parameters as they are; the server's answer.
    ///
    /// # Errors
    /// When the connection ends before the answer has come.
    pub async fn mail(&mut self, from: ReversePath<'_>, params: MailParams<'_>) -> io::Result<ReplyBuf> {
        self.say(Command::Mail { path: from, params }).await
    }

    /// RCPT with parameters as they are; the server's answer.
    ///
    /// # Errors
    /// As [`mail`](Self::mail).
    pub async fn rcpt(&mut self, to: Mailbox<'_>, params: RcptParams<'_>) -> io::Result<ReplyBuf> {
        self.say(Command::Rcpt { path: to, params }).await
    }

    /// DATA; the server's answer. After 354 comes [`write`](Self::write) and [`finish`](Self::finish).
    ///
    /// # Errors
    /// As [`mail`](Self::mail).
    pub async fn data(&mut self) -> io::Result<ReplyBuf> {
        self.say(Command::Data).await
    }

    /// RSET; the server's answer. In the middle of content there is no such thing: the connection ends, so that the
    /// server has no message.
    ///
    /// # Errors
    /// As [`mail`](Self::mail), and [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) in the middle of content.
    pub async fn rset(&mut self) -> io::Result<ReplyBuf> {
        self.say(Command::Rset).await
    }

    /// Any command that one reply answers; that reply.
    ///
    /// # Errors
    /// As [`mail`](Self::mail); [`InvalidInput`](io::ErrorKind::InvalidInput) for STARTTLS, AUTH, BDAT and BURL, which
    /// are more than a command and its reply: [`auth`](Self::auth) and [`bdat`](Self::bdat) are for two of them.
    pub async fn say(&mut self, command: Command<'_>) -> io::Result<ReplyBuf> {
        loop {
            match self.step().await? {
                Some(ClientStep::Ready(ready)) => {
                    let said = ready.say(&command);
                    said.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
                    return self.answer().await;
                }
                Some(ClientStep::Content(body)) => body.abandon(),
                Some(_) => {}
                None => return Err(self.closed()),
            }
        }
    }

    /// BDAT with `octets` as one chunk, more of which follow; the server's answer. Octets travel as they are.
    ///
    /// # Errors
    /// As [`mail`](Self::mail); [`InvalidInput`](io::ErrorKind::InvalidInput) with a [`Why`] where the server does not
    /// offer CHUNKING, or where there is a bare CR or LF and MAIL did not say `BODY=BINARYMIME`. Nothing is sent then.
    pub async fn bdat(&mut self, octets: &[u8]) -> io::Result<ReplyBuf> {
        self.chunk(octets, |ready, octets| ready.bdat(octets)).await
    }

    /// BDAT LAST with `octets` as the last chunk, which may be empty; the server's answer about the message. In LMTP it
    /// is the first recipient's, and [`reply`](Self::reply) has the others.
    ///
    /// # Errors
    /// As [`bdat`](Self::bdat). The server may have the message when the connection ends.
    pub async fn bdat_last(&mut self, octets: &[u8]) -> io::Result<ReplyBuf> {
        self.chunk(octets, |ready, octets| ready.bdat_last(octets)).await
    }

    async fn chunk(&mut self, octets: &[u8], say: Say) -> io::Result<ReplyBuf> {
        loop {
            match self.step().await? {
                Some(ClientStep::Ready(ready)) => {
                    let said = say(ready, octets);
                    said.map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
                    return self.answer().await;
                }
                Some(ClientStep::Content(body)) => body.abandon(),
                Some(_) => {}
                None => return Err(self.closed()),
            }
        }
    }

    /// Writes content after [`data`](Self::data) was answered with 354. Dots are doubled on the way.
    ///
    /// # Errors
    /// When the connection has ended, or there is no content to write.
    pub async fn write(&mut self, mut octets: &[u8]) -> io::Result<()> {
        while !octets.is_empty() {
            match self.step().await? {
                Some(ClientStep::Content(mut body)) => {
                    let taken = body.write(octets);
                    octets = &octets[taken..];
                }
                Some(ClientStep::Ready(_)) => return Err(no_content()),
                Some(_) => {}
                None => return Err(self.closed()),
            }
        }
        Ok(())
    }

    /// Ends the content; the server's answer. In LMTP it is the first recipient's, and [`reply`](Self::reply) has the
    /// others.
    ///
    /// # Errors
    /// As [`write`](Self::write). The server may have the message then.
    pub async fn finish(&mut self) -> io::Result<ReplyBuf> {
        loop {
            match self.step().await? {
                Some(ClientStep::Content(body)) => {
                    body.finish();
                    return self.answer().await;
                }
                Some(ClientStep::Ready(_)) => return Err(no_content()),
                Some(_) => {}
                None => return Err(self.closed()),
            }
        }
    }

    /// Sends octets as they are, for scanners and tests. Nothing is checked, and no answer awaited.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn raw(&mut self, octets: &[u8]) -> io::Result<()> {
        loop {
            match self.step().await? {
                Some(ClientStep::Ready(ready)) => {
                    ready.raw(octets);
                    return Ok(());
                }
                Some(ClientStep::Content(body)) => {
                    body.raw(octets);
                    return Ok(());
                }
                Some(_) => {}
                None => return Err(self.closed()),
            }
        }
    }

    /// The next reply, whatever it answers.
    ///
    /// # Errors
    /// When the connection ends before.
    pub async fn reply(&mut self) -> io::Result<ReplyBuf> {
        loop {
            match self.step().await? {
                Some(ClientStep::Reply { reply, .. }) => return Ok(reply.clone()),
                Some(ClientStep::Ready(ready)) => ready.wait(),
                Some(_) => {}
                None => return Err(self.closed()),
            }
        }
    }

    /// The next reply, or `None` when none has come within `limit`.
    ///
    /// # Errors
    /// As [`reply`](Self::reply).
    pub async fn reply_within(&mut self, limit: Duration) -> io::Result<Option<ReplyBuf>> {
        let reply = timeout(limit, self.reply()).await;
        self.session.wake();
        reply.ok().transpose()
    }

    /// Logs in with the strongest mechanism that both sides know. Credentials go out only to a server whose certificate
    /// was verified, unless [`ClientConfig::insecure_credentials`](crate::ClientConfig::insecure_credentials) is set.
    ///
    /// # Errors
    /// When that is not so, or the server refuses.
    pub async fn auth(&mut self, credentials: &Credentials) -> Result<(), ConnectError> {
        let mut begun = false;
        loop {
            match self.next().await? {
                Some(ClientStep::Ready(ready)) if !begun => {
                    ready.auth(credentials, &random()?)?;
                    begun = true;
                }
                Some(ClientStep::Ready(_)) => break,
                Some(ClientStep::Close(_)) | None => return Err(self.why_closed()),
                Some(_) => {}
            }
        }
        match self.session.auth_outcome() {
            Some(Err(failure)) => {
                let (reply, words) = (self.session.last_reply().clone(), self.session.auth_words());
                Err(ConnectError::AuthFailed { failure, reply, words: words.map(Into::into) })
            }
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// Says QUIT and waits for the answer, at most for the time that the configuration gives it. Nothing that happens here
    /// changes what became of a message.
    pub async fn quit(mut self) {
        self.session.shut_down();
        loop {
            match self.next().await {
                Ok(Some(ClientStep::Close(_)) | None) => break,
                Ok(Some(ClientStep::Content(body))) => body.abandon(),
                Ok(Some(_)) => {}
                Err(_) => self.session.handle_eof(),
            }
        }
        self.close().await;
    }

    /// The next step; `None` when the session has ended.
    async fn step(&mut self) -> io::Result<Option<ClientStep<'_>>> {
        Ok(self.next().await?.filter(|step| !matches!(step, ClientStep::Close(_))))
    }

    async fn answer(&mut self) -> io::Result<ReplyBuf> {
        loop {
            match self.step().await? {
                Some(ClientStep::Reply { reply, .. }) => return Ok(reply.clone()),
                Some(_) => {}
                None => return Err(self.closed()),
            }
        }
    }

    fn closed(&self) -> io::Error {
        match self.session.close_reason() {
            Some(reason) => io::Error::new(io::ErrorKind::ConnectionAborted, reason),
            None => io::ErrorKind::NotConnected.into(),
        }
    }
}

fn no_content() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the server did not ask for content")
}

/// Octets of the system's generator, for one exchange.
fn random() -> io::Result<[u8; 24]> {
    let mut octets = [0; 24];
    getrandom::fill(&mut octets).map_err(io::Error::other)?;
    Ok(octets)
}
