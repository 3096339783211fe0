//! Replies: values that cannot carry CR or LF, their octets, and reading a server's.
//!
//! [`Reply`] is what a server says, [`ReplyRef`] what was read, borrowed from the receive buffer, and [`ReplyBuf`]
//! what is kept. The text is octets: real servers send it in any charset.
//!
//! ```
//! use smtp_proto::Leniency;
//! use smtp_proto::bytes::BytesMut;
//! use smtp_proto::wire::reply::{Reply, ReplyRef};
//!
//! const NO_USER: Reply<'static> = Reply::new(550, (5, 1, 1), "No such user");
//!
//! let mut out = BytesMut::new();
//! NO_USER.write(&mut out, true);
//! assert_eq!(out, "550 5.1.1 No such user\r\n");
//!
//! let reply = ReplyRef::parse(&out, Leniency::REPLIES)?.expect("its end is there");
//! assert!(reply.is_permanent());
//! assert!(reply.lines().eq([b"No such user"]));
//! # Ok::<(), smtp_proto::wire::reply::ReplyError>(())
//! ```

mod buf;
mod collect;
mod enhanced;
mod lines;
mod machine;
mod parse;
pub(super) mod plain;
#[cfg(feature = "serde")]
mod serde;
mod write;

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt::{self, Write as _};

pub use buf::ReplyBuf;
pub use collect::ReplyCollector;
pub use enhanced::EnhancedCode;
pub use lines::{Lines, RawLines};
pub use parse::{ReplyError, ReplyFault, ReplyRef};
pub(crate) use write::escape;

use crate::wire::leniency::Leniency;

/// What every kind of reply can say of its code.
macro_rules! code_accessors {
    () => {
        /// The three digits.
        #[must_use]
        pub const fn code(&self) -> u16 {
            self.code
        }

        /// The enhanced status code; of several lines that of the last one that has it.
        #[must_use]
        pub const fn enhanced(&self) -> Option<EnhancedCode> {
            self.enhanced
        }

        /// 2yz or 3yz: done, or go on.
        #[must_use]
        pub const fn is_positive(&self) -> bool {
            self.code < 400
        }

        /// 4yz: the same may succeed later.
        #[must_use]
        pub const fn is_transient(&self) -> bool {
            self.code / 100 == 4
        }

        /// 5yz: the same will fail again.
        #[must_use]
        pub const fn is_permanent(&self) -> bool {
            self.code / 100 == 5
        }
    };
}
use code_accessors;

/// A reply to be sent.
///
/// The text of one made by [`new`](Self::new), [`bare`](Self::bare), [`lines`](Self::lines) or [`parse`](Self::parse)
/// is clean, checked where it is made; that of one made by [`clean`](Self::clean) or from a [`ReplyBuf`] is escaped
/// while it is written. Either way no CR or LF gets out but the line ends, no line is longer than 512 octets (long
/// ones are folded), and there are at most 32 of them (what is beyond is cut).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    text: &'a [u8],
    code: u16,
    enhanced: Option<EnhancedCode>,
    form: Form,
}

/// How the text becomes lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One clean line that fits.
    Plain,
    /// One line to be escaped and folded.
    Foreign,
    /// Clean lines with LF between them, to be folded.
    Lines,
    /// Raw lines of a [`ReplyBuf`], which carry their enhanced codes.
    Received { hashed: bool },
}

/// Why a reply can't be made of what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidReply {
    /// The code is not 200 to 559 with a second digit of at most 5 (RFC 5321 §4.2).
    #[error("a reply code is 200 to 559")]
    Code,
    /// The enhanced code's class is not the code's first digit, or the code is 3yz (RFC 2034 §4).
    #[error("the enhanced code's class is not the reply code's first digit")]
    Class,
    /// The text holds anything but printable ASCII, space and tab.
    #[error("reply text is printable ASCII")]
    Text,
    /// There is no enhanced code, but the text begins like one, so that a peer would read one.
    #[error("the text begins with an enhanced code")]
    Ambiguous,
}

impl InvalidReply {
    /// Ends a const evaluation with the reason.
    const fn panic(self) -> ! {
        match self {
            Self::Code => panic!("a reply code is 200 to 559"),
            Self::Class => panic!("the enhanced code's class is the reply code's first digit; 3yz has none"),
            Self::Text => panic!("reply text is printable ASCII"),
            Self::Ambiguous => panic!("the text begins with an enhanced code: use Reply::new"),
        }
    }
}

impl<'a> Reply<'a> {
    /// A reply from literals; in a `const` a wrong one does not compile.
    ///
    /// # Panics
    /// When the code is not 2yz, 4yz or 5yz (200 to 559), when the class is not its first digit, when subject or
    /// detail exceed 999, or when the text holds anything but printable ASCII, space and tab.
    #[must_use]
    pub const fn new(code: u16, enhanced: (u8, u16, u16), text: &'a str) -> Self {
        match Self::parse(code, Some(literal(enhanced)), text) {
            Ok(reply) => reply,
            Err(why) => why.panic(),
        }
    }

