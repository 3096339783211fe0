//! Who may bring mail: what is looked at when another server connects, and at which point it is told.
//!
//! Questions to DNS are asked while the client is greeted, so that the answers are there when they are needed.

mod hello;
mod rate;
mod settings;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::hello::claims_to_be;
use self::rate::Rate;
pub(crate) use self::settings::{Action, Checks, Dns, Stage};
use crate::blocklists::{Blocklists, Judgement, List};
use crate::config::Kind;
use crate::dns::{Lookup, Ourselves, Resolver, Reverse, reverse};
use crate::log::Log;
use crate::refusal::Refusal;

/// A name for the client's address is waited for so long; then it is as if DNS had failed.
const REVERSE: Duration = Duration::from_secs(5);

/// A client that comes too often: 421 and the end of the connection (RFC 5321 §3.8).
const TOO_OFTEN: Refusal = Refusal::new(421, (4, 7, 0), "Too many connections in a minute, try again later");
/// A client that sends too much at once.
const TOO_MANY: Refusal = Refusal::new(451, (4, 7, 1), "Too many messages in a minute, try again later");
/// A client without a name of its own (RFC 7372 §3.3).
const NO_NAME: Refusal =
    Refusal::new(550, (5, 7, 25), "Your address has no name in DNS that leads back to it");
/// A client that says it is us.
const IMPOSTOR: Refusal = Refusal::new(550, (5, 7, 1), "That name in HELO or EHLO is ours, not yours");

/// What is looked at, for all clients.
#[derive(Debug)]
pub(crate) struct Gate<L = Resolver> {
    checks: Checks,
    ourselves: Ourselves,
    /// None if nothing is to be asked.
    dns: Option<L>,
    lists: Option<Blocklists<L>>,
    connections: Rate,
    messages: Rate,
    log: Log,
}

/// What was found out about an address.
#[derive(Clone, Debug)]
struct Findings {
    judgement: Judgement,
    reverse: Reverse,
}

impl<L: Lookup + Clone + 'static> Gate<L> {
    /// `dns` may be missing where neither lists nor names are looked up.
    pub(crate) fn new(
        checks: Checks,
        lists: Vec<List>,
        ourselves: Ourselves,
        dns: Option<L>,
        log: &Log,
    ) -> Arc<Self> {
        Arc::new(Self {
            connections: Rate::per_minute(checks.connections_per_minute),
            messages: Rate::per_minute(checks.messages_per_minute),
            ourselves,
            lists: dns.clone().map(|dns| Blocklists::new(dns, lists, log.clone())),
            dns,
            log: log.clone(),
            checks,
        })
    }

    /// Tests the lists now and then, for ever.
    pub(crate) async fn watch(self: Arc<Self>) {
        if let Some(lists) = &self.lists {
            lists.watch().await;
        }
    }

    /// The address of a client that is looked at: one of other servers.
    fn stranger(&self, kind: Kind, remote: Option<SocketAddr>) -> Option<IpAddr> {
        let address = remote.map(|remote| remote.ip().to_canonical());
        let exempt = |address: &IpAddr| self.checks.exempt.iter().any(|range| range.contains(*address));
        address.filter(|address| kind == Kind::Mx && !exempt(address))
    }

    pub(crate) fn is_stranger(&self, kind: Kind, remote: Option<SocketAddr>) -> bool {
        self.stranger(kind, remote).is_some()
    }

    /// Begins to look at a client.
    pub(crate) fn visit(self: &Arc<Self>, kind: Kind, remote: Option<SocketAddr>) -> Visit<L> {
        let address = self.stranger(kind, remote);
        let look = address.filter(|_| self.dns.is_some());
        let looking = look.map(|address| tokio::spawn(Arc::clone(self).look(address)));
        Visit { gate: Arc::clone(self), address, looking, refusal: None, name: None }
    }

    async fn look(self: Arc<Self>, address: IpAddr) -> Findings {
        let (judgement, reverse) = tokio::join!(self.judge(address), self.reverse(address));
        if !judgement.hits.is_empty() {
            let event = self.log.event("listed").field("peer", address);
            event.field("lists", &judgement).field("weight", judgement.weight);
        }
        Findings { judgement, reverse }
    }

    async fn judge(&self, address: IpAddr) -> Judgement {
        match &self.lists {
            Some(lists) => lists.judge(address).await,
            None => Judgement::default(),
        }
    }

    async fn reverse(&self, address: IpAddr) -> Reverse {
        match &self.dns {
            Some(dns) if self.checks.reverse_dns != Action::Off => {
                timeout(REVERSE, reverse(dns, address)).await.unwrap_or(Reverse::Unknown)
            }
            _ => Reverse::Unknown,
        }
    }

    /// Why what was found speaks against the client.
    fn refusal(&self, address: IpAddr, findings: &Findings) -> Option<Refusal> {
        let worst =
            findings.judgement.worst().filter(|_| findings.judgement.weight >= self.checks.blocklist_weight);
        if let Some(hit) = worst {
            let colon = if hit.explanation.is_empty() { "" } else { ": " };
            let text = format!("Your address {address} is listed by {}{colon}{}", hit.zone, hit.explanation);
            self.refused(address, "blocklisted");
            return Some(Refusal::quoting(554, (5, 7, 1), text));
        }
        let nameless = self.checks.reverse_dns != Action::Off && findings.reverse == Reverse::Unconfirmed;
        (nameless && self.acts(self.checks.reverse_dns, address, "no-reverse-dns")).then_some(NO_NAME)
    }

    /// Tells the log of something that speaks against a client; true if the client is to be refused for it.
    fn acts(&self, action: Action, address: IpAddr, why: &str) -> bool {
        match action {
            Action::Off => false,
            Action::Log => {
                self.log.event("suspect").field("peer", address).field("why", why);
                false
            }
            Action::Refuse => {
                self.refused(address, why);
                true
            }
        }
    }

    fn refused(&self, address: IpAddr, why: &str) {
        self.log.event("unwelcome").field("peer", address).field("why", why);
    }
}

