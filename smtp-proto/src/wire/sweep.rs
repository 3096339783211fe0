//! Runs of octets, eight at a time, in integers: where a run ends and whether its dots and hyphens stand right.
//!
//! A class test adds to each octet what carries its top bit exactly where the octet is at or above a bound; the
//! first octet that does not fit is the lowest top bit left. The sweeps know fewer octets than the grammar: what
//! they stop at is for the plain parsers to judge. Each class is held against [`class`](super::class) by a test.

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;

/// A line that is read eight octets at a time.
#[derive(Clone, Copy)]
pub(super) struct Words<'b> {
    line: &'b [u8],
    /// The line's last eight octets: what is left of them is the tail, without a loop over single octets.
    last: u64,
}

impl<'b> Words<'b> {
    /// `None` for a line of less than eight octets.
    #[inline]
    pub(super) fn new(line: &'b [u8]) -> Option<Self> {
        Some(Self { line, last: u64::from_le_bytes(*line.last_chunk()?) })
    }

    /// The eight octets from `at`, the first one lowest; behind the end of the line there are zeros.
    #[inline(always)]
    pub(super) fn at(self, at: usize) -> u64 {
        match self.line.get(at..).and_then(<[u8]>::first_chunk) {
            Some(&octets) => u64::from_le_bytes(octets),
            None => self.tail(at),
        }
    }

    #[inline(always)]
    fn tail(self, at: usize) -> u64 {
        let gone = 8usize.saturating_sub(self.line.len().saturating_sub(at)) as u32;
        self.last.checked_shr(gone * 8).unwrap_or(0)
    }

    /// The octet at `at`, or 0 behind the end of the line.
    #[inline(always)]
    pub(super) fn octet(self, at: usize) -> u8 {
        self.line.get(at).copied().unwrap_or(0)
    }

    /// Where a Dot-string from `from` ends. `None` if there is none, or if it holds one of the rarer marks.
    #[inline(always)]
    pub(super) fn dot_string(self, from: usize) -> Option<usize> {
        let mut at = from;
        let mut before = DOT_BEFORE;
        loop {
            let word = self.at(at);
            let low = word & !TOPS;
            let dots = at_least(low, b'.') & !at_least(low, b'/');
            let fits = within(low, b'-', b'9')
                | within(low, b'A', b'Z')
                | within(low, b'^', b'~')
                | within(low, b'+', b'+')
                | within(low, b'=', b'=');
            let stops = (!fits | word) & TOPS;
            let after_dot = (dots & TOPS) << 8 | before;
            if (dots | stops) & after_dot & up_to_first(stops) != 0 {
                return None;
            }
            if stops != 0 {
                return Some(at + first(stops));
            }
            before = last_of(dots);
            at += 8;
        }
    }

    /// Where a Domain from `from` ends; the length of labels is not looked at. `None` if there is none.
    #[inline(always)]
    pub(super) fn domain(self, from: usize) -> Option<usize> {
        let mut at = from;
        let (mut dot_before, mut hyphen_before) = (DOT_BEFORE, 0);
        loop {
            let word = self.at(at);
            let low = word & !TOPS;
            let (from_dot, from_slash) = (at_least(low, b'.'), at_least(low, b'/'));
            let dots = from_dot & !from_slash & TOPS;
            let hyphens = at_least(low, b'-') & !from_dot & TOPS;
            let fits = alphanumeric(low) | dots | hyphens;
            let stops = (!fits | word) & TOPS;
            let after_dot = dots << 8 | dot_before;
            let after_hyphen = hyphens << 8 | hyphen_before;
            let wrong = (dots | stops) & (after_dot | after_hyphen) | hyphens & after_dot;
            if wrong & up_to_first(stops) != 0 {
                return None;
            }
            if stops != 0 {
                return Some(at + first(stops));
            }
            dot_before = last_of(dots);
            hyphen_before = last_of(hyphens);
            at += 8;
        }
    }

    /// Where a run of `xchar` from `from` ends, perhaps at `from`.
    #[inline(always)]
    pub(super) fn xchars(self, from: usize) -> usize {
        let mut at = from;
        loop {
            let word = self.at(at);
            let low = word & !TOPS;
            let fits = within(low, b'!', b'~') & !within(low, b'+', b'+') & !within(low, b'=', b'=');
            let stops = (!fits | word) & TOPS;
            if stops != 0 {
                return at + first(stops);
            }
            at += 8;
        }
    }
}

