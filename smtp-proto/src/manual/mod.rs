//! The manual, by the questions that are asked. Nothing in here is code: each page is documentation.
//!
//! | question | answered in |
//! |---|---|
//! | How do I receive mail? | the front page of `smtp-tokio` or `smtp-asyncstd`; without either, [`server`](crate::server#a-policy) |
//! | What is said when I accept, refuse, or forget to? Why does my client get 451? | [`server`: decisions](crate::server#decisions) |
//! | Why does this not compile? | [`server`: traps](crate::server#traps) |
//! | How long does it wait? | [`server`: time-outs](crate::server#time-outs); a client: [`waits`] |
//! | How much does it bear from a client? | [`server`: budgets](crate::server#budgets) |
//! | Which command may come when? | [`server`: the state table](crate::server#the-state-table) |
//! | Which wrong commands are taken, and what does each switch let in? | [`leniency`] |
//! | How do users log in? | [`auth`] |
//! | Which port? STARTTLS, or TLS from the start? | [`tls`] |
//! | Why was this message refused? What did the client really send? | [`debugging`] |
//! | How do I run it on my own sockets? | [`adapter`] |
//! | How do I stop it, put it behind a balancer, change its certificate, listen on a Unix socket? | the page `manual` of `smtp-tokio` or `smtp-asyncstd` |
//! | I send: who has it? Do I send it again? | [`outcomes`] |
//! | What do I put into EHLO? | [`name`]; into a server's greeting, the same: [`ServerConfig::new`](crate::server::ServerConfig::new) |
//! | How do I log in to a provider? Port 465 or 587? A token? | [`log_in`] |
//! | When does a pool send again? How do I verify a certificate, go through a proxy, test what sends mail, come from lettre or mail-send? | the page `manual::sending` of `smtp-tokio` or `smtp-asyncstd` |
//! | Where do these numbers come from? | [`limits`](crate::limits) |

pub mod adapter;
pub mod auth;
pub mod debugging;
pub mod leniency;
pub mod log_in;
pub mod name;
pub mod outcomes;
pub mod tls;
pub mod waits;
