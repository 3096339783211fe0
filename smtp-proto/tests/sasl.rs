//! The exchanges of `vectors/sasl.json`: each row is played against our server and, where its client is an honest
//! one, against our client.
#![cfg(all(feature = "scram", feature = "cram-md5"))]

use serde_json::Value;
use smtp_proto::sasl::client::{self, Answer, Credentials};
use smtp_proto::sasl::server::{self, Next, Offer};
use smtp_proto::sasl::{Bindings, Mechanism, Nonce, ScramHash, ScramKeys, TokenHints, saslprep};
use smtp_proto::wire::base64::{self, Base64};

/// Rows whose server does what ours never does: they are there for the client.
const SCRIPTED_SERVERS: &[(&str, &str)] = &[
    ("S073", "other prompts"),
    ("S074", "no prompts"),
    ("S098", "fails without a last message"),
    ("S104", "changes the nonce"),
    ("S105", "wrong signature"),
    ("S106", "too few iterations"),
    ("S114", "fails without a last message"),
    ("S120", "changes the nonce"),
    ("S121", "wrong signature"),
    ("S122", "too few iterations"),
    ("S141", "shows who exists; ours makes a salt up and says e=invalid-proof"),
    ("S142", "shows who exists"),
    ("S144", "has an extension"),
    ("S147", "needs an extension"),
    ("S176", "adds no nonce"),
    ("S177", "1 iteration"),
    ("S178", "0 iterations"),
    ("S179", "negative iterations"),
    ("S180", "iterations with a leading zero"),
    ("S181", "iterations that are no number"),
    ("S182", "too many iterations"),
    ("S183", "no iterations"),
    ("S184", "no salt"),
    ("S185", "salt without padding"),
    ("S186", "wrong order"),
    ("S187", "empty first message"),
    ("S188", "error in place of the first message"),
    ("S189", "235 without a last message"),
    ("S190", "error for no reason"),
    ("S191", "signature not base64"),
    ("S192", "signature too short"),
    ("S193", "has an extension"),
    ("S194", "empty last message"),
    ("S203", "refuses a token without JSON"),
    ("S325", "JSON with members that ours does not write"),
    ("S326", "refuses a token without JSON"),
];

/// Rows whose client does what ours does, first and last of each run. The others send what an honest client never
/// sends (a malformed message, a wrong password that is not among the inputs), or cancel for no reason.
#[rustfmt::skip]
const HONEST_CLIENTS: &[(u16, u16)] = &[
    (1, 5), (20, 21), (24, 26), (65, 65), (72, 74), (81, 81), (88, 91), (95, 98), (100, 114), (116, 130),
    (138, 142), (144, 144), (147, 147), (176, 194), (199, 201), (203, 203), (209, 213), (215, 215),
    (218, 219), (233, 238), (243, 247), (322, 323), (325, 326),
];

fn rows() -> Vec<Value> {
    let Value::Array(rows) = serde_json::from_str(include_str!("vectors/sasl.json")).unwrap() else {
        panic!("an array of rows");
    };
    rows
}

fn exchanges() -> impl Iterator<Item = Row> {
    rows().into_iter().filter(|row| row.get("steps").is_some()).map(Row)
}

struct Row(Value);

struct Step {
    from_client: bool,
    octets: Option<Vec<u8>>,
    wire: String,
}

impl Row {
    fn id(&self) -> &str {
        self.0["id"].as_str().unwrap()
    }

    fn why(&self) -> String {
        format!("{}: {}", self.id(), self.0["why"].as_str().unwrap())
    }

    fn result(&self) -> &str {
        self.0["result"].as_str().unwrap()
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::parse(self.0["mechanism"].as_str().unwrap().as_bytes()).unwrap()
    }

    fn input(&self, name: &str) -> Option<&str> {
        self.0["inputs"][name].as_str()
    }

    fn octets(&self, name: &str) -> Option<Vec<u8>> {
        Some(Base64::parse(self.input(name)?.as_bytes()).unwrap().decode())
    }

    fn steps(&self) -> Vec<Step> {
        let step = |step: &Value| Step {
            from_client: step["from"] == "C",
            octets: match (step["octets"].as_str(), step["octets_base64"].as_str()) {
                (Some(text), _) => Some(text.into()),
                (_, Some(text)) => Some(Base64::parse(text.as_bytes()).unwrap().decode()),
                _ => None,
            },
            wire: step["wire"].as_str().unwrap().into(),
        };
        self.0["steps"].as_array().unwrap().iter().map(step).collect()
    }

