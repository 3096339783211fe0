use std::fmt;

/// Why the program ends before its work is done: what happened, what to do about it, and of which kind it is.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    what: String,
    help: Option<String>,
}

/// The kinds of [`Failure`], as the exit codes that `sysexits.h` gives them: scripts and service managers can
/// tell a typing error (which a restart won't cure) from a port that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The command line is wrong.
    Usage = 64,
    /// A message would be refused, or can't be sent as it is.
    Refused = 65,
    /// A file that was named is missing or can't be read.
    NoInput = 66,
    /// A host does not exist, or takes no mail.
    NoHost = 68,
    /// An address can't be listened on, or nobody listens there, or who does refuses for good.
    Unavailable = 69,
    /// The system refused something that normally works: threads, signals.
    System = 71,
    /// A folder or file can't be made.
    CantCreate = 73,
    /// Reading or writing failed on the way.
    Io = 74,
    /// It may work later.
    TryLater = 75,
    /// A server does not keep to the protocol.
    Protocol = 76,
    /// A server does not let us in.
    NoPermission = 77,
    /// The settings are wrong.
    Config = 78,
    /// Ctrl-C: 128 and the number of SIGINT, as shells have it.
    Interrupted = 130,
}

impl Failure {
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), help: None }
    }

    /// Adds what the reader can do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What happened.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// What can be done about it.
    pub(crate) fn remedy(&self) -> Option<&str> {
        self.help.as_deref()
    }

    pub(crate) const fn exit_code(&self) -> u8 {
        self.kind as u8
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {}", help.replace('\n', "\n        ")),
            None => Ok(()),
        }
    }
}
