//! Command lines and the paths in them.

use alloc::vec::Vec;

use crate::wire::command::Command;
use crate::wire::host::{Domain, Literal};
use crate::wire::leniency::Leniency;
use crate::wire::path::{Mailbox, MailboxBuf, ReversePath, forward_path};
use crate::{ParseError, limits};

/// A command line: what is read is written and read again as the same value, on one line, and leniency changes nothing
/// about what is right anyway.
///
/// # Panics
/// When that does not hold.
pub fn command(line: &[u8]) {
    let strict = Command::parse(line);
    check(line, strict.as_ref().err());
    for leniency in [Leniency::STRICT, Leniency::SUBMISSION, Leniency::DEVICES] {
        let read = Command::parse_with(line, leniency);
        check(line, read.as_ref().err());
        let Ok((command, deviations)) = read else {
            assert!(strict.is_err(), "{leniency:?} refuses what strict reading accepts");
            continue;
        };
        assert_eq!(deviations.is_empty(), strict.is_ok(), "{deviations:?}");
        assert!(strict.is_err() || strict == Ok(command), "{leniency:?} reads {command:?} instead");
        let mut written = Vec::new();
        command.write(&mut written);
        let text = written.strip_suffix(b"\r\n").expect("a line ends with CR LF");
        assert!(!text.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)), "{command:?} is one line");
        // Brackets that were missing may make it too long for us to take again.
        if written.len() <= limits::COMMAND_LINE {
            let again = Command::parse_with(&written, leniency).map(|(again, _)| again);
            assert_eq!(again, Ok(command), "{}", written.escape_ascii());
        }
    }
}

/// Every error lies in the line and is a permanent one.
fn check(line: &[u8], error: Option<&ParseError>) {
    if let Some(error) = error {
        assert!(error.at <= line.len(), "{error:?}");
        assert_eq!(error.fault.reply().code() / 100, 5, "{error:?}");
    }
}

/// A path, with brackets or without: what is read keeps its text, and its canonical form is an equal mailbox that is its
/// own canonical form.
///
/// # Panics
/// When that does not hold.
pub fn address(octets: &[u8]) {
    if let Ok(domain) = Domain::parse(octets) {
        assert_eq!(Domain::parse(domain.to_canonical().as_bytes()), Ok(domain));
    }
    if let Ok(literal) = Literal::parse(octets) {
        assert_eq!(literal.as_bytes(), octets);
    }
    let reverse = ReversePath::parse(octets);
    check(octets, reverse.as_ref().err());
    let forward = forward_path(octets);
    check(octets, forward.as_ref().err());
    if let (Ok(reverse), Ok(forward)) = (reverse, forward) {
        assert_eq!(reverse.mailbox(), Some(forward), "both kinds of path have the same mailboxes");
    }
    let mailbox = Mailbox::parse(octets);
    check(octets, mailbox.as_ref().err());
    for mailbox in
        [mailbox.ok(), forward.ok(), reverse.ok().and_then(ReversePath::mailbox)].into_iter().flatten()
    {
        assert_eq!(Mailbox::parse(mailbox.as_bytes()), Ok(mailbox));
        let canonical: MailboxBuf = mailbox.to_canonical();
        assert_eq!(canonical, mailbox);
        assert_eq!(canonical.as_mailbox().to_canonical().as_str(), canonical.as_str());
        assert!(canonical.as_mailbox().local_value().count() == mailbox.local_value().count());
    }
}