    /// What the client says first, as octets.
    fn first(&self) -> Vec<u8> {
        self.steps().into_iter().find_map(|step| step.octets.filter(|_| step.from_client)).unwrap_or_default()
    }

    fn may_act_as(&self, authzid: &str) -> bool {
        let list = self.0["inputs"]["may_act_as"].as_array();
        list.is_some_and(|list| list.iter().any(|name| name == authzid))
    }

    fn bindings(&self, side: &str) -> Bindings {
        let first = String::from_utf8_lossy(&self.first()).into_owned();
        match self.octets(&format!("{side}_channel_binding_base64")) {
            Some(octets) if first.starts_with("p=tls-server-end-point") => Bindings::new().end_point(&octets),
            Some(octets) => Bindings::new().exporter(octets.try_into().unwrap()),
            None => Bindings::new(),
        }
    }

    /// The JSON by which the row's server refuses a token.
    fn json(&self) -> Option<Value> {
        let says = |step: &Step| !step.from_client && step.octets.is_some();
        serde_json::from_slice(&self.steps().into_iter().rfind(says)?.octets?).ok()
    }

    fn limit(&self, name: &str) -> usize {
        self.0["inputs"]["limits"][name].as_u64().map_or(usize::MAX, |limit| usize::try_from(limit).unwrap())
    }
}

/// As much of a session as the rows need around our server's exchange.
struct Session<'r> {
    row: &'r Row,
    offer: Offer,
    inputs: server::Inputs,
    exchange: Option<server::Exchange>,
    authenticated: bool,
}

impl<'r> Session<'r> {
    fn new(row: &'r Row) -> Self {
        let mut offered = vec![row.mechanism()];
        let mut bindings = row.bindings("server");
        if row.0["inputs"]["advertise_plus"] == true {
            offered.extend(ScramHash::of(row.mechanism()).map(ScramHash::plus));
            if bindings.is_empty() {
                bindings = Bindings::new().exporter([0; 32]);
            }
        }
        let json = row.json().unwrap_or_default();
        let mut hints = TokenHints::new();
        if let Some(scope) = json["scope"].as_str() {
            hints = hints.scope(scope);
        }
        if let Some(url) = json["openid-configuration"].as_str() {
            hints = hints.openid_configuration(url);
        }
        let mut inputs = server::Inputs::new([7; 32], 0).bindings(bindings);
        if let Some(nonce) = row.input("server_nonce") {
            inputs = inputs.nonce(Nonce::fixed(nonce).unwrap());
        }
        if let Some(challenge) = row.input("challenge") {
            inputs = inputs.challenge(challenge.as_bytes());
        }
        let offer = Offer::new(&offered).scram(b"secret", 4_096).cram_md5("mx.example").tokens(hints);
        Self { row, offer, inputs, exchange: None, authenticated: false }
    }

    /// Answers a line as a server does.
    fn line(&mut self, line: &str) -> String {
        match self.exchange.take() {
            None => self.command(line),
            Some(_) if line == "*" => "501 5.7.0".into(),
            Some(_) if line.len() + 2 > self.row.limit("response_line") => "500 5.5.6".into(),
            Some(mut exchange) => match Base64::parse(line.as_bytes()) {
                Ok(response) => {
                    let said = self.step(&mut exchange, Some(response));
                    self.exchange = Some(exchange).filter(|_| said.starts_with("334"));
                    said
                }
                Err(error) => reply(&error.fault.reply()),
            },
        }
    }

    fn command(&mut self, line: &str) -> String {
        if line.len() + 2 > self.row.limit("command_line") {
            return "500 5.5.6".into();
        }
        if self.authenticated {
            return "503 5.5.1".into();
        }
        let words: Vec<&str> = line.split(' ').collect();
        let (mechanism, response) = match words[1..] {
            [mechanism] => (mechanism, None),
            [mechanism, "="] => (mechanism, Some(Base64::EMPTY)),
            [mechanism, response] if !response.is_empty() => match Base64::parse(response.as_bytes()) {
                Ok(response) => (mechanism, Some(response)),
                Err(_) => return "501".into(),
            },
            _ => return "501".into(),
        };
        let mechanism = Mechanism::parse(mechanism.as_bytes()).unwrap();
        let mut exchange = server::Exchange::start(mechanism, &self.offer, self.inputs.clone());
        let said = self.step(&mut exchange, response);
        self.exchange = Some(exchange).filter(|_| said.starts_with("334"));
        said
    }

