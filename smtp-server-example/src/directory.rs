//! Who is local, and which mailbox is whose.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

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

    /// Looks up an address: the local part without quotes, and the domain as it was written. Only `Postmaster` comes
    /// without a domain.
    ///
    /// The local part is not interpreted: `u%foreign`, `foreign!u` and a quoted `u@foreign` are names like any other.
    pub(crate) fn find(&self, local_part: &[u8], domain: Option<&str>) -> Found<'_> {
        if domain.is_some_and(|domain| !self.domains.contains(&domain.to_ascii_lowercase())) {
            return Found::Foreign;
        }
        let user =
            std::str::from_utf8(local_part).ok().and_then(|name| self.users.get(&name.to_ascii_lowercase()));
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
        for (local, domain, want, why) in [
            ("alice", Some("example.test"), Want::User("Alice"), "the plain case"),
            ("ALICE", Some("EXAMPLE.Test"), Want::User("Alice"), "case means nothing"),
            ("postmaster", Some("example.test"), Want::User("postmaster"), "always there"),
            ("PostMaster", None, Want::User("postmaster"), "the one address without a domain"),
            ("carol", Some("example.test"), NoUser, "nobody of that name"),
            ("alice", Some("example.org"), Foreign, "somebody else's domain"),
            ("alice", Some("mail.example.test"), Foreign, "a sub-domain is not ours unless listed"),
            ("alice", Some("test"), Foreign, "nor is the domain above"),
            ("alice", Some("example.test."), Foreign, "a trailing dot is another spelling, and no valid one"),
            ("alice", Some("[127.0.0.1]"), Foreign, "an address literal is not ours unless listed"),
            ("alice", Some("ex\u{0430}mple.test"), Foreign, "a Cyrillic look-alike"),
            ("u@foreign.example", Some("example.test"), NoUser, "a quoted @ does not route"),
            ("u%foreign.example", Some("example.test"), NoUser, "nor does the percent sign"),
            ("foreign.example!alice", Some("example.test"), NoUser, "nor a bang path"),
            ("alice+tag", Some("example.test"), NoUser, "tags are not taken"),
            ("../alice", Some("example.test"), NoUser, "a path is a name like any other"),
            ("", Some("example.test"), NoUser, "the empty quoted string"),
        ] {
            match (directory.find(local.as_bytes(), domain), want) {
                (Found::User(user), Want::User(name)) => assert_eq!(user.name, name, "{why}"),
                (Found::NoUser, NoUser) | (Found::Foreign, Foreign) => {}
                (found, _) => panic!("{why}: {local}@{domain:?} gave {found:?}"),
            }
        }
        assert_eq!(directory.find(b"\xFF", Some("example.test")), Found::NoUser, "octets that are no text");
    }

    #[test]
    fn postmaster_can_be_given_another_mailbox() {
        let postmaster = User { name: "Postmaster".to_owned(), mailbox: PathBuf::from("alice") };
        let directory = Directory::new(["example.test".to_owned()], [postmaster]);
        let Found::User(user) = directory.find(b"postmaster", None) else { panic!("postmaster is missing") };
        assert_eq!(user.mailbox, PathBuf::from("alice"));
        assert_eq!(directory.users().len(), 1);
    }
}
