//! What attackers do to a server, by number, and which test holds what is done then; a number without one fails. Where a
//! message ends, and what commands are, is the core's: it has its own tests.

use std::path::Path;

use tempfile::TempDir;

use crate::harness::{Client, Server};
use crate::login::base64;
use crate::security_tls::python;
use crate::submission::with_alice;

/// Number, what is done, the tests: the module here, or a path from the repository's root, and the name.
type Threat = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// The numbers that [`THREATS`] must have.
const NUMBERS: &[&str] = &[
    "2.1", "2.2", "2.3", "2.4", "2.5", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9", "3.10",
    "3.11", "3.12", "4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "4.7", "4.8", "4.9", "4.10", "4.11", "4.12",
    "4.13", "4.14", "5.1", "5.2", "5.3", "5.4", "5.5", "6.1", "6.2", "6.3", "6.4",
];

const CORE_REPLIES: &str = "smtp-proto/tests/replies.rs";

/// What stands inside of arguments and text.
const INSIDE: &[Threat] = &[
    (
        "2.1",
        "text of lists, scanners and other servers in our replies",
        &[
            (CORE_REPLIES, "foreign_text_is_escaped_folded_and_cut"),
            ("scanners", "garbage_from_a_scanner_is_never_taken_for_a_finding"),
            ("blocklists", "a_listed_client_is_refused_with_what_the_list_says_and_postmaster_is_not"),
        ],
    ),
    (
        "2.2",
        "names in headers: from EHLO, from DNS",
        &[
            ("security", "no_name_of_a_client_forges_a_header_or_a_line_of_the_log"),
            ("blocklists", "received_tells_a_clients_name_only_if_it_leads_back"),
        ],
    ),
    ("2.3", "text for the log", &[("security", "no_name_of_a_client_forges_a_header_or_a_line_of_the_log")]),
    (
        "2.4",
        "users' names in paths",
        &[
            ("security_paths", "nothing_appears_outside_of_mailboxes_whatever_a_recipient_is_called"),
            ("security_paths", "a_users_name_that_is_a_path_is_refused_when_it_is_set"),
        ],
    ),
    (
        "2.5",
        "addresses that look like options, or mean something to a shell",
        &[("security_paths", "nothing_appears_outside_of_mailboxes_whatever_a_recipient_is_called")],
    ),
];

/// TLS, log-ins, other protocols.
const ENTRY: &[Threat] = &[
    (
        "3.1",
        "clear text behind STARTTLS",
        &[("security_tls", "what_stands_behind_starttls_in_clear_is_never_run")],
    ),
    (
        "3.2",
        "state from before TLS",
        &[(
            "security_tls",
            "nothing_of_before_starttls_is_left_and_it_comes_once_alone_and_outside_of_transactions",
        )],
    ),
    (
        "3.3",
        "STARTTLS in a transaction, twice, with an argument",
        &[(
            "security_tls",
            "nothing_of_before_starttls_is_left_and_it_comes_once_alone_and_outside_of_transactions",
        )],
    ),
    ("3.4", "old TLS", &[("security_tls", "old_versions_of_tls_are_not_spoken")]),
    (
        "3.5",
        "AUTH before TLS",
        &[
            ("login", "before_tls_nobody_is_asked_for_a_password_and_without_one_nothing_is_taken"),
            ("threats", "a_password_that_is_said_in_clear_unasked_is_in_no_line_of_the_log"),
        ],
    ),
    (
        "3.6",
        "AUTH twice, in a transaction",
        &[("security_tls", "auth_comes_once_after_ehlo_and_outside_of_transactions")],
    ),
    (
        "3.7",
        "guessed passwords",
        &[
            ("login", "an_address_that_guesses_is_not_listened_to_any_more"),
            ("login", "wrong_passwords_and_unknown_users_look_the_same_and_after_three_it_is_over"),
        ],
    ),
    (
        "3.8",
        "another user's address behind a log-in",
        &[
            ("login", "a_user_sends_in_their_own_name_only_and_to_nobody_elsewhere"),
            ("security_relay", "a_log_in_is_for_ones_own_name_whoever_the_recipient_is"),
        ],
    ),
    (
        "3.9",
        "SCRAM without channel binding where it was cut out of the offer",
        &[("threats", "a_client_that_was_shown_no_channel_binding_is_not_let_in")],
    ),
    ("3.10", "XCLIENT and XFORWARD", &[("security_tls", "nobody_may_speak_for_others")]),
    (
        "3.11",
        "a PROXY header from anybody",
        &[("security_relay", "a_balancers_header_from_anybody_else_ends_the_connection")],
    ),
    ("3.12", "other protocols", &[("bad_input", "other_protocols_are_told_so_and_dropped")]),
];

