//! Coming from lettre (0.11).
//!
//! Messages are not built here: go on with lettre's builder, or `mail-builder`, and hand over the octets.
//!
//! ```text
//! // lettre 0.11.23
//! let mailer = AsyncSmtpTransport::<Tokio1Executor>::relay("smtp.example.com")?
//!     .credentials(Credentials::new("me".to_owned(), "secret".to_owned()))
//!     .build();
//! match mailer.send(message).await {
//!     Ok(response) => log(response),
//!     Err(error) if error.is_transient() => later(),
//!     Err(error) => give_up(error),
//! }
//! ```
//!
//! ```no_run
//! use smtp_tokio::{Client, ClientConfig, Credentials, Envelope, MailboxBuf, Pool, Retry, TlsPolicy};
//!
//! # async fn run(octets: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let relay = Client::to("smtp.example.com:465", ClientConfig::new("host.example.org")?)
//!     .tls(TlsPolicy::Implicit)
//!     .credentials(Credentials::password("me", "secret"));
//! let pool = Pool::to(relay).build();
//!
//! // Of a `lettre::Message`: `message.formatted()`, and the addresses of `message.envelope()`, as text.
//! let from: MailboxBuf = "me@example.org".parse()?;
//! let to: [MailboxBuf; 2] = ["you@example.net".parse()?, "them@example.net".parse()?];
//! for (to, outcome) in to.iter().zip(pool.send(&Envelope::new(&from).to(&to), octets).await) {
//!     match outcome.retry() {
//!         Retry::Never if outcome.is_accepted() => log(to),
//!         Retry::Never => give_up(to),
//!         Retry::Later | Retry::OtherHost => later(to),
//!         Retry::AskUser => perhaps_it_is_there(to),
//!     }
//! }
//! # Ok(())
//! # }
//! # fn log(_: &MailboxBuf) {}
//! # fn give_up(_: &MailboxBuf) {}
//! # fn later(_: &MailboxBuf) {}
//! # fn perhaps_it_is_there(_: &MailboxBuf) {}
//! ```
//!
//! | lettre | here |
//! |---|---|
//! | `relay(host)` | `Client::to("host:465", ..)`, [`TlsPolicy::Implicit`](crate::TlsPolicy::Implicit) |
//! | `starttls_relay(host)` | `Client::to("host:587", ..)`, [`TlsPolicy::Required`](crate::TlsPolicy::Required) |
//! | `Tls::Opportunistic(..)` | [`TlsPolicy::Opportunistic`](crate::TlsPolicy::Opportunistic) |
//! | `builder_dangerous(host)` | `Client::to("host:25", ..)`, which is without TLS until a policy is given |
//! | `from_url(url)` | none: settings are code |
//! | `hello_name(..)` | the argument of [`ClientConfig::new`](crate::ClientConfig::new) |
//! | `timeout(..)` | [`ClientConfig::timeouts`](crate::ClientConfig::timeouts), and [`connect_timeout`](crate::client::Connect::connect_timeout) |
//! | `authentication(vec![..])` | [`Credentials::only`](crate::Credentials::only) |
//! | `pool_config(PoolConfig::new().max_size(n))` | [`Pool::to(..).connections(n)`](crate::Pool) |
//! | `TlsParameters` | [`tls_config`](super::sending#tls-four-policies) |
//! | `send_raw(&envelope, &octets)` | [`Pool::send`](crate::Pool::send), [`Client::send`](crate::Client::send) |
//! | `test_connection()` | [`connect`](crate::client::Connect::connect) |
//! | `StubTransport` | [`testing::Catcher`](super::sending#how-do-i-test-what-sends) |
//! | the blocking `SmtpTransport` | `smtp-proto/examples/blocking_client.rs`, 60 lines |
//!
//! # What is different
//!
//! | | lettre 0.11.23 | here |
//! |---|---|---|
//! | the result | one for the message | one for each recipient |
//! | one of three recipients is refused | an error; nobody gets it | that one is `Refused`, the others get it |
//! | no answer to the end of the content | an error as any other | `Unknown`: it may be there |
//! | behind content that ends with CR LF | one more CR LF | nothing: the octets arrive as they are |
//! | a bare CR or LF in content | sent as it is | [`BareNewline`](crate::client::Why::BareNewline) before anything is sent, or made CR LF where you ask for it |
//! | PIPELINING | command by command | the envelope in one group, where it is offered |
//! | time-outs | one, 60 s | each wait by name, those of RFC 5321 |
//! | the name in EHLO | the system's host name, or `[127.0.0.1]` | yours to say; no default |
//! | log-in without verified TLS | as configured | refused, unless `insecure_credentials` |
//! | log-in | PLAIN, LOGIN, XOAUTH2 | these, OAUTHBEARER, EXTERNAL, SCRAM with channel binding |
//! | DSN, SIZE, LIMITS, REQUIRETLS, CHUNKING | none | where offered; [`Envelope`](crate::Envelope) |
//! | an address | [`Address`], checked | [`MailboxBuf`](crate::MailboxBuf), checked, kept as written |
//!
//! [`Address`]: https://docs.rs/lettre/0.11/lettre/struct.Address.html
