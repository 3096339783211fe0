//! The tables of `manual::sending` are what pool and client do. Both adapters have the same names, so that one text tests
//! both: `crate::adapter` is the one under test, `crate::block_on` its runtime.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use crate::adapter::client::{Connect, ConnectError, Why};
use crate::adapter::testing::Catcher;
use crate::adapter::{
    Client, ClientConfig, Credentials, Envelope, MailboxBuf, Outcome, Pool, TlsPolicy, tls,
};
use crate::block_on;

/// Far longer than anything here takes: a hang becomes a failure.
const LIMIT: Duration = Duration::from_secs(30);

fn config() -> ClientConfig {
    ClientConfig::new("client.example").unwrap()
}

/// The cells of the row of a page that begins with `first`.
fn row<'p>(page: &'p str, first: &str) -> Vec<&'p str> {
    let start = format!("//! | {first} |");
    let line = page.lines().find(|line| line.starts_with(&start));
    let line = line.unwrap_or_else(|| panic!("no row `{first}` in the manual"));
    line.split('|').skip(1).map(str::trim).collect()
}

// ---- when a pool sends again -------------------------------------------------------------------------------

/// What a server says to a command line; `.` is the end of the content. Nothing: it closes.
type Say = fn(command: &str, count: usize) -> Option<&'static str>;

/// A server of somebody else's, and how many MAIL it was told.
fn server(say: Say) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let told = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = converse(&stream.unwrap(), say, &told);
        }
    });
    (address, count)
}

fn converse(mut stream: &TcpStream, say: Say, told: &AtomicUsize) -> std::io::Result<()> {
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"220 mx.example\r\n")?;
    let mut in_content = false;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if in_content && line != "." {
            continue;
        }
        in_content = line == "DATA";
        if line.starts_with("MAIL") {
            told.fetch_add(1, SeqCst);
        }
        let usual = if in_content { "354 Go on" } else { "250 Ok" };
        let Some(reply) = say(&line, told.load(SeqCst)) else { return Ok(()) };
        let reply = if reply.is_empty() { usual } else { reply };
        stream.write_all(format!("{reply}\r\n").as_bytes())?;
        if reply.starts_with("421") || line == "QUIT" {
            return Ok(());
        }
    }
    Ok(())
}

fn closes_after_each(command: &str, _: usize) -> Option<&'static str> {
    // The answer to the end of the content is out; what comes next, a message or a question, finds nobody.
    if command.starts_with("RSET") || command.starts_with("QUIT") { None } else { Some("") }
}

/// A row of the table, the server, how many messages are sent, and what becomes of the two recipients of the last one.
type Rule = (&'static str, Say, usize, [&'static str; 2], usize);

const RULES: &[Rule] = &[
    ("accepted", |_, _| Some(""), 1, ["250", "250"], 1),
    (
        "refused for good (5yz)",
        |line, _| Some(if line.starts_with("RCPT TO:<b") { "550 No" } else { "" }),
        1,
        ["250", "550"],
        1,
    ),
    (
        "refused for now (4yz)",
        |line, _| Some(if line.starts_with("RCPT TO:<b") { "450 Later" } else { "" }),
        1,
        ["250", "450"],
        1,
    ),
    ("unknown", |line, _| (line != ".").then_some(""), 1, ["Unknown", "Unknown"], 1),
    (
        "not tried: 421 on the way, or the connection was lost",
        |line, _| Some(if line.starts_with("RCPT TO:<a") { "421 Going" } else { "" }),
        1,
        ["NotTried", "NotTried"],
        1,
    ),
    (
        "not tried: 421 on the way, or the connection was lost",
        |line, _| (!line.starts_with("RCPT TO:<b")).then_some(""),
        1,
        ["NotTried", "NotTried"],
        1,
    ),
    (
        "not tried: the server's limits (452 4.5.3, LIMITS)",
        |line, count| Some(if count == 1 && line.starts_with("RCPT TO:<b") { "452 4.5.3 Many" } else { "" }),
        1,
        ["250", "250"],
        2,
    ),
    (
        "not tried: a kept connection had ended while it idled, or ends at MAIL",
        closes_after_each,
        2,
        ["250", "250"],
        2,
    ),
];

fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted(reply) | Outcome::Refused(reply) => reply.code().to_string(),
        Outcome::NotTried(_) => "NotTried".to_owned(),
        Outcome::Unknown => "Unknown".to_owned(),
    }
}

