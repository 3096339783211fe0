//! The file of those who can log in. The `user` commands write it, and the server when it learns something.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use smtp_proto::sasl::ScramKeys;

use super::passwords::{is_hash, random_text};
use crate::config::Alias;
use crate::failure::{Failure, Kind};

const HEADING: &str = "\
# Who can log in. Written by `smtp-server-example user` and by the server itself, which reads it again when it changes.
";

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Accounts {
    /// Makes up SCRAM salts for names that nobody has.
    secret: String,
    pub(crate) user: Vec<Account>,
    /// Imported ones; others are in the settings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) alias: Vec<Alias>,
}

/// One who can log in.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    pub(crate) name: String,
    /// Below `data` unless it is absolute. For those who are not in the settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mailbox: Option<PathBuf>,
    /// A PHC string of argon2; without one nobody can log in by password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scram_sha_256: Option<String>,
    /// Gets mail, can't log in.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) disabled: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Shows no secret.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Account {
    /// The SCRAM keys, where there are any.
    pub(crate) fn keys(&self) -> Option<ScramKeys> {
        self.scram_sha_256.as_deref().and_then(ScramKeys::parse)
    }

    /// What a password is compared with: its hash, or the keys that were made of it.
    pub(crate) fn secret(&self) -> Option<&str> {
        self.password.as_deref().or(self.scram_sha_256.as_deref())
    }

    /// Whether there is a way to log in.
    pub(crate) fn is_enabled(&self) -> bool {
        !self.disabled && (self.password.is_some() || self.scram_sha_256.is_some())
    }

    /// Whether it keeps SCRAM from being offered.
    pub(crate) fn lacks_keys(&self) -> bool {
        self.is_enabled() && self.scram_sha_256.is_none()
    }

    fn check(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{what} of `{}` can't be read", self.name.escape_debug()));
        if self.password.as_deref().is_some_and(|hash| !is_hash(hash)) {
            return wrong("the password hash");
        }
        if self.scram_sha_256.is_some() && self.keys().is_none() {
            return wrong("the SCRAM keys");
        }
        Ok(())
    }
}

impl Accounts {
    /// The octets from which SCRAM salts are made up.
    pub(crate) fn secret(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    /// Accounts that are kept in memory alone.
    pub(crate) fn in_memory(user: Vec<Account>) -> Self {
        Self { secret: random_text(), user, alias: Vec::new() }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Account> {
        self.user.iter().find(|account| account.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn find_mut(&mut self, name: &str) -> Option<&mut Account> {
        self.user.iter_mut().find(|account| account.name.eq_ignore_ascii_case(name))
    }

    /// Reads the file; one that is not there is empty.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                let what = format!("can't read {}: {error}", path.display());
                return Err(Failure::new(Kind::NoInput, what)
                    .help("it holds who can log in; make it readable for the user that runs the server"));
            }
        };
        let wrong =
            |what: &dyn fmt::Display| Failure::new(Kind::Config, format!("{}: {what}", path.display()));
        // The error's own text would show the line, which can hold a password's hash.
        let mut accounts: Self = toml::from_str(&text).map_err(|error| wrong(&error.message()))?;
        for (i, account) in accounts.user.iter().enumerate() {
            account.check().map_err(|what| wrong(&what))?;
            if accounts.user[..i].iter().any(|other| other.name.eq_ignore_ascii_case(&account.name)) {
                return Err(wrong(&format!("`{}` is there twice", account.name)));
            }
        }
        if accounts.secret.is_empty() {
            accounts.secret = random_text();
        }
        Ok(accounts)
    }

    /// Changes the file; two who do so at once take turns, and a reader sees it before or after. Nothing is written
    /// when `change` fails.
    pub(crate) fn edit<T>(
        path: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let failed = |error: io::Error| {
            let failure = Failure::new(Kind::CantCreate, format!("can't write {}: {error}", path.display()));
            failure.help(match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "make room there: nothing was changed"
                }
                _ => "run this as the user that runs the server",
            })
        };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            // Mail will be there too, and that is its owner's alone.
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        let lock = private(&path.with_extension("lock"), false).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut accounts = Self::read(path)?;
        let result = change(&mut accounts)?;
        accounts.write(path).map_err(failed)?;
        Ok(result)
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        let fresh = path.with_extension("new");
        let mut file = private(&fresh, true)?;
        file.write_all(format!("{HEADING}{text}").as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        File::open(path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new(".")))?
            .sync_all()
    }
}

/// Opens a file that only its owner can read.
fn private(path: &Path, empty: bool) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(empty).mode(0o600).open(path)
}

/// What changes when the file does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Option<(SystemTime, u64, u64)>);

impl Stamp {
    pub(crate) fn of(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        let stamp = |file: fs::Metadata| Some((file.modified().ok()?, file.len(), file.ino()));
        Self(fs::metadata(path).ok().and_then(stamp))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    fn account(name: &str) -> Account {
        Account { name: name.to_owned(), ..Account::default() }
    }

    #[test]
    fn what_is_written_is_read_and_only_the_owner_can() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("below/users.toml");
        let added = Account { disabled: true, mailbox: Some("a/b".into()), ..account("alice") };
        Accounts::edit(&path, |accounts| {
            accounts.user.push(added.clone());
            Ok(())
        })
        .unwrap();
        let read = Accounts::read(&path).unwrap();
        assert_eq!(read.user, [added]);
        assert_eq!(read.secret(), Accounts::read(&path).unwrap().secret(), "the secret stays");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700), "mail is put there too");
    }

    #[test]
    fn edits_at_once_lose_nothing() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("users.toml");
        std::thread::scope(|scope| {
            for n in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    Accounts::edit(path, |accounts| {
                        accounts.user.push(account(&format!("u{n}")));
                        Ok(())
                    })
                    .unwrap();
                });
            }
        });
        assert_eq!(Accounts::read(&path).unwrap().user.len(), 8);
    }

    #[test]
    fn a_failed_edit_changes_nothing() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("users.toml");
        let failed = Accounts::edit(&path, |accounts| {
            accounts.user.push(account("x"));
            Err::<(), _>(Failure::new(Kind::Usage, "no"))
        });
        assert!(failed.is_err() && !path.exists());
    }

    #[test]
    fn a_wrong_file_is_an_error_that_shows_no_secret() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("users.toml");
        for (text, want, why) in [
            (
                "[[user]]\nname = \"a\"\npassword = \"hunter2\"",
                "the password hash of `a` can't be read",
                "clear text",
            ),
            ("[[user]]\nname = \"a\"\nscram_sha_256 = \"hunter2\"", "the SCRAM keys of `a`", "no keys"),
            ("[[user]]\nname = \"a\"\n[[user]]\nname = \"A\"", "`A` is there twice", "twice"),
            ("[[user]]\nnme = \"hunter2\"", "unknown field `nme`", "an unknown key"),
        ] {
            fs::write(&path, text).unwrap();
            let error = Accounts::read(&path).unwrap_err().to_string();
            assert!(error.contains(want) && !error.contains("hunter2"), "{why}: {error}");
        }
    }
}
