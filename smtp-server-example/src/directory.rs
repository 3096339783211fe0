//! Who is local, and which mailbox is whose.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use smtp_proto::wire::host::Host;
use smtp_proto::wire::path::{Mailbox, MailboxBuf};

/// Somebody who has a mailbox here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    /// The local part, or a whole address, as the settings spell it.
    pub(crate) name: String,
    /// The mailbox's folder. It comes from the settings alone, never from an address that a client gave.
    pub(crate) mailbox: PathBuf,
    /// Whose names the user may send in besides their own: addresses, or `@domain`.
    pub(crate) senders: Vec<String>,
}

/// One address that stands for others.
#[derive(Clone, Debug)]
pub(crate) struct Alias {
    /// `info`, at every domain; `info@example.org`; `@example.org`, for whatever nobody has there.
    pub(crate) address: String,
    pub(crate) to: Vec<String>,
    /// In whose name its mail goes on; none if in that of whoever wrote.
    pub(crate) sender: Option<String>,
}

/// What a directory is made from.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) domains: Vec<String>,
    pub(crate) users: Vec<User>,
    pub(crate) aliases: Vec<Alias>,
    /// Who gets what nobody has; empty for no one.
    pub(crate) catch_all: String,
    /// What begins a tag in a local part; empty where there are no tags.
    pub(crate) tag_separator: String,
}

/// What the directory knows about an address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Mail for it goes to these.
    Here(Arc<Targets>),
    /// The domain is ours; nobody has that name.
    NoUser,
    /// Somebody else's domain.
    Foreign,
}

/// Where mail for one address goes; each place once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Targets {
    pub(crate) users: Vec<Arc<User>>,
    /// Addresses elsewhere.
    pub(crate) remote: Vec<MailboxBuf>,
    /// In whose name mail goes on to them.
    pub(crate) sender: Option<String>,
}

impl Targets {
    fn add(&mut self, other: &Self) {
        for user in &other.users {
            if !self.users.iter().any(|known| known.mailbox == user.mailbox) {
                self.users.push(Arc::clone(user));
            }
        }
        for address in &other.remote {
            if !self.remote.contains(address) {
                self.remote.push(address.clone());
            }
        }
    }
}

/// The name of a user or alias: a local part, at one domain or at all of ours. In lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    local: String,
    domain: Option<String>,
}

impl Key {
    fn parse(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match name.rsplit_once('@') {
            Some((local, domain)) => Self { local: local.to_owned(), domain: Some(domain.to_owned()) },
            None => Self { local: name, domain: None },
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.domain {
            Some(domain) => write!(f, "{}@{domain}", self.local),
            None => f.write_str(&self.local),
        }
    }
}

/// The local domains, users and aliases.
///
/// Domains and local parts are compared without regard to ASCII case. RFC 5321 §2.4 leaves the meaning of a local
/// part to the host that owns it, and people don't expect `Alice@` and `alice@` to be two persons.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    domains: HashSet<String>,
    users: HashMap<Key, Arc<User>>,
    aliases: HashMap<Key, Vec<String>>,
    /// Of those aliases that have one.
    senders: HashMap<Key, String>,
    resolved: HashMap<Key, Arc<Targets>>,
    catch_all: Option<Arc<Targets>>,
    tag_separator: String,
}

/// The one name that every server knows, with or without a domain behind it (RFC 5321 §4.5.1).
pub(crate) const POSTMASTER: &str = "postmaster";

/// What a name stands for.
enum Entry<'d> {
    Alias(Key),
    User(&'d Arc<User>),
}

