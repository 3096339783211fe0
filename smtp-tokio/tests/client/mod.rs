//! A client on a blocking stream, as simple as can be.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Far longer than anything here takes: a hang becomes a failure.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Client<S> {
    stream: BufReader<S>,
}

impl Client<TcpStream> {
    /// Connects and takes the greeting.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Self::over(stream)
    }
}

impl<S: Read + Write> Client<S> {
    /// Takes the greeting on a stream.
    pub(crate) fn over(stream: S) -> Self {
        let mut client = Self::greeted(stream);
        let greeting = client.reply();
        assert!(greeting.starts_with("220 "), "{greeting}");
        client
    }

    /// Goes on where the greeting was taken already.
    pub(crate) fn greeted(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// The stream, to look at.
    #[allow(dead_code, reason = "not each test that uses this module looks")]
    pub(crate) fn stream(&self) -> &S {
        self.stream.get_ref()
    }

    /// The stream, for TLS.
    pub(crate) fn into_stream(self) -> S {
        self.stream.into_inner()
    }

    /// Sends a line and takes the reply to it.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.stream.get_mut().flush().unwrap();
        self.reply()
    }

    /// Sends a line for each code and takes the replies, which must begin with these.
    pub(crate) fn expect(&mut self, turns: &[(&str, &str)]) {
        for (line, code) in turns {
            let reply = self.ask(line);
            assert!(reply.starts_with(code), "{line}: want {code}, got {reply}");
        }
    }

    /// A whole reply.
    pub(crate) fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let begin = reply.len();
            let read = self.stream.read_line(&mut reply).unwrap();
            assert!(read > 0, "closed after \"{reply}\"");
            if reply.as_bytes().get(begin + 3) != Some(&b'-') {
                return reply;
            }
        }
    }
}
