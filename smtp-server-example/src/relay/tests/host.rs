//! A host that does what a test says, and what is right where the test says nothing.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// Something that a client said, and when.
pub(super) struct Heard<'a> {
    /// A line, `connect` before any, `.` for the end of a message.
    pub(super) line: &'a str,
    pub(super) is_tls: bool,
    /// Transactions begun over it, this one too.
    pub(super) transaction: usize,
    /// Recipients taken in this one.
    pub(super) taken: usize,
}

/// What a host does then.
#[derive(Clone, Copy)]
pub(super) enum Act {
    /// What is right.
    Usual,
    /// EHLO's answer, with these keywords.
    Offer(&'static [&'static str]),
    Say(&'static str),
    /// Says it and goes.
    Last(&'static str),
    Close,
    Mute,
    /// Says 220 and, in the place of a handshake, something else.
    Babble,
}

pub(super) type Script = fn(&Heard<'_>) -> Act;

/// Virtual time, which stands still but where a host is mute: octets on their way through the system take none of it.
#[derive(Clone, Default)]
pub(super) struct Clock(Arc<Mutex<Hold>>);

#[derive(Default)]
struct Hold {
    mute: usize,
    /// A thread that blocks holds the time, until this is dropped.
    held: Option<std::sync::mpsc::Sender<()>>,
}

impl Clock {
    pub(super) fn stopped() -> Self {
        let clock = Self::default();
        clock.0.lock().unwrap().stop();
        clock
    }

    fn go_on(&self) {
        let mut hold = self.0.lock().unwrap();
        hold.mute += 1;
        hold.held = None;
    }

    fn stop(&self) {
        let mut hold = self.0.lock().unwrap();
        hold.mute -= 1;
        if hold.mute == 0 {
            hold.stop();
        }
    }
}

impl Hold {
    fn stop(&mut self) {
        let (held, end) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || end.recv());
        self.held = Some(held);
    }
}

/// What came over all connections.
#[derive(Clone, Default)]
pub(super) struct Records(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    connections: usize,
    /// Connections that are open, now and at most.
    open: (usize, usize),
    lines: Vec<String>,
    messages: Vec<(Vec<String>, String)>,
    /// Recipients of what came whole and was not answered.
    unanswered: Vec<Vec<String>>,
}

pub(super) struct Host {
    records: Records,
    task: tokio::task::JoinHandle<()>,
}

/// Sockets that listen at one port of each of these addresses.
pub(super) async fn listeners(addresses: &[IpAddr]) -> Vec<TcpListener> {
    'ports: loop {
        let first = TcpListener::bind((addresses[0], 0)).await.unwrap();
        let port = first.local_addr().unwrap().port();
        let mut all = vec![first];
        for address in &addresses[1..] {
            match TcpListener::bind(SocketAddr::new(*address, port)).await {
                Ok(listener) => all.push(listener),
                Err(_) => continue 'ports,
            }
        }
        return all;
    }
}

impl Records {
    fn opened(&self) {
        let mut inner = self.0.lock().unwrap();
        inner.connections += 1;
        inner.open.0 += 1;
        inner.open.1 = inner.open.1.max(inner.open.0);
    }
}

impl Records {
    /// A message has come whole, and this is its answer.
    fn ended(&self, act: Act, to: &[String], content: String) {
        let mut inner = self.0.lock().unwrap();
        let is_taken = |text: &str| text.starts_with('2');
        match act {
            Act::Usual => inner.messages.push((to.to_vec(), content)),
            Act::Say(text) | Act::Last(text) if is_taken(text) => inner.messages.push((to.to_vec(), content)),
            Act::Say(text) | Act::Last(text) if text.starts_with(['4', '5']) => {}
            _ => inner.unanswered.push(to.to_vec()),
        }
    }
}

impl Host {
    pub(super) fn start(listener: TcpListener, script: Script, clock: &Clock) -> Self {
        let records = Records::default();
        let (there, clock) = (records.clone(), clock.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                there.opened();
                let clock = clock.clone();
                let talk = Talk { records: there.clone(), script, clock, is_tls: false };
                // A client may go whenever it likes.
                let records = there.clone();
                tokio::spawn(async move {
                    talk.begin(stream).await;
                    records.0.lock().unwrap().open.0 -= 1;
                });
            }
        });
        Self { records, task }
    }

    pub(super) fn connections(&self) -> usize {
        self.records.0.lock().unwrap().connections
    }

    /// The most connections that there were at a time.
    pub(super) fn at_once(&self) -> usize {
        self.records.0.lock().unwrap().open.1
    }

    /// The lines since the last time.
    pub(super) fn lines(&self) -> Vec<String> {
        std::mem::take(&mut self.records.0.lock().unwrap().lines)
    }

    /// Whether a line was said that begins so.
    pub(super) fn heard(&self, begin: &str) -> bool {
        self.records.0.lock().unwrap().lines.iter().any(|line| line.starts_with(begin))
    }

    /// What it has taken: recipients, and content.
    pub(super) fn messages(&self) -> Vec<(Vec<String>, String)> {
        self.records.0.lock().unwrap().messages.clone()
    }
}