impl Directory {
    /// `postmaster` gets a mailbox of that name unless it is among the users or aliases.
    ///
    /// The error says which alias leads nowhere or back to itself.
    pub(crate) fn new(sources: Sources) -> Result<Self, String> {
        let Sources { domains, users, aliases, catch_all, tag_separator } = sources;
        let senders =
            aliases.iter().filter_map(|alias| Some((Key::parse(&alias.address), alias.sender.clone()?)));
        let mut directory = Self {
            senders: senders.collect(),
            domains: domains.into_iter().map(|domain| domain.to_ascii_lowercase()).collect(),
            users: users.into_iter().map(|user| (Key::parse(&user.name), Arc::new(user))).collect(),
            aliases: aliases.into_iter().map(|alias| (Key::parse(&alias.address), alias.to)).collect(),
            tag_separator,
            ..Self::default()
        };
        let postmaster = Key::parse(POSTMASTER);
        if !directory.aliases.contains_key(&postmaster) {
            let named =
                || User { name: POSTMASTER.into(), mailbox: POSTMASTER.into(), ..User::default() }.into();
            directory.users.entry(postmaster).or_insert_with(named);
        }
        let mut names: Vec<_> = directory.aliases.keys().cloned().collect();
        names.sort_by_key(Key::to_string);
        for name in names {
            if let Some(domain) = name.domain.as_ref().filter(|domain| !directory.domains.contains(*domain)) {
                return Err(format!("the alias `{name}`: `{domain}` is not among `domains`"));
            }
            let mut targets = directory.expand(&name, &mut Vec::new())?;
            targets.sender = directory.senders.get(&name).cloned();
            if let Some(sender) =
                targets.sender.as_ref().filter(|sender| Mailbox::parse(sender.as_bytes()).is_err())
            {
                return Err(format!("the alias `{name}`: its sender `{sender}` is no address"));
            }
            directory.resolved.insert(name, Arc::new(targets));
        }
        if !catch_all.is_empty() {
            let targets = directory.target(&catch_all, "catch_all", &mut Vec::new())?;
            directory.catch_all = Some(Arc::new(targets));
        }
        Ok(directory)
    }

    /// Where mail for an alias goes in the end; `path` is the aliases that led to it.
    fn expand(&self, name: &Key, path: &mut Vec<Key>) -> Result<Targets, String> {
        if path.contains(name) {
            let circle = path.iter().skip_while(|passed| *passed != name).chain([name]);
            let circle: Vec<_> = circle.map(Key::to_string).collect();
            return Err(format!("aliases lead in a circle: {}", circle.join(" -> ")));
        }
        path.push(name.clone());
        let mut targets = Targets::default();
        for target in self.aliases.get(name).map(Vec::as_slice).unwrap_or_default() {
            targets.add(&self.target(target, &name.to_string(), path)?);
        }
        path.pop();
        Ok(targets)
    }

    /// Where one target of the alias `from` leads.
    fn target(&self, target: &str, from: &str, path: &mut Vec<Key>) -> Result<Targets, String> {
        let key = Key::parse(target);
        let ours = key.domain.as_ref().is_none_or(|domain| self.domains.contains(domain));
        if !ours {
            let address = Mailbox::parse(target.as_bytes())
                .map_err(|error| format!("the alias `{from}`: `{target}` is no address: {error}"))?;
            return Ok(Targets { remote: vec![address.to_owned()], ..Targets::default() });
        }
        let only = |user: &Arc<User>| Targets { users: vec![Arc::clone(user)], ..Targets::default() };
        match self.entry(&key) {
            Some(Entry::User(user)) => Ok(only(user)),
            // An alias that names itself means the user of that name: a copy stays here.
            Some(Entry::Alias(name)) if path.last() == Some(&name) && self.user(&key).is_some() => {
                Ok(self.user(&key).map(only).unwrap_or_default())
            }
            Some(Entry::Alias(name)) if self.senders.contains_key(&name) => Err(format!(
                "the alias `{from}` leads to `{name}`, which has a `sender`: list those behind it instead"
            )),
            Some(Entry::Alias(name)) => self.expand(&name, path),
            None => Err(format!("the alias `{from}` leads to `{target}`, and nobody is called that")),
        }
    }

