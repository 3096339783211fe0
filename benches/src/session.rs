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

/// The same to two, from the first octet of a connection on.
const WHOLE: &[u8] = b"EHLO client.example\r\n\
    MAIL FROM:<bounces@lists.example.org> SIZE=4096\r\n\
    RCPT TO:<alice@example.net>\r\n\
    RCPT TO:<bob@example.net>\r\n\
    DATA\r\n";

/// The groups of this module.
#[must_use]
pub fn groups() -> Vec<Group> {
    let message = [ENVELOPE, &corpus::text(4_096)].concat();
    let whole = [WHOLE, &corpus::text(4_096), b"QUIT\r\n"].concat();
    let mut greeted = fresh(&config());
    work_off(&mut greeted, b"EHLO client.example\r\n");
    let warm = Contender::new(OURS, move |octets| work_off(&mut greeted, octets));
    let config = config();
    // A session for each, as each connection has: the allocations are those of its buffers.
    let from_new = Contender::new(OURS, move |octets| work_off(&mut fresh(&config), octets));
    vec![
        Group { name: "session, message of 4 KiB".into(), units: vec![message], contenders: vec![warm] },
        Group {
            name: "new session, EHLO to QUIT with 4 KiB".into(),
            units: vec![whole],
            contenders: vec![from_new],
        },
    ]
}

fn config() -> Arc<ServerConfig> {
    Arc::new(ServerConfig::new("mx.example.com").expect("a domain").without_arrival_checks())
}

fn fresh(config: &Arc<ServerConfig>) -> ServerSession {
    ServerSession::new(Arc::clone(config), Peer::unknown(), Time::ZERO)
}

/// Feeds all of `octets` to the session, accepts whatever it asks, and throws its replies away.
fn work_off(session: &mut ServerSession, octets: &[u8]) {
    let mut input = Input::new(octets);
    loop {
        match session.needs(&input, Time::ZERO) {
            Need::Step => black_box(session.next(&mut input)).expect("it is open").accept(),
            Need::Flush => session.output().clear(),
            Need::Input | Need::Nothing => break,
            need => panic!("{need:?}"),
        }
    }
    assert_eq!(input.used(), octets.len(), "all is worked off");
}
