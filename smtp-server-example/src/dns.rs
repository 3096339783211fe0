//! What DNS knows: which hosts take a domain's mail, and what stands behind an address.
//!
//! What answers mean is decided in plain functions over [`Answer`]s; [`Resolver`] is the only part that asks anybody.

mod answer;
pub(crate) mod command;
pub(crate) mod history;
mod mx;
mod network;
mod resolver;
mod reverse;
mod router;

pub(crate) use self::answer::{Answer, Lookup, Mx};
pub(crate) use self::mx::{Host, NoRoute, Route, Why};
pub(crate) use self::network::Ourselves;
pub(crate) use self::resolver::{Resolver, ResolverSettings, a_labels, servers};
pub(crate) use self::reverse::{Reverse, reverse};
pub(crate) use self::router::{Router, RouterSettings};