impl<'b> Words<'b> {
    /// The whole line.
    #[inline(always)]
    pub(super) fn line(self) -> &'b [u8] {
        self.line
    }

    /// The first eight octets of `rest`, which the line ends with; behind the end of the line there are zeros.
    #[inline(always)]
    pub(super) fn front(self, rest: &[u8]) -> u64 {
        match rest.first_chunk() {
            Some(&octets) => u64::from_le_bytes(octets),
            None => self.last.checked_shr(64 - 8 * rest.len() as u32).unwrap_or(0),
        }
    }

    /// How long the run of reply text is that `rest` begins with, which the line ends with: printable ASCII, SP, HT
    /// and octets above ASCII. Its first eight octets come with it.
    #[inline(always)]
    pub(super) fn text(self, rest: &[u8]) -> (u64, usize) {
        let front = self.front(rest);
        let (mut word, mut behind) = (front, rest);
        loop {
            let stops = controls(word);
            if stops == 0 {
                behind = behind.get(8..).unwrap_or_default();
            } else {
                behind = behind.get(first(stops)..).unwrap_or_default();
                match behind {
                    [b'\t', after @ ..] => behind = after,
                    _ => return (front, rest.len() - behind.len()),
                }
            }
            word = self.front(behind);
        }
    }
}

/// The octets in front of `word` up to the first one that is at most SP, with bit 5 cleared, and how many.
///
/// Where no octet is a control octet this is case folding and keeps different words of letters, digits and hyphens
/// apart, from each other and from any other word.
#[inline(always)]
pub(super) const fn folded_word(word: u64) -> (usize, u64) {
    let stops = word.wrapping_sub(splat(0x21)) & !word & TOPS;
    // All bits below the first stop's octet; all there are without a stop.
    let kept = ((stops & stops.wrapping_neg()) >> 7).wrapping_sub(1);
    (first(stops), word & kept & splat(0xDF))
}

/// The lowest top bit is that of the first control octet or DEL in the word. Other bits are noise.
#[inline(always)]
const fn controls(word: u64) -> u64 {
    let below_space = word.wrapping_sub(splat(b' ')) & !word;
    let del = word ^ splat(0x7F);
    (below_space | del.wrapping_sub(ONES) & !del) & TOPS
}

/// A dot counts as standing before the first octet, so that a run can neither begin with one nor be empty.
const DOT_BEFORE: u64 = 0x80;

/// Letters, digits and hyphens at the front of `word`: how many, and they alone, letters in upper case, digits and
/// hyphens less 0x20. Different words stay different but for case.
#[inline(always)]
pub(super) const fn folded_ldh(word: u64) -> (usize, u64) {
    let low = word & !TOPS;
    let stops = (!(alphanumeric(low) | within(low, b'-', b'-')) | word) & TOPS;
    let len = first(stops);
    // Shifting by 64 would be shifting by nothing.
    let kept = if len == 8 { word } else { word & ((1 << (len * 8)) - 1) };
    (len, kept & splat(0xDF))
}

