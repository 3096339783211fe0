//! Our client against our server: every mechanism, good and bad secrets, and octets of every kind.
#![cfg(all(feature = "scram", feature = "cram-md5"))]

use proptest::prelude::*;
use smtp_proto::sasl::client::{self, Answer, Credentials, Failure, NoMechanism, StartError, Trust, select};
use smtp_proto::sasl::server::{self, Next, Offer};
use smtp_proto::sasl::{self, Bindings, Mechanism, ScramHash, ScramKeys, Trap};
use smtp_proto::wire::base64::{self, Base64};

const ALL: [Mechanism; 11] = [
    Mechanism::PLAIN,
    Mechanism::LOGIN,
    Mechanism::CRAM_MD5,
    Mechanism::SCRAM_SHA_1,
    Mechanism::SCRAM_SHA_1_PLUS,
    Mechanism::SCRAM_SHA_256,
    Mechanism::SCRAM_SHA_256_PLUS,
    Mechanism::XOAUTH2,
    Mechanism::OAUTHBEARER,
    Mechanism::EXTERNAL,
    Mechanism::ANONYMOUS,
];

fn offer() -> Offer {
    Offer::new(&ALL).scram(b"the same over restarts", 4_096).cram_md5("mx.example")
}

/// One user, who may act as those whose name begins with theirs.
struct Users<'u> {
    name: &'u str,
    secret: &'u str,
}

impl Users<'_> {
    /// Answers questions until something must be sent.
    fn answer<'x>(&self, mut next: Next<'x>) -> Next<'x> {
        loop {
            next = match next {
                Next::Password(ask) => {
                    let good = ask.user() == self.name
                        && sasl::same(ask.password().as_bytes(), self.secret.as_bytes());
                    ask.decide(good)
                }
                Next::Keys(ask) => {
                    let keys = (ask.user() == self.name).then(|| self.keys(ask.hash()));
                    ask.decide(keys.as_ref())
                }
                Next::SharedSecret(ask) => {
                    let secret = (ask.user() == self.name).then_some(self.secret);
                    ask.decide(secret)
                }
                Next::Token(ask) if ask.matches(self.secret) => ask.accept(self.name),
                Next::External(ask) => ask.accept(self.name),
                Next::Anonymous(ask) => ask.accept("nobody"),
                Next::Authorize(ask) => {
                    let allowed = ask.authzid().starts_with(ask.user());
                    ask.decide(allowed)
                }
                Next::Challenge(_) | Next::Done(_) | Next::Refused(_) => return next,
                other => other.or_refuse(),
            };
        }
    }

    /// Weak on purpose: what is tested here is not how long it takes.
    fn keys(&self, hash: ScramHash) -> ScramKeys {
        ScramKeys::derive(hash, self.secret, b"sixteen octets..", 4_096).unwrap()
    }
}

/// Plays an exchange and returns who the server takes the client for and what the client thinks of it.
fn play(
    mechanism: Mechanism,
    credentials: &Credentials,
    users: &Users<'_>,
    bindings: (&Bindings, &Bindings),
) -> (Option<String>, Result<(), Failure>) {
    let inputs = client::Inputs::new(&[1; 24], ALL).bindings(bindings.0.clone()).server("mx.example", 587);
    let mut client = client::Exchange::start(mechanism, credentials, &inputs).unwrap();
    let inputs = server::Inputs::new([2; 32], 1_700_000_000).bindings(bindings.1.clone());
    let mut server = server::Exchange::start(mechanism, &offer(), inputs);
    let mut sent = client.initial().map(base64::encoded);
    for _ in 0..8 {
        let response = sent.as_deref().map(|text| Base64::parse(text).unwrap());
        match users.answer(server.step(response)) {
            Next::Done(user) => return (Some(user.into()), client.finish(235)),
            Next::Refused(reply) => return (None, client.finish(reply.code())),
            Next::Challenge(octets) => match client.answer(octets) {
                Answer::Send(octets) => sent = Some(base64::encoded(octets)),
                Answer::Cancel(_) => return (None, client.finish(501)),
            },
            other => panic!("{other:?} was answered"),
        }
    }
    panic!("{mechanism} does not end");
}

fn credentials(mechanism: Mechanism, user: &str, secret: &str) -> Credentials {
    match mechanism {
        Mechanism::XOAUTH2 | Mechanism::OAUTHBEARER => Credentials::token(user, secret),
        Mechanism::EXTERNAL => Credentials::external(),
        Mechanism::ANONYMOUS => Credentials::anonymous(user),
        _ => Credentials::password(user, secret),
    }
}

