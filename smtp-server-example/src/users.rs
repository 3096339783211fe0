//! The `user` commands: who is there, and with which password.

mod import;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use crate::cli::{self, Import};
use crate::config::{self, Config};
use crate::failure::{Failure, Kind};
use crate::people::{Account, Accounts, Passwords, People, random_text};

/// Runs one; returns what to print.
pub(crate) fn run(command: cli::User) -> Result<String, Failure> {
    match command {
        cli::User::Add(add) => {
            let config = Config::read(&add.config)?;
            let listed = config::User { mailbox: add.mailbox.clone(), ..config::User::named(&add.name) };
            config::check_user(&config, &listed).map_err(usage)?;
            let (hash, said) = Secret::ask(&config, &add.name, add.generate)?;
            edit(&config, |accounts| {
                if accounts.find(&add.name).is_some() {
                    return Err(usage(format!("`{}` is there already", add.name))
                        .help("`user passwd` sets another password"));
                }
                accounts.user.push(Account {
                    name: add.name.clone(),
                    mailbox: add.mailbox.clone(),
                    ..hash.account()
                });
                Ok(format!("added {}\n{said}", add.name))
            })
        }
        cli::User::Passwd(passwd) => {
            let config = Config::read(&passwd.config)?;
            let known = People::open(&config)?.known();
            let user = known.directory.login(&passwd.name).ok_or_else(|| {
                usage(format!("nobody is called `{}`", passwd.name)).help("`user list` shows who there is")
            })?;
            let (secret, said) = Secret::ask(&config, &user.name, passwd.generate)?;
            edit(&config, |accounts| {
                let fresh = secret.account();
                match accounts.find_mut(&user.name) {
                    Some(account) => {
                        (account.password, account.scram_sha_256) = (fresh.password, fresh.scram_sha_256);
                        account.disabled = false;
                    }
                    None => accounts.user.push(Account { name: user.name.clone(), ..fresh }),
                }
                Ok(format!("{} has a new password\n{said}", user.name))
            })
        }
        cli::User::List(list) => {
            let config = Config::read(&list.config)?;
            let accounts = Accounts::read(&config.users_file())?;
            Ok(table(&People::open(&config)?, &accounts))
        }
        cli::User::Import(import) => {
            let config = Config::read(&import.config)?;
            import_files(&config, &import)
        }
    }
}

fn usage(what: impl Into<String>) -> Failure {
    Failure::new(Kind::Usage, what)
}

/// Changes the users' file, unless the server could not read it afterwards.
fn edit<T>(config: &Config, change: impl FnOnce(&mut Accounts) -> Result<T, Failure>) -> Result<T, Failure> {
    Accounts::edit(&config.users_file(), |accounts| {
        let result = change(accounts)?;
        People::check(config, accounts.clone())?;
        Ok(result)
    })
}

/// A new password, hashed.
struct Secret {
    password: String,
    keys: String,
}

impl Secret {
    /// Reads a password from standard input, or makes one up, which is then told.
    fn ask(config: &Config, name: &str, generate: bool) -> Result<(Self, String), Failure> {
        let (word, said) = if generate {
            let word = random_text();
            let said = format!("password: {word}\n");
            (word, said)
        } else {
            (read_password(name)?, String::new())
        };
        Ok((Self::of(config, &word)?, said))
    }

    fn of(config: &Config, word: &str) -> Result<Self, Failure> {
        let wrong = |what| usage(format!("that is no password: {what}"));
        let hasher = Passwords::new(&config.auth).map_err(wrong)?;
        let (password, keys) = (hasher.hash(word).map_err(wrong)?, hasher.keys(word).map_err(wrong)?);
        Ok(Self { password, keys: keys.to_text() })
    }

    fn account(&self) -> Account {
        Account {
            password: Some(self.password.clone()),
            scram_sha_256: Some(self.keys.clone()),
            ..Account::default()
        }
    }
}

/// One line of standard input. Not an argument: everybody on the machine can see those.
fn read_password(name: &str) -> Result<String, Failure> {
    if io::stdin().is_terminal() {
        eprintln!("Password for {name} (it shows while you type; --generate makes one up):");
    }
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Failure::new(Kind::Io, format!("can't read standard input: {error}")))?;
    let word = line.trim_end_matches(['\r', '\n']);
    if word.is_empty() {
        return Err(usage("no password was given").help("write it to standard input, or use --generate"));
    }
    Ok(word.to_owned())
}

/// Everybody, with how they can log in.
fn table(people: &People, accounts: &Accounts) -> String {
    let mut out = format!("{:<24} {:<16} {:<6} mailbox\n", "name", "log-in", "scram");
    for user in people.known().directory.users() {
        let account = accounts.find(&user.name);
        let login = match account {
            Some(account) if account.disabled => "disabled",
            Some(account) if account.is_enabled() => "yes",
            _ => "no password",
        };
        let keys = account.is_some_and(|account| account.scram_sha_256.is_some());
        let scram = if keys { "yes" } else { "no" };
        let folder = people.config().data.join(&user.mailbox);
        // INVARIANT: writing to a String does not fail.
        let _ = writeln!(out, "{:<24} {login:<16} {scram:<6} {}", user.name, folder.display());
    }
    let lacking: Vec<_> = accounts.user.iter().filter(|account| account.lacks_keys()).collect();
    if !lacking.is_empty() {
        let names: Vec<_> = lacking.iter().map(|account| account.name.as_str()).collect();
        let _ = writeln!(
            out,
            "\nSCRAM is not offered: {} lack keys, until they log in with PLAIN or get a new password.",
            names.join(", ")
        );
    }
    out
}

fn import_files(config: &Config, import: &Import) -> Result<String, Failure> {
    let read = |path: &Path| {
        fs::read_to_string(path)
            .map_err(|error| Failure::new(Kind::NoInput, format!("can't read {}: {error}", path.display())))
    };
    let mut found = import::Found::default();
    if let Some(path) = &import.aliases {
        found.aliases(&read(path)?);
    }
    if let Some(path) = &import.passwd_file {
        found.passwd_file(&read(path)?, |word| {
            Secret::of(config, word).map(|secret| secret.account()).map_err(|error| error.to_string())
        });
    }
    edit(config, |accounts| {
        let mut said = String::new();
        for account in std::mem::take(&mut found.accounts) {
            if accounts.find(&account.name).is_some() {
                found.notes.push(format!("{}: is there already, left as it was", account.name));
            } else {
                let _ = writeln!(said, "user {}", account.name);
                accounts.user.push(account);
            }
        }
        for alias in std::mem::take(&mut found.aliases) {
            let there =
                accounts.alias.iter().chain(&config.alias).any(|known| known.address == alias.address);
            if there {
                found.notes.push(format!("{}: is there already, left as it was", alias.address));
            } else {
                let _ = writeln!(said, "alias {}: {}", alias.address, alias.to.join(", "));
                accounts.alias.push(alias);
            }
        }
        for note in &found.notes {
            let _ = writeln!(said, "note: {note}");
        }
        Ok(said)
    })
}
