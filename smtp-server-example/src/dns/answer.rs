use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What DNS said to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer<T> {
    /// At least one record.
    Records(Vec<T>),
    /// The name exists, without a record of this type (RFC 2308 §2.2).
    NoData,
    /// The name does not exist (RFC 2308 §2.1).
    NoName,
    /// Nobody knows: SERVFAIL, REFUSED, no answer in time, one that fails validation, or one that can't be read.
    Failed(String),
}

impl<T> Answer<T> {
    /// The records, if there are any.
    pub(crate) fn records(&self) -> &[T] {
        match self {
            Self::Records(records) => records,
            _ => &[],
        }
    }
}

/// A mail exchanger (RFC 1035 §3.3.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mx {
    pub(crate) preference: u16,
    /// In lower case, without the dot at the end; empty for the root, which RFC 7505 gives a meaning.
    pub(crate) host: String,
}

/// Something that answers questions. Names are absolute, with or without a dot at the end.
pub(crate) trait Lookup: Send + Sync {
    fn mx(&self, domain: &str) -> impl Future<Output = Answer<Mx>> + Send;
    fn a(&self, host: &str) -> impl Future<Output = Answer<Ipv4Addr>> + Send;
    fn aaaa(&self, host: &str) -> impl Future<Output = Answer<Ipv6Addr>> + Send;
    /// Each record's strings, joined.
    fn txt(&self, name: &str) -> impl Future<Output = Answer<Vec<u8>>> + Send;
    /// The names of an address.
    fn ptr(&self, address: IpAddr) -> impl Future<Output = Answer<String>> + Send;
}