fn bound() -> Bindings {
    Bindings::new().exporter([3; 32])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_right_secret_opens_and_a_wrong_one_does_not(
        user in "[a-z=, @.]{1,12}", secret in "[!-~]{1,20}", wrong in "[!-~]{1,20}",
    ) {
        let users = Users { name: &user, secret: &secret };
        for mechanism in ALL {
            let play = |secret: &str| play(mechanism, &credentials(mechanism, &user, secret), &users, (&bound(), &bound()));
            let identity = if mechanism == Mechanism::ANONYMOUS { "nobody" } else { &user };
            prop_assert_eq!(play(&secret), (Some(identity.into()), Ok(())), "{}", mechanism);
            let asked = ![Mechanism::EXTERNAL, Mechanism::ANONYMOUS].contains(&mechanism);
            if asked && wrong != secret {
                let (who, result) = play(&wrong);
                prop_assert_eq!(who, None, "{}", mechanism);
                prop_assert!(result.is_err(), "{}", mechanism);
            }
        }
    }
}

proptest! {
    #[test]
    fn no_octets_upset_a_server_or_get_in(steps: Vec<Vec<u8>>, mechanism in 0..ALL.len(), seeds: [u8; 3]) {
        let users = Users { name: "tim", secret: "a secret that no octets hold by chance" };
        let inputs = server::Inputs::new([seeds[0]; 32], 0).bindings(bound());
        let mut server = server::Exchange::start(ALL[mechanism], &offer(), inputs);
        let asks = ![Mechanism::EXTERNAL, Mechanism::ANONYMOUS].contains(&ALL[mechanism]);
        for octets in &steps {
            let text = base64::encoded(octets);
            let next = users.answer(server.step(Some(Base64::parse(&text).unwrap())));
            prop_assert!(!(asks && matches!(next, Next::Done(_))));
        }
    }

    #[test]
    fn no_octets_upset_a_client_or_pass_for_a_server(steps: Vec<Vec<u8>>, mechanism in 0..ALL.len()) {
        let mechanism = ALL[mechanism];
        let inputs = client::Inputs::new(&[1; 24], ALL).bindings(bound());
        let mut client = client::Exchange::start(mechanism, &credentials(mechanism, "tim", "pw"), &inputs).unwrap();
        for octets in &steps {
            let _ = client.answer_text(octets);
        }
        if mechanism.is_scram() {
            prop_assert!(client.finish(235).is_err());
        }
    }

    #[test]
    fn a_trap_takes_any_octets(steps: Vec<Option<Vec<u8>>>, mechanisms in prop::collection::vec(0..ALL.len(), 8)) {
        let mut trap = Trap::new();
        for (octets, mechanism) in steps.iter().zip(mechanisms) {
            let text = octets.as_deref().map(base64::encoded);
            let _ = trap.step(ALL[mechanism], text.as_deref().map(|text| Base64::parse(text).unwrap()));
        }
    }

    #[test]
    fn what_is_selected_can_be_started(
        user in "[ -~\\x00-\\x1F\u{AD}ª😀]{0,3}", secret in "[ -~\\x00-\\x1F\u{AD}ª😀]{0,3}",
        kind in 0..ALL.len(), offered in prop::sample::subsequence(&ALL[..], 0..=ALL.len()), plus: bool, clear: bool,
    ) {
        let credentials = credentials(ALL[kind], &user, &secret);
        let bindings = if plus { bound() } else { Bindings::new() };
        let trust = if clear { Trust::Insecure } else { Trust::Verified };
        if let Ok(mechanism) = select(offered.clone(), &credentials, &bindings, trust) {
            prop_assert!(offered.contains(&mechanism));
            let inputs = client::Inputs::new(&[1; 24], offered).bindings(bindings);
            prop_assert!(client::Exchange::start(mechanism, &credentials, &inputs).is_ok());
        }
    }
}

