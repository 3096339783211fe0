//! What replies may look like beside the grammar, each form with its name.

use core::fmt;

/// A way in which real servers' replies differ from RFC 5321 §4.2.
///
/// None of them changes which code a reply has or where it ends, but for [`BareLf`](Self::BareLf),
/// [`EmptyLine`](Self::EmptyLine) and [`Separator`](Self::Separator): these are for moments in which only one reply is
/// owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[repr(u8)]
pub enum Deviation {
    /// A line ended by LF alone. In no preset: a peer that can place LF in a text could end the reply there.
    BareLf,
    /// An empty line before or inside a reply, skipped: broken proxies.
    EmptyLine,
    /// A code with neither SP, hyphen nor line end behind it (`220Ready`, a tab): a last line. A tab is dropped,
    /// any other octet belongs to the text. Old groupware and appliances.
    Separator,
    /// Lines of one reply with different codes (`220-` then `521 `): the last line's code counts, as it does for
    /// Postfix. Greetings of load balancers.
    CodesDiffer,
    /// A second digit of 6 to 9 (`571`): large providers' policy refusals.
    SecondDigit,
    /// A control octet in the text, kept there: colours, broken charsets. Never CR or LF.
    Control,
    /// `#` before an enhanced code (`550 #5.1.0`), dropped: an appliance.
    HashedCode,
    /// A line over 4,096 octets or a reply of more than 256 lines: the text beyond is dropped, the code stands.
    Overlong,
}

impl Deviation {
    /// Every deviation.
    pub const ALL: &'static [Self] = &[
        Self::BareLf,
        Self::EmptyLine,
        Self::Separator,
        Self::CodesDiffer,
        Self::SecondDigit,
        Self::Control,
        Self::HashedCode,
        Self::Overlong,
    ];
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BareLf => "line ends with a bare LF",
            Self::EmptyLine => "empty line",
            Self::Separator => "neither space nor hyphen behind the code",
            Self::CodesDiffer => "lines with different codes",
            Self::SecondDigit => "second digit of the code over 5",
            Self::Control => "control octet in the text",
            Self::HashedCode => "# before the enhanced code",
            Self::Overlong => "line too long, or too many lines",
        })
    }
}

/// Which deviations a reply shows.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Deviations(u8);

impl Deviations {
    /// None: the reply is as the RFC has it.
    pub const NONE: Self = Self(0);

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many different ones there are.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether `deviation` is among them.
    #[must_use]
    pub const fn contains(self, deviation: Deviation) -> bool {
        self.0 & 1 << deviation as u8 != 0
    }

    /// Each of them once.
    pub fn iter(self) -> impl Iterator<Item = Deviation> {
        Deviation::ALL.iter().copied().filter(move |&deviation| self.contains(deviation))
    }

    pub(super) const fn with(self, deviation: Deviation) -> Self {
        Self(self.0 | 1 << deviation as u8)
    }
}

impl FromIterator<Deviation> for Deviations {
    fn from_iter<I: IntoIterator<Item = Deviation>>(deviations: I) -> Self {
        deviations.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Deviations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Which deviations a reader of replies tolerates; any other is an error.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplyLeniency(Deviations);

impl ReplyLeniency {
    /// None.
    pub const STRICT: Self = Self(Deviations::NONE);

    /// Those that can't move a reply's end, so that replies owed to several commands can't get out of step.
    pub const PIPELINED: Self = Self::STRICT
        .tolerating(Deviation::CodesDiffer)
        .tolerating(Deviation::SecondDigit)
        .tolerating(Deviation::Control)
        .tolerating(Deviation::HashedCode)
        .tolerating(Deviation::Overlong);

    /// All but [`Deviation::BareLf`]; for moments in which one reply is owed.
    pub const LENIENT: Self =
        Self::PIPELINED.tolerating(Deviation::EmptyLine).tolerating(Deviation::Separator);

    /// Takes LF for a line end too, for servers on a bench or in a LAN that never send CR. Not safe where a text can
    /// hold LF, nor where a secret was sent.
    #[must_use]
    pub const fn unsafe_lf_replies(self) -> Self {
        self.tolerating(Deviation::BareLf)
    }

    /// With one more.
    #[must_use]
    pub const fn tolerating(self, deviation: Deviation) -> Self {
        Self(self.0.with(deviation))
    }

    /// With one less.
    #[must_use]
    pub const fn refusing(self, deviation: Deviation) -> Self {
        Self(Deviations(self.0.0 & !(1 << deviation as u8)))
    }

    /// Whether `deviation` is tolerated.
    #[must_use]
    pub const fn tolerates(self, deviation: Deviation) -> bool {
        self.0.contains(deviation)
    }
}

impl Default for ReplyLeniency {
    /// [`LENIENT`](Self::LENIENT): it is the client that reads replies, and it must live with the servers there are.
    fn default() -> Self {
        Self::LENIENT
    }
}

impl fmt::Debug for ReplyLeniency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Deviations {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Deviations {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let deviations = alloc::vec::Vec::<Deviation>::deserialize(deserializer)?;
        Ok(deviations.into_iter().collect())
    }
}
