//! What the session says by itself, in one place.

use crate::wire::reply::Reply;

/// 221 to QUIT.
pub const BYE: Reply<'static> = Reply::new(221, (2, 0, 0), "Bye");
/// 250 to NOOP.
pub const OK: Reply<'static> = Reply::new(250, (2, 0, 0), "Ok");
/// 250 to RSET.
pub const RESET: Reply<'static> = Reply::new(250, (2, 0, 0), "Reset");
/// 250 to MAIL.
pub const SENDER_OK: Reply<'static> = Reply::new(250, (2, 1, 0), "Sender ok");
/// 250 to RCPT.
pub const RECIPIENT_OK: Reply<'static> = Reply::new(250, (2, 1, 5), "Recipient ok");
/// 354 to DATA.
pub const GO_ON: Reply<'static> = Reply::bare(354, "End data with <CR><LF>.<CR><LF>");
/// 250 after a chunk that is not the last.
pub const CHUNK_OK: Reply<'static> = Reply::new(250, (2, 0, 0), "Chunk taken");
/// 250 after the content.
pub const MESSAGE_OK: Reply<'static> = Reply::new(250, (2, 0, 0), "Message accepted");
/// 252 to VRFY.
pub const CANNOT_VERIFY: Reply<'static> =
    Reply::new(252, (2, 5, 2), "Cannot verify, but will take mail and try to deliver it");
/// 214 to HELP, where the configuration has no text of its own.
pub const HELP: Reply<'static> = Reply::new(214, (2, 0, 0), "See RFC 5321");
/// 220 to STARTTLS.
pub const START_TLS: Reply<'static> = Reply::new(220, (2, 0, 0), "Ready to start TLS");
/// 235 to AUTH.
pub const AUTHENTICATED: Reply<'static> = Reply::new(235, (2, 7, 0), "Authentication succeeded");

/// 500: no such verb.
pub const UNKNOWN: Reply<'static> = Reply::new(500, (5, 5, 1), "Error: command not recognized");
/// 500: an LMTP verb in SMTP or the other way round.
pub const WRONG_PROTOCOL_SMTP: Reply<'static> = Reply::new(500, (5, 5, 1), "Error: this is SMTP, say EHLO");
/// 500 to EHLO and HELO in LMTP (RFC 2033 §4.1).
pub const WRONG_PROTOCOL_LMTP: Reply<'static> = Reply::new(500, (5, 5, 1), "Error: this is LMTP, say LHLO");
/// 502: known and not offered.
pub const NOT_HERE: Reply<'static> = Reply::new(502, (5, 5, 1), "Error: command not implemented");
/// 503: EHLO first.
pub const HELLO_FIRST: Reply<'static> = Reply::new(503, (5, 5, 1), "Error: send EHLO first");
/// 503: MAIL first.
pub const MAIL_FIRST: Reply<'static> = Reply::new(503, (5, 5, 1), "Error: need MAIL command");
/// 503: RCPT first.
pub const RCPT_FIRST: Reply<'static> = Reply::new(503, (5, 5, 1), "Error: need RCPT command");
/// 554: every recipient was refused.
pub const NO_RECIPIENTS: Reply<'static> = Reply::new(554, (5, 5, 1), "Error: no valid recipients");
/// 503: nested MAIL.
pub const NESTED: Reply<'static> = Reply::new(503, (5, 5, 1), "Error: nested MAIL command");
/// 503: not inside a transaction.
pub const IN_TRANSACTION: Reply<'static> = Reply::new(503, (5, 5, 1), "Error: not inside a mail transaction");
/// 503 after a failed chunk.
pub const FAILED: Reply<'static> = Reply::new(503, (5, 5, 1), "Error: transaction failed, send RSET");
/// 503 after a refused connection.
pub const REFUSED: Reply<'static> = Reply::new(503, (5, 5, 1), "Error: no service here, send QUIT");
/// 503: TLS is there already.
pub const TLS_ALREADY: Reply<'static> = Reply::new(503, (5, 5, 1), "Error: TLS already active");
/// 503: logged in already.
pub const AUTH_ALREADY: Reply<'static> = Reply::new(503, (5, 5, 1), "Error: already authenticated");
/// 503: DATA of a BINARYMIME message (RFC 3030 §3).
pub const NEEDS_BDAT: Reply<'static> = Reply::new(503, (5, 5, 1), "Error: BODY=BINARYMIME needs BDAT");
/// 503 and the end: content sent before 354.
pub const EARLY_CONTENT: Reply<'static> =
    Reply::new(503, (5, 5, 1), "Error: data before 354, wait for the reply to DATA");
/// 554 and the end: octets before the greeting.
pub const EARLY_TALKER: Reply<'static> = Reply::new(554, (5, 5, 1), "Error: wait for the greeting");
/// 554 and the end: not SMTP at all.
pub const NOT_SMTP: Reply<'static> = Reply::new(554, (5, 5, 1), "Error: this is an SMTP server");

