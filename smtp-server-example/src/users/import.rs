//! Users and aliases as other servers keep them.

use crate::config::Alias;
use crate::people::{Account, is_hash};
use smtp_proto::sasl::{ScramHash, ScramKeys};

/// What was found in files, and what could not be taken over.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) accounts: Vec<Account>,
    pub(super) aliases: Vec<Alias>,
    pub(super) notes: Vec<String>,
}

impl Found {
    /// A Postfix aliases file, aliases(5): `name: target, target`, folded lines, comments.
    pub(super) fn aliases(&mut self, text: &str) {
        for line in logical_lines(text) {
            let Some((name, targets)) = line.split_once(':') else {
                self.notes.push(format!("`{line}`: no colon, left out"));
                continue;
            };
            let name = name.trim().trim_matches('"').to_owned();
            let (to, odd): (Vec<_>, Vec<_>) =
                targets.split(',').map(str::trim).filter(|target| !target.is_empty()).partition(|target| {
                    // Commands, files and included lists: nothing here runs programs or writes to paths with mail.
                    !target.starts_with(['|', '/', ':', '"'])
                });
            for target in odd {
                self.notes.push(format!("{name}: `{target}` is no user or address, left out"));
            }
            // \alice is alice without a look at aliases, which is what the alias's own name means here.
            let to: Vec<_> = to.iter().map(|target| target.trim_start_matches('\\').to_owned()).collect();
            if to.is_empty() {
                self.notes.push(format!("{name}: nobody is left, left out"));
            } else {
                self.aliases.push(Alias { address: name, to, sender: String::new() });
            }
        }
    }

    /// A Dovecot passwd-file: `user:{SCHEME}password:uid:gid:gecos:home:shell:extra`. `hash` makes an account of a
    /// password in clear text.
    pub(super) fn passwd_file(&mut self, text: &str, hash: impl Fn(&str) -> Result<Account, String>) {
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut fields = line.split(':');
            let (name, password) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            let account = secret(password, &hash).unwrap_or_else(|why| {
                self.notes.push(format!("{name}: {why}: gets mail, and a password by `user passwd`"));
                Account::default()
            });
            self.accounts.push(Account { name: name.to_owned(), ..account });
        }
    }
}

/// An account with that password, or why it can't be had.
fn secret(field: &str, hash: &impl Fn(&str) -> Result<Account, String>) -> Result<Account, String> {
    let (scheme, value) = field
        .strip_prefix('{')
        .and_then(|rest| rest.split_once('}'))
        .map_or((String::new(), field), |(scheme, value)| (scheme.to_ascii_uppercase(), value));
    match scheme.as_str() {
        "" if value.is_empty() => Err("no password".to_owned()),
        "PLAIN" | "CLEAR" | "CLEARTEXT" => hash(value),
        "SCRAM-SHA-256" => scram(value)
            .map(|keys| Account { scram_sha_256: Some(keys.to_text()), ..Account::default() })
            .ok_or_else(|| "SCRAM keys that can't be read".to_owned()),
        _ if is_hash(value) => Ok(Account { password: Some(value.to_owned()), ..Account::default() }),
        "" => Err("a password without a scheme".to_owned()),
        other => Err(format!("no use for {other}")),
    }
}

/// Dovecot's form: iterations, salt, stored key and server key, with commas in between.
fn scram(value: &str) -> Option<ScramKeys> {
    let [iterations, salt, stored, server] = value.split(',').collect::<Vec<_>>().try_into().ok()?;
    let text = format!("{}${iterations}:{salt}${stored}:{server}", ScramHash::Sha256.mechanism());
    ScramKeys::parse(&text)
}

/// Lines without comments, with those that begin with white space joined to the one before.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with('#') {
            continue;
        }
        match lines.last_mut().filter(|_| line.starts_with([' ', '\t'])) {
            Some(last) => {
                last.push(' ');
                last.push_str(bare);
            }
            None => lines.push(bare.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aliases_file_is_read_as_its_owner_means_it() {
        let mut found = Found::default();
        found.aliases(
            "# comment\npostmaster: alice\ninfo:\talice,\n\tbob, u@foreign.example\n\nkeep: \\keep, a@b.example\n\
             prog: |/usr/bin/vacation\nlist: :include:/etc/list, bob\n\"odd name\": bob\nno colon\n",
        );
        let text: Vec<_> =
            found.aliases.iter().map(|alias| format!("{}={}", alias.address, alias.to.join(","))).collect();
        assert_eq!(
            text,
            [
                "postmaster=alice",
                "info=alice,bob,u@foreign.example",
                "keep=keep,a@b.example",
                "list=bob",
                "odd name=bob"
            ]
        );
        assert_eq!(
            found.notes,
            [
                "prog: `|/usr/bin/vacation` is no user or address, left out",
                "prog: nobody is left, left out",
                "list: `:include:/etc/list` is no user or address, left out",
                "`no colon`: no colon, left out"
            ]
        );
    }

    #[test]
    fn a_passwd_file_gives_what_can_be_checked_and_names_the_rest() {
        let keys = "15000,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,\
                    wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
        let argon2 = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$\
                      9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
        let text = format!(
            "# people\na:{{PLAIN}}word:1000:1000::/home/a::x=y\nb:{{ARGON2ID}}{argon2}\nc:{{SCRAM-SHA-256}}{keys}::::::\n\
             d:{{SHA512-CRYPT}}$6$x$y\ne:\nf:word\n"
        );
        let mut found = Found::default();
        found.passwd_file(&text, |word| {
            Ok(Account { password: Some(format!("hash of {word}")), ..Account::default() })
        });
        let passwords: Vec<_> =
            found.accounts.iter().map(|account| account.password.as_deref().unwrap_or("-")).collect();
        assert_eq!(passwords, ["hash of word", argon2, "-", "-", "-", "-"]);
        assert_eq!(found.accounts[2].keys().unwrap().iterations(), 15_000);
        let names: Vec<_> = found.accounts.iter().map(|account| account.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e", "f"]);
        let why: Vec<_> = found.notes.iter().map(|note| note.rsplit_once(": gets").unwrap().0).collect();
        assert_eq!(why, ["d: no use for SHA512-CRYPT", "e: no password", "f: a password without a scheme"]);
    }
}