/// What uses the server up. A full disk and a lack of descriptors are in `pressure` and `durable`.
const RESOURCES: &[Threat] = &[
    (
        "4.1",
        "lines without end",
        &[
            ("bad_input", "an_endless_line_is_skipped_in_little_memory"),
            ("threats", "a_response_to_auth_without_end_is_skipped_in_little_memory"),
        ],
    ),
    (
        "4.2",
        "octets that drip",
        &[
            ("security", "a_command_that_drips_in_gains_no_time"),
            ("smtp-proto/tests/session.rs", "content_must_keep_up_with_the_slowest_rate"),
        ],
    ),
    (
        "4.3",
        "replies that nobody reads",
        &[("smtp-proto/tests/session.rs", "replies_to_a_client_that_never_reads_stay_bounded")],
    ),
    (
        "4.4",
        "connections",
        &[
            ("bad_input", "too_many_connections_from_one_address_are_told_421"),
            ("blocklists", "too_many_connections_in_a_minute_are_told_to_come_later"),
        ],
    ),
    (
        "4.5",
        "recipients",
        &[("security", "recipients_beyond_the_limit_wait_and_the_same_one_again_gets_one_copy")],
    ),
    ("4.6", "floods, harvests", &[("security", "floods_of_commands_that_lead_nowhere_end_the_session")]),
    (
        "4.7",
        "numbers that run over, chunks of nothing",
        &[
            ("security", "numbers_that_run_over_are_refused_and_nothing_behind_them_is_a_command"),
            ("security", "chunks_of_nothing_for_ever_end_the_session"),
        ],
    ),
    ("4.8", "bombs of headers", &[("security", "headers_without_end_cost_neither_memory_nor_the_server")]),
    (
        "4.9",
        "bombs for scanners",
        &[("scanners", "a_scanner_that_dies_defers_or_passes_as_set_and_finds_nothing")],
    ),
    (
        "4.10",
        "handshakes that do not end",
        &[("smtp-tokio/tests/tls.rs", "a_handshake_that_never_comes_is_given_up")],
    ),
    (
        "4.11",
        "a user who fills the queue",
        &[("submission", "who_sends_too_much_in_an_hour_has_mail_held_and_is_told_so")],
    ),
    ("4.12", "backscatter", &[("security", "nobody_here_is_told_of_mail_that_was_refused")]),
    (
        "4.13",
        "loops",
        &[
            ("queue", "mail_that_has_passed_fifty_hosts_is_refused"),
            ("queue", "a_sender_is_told_of_failure_and_of_success_where_asked_and_nobody_of_a_bounce"),
        ],
    ),
    ("4.14", "hosts in DNS that are inside", &[("dns", "a_zone_is_read_as_the_rfcs_say")]),
];

/// Relaying, and secrets.
const REST: &[Threat] = &[
    ("5.1", "each form of a foreign recipient", &[("relay", "no_spelling_of_a_recipient_relays")]),
    (
        "5.2",
        "a foreign recipient beside one of ours",
        &[("relay", "a_recipient_of_ours_opens_nothing_for_a_foreign_one_beside_it")],
    ),
    (
        "5.3",
        "a client that ignores refusals",
        &[("security_relay", "who_ignores_each_refusal_has_nothing_queued")],
    ),
    (
        "5.4",
        "the ports for users and for LMTP",
        &[
            ("security_relay", "without_a_log_in_a_submission_port_takes_nothing_for_anybody"),
            ("security_relay", "a_port_for_lmtp_takes_mail_for_our_mailboxes_only"),
        ],
    ),
    (
        "5.5",
        "what a recipient means behind a log-in",
        &[("security_relay", "a_log_in_does_not_change_what_a_recipient_means")],
    ),
    (
        "6.1",
        "passwords in replies and the log",
        &[("security_tls", "no_line_of_the_log_and_no_reply_shows_a_password")],
    ),
    ("6.2", "keys that others can read", &[("listeners", "a_key_that_others_can_read_is_warned_of")]),
    (
        "6.3",
        "passwords at rest",
        &[("users", "a_user_is_added_listed_and_given_a_password_while_the_server_runs")],
    ),
    (
        "6.4",
        "secrets in Debug",
        &[
            ("smtp-proto/tests/client_security.rs", "no_debug_of_a_session_shows_a_secret"),
            ("smtp-proto/tests/sasl_pair.rs", "no_debug_shows_a_secret"),
        ],
    ),
];

