//! Octet classes of the grammar as one table, built at compile time.

/// RFC 5322 §3.2.3 `atext`.
pub(crate) const ATEXT: u16 = 1;
/// `Let-dig`: ALPHA and DIGIT.
pub(crate) const LET_DIG: u16 = 1 << 1;
/// `Let-dig` and "-": inside a label (RFC 5321 §4.1.2) and in keywords.
pub(crate) const LDH: u16 = 1 << 2;
/// `qtextSMTP`: printable ASCII and SP but `"` and `\`.
pub(crate) const QTEXT: u16 = 1 << 3;
/// `dcontent`: printable ASCII but `[`, `\` and `]`.
pub(crate) const DCONTENT: u16 = 1 << 4;
/// `esmtp-value`: printable ASCII but `=`.
pub(crate) const VALUE: u16 = 1 << 5;
/// `xchar`: printable ASCII but `+` and `=` (RFC 3461 §4).
pub(crate) const XCHAR: u16 = 1 << 6;
/// Printable ASCII without SP, 21-7E.
pub(crate) const GRAPHIC: u16 = 1 << 7;
/// DIGIT.
pub(crate) const DIGIT: u16 = 1 << 8;
/// DIGIT and A-F in either case.
pub(crate) const HEX: u16 = 1 << 9;
/// DIGIT and A-F in upper case, as xtext wants it.
pub(crate) const UPPER_HEX: u16 = 1 << 10;
/// What an absolute-URI is made of (RFC 3986 §4.3), "%" included: unreserved, gen-delims but "#", sub-delims.
pub(crate) const URI: u16 = 1 << 11;

static CLASSES: [u16; 256] = classes();

const fn classes() -> [u16; 256] {
    let mut table = [0; 256];
    let mut octet = 0_usize;
    while octet < 256 {
        table[octet] = classes_of(octet as u8);
        octet += 1;
    }
    table
}

const fn classes_of(octet: u8) -> u16 {
    let mut classes = 0;
    if octet.is_ascii_alphanumeric() {
        classes |= LET_DIG | LDH | ATEXT | URI;
    }
    if octet == b'-' {
        classes |= LDH;
    }
    if matches!(
        octet,
        b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'/' | b'=' | b'?' | b'^'..=b'`' | b'{'..=b'~'
    ) {
        classes |= ATEXT;
    }
    if matches!(octet, b' '..=b'~') && !matches!(octet, b'"' | b'\\') {
        classes |= QTEXT;
    }
    if octet.is_ascii_graphic() {
        classes |= GRAPHIC;
        if !matches!(octet, b'['..=b']') {
            classes |= DCONTENT;
        }
        if octet != b'=' {
            classes |= VALUE;
            if octet != b'+' {
                classes |= XCHAR;
            }
        }
    }
    if octet.is_ascii_digit() {
        classes |= DIGIT | UPPER_HEX;
    }
    if octet.is_ascii_hexdigit() {
        classes |= HEX;
    }
    if matches!(octet, b'A'..=b'F') {
        classes |= UPPER_HEX;
    }
    if matches!(octet, b'-' | b'.' | b'_' | b'~' | b'%' | b':' | b'/' | b'?' | b'[' | b']' | b'@')
        || matches!(octet, b'!' | b'$' | b'&'..=b',' | b';' | b'=')
    {
        classes |= URI;
    }
    classes
}

/// Whether `octet` is in any of `classes`.
#[inline(always)]
pub(crate) const fn is(octet: u8, classes: u16) -> bool {
    CLASSES[octet as usize] & classes != 0
}

/// Whether all of `octets` are in any of `classes`.
#[inline]
pub(crate) fn all(octets: &[u8], classes: u16) -> bool {
    octets.iter().all(|&octet| is(octet, classes))
}

/// `word` in upper case and filled up with SP, as one integer to be compared; 0 if it has more than 16 octets. A word
/// that holds no SP has a key of its own.
pub(crate) const fn key(word: &[u8]) -> u128 {
    let mut folded = [b' '; 16];
    if word.len() > folded.len() {
        return 0;
    }
    let mut i = 0;
    while i < word.len() {
        folded[i] = word[i].to_ascii_uppercase();
        i += 1;
    }
    u128::from_le_bytes(folded)
}
