//! How a queue is, for who looks at it from outside. Nothing of it is changed.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};

use super::control::state_of_server;
use super::figures::figures;
use super::sqlite::Sqlite;
use super::store::StoreError;
use crate::metrics::Figures;

/// How it is.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    /// Whether a server works at it.
    pub(crate) is_served: bool,
    /// Whether that server takes and delivers nothing, as its queue has failed.
    pub(crate) has_failed: bool,
    pub(crate) figures: Figures,
}

/// Looks at the queue in a folder; none if there is none. Blocks.
pub(crate) fn condition(folder: &Path) -> Result<Option<Condition>, StoreError> {
    let file = folder.join(Sqlite::FILE);
    if !file.is_file() {
        return Ok(None);
    }
    let server = state_of_server(folder);
    let has_failed = server.as_ref().is_some_and(|state| state["failed"].is_string());
    let figures = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(StoreError::from)
        .and_then(|db| figures(&db, Timestamp::now().as_millisecond()));
    let figures = match figures {
        // What the server says is worse, and says why.
        Err(_) if has_failed => Figures::default(),
        figures => figures?,
    };
    Ok(Some(Condition { is_served: server.is_some(), has_failed, figures }))
}
