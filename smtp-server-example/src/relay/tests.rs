//! Deliveries to hosts that a test scripts, over sockets of this machine and on virtual time.

mod content;
mod faults;
mod host;
mod limits;
mod moods;
mod routes;
mod starttls;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use tempfile::TempDir;

use self::host::{Act, Clock, Heard, Host, Script, listeners};
use super::*;
use crate::dns::{Answer, Mx, Ourselves, RouterSettings};
use crate::log::{Log, Page};
use crate::queue::{BodyType, DeliveryId, Envelope, Flight, Rcpt, RcptId, RouteKey};
use crate::queue_id::QueueIds;
use smtp_tokio::ClientConfig;

const CONTENT: &str = "Subject: x\r\n\r\n.text\r\n";

/// Everything has one MX list; a host's name leads to its addresses.
struct Zone(Vec<(u16, Vec<IpAddr>)>);

impl Zone {
    fn of(&self, host: &str) -> &[IpAddr] {
        let number = host.trim_start_matches("mx").trim_end_matches(".example");
        number.parse().ok().and_then(|at: usize| self.0.get(at)).map_or(&[], |(_, addresses)| addresses)
    }
}

fn records<T>(all: impl Iterator<Item = T>) -> Answer<T> {
    let all: Vec<_> = all.collect();
    if all.is_empty() { Answer::NoData } else { Answer::Records(all) }
}

impl Lookup for Zone {
    async fn mx(&self, _: &str) -> Answer<Mx> {
        let hosts = self.0.iter().enumerate();
        records(
            hosts
                .map(|(at, (preference, _))| Mx { preference: *preference, host: format!("mx{at}.example") }),
        )
    }

    async fn a(&self, host: &str) -> Answer<Ipv4Addr> {
        records(self.of(host).iter().filter_map(|ip| if let IpAddr::V4(v4) = ip { Some(*v4) } else { None }))
    }

    async fn aaaa(&self, host: &str) -> Answer<Ipv6Addr> {
        records(self.of(host).iter().filter_map(|ip| if let IpAddr::V6(v6) = ip { Some(*v6) } else { None }))
    }

    async fn txt(&self, _: &str) -> Answer<Vec<u8>> {
        Answer::NoData
    }

    async fn ptr(&self, _: IpAddr) -> Answer<String> {
        Answer::NoData
    }
}

/// A relay, and the hosts that it finds.
struct World {
    relay: Relay<Zone>,
    hosts: Vec<Host>,
    clock: Clock,
    port: u16,
    _folder: TempDir,
}

/// An address, and what is done there.
type Place<'a> = (&'a str, Option<Script>);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

impl World {
    /// Hosts at these preferences, each with its addresses and what is done at each of them. `None` is an address where
    /// nobody listens.
    async fn new(mx: &[(u16, &[Place<'_>])], change: impl FnOnce(&mut RelaySettings)) -> Self {
        let all: Vec<_> = mx.iter().flat_map(|(_, addresses)| *addresses).collect();
        let addresses: Vec<_> = all.iter().map(|(address, _)| ip(address)).collect();
        let sockets = listeners(&addresses).await;
        let mut settings = RelaySettings {
            port: sockets[0].local_addr().unwrap().port(),
            allowed_targets: ["127.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap()).to_vec(),
            ..RelaySettings::default()
        };
        change(&mut settings);
        let clock = Clock::stopped();
        let hosts = sockets.into_iter().zip(&all);
        let hosts =
            hosts.filter_map(|(socket, (_, script))| Some(Host::start(socket, (*script)?, &clock))).collect();
        let zone = mx.iter().map(|(preference, addresses)| {
            (*preference, addresses.iter().map(|(address, _)| ip(address)).collect())
        });
        let router = RouterSettings {
            ourselves: Ourselves::alone(&[], &[]),
            allowed_targets: settings.allowed_targets.clone(),
        };
        let router = Router::new(Zone(zone.collect()), router);
        let folder = TempDir::new().unwrap();
        let spool = Spool::new(Arc::new(RealDisk), folder.path().to_owned());
        let (config, port) = (ClientConfig::new("us.example").unwrap(), settings.port);
        let (log, _) = Log::start(Page::default()).unwrap();
        let by_mx = Arc::new(Config { route: Vec::new(), ..Config::example() });
        let known = Hosts::new(config, settings, log);
        let relay = Relay::new(router, known, Arc::new(move || Arc::clone(&by_mx)), spool);
        Self { relay, hosts, clock, port, _folder: folder }
    }

    /// One host at one address.
    async fn one(script: Script) -> Self {
        Self::new(&[(10, &[("127.0.0.2", Some(script))])], |_| {}).await
    }

    async fn deliver(&self, job: Job) -> Report {
        self.relay.deliver(Arc::new(job)).await
    }
}

fn usual(_: &Heard<'_>) -> Act {
    Act::Usual
}

/// A message to these, of this content.
pub(super) fn job_of(to: &[&str], content: &[u8]) -> Job {
    let rcpt = |(at, address): (usize, &&str)| Rcpt {
        id: RcptId(at as i64),
        address: (*address).to_owned(),
        user: None,
        orcpt: None,
        notify: None,
        unsure: false,
    };
    let now = Timestamp::UNIX_EPOCH;
    let spool = Spool::new(Arc::new(RealDisk), std::path::PathBuf::from("nowhere"));
    let mut draft = spool.begin(QueueIds::new().next(now));
    draft.take(content);
    let body = draft.finish().unwrap();
    Job {
        delivery: DeliveryId(1),
        epoch: 1,
        route: RouteKey::domain("there.example"),
        envelope: Envelope {
            sender: "a@us.example".into(),
            envid: None,
            expires: now,
            ..Envelope::sample(now)
        },
        prefix: b"Received: here\r\n".to_vec(),
        body,
        warn: None,
        attempts: 0,
        adopted: false,
        crashes: 0,
        flight: Flight::default(),
        rcpts: to.iter().enumerate().map(rcpt).collect(),
    }
}

fn job() -> Job {
    job_of(&["b@there.example"], CONTENT.as_bytes())
}

/// What became of each recipient, as text.
fn fates(report: &Report) -> Vec<String> {
    let with = |word: &str, said: &Said| {
        let (class, subject, detail) = said.status;
        format!("{word} {class}.{subject}.{detail} {}", said.text)
    };
    let fate = |(_, outcome): &(RcptId, Outcome)| match outcome {
        Outcome::Delivered(text) => format!("delivered {text}"),
        Outcome::Relayed { reply, reports: false } => format!("relayed {reply}"),
        Outcome::Relayed { reply, reports: true } => format!("relayed, reports {reply}"),
        Outcome::Refused(said) => with("refused", said),
        Outcome::Later(said) => with("later", said),
        Outcome::Unknown(said) => with("unknown", said),
        Outcome::Corrupt(said) => with("corrupt", said),
        other => format!("{other:?}"),
    };
    report.outcomes.iter().map(fate).collect()
}

fn fate(report: &Report) -> String {
    let fates = fates(report);
    assert_eq!(fates.len(), 1, "{fates:?}");
    fates.concat()
}
