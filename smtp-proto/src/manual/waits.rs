//! How long does a client wait, and for what?
//!
//! Each wait has a name ([`Wait`](crate::client::Wait)), a setting ([`Timeouts`](crate::client::Timeouts)), and a deadline that
//! is set when it begins: a server that sends an octet now and then does not move it. When it passes, the session ends with
//! [`CloseReason::Timeout`](crate::client::CloseReason::Timeout), which says what was waited for. A test makes this table of
//! the code; the minimum is the one of RFC 5321 §4.5.3.2, "-" where it has none.
//!
#![doc = include_str!("waits.md")]
//!
//! The adapters add the time to connect, 30 seconds for each address (`connect_timeout`). With several addresses the next
//! has its turn then.
//!
//! # Who waits
//!
//! The defaults are a server's: it has time, and a message given up too early goes twice. Where a person looks at a
//! spinning wheel, shorten what comes before the content, and leave its end alone:
//!
//! ```
//! use std::time::Duration;
//!
//! use smtp_proto::client::ClientConfig;
//!
//! let config = ClientConfig::new("[192.0.2.1]")?.timeouts(|waits| {
//!     let soon = Duration::from_secs(30);
//!     (waits.greeting, waits.hello, waits.start_tls) = (soon, soon, soon);
//!     (waits.auth, waits.mail, waits.rcpt) = (soon, soon, soon);
//! });
//! # assert_eq!(config.waits().greeting, Duration::from_secs(30));
//! # Ok::<(), smtp_proto::ParseError>(())
//! ```
//!
//! Less than 30 seconds for the greeting gives up on servers that make everybody wait that long, to see who talks first.
//!
//! # What a time-out means
//!
//! | waited for | the message is | look at |
//! |---|---|---|
//! | the greeting | not tried | the port: where TLS comes first (465), a server waits for *us* |
//! | anything up to the answer to DATA | not tried | what stands between: firewalls that inspect mail swallow commands |
//! | the server to take content | not tried: its end never went out | the network's MTU, if large messages stall and small ones pass |
//! | the answer to the end of the content | [unknown](super::outcomes#unknown) | the server's log |
//! | the answer to QUIT | what it was before | nothing: many servers give none |