impl Host {
    /// How often it was told of this recipient in a message that it took, and in one that it did not answer.
    pub(super) fn has(&self, rcpt: &str) -> (usize, usize) {
        let inner = self.records.0.lock().unwrap();
        let is_for = |to: &[String]| to.iter().any(|line| line == rcpt);
        let taken = inner.messages.iter().filter(|(to, _)| is_for(to)).count();
        (taken, inner.unanswered.iter().filter(|to| is_for(to)).count())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Talk {
    records: Records,
    script: Script,
    clock: Clock,
    is_tls: bool,
}

/// What a client has sent and nobody read so far.
struct Wire<S> {
    stream: S,
    clock: Clock,
    rest: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    async fn until(&mut self, is_end: impl Fn(&[u8]) -> Option<usize>) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = is_end(&self.rest) {
                return Some(self.rest.drain(..end).collect());
            }
            if self.stream.read_buf(&mut self.rest).await.ok()? == 0 {
                return None;
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        let line = self.until(|rest| find(rest, b"\r\n")).await?;
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    async fn say(&mut self, text: &str) -> Option<()> {
        self.stream.write_all(format!("{text}\r\n").as_bytes()).await.ok()
    }

    /// None when that ends the connection.
    async fn act(&mut self, act: Act, usual: &str) -> Option<()> {
        match act {
            Act::Usual => self.say(usual).await,
            Act::Say(text) => self.say(text).await,
            Act::Offer(keywords) => self.say(&offer(keywords)).await,
            Act::Last(text) => {
                self.say(text).await?;
                None
            }
            Act::Close => None,
            Act::Babble => {
                self.say("220 2.0.0 Go on").await?;
                let _ = self.stream.read_buf(&mut self.rest).await;
                self.say("this is not TLS").await?;
                None
            }
            Act::Mute => {
                // To the client's end.
                self.clock.go_on();
                while self.stream.read_buf(&mut self.rest).await.is_ok_and(|count| count > 0) {}
                self.clock.stop();
                None
            }
        }
    }
}

fn offer(keywords: &[&str]) -> String {
    match keywords.split_last() {
        None => "250 host.example".to_owned(),
        Some((last, others)) => {
            let others: String = others.iter().map(|keyword| format!("250-{keyword}\r\n")).collect();
            format!("250-host.example\r\n{others}250 {last}")
        }
    }
}

fn find(octets: &[u8], part: &[u8]) -> Option<usize> {
    octets.windows(part.len()).position(|window| window == part).map(|at| at + part.len())
}

/// Why a conversation over one stream is over.
enum Over {
    Gone,
    Handshake,
}

impl Talk {
    async fn begin(mut self, stream: TcpStream) -> Option<()> {
        let mut wire = Wire { stream, clock: self.clock.clone(), rest: Vec::new() };
        let act = self.hear("connect", 0, 0);
        wire.act(act, "220 host.example").await?;
        if let Over::Gone = self.converse(&mut wire).await {
            return None;
        }
        let Ok(stream) = acceptor().accept(wire.stream).await else { return None };
        self.is_tls = true;
        self.converse(&mut Wire { stream, clock: self.clock.clone(), rest: Vec::new() }).await;
        Some(())
    }

    fn hear(&self, line: &str, transaction: usize, taken: usize) -> Act {
        self.records.0.lock().unwrap().lines.push(line.to_owned());
        (self.script)(&Heard { line, is_tls: self.is_tls, transaction, taken })
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(&self, wire: &mut Wire<S>) -> Over {
        let (mut transaction, mut to, mut chunks) = (0, Vec::new(), Vec::new());
        while let Some(line) = wire.line().await {
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            if verb == "MAIL" {
                transaction += 1;
                to.clear();
            }
            let act = self.hear(&line, transaction, to.len());
            let usual = match verb.as_str() {
                "EHLO" => offer(&["PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME"]),
                "STARTTLS" => "220 2.0.0 Go on".to_owned(),
                "DATA" if to.is_empty() => "554 5.5.1 No valid recipients".to_owned(),
                "DATA" => "354 Go on".to_owned(),
                "QUIT" => "221 2.0.0 Bye".to_owned(),
                _ => "250 2.0.0 Ok".to_owned(),
            };
            if verb != "BDAT" && wire.act(act, &usual).await.is_none() {
                return Over::Gone;
            }
            let is_taken = match act {
                Act::Say(text) => text.starts_with(['2', '3']),
                _ => true,
            };
            match verb.as_str() {
                "QUIT" => return Over::Gone,
                "STARTTLS" if is_taken => return Over::Handshake,
                "RCPT" if is_taken => to.push(line),
                "BDAT" => {
                    let Some(is_last) = self.chunk(wire, &line, &mut chunks).await else { return Over::Gone };
                    let usual = if is_last { "250 2.0.0 Taken" } else { "250 2.0.0 Go on" };
                    if is_last {
                        let content = String::from_utf8_lossy(&std::mem::take(&mut chunks)).into_owned();
                        self.records.0.lock().unwrap().messages.push((std::mem::take(&mut to), content));
                    }
                    if wire.say(usual).await.is_none() {
                        return Over::Gone;
                    }
                }
                "DATA" if is_taken && !to.is_empty() => {
                    if self.take(wire, transaction, &to).await.is_none() {
                        return Over::Gone;
                    }
                    to.clear();
                }
                _ => {}
            }
        }
        Over::Gone
    }

    /// A chunk; whether it is the last.
    async fn chunk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        line: &str,
        chunks: &mut Vec<u8>,
    ) -> Option<bool> {
        let size: usize = line.split(' ').nth(1)?.parse().ok()?;
        chunks.extend(wire.until(|rest| (rest.len() >= size).then_some(size)).await?);
        Some(line.ends_with(" LAST"))
    }

    /// Content, and its answer.
    async fn take<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        transaction: usize,
        to: &[String],
    ) -> Option<()> {
        let content = wire.until(|rest| find(rest, b"\r\n.\r\n")).await?;
        let content = String::from_utf8_lossy(&content[..content.len() - 3]).into_owned();
        let act = self.hear(".", transaction, to.len());
        self.records.ended(act, to, content);
        wire.act(act, "250 2.0.0 Taken").await
    }
}

/// A certificate that nobody has reason to trust.
fn acceptor() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(vec!["host.example".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}
