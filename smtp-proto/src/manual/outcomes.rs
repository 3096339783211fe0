//! I sent it: who has it? Do I send it again?
//!
//! [`Outcome`](crate::client::Outcome) is there once for each recipient, in the envelope's order. There is no such thing as
//! "the message failed": of three recipients one may have it, one be refused, and one wait for tomorrow. What a recipient's
//! outcome is never depends on another's, and QUIT changes none.
//!
//! A test makes this table of the code. `421` is a refusal for now wherever it comes.
//!
#![doc = include_str!("outcomes.md")]
//!
//! # In a program
//!
//! A queue asks [`retry`](crate::client::Outcome::retry), which has an answer to everything:
//!
//! ```
//! use smtp_proto::client::{Outcome, Retry};
//!
//! # #[derive(Debug, PartialEq)]
//! enum Then {
//!     Done,
//!     TellTheSender,
//!     TryAgain { elsewhere: bool },
//! }
//!
//! fn settle(outcome: &Outcome) -> Then {
//!     match outcome.retry() {
//!         Retry::Never if outcome.is_accepted() => Then::Done,
//!         Retry::Never => Then::TellTheSender,
//!         Retry::Later => Then::TryAgain { elsewhere: false },
//!         Retry::OtherHost => Then::TryAgain { elsewhere: true },
//!         Retry::AskUser => Then::TryAgain { elsewhere: false }, // or a person decides: it may be there already
//!     }
//! }
//! # use smtp_proto::client::Why;
//! # assert_eq!(settle(&Outcome::NotTried(Why::NoConnection)), Then::TryAgain { elsewhere: true });
//! # assert_eq!(settle(&Outcome::NotTried(Why::BareNewline)), Then::TellTheSender);
//! ```
//!
//! [`Outcome::reply`](crate::client::Outcome::reply) is what the server said: its code, the enhanced code, and the text as
//! octets, since not every server writes UTF-8 (`text_lossy()` for people). The answer to an accepted message often names
//! it in the server's queue: log it, it is what the other side's postmaster will ask for.
//!
//! # Unknown
//!
//! The end of the content is out, and no answer came: the server died, the network did, or it took longer than
//! [`data_end`](crate::client::Timeouts::data_end). Between "the server has it" and "we know that it has" there is always
//! such a moment (RFC 1047), and no client can close it. Nothing in these crates sends such a message again by itself.
//!
//! - A queue should: a message that comes twice annoys, one that never comes is lost. Send the same octets, with the same
//!   Message-ID, so that the receiver can see that they are the same.
//! - A program that must not do a thing twice, such as sending a one-time code, asks its user or lets it be.
//! - Do not shorten `data_end` on the way: servers scan content before they answer, and who gives up early makes Unknowns.
//!
//! # Content that is not taken
//!
//! | what | by default | otherwise |
//! |---|---|---|
//! | a bare CR or LF (text made with `\n`) | [`BareNewline`](crate::client::Why::BareNewline), nothing is sent | [`newlines`](crate::client::ClientConfig::newlines): `Normalise` makes CR LF of each; or BDAT, with [`Body::BinaryMime`](crate::wire::params::Body::BinaryMime) where it is offered |
//! | octets above 127, without 8BITMIME | `Unsupported`, nothing is sent | encode it as MIME does (quoted-printable), or [`send_8bit_anyway`](crate::client::ClientConfig::send_8bit_anyway) |
//! | an address or header field in UTF-8, without SMTPUTF8 | `Unsupported`, nothing is sent | there is no other way: tell the sender |
//! | more octets than SIZE says | [`TooBig`](crate::client::Why::TooBig), nothing is sent | none |
//! | no CR LF at its end | one is added | |
//! | lines that begin with a dot | doubled on the wire, and single again at the server | |
//!
//! Nothing else is changed: what was signed (DKIM) arrives as it was.
