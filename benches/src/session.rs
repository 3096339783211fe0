//! A server session: what its machine costs beside the parsing.

use std::hint::black_box;
use std::sync::Arc;

use ours::server::{Need, Peer, ServerConfig, ServerSession};
use ours::{Input, Time};

use crate::{Contender, Group, OURS, corpus};

/// A message with one recipient as a pipelining client sends it.
const ENVELOPE: &[u8] = b"MAIL FROM:<bounces@lists.example.org> SIZE=4096\r\n\
    RCPT TO:<alice@example.net>\r\n\
    DATA\r\n";

/// The groups of this module.
#[must_use]
pub fn groups() -> Vec<Group> {
    let message = [ENVELOPE, &corpus::text(4_096)].concat();
    let mut session = greeted();
    let contenders = vec![Contender::new(OURS, move |octets| {
        work_off(&mut session, octets);
    })];
    vec![Group { name: "session, message of 4 KiB".into(), units: vec![message], contenders }]
}

/// A session behind EHLO.
fn greeted() -> ServerSession {
    let config = ServerConfig::new("mx.example.com").expect("a domain").without_arrival_checks();
    let mut session = ServerSession::new(Arc::new(config), Peer::unknown(), Time::ZERO);
    work_off(&mut session, b"EHLO client.example\r\n");
    session
}

/// Feeds all of `octets` to the session, accepts whatever it asks, and throws its replies away.
fn work_off(session: &mut ServerSession, octets: &[u8]) {
    let mut input = Input::new(octets);
    loop {
        match session.needs(&input, Time::ZERO) {
            Need::Step => black_box(session.next(&mut input)).expect("it is open").accept(),
            Need::Flush => session.output().clear(),
            Need::Input => break,
            need => panic!("{need:?}"),
        }
    }
    assert_eq!(input.used(), octets.len(), "all is worked off");
}