    /// A reply without an enhanced code: for the greeting and 3yz.
    ///
    /// # Panics
    /// As [`new`](Self::new), and when the text begins with an enhanced code.
    #[must_use]
    pub const fn bare(code: u16, text: &'a str) -> Self {
        match Self::parse(code, None, text) {
            Ok(reply) => reply,
            Err(why) => why.panic(),
        }
    }

    /// A reply of several lines, LF between them, as [`new`](Self::new).
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[must_use]
    pub const fn lines(code: u16, enhanced: (u8, u16, u16), text: &'a str) -> Self {
        let reply = Self::new(code, enhanced, "");
        if !is_clean(text.as_bytes(), b'\n') {
            InvalidReply::Text.panic();
        }
        Self { text: text.as_bytes(), form: Form::Lines, ..reply }
    }

    /// A reply whose text comes from elsewhere (a scanner, a blocklist): what is not printable ASCII is written as
    /// `\xNN`, CR and LF too, and what is too long is folded and cut.
    ///
    /// # Panics
    /// When code and class are wrong, as [`new`](Self::new); never because of the text.
    #[must_use]
    pub const fn clean(code: u16, enhanced: (u8, u16, u16), text: &'a str) -> Self {
        Self { text: text.as_bytes(), form: form_of(text.as_bytes()), ..Self::new(code, enhanced, "") }
    }

    /// A reply from values that are not literals.
    ///
    /// # Errors
    /// Where [`new`](Self::new) and [`bare`](Self::bare) would panic.
    pub const fn parse(
        code: u16,
        enhanced: Option<EnhancedCode>,
        text: &'a str,
    ) -> Result<Self, InvalidReply> {
        let text = text.as_bytes();
        if !matches!(code, 200..=599) || code / 10 % 10 > 5 {
            return Err(InvalidReply::Code);
        }
        let class = (code / 100) as u8;
        match enhanced {
            Some(enhanced) if enhanced.class() != class => return Err(InvalidReply::Class),
            None if EnhancedCode::split(text, class).is_some() => return Err(InvalidReply::Ambiguous),
            _ => {}
        }
        if !is_clean(text, b'\t') {
            return Err(InvalidReply::Text);
        }
        Ok(Self { text, code, enhanced, form: form_of(text) })
    }

    code_accessors!();

    /// With `x.0.0`, "other or undefined" (RFC 3463 §3.1), where a 2yz, 4yz or 5yz has no enhanced code.
    pub(crate) const fn with_some_code(self) -> Self {
        match self.enhanced {
            Some(_) => self,
            // A 3yz has none: no such code can be made.
            None => Self { enhanced: EnhancedCode::new((self.code / 100) as u8, 0, 0), ..self },
        }
    }

    /// The text as it was given.
    #[must_use]
    pub const fn text(&self) -> &'a [u8] {
        self.text
    }
}

/// A reply that was received is passed on: same code, same enhanced code, same text but for what must be escaped.
///
/// A code outside of RFC 5321's grammar becomes its class's x50: 571 is 550.
impl<'a> From<&'a ReplyBuf> for Reply<'a> {
    fn from(reply: &'a ReplyBuf) -> Self {
        let code = if reply.code / 10 % 10 > 5 { reply.code / 100 * 100 + 50 } else { reply.code };
        let hashed = reply.deviations.contains(Leniency::REPLY_HASHED_CODE);
        Self { text: &reply.text, code, enhanced: reply.enhanced, form: Form::Received { hashed } }
    }
}

const fn literal((class, subject, detail): (u8, u16, u16)) -> EnhancedCode {
    match EnhancedCode::new(class, subject, detail) {
        Some(code) => code,
        None => panic!("an enhanced code is 2, 4 or 5, then twice 0 to 999; a 3yz reply has none"),
    }
}

const fn form_of(text: &[u8]) -> Form {
    if text.len() <= write::PLAIN_TEXT && is_clean(text, b'\t') { Form::Plain } else { Form::Foreign }
}

/// Printable ASCII, space and tab, and `also`.
const fn is_clean(text: &[u8], also: u8) -> bool {
    let mut i = 0;
    while i < text.len() {
        if !matches!(text[i], b'\t' | b' '..=b'~') && text[i] != also {
            return false;
        }
        i += 1;
    }
    true
}

/// The lines with LF between them, with U+FFFD for what is not UTF-8.
fn text_lossy<'b>(mut lines: Lines<'b>) -> Cow<'b, str> {
    let mut text = String::from_utf8_lossy(lines.next().unwrap_or_default());
    for line in lines {
        let text = text.to_mut();
        text.push('\n');
        text.push_str(&String::from_utf8_lossy(line));
    }
    text
}

/// Code and raw lines on one line, escaped.
fn display(f: &mut fmt::Formatter<'_>, code: u16, lines: RawLines<'_>) -> fmt::Result {
    write!(f, "{code:03}")?;
    for (i, line) in lines.enumerate() {
        f.write_str(if i == 0 { " " } else { " / " })?;
        for &octet in line {
            let mut done = Ok(());
            escape(octet, |escaped| {
                done = escaped.iter().try_for_each(|&octet| f.write_char(char::from(octet)));
            });
            done?;
        }
    }
    Ok(())
}