#[test]
fn acting_as_somebody_else_is_asked_apart() {
    let users = Users { name: "tim", secret: "pw" };
    for mechanism in ALL {
        let credentials = credentials(mechanism, "tim", "pw");
        let play = |authzid| {
            let credentials = credentials.clone().acting_as(authzid);
            let inputs = client::Inputs::new(&[1; 24], ALL).bindings(bound());
            client::Exchange::start(mechanism, &credentials, &inputs).ok()?;
            Some(play(mechanism, &credentials, &users, (&bound(), &bound())))
        };
        // LOGIN, CRAM-MD5, XOAUTH2 and ANONYMOUS have no place for it.
        let Some((allowed, result)) = play("timothy") else { continue };
        assert_eq!((allowed.as_deref(), result), (Some("timothy"), Ok(())), "{mechanism}");
        let (refused, result) = play("root").unwrap();
        assert_eq!(refused, None, "{mechanism}");
        assert!(result.is_err(), "{mechanism}");
    }
}

#[test]
fn two_tls_connections_do_not_make_one_channel() {
    let users = Users { name: "tim", secret: "pw" };
    let credentials = Credentials::password("tim", "pw");
    let theirs = Bindings::new().exporter([4; 32]);
    let ours = bound();
    let play = |theirs| play(Mechanism::SCRAM_SHA_256_PLUS, &credentials, &users, (&ours, theirs));
    assert_eq!(play(&theirs), (None, Err(Failure::Said)));
    // The server has no exporter, so the type is not one it knows.
    assert_eq!(play(&Bindings::new().end_point(&[5; 32])), (None, Err(Failure::Said)));
}

#[test]
fn a_stripped_plus_is_noticed() {
    let users = Users { name: "tim", secret: "pw" };
    let inputs = client::Inputs::new(&[1; 24], [Mechanism::SCRAM_SHA_256]).bindings(bound());
    let credentials = Credentials::password("tim", "pw");
    let mut client = client::Exchange::start(Mechanism::SCRAM_SHA_256, &credentials, &inputs).unwrap();
    let first = base64::encoded(client.initial().unwrap());
    let inputs = server::Inputs::new([2; 32], 0).bindings(bound());
    let mut server = server::Exchange::start(Mechanism::SCRAM_SHA_256, &offer(), inputs);
    let next = users.answer(server.step(Some(Base64::parse(&first).unwrap())));
    assert!(matches!(next, Next::Challenge(b"e=server-does-support-channel-binding")), "{next:?}");
}

#[test]
fn an_unknown_user_looks_like_a_known_one() {
    let users = Users { name: "tim", secret: "pw" };
    let first = |user: &str, random: u8| {
        let inputs = client::Inputs::new(&[1; 24], ALL);
        let credentials = Credentials::password(user, "guess");
        let mut client = client::Exchange::start(Mechanism::SCRAM_SHA_256, &credentials, &inputs).unwrap();
        let first = base64::encoded(client.initial().unwrap());
        let mut server =
            server::Exchange::start(Mechanism::SCRAM_SHA_256, &offer(), server::Inputs::new([random; 32], 0));
        let Next::Challenge(server_first) = users.answer(server.step(Some(Base64::parse(&first).unwrap())))
        else {
            panic!("a server's first message");
        };
        let server_first = String::from_utf8(server_first.into()).unwrap();
        let Answer::Send(last) = client.answer(server_first.as_bytes()) else { panic!("a proof") };
        let last = base64::encoded(last);
        let Next::Challenge(error) = users.answer(server.step(Some(Base64::parse(&last).unwrap()))) else {
            panic!("a server's last message");
        };
        assert_eq!(error, b"e=invalid-proof");
        let (_, salt) = server_first.split_once(",s=").unwrap();
        salt.to_owned()
    };
    // The same salt each time, of the same length and iterations as a real one.
    assert_eq!(first("ghost", 1), first("ghost", 2));
    assert_ne!(first("ghost", 1), first("spook", 1));
    assert_eq!(first("ghost", 1).len(), first("tim", 1).len());
}

#[test]
fn a_question_that_is_dropped_refuses() {
    let mut server = server::Exchange::start(Mechanism::PLAIN, &offer(), server::Inputs::new([2; 32], 0));
    let message = base64::encoded(b"\0tim\0pw");
    assert!(matches!(server.step(Some(Base64::parse(&message).unwrap())), Next::Password(_)));
    for _ in 0..2 {
        let next = server.step(Some(Base64::parse(&message).unwrap()));
        assert!(matches!(&next, Next::Refused(reply) if reply.code() == 454), "{next:?}");
    }
}

#[test]
fn a_question_may_be_held_while_a_database_is_asked() {
    fn is_send<T: Send>() {}
    is_send::<Next<'_>>();
    is_send::<server::Exchange>();
    is_send::<client::Exchange>();
    is_send::<Trap>();
}

