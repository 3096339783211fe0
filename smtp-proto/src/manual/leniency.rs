//! Which wrong commands are taken: what each switch lets in.
//!
//! By the RFCs a server may refuse what is against their grammar, and [`Leniency::STRICT`](crate::Leniency::STRICT), the default, does. Programs
//! that people pay for send it nevertheless, so each deviation that is known from the field has a switch of its own. It
//! can be tolerated only because it changes neither where a line, reply or message ends, nor which mailbox is meant, nor
//! what was said under TLS and by whom. What breaks this rule is named `UNSAFE_…`, is in no preset, and belongs on a bench.
//!
//! | you take mail from | use |
//! |---|---|
//! | other servers, and nobody else | [`Leniency::STRICT`](crate::Leniency::STRICT) |
//! | mail programs and all servers there are | [`Leniency::SUBMISSION`](crate::Leniency::SUBMISSION) |
//! | printers, controllers, scripts; in a LAN, in a catcher, in a honeypot | [`Leniency::DEVICES`](crate::Leniency::DEVICES) |
//!
//! ```
//! use smtp_proto::Leniency;
//! use smtp_proto::server::ServerConfig;
//!
//! let leniency = Leniency::SUBMISSION.with(Leniency::BARE_PATH).without(Leniency::BARE_LF_IN_BDAT);
//! let config = ServerConfig::new("mx.example")?.leniency(leniency);
//! # Ok::<(), smtp_proto::ParseError>(())
//! ```
//!
//! What was tolerated is seen: [`Facts::deviations`](crate::server::Facts::deviations) has the names,
//! [`deviation_count`](crate::server::Facts::deviation_count) how often. To learn which switch a client needs, look at
//! what it sent ([`debugging`](super::debugging)) and look it up here.
//!
//! # What clients do
//!
//! Reply codes are those of a session that accepts all it can, without the switch and with it alone. A test compares
//! both tables with the code.
//!
#![doc = include_str!("leniency_server.md")]
//!
//! # What servers do
//!
//! For a client that reads replies. A client can't refuse to talk to the servers there are, so it reads with
//! [`Leniency::REPLIES`](crate::Leniency::REPLIES); while several replies are owed, with [`Leniency::REPLIES_OWED`](crate::Leniency::REPLIES_OWED), since there a reply that ends
//! elsewhere would be taken for another's.
//!
#![doc = include_str!("leniency_client.md")]
//!
//! # What no switch lets in
//!
//! `MAIL FROM:<Joe <a@b.example>>`, two mailboxes in one path, a path cut off, `RCPT TO:<b>` without a domain: which mailbox is
//! meant can't be known. A bare CR or LF as the end of content: two programs would see two different messages. A command in
//! the same segment as STARTTLS: nobody knows who sent it.
