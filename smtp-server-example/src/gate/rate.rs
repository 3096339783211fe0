use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::time::Instant;

/// Addresses counted at a time; of more, those that came longest ago are forgotten.
const ADDRESSES: u64 = 100_000;

const MINUTE: Duration = Duration::from_secs(60);

/// How often something may happen from one address: so many times at once, and again as time passes.
#[derive(Debug)]
pub(super) struct Rate {
    /// 0: as often as anybody likes.
    per_minute: u32,
    buckets: Cache<IpAddr, Arc<Mutex<Bucket>>>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Rate {
    pub(super) fn per_minute(per_minute: u32) -> Self {
        Self { per_minute, buckets: Cache::new(ADDRESSES) }
    }

    /// Counts one more, if it is within the rate.
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        if self.per_minute == 0 {
            return true;
        }
        let (most, now) = (f64::from(self.per_minute), Instant::now());
        let new = || Arc::new(Mutex::new(Bucket { left: most, at: now }));
        let bucket = self.buckets.get_with(one_of_its_kind(address), new);
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let gained = now.saturating_duration_since(bucket.at).as_secs_f64() / MINUTE.as_secs_f64() * most;
        bucket.left = (bucket.left + gained).min(most);
        bucket.at = now;
        let allowed = bucket.left >= 1.0;
        if allowed {
            bucket.left -= 1.0;
        }
        allowed
    }
}

/// An IPv6 host can choose from a /64 at will, so that is one address.
fn one_of_its_kind(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(rate: &Rate, address: &str, tries: u32) -> u32 {
        (0..tries).map(|_| u32::from(rate.allows(address.parse().unwrap()))).sum()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_used_up_comes_back_with_time() {
        let rate = Rate::per_minute(6);
        assert_eq!(allowed(&rate, "192.0.2.1", 10), 6);
        assert_eq!(allowed(&rate, "192.0.2.2", 10), 6, "others are not concerned");
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(allowed(&rate, "192.0.2.1", 10), 2, "a third of a minute");
        tokio::time::advance(60 * MINUTE).await;
        assert_eq!(allowed(&rate, "192.0.2.1", 10), 6, "never more than a minute's worth");
    }

    #[tokio::test(start_paused = true)]
    async fn an_ipv6_network_is_one_client() {
        let rate = Rate::per_minute(2);
        assert_eq!(allowed(&rate, "2001:db8::1", 1), 1);
        assert_eq!(allowed(&rate, "2001:db8::ffff:2", 2), 1, "the same /64");
        assert_eq!(allowed(&rate, "2001:db8:0:1::1", 2), 2, "another");
    }

    #[tokio::test]
    async fn zero_is_no_limit() {
        assert_eq!(allowed(&Rate::per_minute(0), "192.0.2.1", 1000), 1000);
    }
}
