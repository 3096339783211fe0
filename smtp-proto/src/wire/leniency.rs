//! What is tolerated though it is wrong: each deviation has a name.
//!
//! A deviation may be tolerated only if it cannot change where a line, reply or message ends, which mailbox is
//! meant, or what was said under TLS and by whom. What breaks that rule and is still wanted on a bench is named
//! `UNSAFE_…` and is in no preset.

use core::fmt;
use core::ops::BitOr;

/// A set of tolerated deviations.
///
/// [`STRICT`](Self::STRICT) ⊂ [`SUBMISSION`](Self::SUBMISSION) ⊂ [`DEVICES`](Self::DEVICES); single names are
/// added by [`with`](Self::with) and taken out by [`without`](Self::without). The default is `STRICT`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Leniency(u64);

/// The deviations that were tolerated in one line, as a set.
///
/// Empty for what is right by the grammar.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Deviations(Leniency);

macro_rules! deviations {
    ($($(#[$doc:meta])* $bit:literal $name:ident, $text:literal;)*) => {
        impl Leniency {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*

            /// Each single deviation with its name.
            pub const NAMES: &'static [(Self, &'static str)] = &[$((Self::$name, $text)),*];
        }
    };
}

deviations! {
    /// `MAIL FROM: <a@b>`: white space before the path. Sent by Outlook and many scripts.
    0 SPACE_BEFORE_PATH, "space_before_path";
    /// `MAIL FROM:a@b`: no brackets. Taken only as Dot-string, "@", Domain, then SP or the end. Sent by
    /// controllers, database packages and people at a telnet prompt.
    1 BARE_PATH, "bare_path";
    /// `EHLO  x`, `AUTH PLAIN  b64`, `XCLIENT  NAME=x`: more than one SP before an argument. Sent by Windows Mail.
    2 DOUBLE_SPACE, "double_space";
    /// `HELO` with nothing: the name is unknown. Sent by the cards of power supplies.
    3 EMPTY_HELLO, "empty_hello";
    /// `EHLO my_host`, `HELO [192.0.2.1]`, `EHLO fe80::1`: a name in printable ASCII that is no Domain and no
    /// literal, or a literal after HELO. Kept raw. Sent from containers, by Windows and printers.
    4 HELLO_NAME, "hello_name";
    /// `EHLO MÜLLER-PC` in any charset: octets above ASCII. Kept raw. Sent by Windows.
    5 HELLO_OCTETS, "hello_octets";
    /// A UTF-8 mailbox, argument or value without SMTPUTF8.
    6 UTF8_UNDECLARED, "utf8_undeclared";
    /// `a..b@c`, `.a@b`, `a.@b`: dots where none belong, kept as written. Addresses of telephone providers.
    7 LOCAL_PART_DOTS, "local_part_dots";
    /// `a@foo_bar`: an underscore in a domain, kept as written.
    8 DOMAIN_UNDERSCORE, "domain_underscore";
    /// `a@b.example.`: a dot at the end of a domain, kept as written.
    9 DOMAIN_FINAL_DOT, "domain_final_dot";
    /// `VRFY <a@b>`: brackets, taken off.
    10 LOOKUP_BRACKETS, "lookup_brackets";
    /// Commands sent behind EHLO in one segment, by clients that autodetect.
    16 PIPELINED_HELLO, "pipelined_hello";
    /// Octets that arrive before the greeting.
    17 EARLY_TALK, "early_talk";
    /// A bare LF in the content of DATA, kept as it is, never read as an end.
    18 BARE_LF_IN_DATA, "bare_lf_in_data";
    /// A bare CR in the content of DATA, kept as it is.
    19 BARE_CR_IN_DATA, "bare_cr_in_data";
    /// A bare CR or LF in BDAT without BODY=BINARYMIME. Sent by a large provider.
    20 BARE_LF_IN_BDAT, "bare_lf_in_bdat";
    /// AUTH after HELO, where AUTH is configured at all.
    21 AUTH_AFTER_HELO, "auth_after_helo";
    /// `QUIT` in the middle of AUTH is the command, though it is valid base64.
    22 QUIT_IN_AUTH, "quit_in_auth";
    /// Known parameters that were not offered are ignored instead of refused.
    23 PARAMS_NOT_OFFERED, "params_not_offered";
    /// `ONEX`, `VERB`, `XADR` are answered as NOOP.
    24 NOOP_VERBS, "noop_verbs";
    /// A client that goes on after errors is borne longer.
    25 MORE_ERRORS, "more_errors";
    /// Unsafe: commands that end with LF alone. Whoever reads lines otherwise reads other commands.
    32 UNSAFE_LF_COMMANDS, "unsafe_lf_commands";
    /// Unsafe: content sent before 354 is taken as content. It could have been commands.
    33 UNSAFE_EARLY_CONTENT, "unsafe_early_content";
    /// Unsafe: a client takes reply lines that end with LF alone, where nothing else is owed.
    34 UNSAFE_LF_REPLIES, "unsafe_lf_replies";
    /// An empty line before or inside a reply, skipped. Sent by broken proxies.
    40 REPLY_EMPTY_LINE, "reply_empty_line";
    /// `220Ready`, a tab: neither SP, hyphen nor line end behind a reply's code makes it a last line. A tab is
    /// dropped, any other octet is text. Sent by old groupware.
    41 REPLY_SEPARATOR, "reply_separator";
    /// `220-`, then `521 `: the last line's code counts, as it does for Postfix. Sent by load balancers as greeting.
    42 REPLY_CODES_DIFFER, "reply_codes_differ";
    /// `571`: a second digit of 6 to 9 in a reply's code. Sent by large providers.
    43 REPLY_SECOND_DIGIT, "reply_second_digit";
    /// A control octet in reply text, kept there; never CR or LF. Colours, broken charsets.
    44 REPLY_CONTROL, "reply_control";
    /// `550 #5.1.0`: a mark before the enhanced code, dropped. Sent by an appliance.
    45 REPLY_HASHED_CODE, "reply_hashed_code";
    /// A reply line over 4,096 octets or more than 256 of them: the text beyond is dropped, the code stands.
    46 REPLY_OVERLONG, "reply_overlong";
    /// `AUTH=LOGIN` in an EHLO response: its mechanisms count as those of `AUTH`. Sent by web mail providers and
    /// groupware, for clients older than RFC 2554.
    47 EHLO_AUTH_EQUALS, "ehlo_auth_equals";
}

