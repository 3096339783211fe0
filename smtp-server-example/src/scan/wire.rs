use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::config::Place;

/// How long a scanner may take to be reached: it is near.
const CONNECT: Duration = Duration::from_secs(5);

/// Most of an answer that is read. Those of scanners are some hundred octets, some thousand with all symbols.
const ANSWER: usize = 256 * 1024;

/// A connection to a scanner on which nothing takes longer than allowed.
pub(super) struct Wire {
    stream: Box<dyn Both>,
    patience: Duration,
}

trait Both: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

impl Wire {
    pub(super) async fn connect(place: &Place, patience: Duration) -> Result<Self, String> {
        let connect = async {
            let stream: std::io::Result<Box<dyn Both>> = match place {
                Place::Tcp(address) => TcpStream::connect(address).await.map(|stream| Box::new(stream) as _),
                Place::Unix(path) => UnixStream::connect(path).await.map(|stream| Box::new(stream) as _),
            };
            stream.map_err(|error| format!("can't connect to {place}: {error}"))
        };
        let stream =
            timeout(CONNECT, connect).await.unwrap_or_else(|_| Err(format!("{place} does not answer")))?;
        Ok(Self { stream, patience })
    }

    pub(super) async fn write(&mut self, octets: &[u8]) -> Result<(), String> {
        let written = timeout(self.patience, self.stream.write_all(octets)).await;
        written.map_err(|_| "it does not read on".to_owned())?.map_err(|error| error.to_string())
    }

    /// Everything that comes up to the end of the connection, or to `enough`.
    pub(super) async fn read(&mut self, enough: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>, String> {
        let mut answer = Vec::new();
        let reading = async {
            loop {
                let before = answer.len();
                self.stream.read_buf(&mut answer).await.map_err(|error| error.to_string())?;
                if answer.len() > ANSWER {
                    return Err("its answer does not end".to_owned());
                }
                if answer.len() == before || enough(&answer) {
                    return Ok(());
                }
            }
        };
        timeout(self.patience, reading).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))?;
        Ok(answer)
    }
}
