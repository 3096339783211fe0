//! How a server is run: ports, certificates, stopping, balancers, and what to look at when something goes wrong.
//!
//! How mail is sent is on the page [`sending`]. Nothing in here is code. What SMTP itself asks of a program (decisions,
//! time-outs, budgets, leniency, AUTH) is in `smtp_proto::manual`, question by question.
//!
//! # One program, several ports
//!
//! A [`Server`](crate::Server) is one listener. The policy is a function, so several listeners share it; what differs is
//! their configuration. Other servers come to 25, mail programs to 465 (TLS from the start) or 587 (STARTTLS).
//!
//! ```no_run
//! # #[cfg(feature = "tls")]
//! # mod example {
//! use std::sync::Arc;
//!
//! use smtp_asyncstd::sasl::Mechanism;
//! use smtp_asyncstd::{AuthWhen, Connection, Leniency, Server, ServerConfig, tls};
//!
//! async fn run(tls: Arc<tls::rustls::ServerConfig>) -> Result<(), Box<dyn std::error::Error>> {
//!     let mx = ServerConfig::new("mx.example")?;
//!     let submission = ServerConfig::new("mx.example")?
//!         .leniency(Leniency::SUBMISSION)
//!         .auth(&[Mechanism::PLAIN, Mechanism::LOGIN], AuthWhen::Tls)
//!         .require_auth();
//!     let port_25 = Server::builder(mx).starttls(Arc::clone(&tls)).bind("[::]:25").await?;
//!     let port_587 = Server::builder(submission.clone()).starttls(Arc::clone(&tls)).bind("[::]:587").await?;
//!     let port_465 = Server::builder(submission).implicit_tls(tls).bind("[::]:465").await?;
//!     async_std::task::spawn(port_25.serve(session));
//!     async_std::task::spawn(port_587.serve(session));
//!     port_465.serve(session).await?;
//!     Ok(())
//! }
//!
//! /// Beside each token: connection.facts() has the port (peer().local()), TLS and the user.
//! async fn session(mut connection: Connection) {
//!     while let Ok(Some(step)) = connection.next().await {
//!         step.or_default();
//!     }
//! }
//! # }
//! ```
//!
//! Ports below 1024 need root or `CAP_NET_BIND_SERVICE`; [`Builder::listen`](crate::Builder::listen) takes a listener that
//! something else has bound.
//!
//! # Stop gracefully
//!
//! A [`Handle`](crate::Handle) stops its server from anywhere. Nobody is accepted from then on; a session without a
//! transaction is told 421 at once, one within is let finish it. [`serve`](crate::Server::serve) returns when all are gone,
//! or after [`drain`](crate::Builder::drain) (30 s), and says how many it cut off: those clients have no reply and send
//! again.
//!
//! ```no_run
//! use std::future::Future;
//! use std::time::Duration;
//!
//! use smtp_asyncstd::{Connection, Server, ServerConfig};
//!
//! /// `told` ends when the program is told to stop: by a signal, a channel.
//! async fn run(told: impl Future<Output = ()> + Send + 'static) -> Result<usize, Box<dyn std::error::Error>> {
//!     let config = ServerConfig::new("mx.example")?;
//!     let server = Server::builder(config).drain(Duration::from_secs(10)).bind("[::]:25").await?;
//!     let handle = server.handle();
//!     async_std::task::spawn(async move {
//!         told.await;
//!         handle.shut_down();
//!     });
//!     Ok(server.serve(session).await?)
//! }
//! # async fn session(_connection: Connection) {}
//! ```
//!
//! # A new certificate
//!
//! [`Handle::reload_tls`](crate::Handle) puts it into force for handshakes from now on; sessions that are open keep theirs.
//! Read the files, make a configuration with `tls::server_config`, and only if that worked hand it over. A certificate by the
//! name that the client asks for is a matter of rustls: a configuration with a `ResolvesServerCert`.
//!
//! # Behind a balancer
//!
//! A balancer hides who connects, unless it sends a PROXY header (HAProxy: `send-proxy-v2`; most others can). Name its
//! network, and the header is required from there, read before TLS and the greeting, and taken from nobody else:
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use smtp_asyncstd::{Server, ServerConfig};
//!
//! let config = ServerConfig::new("mx.example")?;
//! let server = Server::builder(config).proxied_from([10, 0, 0, 0].into(), 8).bind("[::]:25").await?;
//! # Ok(())
//! # }
//! ```
//!
//! - `facts().peer()` is the client then, and the limit for each address counts clients, not the balancer.
//! - Without the header in time, or with a wrong one: [`CloseReason::NoProxyHeader`](crate::CloseReason::NoProxyHeader). A
//!   header from somebody who is not named is no SMTP, [`CloseReason::NotSmtp`](crate::CloseReason::NotSmtp).
//! - A health check that connects and leaves is [`CloseReason::Probe`](crate::CloseReason::Probe): leave it out of logs.
//! - Servers that speak for others by XCLIENT: [`ServerConfig::trust`](crate::ServerConfig::trust).
//!
//! # LMTP on a Unix socket
//!
//! Between your own mail server and your store no network is needed, nor a port:
//!
//! ```no_run
//! # #[cfg(unix)]
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use smtp_asyncstd::{Server, ServerConfig};
//!
//! let server = Server::builder(ServerConfig::lmtp("mx.example")?).bind_unix("/run/store/lmtp")?;
//! # Ok(())
//! # }
//! ```
//!
//! `Step::Verdict` comes once for each accepted recipient; the example `lmtp_store` of `smtp-tokio` is a whole one.
//!
//! # A client that leaves while you wait
//!
//! A token borrows its connection, so nothing reads meanwhile, and a client that hangs up is seen at the next step only. For
//! work that is worth stopping, take a watch before the loop:
//!
//! ```
//! # #[cfg(unix)]
//! # mod example {
//! use std::future::Future;
//!
//! use smtp_asyncstd::{Connection, HangUp, Step};
//!
//! async fn session(mut connection: Connection) {
//!     let watch = connection.watch();
//!     while let Ok(Some(step)) = connection.next().await {
//!         match step {
//!             Step::Verdict(verdict) => match unless_gone(scan(), watch.clone()).await {
//!                 Some(true) => verdict.accept(),
//!                 _ => drop(verdict), // 451, which nobody may read any more
//!             },
//!             other => other.or_default(),
//!         }
//!     }
//! }
//!
//! /// `None` when the client was gone first.
//! async fn unless_gone<T>(work: impl Future<Output = T>, watch: Option<HangUp>) -> Option<T> {
//!     let Some(watch) = watch else { return Some(work.await) };
//!     let gone = async {
//!         let _ = watch.wait().await;
//!         None
//!     };
//!     smol::future::or(async { Some(work.await) }, gone).await
//! }
//! # async fn scan() -> bool { true }
//! # }
//! ```
//!
//! # When something goes wrong
//!
//! [`Connection::record`](crate::Connection::record) writes down what both sides send, TLS or not, without secrets.
//! `smtp_proto::manual::debugging` keeps the last hundred lines of each connection for the one that failed, says how to read
//! them, and how to play them again.
//!
//! # How do I test?
//!
//! What sends mail is tested against a [catcher](sending#how-do-i-test-what-sends). What receives mail is tested over a pipe:
//!
//! ```
//! use smtp_asyncstd::{Connection, ServerConfig};
//!
//! /// The client's octets, and what it is told.
//! struct Pipe(&'static [u8], Vec<u8>);
//! # use std::{io, pin::Pin, task::{Context, Poll}};
//! # impl futures_io::AsyncRead for Pipe {
//! #     fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
//! #         Poll::Ready(io::Read::read(&mut self.0, room))
//! #     }
//! # }
//! # impl futures_io::AsyncWrite for Pipe {
//! #     fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
//! #         Poll::Ready(io::Write::write(&mut self.1, octets))
//! #     }
//! #     fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
//! #         Poll::Ready(Ok(()))
//! #     }
//! #     fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
//! #         Poll::Ready(Ok(()))
//! #     }
//! # }
//!
//! # async_std::task::block_on(async {
//! let mut pipe = Pipe(b"QUIT\r\n", Vec::new());
//! let mut connection = Connection::over(&mut pipe, ServerConfig::new("mx.example")?);
//! while let Some(step) = connection.next().await? {
//!     step.or_default(); // your policy
//! }
//! drop(connection);
//! assert_eq!(pipe.1, b"220 mx.example ESMTP\r\n221 2.0.0 Bye\r\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

pub mod from_lettre;
pub mod from_mail_send;
pub mod sending;
