//! How users log in: AUTH (RFC 4954), from the configuration to the reply.
//!
//! # Offer it
//!
//! [`ServerConfig::auth`](crate::server::ServerConfig::auth) takes the mechanisms, strongest first, and when they are
//! offered. [`AuthWhen::Tls`](crate::server::AuthWhen::Tls), the default, keeps passwords out of clear text: before
//! STARTTLS the EHLO response has no AUTH, and a client that tries is told 538. On a submission port
//! [`require_auth`](crate::server::ServerConfig::require_auth) answers MAIL before AUTH with 530 (RFC 6409 §4.3).
//!
//! ```
//! use smtp_proto::sasl::Mechanism;
//! use smtp_proto::server::{AuthWhen, Extension, ServerConfig};
//!
//! let config = ServerConfig::new("mail.example")?
//!     .offer(Extension::StartTls)
//!     .auth(&[Mechanism::PLAIN, Mechanism::LOGIN], AuthWhen::Tls)
//!     .require_auth();
//! # Ok::<(), smtp_proto::ParseError>(())
//! ```
//!
//! | mechanism | what you must store | who needs it |
//! |---|---|---|
//! | PLAIN | a hash of any kind: the password comes to you, under TLS | everybody; enough for most servers |
//! | LOGIN | as PLAIN | older Outlook, printers, scripts |
//! | SCRAM-SHA-256, -1, -PLUS (feature `scram`) | [`ScramKeys`](crate::sasl) a user, made when the password is set | clients that must not show you the password |
//! | CRAM-MD5 (feature `cram-md5`) | the password in clear | nobody today; it is here for what is left |
//! | XOAUTH2, OAUTHBEARER | nothing: a token that its issuer checks | accounts of the large providers |
//! | EXTERNAL | which name is in which client certificate | machines |
//!
//! # Answer it
//!
//! Each message of the client's is a [`Step::Auth`](crate::server::Step::Auth). An
//! [`Exchange`](crate::sasl::server::Exchange) knows the mechanisms and asks what only you can know; it lives beside the
//! connection, and its questions may be carried across an await.
//!
//! ```
//! use smtp_proto::sasl::server::{Exchange, Inputs, Next, Offer};
//! use smtp_proto::server::{Auth, Pending};
//!
//! async fn log_in(auth: Pending<'_, Auth<'_>>, exchange: &mut Exchange, offer: &Offer) {
//!     if auth.is_first() {
//!         // Random octets for challenges, and the seconds since 1970 that stand in CRAM-MD5's.
//!         *exchange = Exchange::start(auth.mechanism(), offer, Inputs::new(random(), now()));
//!     }
//!     let mut next = exchange.step(auth.response());
//!     loop {
//!         next = match next {
//!             Next::Password(ask) => match is_password(ask.user(), ask.password()).await {
//!                 Ok(good) => ask.decide(good),
//!                 Err(_) => ask.later(), // 454: the client keeps its password and comes back
//!             },
//!             Next::Challenge(octets) => return auth.challenge(octets),
//!             Next::Done(user) => return auth.accept_as(user),
//!             Next::Refused(reply) => return auth.refuse(&reply),
//!             other => other.or_refuse(),
//!         };
//!     }
//! }
//! # async fn is_password(user: &str, password: &str) -> Result<bool, ()> { Ok(user == password) }
//! # fn random() -> [u8; 32] { [0; 32] }
//! # fn now() -> u64 { 0 }
//! ```
//!
//! `Offer::new(&mechanisms)` is made once, with the mechanisms of the configuration. Afterwards
//! [`Facts::user`](crate::server::Facts::user) is who logged in, on every token.
//!
//! # What the client is told
//!
//! | | reply |
//! |---|---|
//! | logged in | 235 |
//! | wrong password, no such user, a message that can't be read: all alike | 535 5.7.8 |
//! | you could not find out, or dropped the token | 454 4.7.0 |
//! | it cancelled with `*`; no base64 | 501 |
//! | before TLS | 538 5.7.11 |
//! | a mechanism that is not offered | 504 5.5.4 |
//! | AUTH after AUTH, or inside a transaction | 503 5.5.1 |
//! | the third failure ([`Limits::failed_auth`](crate::server::Limits::failed_auth)) | 535, then 421 4.7.0 and closed |
//!
//! None of it shows a secret: not in `Debug`, not in a [`Transcript`](crate::trace::Transcript) unless that was made
//! `with_secrets`. [`Answered::is_secret`](crate::server::Answered::is_secret) says of a line that it must not be logged.
//!
//! # Clients with habits
//!
//! - .NET sends the user with the command, `AUTH LOGIN dXNlcg==`. It is taken.
//! - Some clients compare the prompts of LOGIN as text. They are exactly `Username:` and `Password:`.
//! - A client that wants AUTH before TLS, in a test: [`AuthWhen::Always`](crate::server::AuthWhen::Always).
//! - A client that says HELO and then AUTH: [`Leniency::AUTH_AFTER_HELO`](crate::Leniency::AUTH_AFTER_HELO).
//! - To let anybody in and see what they try: [`sasl::Trap`](crate::sasl::Trap).
