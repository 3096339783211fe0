//! The canonical form of a mailbox.

use alloc::string::String;
use core::fmt::Write;
use core::net::IpAddr;

use super::class::{ATEXT, is};
use super::host::Host;
use super::path::{Mailbox, MailboxBuf};

/// See [`Mailbox::to_canonical`].
pub(super) fn mailbox(mailbox: Mailbox<'_>) -> MailboxBuf {
    let mut text = alloc::vec::Vec::with_capacity(mailbox.as_bytes().len() + 2);
    if mailbox.is_postmaster() {
        text.extend(mailbox.local_value().map(|octet| octet.to_ascii_lowercase()));
    } else if is_dot_string(mailbox.local_value()) {
        text.extend(mailbox.local_value());
    } else {
        text.push(b'"');
        for octet in mailbox.local_value() {
            if matches!(octet, b'"' | b'\\') {
                text.push(b'\\');
            }
            text.push(octet);
        }
        text.push(b'"');
    }
    let local = text.len();
    // INVARIANT: the parts of valid UTF-8 between ASCII octets are valid UTF-8.
    let mut text = String::from_utf8(text).unwrap_or_default();
    if let Some(host) = mailbox.host() {
        text.push('@');
        push_host(&mut text, host);
    }
    MailboxBuf::checked(text, local)
}

fn push_host(text: &mut String, host: Host<'_>) {
    // Writing to a String can't fail.
    let _ = match host {
        Host::Domain(domain) => {
            text.push_str(&domain.to_canonical());
            Ok(())
        }
        Host::Literal(literal) => match literal.address() {
            Some(IpAddr::V4(address)) => write!(text, "[{address}]"),
            Some(IpAddr::V6(address)) => write!(text, "[IPv6:{address}]"),
            None => write!(text, "{}", literal.as_str().to_ascii_lowercase()),
        },
    };
}

fn is_dot_string(value: impl Iterator<Item = u8>) -> bool {
    let mut last = b'.';
    for octet in value {
        let fits = if octet == b'.' { last != b'.' } else { is(octet, ATEXT) || octet >= 0x80 };
        if !fits {
            return false;
        }
        last = octet;
    }
    last != b'.'
}