/// The digits at the front of `word`: how many, and their value.
#[inline(always)]
pub(super) const fn digits(word: u64) -> (usize, u64) {
    let low = word & !TOPS;
    let len = first((!within(low, b'0', b'9') | word) & TOPS);
    if len == 0 {
        return (0, 0);
    }
    // As if zeros led: pairs, then fours, then all eight are summed in place.
    let digits = (word & splat(0x0F)) << (64 - len * 8);
    let pairs = (digits.wrapping_mul(10) + (digits >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    (len, (fours.wrapping_mul(10_000) + (fours >> 32)) & 0xFFFF_FFFF)
}

/// Up to eight octets as a word, the first one lowest.
pub(super) const fn literal(text: &[u8]) -> u64 {
    let mut word = 0;
    let mut i = 0;
    while i < text.len() {
        word |= (text[i] as u64) << (i * 8);
        i += 1;
    }
    word
}

const fn splat(octet: u8) -> u64 {
    ONES * octet as u64
}

/// Top bits where an octet of `low`, each below 0x80, is at least `bound`, which is above 0. Other bits are noise.
#[inline(always)]
const fn at_least(low: u64, bound: u8) -> u64 {
    low + splat(0x80 - bound)
}

/// Top bits where an octet of `low` is in `first..=last`. Other bits are noise.
#[inline(always)]
const fn within(low: u64, first: u8, last: u8) -> u64 {
    at_least(low, first) & !at_least(low, last + 1)
}

/// Top bits where an octet of `low` is a letter or a digit. Other bits are noise.
#[inline(always)]
const fn alphanumeric(low: u64) -> u64 {
    within(low | splat(0x20), b'a', b'z') | within(low, b'0', b'9')
}

/// The index of the octet with the lowest top bit; 8 if there is none.
#[inline(always)]
const fn first(tops: u64) -> usize {
    (tops.trailing_zeros() / 8) as usize
}

/// All bits up to the lowest one and with it; all there are if there is none.
#[inline(always)]
const fn up_to_first(tops: u64) -> u64 {
    tops ^ tops.wrapping_sub(1)
}

/// The top bit of the last octet, where the first octet of the next word has it.
#[inline(always)]
const fn last_of(tops: u64) -> u64 {
    tops >> 56 & 0x80
}

#[cfg(test)]
mod tests {
    use super::super::class::{ATEXT, LDH, LET_DIG, XCHAR, is};
    use super::*;
    use std::vec::Vec;

    /// Every octet at every place of a word, the others being `filler`, which is in the class.
    fn stops_agree(filler: u8, sweep: impl Fn(&[u8]) -> Option<usize>, fits: impl Fn(u8) -> bool) {
        for octet in 0..=255 {
            for place in 0..8 {
                for len in [8, 9, 15, 16, 17] {
                    for begin in 0..len - 7 {
                        let mut line = std::vec![filler; len];
                        line[begin + place] = octet;
                        let end = if fits(octet) { len } else { begin + place };
                        assert_eq!(
                            sweep(&line[begin..]),
                            Some(end - begin),
                            "{octet:#04x} at {place} of {len}"
                        );
                    }
                }
            }
        }
    }

    fn words(line: &[u8]) -> Words<'_> {
        Words::new(line).unwrap()
    }

    #[test]
    fn each_octet_stops_a_run_of_xchar_where_the_table_says() {
        stops_agree(b'a', |line| Some(words(line).xchars(0)), |octet| is(octet, XCHAR));
    }

    #[test]
    fn each_octet_stops_a_keyword_where_the_table_says() {
        for octet in 0..=255_u8 {
            for place in 0..8 {
                let mut keyword = *b"aBc1-2zZ";
                keyword[place] = octet;
                let (len, folded) = folded_ldh(u64::from_le_bytes(keyword));
                assert_eq!(len, keyword.iter().position(|&octet| !is(octet, LDH)).unwrap_or(8));
                let mut kept = [0; 8];
                for (kept, octet) in kept.iter_mut().zip(&keyword[..len]) {
                    *kept = octet.to_ascii_uppercase() & 0xDF;
                }
                assert_eq!(folded.to_le_bytes(), kept, "{octet:#04x} at {place}");
            }
        }
    }

    #[test]
    fn each_octet_stops_reply_text_where_rfc_5321_says() {
        let fits = |octet: u8| octet == b'\t' || !octet.is_ascii_control();
        for filler in *b"a \t~\x80\xFF" {
            stops_agree(filler, |line| Some(words(line).text(line).1), fits);
        }
    }

    #[test]
    fn reply_text_of_any_two_octets_ends_at_the_first_control_octet() {
        for a in 0..=255 {
            for b in 0..=255 {
                let text = [b'x', a, b, b'x', b'x', b'x', b'x', b'x', b'x'];
                let end = text.iter().position(|&octet| octet != b'\t' && octet.is_ascii_control());
                assert_eq!(words(&text).text(&text).1, end.unwrap_or(text.len()), "{text:?}");
            }
        }
    }

    #[test]
    fn a_word_ends_before_the_first_octet_up_to_space() {
        for octet in 0..=255 {
            for place in 0..8 {
                let mut text = *b"aBc1-2zZ";
                text[place] = octet;
                let end = text.iter().position(|&octet| octet <= b' ').unwrap_or(8);
                let (len, folded) = folded_word(u64::from_le_bytes(text));
                let mut kept = [0; 8];
                for (kept, octet) in kept.iter_mut().zip(&text[..end]) {
                    *kept = octet & 0xDF;
                }
                assert_eq!((len, folded.to_le_bytes()), (end, kept), "{octet:#04x} at {place}");
            }
        }
    }

    #[test]
    fn folding_keeps_different_keywords_apart() {
        for a in (0..=255_u8).filter(|&octet| is(octet, LDH)) {
            for b in (0..=255_u8).filter(|&octet| is(octet, LDH)) {
                let same = folded_ldh(u64::from(a)) == folded_ldh(u64::from(b));
                assert_eq!(same, a.eq_ignore_ascii_case(&b), "{a} {b}");
            }
        }
    }

    #[test]
    fn digits_are_read_as_the_standard_library_does() {
        for n in (0..100_000).chain([999_999, 1_234_567, 9_999_999, 12_345_678, 99_999_999]) {
            let text = std::format!("{n} 123456789");
            let len = text.find(' ').unwrap();
            assert_eq!(digits(words(text.as_bytes()).at(0)), (len, n));
        }
        assert_eq!(digits(literal(b"007x")), (3, 7));
        for octet in (0..=255_u8).filter(|octet| !octet.is_ascii_digit()) {
            for place in 0..8 {
                let mut text = *b"98765432";
                text[place] = octet;
                assert_eq!(digits(u64::from_le_bytes(text)).0, place, "{octet:#04x}");
            }
        }
    }

    #[test]
    fn the_tail_of_a_line_is_read_as_if_zeros_followed() {
        let line: Vec<u8> = (1..=19).collect();
        for len in 8..=line.len() {
            for at in 0..=len + 9 {
                let mut octets = [0; 8];
                for (i, octet) in octets.iter_mut().enumerate() {
                    *octet = line[..len].get(at + i).copied().unwrap_or(0);
                }
                assert_eq!(words(&line[..len]).at(at).to_le_bytes(), octets, "{at} of {len}");
            }
        }
        assert!(Words::new(&line[..7]).is_none());
    }

    /// The octets that [`Words::dot_string`] knows: atext but the marks that are rare in addresses, and the dot.
    fn common(octet: u8) -> bool {
        octet == b'.' || is(octet, ATEXT) && !matches!(octet, b'!' | b'#'..=b'\'' | b'*' | b'?')
    }

    /// One octet after the other: where the run ends, if its dots stand right.
    fn slow_dot_string(line: &[u8]) -> Option<usize> {
        let end = line.iter().position(|&octet| !common(octet)).unwrap_or(line.len());
        let atoms = line[..end].split(|&octet| octet == b'.');
        { atoms }.all(|atom| !atom.is_empty()).then_some(end)
    }

    fn slow_domain(line: &[u8]) -> Option<usize> {
        let end = line.iter().position(|&octet| !(is(octet, LDH) || octet == b'.')).unwrap_or(line.len());
        let mut labels = line[..end].split(|&octet| octet == b'.');
        let edge = |octet: Option<&u8>| octet.is_some_and(|&octet| is(octet, LET_DIG));
        labels.all(|label| edge(label.first()) && edge(label.last())).then_some(end)
    }

    #[test]
    fn a_local_part_may_be_long_and_of_any_common_octet() {
        for octet in (0..=255).filter(|&octet| octet != b'.' && common(octet)) {
            assert_eq!(words(&[octet; 20]).dot_string(3), Some(20), "{octet:#04x}");
        }
    }

    #[test]
    fn each_octet_at_each_place_is_judged_as_by_the_tables() {
        for octet in 0..=255 {
            for place in 0..17 {
                let mut line = *b"abcdefghijklmnopq";
                line[place] = octet;
                assert_eq!(words(&line).dot_string(0), slow_dot_string(&line), "{octet:#04x} at {place}");
                assert_eq!(words(&line).domain(0), slow_domain(&line), "{octet:#04x} at {place}");
            }
        }
    }

    /// All lines of letters, dots, hyphens and stops that cross the border between two words.
    #[test]
    fn dots_and_hyphens_are_judged_alike_on_both_sides_of_a_border() {
        const ALPHABET: &[u8; 4] = b"a.->";
        for len in 0..=6_u32 {
            for number in 0..4_usize.pow(len) {
                let middle: Vec<u8> =
                    (0..len).map(|place| ALPHABET[number / 4_usize.pow(place) % 4]).collect();
                for before in [0, 3, 5, 6, 7, 8] {
                    for after in [&b""[..], b"a", b">", b"abcdefgh>"] {
                        let line = [&b"xxxxxxxx"[..before], &middle, after, b"\r\nzzzzzzzz"].concat();
                        assert_eq!(words(&line).dot_string(0), slow_dot_string(&line), "{line:?}");
                        assert_eq!(words(&line).domain(0), slow_domain(&line), "{line:?}");
                        let line = &line[..line.len() - 8];
                        if line.len() >= 8 {
                            assert_eq!(words(line).dot_string(0), slow_dot_string(line), "{line:?}");
                            assert_eq!(words(line).domain(0), slow_domain(line), "{line:?}");
                        }
                    }
                }
            }
        }
    }
}
