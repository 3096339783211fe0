//! The rows of what servers say.

use smtp_proto::sasl::Mechanism;

/// What the application does, and how far the session is when the octets come.
#[derive(Clone, Copy)]
pub(crate) enum Do {
    /// Nothing; the octets begin with the greeting.
    Connect,
    /// A message in one group.
    Send,
    /// The same to two recipients.
    Two,
    /// A second message over the connection, in one group.
    Again,
    /// A message command by command.
    Slow,
    /// A message that goes in chunks.
    Binary,
    /// AUTH with this mechanism.
    Auth(Mechanism),
    /// STARTTLS.
    Tls,
    Quit,
    Rest,
}

/// What happens on the wire.
#[derive(Clone, Copy)]
pub(crate) enum Heard {
    Say(&'static [u8]),
    /// The same again and again.
    Times(&'static [u8], usize),
    /// So many seconds of nothing.
    Wait(u64),
    /// The server ends it.
    End,
}

use Heard::{End, Say, Times, Wait};

/// Row, what is done, what happens, then how it stands when strict and when lenient, why.
pub(crate) type Row = (u32, Do, &'static [Heard], &'static str, &'static str, &'static str);

const LOGIN: Do = Do::Auth(Mechanism::LOGIN);

/// What a session hears that is past its greeting.
pub(crate) const EHLO: &[u8] = b"250-mx.example\r\n250-PIPELINING\r\n250 STARTTLS\r\n";

/// Yes to MAIL, RCPT and DATA.
pub(crate) const GROUP: &[u8] = b"250 Ok\r\n250 Ok\r\n354 Go\r\n";

pub(crate) const ROWS: &[Row] = &[
    (
        1,
        Do::Send,
        &[Say(b"250\r\n250\r\n354\r\n"), Say(b"250\r\n")],
        "open; Accepted 250",
        "open; Accepted 250",
        "no text",
    ),
    (1, LOGIN, &[Say(b"334\r\n"), Say(b"334\r\n"), Say(b"235\r\n")], "open; Ok(LOGIN)", "open; Ok(LOGIN)", "a bare 334"),
    (
        2,
        LOGIN,
        &[Say(b"334 \r\n"), Say(b"334  \r\n"), Say(b"501 cancelled\r\n"), End],
        "Idle; Err(Base64)",
        "Idle; Err(Refused)",
        "two spaces",
    ),
    (
        2,
        LOGIN,
        &[Say(b"334  \r\n"), Say(b"334  \r\n"), Say(b"235 in\r\n")],
        "OutOfStep { to: Auth, code: 334 }",
        "open; Ok(LOGIN)",
        "two spaces",
    ),
    (3, Do::Connect, &[Say(b"220Ready\r\n"), Say(EHLO)], "Garbled", "open", "glued to the code"),
    (3, Do::Slow, &[Say(b"250\tOk\r\n250 Ok\r\n")], "Garbled; NotTried", "open; NotTried", "a tab"),
    (
        3,
        Do::Send,
        &[Say(b"250\tOk\r\n250 Ok\r\n")],
        "Garbled; NotTried",
        "Garbled; NotTried",
        "while others are owed",
    ),
    (4, Do::Connect, &[Say(b"220 mx\n")], "Garbled", "Garbled", "LF alone"),
    (4, Do::Connect, &[Say(b"220 mx\r"), Say(b"x\r\n")], "Garbled", "Garbled", "a CR within a line"),
    (5, Do::Connect, &[Say(b"220-wait\r\n521 no\r\n"), End], "Garbled", "Unwelcome(521)", "codes differ"),
    (5, Do::Slow, &[Say(b"250-a\r\n550 b\r\n")], "Garbled; NotTried", "open; Refused 550", "the last one counts"),
    (5, Do::Send, &[Say(b"250-a\r\n550 b\r\n")], "Garbled; NotTried", "open; Refused 550", "in a group as well: it ends where the space is"),
    (
        6,
        Do::Connect,
        &[
            Say(b"220-1\r\n220-2\r\n220-3\r\n220-4\r\n220-5\r\n220-6\r\n220-7\r\n220-8\r\n220-9\r\n220 10\r\n"),
            Say(EHLO),
        ],
        "open",
        "open",
        "ten lines of greeting",
    ),
    (6, Do::Connect, &[Times(b"220-Unauthorised use is forbidden.\r\n", 1_000), Say(b"220 mx\r\n"), Say(EHLO)], "Garbled", "open", "text beyond the caps is dropped"),
    (6, Do::Connect, &[Times(b"220-Unauthorised use is forbidden.\r\n", 2_000)], "Garbled", "Garbled", "beyond 64 KiB it is no greeting"),
    (7, Do::Connect, &[Say(b"220-teaser\r\n"), Say(b"220 mx\r\n"), Say(EHLO)], "open", "open", "the rest comes later"),
    (7, Do::Connect, &[Say(b"220-teaser\r\n"), Wait(6), Say(b"220 mx\r\n"), Say(EHLO)], "open", "open", "six seconds later"),
    (8, Do::Connect, &[Wait(299), Say(b"220 mx\r\n"), Say(EHLO)], "open", "open", "just in time: RFC 5321 §4.5.3.2.1"),
    (8, Do::Connect, &[Wait(300)], "Timeout(Greeting)", "Timeout(Greeting)", "too late"),
    (8, Do::Connect, &[Say(b"2"), Wait(100), Say(b"2"), Wait(100), Say(b"0"), Wait(99), Say(b" "), Wait(1)], "Timeout(Greeting)", "Timeout(Greeting)", "octet by octet gains no time"),
    (9, Do::Connect, &[Say(b"554-go\r\n554 away\r\n"), End], "Unwelcome(554)", "Unwelcome(554)", "no service"),
    (9, Do::Connect, &[Say(b"421 busy\r\n")], "Unwelcome(421)", "Unwelcome(421)", "busy"),
    (10, Do::Rest, &[Say(b"421 4.4.2 idle\r\n")], "Idle", "Idle", "421 unasked"),
    (10, Do::Rest, &[Say(b"221 Idle\r\n")], "Idle", "Idle", "221 unasked"),
    (10, Do::Rest, &[Say(b"451 4.4.2 Timeout\r\n")], "Idle", "Idle", "451 unasked"),
    (10, Do::Rest, &[End], "Idle", "Idle", "the end unasked"),
    (
        11,
        Do::Send,
        &[Say(GROUP), Say(b"421 4.3.2 down\r\n")],
        "Farewell(Content(None)); Refused 421",
        "Farewell(Content(None)); Refused 421",
        "421 at the dot",
    ),
    (
        11,
        Do::Send,
        &[Say(b"250 Ok\r\n421 4.3.2 down\r\n")],
        "Farewell(Rcpt(0)); NotTried",
        "Farewell(Rcpt(0)); NotTried",
        "",
    ),
    (11, Do::Connect, &[Say(b"220 mx\r\n"), Say(b"421 4.3.2 down\r\n")], "HelloRefused(421)", "HelloRefused(421)", "at EHLO"),
    (11, Do::Tls, &[Say(b"421 4.3.2 down\r\n")], "Farewell(StartTls)", "Farewell(StartTls)", "at STARTTLS"),
    (11, LOGIN, &[Say(b"421 4.3.2 down\r\n")], "Farewell(Auth)", "Farewell(Auth)", "at AUTH"),
    (11, Do::Send, &[Say(b"421 4.3.2 down\r\n")], "Farewell(Mail); NotTried", "Farewell(Mail); NotTried", "at MAIL"),
    (11, Do::Send, &[Say(b"250 Ok\r\n250 Ok\r\n421 4.3.2 down\r\n")], "Farewell(Data); NotTried", "Farewell(Data); NotTried", "at DATA"),
    (11, Do::Slow, &[Say(b"250 Ok\r\n"), Say(b"550 no\r\n"), Say(b"421 4.3.2 down\r\n")], "Farewell(Rset); Refused 550", "Farewell(Rset); Refused 550", "at RSET"),
    (11, Do::Quit, &[Say(b"421 4.3.2 down\r\n")], "Quit", "Quit", "at QUIT"),
    (
        12,
        Do::Send,
        &[Say(GROUP), Say(b"552 5.3.4 big\r\n"), End],
        "Idle; Refused 552",
        "Idle; Refused 552",
        "reply and FIN",
    ),
    (
        13,
        Do::Send,
        &[Say(b"550 5.7.1 listed\r\n"), End],
        "PeerGone(Rcpt(0)); Refused 550",
        "PeerGone(Rcpt(0)); Refused 550",
        "MAIL's answer stands for all",
    ),
    (13, Do::Two, &[Say(b"550 5.7.1 listed\r\n"), End], "PeerGone(Rcpt(0)); Refused 550; Refused 550", "PeerGone(Rcpt(0)); Refused 550; Refused 550", "for each recipient"),
    (14, Do::Quit, &[End], "Quit", "Quit", "no 221"),
    (14, Do::Quit, &[Wait(2)], "Quit", "Quit", "no longer than two seconds are waited"),
    (14, Do::Send, &[Say(GROUP), Say(b"250 Ok\r\n"), End], "Idle; Accepted 250", "Idle; Accepted 250", "what was accepted stands"),
    (15, Do::Slow, &[Say(b"\r\n250 Ok\r\n250 Ok\r\n")], "Garbled; NotTried", "open; NotTried", "an empty line"),
    (
        15,
        Do::Send,
        &[Say(b"\r\n250 Ok\r\n")],
        "Garbled; NotTried",
        "Garbled; NotTried",
        "an empty line while others are owed",
    ),
    (15, Do::Slow, &[Say(b"huh\r\n250 Ok\r\n")], "Garbled; NotTried", "Garbled; NotTried", "garbage"),
    (15, Do::Connect, &[Say(b"\r\n220 mx\r\n"), Say(EHLO)], "Garbled", "open", "an empty line before the greeting"),
    (16, Do::Connect, &[Say(b"220 mx\r\n"), Say(b"500 what?\r\n"), Say(b"250 mx\r\n")], "open", "open", "HELO after 500"),
    (16, Do::Connect, &[Say(b"220 mx\r\n"), Say(b"502 what?\r\n"), Say(b"250 mx\r\n")], "open", "open", "HELO after 502"),
    (
        16,
        Do::Connect,
        &[Say(b"220 mx\r\n"), Say(b"550 what?\r\n"), Say(b"250 mx\r\n")],
        "HelloRefused(550)",
        "open",
        "HELO after another 5yz",
    ),
    (
        16,
        Do::Connect,
        &[Say(b"220 mx\r\n"), Say(b"554 no\r\n"), End],
        "HelloRefused(554)",
        "HelloRefused(554)",
        "not after 554",
    ),
    (
        16,
        Do::Connect,
        &[Say(b"220 mx\r\n"), Say(b"521 no\r\n"), End],
        "HelloRefused(521)",
        "HelloRefused(521)",
        "not after 521",
    ),
    (
        16,
        Do::Connect,
        &[Say(b"220 mx\r\n"), Say(b"421 no\r\n")],
        "HelloRefused(421)",
        "HelloRefused(421)",
        "not after 421",
    ),
    (
        16,
        Do::Connect,
        &[Say(b"220 mx\r\n"), Say(b"451 no\r\n"), End],
        "HelloRefused(451)",
        "HelloRefused(451)",
        "not after 4yz",
    ),
    (20, Do::Connect, &[Say(b"220 mx\r\n"), Say(b"250 OK: Nice to meet you\r\n")], "open", "open", "no name"),
    (
        25,
        LOGIN,
        &[Say(b"334 GSSAPI supported\r\n"), Say(b"334 \r\n"), Say(b"501 cancelled\r\n")],
        "OutOfStep { to: Auth, code: 334 }",
        "open; Err(Refused)",
        "words that are no base64 where only a prompt is due",
    ),
    (
        26,
        LOGIN,
        &[Say(b"334 dXNlcm5hbWU6\r\n"), Say(b"334 VXNlciBOYW1lAA==\r\n"), Say(b"235 in\r\n")],
        "open; Ok(LOGIN)",
        "open; Ok(LOGIN)",
        "prompts are not read",
    ),
    (
        29,
        Do::Auth(Mechanism::XOAUTH2),
        &[Say(b"334 eyJzIjoiNDAxIn0=\r\n"), Say(b"535 5.7.8 no\r\n")],
        "open; Err(Said)",
        "open; Err(Said)",
        "JSON first",
    ),
    (30, Do::Slow, &[Say(b"550 \xc4\xe3\xba\xc3\r\n")], "open; Refused 550", "open; Refused 550", "any charset"),
    (32, Do::Slow, &[Say(b"550 no enhanced code\r\n")], "open; Refused 550", "open; Refused 550", ""),
    (33, Do::Two, &[Say(b"250 Ok\r\n250 Ok\r\n452 4.5.3 AS780090 Too many\r\n354 Go\r\n"), Say(b"250 Ok\r\n"), Say(GROUP), Say(b"250 Ok\r\n")], "open; Accepted 250; Accepted 250", "open; Accepted 250; Accepted 250", "a transaction of its own"),
    (33, Do::Two, &[Say(b"250 Ok\r\n250 Ok\r\n451 4.4.4 multiple regions\r\n354 Go\r\n"), Say(b"250 Ok\r\n"), Say(GROUP), Say(b"550 no\r\n")], "open; Accepted 250; Refused 550", "open; Accepted 250; Refused 550", "the second's content is judged by itself"),
    (33, Do::Two, &[Say(b"250 Ok\r\n451 4.4.4 multiple regions\r\n250 Ok\r\n354 Go\r\n"), Say(b"250 Ok\r\n")], "open; Refused 451; Accepted 250", "open; Refused 451; Accepted 250", "of the first it is an answer as any"),
    (
        34,
        Do::Send,
        &[Say(b"250 Ok\r\n250 Ok\r\n250 Ok\r\n")],
        "OutOfStep { to: Data, code: 250 }; NotTried",
        "OutOfStep { to: Data, code: 250 }; NotTried",
        "250 to DATA",
    ),
    (
        34,
        Do::Send,
        &[Say(GROUP), Say(b"354 more\r\n")],
        "OutOfStep { to: Content(None), code: 354 }; Unknown",
        "OutOfStep { to: Content(None), code: 354 }; Unknown",
        "354 to the dot",
    ),
    (35, Do::Send, &[Say(b"250 Ok\r\n500 not supported\r\n")], "Pipelining; NotTried", "Pipelining; NotTried", ""),
    (
        35,
        Do::Send,
        &[Say(b"250 Ok\r\n250 Ok\r\n503 sync\r\n")],
        "Pipelining; NotTried",
        "Pipelining; NotTried",
        "an error at DATA",
    ),
    (35, Do::Send, &[Say(b"250 Ok\r\n"), Wait(300)], "Timeout(Rcpt); NotTried", "Timeout(Rcpt); NotTried", "it stalls behind the first of a group"),
    (36, Do::Binary, &[Say(b"250 Ok\r\n250 Ok\r\n"), Wait(600)], "Timeout(Chunk); NotTried", "Timeout(Chunk); NotTried", "a chunk that is needed is never answered"),
    (36, Do::Binary, &[Say(b"250 Ok\r\n250 Ok\r\n"), Say(b"552 5.3.4 big\r\n")], "open; Refused 552", "open; Refused 552", "a chunk that is needed is refused"),
    (37, Do::Tls, &[Say(b"454 4.7.0 not now\r\n")], "open", "open", "it is the caller who goes on in clear"),
    (37, Do::Tls, &[Say(b"500 what?\r\n")], "open", "open", "the same for good"),
    (37, Do::Tls, &[Wait(300)], "Timeout(StartTls)", "Timeout(StartTls)", "it stalls"),
    (38, Do::Tls, &[Say(b"220 go\r\n250 injected\r\n")], "Injection", "Injection", "octets behind the 220"),
    (38, Do::Tls, &[Say(b"220 go\r\n2")], "Injection", "Injection", "a part of a line"),
    (
        39,
        Do::Slow,
        &[Say(b"250 Ok\r\n"), Say(b"550 no\r\n"), Say(b"500 RSET?\r\n")],
        "OutOfStep { to: Rset, code: 500 }; Refused 550",
        "OutOfStep { to: Rset, code: 500 }; Refused 550",
        "RSET refused",
    ),
    (42, Do::Send, &[Say(GROUP), Wait(599)], "open; Unknown", "open; Unknown", "the dot is not answered yet: RFC 5321 §4.5.3.2.6"),
    (42, Do::Send, &[Say(GROUP), Wait(600)], "Timeout(DataEnd); Unknown", "Timeout(DataEnd); Unknown", "nor ever"),
    (44, Do::Again, &[Say(b"452 4.4.5 Enough\r\n503 no\r\n503 no\r\n")], "open; NotTried Limits", "open; NotTried Limits", "another connection at once"),
    (44, Do::Again, &[Say(b"421 4.7.0 Enough\r\n")], "Farewell(Mail); NotTried", "Farewell(Mail); NotTried", "the same, and it is closed"),
    (44, Do::Again, &[Say(GROUP), Say(b"250 Queued for later\r\n")], "open; Accepted 250", "open; Accepted 250", "queued without a delivery is accepted"),
];
