//! Whole messages: from memory, from a stream, from a file.

use std::io::{self, SeekFrom};

use smtp_proto::client::{ClientStep, CloseReason, Envelope, Outcome, Why};
use smtp_proto::limits;
use smtp_proto::wire::content::Survey;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWrite};

use super::pump::Client;

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Sends a message and returns what became of it for each recipient, in the envelope's order.
    ///
    /// The content is looked through first: what the server can't take is [`Outcome::NotTried`], and nothing is sent
    /// then. A server that is lost on the way ends the session; the outcomes say for whom that was too late.
    pub async fn send(&mut self, envelope: &Envelope<'_>, content: &[u8]) -> Vec<Outcome> {
        if let Err(outcomes) = self.begin(&envelope.content(content)).await {
            return outcomes;
        }
        loop {
            match self.next().await {
                Ok(Some(ClientStep::Content(mut body))) => {
                    let at = usize::try_from(body.at()).unwrap_or(usize::MAX);
                    let rest = content.get(at..).unwrap_or_default();
                    if body.write(rest) == rest.len() {
                        body.finish();
                    }
                }
                Ok(Some(ClientStep::Ready(_) | ClientStep::Close(_)) | None) => break,
                Ok(Some(_)) => {}
                Err(_) => self.session.handle_eof(),
            }
        }
        self.session.outcomes().collect()
    }

    /// Sends a message from a reader that can be read once, holding no more of it in memory than one read.
    ///
    /// What the server must know before it comes is the envelope's to declare: [`Envelope::size`] and
    /// [`Envelope::body`]. A declaration that turns out false ends the connection, and nobody gets the message.
    /// Recipients beyond the server's limits are [`Why::Limits`], as the content can't
    /// be read again.
    ///
    /// # Errors
    /// When the reader fails. The connection has ended then, without the message.
    pub async fn send_stream(
        &mut self,
        envelope: &Envelope<'_>,
        content: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<Vec<Outcome>> {
        if let Err(outcomes) = self.begin(envelope).await {
            return Ok(outcomes);
        }
        self.stream_content(Once(content)).await?;
        Ok(self.session.outcomes().collect())
    }

    /// Sends a file, or whatever can be read again from its start: it is looked through first, as
    /// [`send`](Self::send) does, and then streamed.
    ///
    /// # Errors
    /// When reading or seeking fails. If that was in the middle of the content, the connection has ended, without the
    /// message.
    pub async fn send_file(
        &mut self,
        envelope: &Envelope<'_>,
        content: &mut (impl AsyncRead + AsyncSeek + Unpin),
    ) -> io::Result<Vec<Outcome>> {
        let begin = content.stream_position().await?;
        let (mut survey, mut octets) = (Survey::new(), vec![0; limits::CONTENT_ROOM]);
        loop {
            match content.read(&mut octets).await? {
                0 => break,
                n => survey.update(&octets[..n]),
            }
        }
        survey.finish();
        if let Err(outcomes) = self.begin(&envelope.surveyed(&survey).rewinds()).await {
            return Ok(outcomes);
        }
        self.stream_content(Again { content, begin }).await?;
        Ok(self.session.outcomes().collect())
    }

    /// Streams content until the message is settled; it is rewound at the start of each of its transactions.
    async fn stream_content(&mut self, mut content: impl Source) -> io::Result<()> {
        let mut octets = vec![0; limits::CONTENT_ROOM];
        let (mut held, mut is_done, mut round) = (0..0, false, None);
        loop {
            match self.next().await {
                Ok(Some(ClientStep::Content(mut body))) => {
                    if round != Some(body.round()) {
                        (held, is_done, round) = (0..0, false, Some(body.round()));
                        if let Err(error) = content.rewind().await {
                            body.abandon();
                            return Err(error);
                        }
                    }
                    if held.is_empty() && !is_done {
                        match content.reader().read(&mut octets).await {
                            Ok(n) => (held, is_done) = (0..n, n == 0),
                            Err(error) => {
                                body.abandon();
                                return Err(error);
                            }
                        }
                    }
                    held.start += body.write(&octets[held.clone()]);
                    if is_done {
                        body.finish();
                    }
                }
                Ok(Some(ClientStep::Ready(_) | ClientStep::Close(_)) | None) => return Ok(()),
                Ok(Some(_)) => {}
                Err(_) => self.session.handle_eof(),
            }
        }
    }

    /// Starts a message at the next rest; the outcomes where it can't be sent.
    async fn begin(&mut self, envelope: &Envelope<'_>) -> Result<(), Vec<Outcome>> {
        loop {
            match self.next().await {
                Ok(Some(ClientStep::Ready(ready))) => {
                    let sent = ready.send(envelope);
                    return sent.map_err(|_| self.session.outcomes().collect());
                }
                Ok(Some(ClientStep::Close(_)) | None) => {
                    let reason = self.session.close_reason().unwrap_or(CloseReason::Idle);
                    let outcome = Outcome::NotTried(Why::Closed(reason));
                    return Err(vec![outcome; envelope.recipients().len()]);
                }
                Ok(Some(_)) => {}
                Err(_) => self.session.handle_eof(),
            }
        }
    }
}

/// Content that is streamed. A trait and no closure: what awaits a closure on loan can't be spawned.
trait Source {
    type Reader: AsyncRead + Unpin;

    fn reader(&mut self) -> &mut Self::Reader;

    /// Goes to the content's start, where it can be read more than once.
    async fn rewind(&mut self) -> io::Result<()>;
}

struct Once<'r, R>(&'r mut R);

impl<R: AsyncRead + Unpin> Source for Once<'_, R> {
    type Reader = R;

    fn reader(&mut self) -> &mut R {
        self.0
    }

    async fn rewind(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Again<'r, R> {
    content: &'r mut R,
    begin: u64,
}

impl<R: AsyncRead + AsyncSeek + Unpin> Source for Again<'_, R> {
    type Reader = R;

    fn reader(&mut self) -> &mut R {
        self.content
    }

    async fn rewind(&mut self) -> io::Result<()> {
        self.content.seek(SeekFrom::Start(self.begin)).await.map(drop)
    }
}
