//! Octets to be written, and forgotten where they are secret.

use core::ops::{Deref, DerefMut};

use bytes::BytesMut;
use zeroize::Zeroize;

/// The output of a session. Once secrets in it are out, or never will be, their memory is wiped.
#[derive(Default)]
pub(crate) struct Output {
    octets: BytesMut,
    /// So much of the memory has held secrets, from its begin on; 0 for none.
    secret: usize,
}

impl Output {
    /// Makes room for `room` octets that are secret, so that they are in one place: growing would leave a copy behind.
    pub(crate) fn begin_secret(&mut self, room: usize) {
        let mut octets = BytesMut::with_capacity(self.octets.len() + room);
        octets.extend_from_slice(&self.octets);
        self.discard();
        *self = Self { secret: octets.capacity(), octets };
    }

    /// Drops what is left, and wipes what was secret.
    pub(crate) fn discard(&mut self) {
        self.octets.clear();
        self.wipe();
    }

    /// Wipes what was secret, if all of it is out.
    pub(crate) fn wipe(&mut self) {
        if self.secret == 0 || !self.octets.is_empty() {
            return;
        }
        let secret = core::mem::take(&mut self.secret);
        // What was written lies before the octets' begin; this goes back there, unless an adapter keeps a part of it.
        if self.octets.try_reclaim(secret) {
            self.octets.resize(secret, 0);
            self.octets.zeroize();
            self.octets.clear();
        }
    }

    pub(crate) const fn octets(&mut self) -> &mut BytesMut {
        &mut self.octets
    }
}

impl Deref for Output {
    type Target = BytesMut;

    fn deref(&self) -> &BytesMut {
        &self.octets
    }
}

impl DerefMut for Output {
    fn deref_mut(&mut self) -> &mut BytesMut {
        &mut self.octets
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.discard();
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use bytes::Buf;
    use std::os::unix::fs::FileExt;

    const SECRET: &[u8] = b"AHRpbQB0YW5zdGFhZg==";

    /// What the process has in its memory where that pointed to.
    fn memory(at: usize, len: usize) -> Vec<u8> {
        let mut octets = vec![0; len];
        std::fs::File::open("/proc/self/mem").unwrap().read_exact_at(&mut octets, at as u64).unwrap();
        octets
    }

    fn holds_secret(memory: &[u8]) -> bool {
        memory.windows(8).any(|part| SECRET.windows(8).any(|secret| part == secret))
    }

    /// An output with a secret in it, where that is, and how long.
    fn output(before: &[u8]) -> (Output, usize, usize) {
        let mut output = Output::default();
        output.extend_from_slice(before);
        output.begin_secret(SECRET.len());
        output.extend_from_slice(SECRET);
        let (at, len) = (output.as_ptr() as usize, output.len());
        assert!(holds_secret(&memory(at, len)), "the memory can be read");
        (output, at, len)
    }

    #[test]
    fn a_secret_is_wiped_once_it_is_out_however_it_was_taken() {
        let takes: [fn(&mut BytesMut); 3] = [
            |octets| octets.advance(octets.len()),
            |octets| octets.clear(),
            |octets| (0..octets.len()).for_each(|_| drop(octets.split_to(1))),
        ];
        for (row, take) in takes.into_iter().enumerate() {
            for before in [&b""[..], b"NOOP\r\n"] {
                let (mut output, at, len) = output(before);
                output.advance(1);
                output.wipe();
                assert!(holds_secret(&memory(at, len)), "it is not out yet");
                take(output.octets());
                output.wipe();
                assert!(!holds_secret(&memory(at, len)), "way {row} of taking it");
                output.extend_from_slice(b"NOOP\r\n");
                assert_eq!(output.as_ptr() as usize, at, "the memory goes on being used");
            }
        }
    }

    #[test]
    fn a_secret_that_never_goes_out_is_wiped_too() {
        let (mut output, at, len) = output(b"");
        output.discard();
        assert!(!holds_secret(&memory(at, len)));
        // Octets that wait are kept when there is a further secret, and their old place is wiped.
        let (mut output, at, len) = self::output(b"");
        output.begin_secret(6);
        output.extend_from_slice(b"AAAA\r\n");
        assert_eq!(&output[..], [SECRET, b"AAAA\r\n"].concat());
        assert!(!holds_secret(&memory(at, len)));
    }
}
