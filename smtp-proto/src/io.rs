use bytes::BytesMut;

/// Received octets on loan to a session, and how many of them it used up.
///
/// It has no `Drop`, so that a borrow of the buffer ends where the value was last used.
#[derive(Debug)]
pub struct Input<'b> {
    octets: &'b [u8],
    used: usize,
    full: bool,
}

impl<'b> Input<'b> {
    /// Lends `octets`. Use [`RecvBuf::input`] where the buffer can be full: it says so.
    #[must_use]
    pub const fn new(octets: &'b [u8]) -> Self {
        Self { octets, used: 0, full: false }
    }

    /// How many octets were used up; the caller drops as many from its buffer.
    #[must_use]
    pub const fn used(&self) -> usize {
        self.used
    }

    /// The octets not used yet.
    pub(crate) fn rest(&self) -> &'b [u8] {
        &self.octets[self.used..]
    }

    /// No further octet fits behind these, so waiting for more is pointless.
    pub(crate) const fn is_full(&self) -> bool {
        self.full && self.used == 0
    }

    /// Uses up the next `n` octets.
    pub(crate) fn take(&mut self, n: usize) -> &'b [u8] {
        let taken = &self.octets[self.used..self.used + n];
        self.used += n;
        taken
    }
}

/// A bounded receive buffer: octets are read into [`spare`](Self::spare), lent by [`input`](Self::input) and
/// dropped by [`consume`](Self::consume).
///
/// Its memory is there only between [`fit`](Self::fit) and [`release`](Self::release).
#[derive(Debug, Default)]
pub struct RecvBuf {
    /// Always initialised to its whole length: safe Rust can't lend memory that is not.
    octets: BytesMut,
    start: usize,
    end: usize,
}

impl RecvBuf {
    /// A buffer of `n` octets; 0 allocates nothing.
    #[must_use]
    pub fn with_capacity(n: usize) -> Self {
        Self { octets: BytesMut::zeroed(n), start: 0, end: 0 }
    }

    /// The octets received and not consumed.
    #[must_use]
    pub fn input(&self) -> Input<'_> {
        let full = self.start == 0 && self.end == self.octets.len() && self.end > 0;
        Input { octets: &self.octets[self.start..self.end], used: 0, full }
    }

    /// The octets received and not consumed, to look at before a session does: for a PROXY header.
    #[must_use]
    pub fn waiting(&self) -> &[u8] {
        &self.octets[self.start..self.end]
    }

    /// Whether no octet is waiting.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Drops the first `n` octets: [`Input::used`] says how many.
    ///
    /// # Panics
    /// When fewer than `n` are there.
    pub fn consume(&mut self, n: usize) {
        assert!(n <= self.end - self.start, "consumed more than was received");
        self.start += n;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room to read into; what waits is moved to the front first. Empty only when the buffer is full or released.
    pub fn spare(&mut self) -> &mut [u8] {
        self.compact();
        &mut self.octets[self.end..]
    }

    /// Declares the first `n` octets of [`spare`](Self::spare) as received.
    ///
    /// # Panics
    /// When `n` is larger than the spare room.
    pub fn commit(&mut self, n: usize) {
        assert!(n <= self.octets.len() - self.end, "committed more than there was room for");
        self.end += n;
    }

    /// Grows the buffer to at least `n` octets. It never shrinks here, or each message would allocate anew.
    pub fn fit(&mut self, n: usize) {
        if n > self.octets.len() {
            let mut grown = BytesMut::zeroed(n);
            let waiting = self.end - self.start;
            grown[..waiting].copy_from_slice(&self.octets[self.start..self.end]);
            *self = Self { octets: grown, start: 0, end: waiting };
        }
    }

    /// Gives the memory back if no octet waits: an idle connection needs none.
    pub fn release(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// How many octets the buffer holds at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.octets.len()
    }

    /// Hands out the spare room by value, for reads that must own their buffer (io_uring); the octets that wait
    /// stay. [`restore`](Self::restore) brings it back.
    #[must_use]
    pub fn take(&mut self) -> BytesMut {
        self.compact();
        self.octets.split_off(self.end)
    }

    /// Brings back the room that [`take`](Self::take) handed out, with `n` octets read into its front.
    ///
    /// # Panics
    /// When `n` is larger than that room.
    pub fn restore(&mut self, room: BytesMut, n: usize) {
        self.octets.unsplit(room);
        self.commit(n);
    }

    fn compact(&mut self) {
        if self.start > 0 {
            self.octets.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }
}
