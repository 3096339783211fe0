//! Replies: values that cannot carry CR or LF, and their octets.

use bytes::{BufMut, BytesMut};

use super::number::put_number;

/// An enhanced status code (RFC 3463): class, subject, detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EnhancedCode {
    /// 2, 4 or 5: the first digit of the reply it stands in.
    pub class: u8,
    /// 0 to 999.
    pub subject: u16,
    /// 0 to 999.
    pub detail: u16,
}

/// A reply to be sent.
///
/// The text of one made by [`new`](Self::new) is clean, checked where it is made; that of one made by
/// [`clean`](Self::clean) is escaped and cut while it is written. Either way no CR or LF gets out but the line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    code: u16,
    enhanced: Option<EnhancedCode>,
    text: &'a [u8],
}

impl<'a> Reply<'a> {
    /// A reply from literals; in a `const` a wrong one does not compile.
    ///
    /// # Panics
    /// When the code is not 2yz, 4yz or 5yz (200 to 559), when the class is not its first digit, when subject or
    /// detail exceed 999, or when the text holds anything but printable ASCII, space and tab.
    #[must_use]
    pub const fn new(code: u16, enhanced: (u8, u16, u16), text: &'a str) -> Self {
        assert!(valid_code(code), "a reply code is 200 to 559");
        assert!(code / 100 != 3, "a 3yz reply has no enhanced code: use Reply::bare");
        assert!(enhanced.0 as u16 == code / 100, "the enhanced code's class is the reply code's first digit");
        assert!(enhanced.1 <= 999 && enhanced.2 <= 999, "subject and detail have at most three digits");
        assert!(is_clean(text.as_bytes()), "reply text is printable ASCII");
        let (class, subject, detail) = enhanced;
        Self { code, enhanced: Some(EnhancedCode { class, subject, detail }), text: text.as_bytes() }
    }

    /// A reply without an enhanced code: for the greeting and 3yz.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[must_use]
    pub const fn bare(code: u16, text: &'a str) -> Self {
        assert!(valid_code(code), "a reply code is 200 to 559");
        assert!(is_clean(text.as_bytes()), "reply text is printable ASCII");
        Self { code, enhanced: None, text: text.as_bytes() }
    }

    /// A reply whose text comes from elsewhere (another server, a scanner, a blocklist): what is not printable
    /// ASCII is escaped and what is too long is cut while it is written.
    ///
    /// # Panics
    /// When code and class are wrong, as [`new`](Self::new).
    #[must_use]
    pub const fn clean(code: u16, enhanced: (u8, u16, u16), text: &'a str) -> Self {
        Self { text: text.as_bytes(), ..Self::new(code, enhanced, "") }
    }

    /// The three digits.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced status code.
    #[must_use]
    pub const fn enhanced(&self) -> Option<EnhancedCode> {
        self.enhanced
    }

    /// The text as it was given.
    #[must_use]
    pub const fn text(&self) -> &'a [u8] {
        self.text
    }

    /// 2yz or 3yz.
    #[must_use]
    pub const fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// Appends the reply's octets, with its enhanced code if `enhanced` says the session offers them.
    pub(crate) fn write(&self, out: &mut BytesMut, enhanced: bool) {
        put_number(out, u64::from(self.code));
        out.put_u8(b' ');
        if let (Some(code), true) = (self.enhanced, enhanced) {
            put_number(out, u64::from(code.class));
            out.put_u8(b'.');
            put_number(out, u64::from(code.subject));
            out.put_u8(b'.');
            put_number(out, u64::from(code.detail));
            out.put_u8(b' ');
        }
        for &octet in self.text {
            escape(octet, |escaped| out.put_slice(escaped));
        }
        out.put_slice(b"\r\n");
    }
}

const fn valid_code(code: u16) -> bool {
    matches!(code, 200..=599) && (code / 10) % 10 < 6
}

const fn is_clean(text: &[u8]) -> bool {
    let mut i = 0;
    while i < text.len() {
        if !matches!(text[i], b'\t' | b' '..=b'~') {
            return false;
        }
        i += 1;
    }
    true
}

/// Hands `put` the octet as it may stand in reply text: itself, or `\xNN` where it is neither printable ASCII nor tab.
///
/// A backslash stays one: the form is for people to read, not to be read back.
pub(crate) fn escape(octet: u8, mut put: impl FnMut(&[u8])) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    match octet {
        b'\t' | b' '..=b'~' => put(&[octet]),
        _ => put(&[b'\\', b'x', HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 15)]]),
    }
}
