//! The octets that every library reads: lines as clients and servers send them, each accepted by all of them.

/// Commands of RFC 5321 without parameters, in about the mix a mail exchanger sees.
pub const CORE: &[&[u8]] = &[
    b"EHLO mail.example.com\r\n",
    b"MAIL FROM:<bounces@lists.example.org>\r\n",
    b"RCPT TO:<alice@example.net>\r\n",
    b"RCPT TO:<bob.miller@mail.example.net>\r\n",
    b"RCPT TO:<customer-service+order4711@shop.example.com>\r\n",
    b"DATA\r\n",
    b"RSET\r\n",
    b"MAIL FROM:<>\r\n",
    b"RCPT TO:<postmaster@mx1.example.net>\r\n",
    b"DATA\r\n",
    b"NOOP\r\n",
    b"HELO relay.example.org\r\n",
    b"MAIL FROM:<newsletter.2026-11@news.marketing.example.com>\r\n",
    b"RCPT TO:<first.middle.last@department.university.example.edu>\r\n",
    b"VRFY postmaster\r\n",
    b"QUIT\r\n",
];

/// MAIL and RCPT with one to four ESMTP parameters.
pub const ESMTP: &[&[u8]] = &[
    b"MAIL FROM:<alice@example.com> SIZE=34512\r\n",
    b"MAIL FROM:<bounces+77@lists.example.org> SIZE=1048576 BODY=8BITMIME\r\n",
    b"RCPT TO:<bob@example.net> NOTIFY=SUCCESS,FAILURE\r\n",
    b"MAIL FROM:<> BODY=8BITMIME\r\n",
    b"MAIL FROM:<carol@mail.example.com> BODY=8BITMIME RET=HDRS ENVID=QQ314159\r\n",
    b"RCPT TO:<dave.jones@example.org> NOTIFY=NEVER\r\n",
    b"RCPT TO:<erin@example.net> NOTIFY=FAILURE,DELAY ORCPT=rfc822;erin@example.net\r\n",
    b"MAIL FROM:<frank@sub.example.com> SIZE=2048 BODY=8BITMIME SMTPUTF8\r\n",
    b"MAIL FROM:<grace@example.com> SIZE=99 BODY=8BITMIME RET=FULL ENVID=a1b2c3d4\r\n",
    b"RCPT TO:<heidi@mx.example.net> ORCPT=rfc822;heidi+2Btag@old.example.net\r\n",
];

/// One-line replies as servers send them.
pub const REPLIES: &[&[u8]] = &[
    b"220 mx.example.com ESMTP ready\r\n",
    b"250 2.1.0 Ok\r\n",
    b"250 2.1.5 Recipient ok\r\n",
    b"354 End data with <CR><LF>.<CR><LF>\r\n",
    b"250 2.0.0 Ok: queued as 4bXyZq0Dz2z9vNn\r\n",
    b"550 5.1.1 <ghost@example.com>: Recipient address rejected: User unknown\r\n",
    b"451 4.7.1 Greylisting in action, please come back later\r\n",
    b"221 2.0.0 Bye\r\n",
];

/// One-line and multi-line replies together.
pub const REPLY_MIX: &[&[u8]] = &[
    b"220 mx.example.com ESMTP ready\r\n",
    b"250 2.1.0 Ok\r\n",
    b"250 2.1.5 Recipient ok\r\n",
    b"354 End data with <CR><LF>.<CR><LF>\r\n",
    b"550-5.7.26 This mail has been blocked because the sender is unauthenticated.\r\n\
      550-5.7.26 Authenticate with either SPF or DKIM.\r\n\
      550 5.7.26 For more information, go to https://mail.example.com/policy\r\n",
    b"452 4.5.3 Too many recipients\r\n",
    b"250 2.0.0 Ok: queued as 4bXyZq0Dz2z9vNn\r\n",
    b"221 2.0.0 Bye\r\n",
];

/// An EHLO response of thirteen lines.
pub const EHLO: &[u8] = b"250-mx.example.com Hello client.example [192.0.2.17]\r\n\
    250-PIPELINING\r\n\
    250-SIZE 52428800\r\n\
    250-ETRN\r\n\
    250-STARTTLS\r\n\
    250-AUTH PLAIN LOGIN CRAM-MD5\r\n\
    250-ENHANCEDSTATUSCODES\r\n\
    250-8BITMIME\r\n\
    250-DSN\r\n\
    250-SMTPUTF8\r\n\
    250-CHUNKING\r\n\
    250-VRFY\r\n\
    250 HELP\r\n";

/// What stands at the end of content.
pub const END: &[u8] = b"\r\n.\r\n";

/// Content of about `octets`, its end included: words in lines of 76, no line beginning with a dot.
#[must_use]
pub fn text(octets: usize) -> Vec<u8> {
    const WORDS: &[u8] =
        b"Dear all, please find the minutes of the last meeting attached; comments are welcome. ";
    lines(octets, 76, |i| WORDS[i % WORDS.len()])
}

/// Content of about `octets`, its end included: base64 in lines of 76 characters.
#[must_use]
pub fn base64(octets: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    lines(octets, 76, |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ALPHABET[(state >> 58) as usize]
    })
}

fn lines(octets: usize, width: usize, mut octet: impl FnMut(usize) -> u8) -> Vec<u8> {
    let mut content = Vec::with_capacity(octets + width);
    let mut i = 0;
    while content.len() + width + END.len() < octets {
        for column in 0..width {
            // A dot there would be stuffing, which is another measurement.
            content.push(match octet(i) {
                b'.' if column == 0 => b'-',
                octet => octet,
            });
            i += 1;
        }
        content.extend_from_slice(b"\r\n");
    }
    content.truncate(content.len() - 2);
    content.extend_from_slice(END);
    content
}
