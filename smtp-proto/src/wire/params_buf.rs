//! Parameters to be sent or stored: owned, and built one by one.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use super::params::{
    Body, ByMode, DeliverBy, MailParams, Mtrk, Notify, Param, RcptParams, Ret, Rrvs, RrvsAction,
};
use super::path::Mailbox;
use super::{datetime::DateTime, xtext};
use crate::error::{Fault, ParseError};

/// Owned [`MailParams`], which are also how a client makes them.
///
/// Each setter replaces what was there; a value that the grammar has not is refused, so that what is written is
/// always a valid line.
///
/// ```
/// use smtp_proto::wire::params::{Body, MailParamsBuf, Ret};
///
/// let params = MailParamsBuf::new().size(1024).body(Body::EightBitMime).ret(Ret::Hdrs).envid("a b")?;
/// assert_eq!(params.as_str(), "SIZE=1024 BODY=8BITMIME RET=HDRS ENVID=a+20b");
/// # Ok::<(), smtp_proto::ParseError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct MailParamsBuf {
    text: String,
    /// What reading the text gave, but for the text itself.
    read: MailParams<'static>,
}

/// Owned [`RcptParams`], which are also how a client makes them. As [`MailParamsBuf`].
#[derive(Clone, PartialEq, Eq, Default)]
pub struct RcptParamsBuf {
    text: String,
    /// What reading the text gave, but for the text itself.
    read: RcptParams<'static>,
}

macro_rules! owned {
    ($name:ident, $borrowed:ident) => {
        impl $name {
            /// None at all.
            #[must_use]
            pub const fn new() -> Self {
                Self { text: String::new(), read: $borrowed::EMPTY }
            }

            /// The parameters, borrowed.
            #[must_use]
            pub fn as_params(&self) -> $borrowed<'_> {
                self.read.over(self.text.as_bytes())
            }

            /// The text, with one SP between two; empty if there is none.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.text
            }

            /// Whether there is none.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.text.is_empty()
            }

            /// Sets any parameter, registered or not, to a value as it stands on the line, or to none.
            ///
            /// # Errors
            /// When the keyword or the value is malformed, does not belong to the command, or excludes another.
            pub fn set(&mut self, keyword: &str, value: Option<&str>) -> Result<(), ParseError> {
                // One parameter, not several at once.
                let fault = |fault| Err(ParseError::new(fault, 0));
                if keyword.contains([' ', '=']) {
                    return fault(Fault::ParamKeyword);
                }
                if value.is_some_and(|value| value.contains(' ')) {
                    return fault(Fault::ParamValue);
                }
                let mut text = without(&self.text, keyword);
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(keyword);
                if let Some(value) = value {
                    text.push('=');
                    text.push_str(value);
                }
                *self = text.parse()?;
                Ok(())
            }

            /// Takes a parameter out, if it is there.
            pub fn remove(&mut self, keyword: &str) {
                let text = without(&self.text, keyword);
                // INVARIANT: what is valid stays so with one less; were it not, nothing changes.
                if let Ok(params) = text.parse() {
                    *self = params;
                }
            }

            fn with(mut self, param: Param, value: &str) -> Result<Self, ParseError> {
                self.set(param.name(), Some(value))?;
                Ok(self)
            }

            /// For values that can't be wrong; were one, nothing changes.
            fn with_right(mut self, param: Param, value: Option<&str>) -> Self {
                let right = self.set(param.name(), value);
                debug_assert_eq!(right, Ok(()), "{param}={value:?}");
                self
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            /// Reads what [`as_str`](Self::as_str) gives. UTF-8 is taken without SMTPUTF8 beside it, since a
            /// leniency may have let it in.
            fn from_str(text: &str) -> Result<Self, ParseError> {
                let read = $borrowed::parse_stored(text.as_bytes())?.over(b"");
                Ok(Self { text: text.into(), read })
            }
        }

        impl From<$borrowed<'_>> for $name {
            fn from(params: $borrowed<'_>) -> Self {
                // INVARIANT: parameters are UTF-8, checked when they were parsed.
                let text = core::str::from_utf8(params.as_bytes()).unwrap_or_default();
                Self { text: text.into(), read: params.over(b"") }
            }
        }

        impl $borrowed<'_> {
            /// An owned copy.
            #[must_use]
            pub fn to_owned(self) -> $name {
                self.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.as_params().fmt(f)
            }
        }
    };
}

owned!(MailParamsBuf, MailParams);
owned!(RcptParamsBuf, RcptParams);

impl MailParamsBuf {
    /// SIZE.
    #[must_use]
    pub fn size(self, octets: u64) -> Self {
        self.with_right(Param::Size, Some(&alloc::format!("{octets}")))
    }

    /// BODY.
    #[must_use]
    pub fn body(self, body: Body) -> Self {
        self.with_right(Param::Body, Some(body.as_str()))
    }

    /// SMTPUTF8.
    #[must_use]
    pub fn smtputf8(self) -> Self {
        self.with_right(Param::Smtputf8, None)
    }

    /// REQUIRETLS.
    #[must_use]
    pub fn requiretls(self) -> Self {
        self.with_right(Param::RequireTls, None)
    }

    /// CONPERM.
    #[must_use]
    pub fn conperm(self) -> Self {
        self.with_right(Param::ConPerm, None)
    }

    /// RET.
    #[must_use]
    pub fn ret(self, ret: Ret) -> Self {
        self.with_right(Param::Ret, Some(ret.as_str()))
    }