/// One client's connection.
#[derive(Debug)]
pub(crate) struct Visit<L = Resolver> {
    gate: Arc<Gate<L>>,
    /// None if the client is not looked at.
    address: Option<IpAddr>,
    looking: Option<JoinHandle<Findings>>,
    /// What came of it, once it was needed.
    refusal: Option<Refusal>,
    /// The client's name in DNS that leads back to its address, likewise.
    name: Option<String>,
}

impl<L: Lookup + Clone + 'static> Visit<L> {
    /// Whether the client, who called itself `hello`, is turned away at this point, and how.
    pub(crate) async fn refusal(&mut self, stage: Stage, hello: &[u8]) -> Option<Refusal> {
        let address = self.address?;
        if stage == Stage::Connect && !self.gate.connections.allows(address) {
            self.gate.refused(address, "too-many-connections");
            return Some(TOO_OFTEN);
        }
        if stage == Stage::Mail && !self.gate.messages.allows(address) {
            self.gate.refused(address, "too-many-messages");
            return Some(TOO_MANY);
        }
        if stage < self.gate.checks.stage {
            return None;
        }
        self.found(address).await;
        self.refusal.clone().or_else(|| self.impostor(address, hello))
    }

    /// The client's name in DNS, if it was looked up and leads back to its address.
    pub(crate) async fn name(&mut self) -> Option<&str> {
        self.found(self.address?).await;
        self.name.as_deref()
    }

    /// Waits for what was looked up.
    async fn found(&mut self, address: IpAddr) {
        let Some(looking) = self.looking.take() else { return };
        // A panic in there has been printed, and is no fault of the client's.
        let Ok(findings) = looking.await else { return };
        self.refusal = self.gate.refusal(address, &findings);
        if let Reverse::Confirmed(name) = findings.reverse {
            self.name = Some(name);
        }
    }

    fn impostor(&self, address: IpAddr, hello: &[u8]) -> Option<Refusal> {
        let claims = claims_to_be(hello, &self.gate.ourselves);
        (claims && self.gate.acts(self.gate.checks.hello, address, "hello-is-ours")).then_some(IMPOSTOR)
    }
}

impl<L> Drop for Visit<L> {
    fn drop(&mut self) {
        if let Some(looking) = &self.looking {
            looking.abort();
        }
    }
}

#[cfg(test)]
#[path = "gate/tests.rs"]
mod tests;