    /// Looks up a name at its domain, then at all domains; without its tag if need be. An alias goes before a user.
    fn entry(&self, key: &Key) -> Option<Entry<'_>> {
        let untagged = self.untagged(&key.local);
        [Some(&*key.local), untagged].into_iter().flatten().find_map(|local| {
            let domains = [key.domain.as_deref(), None];
            domains[usize::from(key.domain.is_none())..].iter().find_map(|domain| {
                let key = Key { local: local.to_owned(), domain: domain.map(str::to_owned) };
                match self.users.get(&key) {
                    _ if self.aliases.contains_key(&key) && !key.local.is_empty() => Some(Entry::Alias(key)),
                    user => user.map(Entry::User),
                }
            })
        })
    }

    fn untagged<'n>(&self, local: &'n str) -> Option<&'n str> {
        if self.tag_separator.is_empty() {
            return None;
        }
        local.split_once(&*self.tag_separator).map(|(base, _)| base).filter(|base| !base.is_empty())
    }

    fn user(&self, key: &Key) -> Option<&Arc<User>> {
        let anywhere = || self.users.get(&Key { local: key.local.clone(), domain: None });
        self.users.get(key).or_else(anywhere)
    }

    /// Looks up an address.
    ///
    /// But for its tag the local part is not interpreted: `u%foreign`, `foreign!u` and a quoted `u@foreign` are names
    /// like any other. An address literal is nobody's domain here. Only `Postmaster` comes without a domain.
    pub(crate) fn find(&self, mailbox: Mailbox<'_>) -> Found {
        let Some(key) = self.key(mailbox) else { return Found::Foreign };
        let named = self.named(&key);
        let domain = || Key { local: String::new(), domain: key.domain.clone() };
        let at_domain = || self.resolved.get(&domain()).or(self.catch_all.as_ref()).cloned();
        named.or_else(at_domain).map_or(Found::NoUser, Found::Here)
    }

    /// The name of an address here; `None` for one elsewhere.
    fn key(&self, mailbox: Mailbox<'_>) -> Option<Key> {
        let domain = match mailbox.host() {
            Some(Host::Domain(domain)) => Some(domain.as_str().to_ascii_lowercase()),
            Some(_) => return None,
            None => None,
        };
        if domain.as_ref().is_some_and(|domain| !self.domains.contains(domain)) {
            return None;
        }
        let local: Vec<u8> = mailbox.local_value().map(|octet| octet.to_ascii_lowercase()).collect();
        // What is no text is nobody's name, and no name is empty.
        Some(Key { local: String::from_utf8(local).unwrap_or_default(), domain })
    }

    fn named(&self, key: &Key) -> Option<Arc<Targets>> {
        match self.entry(key)? {
            Entry::Alias(name) => self.resolved.get(&name).cloned(),
            Entry::User(user) => {
                Some(Arc::new(Targets { users: vec![Arc::clone(user)], ..Targets::default() }))
            }
        }
    }

    /// Whether mail may be sent in this name by this user: mail for it comes to them and nobody else, or it is among
    /// the user's `senders`. What only the catch-all takes is nobody's.
    pub(crate) fn owns(&self, user: &User, address: Mailbox<'_>) -> bool {
        let theirs = self.key(address).and_then(|key| self.named(&key)).is_some_and(|targets| {
            targets.remote.is_empty()
                && targets.users.len() == 1
                && targets.users.iter().any(|only| only.name == user.name)
        });
        let text = address.as_str();
        let domain = text.rsplit_once('@').map_or("", |(_, domain)| domain);
        theirs
            || user.senders.iter().any(|sender| {
                sender.eq_ignore_ascii_case(text)
                    || sender.strip_prefix('@').is_some_and(|all| all.eq_ignore_ascii_case(domain))
            })
    }

    /// Whom a name means that somebody logs in with: a user's name, or their address.
    pub(crate) fn login(&self, name: &str) -> Option<&Arc<User>> {
        let key = Key::parse(name);
        let ours = key.domain.as_ref().is_none_or(|domain| self.domains.contains(domain));
        self.user(&key).filter(|_| ours)
    }

    /// Everybody, by name.
    pub(crate) fn users(&self) -> Vec<Arc<User>> {
        let mut users: Vec<_> = self.users.values().cloned().collect();
        users.sort_by(|a, b| a.name.cmp(&b.name));
        users
    }
}

#[cfg(test)]
mod tests;
