//! Who has mail here, and who can log in.

use super::{Findings, Site};
use crate::failure::Kind;
use crate::people::{Accounts, People};

pub(super) fn check(site: &Site, findings: &mut Findings) {
    let config = &site.config;
    let people = match People::open(config) {
        Ok(people) => people,
        Err(failure) => {
            return findings.fail(
                Kind::Config,
                "users",
                failure.what(),
                "the server does not start",
                failure.remedy().unwrap_or("mend what it names"),
            );
        }
    };
    let known = people.known();
    findings.ok("users", format!("{} have mail here", known.directory.users().len()));
    let accounts = Accounts::read(&config.users_file()).unwrap_or_default();
    let enabled = accounts.user.iter().filter(|account| account.is_enabled()).count();
    if enabled == 0 {
        if config.listener.iter().any(|listener| listener.kind.is_submission()) {
            findings.warn(
                "log-in",
                "nobody can log in",
                "the listeners for users are of no use",
                "add a password: user passwd NAME",
            );
        }
        return;
    }
    let lacking: Vec<_> = accounts
        .user
        .iter()
        .filter(|account| account.lacks_keys())
        .map(|account| account.name.as_str())
        .collect();
    match lacking.is_empty() {
        true => findings.ok("log-in", format!("{enabled} can log in, SCRAM is offered")),
        false => findings.warn(
            "log-in",
            format!("{} lack SCRAM keys", lacking.join(", ")),
            "SCRAM is offered to nobody until all have them",
            "they get them when they log in once with PLAIN, or by user passwd NAME",
        ),
    }
}
