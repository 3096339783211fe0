//! Coming from mail-send (0.7).
//!
//! Messages are not built or signed here: go on with `mail-builder` and `mail-auth`, and hand over the octets.
//!
//! ```text
//! // mail-send 0.7.0
//! SmtpClientBuilder::new("smtp.example.com", 587)?
//!     .implicit_tls(false)
//!     .credentials(("me", "secret"))
//!     .connect()
//!     .await?
//!     .send(message)
//!     .await?;
//! ```
//!
//! ```no_run
//! use smtp_tokio::{Client, ClientConfig, Credentials, Envelope, MailboxBuf, TlsPolicy};
//!
//! # async fn run(octets: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = Client::to("smtp.example.com:587", ClientConfig::new("host.example.org")?)
//!     .tls(TlsPolicy::Required)
//!     .credentials(Credentials::password("me", "secret"))
//!     .connect()
//!     .await?;
//!
//! // Of a `MessageBuilder`: `write_to_vec()`. Sender and recipients are said, not taken from the header.
//! let from: MailboxBuf = "me@example.org".parse()?;
//! let to: [MailboxBuf; 2] = ["you@example.net".parse()?, "them@example.net".parse()?];
//! for (to, outcome) in to.iter().zip(client.send(&Envelope::new(&from).to(&to), octets).await) {
//!     println!("{to}: {outcome}, again: {:?}", outcome.retry());
//! }
//! client.quit().await;
//! # Ok(())
//! # }
//! ```
//!
//! | mail-send | here |
//! |---|---|
//! | `SmtpClientBuilder::new(host, 465)` | `Client::to("host:465", ..)`, [`TlsPolicy::Implicit`](crate::TlsPolicy::Implicit) |
//! | `.implicit_tls(false)`, `connect()` | `Client::to("host:587", ..)`, [`TlsPolicy::Required`](crate::TlsPolicy::Required) |
//! | `connect_plain()` | [`TlsPolicy::None`](crate::TlsPolicy::None), the default |
//! | `.allow_invalid_certs()` | [`TlsPolicy::Opportunistic`](crate::TlsPolicy::Opportunistic), or [a verifier](super::sending#a-verifier-of-your-own) |
//! | `.lmtp(true)` | [`ClientConfig::lmtp`](crate::ClientConfig::lmtp) |
//! | `.helo_host(..)` | the argument of [`ClientConfig::new`](crate::ClientConfig::new) |
//! | `.timeout(..)` | [`ClientConfig::timeouts`](crate::ClientConfig::timeouts) |
//! | `.local_ip(..)` | [`local_addr`](crate::client::Connect::local_addr) |
//! | `Credentials::new_oauth(..)`, `new_xoauth2(..)` | [`Credentials::token`](crate::Credentials::token) |
//! | `send(..)` | [`Client::send`](crate::Client::send), which takes octets |
//! | `send_signed(..)` | sign with `mail-auth`, put the header in front of the octets, `send` |
//! | `Parameters` | [`Envelope::params`](crate::Envelope::params), [`Recipient::params`](crate::client::Recipient::params), typed |
//! | `mail_from`, `rcpt_to`, `data`, `rset` | [`mail`](crate::Client::mail), [`rcpt`](crate::Client::rcpt), [`data`](crate::Client::data), [`rset`](crate::Client::rset) |
//!
//! # What is different
//!
//! | | mail-send 0.7.0 | here |
//! |---|---|---|
//! | the result | one for the message | one for each recipient |
//! | one of three recipients is refused | an error; nobody gets it, and the transaction stays open | that one is `Refused`, the others get it |
//! | no answer to the end of the content | an error as any other | `Unknown`: it may be there |
//! | behind content that ends with CR LF | one more CR LF | nothing: the octets arrive as they are |
//! | a bare CR or LF in content | sent as it is | [`BareNewline`](crate::client::Why::BareNewline) before anything is sent, or made CR LF where you ask for it |
//! | LMTP | one answer is read | an answer for each recipient |
//! | PIPELINING | command by command | the envelope in one group, where it is offered |
//! | time-outs | one, an hour | each wait by name, those of RFC 5321 |
//! | the name in EHLO | the system's host name | yours to say; no default |
//! | a pool | none | [`Pool`](crate::Pool), [which says when it sends again](super::sending#pool-when-is-a-message-sent-again) |
//! | log-in | CRAM-MD5, DIGEST-MD5, XOAUTH2, OAUTHBEARER, LOGIN, PLAIN | SCRAM with channel binding, EXTERNAL, OAUTHBEARER, XOAUTH2, PLAIN, LOGIN; CRAM-MD5 last |
//! | the recipients | of the header's To, Cc and Bcc, where a builder is sent | what the envelope says |
//! | an address, a parameter | text, as given | checked values: no CR LF gets through |