#[test]
fn each_threat_has_a_test_that_is_there() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = || [INSIDE, ENTRY, RESOURCES, REST].into_iter().flatten();
    for (number, threat, tests) in all() {
        assert!(!tests.is_empty(), "{number}, {threat}");
        for (place, test) in *tests {
            let file = if place.contains('/') {
                here.join("..").join(place)
            } else {
                here.join("tests/server").join(place).with_extension("rs")
            };
            let source = std::fs::read_to_string(&file).unwrap();
            let marked =
                ["#[test]\nfn", "#[tokio::test]\nasync fn", "#[tokio::test(start_paused = true)]\nasync fn"];
            let is_there = marked.iter().any(|mark| source.contains(&format!("{mark} {test}()")));
            assert!(is_there, "{number}, {threat}: no {test} in {}", file.display());
        }
    }
    assert!(all().map(|threat| threat.0).eq(NUMBERS.iter().copied()));
}

#[test]
fn a_password_that_is_said_in_clear_unasked_is_in_no_line_of_the_log() {
    let server = Server::demo();
    let secret = "tanstaaftanstaaf";
    let plain = base64(&format!("\0alice\0{secret}"));
    for (kind, refused) in [("submission", "538 5.7.11 "), ("mx", "502 5.5.1 ")] {
        let mut client = server.connect_to(kind);
        client.say_all(&["EHLO client.example"]);
        let reply = client.say(&format!("AUTH PLAIN {plain}"));
        assert!(reply.starts_with(refused), "{kind}: {reply}");
        // What a client says that takes the refusal for a challenge.
        let replies = [client.say(&plain), client.say(secret), client.say("QUIT")];
        // Its line in the log is behind all that is looked at.
        let mut last = server.connect();
        last.send(b"GET / HTTP/1.1\r\n");
        last.reply();
        for text in server.lines_to("not-smtp-http").iter().chain(&replies).chain([&reply]) {
            for shown in [secret, &plain, &base64(secret)] {
                assert!(!text.contains(shown), "{kind}: {text}");
            }
        }
    }
}

#[test]
fn a_client_that_was_shown_no_channel_binding_is_not_let_in() {
    let server = Server::demo();
    // `y`: it could bind, and takes it that the server can not (RFC 5802 §6).
    let first = base64("y,,n=alice,r=fyko+d2lbbFgONRv9qkxdawL");
    let script = format!(
        "
import base64
stream, _ = connect()
say(stream, b'EHLO clear.example\\r\\n')
say(stream, b'STARTTLS\\r\\n')
stream = encrypt(stream)
print('SCRAM-SHA-256-PLUS' in str(say(stream, b'EHLO tls.example\\r\\n')))
said = say(stream, b'AUTH SCRAM-SHA-256 {first}\\r\\n')
if said.startswith('334 '):
    print(base64.b64decode(said[4:]).decode())
    said = say(stream, b'\\r\\n')
print(said[:9])
"
    );
    let Some(said) = python(&server, "submission", &script) else { return };
    let lines: Vec<_> = said.lines().skip(1).collect();
    assert_eq!(lines, ["e=server-does-support-channel-binding", "535 5.7.8"], "{said}");
    assert!(server.line(" no-login ").contains(" reply=535"));
}

#[test]
fn a_response_to_auth_without_end_is_skipped_in_little_memory() {
    let folder = TempDir::new().unwrap();
    let server = with_alice(folder.path(), "");
    let mut client = Client::connect(server.address);
    client.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 587\r\n");
    client.reply();
    client.say_all(&["EHLO client.example"]);
    assert!(client.say("AUTH LOGIN").starts_with("334 "));
    let before = server.resident();
    for _ in 0..300 {
        client.send(&[b'x'; 100_000]);
    }
    let most = server.resident();
    let reply = client.say("");
    assert!(reply.starts_with('5'), "{reply}");
    assert!(most < before + 4 * 1024, "30 MB without a line end took the server from {before} to {most} KiB");
    client.say_all(&["NOOP"]);
}
