//! Which test holds what a client does where a server, or who is on the way, means ill. One without a test fails.

use std::collections::BTreeSet;

/// Number, what is done to a client, the tests that hold what it does then.
type Threat = (&'static str, &'static str, &'static [&'static str]);

/// The numbers that [`THREATS`] must have.
const NUMBERS: &[&str] = &[
    "1.1", "1.2", "2.1", "2.2", "2.3", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9", "3.10",
    "3.11", "3.12", "4.1", "4.2", "4.3", "4.4", "6.1",
];

const THREATS: &[Threat] = &[
    (
        "1.1",
        "content that would end itself, at servers that take LF for a line's end too",
        &[
            "no_content_ends_early_whether_the_server_is_strict_or_takes_lf_for_a_line_end",
            "no_content_ends_itself_and_what_is_sent_reads_back",
        ],
    ),
    (
        "1.2",
        "answers before or without their questions",
        &[
            "an_answer_given_before_the_question_accepts_nothing",
            "what_a_server_says_unasked_is_no_answer_to_what_comes_next",
            "nothing_but_go_on_to_data_brings_content_out",
            "recipients_that_stand_behind_a_refused_mail_get_no_empty_message",
        ],
    ),
    (
        "2.1",
        "CR, LF or NUL in an address, a name, a parameter",
        &[
            "no_value_that_an_application_makes_holds_the_end_of_a_line",
            "nothing_given_to_the_client_ends_a_line_early",
        ],
    ),
    ("2.2", "CR, LF or NUL in an identity of AUTH", &["no_identity_ends_the_line_of_its_exchange"]),
    (
        "2.3",
        "control characters in replies",
        &["replies_show_without_what_would_steer_a_terminal_or_forge_a_log"],
    ),
    (
        "3.1",
        "octets behind the 220 of STARTTLS: in its segment, in the next one, in the buffer after the handshake",
        &[
            "whatever_a_server_says_behind_its_220_is_injected",
            "what_is_injected_before_tls_is_never_an_answer_under_it",
        ],
    ),
    (
        "3.2",
        "greetings that claim a login or that content is due",
        &["a_greeting_that_claims_more_than_readiness_ends_the_session"],
    ),
    (
        "3.3",
        "an offer of TLS that is cut out, or masked, where TLS is required",
        &["an_offer_of_tls_that_is_stripped_is_an_error_and_nothing_is_sent"],
    ),
    (
        "3.4",
        "a certificate that does not verify, where there are credentials",
        &[
            "nothing_of_the_credentials_goes_to_a_server_that_is_not_verified",
            "credentials_go_to_a_verified_server_only",
        ],
    ),
    ("3.5", "a refused STARTTLS, where there are credentials", &["credentials_go_to_a_verified_server_only"]),
    ("3.6", "state from before TLS", &["a_login_is_not_carried_into_tls"]),
    ("3.7", "a second AUTH", &["a_response_too_long_for_the_line_waits_for_its_own"]),
    (
        "3.8",
        "a stronger mechanism that fails so that a weaker one follows",
        &["the_strongest_mechanism_is_used_and_nothing_weaker_follows_a_failure"],
    ),
    (
        "3.9",
        "SCRAM: a changed nonce, absurd iterations, an unknown extension",
        &["a_scram_server_that_cheats_gets_no_proof"],
    ),
    ("3.10", "success without proof", &["a_server_that_accepts_without_proof_is_left"]),
    ("3.11", "challenges without end", &["a_password_is_said_once_however_often_a_server_asks"]),
    (
        "3.12",
        "a message that requires TLS, at a server without",
        &["a_message_that_requires_tls_goes_to_a_verified_server_that_offers_it"],
    ),
    (
        "4.1",
        "replies and EHLO lists without end",
        &[
            "replies_without_end_end_the_session_and_hold_no_memory",
            "a_reply_without_end_is_bounded",
            "ten_thousand_lines_are_one_reply_whose_text_is_cut",
            "an_absurd_offer_is_read_and_changes_nothing_else",
        ],
    ),
    ("4.2", "an octet just before each deadline", &["a_server_that_drips_gains_no_time_wherever_it_does"]),
    ("4.3", "a server that never reads", &["a_server_that_never_reads_bounds_what_is_queued"]),
    ("4.4", "SCRAM that computes for long", &["a_scram_server_that_cheats_gets_no_proof"]),
    (
        "6.1",
        "secrets in Debug, errors, transcripts",
        &["no_secret_shows_in_debug_or_in_a_transcript", "no_debug_of_a_session_shows_a_secret"],
    ),
];

#[test]
fn each_threat_has_a_test_that_is_there() {
    let sources = concat!(include_str!("client_security.rs"), include_str!("client_hostile.rs"));
    for (number, threat, tests) in THREATS {
        assert!(!tests.is_empty(), "{number}, {threat}");
        for test in *tests {
            assert!(sources.contains(&format!("#[test]\nfn {test}() {{")), "{number}, {threat}: no {test}");
        }
    }
    let numbers: Vec<_> = THREATS.iter().map(|threat| threat.0).collect();
    assert_eq!(numbers, NUMBERS);
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len(), "each once");
}