    /// The application: one user, as the row has it.
    fn step(&mut self, exchange: &mut server::Exchange, response: Option<Base64<'_>>) -> String {
        let row = self.row;
        let user = row.input("user").unwrap_or_default();
        let password = row.input("password");
        let mut next = exchange.step(response);
        loop {
            next = match next {
                Next::Challenge(octets) => {
                    return format!("334 {}", String::from_utf8(base64::encoded(octets)).unwrap());
                }
                Next::Done(_) => {
                    self.authenticated = true;
                    return "235 2.7.0".into();
                }
                Next::Refused(said) => return reply(&said),
                Next::Password(ask) => {
                    let good = ask.matches(user, password.unwrap_or_default());
                    ask.decide(good)
                }
                Next::Keys(ask) => {
                    let keys = password.filter(|_| ask.user() == user).and_then(|password| {
                        let iterations = row.0["inputs"]["iterations"].as_u64().unwrap();
                        let salt = row.octets("salt_base64").unwrap();
                        ScramKeys::derive(ask.hash(), password, &salt, iterations.try_into().unwrap()).ok()
                    });
                    ask.decide(keys.as_ref())
                }
                Next::SharedSecret(ask) => {
                    let password = password.filter(|_| ask.user() == user);
                    ask.decide(password)
                }
                Next::Token(ask) if ask.matches(row.input("token").unwrap()) => ask.accept(user),
                Next::External(ask) => ask.accept(row.input("external_identity").unwrap_or_default()),
                Next::Anonymous(ask) => ask.accept("anonymous"),
                Next::Authorize(ask) => {
                    let allowed = row.may_act_as(ask.authzid());
                    ask.decide(allowed)
                }
                other => other.or_refuse(),
            };
        }
    }
}

/// Code and enhanced code.
fn reply(reply: &smtp_proto::wire::reply::Reply<'_>) -> String {
    format!("{} {}", reply.code(), reply.enhanced().unwrap())
}

/// Whether `said` is what the row's step wants: all of a 334; code and enhanced code else; the code alone where the
/// command's grammar spoke, whose own vectors are elsewhere.
fn is_wanted(said: &str, wire: &str) -> bool {
    let words: Vec<&str> = wire.split(' ').collect();
    match said.split(' ').count() {
        1 => said == words[0],
        _ if said.starts_with("334") => said == wire,
        _ => said == words[..2].join(" "),
    }
}

/// Where the row's dialogue and our server's part, if they do.
fn play_server(row: &Row) -> Result<(), String> {
    let mut session = Session::new(row);
    let mut said = String::new();
    for step in row.steps() {
        if step.from_client {
            said = session.line(&step.wire);
        } else if !is_wanted(&said, &step.wire) {
            return Err(format!("{}\n  wants {}\n  has   {said}", row.why(), step.wire));
        }
    }
    if session.authenticated != (row.result() == "success") && row.result() != "error" {
        return Err(format!("{}: authenticated {}", row.why(), session.authenticated));
    }
    Ok(())
}

#[test]
fn our_server_answers_as_every_row_wants() {
    for row in exchanges() {
        match (play_server(&row), SCRIPTED_SERVERS.iter().find(|(id, _)| *id == row.id())) {
            (Err(difference), None) => panic!("{difference}"),
            (Ok(()), Some((_, why))) => panic!("{}: listed as scripted ({why}), but ours does so", row.why()),
            _ => {}
        }
    }
}

/// What the row's client logs in with.
fn credentials(row: &Row) -> Credentials {
    let typed = |name: &str| {
        let typed = format!("{name}_as_typed");
        row.input(&format!("client_{name}")).or(row.input(&typed)).or(row.input(name)).unwrap_or_default()
    };
    let first = String::from_utf8_lossy(&row.first()).into_owned();
    let credentials = match row.mechanism() {
        Mechanism::XOAUTH2 | Mechanism::OAUTHBEARER => {
            let token = if first.contains("expired") { "expired" } else { row.input("token").unwrap() };
            let user = if first.starts_with("n,,") { "" } else { row.input("user").unwrap() };
            Credentials::token(user, token)
        }
        Mechanism::EXTERNAL if first.is_empty() => Credentials::external(),
        Mechanism::EXTERNAL => Credentials::external().acting_as(first),
        Mechanism::ANONYMOUS => Credentials::anonymous(first),
        _ => Credentials::password(typed("user"), typed("password")),
    };
    match row.input("authzid") {
        Some(authzid) => credentials.acting_as(authzid),
        None => credentials,
    }
}