#[test]
fn what_can_not_be_offered_is_not() {
    let announced = |offer: &Offer, bindings: &Bindings| offer.mechanisms(bindings).collect::<Vec<_>>();
    let plain = [Mechanism::PLAIN, Mechanism::SCRAM_SHA_256, Mechanism::CRAM_MD5];
    assert_eq!(announced(&Offer::new(&plain), &bound()), [Mechanism::PLAIN], "neither has what it needs");
    assert_eq!(announced(&offer(), &bound()), ALL);
    let unbound: Vec<_> = ALL.into_iter().filter(|mechanism| !mechanism.binds_channel()).collect();
    assert_eq!(announced(&offer(), &Bindings::new()), unbound);
    let unknown = Mechanism::parse(b"GSSAPI").unwrap();
    assert_eq!(announced(&Offer::new(&[unknown]), &bound()), []);
    for mechanism in [unknown, Mechanism::SCRAM_SHA_256_PLUS] {
        let mut server = server::Exchange::start(mechanism, &offer(), server::Inputs::new([2; 32], 0));
        let next = server.step(None);
        assert!(matches!(&next, Next::Refused(reply) if reply.code() == 504), "{mechanism}: {next:?}");
    }
}

/// Offered, credentials, bindings, trust, selected, and why.
type Choice<'c> = (&'c [Mechanism], Credentials, Bindings, Trust, Result<Mechanism, NoMechanism>, &'c str);

#[test]
fn the_strongest_mechanism_is_selected() {
    let password = || Credentials::password("tim", "pw");
    let none = Bindings::new;
    let gssapi = Mechanism::parse(b"GSSAPI").unwrap();
    let table: &[Choice<'_>] = &[
        (
            &ALL,
            password(),
            bound(),
            Trust::Verified,
            Ok(Mechanism::SCRAM_SHA_256_PLUS),
            "bound to the channel",
        ),
        (&ALL, password(), none(), Trust::Verified, Ok(Mechanism::SCRAM_SHA_256), "nothing to bind to"),
        (&ALL, password(), bound(), Trust::Insecure, Ok(Mechanism::SCRAM_SHA_256), "no verified channel"),
        (&ALL, password(), none(), Trust::None, Err(NoMechanism::Untrusted), "nothing without trust"),
        (&ALL[..3], password(), none(), Trust::Verified, Ok(Mechanism::PLAIN), "not CRAM-MD5 under TLS"),
        (
            &ALL[..3],
            password(),
            none(),
            Trust::Insecure,
            Ok(Mechanism::CRAM_MD5),
            "not the password in clear",
        ),
        (
            &ALL,
            password().acting_as("x"),
            none(),
            Trust::Verified,
            Ok(Mechanism::SCRAM_SHA_256),
            "SCRAM can say it",
        ),
        (
            &[Mechanism::LOGIN, Mechanism::CRAM_MD5],
            password().acting_as("x"),
            none(),
            Trust::Verified,
            Err(NoMechanism::NoneInCommon),
            "neither can say who to act as",
        ),
        (
            &ALL,
            password().only(&[Mechanism::LOGIN]),
            none(),
            Trust::Verified,
            Ok(Mechanism::LOGIN),
            "as wished",
        ),
        (
            &ALL,
            Credentials::password("tim", "p😀"),
            none(),
            Trust::Verified,
            Ok(Mechanism::PLAIN),
            "SCRAM can't store it",
        ),
        (
            &ALL,
            Credentials::token("tim", "t"),
            none(),
            Trust::Verified,
            Ok(Mechanism::OAUTHBEARER),
            "the standard one",
        ),
        (&[gssapi], password(), none(), Trust::Verified, Err(NoMechanism::NoneInCommon), "not spoken here"),
        (&[], password(), none(), Trust::Verified, Err(NoMechanism::NoneInCommon), "nothing offered"),
    ];
    for (offered, credentials, bindings, trust, selected, why) in table {
        assert_eq!(select(offered.iter().copied(), credentials, bindings, *trust), *selected, "{why}");
    }
}