impl Leniency {
    /// Nothing is tolerated: for scanners and tests, and the core's default.
    pub const STRICT: Self = Self(0);

    /// What mail programs and other servers do in practice.
    pub const SUBMISSION: Self = Self::SPACE_BEFORE_PATH
        .with(Self::DOUBLE_SPACE)
        .with(Self::HELLO_NAME)
        .with(Self::LOOKUP_BRACKETS)
        .with(Self::PIPELINED_HELLO)
        .with(Self::EARLY_TALK)
        .with(Self::BARE_LF_IN_BDAT)
        .with(Self::QUIT_IN_AUTH);

    /// What printers, controllers and scripts do: for relays in a LAN, catchers and honeypots.
    pub const DEVICES: Self = Self::SUBMISSION
        .with(Self::BARE_PATH)
        .with(Self::EMPTY_HELLO)
        .with(Self::HELLO_OCTETS)
        .with(Self::UTF8_UNDECLARED)
        .with(Self::LOCAL_PART_DOTS)
        .with(Self::DOMAIN_UNDERSCORE)
        .with(Self::DOMAIN_FINAL_DOT)
        .with(Self::BARE_LF_IN_DATA)
        .with(Self::BARE_CR_IN_DATA)
        .with(Self::AUTH_AFTER_HELO)
        .with(Self::PARAMS_NOT_OFFERED)
        .with(Self::NOOP_VERBS)
        .with(Self::MORE_ERRORS);

    /// For a client that is owed several replies: only what can't move a reply's end, so that none is taken for
    /// another's.
    pub const REPLIES_OWED: Self = Self::REPLY_CODES_DIFFER
        .with(Self::REPLY_SECOND_DIGIT)
        .with(Self::REPLY_CONTROL)
        .with(Self::REPLY_HASHED_CODE)
        .with(Self::REPLY_OVERLONG)
        .with(Self::EHLO_AUTH_EQUALS);

    /// For a client that is owed one reply: it must live with the servers there are.
    pub const REPLIES: Self = Self::REPLIES_OWED.with(Self::REPLY_EMPTY_LINE).with(Self::REPLY_SEPARATOR);

    /// This set and `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of `other` is tolerated.
    #[must_use]
    pub const fn allows(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing is tolerated.
    #[must_use]
    pub const fn is_strict(self) -> bool {
        self.0 == 0
    }

    /// The names in this set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().filter(move |(one, _)| self.allows(*one)).map(|&(_, name)| name)
    }
}

impl BitOr for Leniency {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl fmt::Debug for Leniency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl Deviations {
    /// None: the line is right by the grammar.
    pub const NONE: Self = Self(Leniency::STRICT);

    /// Whether there were none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_strict()
    }

    /// How many different ones there were.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.0.count_ones()
    }

    /// Whether all of `which` were met.
    #[must_use]
    pub const fn contains(self, which: Leniency) -> bool {
        self.0.allows(which)
    }

    /// These and `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0.with(other.0))
    }

    /// The names of what was met.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.0.names()
    }
}

impl From<Leniency> for Deviations {
    fn from(met: Leniency) -> Self {
        Self(met)
    }
}

impl fmt::Debug for Deviations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
