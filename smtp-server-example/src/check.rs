//! `check`: whether a server would work by its settings, and what about its surroundings would keep it from that.
//!
//! A file for each group, and in each a function that looks and adds what it found. Nothing is changed anywhere, but
//! for a small file in the mail folder that is taken away again.

mod certificate;
mod clock;
mod disk;
mod dns;
mod files;
mod finding;
mod limits;
mod lists;
mod neighbours;
mod people;
mod queue;
mod relay;
mod routes;
mod server;
mod shown;
mod synchronised;

use std::net::{IpAddr, UdpSocket};
use std::path::PathBuf;

use tokio::runtime::Runtime;

pub(crate) use self::finding::Findings;
pub(crate) use self::lists::is_public;
use crate::cli;
use crate::config::Config;
use crate::dns::{Ourselves, Resolver, ResolverSettings};
use crate::failure::{Failure, Kind};

/// What is looked at.
pub(crate) struct Site {
    /// The settings' file.
    file: PathBuf,
    config: Config,
    runtime: Runtime,
    /// None if DNS is not to be asked.
    resolver: Option<Resolver>,
    ourselves: Ourselves,
}

/// In the order in which they are printed: what is near before what depends on others.
const GROUPS: &[fn(&Site, &mut Findings)] = &[
    settings,
    people::check,
    files::check,
    certificate::check,
    disk::check,
    limits::check,
    server::check,
    clock::check,
    synchronised::check,
    queue::check,
    dns::check,
    lists::check,
    neighbours::check,
    shown::check,
    relay::check,
    routes::check,
];

/// Looks at everything. The text is what is to be printed; the error, where something would fail, comes after it.
pub(crate) fn run(command: &cli::Check) -> Result<(String, Result<(), Failure>), Failure> {
    let config = Config::read_to_serve(&command.config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Kind::System, format!("can't start: {error}")))?;
    let resolver = match command.offline {
        true => None,
        // hickory starts its tasks where it is made.
        false => Some(runtime.block_on(async { Resolver::new(&ResolverSettings::from(&config.dns)) })?),
    };
    let names = config.domains.iter().chain([&config.hostname]).cloned();
    let ourselves = Ourselves::new(names, config.dns.own_addresses.clone());
    let site = Site { file: command.config.clone(), config, runtime, resolver, ourselves };
    let mut findings = Findings::default();
    GROUPS.iter().for_each(|look| look(&site, &mut findings));
    let text = if command.json { findings.json() } else { findings.text() };
    Ok((text, findings.result()))
}

fn settings(site: &Site, findings: &mut Findings) {
    findings.ok("settings", format!("{} can be served by", site.file.display()));
}

/// The address from which this machine reaches others, in a family; none if it does not.
fn outer_address(anywhere: IpAddr) -> Option<IpAddr> {
    let unspecified: IpAddr = match anywhere {
        IpAddr::V4(_) => [0; 4].into(),
        IpAddr::V6(_) => [0; 16].into(),
    };
    // Connecting a datagram socket sends nothing; it asks the routing table.
    let socket = UdpSocket::bind((unspecified, 0)).ok()?;
    socket.connect((anywhere, 53)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// The addresses from which this machine reaches others.
pub(crate) fn outer_addresses() -> Vec<IpAddr> {
    let anywhere: [IpAddr; 2] = [[192, 0, 2, 1].into(), [0x2000, 0, 0, 0, 0, 0, 0, 1].into()];
    anywhere.into_iter().filter_map(outer_address).collect()
}
