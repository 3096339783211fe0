//! How a client logs in: ports, mechanisms, and what providers do.
//!
//! # Which port
//!
//! | port | for | TLS | `TlsPolicy` in the adapters |
//! |---|---|---|---|
//! | 465 | users of a provider | from the first octet (RFC 8314 §3.3) | `Implicit` |
//! | 587 | the same | by STARTTLS | `Required` |
//! | 25 | server to server, no log-in; many networks block it for their customers | by STARTTLS where it is offered | `Opportunistic` |
//!
//! Where a provider has both, take 465: there is no step in clear text. Either way EHLO is said again once TLS is in force, and
//! what the server offered before is forgotten (RFC 3207 §4.2): AUTH commonly appears only then. After AUTH it is *not* said
//! again; some servers forget the log-in when it is.
//!
//! The wrong way round shows as a time-out: STARTTLS spoken to 465 waits for a greeting that never comes
//! ([`Wait::Greeting`](crate::client::Wait::Greeting) says so), TLS spoken to 587 fails in the handshake. "STARTTLS is not
//! offered: masked by a firewall?" ([`NoStartTls::Masked`](crate::client::NoStartTls::Masked)) means that something on the way
//! overwrote the offer.
//!
//! # Which mechanism
//!
//! You give [`Credentials`](crate::sasl::client::Credentials), the server offers mechanisms, and the strongest that both can use
//! is taken. The server's order counts for nothing, and after a refusal nothing weaker is tried. To pin one:
//! [`only`](crate::sasl::client::Credentials::only).
//!
//! | you have | `Credentials::` | mechanisms, best first |
//! |---|---|---|
//! | user and password | `password(user, password)` | SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, SCRAM-SHA-256, SCRAM-SHA-1 (feature `scram`), PLAIN, LOGIN, CRAM-MD5 (feature `cram-md5`) |
//! | user and access token (OAuth) | `token(user, token)` | OAUTHBEARER, XOAUTH2 |
//! | a client certificate | `external()` | EXTERNAL |
//!
//! Credentials go out under TLS with a verified certificate, or not at all: [`AuthError`](crate::client::AuthError) comes before
//! anything secret was sent. [`insecure_credentials`](crate::client::ClientConfig::insecure_credentials) lifts that, for a test
//! or a socket on the same host; with it, and without TLS, what does not show the password goes first.
//!
//! # Which kind of provider
//!
//! | provider | usually | so |
//! |---|---|---|
//! | a hoster, a company's own server | PLAIN and LOGIN under TLS | user, which is often the whole address, and password |
//! | an account with a second factor | the account's password is refused: these mechanisms have no place for a second factor | a password made for one program (app password), or a token |
//! | a large mail provider, a company's cloud | XOAUTH2 or OAUTHBEARER; passwords only where an administrator allows them | a token that your program gets and refreshes; it expires soon, so fetch it before you connect, not at start |
//! | a service that sends for programs | PLAIN, with a key as user or password | what its page says; the name is rarely an address |
//! | an Exchange server inside a company | an `AUTH` line that names no mechanism of ours: GSSAPI and NTLM are not spoken here | a connector that takes PLAIN or LOGIN under TLS, or no log-in from your address |
//!
//! Known habits, each of which is met (`tests/client_quirks.rs`):
//!
//! | what the server does | where it is seen | what the client does |
//! |---|---|---|
//! | `AUTH=LOGIN PLAIN` beside or in place of `AUTH …`, and two lists that differ | old groupware, some large hosts | takes all of them together ([`EHLO_AUTH_EQUALS`](crate::Leniency::EHLO_AUTH_EQUALS)) |
//! | mechanisms that nobody else has (`PLAIN-CLIENTTOKEN`, `XOAUTH`) | a large provider | skips them |
//! | 334 with JSON in base64 after a token, then 535 | those with XOAUTH2 | sends the empty line that is due; the JSON is in that [`Reply`](crate::client::ClientStep::Reply) |
//! | 334 without any text | XOAUTH2 elsewhere | takes it |
//! | prompts of LOGIN in other words, or empty | several | goes by their order |
//! | 535 to `AUTH PLAIN` without an initial response | some configurations | always sends it, unless the line would be too long (RFC 4954 §4) |
//! | 535 or 504 to `AUTH LOGIN` with one | some | never sends it |
//! | 334 with text that is no base64 | a large vendor | takes a first challenge as empty, else cancels |
//!
//! # What went wrong
//!
//! | you see | it means |
//! |---|---|
//! | [`NoMechanism::Untrusted`](crate::sasl::client::NoMechanism::Untrusted) | no TLS, or a certificate that was not verified; nothing was sent |
//! | [`NoMechanism::NoneInCommon`](crate::sasl::client::NoMechanism::NoneInCommon) | look at [`extensions`](crate::client::ClientSession::extensions): is AUTH offered, and under TLS? |
//! | [`Failure::Refused`](crate::sasl::client::Failure::Refused), 535 | name or password; read the text: it may say that the account needs a token or an app password |
//! | [`Failure::Refused`](crate::sasl::client::Failure::Refused), 454 | not now: keep the password and try later |
//! | [`Failure::Said`](crate::sasl::client::Failure::Said) | a token that has expired, or was made for something else |
//! | [`Failure::Unproven`](crate::sasl::client::Failure::Unproven), [`Failure::Signature`](crate::sasl::client::Failure::Signature) | the server said yes without knowing the password: not the one you meant |
//! | 530 to MAIL | it wants a log-in; 530 5.7.0 with "STARTTLS": TLS first |
//! | 550 or 553 5.7.1 to MAIL | logged in, but not for this sender |
//!
//! None of it shows a secret, in `Debug` or in a transcript.