/// 500: AUTH line too long (RFC 4954 §4).
pub const AUTH_TOO_LONG: Reply<'static> = Reply::new(500, (5, 5, 6), "Error: authentication line too long");
/// 501: cancelled by the client.
pub const AUTH_CANCELLED: Reply<'static> = Reply::new(501, (5, 7, 0), "Authentication cancelled");
/// 501: not base64.
pub const AUTH_BASE64: Reply<'static> = Reply::new(501, (5, 5, 2), "Error: not valid base64");
/// 504: no such mechanism.
pub const AUTH_MECHANISM: Reply<'static> = Reply::new(504, (5, 5, 4), "Error: mechanism not offered");
/// 538: only under TLS.
pub const AUTH_NEEDS_TLS: Reply<'static> = Reply::new(538, (5, 7, 11), "Error: send STARTTLS first");
/// 530: log in first.
pub const AUTH_REQUIRED: Reply<'static> = Reply::new(530, (5, 7, 0), "Error: authentication required");
/// 454: an AUTH or STARTTLS that nobody answered.
pub const TRY_LATER_TLS: Reply<'static> = Reply::new(454, (4, 7, 0), "Temporarily not available");
/// 535: AUTH refused without a reason given.
pub const AUTH_WRONG: Reply<'static> = Reply::new(535, (5, 7, 8), "Authentication credentials invalid");

/// 452: too many recipients (RFC 5321 §4.5.3.1.10).
pub const TOO_MANY_RECIPIENTS: Reply<'static> = Reply::new(452, (4, 5, 3), "Error: too many recipients");
/// 552: over the size limit.
pub const TOO_BIG: Reply<'static> = Reply::new(552, (5, 3, 4), "Error: message exceeds the size limit");
/// 550: bare CR or LF in the content.
pub const BARE_NEWLINE: Reply<'static> =
    Reply::new(550, (5, 6, 11), "Error: bare CR or LF in the message, lines must end with CR LF");
/// 555: a parameter that is not offered.
pub const PARAM_NOT_OFFERED: Reply<'static> = Reply::new(555, (5, 5, 4), "Error: parameter not offered");
/// 550: a recipient with UTF-8 in a transaction without SMTPUTF8 (RFC 6531 §3.5).
pub const NEEDS_SMTPUTF8: Reply<'static> = Reply::new(553, (5, 6, 7), "Error: address needs SMTPUTF8");

/// 451: the application gave no answer.
pub const NO_ANSWER: Reply<'static> = Reply::new(451, (4, 3, 0), "Error: local problem, try again later");
/// 550: the default refusal.
pub const REJECTED: Reply<'static> = Reply::new(550, (5, 7, 1), "Rejected");
/// 550: nobody took the recipient.
pub const NO_SUCH_USER: Reply<'static> = Reply::new(550, (5, 1, 1), "No such user here");
/// 554 greeting: the default refusal of a connection.
pub const NO_SERVICE: Reply<'static> = Reply::bare(554, "No service");

/// 421: shutting down.
pub const SHUTTING_DOWN: Reply<'static> = Reply::new(421, (4, 3, 2), "Shutting down, try again later");
/// 421: nothing came for too long.
pub const TIMED_OUT: Reply<'static> = Reply::new(421, (4, 4, 2), "Idle too long, closing");
/// 421: too many errors.
pub const TOO_MANY_ERRORS: Reply<'static> = Reply::new(421, (4, 7, 0), "Too many errors, closing");
/// 421: commands that do nothing, too many.
pub const TOO_MUCH_JUNK: Reply<'static> =
    Reply::new(421, (4, 7, 0), "Too many commands without mail, closing");
/// 421: what follows can't be told from commands.
pub const OUT_OF_STEP: Reply<'static> = Reply::new(421, (4, 7, 0), "Cannot go on, closing");
/// 421 instead of a greeting, where nobody decided about the connection.
pub const NOT_NOW: Reply<'static> = Reply::bare(421, "Service not available, try again later");

/// 550: XCLIENT or XFORWARD from a peer that is not trusted.
pub const NOT_TRUSTED: Reply<'static> = Reply::new(550, (5, 7, 0), "Error: not authorized");
/// 250 to XFORWARD.
pub const FORWARDED: Reply<'static> = Reply::new(250, (2, 0, 0), "Ok");
/// 501: BY asks for less time than DELIVERBY announced (RFC 2852 §4).
pub const BY_TOO_SHORT: Reply<'static> = Reply::new(501, (5, 5, 4), "Error: BY time below the minimum");
/// 501: a hold over what FUTURERELEASE announced (RFC 4865 §4).
pub const HOLD_TOO_LONG: Reply<'static> = Reply::new(501, (5, 5, 4), "Error: hold over the maximum");
/// 554 and the end: commands sent behind EHLO before its answer (RFC 2920 §3.1).
pub const EARLY_GROUP: Reply<'static> = Reply::new(554, (5, 5, 1), "Error: wait for the reply to EHLO");