pub(crate) fn a_pool_sends_again_as_the_manual_says(page: &str) {
    let from: MailboxBuf = "me@client.example".parse().unwrap();
    let to = ["a@mx.example", "b@mx.example"].map(|to| to.parse::<MailboxBuf>().unwrap());
    let mail = Envelope::new(&from).to(&to);
    let send = |pool: &Pool| block_on(pool.send(&mail, b"Subject: hi\r\n\r\n"));
    for (first, say, messages, want, told) in RULES {
        let again = row(page, first)[1].starts_with("sends again at once");
        assert_eq!(again, *first == RULES[6].0 || *first == RULES[7].0, "{first}");
        let (address, count) = server(*say);
        // At rest for no time at all, a connection is asked before it is used.
        let pool = Pool::to(Client::to(address.to_string(), config())).check_after(Duration::ZERO).build();
        let mut outcomes = Vec::new();
        for _ in 0..*messages {
            outcomes = send(&pool);
        }
        assert_eq!(outcomes.iter().map(shown).collect::<Vec<_>>(), *want, "{first}");
        assert_eq!(count.load(SeqCst), *told, "{first}: how often it was sent");
    }
    let first = "not tried: no connection";
    assert!(row(page, first)[1].starts_with("leaves it; [`last_failure`]"));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let pool = Pool::to(Client::to(nobody.to_string(), config())).build();
    assert_eq!(send(&pool), [Outcome::NotTried(Why::NoConnection), Outcome::NotTried(Why::NoConnection)]);
    assert_eq!(pool.stats().failed, 1, "{first}: tried once");
    assert!(pool.last_failure().is_some());
}

pub(crate) fn the_settings_of_a_pool_are_those_of_the_manual(page: &str) {
    let debug = format!("{:?}", Pool::to(Client::to("mx.example:25", config())));
    // The names of the settings, and of the fields that hold them.
    for (setting, field) in [
        ("connections", "connections"),
        ("messages_each", "messages"),
        ("idle", "idle"),
        ("max_age", "age"),
        ("check_after", "check"),
    ] {
        let cells = row(page, &format!("[`{setting}`](crate::client::PoolBuilder::{setting})"));
        let want = format!(" {field}: {}", cells[1].replace(' ', ""));
        assert!(
            debug.contains(&format!("{want},")) || debug.contains(&format!("{want} ")),
            "{want} in {debug}"
        );
    }
}

// ---- TLS ---------------------------------------------------------------------------------------------------

/// How a connection came about.
fn made(connect: &Connect) -> &'static str {
    match block_on(connect.connect()) {
        Err(_) => "error",
        Ok(client) if client.session().is_verified() => "verified",
        Ok(client) if client.session().tls().is_some() => "encrypted",
        Ok(_) => "in clear",
    }
}

pub(crate) fn each_policy_does_with_each_server_what_the_manual_says(page: &str) {
    use smtp_proto::wire::ehlo::Keyword;

    let mx = block_on(Catcher::start());
    let trust = Arc::new(tls::client_config(mx.certificate().as_bytes()).unwrap());
    for (name, policy) in [
        ("None", TlsPolicy::None),
        ("Opportunistic", TlsPolicy::Opportunistic),
        ("Required", TlsPolicy::Required),
        ("Implicit", TlsPolicy::Implicit),
    ] {
        let cells = row(page, &format!("[`{name}`](crate::TlsPolicy::{name})"));
        let is_implicit = policy == TlsPolicy::Implicit;
        let address = if is_implicit { mx.tls_addr() } else { mx.addr() };
        let to = |config: ClientConfig| Client::to(address.to_string(), config).tls(policy);
        let secure = |connect: Connect, name: &str| match policy {
            TlsPolicy::Required | TlsPolicy::Implicit => {
                connect.tls_config(Arc::clone(&trust)).server_name(name)
            }
            _ => connect,
        };
        // A keyword that is ignored is as good as not offered. On the port where TLS comes first nothing is: it is the
        // clear one that offers no TLS in that sense.
        let none = if is_implicit {
            secure(Client::to(mx.addr().to_string(), config()).tls(policy), "localhost")
        } else {
            secure(to(config().ignore(&[Keyword::StartTls])), "localhost")
        };
        let (wrong, right) = (secure(to(config()), "other.example"), secure(to(config()), "localhost"));
        let login = right.clone().credentials(Credentials::password("me", "secret"));
        assert_eq!([made(&none), made(&wrong), made(&right)], cells[1..4], "{name}");
        let login = match block_on(login.connect()) {
            Ok(client) if client.session().auth_outcome().is_some() => "sent",
            Err(ConnectError::Auth(_)) => "not sent",
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(login, cells[4], "{name}");
    }
}
