//! What to put into EHLO.
//!
//! [`ClientConfig::new`](crate::client::ClientConfig::new) wants a name, and there is no default. It is the client's own, not
//! the server's and not the sender's domain (RFC 5321 §4.1.1.1), and receivers look at it before they look at anything else.
//!
//! | you are | name |
//! |---|---|
//! | a host that sends to other servers (port 25) | the host's name in the DNS, in full: `mail.example.org` |
//! | the same without a name | its public address as a literal: `[192.0.2.1]`, `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3); many receivers mind |
//! | behind address translation | the name of the address that the *server* sees |
//! | a program that submits to its provider (587, 465) | the host's name, or its literal; the log-in is what counts there |
//! | a program on a laptop or phone | the literal of its own address: it has no name that means anything elsewhere |
//! | a client of LMTP on the same host | the host's name: it ends up in a Received header |
//!
//! # Names that are refused
//!
//! | name | what happens |
//! |---|---|
//! | `localhost`, `localhost.localdomain` | valid grammar, and refused by large relays: 421, 501 or 504 to EHLO |
//! | `[127.0.0.1]` | the same |
//! | `my-laptop`, `web-7d9f4` (a container's), `WORKGROUP` | no dot, so no name in full: refused where the server insists |
//! | the receiver's own name or address | nobody else is that: taken for a forger |
//! | `my_host`, `müller.example`, one with a space or CR LF | no host name: [`ClientConfig::new`](crate::client::ClientConfig::new) fails. Use the A-label, `xn--mller-kva.example` |
//!
//! A refusal of EHLO is [`CloseReason::HelloRefused`](crate::client::CloseReason::HelloRefused), with the reply's code.
//!
//! # Port 25: name and address must point at each other
//!
//! A receiver asks the DNS for the name of the address that connects (PTR), and for the addresses of that name (A, AAAA). If
//! the address is among them, forward and reverse confirm each other (FCrDNS); where they do not, many receivers refuse or
//! suspect what comes. So, before the first message:
//!
//! 1. `mail.example.org` has an A (and AAAA) record with the address that you send from: bind it with
//!    `local_addr` of the adapters where the host has several.
//! 2. The PTR record of that address says `mail.example.org`. Who gave you the address sets it. IPv6 has one of its own.
//! 3. EHLO says `mail.example.org`.
//!
//! ```console
//! $ dig +short mail.example.org
//! 192.0.2.1
//! $ dig +short -x 192.0.2.1
//! mail.example.org.
//! ```
//!
//! ```
//! use smtp_proto::client::ClientConfig;
//!
//! assert!(ClientConfig::new("mail.example.org").is_ok());
//! assert!(ClientConfig::new("[IPv6:2001:db8::1]").is_ok());
//! assert!(ClientConfig::new("my_host").is_err());
//! assert!(ClientConfig::new("müller.example").is_err());
//! assert!(ClientConfig::new("xn--mller-kva.example").is_ok());
//! ```
//!
//! The name is data: nothing here asks the system for its host name, which on most systems is none of the above.
