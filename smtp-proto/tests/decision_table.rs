//! The table of decisions in the documentation is what a session says.

use std::fmt::Write as _;
use std::sync::Arc;

use smtp_proto::sasl::Mechanism;
use smtp_proto::server::{AuthWhen, Extension, Need, Peer, ServerConfig, ServerSession, Step};
use smtp_proto::wire::reply::Reply;
use smtp_proto::{Input, Time};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/decision_table.md");

/// Each step that wants an answer, and what a client says to get there.
const STEPS: &[(&str, &str)] = &[
    ("Connect", ""),
    ("Hello", "EHLO a.example\r\n"),
    ("StartTls", "EHLO a.example\r\nSTARTTLS\r\n"),
    ("Auth", "EHLO a.example\r\nAUTH PLAIN AGEAYg==\r\n"),
    ("Mail", "EHLO a.example\r\nMAIL FROM:<>\r\n"),
    ("Rcpt", "EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@mx.example>\r\n"),
    ("Data", "EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@mx.example>\r\nDATA\r\n"),
    ("Verdict", "EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@mx.example>\r\nDATA\r\nhi\r\n.\r\n"),
    ("Vrfy", "VRFY a\r\n"),
    ("Expn", "EXPN a\r\n"),
    ("Etrn", "EHLO a.example\r\nETRN mx.example\r\n"),
    ("Xclient", "EHLO a.example\r\nXCLIENT ADDR=192.0.2.1\r\n"),
    ("Xforward", "EHLO a.example\r\nXFORWARD ADDR=192.0.2.1\r\n"),
];

type Way = fn(Step<'_, '_>);

/// The columns: ways to answer.
const WAYS: &[(&str, Way)] = &[
    ("`accept`", |step| step.accept()),
    ("`refuse`, but with a 2yz", refuse_with_praise),
    ("dropped", |_| {}),
    ("[`or_default`](Step::or_default)", |step| step.or_default()),
];

fn refuse_with_praise(step: Step<'_, '_>) {
    const PRAISE: &Reply<'static> = &Reply::new(250, (2, 0, 0), "Well done");
    match step {
        Step::Connect(token) => token.refuse(PRAISE),
        Step::Hello(token) => token.refuse(PRAISE),
        Step::StartTls(token) => token.refuse(PRAISE),
        Step::Auth(token) => token.refuse(PRAISE),
        Step::Mail(token) => token.refuse(PRAISE),
        Step::Rcpt(token) => token.refuse(PRAISE),
        Step::Data(token) => token.refuse(PRAISE),
        Step::Verdict(token) => token.refuse(PRAISE),
        Step::Vrfy(token) => token.refuse(PRAISE),
        Step::Expn(token) => token.refuse(PRAISE),
        Step::Etrn(token) => token.refuse(PRAISE),
        Step::Xclient(token) => token.refuse(PRAISE),
        Step::Xforward(token) => token.refuse(PRAISE),
        _ => {}
    }
}

fn is(step: &Step<'_, '_>, name: &str) -> bool {
    format!("{step:?}").split('(').next() == Some(name)
}

/// Plays `client`, answers the step called `name` by `way` and every other one positively. Returns the codes of the
/// last reply, and whether the session ended.
fn said(name: &str, client: &str, way: Way) -> String {
    use Extension::{Etrn, Expn, StartTls, Vrfy, Xclient, Xforward};
    let config = ServerConfig::new("mx.example").unwrap().without_arrival_checks();
    let config =
        [StartTls, Vrfy, Expn, Etrn, Xclient, Xforward].into_iter().fold(config, ServerConfig::offer);
    let config = config.auth(&[Mechanism::PLAIN], AuthWhen::Always).trust([192, 0, 2, 0].into(), 24);
    let peer = Peer::at(([192, 0, 2, 9], 25).into());
    let mut session = ServerSession::new(Arc::new(config), peer, Time::ZERO);
    let (mut at, mut replies, mut closed, mut met) = (0, Vec::new(), false, false);
    loop {
        match session.needs(&Input::new(&client.as_bytes()[at..]), Time::ZERO) {
            Need::Flush => replies = session.output().split().to_vec(),
            Need::Step => {
                let mut input = Input::new(&client.as_bytes()[at..]);
                let step = session.next(&mut input).unwrap();
                closed |= matches!(step, Step::Close(_));
                if is(&step, name) {
                    met = true;
                    way(step);
                } else {
                    step.accept();
                }
                at += input.used();
            }
            _ => break,
        }
    }
    assert!(met, "{name} never came");
    let text = String::from_utf8(replies).unwrap();
    let last = text.lines().last().unwrap();
    let digits = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
    let mut code = last.split(' ').take_while(digits).collect::<Vec<_>>().join(" ");
    if closed {
        code.push_str(", closed");
    }
    code
}

fn table() -> String {
    let mut page = String::from("| step |");
    WAYS.iter().for_each(|(way, _)| write!(page, " {way} |").unwrap());
    page.push_str("\n|---|");
    page.push_str(&"---|".repeat(WAYS.len()));
    page.push('\n');
    for (name, client) in STEPS {
        write!(page, "| [`{name}`](Step::{name}) |").unwrap();
        WAYS.iter().for_each(|(_, way)| write!(page, " {} |", said(name, client, *way)).unwrap());
        page.push('\n');
    }
    page
}

/// With `UPDATE_DOCS=1` it writes the page instead.
#[test]
fn the_documented_decisions_are_what_a_session_says() {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, table()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(PAGE).unwrap(), table(), "run this test once with UPDATE_DOCS=1");
}
