//! Who is local, and which mailbox is whose.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use smtp_proto::wire::host::Host;
use smtp_proto::wire::path::Mailbox;

/// Somebody who has a mailbox here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// The local part, as the settings spell it.
    pub(crate) name: String,
    /// The mailbox's folder. It comes from the settings alone, never from an address that a client gave.
    pub(crate) mailbox: PathBuf,
}

/// What the directory knows about an address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'d> {
    User(&'d Arc<User>),
    /// The domain is ours; nobody has that name.
    NoUser,
    /// Somebody else's domain.
    Foreign,
}

/// The local domains and users.
///
/// Domains and local parts are compared without regard to ASCII case. RFC 5321 §2.4 leaves the meaning of a local
/// part to the host that owns it, and people don't expect `Alice@` and `alice@` to be two persons.
#[derive(Debug)]
pub(crate) struct Directory {
    domains: HashSet<String>,
    users: HashMap<String, Arc<User>>,
}

/// The one name that every server knows, with or without a domain behind it (RFC 5321 §4.5.1).
pub(crate) const POSTMASTER: &str = "postmaster";

impl Directory {
    /// `postmaster` gets a mailbox of that name unless it is among the users.
    pub(crate) fn new(
        domains: impl IntoIterator<Item = String>,
        users: impl IntoIterator<Item = User>,
    ) -> Self {
        let domains = domains.into_iter().map(|domain| domain.to_ascii_lowercase()).collect();
        let mut users: HashMap<_, _> =
            users.into_iter().map(|user| (user.name.to_ascii_lowercase(), Arc::new(user))).collect();
        users.entry(POSTMASTER.to_owned()).or_insert_with(|| {
            Arc::new(User { name: POSTMASTER.to_owned(), mailbox: PathBuf::from(POSTMASTER) })
        });
        Self { domains, users }
    }

    /// Looks up an address.
    ///
    /// The local part is not interpreted: `u%foreign`, `foreign!u` and a quoted `u@foreign` are names like any other.
    /// An address literal is nobody's domain here. Only `Postmaster` comes without a domain.
    pub(crate) fn find(&self, mailbox: Mailbox<'_>) -> Found<'_> {
        let ours = match mailbox.host() {
            Some(Host::Domain(domain)) => self.domains.contains(&domain.as_str().to_ascii_lowercase()),
            Some(_) => false,
            None => true,
        };
        if !ours {
            return Found::Foreign;
        }
        let name: Vec<u8> = mailbox.local_value().map(|octet| octet.to_ascii_lowercase()).collect();
        let user = std::str::from_utf8(&name).ok().and_then(|name| self.users.get(name));
        user.map_or(Found::NoUser, Found::User)
    }

    /// Everybody, by name.
    pub(crate) fn users(&self) -> Vec<Arc<User>> {
        let mut users: Vec<_> = self.users.values().cloned().collect();
        users.sort_by(|a, b| a.name.cmp(&b.name));
        users
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> Directory {
        let user = |name: &str| User { name: name.to_owned(), mailbox: PathBuf::from(name) };
        Directory::new(["Example.test".to_owned()], [user("Alice"), user("bob")])
    }

    #[test]
    fn addresses_are_found_or_not_for_the_right_reason() {
        enum Want {
            User(&'static str),
            NoUser,
            Foreign,
        }
        use Want::{Foreign, NoUser};
        let directory = directory();
        for (address, want, why) in [
            ("alice@example.test", Want::User("Alice"), "the plain case"),
            ("ALICE@EXAMPLE.Test", Want::User("Alice"), "case means nothing"),
            ("\"al\\ice\"@example.test", Want::User("Alice"), "quotes are a spelling, not a name"),
            ("postmaster@example.test", Want::User("postmaster"), "always there"),
            ("PostMaster", Want::User("postmaster"), "the one address without a domain"),
            ("carol@example.test", NoUser, "nobody of that name"),
            ("alice@example.org", Foreign, "somebody else's domain"),
            ("alice@mail.example.test", Foreign, "a sub-domain is not ours unless listed"),
            ("alice@test", Foreign, "nor is the domain above"),
            ("alice@notexample.test", Foreign, "nor one that ends like ours"),
            ("alice@[127.0.0.1]", Foreign, "an address literal is not ours unless listed"),
            ("alice@[IPv6:::1]", Foreign, "nor that of IPv6"),
            ("alice@localhost", Foreign, "nor localhost"),
            ("alice@ex\u{0430}mple.test", Foreign, "a Cyrillic look-alike"),
            ("\"u@foreign.example\"@example.test", NoUser, "a quoted @ does not route"),
            ("u%foreign.example@example.test", NoUser, "nor does the percent sign"),
            ("foreign.example!alice@example.test", NoUser, "nor a bang path"),
            ("alice+tag@example.test", NoUser, "tags are not taken"),
            ("\"../alice\"@example.test", NoUser, "a path is a name like any other"),
            ("\"\"@example.test", NoUser, "the empty quoted string"),
        ] {
            let mailbox = Mailbox::parse(address.as_bytes()).expect(address);
            match (directory.find(mailbox), want) {
                (Found::User(user), Want::User(name)) => assert_eq!(user.name, name, "{why}"),
                (Found::NoUser, NoUser) | (Found::Foreign, Foreign) => {}
                (found, _) => panic!("{why}: {address} gave {found:?}"),
            }
        }
    }

    #[test]
    fn postmaster_can_be_given_another_mailbox() {
        let postmaster = User { name: "Postmaster".to_owned(), mailbox: PathBuf::from("alice") };
        let directory = Directory::new(["example.test".to_owned()], [postmaster]);
        let found = directory.find(Mailbox::parse(b"Postmaster").unwrap());
        let Found::User(user) = found else { panic!("postmaster is missing: {found:?}") };
        assert_eq!(user.mailbox, PathBuf::from("alice"));
        assert_eq!(directory.users().len(), 1);
    }
}
