//! The client's session: groups of commands, outcomes, splits, waits, ends.
#![cfg(feature = "testing")]

use std::time::Duration;

use smtp_proto::client::{
    ClientConfig, ClientSession, ClientStep, CloseReason, Envelope, Outcome, Retry, Sent, Wait, Why,
};
use smtp_proto::server::Need;
use smtp_proto::testing::{Letter, Talk, Task};
use smtp_proto::{Input, MailboxBuf, RecvBuf, Time};

#[path = "support/client.rs"]
mod support;

use support::{HI, config, greeted_with, letter, pipelining, plain, send};

#[test]
fn a_message_goes_out_in_one_group_and_arrives_with_its_dots_doubled() {
    let mut talk = pipelining();
    send(&mut talk, &["you@b.example", "them@b.example"]);
    assert_eq!(
        talk.said(),
        "MAIL FROM:<me@a.example> SIZE=22\r\nRCPT TO:<you@b.example>\r\nRCPT TO:<them@b.example>\r\nDATA\r\n"
    );
    talk.hear(b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550 5.1.1 Nobody\r\n354 Go\r\n");
    assert_eq!(talk.said(), "Subject: hi\r\n\r\n..dots\r\n.\r\n");
    talk.hear(b"250 2.0.0 Queued\r\n");
    assert_eq!(talk.outcomes(), ["Accepted 250", "Refused 550"]);
    let replies = ["Mail 250", "Rcpt(0) 250", "Rcpt(1) 550", "Data 354", "Content(None) 250", "ready"];
    assert_eq!(talk.events, replies);
    assert_eq!(talk.said(), "", "no RSET after a message that is complete");
}

#[test]
fn without_pipelining_each_command_waits_for_its_answer() {
    let mut talk = plain();
    send(&mut talk, &["you@b.example", "them@b.example"]);
    let turns: [(&[u8], &str); 5] = [
        (b"250 Ok\r\n", "RCPT TO:<you@b.example>\r\n"),
        (b"451 Later\r\n", "RCPT TO:<them@b.example>\r\n"),
        (b"250 Ok\r\n", "DATA\r\n"),
        (b"354 Go\r\n", "Subject: hi\r\n\r\n..dots\r\n.\r\n"),
        (b"250 Ok\r\n", ""),
    ];
    assert_eq!(talk.said(), "MAIL FROM:<me@a.example>\r\n", "no SIZE where none is offered");
    for (reply, next) in turns {
        talk.hear(reply);
        assert_eq!(talk.said(), next);
    }
    assert_eq!(talk.outcomes(), ["Refused 451", "Accepted 250"]);
}

#[test]
fn a_refused_sender_refuses_every_recipient_with_the_same_words() {
    let mut talk = pipelining();
    send(&mut talk, &["you@b.example", "them@b.example"]);
    talk.hear(b"550 5.7.1 Not you\r\n");
    assert_eq!(talk.outcomes(), ["Refused 550", "Refused 550"]);
    talk.hear(b"503 5.5.1 No\r\n503 5.5.1 No\r\n503 5.5.1 No\r\n");
    assert_eq!(talk.outcomes(), ["Refused 550", "Refused 550"], "503 says nothing new");
    assert_eq!(talk.events.last().map(String::as_str), Some("ready"));
}

#[test]
fn a_refused_greeting_or_hello_is_the_last_reply_and_not_the_answer_to_quit() {
    let rows: [(&[&[u8]], &str); 2] = [
        (&[b"554 5.7.1 Not from there\r\n"], "554 5.7.1 Not from there"),
        (&[b"220 mx\r\n", b"450 4.7.1 Too many\r\n"], "450 4.7.1 Too many"),
    ];
    for (replies, last) in rows {
        let mut talk = Talk::new(config());
        for reply in replies {
            talk.hear(reply);
        }
        assert!(talk.said().ends_with("QUIT\r\n"));
        talk.hear(b"221 2.0.0 Bye\r\n");
        assert!(talk.close().is_some());
        assert_eq!(talk.session.last_reply().to_string(), last);
    }
}

#[test]
fn a_lone_dot_ends_content_that_nobody_gets() {
    let mut talk = pipelining();
    send(&mut talk, &["you@b.example"]);
    talk.said();
    talk.hear(b"250 Ok\r\n550 5.1.1 Nobody\r\n354 Go\r\n");
    assert_eq!(talk.said(), ".\r\n");
    talk.hear(b"250 2.0.0 Queued\r\n");
    assert_eq!(talk.outcomes(), ["Refused 550"], "that was no acceptance of anything");
    assert_eq!(talk.events.last().map(String::as_str), Some("ready"));
}

#[test]
fn a_transaction_that_nobody_stands_in_is_reset_before_the_next() {
    for (data, why) in [(&b"554 5.5.1 No valid recipients\r\n"[..], "DATA refused"), (b"", "DATA not sent")] {
        let mut talk = if data.is_empty() { plain() } else { pipelining() };
        send(&mut talk, &["you@b.example"]);
        talk.hear(b"250 Ok\r\n");
        talk.hear(b"550 5.1.1 Nobody\r\n");
        talk.said();
        talk.hear(data);
        talk.then(Task::Send(letter(&["them@b.example"])));
        talk.go();
        assert!(!talk.said().contains("MAIL"), "{why}: nothing before the answer to RSET");
        talk.hear(b"250 2.0.0 Flushed\r\n");
        assert!(talk.said().starts_with("MAIL FROM:<me@a.example>"), "{why}");
    }
}

#[test]
fn two_messages_go_over_one_connection_without_reset() {
    let mut talk = pipelining();
    for _ in 0..2 {
        send(&mut talk, &["you@b.example"]);
        assert!(talk.said().starts_with("MAIL FROM:<me@a.example> SIZE=22\r\nRCPT"));
        talk.hear(b"250 Ok\r\n250 Ok\r\n354 Go\r\n");
        talk.said();
        talk.hear(b"250 Ok\r\n");
        assert_eq!(talk.outcomes(), ["Accepted 250"]);
    }
    assert_eq!(talk.session.transactions(), 2);
}

#[test]
fn lmtp_answers_each_accepted_recipient_by_itself() {
    let config = ClientConfig::lmtp("a.example").unwrap();
    let mut talk = Talk::new(config);
    talk.hear(b"220 mx.example LMTP\r\n");
    assert_eq!(talk.said(), "LHLO a.example\r\n");
    talk.hear(b"250-mx.example\r\n250 PIPELINING\r\n");
    send(&mut talk, &["a@b.example", "ghost@b.example", "c@b.example", "d@b.example"]);
    assert!(!talk.said().contains("DATA"), "a lone dot would have no answer here");
    talk.hear(b"250 Ok\r\n250 Ok\r\n550 5.1.1 Nobody\r\n250 Ok\r\n250 Ok\r\n");
    talk.hear(b"354 Go\r\n");
    talk.hear(b"250 2.0.0 a\r\n452 4.2.2 full\r\n");
    assert_eq!(talk.events.last().map(String::as_str), Some("Content(Some(2)) 452"));
    talk.eof();
    assert_eq!(talk.outcomes(), ["Accepted 250", "Refused 550", "Refused 452", "Unknown"]);
}

#[test]
fn what_an_end_in_each_place_means_for_the_message() {
    let place = |until: usize| {
        let mut talk = pipelining();
        send(&mut talk, &["you@b.example"]);
        let replies: [&[u8]; 5] = [b"", b"250 Ok\r\n", b"250 Ok\r\n", b"354 Go\r\n", b""];
        replies[..until].iter().for_each(|reply| talk.hear(reply));
        talk
    };
    let gone = |sent| CloseReason::PeerGone(sent);
    let farewell = |sent| CloseReason::Farewell(sent);
    let rows = [
        (1, Sent::Mail, Wait::Mail, "MAIL in flight"),
        (2, Sent::Rcpt(0), Wait::Rcpt, "RCPT in flight"),
        (3, Sent::Data, Wait::DataInit, "DATA in flight"),
    ];
    for (until, sent, wait, why) in rows {
        let mut talk = place(until);
        talk.eof();
        assert_eq!(
            talk.outcomes(),
            [format!("NotTried {:?}", Why::Closed(gone(sent)))],
            "{why}: end of file"
        );
        let mut talk = place(until);
        talk.hear(b"421 4.3.2 Bye\r\n");
        assert_eq!(talk.outcomes(), [format!("NotTried {:?}", Why::Closed(farewell(sent)))], "{why}: 421");
        let mut talk = place(until);
        assert_eq!(talk.session.waiting_for(), Some(wait));
        talk.advance(Duration::from_secs(300));
        assert_eq!(talk.close(), Some(CloseReason::Timeout(wait)), "{why}: silence");
        assert!(talk.outcomes()[0].starts_with("NotTried"), "{why}: silence");
        let mut talk = place(until);
        talk.hear(b"garbage\r\n");
        assert!(talk.outcomes()[0].starts_with("NotTried"), "{why}: no reply");
        assert!(matches!(talk.close(), Some(CloseReason::Garbled { to, .. }) if to == sent), "{why}");
    }
    let mut talk = place(4);
    talk.eof();
    assert_eq!(talk.outcomes(), ["Unknown"], "the dot is out, then the end of file");
    let mut talk = place(4);
    talk.hear(b"421 4.3.2 Bye\r\n");
    assert_eq!(talk.outcomes(), ["Refused 421"], "421 at the dot's place refuses");
    assert_eq!(talk.session.outcome(0).retry(), Retry::Later);
    let mut talk = place(4);
    talk.advance(Duration::from_secs(599));
    assert_eq!(talk.close(), None);
    talk.advance(Duration::from_secs(1));
    assert_eq!(talk.outcomes(), ["Unknown"], "silence after the dot");
    assert_eq!(talk.session.outcome(0).retry(), Retry::AskUser);
    let mut talk = place(4);
    talk.hear(b"\x16\x03\x01");
    assert_eq!(talk.outcomes(), ["Unknown"], "garbage after the dot");
    let mut talk = place(4);
    talk.hear(b"354 Go on\r\n");
    assert_eq!(talk.outcomes(), ["Unknown"], "354 to the dot");
}

#[test]
fn a_dot_that_never_left_is_not_unknown() {
    let mut session = at_the_dot();
    session.handle_eof();
    assert_eq!(session.needs(&Input::new(b""), Time::ZERO), Need::Step);
    assert!(matches!(session.outcome(0), Outcome::NotTried(Why::Closed(CloseReason::PeerGone(_)))));
    let mut session = at_the_dot();
    let deadline = session.deadline().unwrap();
    assert_eq!(session.waiting_for(), Some(Wait::DataBlock));
    session.handle_timeout(deadline);
    let outcome = session.outcome(0);
    assert_eq!(outcome, Outcome::NotTried(Why::Closed(CloseReason::Timeout(Wait::DataBlock))));
    let mut session = at_the_dot();
    session.output().clear();
    session.handle_eof();
    assert_eq!(session.needs(&Input::new(b""), Time::ZERO), Need::Step);
    assert_eq!(session.outcome(0), Outcome::Unknown);
}

#[test]
fn what_was_said_before_the_dot_left_refuses_or_means_nothing() {
    let rows: [(&[u8], Retry, &str); 3] = [
        (b"552 5.3.4 Too big\r\n", Retry::Never, "a refusal is one"),
        (b"451 4.3.0 Disk full\r\n", Retry::Later, "a refusal is one"),
        (b"250 Ok\r\n", Retry::OtherHost, "accepted what?"),
    ];
    for (reply, retry, why) in rows {
        let mut session = at_the_dot();
        session.handle_eof();
        let mut input = Input::new(reply);
        assert_eq!(session.needs(&input, Time::ZERO), Need::Step);
        assert!(matches!(session.next(&mut input), Some(ClientStep::Reply { .. })));
        assert_eq!(session.outcome(0).retry(), retry, "{why}: {:?}", session.outcome(0));
        assert_eq!(session.needs(&Input::new(b""), Time::ZERO), Need::Step);
        assert!(matches!(session.next(&mut Input::new(b"")), Some(ClientStep::Close(_))));
    }
}

/// A session whose dot is in the output.
fn at_the_dot() -> ClientSession {
    let mut session = ClientSession::new(config(), Time::ZERO);
    let (from, to): (MailboxBuf, MailboxBuf) =
        ("a@b.example".parse().unwrap(), "c@d.example".parse().unwrap());
    let envelope = Envelope::new(&from).to(&to).content(HI);
    let replies: [&[u8]; 5] = [b"220 x\r\n", b"250 x\r\n", b"250 x\r\n", b"250 x\r\n", b"354 x\r\n"];
    let mut replies = replies.into_iter();
    let mut buffer = RecvBuf::with_capacity(64);
    loop {
        match session.needs(&buffer.input(), Time::ZERO) {
            Need::Flush => session.output().clear(),
            Need::Input => {
                let reply = replies.next().unwrap();
                buffer.spare()[..reply.len()].copy_from_slice(reply);
                buffer.commit(reply.len());
            }
            Need::Step => {
                let mut input = buffer.input();
                let step = session.next(&mut input);
                match step {
                    Some(ClientStep::Ready(ready)) => ready.send(&envelope).unwrap(),
                    Some(ClientStep::Content(mut body)) => {
                        assert_eq!(body.write(HI), HI.len());
                        body.finish();
                        assert_eq!(session.needs(&Input::new(b""), Time::ZERO), Need::Flush);
                        return session;
                    }
                    _ => {}
                }
                let used = input.used();
                buffer.consume(used);
            }
            need => panic!("{need:?}"),
        }
    }
}

#[test]
fn a_server_that_drips_octets_gains_no_time() {
    let mut talk = pipelining();
    send(&mut talk, &["you@b.example"]);
    for octet in [b"2", b"5", b"0", b"-"] {
        talk.advance(Duration::from_secs(60));
        talk.hear(octet);
    }
    assert_eq!(talk.close(), None);
    talk.advance(Duration::from_secs(60));
    assert_eq!(talk.close(), Some(CloseReason::Timeout(Wait::Mail)));
}

#[test]
fn the_window_bounds_what_is_owed() {
    let many: Vec<String> = (0..1000).map(|n| format!("user{n}@b.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut talk = pipelining();
    send(&mut talk, &many);
    let mut commands = talk.said().matches("\r\n").count();
    assert!((30..=64).contains(&commands), "{commands}");
    let mut answered = 0;
    while answered < 1001 {
        talk.hear(b"250 Ok\r\n");
        answered += 1;
        commands += talk.said().matches("\r\n").count();
        assert!(commands - answered <= 64, "{} owed", commands - answered);
    }
    assert_eq!(commands, 1002, "MAIL, 1,000 RCPT and DATA");
}

#[test]
fn limits_split_a_message_and_the_content_comes_again() {
    let offer = b"250-mx.example\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=2 MAILMAX=2\r\n";
    let mut talk = greeted_with(config(), offer);
    send(&mut talk, &["a@b.example", "b@b.example", "c@b.example", "d@b.example", "e@b.example"]);
    for again in ["", "again 1"] {
        assert_eq!(talk.said().matches("RCPT").count(), 2);
        talk.hear(b"250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n");
        assert_eq!(talk.said(), "Subject: hi\r\n\r\n..dots\r\n.\r\n");
        assert!(again.is_empty() || talk.events.iter().any(|event| event == again));
        talk.hear(b"250 Ok\r\n");
    }
    let limits = "NotTried Limits";
    assert_eq!(talk.outcomes(), ["Accepted 250", "Accepted 250", "Accepted 250", "Accepted 250", limits]);
    assert!(!talk.session.takes_another());
    send(&mut talk, &["a@b.example"]);
    assert_eq!(talk.outcomes(), [limits], "MAILMAX is used up");
    assert_eq!(talk.said(), "");
}

#[test]
fn limits_group_recipients_by_domain() {
    let offer = b"250-mx.example\r\n250-PIPELINING\r\n250 LIMITS RCPTDOMAINMAX=1\r\n";
    let mut talk = greeted_with(config(), offer);
    send(&mut talk, &["a@b.example", "b@c.example", "c@B.example"]);
    assert!(talk.said().contains("RCPT TO:<a@b.example>\r\nRCPT TO:<c@B.example>\r\nDATA\r\n"));
    talk.hear(b"250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n");
    talk.hear(b"250 Ok\r\n");
    assert!(talk.said().contains("RCPT TO:<b@c.example>\r\nDATA\r\n"));
}

#[test]
fn a_recipient_too_many_gets_a_transaction_of_its_own() {
    for (reply, why) in [
        (&b"452 4.5.3 Too many\r\n"[..], "the code for it"),
        (b"452 Too many\r\n", "without an enhanced code"),
        (b"552 Too many\r\n", "RFC 5321 has 552 for the same"),
        (b"451 4.4.4 Multiple regions\r\n", "a large provider"),
    ] {
        let mut talk = pipelining();
        send(&mut talk, &["a@b.example", "b@b.example"]);
        talk.said();
        talk.hear(&[b"250 Ok\r\n250 Ok\r\n", reply, b"354 Go\r\n"].concat());
        talk.hear(b"250 Ok\r\n");
        assert!(
            talk.said().ends_with("MAIL FROM:<me@a.example> SIZE=22\r\nRCPT TO:<b@b.example>\r\nDATA\r\n"),
            "{why}"
        );
        let mut talk = pipelining();
        talk.then(Task::Send(Letter { once: true, ..letter(&["a@b.example", "b@b.example"]) }));
        talk.go();
        talk.hear(&[b"250 Ok\r\n250 Ok\r\n", reply, b"354 Go\r\n"].concat());
        talk.hear(b"250 Ok\r\n");
        assert_eq!(talk.outcomes(), ["Accepted 250", "NotTried Limits"], "{why}, of a stream");
    }
}

#[test]
fn command_by_command_each_answer_is_a_step() {
    let mut talk = pipelining();
    for line in
        ["MAIL FROM:<a@b.example> XYZ=1", "RCPT TO:<c@d.example>", "RCPT TO:<e@d.example>", "VRFY c", "RSET"]
    {
        talk.then(Task::Say(line.into()));
    }
    let replies = ["250", "251", "550", "252", "250"];
    for (reply, line) in replies.iter().zip(["MAIL", "RCPT", "RCPT", "VRFY", "RSET"]) {
        talk.go();
        assert!(talk.said().starts_with(line));
        talk.hear(format!("{reply} x\r\n").as_bytes());
    }
    let events = ["Mail 250", "Rcpt(0) 251", "Rcpt(1) 550", "Command(Vrfy) 252", "Rset 250", "ready"];
    assert_eq!(talk.events, events);
    talk.then(Task::Say(b"BDAT 3".to_vec()));
    talk.go();
    assert_eq!(talk.said(), "", "a chunk is more than a command");
}

#[test]
fn a_proxy_sends_content_after_its_own_data() {
    let mut talk = pipelining();
    let mut body = letter(&[]);
    body.content = b"x\r\n.y\r\n".to_vec();
    talk.then(Task::Say(b"MAIL FROM:<a@b.example>".to_vec()));
    talk.hear(b"250 Ok\r\n");
    talk.then(Task::Say(b"RCPT TO:<c@d.example>".to_vec()));
    talk.hear(b"250 Ok\r\n");
    talk.then(Task::Say(b"DATA".to_vec()));
    talk.go();
    talk.said();
    talk.hear(b"354 Go\r\n");
    assert_eq!(talk.said(), ".\r\n", "this application has no content");
    talk.hear(b"250 Ok\r\n");
    assert_eq!(talk.outcomes(), ["Accepted 250"]);
}

/// A talk whose server has accepted MAIL with `params` and one RCPT, command by command.
fn in_a_transaction(ehlo: &[u8], params: &str) -> Talk {
    let mut talk = greeted_with(config(), ehlo);
    for line in [format!("MAIL FROM:<a@b.example>{params}"), "RCPT TO:<c@d.example>".to_owned()] {
        talk.then(Task::Say(line.into_bytes()));
        talk.hear(b"250 Ok\r\n");
    }
    talk.said();
    talk
}

const CHUNKING: &[u8] = b"250-mx.example\r\n250-CHUNKING\r\n250 BINARYMIME\r\n";

#[test]
fn a_proxy_sends_chunks_as_it_got_them() {
    let mut talk = in_a_transaction(CHUNKING, "");
    for (chunk, said, why) in [
        (&b".a\r"[..], "BDAT 3\r\n.a\r", "no dot is doubled, and a line end may be cut"),
        (b"\n", "BDAT 1\r\n\n", "its other half"),
    ] {
        talk.then(Task::Chunk(chunk.to_vec()));
        talk.go();
        assert_eq!(talk.said(), said, "{why}");
        assert_eq!(talk.session.waiting_for(), Some(Wait::Chunk));
        talk.hear(b"250 Ok\r\n");
    }
    talk.then(Task::LastChunk(b"b\r\n".to_vec()));
    talk.go();
    assert_eq!(talk.said(), "BDAT 3 LAST\r\nb\r\n");
    assert_eq!(talk.session.waiting_for(), Some(Wait::DataEnd));
    talk.hear(b"250 Ok\r\n");
    assert_eq!(talk.outcomes(), ["Accepted 250"]);
    talk.events.retain(|event| event != "ready");
    assert_eq!(talk.events[2..], ["Chunk 250", "Chunk 250", "Content(None) 250"]);
}

#[test]
fn a_chunk_that_the_server_can_not_take_is_not_sent() {
    for (ehlo, params, chunk, why) in [
        (&b"250 mx.example\r\n"[..], "", &b"a\r\n"[..], "Unsupported(Chunking)"),
        (CHUNKING, "", b"a\nb\r\n", "BareNewline"),
        (CHUNKING, "", b"a\r", "BareNewline"),
    ] {
        let mut talk = in_a_transaction(ehlo, params);
        talk.then(Task::LastChunk(chunk.to_vec()));
        talk.go();
        assert_eq!(talk.said(), "", "{why}");
        assert!(talk.events.iter().any(|event| event.contains(why)), "{why}: {:?}", talk.events);
    }
    let mut talk = in_a_transaction(CHUNKING, " BODY=BINARYMIME");
    talk.then(Task::LastChunk(b"a\nb\r".to_vec()));
    talk.go();
    assert_eq!(talk.said(), "BDAT 4 LAST\r\na\nb\r", "BINARYMIME carries anything");
}

#[test]
fn a_refused_chunk_refuses_the_message_and_the_next_one_begins_afresh() {
    for task in [Task::Chunk(b"a\r\n".to_vec()), Task::LastChunk(Vec::new())] {
        let mut talk = in_a_transaction(CHUNKING, "");
        talk.then(task);
        talk.hear(b"554 5.6.0 No\r\n");
        assert_eq!(talk.outcomes(), ["Refused 554"]);
        talk.said();
        send(&mut talk, &["you@b.example"]);
        assert_eq!(talk.said(), "RSET\r\n", "the server may hold a transaction");
    }
}

#[test]
fn raw_octets_bring_answers_that_nobody_counts() {
    let mut talk = pipelining();
    talk.then(Task::Raw(b"NOOP\r\nNOOP\n".to_vec()));
    talk.go();
    assert_eq!(talk.said(), "NOOP\r\nNOOP\n");
    talk.hear(b"250 Ok\r\n");
    talk.hear(b"500 Bare LF\r\n");
    assert_eq!(
        talk.events[..].iter().filter(|event| event.starts_with("Raw")).count(),
        2,
        "{:?}",
        talk.events
    );
    assert_eq!(talk.close(), None);
}

#[test]
fn quit_waits_a_moment_for_its_answer() {
    for end in ["221 Bye\r\n", ""] {
        let mut talk = pipelining();
        talk.then(Task::Quit);
        talk.go();
        assert_eq!(talk.said(), "QUIT\r\n");
        assert_eq!(talk.session.waiting_for(), Some(Wait::Quit));
        match end {
            "" => talk.advance(Duration::from_secs(2)),
            _ => talk.hear(end.as_bytes()),
        }
        assert_eq!(talk.events.last().map(String::as_str), Some("close Quit"));
    }
}

#[test]
fn shutting_down_finishes_the_message_and_says_quit() {
    let mut talk = pipelining();
    send(&mut talk, &["you@b.example"]);
    talk.session.shut_down();
    talk.hear(b"250 Ok\r\n250 Ok\r\n354 Go\r\n");
    talk.said();
    talk.hear(b"250 Ok\r\n");
    assert_eq!(talk.said(), "QUIT\r\n");
    assert_eq!(talk.outcomes(), ["Accepted 250"]);
}

#[test]
fn a_refusal_in_the_middle_of_the_content_counts_and_ends_it() {
    let mut session = at_the_dot();
    // The dot has not left.
    let mut input = Input::new(b"552 5.3.4 Too much\r\n");
    assert_eq!(session.needs(&input, Time::ZERO), Need::Step);
    let step = session.next(&mut input);
    assert!(matches!(step, Some(ClientStep::Reply { to: Sent::Content(None), .. })), "{step:?}");
    assert!(matches!(session.outcome(0), Outcome::Refused(reply) if reply.code() == 552));
}

#[test]
fn a_warm_client_allocates_nothing_per_message() {
    let mut session = ClientSession::new(config(), Time::ZERO);
    let from: MailboxBuf = "a@b.example".parse().unwrap();
    let to: Vec<MailboxBuf> = (0..20).map(|n| format!("c{n}@d.example").parse().unwrap()).collect();
    let envelope = Envelope::new(&from).to(&to).content(HI);
    let mut buffer = RecvBuf::with_capacity(4096);
    let mut refuse = b"250-x\r\n250 PIPELINING\r\n".to_vec();
    refuse.extend_from_slice(b"250 Ok\r\n550 5.1.1 No\r\n");
    (0..19).for_each(|_| refuse.extend_from_slice(b"250 Ok\r\n"));
    refuse.extend_from_slice(b"354 Go\r\n");
    let group = refuse.split_off(b"250-x\r\n250 PIPELINING\r\n".len());
    let verdict = b"250 2.0.0 Queued\r\n";
    let mut script: Vec<&[u8]> = vec![b"220 x\r\n", &refuse];
    (0..6).for_each(|_| script.extend([&group[..], verdict]));
    let mut script = script.into_iter();
    let (mut sent, mut counted) = (0, Vec::new());
    while sent < 6 {
        let count =
            allocation_counter::measure(|| while run(&mut session, &mut buffer, &mut script, &envelope) {});
        counted.push(count.count_total);
        sent += 1;
    }
    while !session.outcome(1).is_accepted() {
        assert!(run(&mut session, &mut buffer, &mut script, &envelope));
    }
    assert!(matches!(session.outcome(0), Outcome::Refused(_)));
    assert_eq!(counted[2..], [0; 4], "{counted:?}");
}

/// One turn of the loop; false once a message was begun.
fn run<'a>(
    session: &mut ClientSession,
    buffer: &mut RecvBuf,
    script: &mut impl Iterator<Item = &'a [u8]>,
    envelope: &Envelope<'_>,
) -> bool {
    match session.needs(&buffer.input(), Time::ZERO) {
        Need::Flush => session.output().clear(),
        Need::Input => {
            let octets = script.next().unwrap();
            buffer.spare()[..octets.len()].copy_from_slice(octets);
            buffer.commit(octets.len());
        }
        Need::Step => {
            let mut input = buffer.input();
            let mut began = false;
            match session.next(&mut input) {
                Some(ClientStep::Ready(ready)) => {
                    ready.send(envelope).unwrap();
                    began = true;
                }
                Some(ClientStep::Content(mut body)) => {
                    assert_eq!(body.write(HI), HI.len());
                    body.finish();
                }
                _ => {}
            }
            let used = input.used();
            buffer.consume(used);
            return !began;
        }
        need => panic!("{need:?}"),
    }
    true
}

#[test]
fn an_outcome_is_shown_in_words() {
    let mut talk = pipelining();
    send(&mut talk, &["you@b.example", "them@b.example"]);
    talk.hear(b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550-5.1.1 Nobody\r\n550 5.1.1 here\r\n354 Go\r\n");
    talk.hear(b"250 2.0.0 Queued\r\n");
    let bare = Outcome::NotTried(Why::BareNewline);
    let rows = [
        (talk.session.outcome(0), "accepted: 250 2.0.0 Queued"),
        (talk.session.outcome(1), "refused: 550 5.1.1 Nobody / 5.1.1 here"),
        (Outcome::Unknown, "unknown: all of it went out, and the server did not answer"),
        (
            bare,
            "not tried: the content has a line end that is not CR LF, which `ClientConfig::newlines` can change",
        ),
    ];
    for (outcome, words) in rows {
        assert_eq!(outcome.to_string(), words);
    }
}

#[test]
fn sizes_are_bounded() {
    assert!(size_of::<ClientSession>() <= 656, "{}", size_of::<ClientSession>());
    assert!(size_of::<ClientStep<'_>>() <= 32, "{}", size_of::<ClientStep<'_>>());
    assert!(size_of::<Outcome>() <= 48, "{}", size_of::<Outcome>());
}