    /// ENVID, not yet encoded.
    ///
    /// # Errors
    /// When it is empty, holds more than printable ASCII and SP, or has over 100 characters once encoded.
    pub fn envid(self, id: &str) -> Result<Self, ParseError> {
        self.with(Param::Envid, &encoded(id.as_bytes()))
    }

    /// AUTH: who submitted the message; `None` writes `<>`.
    ///
    /// # Errors
    /// When the mailbox has no domain or holds UTF-8.
    pub fn auth(self, submitter: Option<Mailbox<'_>>) -> Result<Self, ParseError> {
        match submitter {
            Some(mailbox) => self.with(Param::Auth, &encoded(mailbox.as_bytes())),
            None => Ok(self.with_right(Param::Auth, Some("<>"))),
        }
    }

    /// BY.
    ///
    /// # Errors
    /// When the seconds have over nine digits, or are not above zero for [`ByMode::Return`].
    pub fn by(self, by: DeliverBy) -> Result<Self, ParseError> {
        let mode = match by.mode {
            ByMode::Notify => 'N',
            ByMode::Return => 'R',
        };
        let trace = if by.trace { "T" } else { "" };
        self.with(Param::By, &alloc::format!("{};{mode}{trace}", by.seconds))
    }

    /// HOLDFOR.
    ///
    /// # Errors
    /// When it is 0, has over nine digits, or HOLDUNTIL is set.
    pub fn holdfor(self, seconds: u32) -> Result<Self, ParseError> {
        self.with(Param::HoldFor, &alloc::format!("{seconds}"))
    }

    /// HOLDUNTIL.
    ///
    /// # Errors
    /// When HOLDFOR is set.
    pub fn holduntil(self, time: DateTime<'_>) -> Result<Self, ParseError> {
        self.with(Param::HoldUntil, time.as_str())
    }

    /// MT-PRIORITY.
    ///
    /// # Errors
    /// When it is not in -9 to 9.
    pub fn mt_priority(self, priority: i8) -> Result<Self, ParseError> {
        self.with(Param::MtPriority, &alloc::format!("{priority}"))
    }

    /// TRANSID, without its brackets.
    ///
    /// # Errors
    /// When it is empty, over 80 characters, or holds more than printable ASCII without "=".
    pub fn transid(self, id: &str) -> Result<Self, ParseError> {
        self.with(Param::TransId, &alloc::format!("<{id}>"))
    }

    /// MTRK.
    ///
    /// # Errors
    /// When the certifier is empty or the time-out has over nine digits.
    pub fn mtrk(self, mtrk: Mtrk<'_>) -> Result<Self, ParseError> {
        // INVARIANT: base64 is ASCII.
        let certifier = core::str::from_utf8(mtrk.certifier.as_bytes()).unwrap_or_default();
        match mtrk.timeout {
            Some(seconds) => self.with(Param::Mtrk, &alloc::format!("{certifier}:{seconds}")),
            None => self.with(Param::Mtrk, certifier),
        }
    }

    /// SOLICIT: keywords with commas between.
    ///
    /// # Errors
    /// When one is malformed.
    pub fn solicit(self, keywords: &str) -> Result<Self, ParseError> {
        self.with(Param::Solicit, keywords)
    }
}

impl RcptParamsBuf {
    /// NOTIFY.
    #[must_use]
    pub fn notify(self, notify: Notify) -> Self {
        self.with_right(Param::Notify, Some(&alloc::format!("{notify}")))
    }

    /// ORCPT of any type but utf-8, the address not yet encoded.
    ///
    /// # Errors
    /// When the type is no Atom, the address holds more than printable ASCII and SP, or the whole is over 500
    /// characters once encoded.
    pub fn orcpt(self, kind: &str, address: &str) -> Result<Self, ParseError> {
        self.with(Param::Orcpt, &alloc::format!("{kind};{}", encoded(address.as_bytes())))
    }

    /// ORCPT of type utf-8, written so that SMTPUTF8 is not needed (RFC 6533 §3).
    ///
    /// # Errors
    /// When the address is empty or holds a control character, or the whole is over 500 characters once encoded.
    pub fn orcpt_utf8(self, address: &str) -> Result<Self, ParseError> {
        let mut value = b"utf-8;".to_vec();
        xtext::encode_utf8_address(address, &mut value);
        self.with(Param::Orcpt, &String::from_utf8(value).unwrap_or_default())
    }

    /// RRVS.
    #[must_use]
    pub fn rrvs(self, rrvs: Rrvs<'_>) -> Self {
        let action = match rrvs.action {
            RrvsAction::Continue => 'C',
            RrvsAction::Reject => 'R',
        };
        self.with_right(Param::Rrvs, Some(&alloc::format!("{};{action}", rrvs.since)))
    }

    /// CONNEG.
    #[must_use]
    pub fn conneg(self) -> Self {
        self.with_right(Param::ConNeg, None)
    }
}

fn encoded(octets: &[u8]) -> String {
    let mut text = alloc::vec::Vec::new();
    xtext::encode(octets, &mut text);
    // INVARIANT: xtext is ASCII.
    String::from_utf8(text).unwrap_or_default()
}

/// `text` without the parameter that has this keyword.
fn without(text: &str, keyword: &str) -> String {
    let mut kept = String::with_capacity(text.len() + keyword.len());
    let others = |pair: &&str| !pair.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case(keyword));
    for pair in text.split(' ').filter(|pair| !pair.is_empty()).filter(others) {
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(pair);
    }
    kept
}
