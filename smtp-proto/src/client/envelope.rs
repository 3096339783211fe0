//! What a message is sent with.

use crate::wire::content::{Needs, Survey};
use crate::wire::params::{Body, MailParams, MailParamsBuf, RcptParams, RcptParamsBuf};
use crate::wire::path::{Mailbox, MailboxBuf, ReversePath};

/// Sender, recipients and parameters of a message, on loan.
///
/// ```
/// use smtp_proto::client::Envelope;
/// use smtp_proto::wire::content::Survey;
/// use smtp_proto::wire::params::{MailParamsBuf, Ret};
/// use smtp_proto::MailboxBuf;
///
/// let from: MailboxBuf = "me@a.example".parse()?;
/// let to: [MailboxBuf; 2] = ["you@b.example".parse()?, "them@b.example".parse()?];
/// let text = b"Subject: hi\r\n\r\nHow are you?\r\n";
/// let params = MailParamsBuf::new().ret(Ret::Hdrs).envid("42")?;
/// let envelope = Envelope::new(&from).to(&to).params(&params).content(text);
/// # assert_eq!(envelope.recipients().len(), 2);
/// # Ok::<(), smtp_proto::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'e> {
    pub(crate) from: ReversePath<'e>,
    pub(crate) to: Recipients<'e>,
    pub(crate) params: MailParams<'e>,
    pub(crate) declared: Declared,
    pub(crate) smtputf8: bool,
    pub(crate) require_tls: bool,
    pub(crate) rewinds: bool,
}

/// What is known of the content before it comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) body: Option<Body>,
    /// As SIZE counts it, with the CR LF that the content may lack.
    pub(crate) size: Option<u64>,
    pub(crate) bare: u64,
    pub(crate) eight_bit_header: bool,
}

/// One recipient with its parameters (RFC 3461 §4).
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'e> {
    mailbox: Mailbox<'e>,
    params: RcptParams<'e>,
}

impl<'e> Recipient<'e> {
    /// A recipient without parameters.
    #[must_use]
    pub fn new(mailbox: impl Into<Mailbox<'e>>) -> Self {
        Self { mailbox: mailbox.into(), params: RcptParams::EMPTY }
    }

    /// The same with NOTIFY, ORCPT, RRVS or whatever the server offers.
    #[must_use]
    pub fn params(mut self, params: &'e RcptParamsBuf) -> Self {
        self.params = params.as_params();
        self
    }

    /// The mailbox.
    #[must_use]
    pub const fn mailbox(&self) -> Mailbox<'e> {
        self.mailbox
    }

    pub(crate) const fn rcpt_params(&self) -> RcptParams<'e> {
        self.params
    }
}

/// Recipients on loan, in any of the forms that programs keep them in.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Recipients<'e> {
    /// Owned mailboxes.
    Owned(&'e [MailboxBuf]),
    /// Mailboxes that borrow.
    Borrowed(&'e [Mailbox<'e>]),
    /// With parameters.
    WithParams(&'e [Recipient<'e>]),
}

impl<'e> Recipients<'e> {
    /// How many there are.
    #[must_use]
    pub const fn len(self) -> usize {
        match self {
            Self::Owned(all) => all.len(),
            Self::Borrowed(all) => all.len(),
            Self::WithParams(all) => all.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The recipient at `index`.
    #[must_use]
    pub fn at(self, index: usize) -> Option<Recipient<'e>> {
        match self {
            Self::Owned(all) => all.get(index).map(|one| Recipient::new(one.as_mailbox())),
            Self::Borrowed(all) => all.get(index).map(|one| Recipient::new(*one)),
            Self::WithParams(all) => all.get(index).copied(),
        }
    }

    /// Each in order.
    pub fn iter(self) -> impl Iterator<Item = Recipient<'e>> {
        (0..self.len()).filter_map(move |index| self.at(index))
    }
}

