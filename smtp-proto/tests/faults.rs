//! What is wrong with a line and where.

use smtp_proto::{Command, Fault};

/// A line, its fault, the octet it is found at, and why.
const FAULTS: &[(&str, Fault, usize, &str)] = &[
    ("", Fault::NoVerb, 0, "nothing"),
    (" NOOP", Fault::NoVerb, 0, "a space in front"),
    ("NO+OP", Fault::NoVerb, 0, "no verb has a plus"),
    ("DATA.", Fault::NoVerb, 0, "nor a dot"),
    ("NOOP\r\nQUIT\n", Fault::BareLf, 10, "the line's end comes before what is in it"),
    ("NOOP\n", Fault::BareLf, 4, "a bare LF"),
    ("MAIL FROM:<a\rb@c>", Fault::Control, 12, "a bare CR, whatever else it makes wrong"),
    ("BDAT 5\0", Fault::Control, 6, "NUL, though the size can't be read either"),
    ("NOOP a\u{7F}", Fault::Argument, 6, "DEL"),
    ("EHLO", Fault::ArgumentMissing, 4, "who?"),
    ("EHLO ", Fault::ArgumentMissing, 4, "trailing space is nothing"),
    ("EHLO a..b", Fault::Argument, 6, "the first dot has no label behind it"),
    ("VRFY", Fault::ArgumentMissing, 4, "whom?"),
    ("ETRN", Fault::ArgumentMissing, 4, "which?"),
    ("AUTH", Fault::ArgumentMissing, 4, "how?"),
    ("BURL", Fault::ArgumentMissing, 4, "which?"),
    ("XCLIENT", Fault::ArgumentMissing, 7, "what?"),
    ("DATA x", Fault::ArgumentNotAllowed, 4, "nothing belongs there"),
    ("QUIT now", Fault::ArgumentNotAllowed, 4, "nothing belongs there"),
    ("MAIL", Fault::ReversePath, 4, "FROM: is missing"),
    ("MAIL TO:<a@b>", Fault::ReversePath, 4, "TO: belongs to RCPT"),
    ("MAIL FROM:a@b", Fault::ReversePath, 10, "the bracket is missing"),
    ("MAIL FROM:<a b@c>", Fault::ReversePath, 12, "a space for an @"),
    ("MAIL FROM:<a@b>SIZE=1", Fault::ReversePath, 15, "glued"),
    ("MAIL FROM:<ü@b>", Fault::NeedsSmtputf8, 10, "the path, not the end of the line"),
    ("RCPT TO:<a@-b>", Fault::ForwardPath, 11, "a hyphen begins no label"),
    ("RCPT TO:<>", Fault::ForwardPath, 9, "nobody"),
    ("MAIL FROM:<a@b> SIZE=x", Fault::ParamValue, 16, "the parameter"),
    ("MAIL FROM:<a@b> SIZE=1 BODY=x", Fault::ParamValue, 23, "the second one"),
    ("MAIL FROM:<a@b> FOO=a=b", Fault::ParamValue, 20, "the value"),
    ("MAIL FROM:<a@b>  SIZE=1", Fault::ParamKeyword, 16, "a keyword begins with no space"),
    ("MAIL FROM:<a@b> <>", Fault::ParamKeyword, 16, "a path is no parameter"),
    ("MAIL FROM:<a@b> A_B", Fault::ParamKeyword, 17, "no keyword has an underscore"),
    ("MAIL FROM:<a@b> SIZE=1 SIZE=1", Fault::ParamTwice, 23, "the second one"),
    ("MAIL FROM:<a@b> X=1 x=2", Fault::ParamTwice, 20, "the second one"),
    ("MAIL FROM:<a@b> NOTIFY=NEVER", Fault::ParamUnknown, 16, "belongs to RCPT"),
    ("RCPT TO:<a@b> SIZE=1", Fault::ParamUnknown, 14, "belongs to MAIL"),
    ("BDAT x", Fault::ChunkSize, 5, "no number"),
    ("BDAT 5 junk", Fault::ChunkSize, 6, "what follows can't be told from commands"),
    ("BDAT 99999999999999999999", Fault::ChunkSize, 4, "over 64 bits"),
    ("AUTH PL.AIN", Fault::Argument, 5, "no mechanism's name"),
    ("AUTH PLAIN QQ=", Fault::Base64, 14, "padding missing"),
    ("AUTH PLAIN Q*==", Fault::Base64, 12, "not in the alphabet"),
    ("XCLIENT NAME=a NAME=b", Fault::ParamTwice, 15, "the second one"),
    ("XCLIENT NAME=a FOO=b", Fault::Argument, 15, "not known"),
];

#[test]
fn a_fault_has_a_name_and_a_place() {
    for &(line, fault, at, why) in FAULTS {
        let error = Command::parse(line.as_bytes()).expect_err(why);
        assert_eq!((error.fault, error.at), (fault, at), "{line:?}: {why}");
    }
}

#[test]
fn the_enhanced_code_tells_sender_from_recipient() {
    for (line, code) in [
        ("MAIL FROM:a", (501, 1, 7)),
        ("RCPT TO:a", (501, 1, 3)),
        ("MAIL FROM:<ü@b>", (553, 6, 7)),
        ("MAIL FROM:<a@b> NOTIFY=NEVER", (555, 5, 4)),
        ("DATA x", (501, 5, 4)),
        ("\u{1}", (500, 5, 2)),
    ] {
        let reply = Command::parse(line.as_bytes()).unwrap_err().fault.reply();
        let enhanced = reply.enhanced().unwrap();
        assert_eq!((reply.code(), enhanced.subject(), enhanced.detail()), code, "{line}");
    }
}
