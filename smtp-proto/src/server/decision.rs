use crate::wire::reply::{Reply, ReplyBuf};

/// What a policy decided about a token: made from a reply, or from a `Result` whose error is one.
///
/// The reply's class wins: a 2yz accepts, a 4yz or 5yz refuses. A proxy passes on what it was told: from a
/// [`ReplyBuf`].
#[derive(Clone, Debug)]
pub struct Decision<'r>(Words<'r>);

#[derive(Clone, Debug)]
enum Words<'r> {
    Ours,
    Lent(Reply<'r>),
    Owned(ReplyBuf),
}

impl<'r> Decision<'r> {
    /// Accept with the session's own reply.
    pub const ACCEPT: Self = Self(Words::Ours);

    pub(crate) fn reply(&self) -> Option<Reply<'_>> {
        match &self.0 {
            Words::Ours => None,
            Words::Lent(reply) => Some(*reply),
            Words::Owned(reply) => Some(Reply::from(reply)),
        }
    }
}

impl<'r> From<Reply<'r>> for Decision<'r> {
    fn from(reply: Reply<'r>) -> Self {
        Self(Words::Lent(reply))
    }
}

impl<'r> From<&Reply<'r>> for Decision<'r> {
    fn from(reply: &Reply<'r>) -> Self {
        Self(Words::Lent(*reply))
    }
}

impl<'r> From<&'r ReplyBuf> for Decision<'r> {
    fn from(reply: &'r ReplyBuf) -> Self {
        Self(Words::Lent(Reply::from(reply)))
    }
}

impl From<ReplyBuf> for Decision<'_> {
    fn from(reply: ReplyBuf) -> Self {
        Self(Words::Owned(reply))
    }
}

impl<'r, E: Into<Self>> From<Result<(), E>> for Decision<'r> {
    fn from(result: Result<(), E>) -> Self {
        match result {
            Ok(()) => Self::ACCEPT,
            Err(refusal) => refusal.into(),
        }
    }
}
