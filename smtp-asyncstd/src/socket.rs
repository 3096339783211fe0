//! What a server listens on, and what it accepts there.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_std::net::{TcpListener, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use async_std::os::unix::net::{UnixListener, UnixStream};
use futures_io::{AsyncRead, AsyncWrite};

/// Connections that may wait to be accepted. With the usual 128, some of a thousand that come at once are lost: their
/// clients, for whom the handshake is done, wait in vain for a greeting. The system may lower it (somaxconn).
#[cfg(unix)]
const BACKLOG: i32 = 1_024;

/// An accepted connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Socket {
    /// From another host, or this one, by TCP.
    Tcp(TcpStream),
    /// From this host, by a Unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Socket {
    /// Writes what can be written without waiting.
    pub(crate) async fn try_write(&mut self, octets: &[u8]) -> io::Result<usize> {
        std::future::poll_fn(|cx| match Pin::new(&mut *self).poll_write(cx, octets) {
            Poll::Ready(wrote) => Poll::Ready(wrote),
            Poll::Pending => Poll::Ready(Err(io::ErrorKind::WouldBlock.into())),
        })
        .await
    }

    /// Prepares a fresh connection; our address, where it has one.
    pub(crate) fn prepare(&self) -> Option<SocketAddr> {
        let Self::Tcp(stream) = self else { return None };
        // Replies are batched by the session; waiting for more would only delay them.
        let _ = stream.set_nodelay(true);
        stream.local_addr().ok()
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Socket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, room),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, room),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, octets),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_close(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_close(cx),
        }
    }
}

/// What a server listens on.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Listener {
    /// The next connection and the address that it comes from, where it has one.
    pub(crate) async fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, remote) = listener.accept().await?;
                Ok((Socket::Tcp(stream), Some(remote)))
            }
            #[cfg(unix)]
            Self::Unix(listener) => Ok((Socket::Unix(listener.accept().await?.0), None)),
        }
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr(),
            #[cfg(unix)]
            Self::Unix(_) => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "a Unix socket has no IP address"))
            }
        }
    }
}

/// Binds a TCP socket, as [`TcpListener::bind`] does but for its backlog.
pub(crate) async fn bind_tcp(address: impl ToSocketAddrs) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address).await?;
    // It listens already; said again, the backlog changes.
    #[cfg(unix)]
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}

/// Binds a Unix socket. One that a process left behind when it ended is replaced, one that is in use is not.
#[cfg(unix)]
pub(crate) fn bind_unix(path: &std::path::Path) -> io::Result<UnixListener> {
    use std::os::unix::net::{UnixListener, UnixStream};

    let bound = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let abandoned = UnixStream::connect(path)
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
            if !abandoned {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    };
    Ok(bound?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_come_at_once_wait_to_be_accepted() {
        let listener = async_std::task::block_on(bind_tcp("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let connect = || std::net::TcpStream::connect_timeout(&address, std::time::Duration::from_secs(5));
        let clients: Result<Vec<_>, _> = (0..300).map(|_| connect()).collect();
        assert_eq!(clients.unwrap().len(), 300, "nobody accepts yet");
    }
}