macro_rules! recipients {
    ($($item:ty => $form:ident;)*) => {
        $(
            impl<'e> From<&'e [$item]> for Recipients<'e> {
                fn from(all: &'e [$item]) -> Self {
                    Self::$form(all)
                }
            }

            impl<'e, const N: usize> From<&'e [$item; N]> for Recipients<'e> {
                fn from(all: &'e [$item; N]) -> Self {
                    Self::$form(all)
                }
            }

            impl<'e> From<&'e alloc::vec::Vec<$item>> for Recipients<'e> {
                fn from(all: &'e alloc::vec::Vec<$item>) -> Self {
                    Self::$form(all)
                }
            }
        )*
    };
}

recipients! {
    MailboxBuf => Owned;
    Mailbox<'e> => Borrowed;
    Recipient<'e> => WithParams;
}

impl<'e> From<&'e MailboxBuf> for Recipients<'e> {
    fn from(one: &'e MailboxBuf) -> Self {
        Self::Owned(core::slice::from_ref(one))
    }
}

impl<'e> Envelope<'e> {
    /// An envelope from a mailbox, or from [`ReversePath::Null`] for reports.
    #[must_use]
    pub fn new(from: impl Into<ReversePath<'e>>) -> Self {
        Self {
            from: from.into(),
            to: Recipients::Owned(&[]),
            params: MailParams::EMPTY,
            declared: Declared::default(),
            smtputf8: false,
            require_tls: false,
            rewinds: false,
        }
    }

    /// To these recipients, in place of those before.
    #[must_use]
    pub fn to(mut self, recipients: impl Into<Recipients<'e>>) -> Self {
        self.to = recipients.into();
        self
    }

    /// With these parameters as they are: RET, ENVID, AUTH, BY, MT-PRIORITY … SIZE, BODY, SMTPUTF8 and REQUIRETLS are
    /// better left to the session, which writes them where they are needed and offered.
    #[must_use]
    pub fn params(mut self, params: &'e MailParamsBuf) -> Self {
        self.params = params.as_params();
        self
    }

    /// Declares what a stream will hold. Without it the content may be in 8 bits where the server takes that.
    /// [`Body::BinaryMime`] sends by BDAT, octets as they are.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.declared.body = Some(body);
        self
    }

    /// Declares how many octets a stream will hold at most, as SIZE counts them (RFC 1870 §5): without stuffed dots.
    #[must_use]
    pub fn size(mut self, octets: u64) -> Self {
        self.declared.size = Some(octets);
        self
    }

    /// Declares what a survey of the whole content found. [`Body::BinaryMime`] stays if it was set.
    #[must_use]
    pub fn surveyed(self, survey: &Survey) -> Self {
        self.needing(survey.needs())
    }

    fn needing(mut self, needs: Needs) -> Self {
        self.declared.size = Some(needs.size());
        self.declared.bare = needs.bare();
        self.declared.eight_bit_header = needs.has_8bit_header();
        if self.declared.body != Some(Body::BinaryMime) {
            let body = if needs.has_8bit() { Body::EightBitMime } else { Body::SevenBit };
            self.declared.body = Some(body);
        }
        self
    }

    /// Surveys `content`, all of it, which can be written again from its begin: [`surveyed`](Self::surveyed) and
    /// [`rewinds`](Self::rewinds).
    #[must_use]
    pub fn content(self, content: &[u8]) -> Self {
        self.needing(Needs::of(content)).rewinds()
    }

    /// Says that the content can be written again from its begin, so that recipients beyond a server's limits get it in
    /// a further transaction. Otherwise they are [`Why::Limits`](super::Why::Limits).
    #[must_use]
    pub fn rewinds(mut self) -> Self {
        self.rewinds = true;
        self
    }

    /// Asks for SMTPUTF8 though neither address nor surveyed header needs it: for a stream.
    #[must_use]
    pub fn smtputf8(mut self) -> Self {
        self.smtputf8 = true;
        self
    }

    /// Demands verified TLS from here to the mailbox (RFC 8689).
    #[must_use]
    pub fn require_tls(mut self) -> Self {
        self.require_tls = true;
        self
    }

    /// The sender.
    #[must_use]
    pub const fn sender(&self) -> ReversePath<'e> {
        self.from
    }

    /// The recipients.
    #[must_use]
    pub const fn recipients(&self) -> Recipients<'e> {
        self.to
    }
}
