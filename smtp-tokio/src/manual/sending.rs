//! How mail is sent: pools, TLS, proxies, tests.
//!
//! Who has a message and whether to send it again, time-outs, what to put into EHLO, and how to log in is the same on every
//! runtime: `smtp_proto::manual`, its pages `outcomes`, `waits`, `name` and `log_in`.
//!
//! # Which one do I take?
//!
//! | you have | take |
//! |---|---|
//! | one message now and then | [`Client::to(..).connect()`](crate::Client::to), [`send`](crate::Client::send), [`quit`](crate::Client::quit) |
//! | messages all the time, or many at once | a [`Pool`](crate::Pool), shared by all tasks |
//! | content that does not fit into memory | [`send_file`](crate::Client::send_file), [`send_stream`](crate::Client::send_stream); over a pool, [`lease`](crate::Pool::lease) |
//! | a connection made by yourself: a proxy, a tunnel, a pipe | [`Client::over`](crate::Client::over), [`start`](crate::Client::start) |
//! | commands one by one | [`mail`](crate::Client::mail), [`rcpt`](crate::Client::rcpt), [`data`](crate::Client::data) |
//!
//! # Pool: when is a message sent again?
//!
//! Only where nobody has it and the server did not refuse it. The order of recipients in the envelope is the order of
//! outcomes, whatever was sent again. A test plays each row.
//!
//! | what came of it | the pool |
//! |---|---|
//! | accepted | leaves it |
//! | refused for good (5yz) | leaves it: tell the sender |
//! | refused for now (4yz) | leaves it: later is a queue's business |
//! | unknown | leaves it: it could arrive twice |
//! | not tried: 421 on the way, or the connection was lost | leaves it: a queue tries later, or elsewhere |
//! | not tried: no connection | leaves it; [`last_failure`](crate::Pool::last_failure) says why |
//! | not tried: the server's limits (452 4.5.3, LIMITS) | sends again at once to those it is about |
//! | not tried: a kept connection had ended while it idled, or ends at MAIL | sends again at once over another one, three times at most |
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`connections`](crate::client::PoolBuilder::connections) | 10 | large receivers refuse more from a sender that they don't know |
//! | [`messages_each`](crate::client::PoolBuilder::messages_each) | 100 | some receivers take 10 to 20 a connection: ask yours; what LIMITS says is obeyed |
//! | [`idle`](crate::client::PoolBuilder::idle) | 30 s | servers close after five minutes, many much sooner |
//! | [`max_age`](crate::client::PoolBuilder::max_age) | 600 s | so that changes of addresses and certificates take effect |
//! | [`check_after`](crate::client::PoolBuilder::check_after) | 2 s | at rest for longer, a connection is asked (RSET) before a message is trusted to it |
//!
//! The queue that keeps what waits, and its fairness between destinations, are yours: a pool is one destination.
//!
//! # TLS: four policies
//!
//! | policy | STARTTLS is not offered | the certificate is not right | it is right | credentials |
//! |---|---|---|---|---|
//! | [`None`](crate::TlsPolicy::None) | in clear | in clear | in clear | not sent |
//! | [`Opportunistic`](crate::TlsPolicy::Opportunistic) | in clear | encrypted | encrypted | not sent |
//! | [`Required`](crate::TlsPolicy::Required) | error | error | verified | sent |
//! | [`Implicit`](crate::TlsPolicy::Implicit) | error | error | verified | sent |
//!
//! A test plays each field. `Opportunistic` is for port 25, where any certificate is better than none (RFC 7435), and never
//! counts as verified. Right is what the system trusts, for the name that was connected to; other roots, such as a company's
//! own or a self-made certificate, come from a file:
//!
//! ```no_run
//! # #[cfg(feature = "aws-lc-rs")]
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use smtp_tokio::{Client, ClientConfig, TlsPolicy, tls};
//!
//! let roots = std::fs::read("/etc/ssl/our-own-authority.pem")?;
//! let relay = Client::to("relay.example:587", ClientConfig::new("client.example")?)
//!     .tls(TlsPolicy::Required)
//!     .tls_config(tls::client_config(&roots)?.into());
//! let client = relay.connect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # A verifier of your own
//!
//! A configuration of rustls says what is right, and `Required` and `Implicit` believe it: DANE, a pin, a certificate of the
//! client's. This one takes one certificate and no other, whatever it says of names and dates:
//!
//! ```
//! # #[cfg(all(feature = "testing", feature = "aws-lc-rs"))]
//! # mod example {
//! use std::sync::Arc;
//!
//! use smtp_tokio::tls::rustls::client::danger::{
//!     HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
//! };
//! use smtp_tokio::tls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
//! use smtp_tokio::tls::rustls::{
//!     CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme, crypto,
//! };
//!
//! #[derive(Debug)]
//! struct Pinned {
//!     certificate: CertificateDer<'static>,
//!     provider: Arc<crypto::CryptoProvider>,
//! }
//!
//! impl ServerCertVerifier for Pinned {
//!     fn verify_server_cert(
//!         &self,
//!         shown: &CertificateDer<'_>,
//!         _intermediates: &[CertificateDer<'_>],
//!         _name: &ServerName<'_>,
//!         _ocsp_response: &[u8],
//!         _now: UnixTime,
//!     ) -> Result<ServerCertVerified, Error> {
//!         if *shown == self.certificate {
//!             Ok(ServerCertVerified::assertion())
//!         } else {
//!             Err(CertificateError::ApplicationVerificationFailure.into())
//!         }
//!     }
//!
//!     // Whoever shows a certificate must have its key: never leave these two out.
//!     fn verify_tls12_signature(
//!         &self,
//!         message: &[u8],
//!         certificate: &CertificateDer<'_>,
//!         signature: &DigitallySignedStruct,
//!     ) -> Result<HandshakeSignatureValid, Error> {
//!         let known = &self.provider.signature_verification_algorithms;
//!         crypto::verify_tls12_signature(message, certificate, signature, known)
//!     }
//!
//!     fn verify_tls13_signature(
//!         &self,
//!         message: &[u8],
//!         certificate: &CertificateDer<'_>,
//!         signature: &DigitallySignedStruct,
//!     ) -> Result<HandshakeSignatureValid, Error> {
//!         let known = &self.provider.signature_verification_algorithms;
//!         crypto::verify_tls13_signature(message, certificate, signature, known)
//!     }
//!
//!     fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
//!         self.provider.signature_verification_algorithms.supported_schemes()
//!     }
//! }
//!
//! fn pinned(certificate: CertificateDer<'static>) -> Result<ClientConfig, Error> {
//!     let provider = Arc::new(crypto::aws_lc_rs::default_provider());
//!     let verifier = Arc::new(Pinned { certificate, provider: Arc::clone(&provider) });
//!     Ok(ClientConfig::builder_with_provider(provider)
//!         .with_safe_default_protocol_versions()?
//!         .dangerous()
//!         .with_custom_certificate_verifier(verifier)
//!         .with_no_client_auth())
//! }
//! #
//! # pub async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! #     use smtp_tokio::tls::rustls::pki_types::pem::PemObject;
//! #     use smtp_tokio::{Client, TlsPolicy, testing::Catcher};
//! #     let (mx, other) = (Catcher::start().await, Catcher::start().await);
//! #     let trust = Arc::new(pinned(CertificateDer::from_pem_slice(mx.certificate().as_bytes())?)?);
//! #     for (server, is_pinned) in [(&mx, true), (&other, false)] {
//! #         let config = smtp_tokio::ClientConfig::new("client.example")?;
//! #         let connect = Client::to(server.tls_addr().to_string(), config).tls(TlsPolicy::Implicit);
//! #         let made = connect.tls_config(Arc::clone(&trust)).connect().await;
//! #         assert_eq!(made.is_ok_and(|client| client.session().is_verified()), is_pinned);
//! #     }
//! #     Ok(())
//! # }
//! # }
//! # #[cfg(all(feature = "testing", feature = "aws-lc-rs"))]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     example::run().await
//! # }
//! # #[cfg(not(all(feature = "testing", feature = "aws-lc-rs")))]
//! # fn main() {}
//! ```
//!
//! # Through a proxy
//!
//! A client runs over any stream, so connect it yourself and hand it over: [`Client::over`](crate::Client::over) where no TLS is
//! wanted, [`start`](crate::Client::start) with [`with_tls`](crate::Client::with_tls) for STARTTLS,
//! [`over_tls`](crate::Client::over_tls) where the stream is encrypted already. Through HTTP's CONNECT, with STARTTLS and a log-in
//! behind it; with SOCKS only `tunnel` is another, from a crate for it:
//!
//! ```
//! # #[cfg(all(feature = "testing", feature = "aws-lc-rs"))]
//! # mod example {
//! use std::error::Error;
//! use std::io;
//! use std::net::SocketAddr;
//! use std::sync::Arc;
//!
//! use smtp_tokio::client::{Certificate, ClientStep};
//! use smtp_tokio::{Client, ClientConfig, Credentials, Envelope, MailboxBuf, Outcome, tls::rustls};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tokio::net::TcpStream;
//!
//! async fn tunnel(proxy: SocketAddr, to: &str) -> io::Result<TcpStream> {
//!     let mut stream = TcpStream::connect(proxy).await?;
//!     stream.write_all(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").as_bytes()).await?;
//!     let mut head = Vec::new();
//!     // Octet by octet: behind the empty line the mail server speaks.
//!     while !head.ends_with(b"\r\n\r\n") && head.len() < 8_192 {
//!         let mut octet = [0];
//!         stream.read_exact(&mut octet).await?;
//!         head.push(octet[0]);
//!     }
//!     match head.get(9..12) {
//!         Some(b"200") => Ok(stream),
//!         _ => Err(io::Error::other(format!("the proxy says {}", head.escape_ascii()))),
//!     }
//! }
//!
//! async fn start_tls(client: &mut Client<TcpStream>) -> Result<(), Box<dyn Error>> {
//!     let mut asked = false;
//!     loop {
//!         match client.next().await? {
//!             Some(ClientStep::Ready(ready)) if ready.session().tls().is_some() => return Ok(()),
//!             Some(ClientStep::Ready(_)) if asked => return Err("STARTTLS was refused".into()),
//!             Some(ClientStep::Ready(ready)) => (asked, _) = (true, ready.start_tls()?),
//!             Some(ClientStep::Close(reason)) => return Err(reason.into()),
//!             Some(_) => {}
//!             None => return Err("the connection has ended".into()),
//!         }
//!     }
//! }
//!
//! async fn send(
//!     proxy: SocketAddr,
//!     to: &str,
//!     tls: Arc<rustls::ClientConfig>,
//! ) -> Result<Vec<Outcome>, Box<dyn Error>> {
//!     let stream = tunnel(proxy, to).await?;
//!     let name = "localhost".try_into()?; // whose certificate it must be
//!     let mut client = Client::start(stream, ClientConfig::new("client.example")?).with_tls(
//!         tls,
//!         name,
//!         Certificate::Verified,
//!     );
//!     start_tls(&mut client).await?;
//!     client.auth(&Credentials::password("me", "secret")).await?;
//!     let (from, to): (MailboxBuf, MailboxBuf) = ("me@client.example".parse()?, "you@mx.example".parse()?);
//!     let outcomes = client.send(&Envelope::new(&from).to(&to), b"Subject: hi\r\n\r\n").await;
//!     client.quit().await;
//!     Ok(outcomes)
//! }
//! #
//! # // A proxy for one connection.
//! # fn proxy() -> SocketAddr {
//! #     use std::io::{Read, Write};
//! #     let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
//! #     let address = listener.local_addr().unwrap();
//! #     std::thread::spawn(move || {
//! #         let (mut client, _) = listener.accept().unwrap();
//! #         let (mut head, mut octet) = (Vec::new(), [0]);
//! #         while !head.ends_with(b"\r\n\r\n") {
//! #             client.read_exact(&mut octet).unwrap();
//! #             head.push(octet[0]);
//! #         }
//! #         let head = String::from_utf8(head).unwrap();
//! #         let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap();
//! #         let Ok(mut server) = std::net::TcpStream::connect(target) else {
//! #             client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").unwrap();
//! #             return;
//! #         };
//! #         client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
//! #         let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
//! #         std::thread::spawn(move || io::copy(&mut from, &mut to));
//! #         let _ = io::copy(&mut server, &mut client);
//! #     });
//! #     address
//! # }
//! #
//! # pub async fn run() -> Result<(), Box<dyn Error>> {
//! #     let mx = smtp_tokio::testing::Catcher::start().await;
//! #     let tls = Arc::new(smtp_tokio::tls::client_config(mx.certificate().as_bytes())?);
//! #     let outcomes = send(proxy(), &mx.addr().to_string(), Arc::clone(&tls)).await?;
//! #     assert!(outcomes[0].is_accepted(), "{}", mx.transcript());
//! #     assert_eq!(mx.next().await.content(), b"Subject: hi\r\n\r\n");
//! #     let refused = send(proxy(), "127.0.0.1:1", tls).await.unwrap_err();
//! #     assert!(refused.to_string().contains("502"), "{refused}");
//! #     Ok(())
//! # }
//! # }
//! # #[cfg(all(feature = "testing", feature = "aws-lc-rs"))]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     example::run().await
//! # }
//! # #[cfg(not(all(feature = "testing", feature = "aws-lc-rs")))]
//! # fn main() {}
//! ```
//!
//! # How do I test what sends?
//!
//! Against a `testing::Catcher` (feature `testing`): a server on a free port that takes all mail, lets
//! anybody log in, and refuses on cue. Each list of replies is used up one after another, and the last one stays.
//!
//! ```
//! # #[cfg(all(feature = "testing", feature = "aws-lc-rs"))]
//! # mod example {
//! use smtp_tokio::testing::Catcher;
//! use smtp_tokio::{Client, ClientConfig, Credentials, Envelope, MailboxBuf, Reply, Retry, TlsPolicy, tls};
//!
//! const LATER: Reply<'static> = Reply::new(451, (4, 2, 0), "Mailbox busy, try again later");
//! const OK: Reply<'static> = Reply::new(250, (2, 1, 5), "Ok");
//! const NO_USER: Reply<'static> = Reply::new(550, (5, 1, 1), "No such user");
//!
//! # pub
//! async fn a_busy_mailbox_gets_its_mail_at_the_second_try() -> Result<(), Box<dyn std::error::Error>> {
//!     let mx = Catcher::start().await;
//!     mx.on_rcpt("busy@*", &[LATER, OK]);
//!     mx.on_rcpt("ghost@*", &[NO_USER]);
//!     let mut client = Client::to(mx.addr().to_string(), ClientConfig::new("client.example")?)
//!         .tls(TlsPolicy::Required)
//!         .tls_config(tls::client_config(mx.certificate().as_bytes())?.into())
//!         .credentials(Credentials::password("me", "tanstaaf"))
//!         .connect()
//!         .await?;
//!     let from: MailboxBuf = "me@client.example".parse()?;
//!     let to: [MailboxBuf; 2] = ["busy@mx.example".parse()?, "ghost@mx.example".parse()?];
//!     let mail = Envelope::new(&from).to(&to);
//!
//!     let outcomes = client.send(&mail, b"Subject: hi\r\n\r\n").await;
//!     assert_eq!([outcomes[0].retry(), outcomes[1].retry()], [Retry::Later, Retry::Never]);
//!     assert!(mx.try_next().is_none(), "nobody was left to get it");
//!
//!     let outcomes = client.send(&mail.to(&to[..1]), b"Subject: hi\r\n\r\n").await;
//!     assert!(outcomes[0].is_accepted(), "{}", mx.transcript());
//!     let got = mx.next().await;
//!     assert_eq!(got.content(), b"Subject: hi\r\n\r\n");
//!     assert!(!mx.transcript().contains("tanstaaf"));
//!     Ok(())
//! }
//! # pub use a_busy_mailbox_gets_its_mail_at_the_second_try as run;
//! # }
//! # #[cfg(all(feature = "testing", feature = "aws-lc-rs"))]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     example::run().await
//! # }
//! # #[cfg(not(all(feature = "testing", feature = "aws-lc-rs")))]
//! # fn main() {}
//! ```
//!
//! It answers and closes as a server does. What no server does on purpose, such as to fall silent behind the final dot, is
//! played over a pipe: [`Client::over`](crate::Client::over) one end, and write the other side's octets yourself.
