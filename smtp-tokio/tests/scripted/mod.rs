//! A server that follows a script, connection by connection; the same for both adapters.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a connection is to hear, line by line, and what is said to it.
pub(crate) type Script = &'static [(&'static str, Answer)];

/// What becomes of a line.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    Say(&'static str),
    /// Lines up to a lone dot follow; then this is said.
    Content(&'static str),
    /// The connection ends.
    Close,
    /// The connection is reset: the line stays unread.
    Reset,
}

const LIMIT: Duration = Duration::from_secs(20);

/// Serves a connection for each script, and returns where. A script that ends closes its connection.
pub(crate) fn serve(scripts: &'static [Script]) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        for script in scripts {
            follow(&listener.accept().unwrap().0, script);
        }
    });
    (address, server)
}

fn follow(mut stream: &TcpStream, script: Script) {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(b"220 mx.example\r\n").unwrap();
    let mut lines = BufReader::with_capacity(1, stream);
    let mut next = || {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        line
    };
    for (begin, answer) in script {
        if matches!(answer, Answer::Reset) {
            assert!(stream.peek(&mut [0]).unwrap() > 0, "{begin} is to come");
            return;
        }
        let line = next();
        assert!(line.starts_with(begin), "{line:?} for {begin}");
        match answer {
            Answer::Say(reply) => stream.write_all(reply.as_bytes()).unwrap(),
            Answer::Content(reply) => {
                while next() != ".\r\n" {}
                stream.write_all(reply.as_bytes()).unwrap();
            }
            Answer::Close | Answer::Reset => return,
        }
    }
}
