//! Preparation of user names and passwords: SASLprep (RFC 4013), a profile of stringprep (RFC 3454).
//!
//! Whether two names are the same is decided on their prepared forms. Printable ASCII is its own form and costs
//! nothing. The tables are those of Unicode 3.2, which both RFCs name: a character that came later passes
//! unchanged in a query and is refused in a stored string.

mod tables;

use alloc::borrow::Cow;
use alloc::string::String;

use unicode_normalization::UnicodeNormalization;

use super::secret::Secret;

/// Why a string can't be prepared. It does not say where: the string may be a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepError {
    /// It holds a character that is prohibited (RFC 4013 §2.3).
    #[error("prohibited character")]
    Prohibited,
    /// It mixes directions (RFC 3454 §6).
    #[error("right-to-left text must begin and end so, and hold nothing left-to-right")]
    Bidi,
    /// It is to be stored and holds a character that Unicode 3.2 does not have (RFC 4013 §2.5).
    #[error("character unassigned in Unicode 3.2")]
    Unassigned,
}

/// Prepares a string that is compared with stored ones: what a user typed. Characters that Unicode 3.2 does not
/// have pass.
///
/// # Errors
/// [`PrepError::Prohibited`] and [`PrepError::Bidi`]. The empty string is prepared, and others may come out empty:
/// whether that is a name is the caller's to say.
pub fn query(text: &str) -> Result<Cow<'_, str>, PrepError> {
    if text.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
        return Ok(Cow::Borrowed(text));
    }
    let prepared = normalized(text);
    if prepared.chars().any(tables::is_prohibited) {
        return Err(PrepError::Prohibited);
    }
    if !keeps_direction(&prepared) {
        return Err(PrepError::Bidi);
    }
    Ok(Cow::Owned(prepared))
}

/// Prepares a string that is stored, to be compared with others later.
///
/// # Errors
/// Those of [`query`] and [`PrepError::Unassigned`].
pub fn stored(text: &str) -> Result<Cow<'_, str>, PrepError> {
    let prepared = query(text)?;
    if prepared.chars().any(tables::is_unassigned) { Err(PrepError::Unassigned) } else { Ok(prepared) }
}

/// Maps and normalizes (RFC 4013 §2.1, §2.2).
fn normalized(text: &str) -> String {
    let mut mapped = Secret::new(String::with_capacity(text.len()));
    for c in text.chars() {
        if tables::is_space(c) {
            mapped.push(' ');
        } else if !tables::is_nothing(c) {
            mapped.push(c);
        }
    }
    // Unicode 3.2 knows no decomposition for what it has not: such a character stands for itself and parts what is
    // left and right of it, where normalization of today would go through.
    let mut prepared = String::with_capacity(mapped.len());
    for run in mapped.split_inclusive(tables::is_unassigned) {
        let end = run.char_indices().next_back().filter(|&(_, c)| tables::is_unassigned(c));
        let (known, unknown) = run.split_at(end.map_or(run.len(), |(at, _)| at));
        prepared.extend(known.nfkc());
        prepared.push_str(unknown);
    }
    prepared
}

/// RFC 3454 §6: text with a right-to-left character begins and ends with one and holds nothing left-to-right.
fn keeps_direction(text: &str) -> bool {
    if !text.chars().any(tables::is_right_to_left) {
        return true;
    }
    let ends = [text.chars().next(), text.chars().next_back()];
    ends.into_iter().flatten().all(tables::is_right_to_left) && !text.chars().any(tables::is_left_to_right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn printable_ascii_is_not_copied() {
        assert!(matches!(stored(" a~"), Ok(Cow::Borrowed(" a~"))));
    }

    #[test]
    fn characters_after_unicode_3_2_stand_for_themselves() {
        // U+1F100 came with Unicode 5.2 and is "0." in NFKC since.
        assert_eq!(query("\u{1F100}").as_deref(), Ok("\u{1F100}"));
        assert_eq!(query("e\u{1F100}\u{301}").as_deref(), Ok("e\u{1F100}\u{301}"));
        assert_eq!(query("e\u{301}\u{1F100}e\u{301}").as_deref(), Ok("é\u{1F100}é"));
        assert_eq!(stored("\u{1F100}"), Err(PrepError::Unassigned));
    }

    #[test]
    fn tables_are_sorted_for_the_search() {
        for table in tables::ALL {
            assert!(table.is_sorted_by(|a, b| a.1 < b.0), "{table:x?}");
            assert!(table.iter().all(|range| range.0 <= range.1));
        }
    }

    proptest! {
        #[test]
        fn what_is_prepared_stays_the_same(text: String) {
            if let Ok(prepared) = query(&text) {
                let again = query(&prepared);
                prop_assert_eq!(again.as_deref(), Ok(&*prepared));
            }
        }
    }
}
