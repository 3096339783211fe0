//! CRC32C (Castagnoli), as RFC 3720 §12.1 has it.

/// The polynomial, lowest power last.
const POLYNOMIAL: u32 = 0x82F6_3B78;

static TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let mut crc = octet as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[octet] = crc;
        octet += 1;
    }
    table
};

/// The checksum of `octets`.
pub(super) fn checksum<'o>(octets: impl IntoIterator<Item = &'o u8>) -> u32 {
    !octets.into_iter().fold(!0, |crc: u32, octet| TABLE[usize::from(crc as u8 ^ octet)] ^ crc >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        assert_eq!(checksum(&[0; 32]), 0x8A91_36AA, "RFC 3720 §B.4: 32 octets of zeros");
        assert_eq!(checksum(&[0xFF; 32]), 0x62A8_AB43, "32 octets of ones");
        assert_eq!(checksum(b"123456789"), 0xE306_9283, "the usual check value");
    }
}
