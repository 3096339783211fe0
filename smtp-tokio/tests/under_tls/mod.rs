//! The core's transcripts under TLS, the client's side: blocking, the same for both adapters.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use rustls::{ClientConnection, StreamOwned};
use smtp_proto::testing::{Script, TRANSCRIPTS, Turn};

use super::client::{Client, LIMIT};
use super::handshake::Parties;

/// When the handshake is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Where the transcript says.
    AsWritten,
    /// Before everything.
    Tls,
    /// By STARTTLS, before the transcript begins.
    StartTls,
}

/// Each transcript in each way that fits it.
pub(crate) fn plays() -> Vec<(&'static str, Script, Begin)> {
    let mut plays = Vec::new();
    for (name, text) in TRANSCRIPTS {
        let script = Script::parse(text).unwrap();
        let ways = [
            (Begin::AsWritten, script.shakes_hands()),
            (Begin::Tls, script.fits_implicit_tls()),
            (Begin::StartTls, script.fits_starttls()),
        ];
        let fitting = ways.into_iter().filter(|(_, fits)| *fits && !script.needs_time());
        plays.extend(fitting.map(|(begin, _)| (*name, script.clone(), begin)));
    }
    for (begin, least) in [(Begin::AsWritten, 3), (Begin::Tls, 20), (Begin::StartTls, 20)] {
        let played = plays.iter().filter(|(_, _, one)| *one == begin).count();
        assert!(played >= least, "{begin:?}: {played}");
    }
    plays
}

/// Plays the client and checks each answer.
pub(crate) fn play(parties: &Parties, address: SocketAddr, name: &str, script: &Script, begin: Begin) {
    let mut turns = script.turns().to_vec();
    let mut wire = match begin {
        Begin::AsWritten => Wire::Clear(open(address)),
        Begin::Tls => Wire::Clear(open(address)).shake_hands(parties),
        Begin::StartTls => {
            let mut client = Client::connect(address);
            let hello = if script.is_lmtp() { "LHLO" } else { "EHLO" };
            client.expect(&[(&format!("{hello} client.example"), "250"), ("STARTTLS", "220")]);
            // The greeting was said already.
            turns[0].expect.remove(0);
            Wire::Clear(client.into_stream()).shake_hands(parties)
        }
    };
    for turn in turns {
        if turn.handshake {
            wire = wire.shake_hands(parties);
        }
        let said = wire.take(name, &turn);
        turn.check(&said).unwrap_or_else(|why| panic!("{name}, {begin:?}: {why}"));
    }
}

fn open(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

enum Wire {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    fn shake_hands(self, parties: &Parties) -> Self {
        match self {
            Self::Clear(stream) => Self::Tls(Box::new(parties.encrypt(stream))),
            Self::Tls(_) => panic!("it is TLS already"),
        }
    }

    /// Sends what the turn says and takes as many replies as it expects.
    fn take(&mut self, name: &str, turn: &Turn) -> Vec<u8> {
        // A server that has hung up may refuse what is left.
        let _ = self.write(turn);
        let mut said = Vec::new();
        while !turn.is_answered(&said) {
            let mut octets = [0; 1_024];
            let read = match self {
                Self::Clear(stream) => stream.read(&mut octets),
                Self::Tls(stream) => stream.read(&mut octets),
            };
            let n = read.unwrap_or(0);
            assert!(n > 0, "{name}: closed after \"{}\", {turn:?}", said.escape_ascii());
            said.extend_from_slice(&octets[..n]);
        }
        said
    }

    fn write(&mut self, turn: &Turn) -> std::io::Result<()> {
        let socket = match self {
            Self::Clear(stream) => {
                stream.write_all(&turn.send)?;
                stream
            }
            Self::Tls(stream) => {
                stream.write_all(&turn.send)?;
                if turn.eof {
                    stream.conn.send_close_notify();
                }
                stream.flush()?;
                &mut stream.sock
            }
        };
        if turn.eof { socket.shutdown(Shutdown::Write) } else { Ok(()) }
    }
}

/// All events that the transcript names, in their order.
pub(crate) fn check_events(name: &str, script: &Script, seen: &[String]) {
    let mut left = seen.iter();
    for want in script.turns().iter().flat_map(|turn| &turn.events) {
        assert!(left.any(|event| event == want), "{name}: no `{want}` in {seen:#?}");
    }
}
