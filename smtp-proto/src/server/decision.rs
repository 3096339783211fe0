use crate::wire::reply::Reply;

/// What a policy decided about a token: made from a reply, or from a `Result` whose error is one.
///
/// The reply's class wins: a 2yz accepts, a 4yz or 5yz refuses.
#[derive(Clone, Debug)]
pub struct Decision<'r>(Option<Reply<'r>>);

impl<'r> Decision<'r> {
    /// Accept with the session's own reply.
    pub const ACCEPT: Self = Self(None);

    pub(crate) fn reply(&self) -> Option<&Reply<'r>> {
        self.0.as_ref()
    }
}

impl<'r> From<Reply<'r>> for Decision<'r> {
    fn from(reply: Reply<'r>) -> Self {
        Self(Some(reply))
    }
}

impl<'r> From<&Reply<'r>> for Decision<'r> {
    fn from(reply: &Reply<'r>) -> Self {
        Self(Some(*reply))
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
