//! The state table in the documentation is the one in the code, and the session keeps it.

use std::fmt::Write as _;
use std::sync::Arc;

use smtp_proto::server::state::{State, rule};
use smtp_proto::server::{Extension, Need, Peer, ServerConfig, ServerSession, Step};
use smtp_proto::wire::command::Verb;
use smtp_proto::{Input, Time};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/state_table.md");

fn verbs() -> impl Iterator<Item = Verb> {
    Verb::ALL.iter().copied()
}

fn table() -> String {
    let mut page = String::from("| verb |");
    for state in State::ALL {
        write!(page, " {state:?} |").unwrap();
    }
    page.push_str("\n|---|");
    page.push_str(&"---|".repeat(State::ALL.len()));
    page.push('\n');
    for verb in verbs() {
        write!(page, "| {} |", if verb == Verb::Unknown { "anything else" } else { verb.name() }).unwrap();
        for state in State::ALL {
            match rule(state, verb).code() {
                None => page.push_str(" run |"),
                Some(code) => write!(page, " {code} |").unwrap(),
            }
        }
        page.push('\n');
    }
    page
}

/// With `UPDATE_DOCS=1` it writes the page instead.
#[test]
fn the_documented_table_is_the_one_in_the_code() {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, table()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(PAGE).unwrap(), table(), "run this test once with UPDATE_DOCS=1");
}

/// What leads to each state.
fn lead_to(state: State) -> &'static [u8] {
    match state {
        State::Greeted | State::Refused => b"",
        State::Ready => b"EHLO a.example\r\n",
        State::Mail => b"EHLO a.example\r\nMAIL FROM:<>\r\n",
        State::Rcpt => b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\n",
        State::Chunks => b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\nBDAT 1\r\nx",
        State::Failed => b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\nBDAT 99\r\n\
            xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    }
}

fn line(verb: Verb) -> &'static [u8] {
    match verb {
        Verb::Helo => b"HELO a.example\r\n",
        Verb::Ehlo => b"EHLO a.example\r\n",
        Verb::Mail => b"MAIL FROM:<>\r\n",
        Verb::Rcpt => b"RCPT TO:<b@c.example>\r\n",
        Verb::Data => b"DATA\r\n",
        Verb::Bdat => b"BDAT 0\r\n",
        Verb::Rset => b"RSET\r\n",
        Verb::Noop => b"NOOP\r\n",
        Verb::Quit => b"QUIT\r\n",
        Verb::Vrfy => b"VRFY a\r\n",
        Verb::Expn => b"EXPN a\r\n",
        Verb::Help => b"HELP\r\n",
        Verb::StartTls => b"STARTTLS\r\n",
        Verb::Auth => b"AUTH PLAIN\r\n",
        Verb::Etrn => b"ETRN a.example\r\n",
        Verb::Atrn => b"ATRN\r\n",
        Verb::Burl => b"BURL imap://a.example/b\r\n",
        Verb::Xclient => b"XCLIENT NAME=a.example\r\n",
        Verb::Xforward => b"XFORWARD NAME=a.example\r\n",
        _ => b"XYZZY\r\n",
    }
}

/// Feeds `octets` and returns the reply codes and whether the last step went to the application as a token.
fn feed(session: &mut ServerSession, octets: &[u8]) -> (Vec<u16>, bool) {
    let (mut at, mut token, mut replies) = (0, false, Vec::new());
    loop {
        match session.needs(&Input::new(&octets[at..]), Time::ZERO) {
            Need::Flush => {
                replies.extend_from_slice(session.output());
                session.output().clear();
            }
            Need::Step => {
                let mut input = Input::new(&octets[at..]);
                let step = session.next(&mut input).unwrap();
                match step {
                    Step::Answered(_) => token = false,
                    Step::Content(_) | Step::Quiet(_) | Step::Reset(_) | Step::Close(_) => {}
                    Step::Connect(connect) if octets == b"refuse" => {
                        token = true;
                        connect.refuse(&smtp_proto::server::replies::NO_SERVICE);
                    }
                    step => {
                        token = true;
                        step.accept();
                    }
                }
                at += input.used();
                if octets == b"refuse" {
                    at = octets.len();
                }
            }
            _ => break,
        }
    }
    let text = String::from_utf8(replies).unwrap();
    let codes = text.lines().filter(|line| line.as_bytes().get(3) == Some(&b' '));
    (codes.map(|line| line[..3].parse().unwrap()).collect(), token)
}

#[test]
fn a_session_answers_each_verb_in_each_state_as_the_table_says() {
    let config = ServerConfig::new("mx.example")
        .unwrap()
        .without_arrival_checks()
        .offer(Extension::Chunking)
        .offer(Extension::StartTls)
        .offer(Extension::Expn)
        .offer(Extension::Etrn)
        .offer(Extension::Xclient)
        .offer(Extension::Xforward)
        .trust([127, 0, 0, 0].into(), 8)
        .limits(|limits| limits.message = 50)
        .auth(&[smtp_proto::sasl::Mechanism::parse(b"PLAIN").unwrap()], smtp_proto::server::AuthWhen::Always);
    let config = Arc::new(config);
    for state in State::ALL {
        for verb in verbs().filter(|verb| *verb != Verb::Lhlo) {
            let mut session =
                ServerSession::new(Arc::clone(&config), Peer::at(([127, 0, 0, 1], 9).into()), Time::ZERO);
            if state == State::Refused {
                feed(&mut session, b"refuse");
            } else {
                feed(&mut session, lead_to(state));
            }
            let (codes, token) = feed(&mut session, line(verb));
            let context = format!("{state:?} x {verb:?}: {codes:?}");
            match rule(state, verb).code() {
                Some(code) => {
                    assert_eq!(codes.first(), Some(&code), "{context}");
                    assert!(!token, "{context}");
                }
                None => assert!(codes.first().is_some_and(|code| *code < 400), "{context}"),
            }
        }
    }
}
