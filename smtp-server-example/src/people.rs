//! The people: who has mail here, who can log in, and how often.

mod accounts;
mod budget;
mod guard;
mod passwords;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use smtp_proto::sasl::server::Offer;
use smtp_proto::sasl::{Mechanism, ScramKeys};

pub(crate) use self::accounts::{Account, Accounts, Stamp};
use self::budget::Budget;
pub(crate) use self::guard::{Attempt, Guard};
pub(crate) use self::passwords::{Passwords, is_hash, random, random_text};
use crate::config::{self, Config};
use crate::directory::{self, Directory, Sources, User};
use crate::failure::{Failure, Kind};
use crate::live::Live;

/// An hour, in which messages and recipients are counted.
const HOUR: Duration = Duration::from_secs(3_600);

/// Everybody, as the settings and the users' file have it now.
#[derive(Debug)]
pub(crate) struct Known {
    config: Arc<Config>,
    pub(crate) directory: Directory,
    /// By the directory's name.
    accounts: HashMap<String, Account>,
    pub(crate) offer: Offer,
    /// Whether every account that can log in has SCRAM keys.
    scram: bool,
    pub(crate) passwords: Arc<Passwords>,
}

/// The people of a running server.
pub(crate) struct People {
    /// The users' file; a demonstration has none.
    file: Option<PathBuf>,
    /// Of the file as it was read at the start.
    stamp: Option<Stamp>,
    known: Live<Known>,
    /// Held while it is found out what will be known.
    renewing: Mutex<()>,
    pub(crate) guard: Guard,
    sent: Mutex<Sent>,
}

/// What each user sent in the last hour.
struct Sent {
    messages: Budget<String>,
    recipients: Budget<String>,
}

impl Known {
    /// `passwords` are those of the same settings, if there are any.
    fn new(
        config: &Arc<Config>,
        accounts: Accounts,
        passwords: Option<&Arc<Passwords>>,
    ) -> Result<Self, Failure> {
        let passwords =
            passwords.map_or_else(|| Passwords::new(&config.auth).map(Arc::new), |kept| Ok(Arc::clone(kept)));
        let passwords =
            passwords.map_err(|what| Failure::new(Kind::Config, format!("below [auth]: {what}")))?;
        let settings = |user: &config::User| User {
            name: user.name.clone(),
            mailbox: user.folder(),
            senders: user.senders.clone(),
        };
        let mut users: Vec<_> = config.user.iter().map(settings).collect();
        for account in &accounts.user {
            if !users.iter().any(|user| user.name.eq_ignore_ascii_case(&account.name)) {
                let listed =
                    config::User { mailbox: account.mailbox.clone(), ..config::User::named(&account.name) };
                config::check_user(config, &listed).map_err(|what| Failure::new(Kind::Config, what))?;
                users.push(settings(&listed));
            }
        }
        let alias = |alias: &config::Alias| directory::Alias {
            address: alias.address.clone(),
            to: alias.to.clone(),
            sender: Some(alias.sender.clone()).filter(|sender| !sender.is_empty()),
        };
        let directory = Directory::new(Sources {
            domains: config.domains.clone(),
            users,
            aliases: accounts.alias.iter().chain(&config.alias).map(alias).collect(),
            catch_all: config.catch_all.clone(),
            tag_separator: config.tag_separator.clone(),
        })
        .map_err(|what| {
            Failure::new(Kind::Config, what)
                .help("aliases are below [[alias]], in the settings or in the users' file")
        })?;
        let scram =
            accounts.user.iter().any(Account::is_enabled) && !accounts.user.iter().any(Account::lacks_keys);
        let offer = Offer::new(&mechanisms(scram)).scram(accounts.secret(), config.auth.scram_iterations);
        let accounts = accounts.user.into_iter().map(|account| (account.name.to_ascii_lowercase(), account));
        let config = Arc::clone(config);
        Ok(Self { config, directory, accounts: accounts.collect(), offer, scram, passwords })
    }

    /// The user that a login name means, with their account.
    pub(crate) fn account(&self, login: &str) -> Option<(&Arc<User>, &Account)> {
        let user = self.directory.login(login)?;
        let account = self.accounts.get(&user.name.to_ascii_lowercase())?;
        Some((user, account)).filter(|(_, account)| account.is_enabled())
    }

    /// The SCRAM keys of a login name.
    pub(crate) fn keys(&self, login: &str) -> Option<ScramKeys> {
        self.account(login).and_then(|(_, account)| account.keys())
    }

    /// The settings that this is by.
    pub(crate) const fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// What may be offered for logging in.
    pub(crate) fn mechanisms(&self) -> Vec<Mechanism> {
        mechanisms(self.scram)
    }
}

