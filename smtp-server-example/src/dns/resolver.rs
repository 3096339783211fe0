use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Resolver as Hickory, TokioResolver, system_conf};

use super::{Answer, Lookup, Mx};
use crate::failure::{Failure, Kind};
use crate::gate::Dns;

/// How often a question is asked again that nobody answers.
const ATTEMPTS: usize = 1;

/// Answers kept, for their TTL. One is some hundred octets.
const CACHE: u64 = 32_768;

/// Longest that an answer is kept, whatever its TTL: a day, as resolvers have it.
const MOST_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Whom to ask, and how patiently.
#[derive(Clone, Debug)]
pub(crate) struct ResolverSettings {
    /// Empty: those of the system.
    pub(crate) servers: Vec<SocketAddr>,
    /// For each try.
    pub(crate) timeout: Duration,
}

impl From<&Dns> for ResolverSettings {
    fn from(settings: &Dns) -> Self {
        let timeout = Duration::from_secs(settings.timeout_seconds);
        Self { servers: settings.servers.clone(), timeout }
    }
}

/// Who would be asked; nobody if the system does not say.
pub(crate) fn servers(settings: &ResolverSettings) -> Vec<IpAddr> {
    if !settings.servers.is_empty() {
        return settings.servers.iter().map(SocketAddr::ip).collect();
    }
    let of_system = system_conf::read_system_conf().map(|(config, _)| config.into_parts().2);
    of_system.unwrap_or_default().into_iter().map(|server| server.ip).collect()
}

/// Asks recursive servers, and remembers what they said.
#[derive(Clone, Debug)]
pub(crate) struct Resolver(TokioResolver);

impl Resolver {
    pub(crate) fn new(settings: &ResolverSettings) -> Result<Self, Failure> {
        let config = match &settings.servers[..] {
            [] => {
                system_conf::read_system_conf().map(|(config, _)| config.into_parts().2).map_err(no_system)?
            }
            servers => servers.iter().map(|server| name_server(*server)).collect(),
        };
        // Neither a domain nor search domains: every name that mail brings is absolute.
        let config = ResolverConfig::from_name_servers(config);
        let resolver = Hickory::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options(settings))
            .build()
            .map_err(|error| Failure::new(Kind::System, format!("can't set DNS up: {error}")))?;
        Ok(Self(resolver))
    }

    async fn ask<T>(
        &self,
        name: &str,
        record: RecordType,
        read: impl Fn(&RData) -> Option<T> + Send,
    ) -> Answer<T> {
        let Ok(mut name) = Name::from_utf8(name) else {
            return Answer::NoName;
        };
        name.set_fqdn(true);
        match self.0.lookup(name, record).await {
            Ok(lookup) => {
                let records: Vec<_> =
                    lookup.answers().iter().filter_map(|record| read(&record.data)).collect();
                if records.is_empty() { Answer::NoData } else { Answer::Records(records) }
            }
            Err(error) => missing(error),
        }
    }
}

/// What it means that there are no records.
fn missing<T>(error: NetError) -> Answer<T> {
    let NetError::Dns(DnsError::NoRecordsFound(none)) = &error else {
        return Answer::Failed(reason(&error));
    };
    match none.response_code {
        ResponseCode::NXDomain => Answer::NoName,
        // A server that only points elsewhere has not answered (RFC 2308 §2.2: a referral is not NODATA).
        ResponseCode::NoError if none.soa.is_none() && none.ns.is_some() => {
            Answer::Failed("the server only refers to others".to_owned())
        }
        ResponseCode::NoError => Answer::NoData,
        code => Answer::Failed(code.to_string()),
    }
}

fn reason(error: &NetError) -> String {
    match error {
        NetError::Timeout => "no answer in time".to_owned(),
        NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail)) => "SERVFAIL".to_owned(),
        NetError::Dns(DnsError::ResponseCode(ResponseCode::Refused)) => "REFUSED".to_owned(),
        other => other.to_string(),
    }
}

fn options(settings: &ResolverSettings) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = settings.timeout;
    options.attempts = ATTEMPTS;
    options.cache_size = CACHE;
    options.positive_max_ttl = Some(MOST_TTL);
    options.negative_max_ttl = Some(MOST_TTL);
    // Where mail goes is what DNS says, not what this machine's file of hosts says.
    options.use_hosts_file = ResolveHosts::Never;
    // An answer of one server and a failure of another are both wanted, in the order given.
    options.num_concurrent_reqs = 1;
    options.try_tcp_on_error = true;
    options
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

fn no_system(error: NetError) -> Failure {
    Failure::new(Kind::Config, format!("can't read the system's DNS settings: {error}"))
        .help("see /etc/resolv.conf, or name the servers to ask")
}

/// A name as it is compared and printed.
fn plain(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

/// A domain as DNS has it: U-labels become A-labels (RFC 5891 §4).
pub(crate) fn a_labels(domain: &str) -> Option<String> {
    Name::from_utf8(domain).ok().map(|name| plain(&name)).filter(|name| !name.is_empty())
}

impl Lookup for Resolver {
    async fn mx(&self, domain: &str) -> Answer<Mx> {
        let read = |data: &RData| match data {
            RData::MX(mx) => Some(Mx { preference: mx.preference, host: plain(&mx.exchange) }),
            _ => None,
        };
        self.ask(domain, RecordType::MX, read).await
    }

    async fn a(&self, host: &str) -> Answer<Ipv4Addr> {
        let read = |data: &RData| match data {
            RData::A(address) => Some(address.0),
            _ => None,
        };
        self.ask(host, RecordType::A, read).await
    }

    async fn aaaa(&self, host: &str) -> Answer<Ipv6Addr> {
        let read = |data: &RData| match data {
            RData::AAAA(address) => Some(address.0),
            _ => None,
        };
        self.ask(host, RecordType::AAAA, read).await
    }

    async fn txt(&self, name: &str) -> Answer<Vec<u8>> {
        let read = |data: &RData| match data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        };
        self.ask(name, RecordType::TXT, read).await
    }

    async fn ptr(&self, address: IpAddr) -> Answer<String> {
        let read = |data: &RData| match data {
            RData::PTR(name) => Some(plain(name)),
            _ => None,
        };
        self.ask(&Name::from(address).to_ascii(), RecordType::PTR, read).await
    }
}
