//! Hang-ups, observable while a token is held.

use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_io::Async;

use crate::socket::Socket;

/// Tells when a peer hangs up, beside a token that borrows the connection.
///
/// It holds two descriptors of its own, which is why it is there on demand only, and why the connection stays open as
/// long as it lives.
#[derive(Clone, Debug)]
pub struct HangUp(Arc<Watched>);

/// The runtime's reactor wakes for unread octets too, and again as long as they are unread. So it is given an epoll of
/// ours, which becomes readable for the end of the peer's octets and for nothing else.
#[derive(Debug)]
struct Watched {
    ends: Async<OwnedFd>,
    /// A socket that is closed leaves an epoll silently, so ours is not.
    socket: OwnedFd,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl HangUp {
    pub(crate) fn of(socket: &Socket) -> io::Result<Self> {
        use std::os::fd::AsFd;

        use rustix::event::epoll;

        let socket = socket.as_fd().try_clone_to_owned()?;
        let ends = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&ends, &socket, epoll::EventData::new_u64(0), epoll::EventFlags::RDHUP)?;
        Ok(Self(Arc::new(Watched { ends: Async::new_nonblocking(ends)?, socket })))
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl HangUp {
    /// Without epoll there is no way to be told that does not need `unsafe`.
    pub(crate) fn of(_socket: &Socket) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl HangUp {
    /// Returns once the peer has closed the connection or was reset. Octets that it sent before may still wait.
    ///
    /// # Errors
    /// When the runtime is shutting down.
    pub async fn wait(self) -> io::Result<()> {
        // An event that is there stays: whoever asks later is told at once.
        self.0.ends.readable().await
    }

    /// Looks once, without waiting: whether the peer is gone and has left nothing unread. It was reset, or has closed its
    /// side with no octet before it in the socket. What the connection has read already is not seen from here:
    /// [`Verdict::followed`](smtp_proto::server::Verdict::followed) tells.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let Ok(twin) = self.0.socket.try_clone() else { return false };
        // Only a descriptor to it, whatever it is; Unix sockets can't be peeked at by their own type.
        let twin = TcpStream::from(twin);
        // A reset leaves what was unread before it.
        if !matches!(twin.take_error(), Ok(None)) {
            return true;
        }
        match twin.peek(&mut [0]) {
            Ok(octets) => octets == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}
