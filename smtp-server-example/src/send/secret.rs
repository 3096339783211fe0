//! The password, from where others can't see it.

use std::fs;
use std::io::{self, IsTerminal};

use console::Term;

use super::options::Send;
use crate::failure::{Failure, Kind};

/// The variable of the environment that holds it.
const VARIABLE: &str = "SMTP_PASSWORD";

/// The password of `user`: of a file, of the environment, or typed unseen.
pub(crate) fn password(options: &Send, user: &str) -> Result<String, Failure> {
    if let Some(file) = &options.password_file {
        let text = fs::read_to_string(file).map_err(|error| {
            Failure::new(Kind::NoInput, format!("can't read the password from {}: {error}", file.display()))
        })?;
        return checked(text.lines().next().unwrap_or_default().to_owned());
    }
    if let Ok(password) = std::env::var(VARIABLE) {
        return checked(password);
    }
    if !io::stderr().is_terminal() {
        let what = format!("no password for {user}, and no terminal to ask for it");
        return Err(usage(what).help(format!("set {VARIABLE}, or name a file with --password-file")));
    }
    eprint!("Password for {user}: ");
    let typed = Term::stderr().read_secure_line();
    checked(typed.map_err(|error| usage(format!("no password was typed: {error}")))?)
}

fn checked(password: String) -> Result<String, Failure> {
    if password.is_empty() { Err(usage("the password is empty")) } else { Ok(password) }
}

fn usage(what: impl Into<String>) -> Failure {
    Failure::new(Kind::Usage, what)
}
