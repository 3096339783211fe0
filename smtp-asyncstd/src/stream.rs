//! A stream that may become encrypted on the way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

#[cfg(feature = "tls")]
use futures_rustls::{Accept, Connect, TlsStream};
#[cfg(feature = "tls")]
use smtp_proto::server::TlsInfo;

/// Clear text, TLS, or between the two.
#[derive(Debug)]
pub(crate) enum Stream<S> {
    Plain(S),
    #[cfg(feature = "tls")]
    Handshake(Box<HandshakeOf<S>>),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<S>>),
    /// A handshake failed and took the stream with it.
    #[cfg(feature = "tls")]
    Gone,
}

/// A handshake in progress, of either side; kept here, not in a future, so that nothing is lost when a wait is cut short.
#[cfg(feature = "tls")]
pub(crate) enum HandshakeOf<S> {
    Accept(Accept<S>, crate::tls::Shown),
    /// With whether the extended master secret is required.
    Connect(Connect<S>, bool),
}

#[cfg(feature = "tls")]
impl<S> std::fmt::Debug for HandshakeOf<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handshake")
    }
}

#[cfg(feature = "tls")]
impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    /// Goes on with the server's handshake; begins it where the stream is still clear text. Tells what it agreed on.
    pub(crate) fn poll_accept(
        &mut self,
        config: &std::sync::Arc<rustls::ServerConfig>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Box<TlsInfo>>> {
        self.begin(|stream| {
            let (config, shown) = crate::tls::watched(config);
            HandshakeOf::Accept(futures_rustls::TlsAcceptor::from(config).accept(stream), shown)
        });
        self.poll_handshake(cx)
    }

    /// The same as a client, with a server of this name.
    pub(crate) fn poll_connect(
        &mut self,
        config: &std::sync::Arc<rustls::ClientConfig>,
        name: &rustls::pki_types::ServerName<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Box<TlsInfo>>> {
        self.begin(|stream| {
            let connector = futures_rustls::TlsConnector::from(std::sync::Arc::clone(config));
            HandshakeOf::Connect(connector.connect(name.clone(), stream), config.require_ems)
        });
        self.poll_handshake(cx)
    }

    fn begin(&mut self, handshake: impl FnOnce(S) -> HandshakeOf<S>) {
        if matches!(self, Self::Plain(_)) {
            if let Self::Plain(stream) = std::mem::replace(self, Self::Gone) {
                *self = Self::Handshake(Box::new(handshake(stream)));
            }
        }
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Box<TlsInfo>>> {
        use std::future::Future;
        let Self::Handshake(handshake) = self else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let shaken = std::task::ready!(match &mut **handshake {
            HandshakeOf::Accept(accept, shown) => Pin::new(accept).poll(cx).map_ok(|stream| {
                let info = crate::tls::info(stream.get_ref().1, shown);
                (TlsStream::from(stream), info)
            }),
            HandshakeOf::Connect(connect, required) => Pin::new(connect).poll(cx).map_ok(|stream| {
                let info = crate::tls::client_info(stream.get_ref().1, *required);
                (TlsStream::from(stream), info)
            }),
        });
        match shaken {
            Ok((stream, info)) => {
                *self = Self::Tls(Box::new(stream));
                Poll::Ready(Ok(Box::new(info)))
            }
            Err(error) => {
                *self = Self::Gone;
                Poll::Ready(Err(error))
            }
        }
    }
}

#[cfg(unix)]
impl Stream<crate::Socket> {
    /// What tells when the peer hangs up.
    pub(crate) fn hang_up(&self) -> Option<crate::HangUp> {
        let socket = match self {
            Self::Plain(socket) => socket,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.get_ref().0,
            #[cfg(feature = "tls")]
            Self::Handshake(_) | Self::Gone => return None,
        };
        crate::HangUp::of(socket).ok()
    }
}

impl<S: AsyncRead + Unpin + AsyncWrite> AsyncRead for Stream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, octets),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, octets),
            #[cfg(feature = "tls")]
            Self::Handshake(_) | Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl<S: AsyncRead + Unpin + AsyncWrite> AsyncWrite for Stream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, octets),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, octets),
            #[cfg(feature = "tls")]
            Self::Handshake(_) | Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "tls")]
            Self::Handshake(_) | Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_close(cx),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_close(cx),
            #[cfg(feature = "tls")]
            Self::Handshake(_) | Self::Gone => Poll::Ready(Ok(())),
        }
    }
}
