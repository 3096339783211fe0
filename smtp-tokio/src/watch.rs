//! Hang-ups, observable while a token is held.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use tokio::io::{Interest, Ready};
use tokio::net::{TcpStream, UnixStream};

use crate::socket::Socket;

/// Tells when a peer hangs up, beside a token that borrows the connection.
///
/// It holds a descriptor of its own, which is why it is there on demand only, and why the connection stays open as long as
/// it lives.
#[derive(Clone, Debug)]
pub struct HangUp(Arc<Socket>);

impl HangUp {
    pub(crate) fn of(socket: &Socket) -> io::Result<Self> {
        let descriptor = socket.as_fd().try_clone_to_owned()?;
        let twin = match socket {
            Socket::Tcp(_) => Socket::Tcp(TcpStream::from_std(descriptor.into())?),
            Socket::Unix(_) => Socket::Unix(UnixStream::from_std(descriptor.into())?),
        };
        Ok(Self(Arc::new(twin)))
    }

    /// Returns once the peer has closed the connection or was reset. Octets that it sent before may still wait.
    ///
    /// # Errors
    /// When the runtime is shutting down.
    pub async fn wait(self) -> io::Result<()> {
        while !self.ready().await?.is_read_closed() {
            // Octets came, which is nothing here: forget it, so that only a change wakes again.
            let _ = self.forget();
        }
        Ok(())
    }

    /// Looks once, without waiting: whether the peer is gone and has left nothing unread. It was reset, or has closed its
    /// side with no octet before it in the socket. What the connection has read already is not seen from here:
    /// [`Verdict::followed`](smtp_proto::server::Verdict::followed) tells.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let Ok(twin) = self.0.as_fd().try_clone_to_owned() else { return false };
        // Only a descriptor to it, whatever it is; Unix sockets can't be peeked at by their own type.
        let twin = std::net::TcpStream::from(twin);
        // A reset leaves what was unread before it.
        if !matches!(twin.take_error(), Ok(None)) {
            return true;
        }
        match twin.peek(&mut [0]) {
            Ok(octets) => octets == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    async fn ready(&self) -> io::Result<Ready> {
        match &*self.0 {
            Socket::Tcp(stream) => stream.ready(Interest::READABLE).await,
            Socket::Unix(stream) => stream.ready(Interest::READABLE).await,
        }
    }

    fn forget(&self) -> io::Result<()> {
        let nothing = || Err(io::ErrorKind::WouldBlock.into());
        match &*self.0 {
            Socket::Tcp(stream) => stream.try_io(Interest::READABLE, nothing),
            Socket::Unix(stream) => stream.try_io(Interest::READABLE, nothing),
        }
    }
}