/// Where the row's dialogue and our client's part, if they do.
fn play_client(row: &Row) -> Result<(), String> {
    let first = String::from_utf8_lossy(&row.first()).into_owned();
    let mut bindings = row.bindings("client");
    if first.starts_with('y') {
        bindings = Bindings::new().exporter([0; 32]);
    }
    let mut inputs = client::Inputs::new(&[7; 24], [row.mechanism()]).bindings(bindings);
    if let Some(nonce) = row.input("client_nonce") {
        inputs = inputs.nonce(Nonce::fixed(nonce).unwrap());
    }
    if let (true, Some(host)) = (first.contains("host="), row.input("host")) {
        inputs = inputs.server(host, row.0["inputs"]["port"].as_u64().unwrap().try_into().unwrap());
    }
    let mut exchange = client::Exchange::start(row.mechanism(), &credentials(row), &inputs)
        .map_err(|error| format!("{}: {error}", row.why()))?;
    let (mut said, mut code) = (String::new(), 0);
    for step in row.steps() {
        if step.from_client && step.wire.starts_with("AUTH") {
            said = format!("AUTH {}", exchange.mechanism());
            if step.wire.split(' ').count() == 3 {
                said = match exchange.initial() {
                    Some([]) => said + " =",
                    Some(octets) => format!("{said} {}", String::from_utf8(base64::encoded(octets)).unwrap()),
                    None => said,
                };
            }
        }
        if step.from_client {
            let also = row.0["answer_also"].as_array().into_iter().flatten().any(|also| *also == said);
            if step.wire != said && !also {
                return Err(format!("{}\n  wants {}\n  has   {said}", row.why(), step.wire));
            }
        } else if let Some(text) = step.wire.strip_prefix("334 ") {
            said = match exchange.answer_text(text.as_bytes()) {
                Answer::Send(octets) => String::from_utf8(base64::encoded(octets)).unwrap(),
                Answer::Cancel(_) => "*".into(),
            };
        } else {
            code = step.wire[..3].parse().unwrap();
        }
    }
    match (exchange.finish(code), row.result()) {
        (Ok(()), "success") => Ok(()),
        (Err(_), "fail" | "error") => Ok(()),
        (result, wanted) => Err(format!("{}: {result:?}, not {wanted}", row.why())),
    }
}

#[test]
fn our_client_speaks_as_every_honest_client_of_the_rows() {
    let mut honest = Vec::new();
    for row in exchanges() {
        let number: u16 = row.id()[1..].parse().unwrap();
        let listed = HONEST_CLIENTS.iter().any(|&(first, last)| (first..=last).contains(&number));
        match play_client(&row) {
            Err(difference) => assert!(!listed, "{difference}"),
            Ok(()) => honest.push(number),
        }
    }
    assert_eq!(honest, HONEST_CLIENTS.iter().flat_map(|&(first, last)| first..=last).collect::<Vec<_>>());
}

#[test]
fn strings_are_prepared_as_the_rows_want() {
    let prepared = rows().into_iter().filter(|row| row["direction"] == "saslprep");
    let mut count = 0;
    for row in prepared {
        count += 1;
        let input = row["input"].as_str().unwrap();
        let output = match row["kind"].as_str().unwrap() {
            "query" => saslprep::query(input),
            _ => saslprep::stored(input),
        };
        let found = match &output {
            Ok(output) => Ok(output.as_ref()),
            Err(saslprep::PrepError::Prohibited) => Err("prohibited"),
            Err(saslprep::PrepError::Bidi) => Err("bidi"),
            Err(saslprep::PrepError::Unassigned) => Err("unassigned"),
            Err(error) => panic!("{error}"),
        };
        let wanted = row["output"].as_str().ok_or(row["error"].as_str().unwrap_or_default());
        assert_eq!(found, wanted, "{}: {}", row["id"], row["why"]);
    }
    assert_eq!(count, 70);
}
