//! A subscriber of `tracing` that writes everything down, and what a client does meanwhile; the same for both adapters.

use std::fmt::{Debug, Write as _};
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};

use smtp_proto::Leniency;
use smtp_proto::sasl::Mechanism;
use smtp_proto::server::{AuthWhen, ServerConfig, Step, replies};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::client::{Client, LIMIT};
use super::handshake::Parties;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
static NEWS: Condvar = Condvar::new();

/// Writes down spans and events of ours.
struct Collector {
    spans: AtomicU64,
}

fn note(line: String) {
    LINES.lock().unwrap().push(line);
    NEWS.notify_all();
}

/// Values as `name=value`, in their order.
#[derive(Default)]
struct Values(String);

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("smtp_")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.spans.fetch_add(1, Ordering::SeqCst) + 1;
        let mut values = Values::default();
        span.record(&mut values);
        note(format!("{id}: new {}{}", span.metadata().name(), values.0));
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, record: &Record<'_>) {
        let mut values = Values::default();
        record.record(&mut values);
        note(format!("{}: is{}", span.into_u64(), values.0));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut values = Values::default();
        event.record(&mut values);
        let span = event.parent().map_or(0, Id::into_u64);
        note(format!("{span}: {}{}", event.metadata().level(), values.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// From now on all of the process is listened to.
pub(crate) fn listen() {
    tracing::subscriber::set_global_default(Collector { spans: AtomicU64::new(0) }).unwrap();
}

/// Waits until a line holds `last`; all lines so far.
fn until(last: &str) -> Vec<String> {
    let lines = LINES.lock().unwrap();
    let there = |lines: &mut Vec<String>| !lines.iter().any(|line| line.contains(last));
    let (mut lines, waited) = NEWS.wait_timeout_while(lines, LIMIT, there).unwrap();
    assert!(!waited.timed_out(), "no `{last}` in {lines:#?}");
    std::mem::take(&mut *lines)
}

pub(crate) fn config() -> ServerConfig {
    let config = ServerConfig::new("mx.example").unwrap().leniency(Leniency::SUBMISSION);
    config.auth(&[Mechanism::PLAIN], AuthWhen::Always).limits(|limits| limits.errors = 2)
}

/// Refuses a recipient and each log-in.
pub(crate) fn answer(step: Step<'_, '_>) {
    match step {
        Step::Rcpt(rcpt) => rcpt.refuse(&replies::NO_SUCH_USER),
        Step::Auth(auth) => auth.refuse(&replies::AUTH_WRONG),
        other => other.accept(),
    }
}

/// What is said of a session in clear: connection, deviation, refusals, the session's own answer, a budget, and no secret.
pub(crate) fn of_a_session_in_clear(address: SocketAddr) {
    let mut client = Client::connect(address);
    let peer = client.stream().local_addr().unwrap();
    client.expect(&[
        ("EHLO my_host", "250"),
        ("AUTH PLAIN AHRpbQB0YW5zdGFhZg==", "535"),
        ("MAIL FROM:<a@b.example>", "250"),
        ("RCPT TO:<c@mx.example>", "550"),
        ("AHRpbQB0YW5zdGFhZg==", "500"),
        ("AHRpbQB0YW5zdGFhZg==", "500"),
    ]);
    let lines = until("closed");
    let id = lines[0].split(':').next().unwrap();
    let wanted = [
        "new smtp".to_owned(),
        format!("is peer={peer}"),
        "DEBUG message=connected".to_owned(),
        "is helo=my_host".to_owned(),
        "DEBUG message=a deviation was tolerated so_far={\"hello_name\"}".to_owned(),
        "DEBUG message=refused code=535".to_owned(),
        "DEBUG message=refused code=550".to_owned(),
        "DEBUG message=answered by the session code=500".to_owned(),
        "DEBUG message=answered by the session code=500".to_owned(),
        "WARN message=closed: a budget is used up reason=Abuse(Errors)".to_owned(),
    ];
    assert_eq!(lines, wanted.map(|line| format!("{id}: {line}")));
}

/// Of TLS: what was agreed on, that nothing could be, and a connection over the limit of one.
pub(crate) fn of_tls_and_too_many(address: SocketAddr, parties: &Parties) {
    let mut client = Client::over(parties.encrypt(TcpStream::connect(address).unwrap()));
    let mut second = String::new();
    TcpStream::connect(address).unwrap().read_to_string(&mut second).unwrap();
    assert!(second.starts_with("421 "), "{second}");
    client.expect(&[("EHLO client.example", "250"), ("QUIT", "221")]);
    let lines = until("closed").join("\n");
    for wanted in [
        ": is tls=\"TLSv1.3\"\n",
        ": DEBUG message=encrypted protocol=\"TLSv1.3\" cipher=\"AES_256_GCM_SHA384\" name=\"mx.example\"\n",
        "\n0: INFO message=turned away: too many connections peer=127.0.0.1:",
        ": is helo=client.example\n",
        ": INFO message=closed reason=Quit",
    ] {
        assert!(lines.contains(wanted), "no {wanted:?} in {lines}");
    }
    drop(client);
    // The first one's place may not be free yet.
    loop {
        let mut stream = TcpStream::connect(address).unwrap();
        let _ = stream.write_all(b"this is no handshake\r\n");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        if !answer.starts_with(b"421 ") {
            break;
        }
    }
    let lines = until("reason=TlsFailed").join("\n");
    assert!(lines.contains(": INFO message=the TLS handshake failed error="), "{lines}");
}

/// Of a client that sends to one host, does not believe another, and finds nobody at a third: `to` are their addresses.
/// What the servers say of it is left out.
pub(crate) fn of_clients(to: [SocketAddr; 2]) {
    let lines = until("no connection");
    let ids = lines.iter().filter_map(|line| line.strip_suffix(": new smtp_client"));
    let of = |id: &str| {
        let begin = format!("{id}: ");
        lines.iter().filter_map(|line| line.strip_prefix(&begin)).map(str::to_owned).collect::<Vec<_>>()
    };
    let said: Vec<Vec<String>> = ids.map(of).collect();
    let host = to[0];
    let wanted = [
        "new smtp_client".to_owned(),
        format!("is host=\"{host}\""),
        format!("is peer=\"{host}\""),
        "DEBUG message=connected".to_owned(),
        "is tls=\"TLSv1.3\"".to_owned(),
        "DEBUG message=encrypted protocol=\"TLSv1.3\" cipher=\"AES_256_GCM_SHA384\" verified=true".to_owned(),
        "DEBUG message=authenticated code=235".to_owned(),
        "DEBUG message=refused to=RCPT code=550".to_owned(),
        "DEBUG message=the message was taken code=250".to_owned(),
        "INFO message=closed reason=QUIT".to_owned(),
    ];
    assert_eq!(said[0], wanted);
    let failed = said[1].join("\n");
    assert!(failed.contains("INFO message=the TLS handshake failed error="), "{failed}");
    assert_eq!(said.len(), 2, "{said:#?}");
    let nobody = format!("0: INFO message=no connection host=\"{0}\" peer={0} error=", to[1]);
    assert!(lines.iter().any(|line| line.starts_with(&nobody)), "{lines:#?}");
    let all = lines.join("\n");
    assert!(!all.contains("ghost") && !all.contains("tanstaaf"), "{all}");
}
