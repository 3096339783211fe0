//! Every number, in one place, with its reason.
//!
//! The RFCs give floors ("at least"); ours are ceilings, so each is at or above its floor.

/// Longest command line, CRLF included, in octets. RFC 5321 §4.5.3.1.4 asks for 512; all registered
/// parameters together add more than 2,000. A longer line is skipped to its end and answered 500.
pub const COMMAND_LINE: usize = 4_096;

/// Longest line of an AUTH exchange, CRLF included, in octets (RFC 4954 §4).
pub const AUTH_LINE: usize = 12_288;

/// Longest local part in octets. RFC 5321 §4.5.3.1.1 asks for 64; VERP and SRS addresses need more.
pub const LOCAL_PART: usize = 255;

/// Longest domain in octets (RFC 5321 §4.5.3.1.2).
pub const DOMAIN: usize = 255;

/// Longest label of a domain in octets (RFC 1035 §2.3.4).
pub const LABEL: usize = 63;

/// Longest path with its brackets, in octets: a local part, "@", a domain and the brackets.
/// RFC 5321 §4.5.3.1.3 asks for 256.
pub const PATH: usize = LOCAL_PART + 1 + DOMAIN + 2;

/// Longest reply line, CRLF included, in octets. RFC 5321 §4.5.3.1.5 asks for 512.
pub const REPLY_LINE: usize = 4_096;

/// Most lines of a reply whose text is kept; text beyond is dropped and the code stands.
pub const REPLY_LINES: usize = 256;

/// Most octets of one reply in all, 64 KiB; more is an error, since nothing legitimate comes near.
pub const REPLY_OCTETS: usize = 65_536;

/// Most words of the AUTH lines of an EHLO response that are looked at: finding what comes twice takes the square of
/// their number, and there are not half as many mechanisms.
pub const MECHANISMS: usize = 64;

/// Longest command line that our client makes longer of its own accord, CRLF included, in octets: an initial response
/// that would pass it is sent in a line of its own (RFC 4954 §4, RFC 5321 §4.5.3.1.4).
pub const COMMAND_LINE_WRITTEN: usize = 512;

/// Our client writes further commands while [`REPLY_OWED`] times the replies owed and the octets not written yet add up
/// to less: a server with small buffers never gets more than it can answer, and so never waits for us to read.
pub const CLIENT_WINDOW: usize = 4_096;

/// Octets that a reply is reckoned to have.
pub const REPLY_OWED: usize = 64;

/// Octets that a client session keeps of the memory of a message's commands for the next one. 64 KiB are some thousand
/// recipients.
pub const CLIENT_KEEPS: usize = 65_536;

/// Replies whose memory a client session keeps for the next message.
pub const CLIENT_KEEPS_REPLIES: usize = 64;

/// Longest reply line that is written, CRLF included, in octets (RFC 5321 §4.5.3.1.5): a client need not take more.
pub const REPLY_LINE_WRITTEN: usize = 512;

/// Most lines of a reply that are written; text beyond is cut. Keeps what is owed to a pipelining client small.
pub const REPLY_LINES_WRITTEN: usize = 32;

/// Longest line of content, CRLF included, that every receiver takes (RFC 5321 §4.5.3.1.6). We take and send longer ones;
/// a survey of content tells.
pub const TEXT_LINE: u64 = 1_000;

/// Most parameters of one MAIL or RCPT that are not registered. Each is compared with those before it, so that
/// without a limit a line of thousands would cost millions of comparisons.
pub const UNKNOWN_PARAMS: usize = 32;

/// Longest value of ENVID as written, in characters (RFC 3461 §4.4).
pub const ENVID: usize = 100;

/// Longest value of ORCPT as written, type included, in characters (RFC 3461 §4.2).
pub const ORCPT: usize = 500;

/// Longest identifier of TRANSID, without its brackets (RFC 1845).
pub const TRANSID: usize = 80;

/// Longest value of SOLICIT (RFC 3865 §2.3).
pub const SOLICIT: usize = 1_000;
/// Octets of replies gathered before they are written although more commands wait. It bounds the output of a
/// peer that pipelines without reading; 4 KiB is one small write.
pub const OUTPUT: usize = 4_096;

/// First room for replies, in octets: a greeting fits, the response to EHLO where little is offered, and the replies to
/// single commands. More grows when it is needed: ten thousand connections may have said no more than EHLO.
pub const FIRST_OUTPUT: usize = 128;

/// Room for the receive buffer while content comes, in octets: large reads make content cheap.
pub const CONTENT_ROOM: usize = 65_536;

/// Room for the receive buffer while content begins, in octets. Most messages fit, and making 64 KiB for one of 4 KiB
/// costs a connection more than reading the message does.
pub const FIRST_CONTENT_ROOM: usize = 16_384;

/// Octets swallowed of a message over its size limit, as a multiple of that limit, before the session ends: the
/// 552 at the end is worth reading ten messages for, no more.
pub const OVERSIZE_FACTOR: u64 = 10;

/// Fewest SCRAM iterations that our client computes with, and that keys are derived with (RFC 5802 §5.1,
/// RFC 7677 §4): fewer make a password that leaks cheap to guess. A client's own floor is settable.
pub const SCRAM_MIN_ITERATIONS: u32 = 4_096;

/// Most SCRAM iterations that our client computes with; a server that asks for more wants its time.
pub const SCRAM_MAX_ITERATIONS: u32 = 1_000_000;

/// Octets of the salt made up for an unknown user; real salts of another length would stand out.
pub const SCRAM_SALT: usize = 16;

/// Longest trace of ANONYMOUS in characters (RFC 4505 §3).
pub const ANONYMOUS_TRACE: usize = 255;
/// By how much the error budget grows where a client that goes on after errors is borne longer.
pub const PATIENCE: u32 = 5;

/// Longest header of the PROXY protocol in octets. Its length field could say 65,551; the addresses take at most 232
/// and the rest is names and perhaps a certificate.
pub const PROXY_HEADER: usize = 16_384;
