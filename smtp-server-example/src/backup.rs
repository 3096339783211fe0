//! `backup` and `restore`: the queue, who can log in, and the settings, in a folder that others carry away.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::cli;
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::mailroom;
use crate::queue::{self, Copied, StoreError, Trouble};
use crate::store::{Disk as _, RealDisk};

/// What the folder holds: a folder and two files.
const QUEUE: &str = "queue";
const USERS: &str = "users.toml";
const SETTINGS: &str = "settings.toml";

/// Saves all of it. Nothing has the folder's name before it is whole.
pub(crate) fn save(command: &cli::Backup) -> Result<String, Failure> {
    let (config, to) = (Config::read(&command.config)?, &command.folder);
    let failed = |error: &io::Error| {
        let what = format!("can't make {}: {error}", to.display());
        Failure::new(Kind::CantCreate, what).help("choose a folder that does not exist, in one that does")
    };
    if to.exists() {
        return Err(failed(&io::ErrorKind::AlreadyExists.into()));
    }
    let above = to.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new("."));
    // Its owner's alone, and gone after an error.
    let draft = tempfile::Builder::new()
        .prefix(".backup-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(above)
        .map_err(|error| failed(&error))?;
    let folder = mailroom::folder(&config.data);
    let copied = queue::save(&folder, &draft.path().join(QUEUE)).map_err(|error| saving(&folder, &error))?;
    copy(&config.users_file(), &draft.path().join(USERS)).map_err(|error| failed(&error))?;
    copy(&command.config, &draft.path().join(SETTINGS)).map_err(|error| failed(&error))?;
    let named = RealDisk.sync_folder(draft.path()).and_then(|()| fs::rename(draft.path(), to));
    named.and_then(|()| RealDisk.sync_folder(above)).map_err(|error| failed(&error))?;
    Ok(told("saved to", to, copied))
}

/// Takes it back.
pub(crate) fn restore(command: &cli::Restore) -> Result<String, Failure> {
    let (config, from) = (Config::read(&command.config)?, &command.folder);
    let folder = mailroom::folder(&config.data);
    let copied = queue::take_back(&from.join(QUEUE), &folder).map_err(|error| restoring(&folder, &error))?;
    let mut text = told("restored from", from, copied);
    let users = config.users_file();
    match copy(&from.join(USERS), &users) {
        Ok(Some(())) => {}
        Ok(None) => text.push_str("there is no users' file in it\n"),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            text.push_str(&format!("{} was there, and stays as it is\n", users.display()));
        }
        Err(error) => {
            return Err(Failure::new(Kind::CantCreate, format!("can't write {}: {error}", users.display())));
        }
    }
    text.push_str("all that waits is held: queue list state=hold, then queue release or queue drop\n");
    Ok(text)
}

/// Copies a file, if it is there, to a name that is not taken.
fn copy(from: &Path, to: &Path) -> io::Result<Option<()>> {
    if !from.exists() {
        return Ok(None);
    }
    RealDisk.make_folder(to.parent().unwrap_or(to))?;
    let file = RealDisk.copy(from, to)?;
    RealDisk.sync(&file).map(Some)
}

fn told(how: &str, folder: &Path, Copied { waiting, files, damaged }: Copied) -> String {
    let mut text = format!("{how} {}\nmessages that wait: {waiting}\n", folder.display());
    if files > 0 {
        text.push_str(&format!("large ones, in files: {files}\n"));
    }
    if damaged > 0 {
        text.push_str(&format!(
            "bodies that are lost: {damaged}, missing on the disk or not what they were\n"
        ));
    }
    text
}

fn saving(folder: &Path, error: &StoreError) -> Failure {
    match error.kind {
        Trouble::Closed => Failure::new(Kind::NoInput, error.text.clone()),
        _ => mailroom::broken(folder, error),
    }
}

fn restoring(folder: &Path, error: &StoreError) -> Failure {
    match error.kind {
        Trouble::Closed => {
            Failure::new(Kind::NoInput, error.text.clone()).help("want a folder that `backup` made")
        }
        Trouble::Wrong => {
            let what = format!("no queue can be restored to {}: {error}", folder.display());
            Failure::new(Kind::CantCreate, what)
                .help("nothing is overwritten: end the server, and move away what is left of its queue")
        }
        _ => mailroom::broken(folder, error),
    }
}