/// SCRAM hides the password from whoever listens, even from us; clients take the first that they know.
fn mechanisms(scram: bool) -> Vec<Mechanism> {
    let strong = [Mechanism::SCRAM_SHA_256_PLUS, Mechanism::SCRAM_SHA_256];
    let mut offered = if scram { strong.to_vec() } else { Vec::new() };
    offered.extend([Mechanism::PLAIN, Mechanism::LOGIN]);
    offered
}

impl People {
    /// Reads the users' file that the settings name.
    pub(crate) fn open(config: &Config) -> Result<Self, Failure> {
        let file = config.users_file();
        let stamp = Stamp::of(&file);
        let accounts = Accounts::read(&file)?;
        Ok(Self { stamp: Some(stamp), ..Self::new(config, accounts, Some(file))? })
    }

    /// With these accounts, which live in memory alone.
    pub(crate) fn in_memory(config: &Config, accounts: Vec<Account>) -> Result<Self, Failure> {
        Self::new(config, Accounts::in_memory(accounts), None)
    }

    fn new(config: &Config, accounts: Accounts, file: Option<PathBuf>) -> Result<Self, Failure> {
        let known = Live::new(Known::new(&Arc::new(config.clone()), accounts, None)?);
        let most = &config.submission;
        let sent = Mutex::new(Sent {
            messages: Budget::new(most.messages_per_hour, HOUR),
            recipients: Budget::new(most.recipients_per_hour, HOUR),
        });
        let guard = Guard::new(&config.auth);
        Ok(Self { file, stamp: None, known, renewing: Mutex::default(), guard, sent })
    }

    /// Whether a server could run with these accounts.
    pub(crate) fn check(config: &Config, accounts: Accounts) -> Result<(), Failure> {
        Known::new(&Arc::new(config.clone()), accounts, None).map(drop)
    }

    /// The settings in force now.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.known().config)
    }

    /// Everybody as of now; hold it for one decision only.
    pub(crate) fn known(&self) -> Arc<Known> {
        self.known.now()
    }

    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// What the users' file was like when it was read first.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        self.stamp.clone()
    }

    /// Reads the users' file again and goes by other settings, if `first` has no objection to who will be known.
    /// After an error everything stays as it was.
    pub(crate) fn renew(
        &self,
        config: &Arc<Config>,
        first: impl FnOnce(&Known) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let _alone = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.known();
        let Some(file) = &self.file else { return Ok(()) };
        let kept = (before.config.auth == config.auth).then_some(&before.passwords);
        let known = Known::new(config, Accounts::read(file)?, kept)?;
        first(&known)?;
        self.known.set(known);
        self.guard.limit(&config.auth);
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.messages.limit(config.submission.messages_per_hour, HOUR);
        sent.recipients.limit(config.submission.recipients_per_hour, HOUR);
        Ok(())
    }

    /// A password that was right gives what the account lacks: SCRAM keys, a hash of today's cost. Blocks.
    pub(crate) fn learn(&self, name: &str, password: &str) -> Result<(), Failure> {
        let Some(file) = &self.file else { return Ok(()) };
        let known = self.known();
        let Some((_, account)) = known.account(name) else { return Ok(()) };
        let stale = account.password.clone().filter(|hash| !known.passwords.is_current(hash));
        let keys = account.keys().filter(|keys| known.passwords.are_current(keys));
        if stale.is_none() && keys.is_some() {
            return Ok(());
        }
        let failed = |what| Failure::new(Kind::System, format!("can't keep what `{name}` proved: {what}"));
        let keys = keys.map_or_else(|| known.passwords.keys(password), Ok).map_err(failed)?;
        let fresh = stale.as_ref().map(|_| known.passwords.hash(password)).transpose().map_err(failed)?;
        Accounts::edit(file, |accounts| {
            // Somebody may have set another password meanwhile: theirs stands.
            if let Some(now) = accounts.find_mut(&account.name).filter(|now| now.password == account.password)
            {
                now.scram_sha_256 = Some(keys.to_text());
                now.password = fresh.or(now.password.take());
            }
            Ok(())
        })
    }

    /// Whether a user may send one more message to one more recipient this hour.
    pub(crate) fn may_send(&self, user: &str, now: Instant) -> bool {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let user = user.to_owned();
        !sent.messages.is_spent(&user, now) && !sent.recipients.is_spent(&user, now)
    }

    /// Counts a message that was taken.
    pub(crate) fn sent(&self, user: &str, recipients: usize, now: Instant) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.messages.spend(user.to_owned(), 1, now);
        sent.recipients.spend(user.to_owned(), u32::try_from(recipients).unwrap_or(u32::MAX), now);
    }
}
