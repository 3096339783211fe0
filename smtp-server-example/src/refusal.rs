use std::fmt;

use smtp_proto::wire::reply::Reply;

/// A reply that refuses: in words of our own, or with others' in it, of a list or a scanner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Own(Reply<'static>),
    /// Others' words are made harmless when the reply is written.
    Quoting {
        code: u16,
        enhanced: (u8, u16, u16),
        text: String,
    },
}

impl Refusal {
    pub(crate) const fn new(code: u16, enhanced: (u8, u16, u16), text: &'static str) -> Self {
        Self::Own(Reply::new(code, enhanced, text))
    }

    pub(crate) const fn quoting(code: u16, enhanced: (u8, u16, u16), text: String) -> Self {
        Self::Quoting { code, enhanced, text }
    }

    pub(crate) fn reply(&self) -> Reply<'_> {
        match self {
            Self::Own(reply) => *reply,
            Self::Quoting { code, enhanced, text } => Reply::clean(*code, *enhanced, text),
        }
    }

    /// Whether trying again is of no use.
    pub(crate) fn is_permanent(&self) -> bool {
        self.reply().code() >= 500
    }
}

impl From<Reply<'static>> for Refusal {
    fn from(reply: Reply<'static>) -> Self {
        Self::Own(reply)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reply = self.reply();
        write!(f, "{} {}", reply.code(), reply.text().escape_ascii())
    }
}
