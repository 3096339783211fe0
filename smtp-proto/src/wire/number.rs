//! Decimal numbers without an allocation.

use bytes::BufMut;

/// Appends the digits of `n`.
pub(crate) fn put_number(out: &mut impl BufMut, mut n: u64) {
    // 20 digits hold 2^64 - 1.
    let mut digits = [0; 20];
    let mut begin = digits.len();
    loop {
        begin -= 1;
        digits[begin] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.put_slice(&digits[begin..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use std::string::ToString;

    #[test]
    fn digits_are_those_of_the_standard_library() {
        for n in [0, 1, 9, 10, 250, 999, 4_294_967_296, u64::MAX] {
            let mut out = BytesMut::new();
            put_number(&mut out, n);
            assert_eq!(out, n.to_string().as_bytes());
        }
    }
}
