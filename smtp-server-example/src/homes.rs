//! Which mailbox an address means, and who puts mail into it: the people, and the settings of their domains.

use std::sync::Arc;

use smtp_proto::wire::path::Mailbox;
use smtp_tokio::MailboxBuf;

use crate::config::{Config, Delivery};
use crate::directory::{Found, User};
use crate::people::People;
use crate::queue::{Home, Homes, RouteKey};

impl Homes for People {
    fn of(&self, address: &str, user: Option<&str>) -> Vec<Home> {
        let (known, config) = (self.known(), self.config());
        let users = match user {
            Some(name) => known.directory.login(name).cloned().into_iter().collect(),
            None => match Mailbox::parse(address.as_bytes()).map(|mailbox| known.directory.find(mailbox)) {
                Ok(Found::Here(targets)) => targets.users.clone(),
                _ => Vec::new(),
            },
        };
        users.iter().filter_map(|user| home(&config, user, address)).collect()
    }
}

impl People {
    /// The way to a user's mailbox, of mail that was sent to this address.
    pub(crate) fn way_home(&self, address: &str, user: &User) -> RouteKey {
        let config = self.config();
        let domain = domain(&config, &user.name, address);
        match config.delivery(domain) {
            Delivery::Maildir => RouteKey::local(),
            Delivery::Lmtp(_) => RouteKey::lmtp(domain),
        }
    }
}

/// None if the user's name does not do as an address.
fn home(config: &Config, user: &Arc<User>, address: &str) -> Option<Home> {
    let domain = domain(config, &user.name, address);
    match config.delivery(domain) {
        Delivery::Maildir => Some(Home::Maildir(Arc::clone(user))),
        Delivery::Lmtp(place) => Some(Home::Lmtp(place.clone(), address_of(&user.name, domain)?)),
    }
}

/// The domain of ours that decides: the user's, where the name has one; else the one that was written to, as the
/// settings spell it; else, as for `Postmaster`, the first.
fn domain<'a>(config: &'a Config, name: &str, address: &str) -> &'a str {
    let ours = |text: &str| {
        let domain = text.rsplit_once('@')?.1;
        config.domains.iter().find(|ours| ours.eq_ignore_ascii_case(domain))
    };
    ours(name).or_else(|| ours(address)).or(config.domains.first()).map_or("", String::as_str)
}

/// A user's address at a domain of ours.
fn address_of(name: &str, domain: &str) -> Option<MailboxBuf> {
    let local = name.rsplit_once('@').map_or(name, |(local, _)| local);
    let quoted = || local.replace('\\', "\\\\").replace('"', "\\\"");
    let plain = format!("{local}@{domain}").parse();
    plain.or_else(|_| format!("\"{}\"@{domain}", quoted()).parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Domain;

    #[test]
    fn an_lmtp_server_is_given_the_users_name_and_never_what_a_client_wrote() {
        let place: crate::config::Place = "unix:/run/lmtp".parse().unwrap();
        let config = Config {
            domains: ["Maildir.example", "One.example", "two.example"].map(str::to_owned).to_vec(),
            domain: ["one.example", "two.example"]
                .map(|name| Domain { name: name.to_owned(), delivery: Delivery::Lmtp(place.clone()) })
                .to_vec(),
            ..Config::example()
        };
        for (name, address, want, why) in [
            (
                "alice",
                "ALICE+tag@one.EXAMPLE",
                Some("alice@One.example"),
                "the domain as the settings spell it",
            ),
            ("alice", "info@two.example", Some("alice@two.example"), "an alias"),
            ("alice", "alice@maildir.example", None, "the other domain is ours to write to"),
            (
                "alice@two.example",
                "info@maildir.example",
                Some("alice@two.example"),
                "an alias across domains",
            ),
            ("alice@maildir.example", "info@one.example", None, "and the other way round"),
            ("postmaster", "Postmaster", None, "the first domain's"),
            ("a\"b", "x@one.example", Some("\"a\\\"b\"@One.example"), "a name that needs quotes"),
        ] {
            let user = Arc::new(User { name: name.to_owned(), ..User::default() });
            let want = want.map_or(Home::Maildir(Arc::clone(&user)), |want| {
                Home::Lmtp(place.clone(), want.parse().unwrap())
            });
            assert_eq!(home(&config, &user, address), Some(want), "{why}");
        }
    }
}
