//! An adapter's client sends to other people's servers. The same for both adapters: what differs is in the test's
//! `adapter` module.

mod aiosmtpd;
pub(crate) mod daemon;
pub(crate) mod dovecot;
#[allow(dead_code, reason = "not everything there is used here")]
pub(crate) mod exim;
mod lmtp;
#[allow(dead_code, reason = "not everything there is used here")]
pub(crate) mod postfix;
mod sink;
mod to_exim;
mod to_postfix;

use daemon::PATIENCE;

use crate::adapter::{ClientConfig, MailboxBuf, Outcome};

/// What breaks on the way where somebody is careless: dots, a line as long as RFC 5321 §4.5.3.1.6 allows and longer ones,
/// all octets but NUL, CR and LF, no blank line at the end.
pub(crate) fn nasty(longest: usize) -> Vec<u8> {
    let mut text = b"Subject: nasty\r\nFrom: me@client.example\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\
        Message-ID: <1@client.example>\r\n\r\n"
        .to_vec();
    for line in [".", "..", ".x", "", ".", "From here", "QUIT", "\t. ", "--", "trailing space "] {
        text.extend_from_slice(line.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend((1..=255).filter(|octet| !b"\r\n".contains(octet)));
    text.extend_from_slice(b"\r\n");
    for octets in [998, longest - 1, longest] {
        text.extend(std::iter::repeat_n(b'.', octets));
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n.\r\n.end\r\n.\r\n");
    text
}

pub(crate) fn mailbox(text: &str) -> MailboxBuf {
    text.parse().unwrap()
}

/// With waits for servers that are near: a hang becomes a failure.
pub(crate) fn config() -> ClientConfig {
    ClientConfig::new("client.example").unwrap().timeouts(|waits| {
        let all =
            [&mut waits.greeting, &mut waits.hello, &mut waits.auth, &mut waits.mail, &mut waits.data_end];
        all.into_iter().for_each(|wait| *wait = PATIENCE);
    })
}

/// What each recipient was answered; 0 stands for no answer.
pub(crate) fn codes(outcomes: &[Outcome]) -> Vec<u16> {
    outcomes.iter().map(|outcome| outcome.reply().map_or(0, |reply| reply.code())).collect()
}

/// A certificate for `name`, self-made, and its key.
pub(crate) fn self_made(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}