#[test]
fn nothing_that_would_end_a_field_is_sent() {
    let table: &[(Mechanism, Credentials, &str)] = &[
        (Mechanism::PLAIN, Credentials::password("tim\0root", "pw"), "NUL ends PLAIN's user"),
        (Mechanism::PLAIN, Credentials::password("tim", "p\0w"), "a password holds no NUL"),
        (Mechanism::PLAIN, Credentials::password("", "pw"), "no user"),
        (Mechanism::LOGIN, Credentials::password("tim", ""), "no password"),
        (Mechanism::XOAUTH2, Credentials::token("tim\x01auth=Bearer x", "t"), "^A ends XOAUTH2's user"),
        (Mechanism::XOAUTH2, Credentials::token("", "t"), "XOAUTH2 needs a user"),
        (Mechanism::OAUTHBEARER, Credentials::token("", "t\x01host=x"), "^A ends a token"),
        (Mechanism::OAUTHBEARER, Credentials::token("tim\x01", "t"), "^A ends the header"),
        (Mechanism::SCRAM_SHA_256, Credentials::password("\u{AD}", "pw"), "prepared it is empty"),
        (Mechanism::EXTERNAL, Credentials::external().acting_as("a\0b"), "NUL"),
        (Mechanism::ANONYMOUS, Credentials::anonymous("x".repeat(256)), "too long a trace"),
    ];
    for (mechanism, credentials, why) in table {
        let inputs = client::Inputs::new(&[1; 24], ALL);
        let started = client::Exchange::start(*mechanism, credentials, &inputs).map(|_| ());
        assert_eq!(started, Err(StartError::Character), "{why}");
    }
}

#[test]
fn servers_that_explain_themselves_are_understood() {
    let start = |mechanism: Mechanism| {
        let inputs = client::Inputs::new(&[1; 24], ALL);
        client::Exchange::start(mechanism, &credentials(mechanism, "tim", "pw"), &inputs).unwrap()
    };
    // Text that is no base64 where the client only has to go on.
    assert_eq!(start(Mechanism::PLAIN).answer_text(b"PLAIN supported"), Answer::Send(b"\0tim\0pw"));
    let mut login = start(Mechanism::LOGIN);
    assert_eq!(login.initial(), None);
    assert_eq!(login.answer_text(b"Username:"), Answer::Send(b"tim"));
    assert_eq!(login.answer_text(b"Password:"), Answer::Send(b"pw"));
    assert_eq!(login.answer_text(b""), Answer::Cancel(Failure::Unexpected));
    // Where it has to be read it must be readable.
    assert_eq!(start(Mechanism::CRAM_MD5).answer_text(b"<1.2@x>"), Answer::Cancel(Failure::Base64));
    // A refusal is kept as it came.
    let mut token = start(Mechanism::XOAUTH2);
    assert!(token.initial().is_some());
    assert_eq!(token.answer_text(&base64::encoded(b"{\"status\":\"401\"}")), Answer::Send(b""));
    assert_eq!(token.server_said(), Some(&b"{\"status\":\"401\"}"[..]));
    assert_eq!(token.finish(535), Err(Failure::Said));
}

#[test]
fn success_before_the_end_is_none() {
    for mechanism in [Mechanism::PLAIN, Mechanism::LOGIN, Mechanism::CRAM_MD5] {
        let inputs = client::Inputs::new(&[1; 24], ALL);
        let client =
            client::Exchange::start(mechanism, &credentials(mechanism, "tim", "pw"), &inputs).unwrap();
        assert_eq!(client.finish(235), Err(Failure::Unproven), "{mechanism}: nothing was sent");
    }
}

#[test]
fn no_debug_shows_a_secret() {
    let offer = Offer::new(&ALL).scram(b"hunter2", 4_096);
    let mut shown = format!("{offer:?}");
    for mechanism in ALL {
        let credentials = credentials(mechanism, "tim", "hunter2");
        let inputs = client::Inputs::new(&[1; 24], ALL).bindings(bound());
        let mut client = client::Exchange::start(mechanism, &credentials, &inputs).unwrap();
        let mut server = server::Exchange::start(mechanism, &offer, server::Inputs::new([2; 32], 0));
        let first = client.initial().map(base64::encoded);
        shown += &format!("{credentials:?}{client:?}{inputs:?}{server:?}");
        let response = first.as_deref().map(|text| Base64::parse(text).unwrap());
        shown += &format!("{response:?}{:?}", server.step(response));
        let mut trap = Trap::new();
        shown += &format!("{:?}", trap.step(mechanism, response));
        shown += &format!("{server:?}{trap:?}");
    }
    for secret in ["hunter2", "aHVudGVyMg", "104, 117, 110"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("<redacted 7 octets>"), "{shown}");
}
