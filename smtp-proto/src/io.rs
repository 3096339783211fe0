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

/// Least memory that a buffer makes, in octets: most commands fit, and the allocator gives hardly less.
const SMALLEST: usize = 64;

/// A bounded receive buffer: octets are read into [`spare`](Self::spare), lent by [`input`](Self::input) and
/// dropped by [`consume`](Self::consume).
///
/// Its memory is there only between [`fit`](Self::fit) and [`release`](Self::release). Who has many connections that
/// say little reads elsewhere and [`append`](Self::append)s instead: then there is hardly more memory than octets.
#[derive(Debug, Default)]
pub struct RecvBuf {
    /// Always initialised to its whole length: safe Rust can't lend memory that is not.
    octets: BytesMut,
    start: usize,
    end: usize,
    /// How many octets may wait; memory for fewer may be there.
    limit: usize,
}

impl RecvBuf {
    /// A buffer of `n` octets; 0 allocates nothing.
    #[must_use]
    pub fn with_capacity(n: usize) -> Self {
        Self { octets: BytesMut::zeroed(n), start: 0, end: 0, limit: n }
    }

    /// The octets received and not consumed.
    #[must_use]
    pub fn input(&self) -> Input<'_> {
        let octets = self.waiting();
        Input { octets, used: 0, full: octets.len() == self.limit && self.limit > 0 }
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
            self.resize(n);
        }
        self.limit = self.octets.len();
    }

    /// Lets up to `n` octets wait, or as many as there is memory for already; makes no memory, which is
    /// [`append`](Self::append)'s.
    pub fn allow(&mut self, n: usize) {
        self.limit = n.max(self.octets.len());
    }

    /// How many more octets may wait.
    #[must_use]
    pub const fn vacant(&self) -> usize {
        self.limit - (self.end - self.start)
    }

    /// Adds octets that were read elsewhere, and makes as much memory as they need.
    ///
    /// # Panics
    /// When they are more than are [`vacant`](Self::vacant).
    pub fn append(&mut self, octets: &[u8]) {
        assert!(octets.len() <= self.vacant(), "appended more than was allowed");
        let needed = self.end - self.start + octets.len();
        if needed > self.octets.len() {
            // By doubling, so that a line that comes octet by octet is not copied for each.
            self.resize(needed.next_power_of_two().max(SMALLEST).min(self.limit));
        }
        self.spare()[..octets.len()].copy_from_slice(octets);
        self.commit(octets.len());
    }

    /// Gives back the memory that holds no waiting octet: an idle connection needs none. [`fit`](Self::fit) or
    /// [`append`](Self::append) bring it back.
    pub fn release(&mut self) {
        let waiting = self.end - self.start;
        if waiting == 0 {
            (self.octets, self.start, self.end) = (BytesMut::new(), 0, 0);
        } else if self.octets.len() > waiting.max(SMALLEST) {
            self.resize(waiting.max(SMALLEST));
        }
    }

    /// Moves what waits into new memory of `n` octets, which must hold it.
    fn resize(&mut self, n: usize) {
        let mut octets = BytesMut::zeroed(n);
        let waiting = self.end - self.start;
        octets[..waiting].copy_from_slice(self.waiting());
        (self.octets, self.start, self.end) = (octets, 0, waiting);
    }

    /// For how many octets there is memory.
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
