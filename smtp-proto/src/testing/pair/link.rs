//! What lies between client and server: two bounded pipes, their latency, and what goes wrong.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use super::dice::Dice;
use crate::time::Time;
use crate::trace::Transcript;

/// Which side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Client,
    /// The server.
    Server,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// What goes wrong with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mishap {
    /// The connection is lost: what is on its way arrives, and then both sides find its end.
    Cut,
    /// The connection is lost with all that is on its way.
    Reset,
    /// What this side sends from here on is lost, and nobody is told.
    Silence,
    /// What this side sends from here on is not taken.
    Stall,
    /// These octets get in between.
    Noise(Vec<u8>),
}

/// The connection is gone: nothing can be written.
#[derive(Debug)]
pub(super) struct Gone;

/// What there is to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    Octets(usize),
    Nothing,
    End,
}

/// Octets on their way in one direction.
#[derive(Debug)]
struct Pipe {
    octets: VecDeque<u8>,
    /// How many octets arrive together, and when.
    segments: VecDeque<(usize, Time)>,
    /// Octets taken from the writer so far.
    passed: usize,
    /// Nothing follows what is on its way.
    ended: bool,
    /// Nobody reads any more.
    unread: bool,
    silent: bool,
    stalled: bool,
}

impl Pipe {
    const EMPTY: Self = Self {
        octets: VecDeque::new(),
        segments: VecDeque::new(),
        passed: 0,
        ended: false,
        unread: false,
        silent: false,
        stalled: false,
    };

    fn room(&self, capacity: usize) -> usize {
        if self.stalled { 0 } else { capacity.saturating_sub(self.octets.len()) }
    }

    fn put(&mut self, octets: &[u8], arrival: Time) {
        if !self.silent {
            let arrival = self.segments.back().map_or(arrival, |(_, last)| arrival.max(*last));
            self.octets.extend(octets);
            self.segments.push_back((octets.len(), arrival));
        }
    }

    fn clear(&mut self) {
        self.octets.clear();
        self.segments.clear();
    }
}

/// A connection on virtual time.
pub(super) struct Link {
    pub(super) now: Time,
    pub(super) latency: Range<Duration>,
    pub(super) chunks: Range<usize>,
    /// Octets that are on their way in one direction at most.
    pub(super) capacity: usize,
    /// Whether a side that closes before it has read all destroys what it sent last, as TCP does.
    pub(super) abortive: bool,
    pub(super) trace: Transcript<String>,
    /// What is still to go wrong: behind how many octets of a side.
    pub(super) mishaps: Vec<(Side, usize, Mishap)>,
    /// Octets that came out of nowhere.
    pub(super) noisy: bool,
    /// How often octets moved.
    pub(super) moves: u64,
    pipes: [Pipe; 2],
}

impl Link {
    pub(super) const fn new() -> Self {
        Self {
            now: Time::ZERO,
            latency: Duration::ZERO..Duration::ZERO,
            chunks: 65_536..65_537,
            capacity: 65_536,
            abortive: false,
            trace: Transcript::new(String::new()),
            mishaps: Vec::new(),
            noisy: false,
            moves: 0,
            pipes: [Pipe::EMPTY, Pipe::EMPTY],
        }
    }

    const fn pipe(&self, side: Side) -> &Pipe {
        &self.pipes[side as usize]
    }

    const fn pipe_mut(&mut self, side: Side) -> &mut Pipe {
        &mut self.pipes[side as usize]
    }

    /// How many octets `side` has sent.
    pub(super) const fn passed(&self, side: Side) -> usize {
        self.pipe(side).passed
    }

    /// Takes octets that `side` sends, as many as there is room for.
    pub(super) fn write(&mut self, side: Side, octets: &[u8], dice: &mut Dice) -> Result<usize, Gone> {
        self.strike(side, dice);
        let (passed, pipe) = (self.passed(side), self.pipe(side));
        if pipe.ended || pipe.unread {
            return Err(Gone);
        }
        let mine = self.mishaps.iter().filter(|(from, _, _)| *from == side);
        let before_mishap = mine.map(|(_, at, _)| at - passed).min().unwrap_or(usize::MAX);
        let most = pipe.room(self.capacity).min(octets.len()).min(before_mishap);
        if most == 0 {
            return Ok(0);
        }
        let taken = &octets[..most.min(dice.within(&self.chunks).max(1))];
        let arrival = self.now + dice.time(&self.latency);
        match side {
            Side::Client => self.trace.received(taken),
            Side::Server => self.trace.sent(taken),
        }
        let pipe = self.pipe_mut(side);
        pipe.put(taken, arrival);
        pipe.passed += taken.len();
        self.moves += 1;
        self.strike(side, dice);
        Ok(taken.len())
    }

    /// Lets happen what is to go wrong by now.
    pub(super) fn strike(&mut self, side: Side, dice: &mut Dice) {
        let passed = self.passed(side);
        while let Some(i) = self.mishaps.iter().position(|(from, at, _)| *from == side && *at <= passed) {
            let (_, at, mishap) = self.mishaps.swap_remove(i);
            self.trace.note(format_args!("{side:?}, behind {at} octets: {mishap:?}"));
            match mishap {
                Mishap::Cut => self.pipes.iter_mut().for_each(|pipe| pipe.ended = true),
                Mishap::Reset => self.pipes.iter_mut().for_each(|pipe| {
                    pipe.ended = true;
                    pipe.clear();
                }),
                Mishap::Silence => self.pipe_mut(side).silent = true,
                Mishap::Stall => self.pipe_mut(side).stalled = true,
                Mishap::Noise(octets) => {
                    self.noisy = true;
                    let arrival = self.now + dice.time(&self.latency);
                    self.pipe_mut(side).put(&octets, arrival);
                }
            }
        }
    }

    /// Reads what has arrived for `side`.
    pub(super) fn read(&mut self, side: Side, spare: &mut [u8]) -> Read {
        let now = self.now;
        let pipe = self.pipe_mut(side.other());
        let Some((left, arrival)) = pipe.segments.front_mut() else {
            return if pipe.ended { Read::End } else { Read::Nothing };
        };
        if *arrival > now || spare.is_empty() {
            return Read::Nothing;
        }
        let n = spare.len().min(*left);
        for (spare, octet) in spare.iter_mut().zip(pipe.octets.drain(..n)) {
            *spare = octet;
        }
        *left -= n;
        if *left == 0 {
            pipe.segments.pop_front();
        }
        self.moves += 1;
        Read::Octets(n)
    }

    /// Whether octets are on their way to `side`.
    pub(super) fn is_coming(&self, side: Side) -> bool {
        !self.pipe(side.other()).octets.is_empty()
    }

    /// Whether nothing can reach `side` any more but what is on its way.
    pub(super) const fn is_ended(&self, side: Side) -> bool {
        self.pipe(side.other()).ended
    }

    /// When something arrives next that has not arrived.
    pub(super) fn next_arrival(&self) -> Option<Time> {
        let fronts = self.pipes.iter().filter_map(|pipe| pipe.segments.front());
        fronts.map(|(_, arrival)| *arrival).filter(|arrival| *arrival > self.now).min()
    }

    /// `side` closes the connection.
    pub(super) fn close(&mut self, side: Side) {
        let is_unread = self.is_coming(side);
        self.pipe_mut(side.other()).unread = true;
        self.pipe_mut(side).ended = true;
        if is_unread && self.abortive {
            self.pipe_mut(side).clear();
        }
        self.pipe_mut(side.other()).clear();
    }
}
