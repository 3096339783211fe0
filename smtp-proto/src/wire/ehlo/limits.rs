//! LIMITS (RFC 9422).

use super::words::Params;
use crate::wire::values::number;

/// Largest value: six digits (RFC 9422 §3).
const MOST: u32 = 999_999;

/// What a server announces by LIMITS (RFC 9422 §4); an item that is absent states no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    rcpt_max: Option<u32>,
    mail_max: Option<u32>,
    rcpt_domain_max: Option<u32>,
}

impl Limits {
    /// No item.
    pub const NONE: Self = Self { rcpt_max: None, mail_max: None, rcpt_domain_max: None };

    /// RCPTMAX: recipients a transaction.
    #[must_use]
    pub const fn rcpt_max(&self) -> Option<u32> {
        self.rcpt_max
    }

    /// MAILMAX: transactions a session.
    #[must_use]
    pub const fn mail_max(&self) -> Option<u32> {
        self.mail_max
    }

    /// RCPTDOMAINMAX: different recipient domains a transaction.
    #[must_use]
    pub const fn rcpt_domain_max(&self) -> Option<u32> {
        self.rcpt_domain_max
    }

    /// With RCPTMAX, brought into 1 to 999,999.
    #[must_use]
    pub const fn with_rcpt_max(self, n: u32) -> Self {
        Self { rcpt_max: Some(in_range(n)), ..self }
    }

    /// With MAILMAX, brought into 1 to 999,999.
    #[must_use]
    pub const fn with_mail_max(self, n: u32) -> Self {
        Self { mail_max: Some(in_range(n)), ..self }
    }

    /// With RCPTDOMAINMAX, brought into 1 to 999,999.
    #[must_use]
    pub const fn with_rcpt_domain_max(self, n: u32) -> Self {
        Self { rcpt_domain_max: Some(in_range(n)), ..self }
    }

    /// Adds what the parameters of a LIMITS line say. An unknown item, or a known one without a number of 1 to six
    /// digits, the first not 0 (RFC 9422 §3), is ignored; of one that comes twice the first valid one counts.
    pub(super) fn add(&mut self, params: Params<'_>) {
        for item in params {
            let Some(equals) = item.iter().position(|&octet| octet == b'=') else { continue };
            let (name, value) = (&item[..equals], &item[equals + 1..]);
            let limit = match () {
                () if name.eq_ignore_ascii_case(b"RCPTMAX") => &mut self.rcpt_max,
                () if name.eq_ignore_ascii_case(b"MAILMAX") => &mut self.mail_max,
                () if name.eq_ignore_ascii_case(b"RCPTDOMAINMAX") => &mut self.rcpt_domain_max,
                () => continue,
            };
            if limit.is_none() && value.first() != Some(&b'0') {
                *limit = number(value, 6).map(|n| n as u32);
            }
        }
    }

    /// The items that are there, with their names up to "=".
    pub(super) fn items(self) -> impl Iterator<Item = (&'static str, u32)> {
        [("RCPTMAX=", self.rcpt_max), ("MAILMAX=", self.mail_max), ("RCPTDOMAINMAX=", self.rcpt_domain_max)]
            .into_iter()
            .filter_map(|(name, n)| Some((name, n?)))
    }
}

const fn in_range(n: u32) -> u32 {
    match n {
        0 => 1,
        1..=MOST => n,
        _ => MOST,
    }
}
