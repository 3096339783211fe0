//! Ten thousand clients that say nothing or little, and a thousand that send: what they cost, and who waits for whom.
//!
//! The server is a process of its own, this test run again: descriptors are limited for each process, and its memory can
//! be read from outside. The figures, as a server has them:
//! `cargo test --release -p smtp-tokio --test soak -- --ignored --nocapture`
#![cfg(all(target_os = "linux", feature = "aws-lc-rs"))]
#![allow(clippy::print_stdout, reason = "the figures are half of what it is for")]

use std::io::{self, BufRead, BufReader, Lines, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use smtp_tokio::{Connection, Server, ServerConfig, tls};
use tls::rustls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

const QUIET: usize = 10_000;
const ENCRYPTED: usize = 1_000;
const SENDERS: usize = 1_000;
const MESSAGES: usize = 10;
/// Most octets that a connection without a message may hold in the server; what the kernel holds is not counted.
const QUIET_OCTETS: usize = 2_048;
/// Descriptors that each of the two processes needs, and some for itself.
const DESCRIPTORS: usize = QUIET + SENDERS + 500;
const SECOND: Duration = Duration::from_secs(1);
/// For everything that is waited for; what is late by this much never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Set for the process that serves: `clear` or `tls`.
const ROLE: &str = "SMTP_SOAK_SERVER";
const LISTENING: &str = "listening on ";

#[test]
#[ignore = "a minute, and eleven thousand descriptors in each of two processes"]
fn ten_thousand_idle_and_slow_clients_cost_little_and_hinder_no_sender() {
    if let Ok(role) = std::env::var(ROLE) {
        return serve(&role);
    }
    raise_descriptors();
    let held = encrypted_octets();
    println!("{held} octets for each of {ENCRYPTED} idle connections under TLS");

    let served = Served::start("clear");
    // What the first message makes the process allocate once is no connection's.
    send(served.address, 1);
    let before = served.memory();
    let each = || (served.memory() - before) / QUIET;
    let mut quiet: Vec<TcpStream> = (0..QUIET).map(|_| greeted(served.address).unwrap()).collect();
    let idle = each();
    println!("{idle} octets for each of {QUIET} idle connections");
    let mut slow = 0;
    drip(&mut quiet, || slow = slow.max(each()));
    println!("{slow} octets for each while they send an octet a second");

    let mut rounds = 1;
    let mut took = std::thread::scope(|scope| {
        let senders = scope.spawn(|| send(served.address, SENDERS));
        while !senders.is_finished() {
            drip(&mut quiet, || {});
            rounds += 1;
        }
        senders.join().expect("every sender finishes")
    });
    took.sort();
    let (median, slowest) = (took[took.len() / 2], took[took.len() - 1]);
    println!("{SENDERS} senders of {MESSAGES} messages: median {median:.1?}, slowest {slowest:.1?}");

    for stream in &mut quiet {
        hear(stream, rounds).expect("each slow client is answered, however late it finishes a line");
    }
    assert!(idle <= QUIET_OCTETS, "an idle connection holds {idle} octets");
    assert!(slow <= QUIET_OCTETS, "a slow connection holds {slow} octets");
    assert!(slowest <= 5 * median, "the slowest took {slowest:?}, the median {median:?}");
}

/// Raises this process's limit, which the server inherits.
fn raise_descriptors() {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let open = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let soft = open.split_whitespace().next().unwrap();
    if soft == "unlimited" || soft.parse::<usize>().unwrap() >= DESCRIPTORS {
        return;
    }
    let itself = std::process::id().to_string();
    let raised =
        Command::new("prlimit").args(["--pid", &itself, &format!("--nofile={DESCRIPTORS}:")]).status();
    assert!(
        raised.is_ok_and(|status| status.success()),
        "{DESCRIPTORS} descriptors are needed, {soft} allowed: raise the hard limit (ulimit -Hn) and try again"
    );
}

/// The process that serves; gone with this value.
struct Served {
    process: Child,
    address: SocketAddr,
    certificate: String,
    /// Held, since a process that can't print what it wants to ends.
    _said: Lines<BufReader<ChildStdout>>,
}

impl Served {
    fn start(role: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--nocapture"])
            .env(ROLE, role)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = said.find_map(|line| Some(line.unwrap().split_once(LISTENING)?.1.parse().unwrap()));
        let certificate = said.by_ref().map(Result::unwrap).take_while(|line| !line.is_empty());
        let certificate = certificate.collect::<Vec<_>>().join("\n");
        Self { process, address: address.expect("the server starts"), certificate, _said: said }
    }

    /// Octets of memory that are its own: heap and stacks, neither code nor what the kernel holds.
    fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves until it is killed; tells its address and, under TLS, its certificate.
#[tokio::main(flavor = "current_thread")]
async fn serve(role: &str) {
    let config = ServerConfig::new("mx.example").unwrap();
    let mut server = Server::builder(config).max_connections(20_000).max_per_address(20_000);
    let mut chain = String::new();
    if role == "tls" {
        let made = rcgen::generate_simple_self_signed(["mx.example".to_owned()]).unwrap();
        chain = made.cert.pem();
        let key = made.signing_key.serialize_pem();
        server = server.implicit_tls(tls::server_config(chain.as_bytes(), key.as_bytes()).unwrap().into());
    }
    let server = server.bind("127.0.0.1:0").await.unwrap();
    println!("{LISTENING}{}\n{}\n", server.local_addr().unwrap(), chain.trim_end());
    server.serve(discard).await.unwrap();
}

async fn discard(mut connection: Connection) {
    while let Ok(Some(step)) = connection.next().await {
        step.accept();
    }
}

/// What an idle connection under TLS holds.
fn encrypted_octets() -> usize {
    let served = Served::start("tls");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(served.certificate.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = Arc::new(builder.unwrap().with_root_certificates(roots).with_no_client_auth());
    let client = || {
        let name = ServerName::try_from("mx.example").unwrap();
        let tls = rustls::ClientConnection::new(Arc::clone(&config), name).unwrap();
        greet(rustls::StreamOwned::new(tls, connect(served.address).unwrap())).unwrap()
    };
    let _first = client();
    let before = served.memory();
    let _idle: Vec<_> = (0..ENCRYPTED).map(|_| client()).collect();
    (served.memory() - before) / ENCRYPTED
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A client that was greeted and has nothing to say.
fn greeted(address: SocketAddr) -> io::Result<TcpStream> {
    greet(connect(address)?)
}

fn greet<S: Read + Write>(mut stream: S) -> io::Result<S> {
    hear(&mut stream, 1)?;
    stream.write_all(b"EHLO client.example\r\n")?;
    hear(&mut stream, 1)?;
    Ok(stream)
}

/// Reads `n` replies.
fn hear(stream: &mut impl Read, n: usize) -> io::Result<()> {
    let (mut heard, mut octets) = (Vec::new(), [0; 1024]);
    while replies(&heard) < n {
        match stream.read(&mut octets)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => heard.extend_from_slice(&octets[..n]),
        }
    }
    Ok(())
}

/// How many positive replies have come as a whole.
fn replies(heard: &[u8]) -> usize {
    let lines = heard.split_inclusive(|&octet| octet == b'\n').filter(|line| line.ends_with(b"\n"));
    let last = lines.filter(|line| line.get(3) == Some(&b' '));
    last.inspect(|line| assert!(line[0] < b'4', "{}", String::from_utf8_lossy(line))).count()
}

/// Each of `quiet` sends one command, an octet a second; `nearly` runs where the line lacks only its end.
fn drip(quiet: &mut [TcpStream], mut nearly: impl FnMut()) {
    for octet in b"NOOP\r\n" {
        let next = Instant::now() + SECOND;
        if *octet == b'\n' {
            nearly();
        }
        for stream in &mut *quiet {
            stream.write_all(&[*octet]).expect("the server keeps a slow client");
        }
        // What is slow is slow by the clock.
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// `n` clients send at once; how long each took.
#[tokio::main(flavor = "current_thread")]
async fn send(address: SocketAddr, n: usize) -> Vec<Duration> {
    let start = Instant::now();
    let mut senders = JoinSet::new();
    for _ in 0..n {
        senders.spawn(async move {
            send_all(address).await.unwrap();
            start.elapsed()
        });
    }
    tokio::time::timeout(PATIENCE, senders.join_all()).await.expect("every sender finishes")
}

async fn send_all(address: SocketAddr) -> io::Result<()> {
    let message = [&b"0123456789 a line of text 0123456789\r\n".repeat(100), &b".\r\n"[..]].concat();
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    say(&mut stream, b"", 1).await?;
    say(&mut stream, b"EHLO client.example\r\n", 1).await?;
    for _ in 0..MESSAGES {
        say(&mut stream, b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n", 3).await?;
        say(&mut stream, &message, 1).await?;
    }
    say(&mut stream, b"QUIT\r\n", 1).await
}

/// Says `octets` and reads `n` replies.
async fn say(stream: &mut tokio::net::TcpStream, octets: &[u8], n: usize) -> io::Result<()> {
    stream.write_all(octets).await?;
    let mut heard = Vec::new();
    while replies(&heard) < n {
        if stream.read_buf(&mut heard).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}
