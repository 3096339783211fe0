//! The queue on SQLite: one file, one writer, a write-ahead log that is synced before a commit returns.

mod change;
mod copy;
mod past;
mod read;
mod version;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params};

pub(super) use self::past::Past;
use self::past::Unknown;
pub(crate) use self::read::SqliteReader;
pub(super) use self::read::matching;
use self::version::migrate;
use super::lock::Lock;
use super::model::DeliveryId;
use super::store::{Change, Effect, Store, StoreError, Trouble};
use super::unconfirmed::{self, Doubtful, IntakeKey};
use crate::queue_id::QueueId;

/// Statements that are kept ready: more than a message needs from its coming to its end. With fewer, each would be
/// parsed anew for each message.
const STATEMENTS: usize = 64;

/// A log larger than this is written back when nothing waits. SQLite's own size is a checkpoint in the middle of a
/// commit, which somebody's `250` would wait for.
const LOG_AT_REST: u64 = 4 << 20;

/// A log larger than this is written back even if somebody waits, so that it does not grow for ever.
const LOG_AT_MOST: u64 = 32 << 20;

/// The writing side.
#[derive(Debug)]
pub(crate) struct Sqlite {
    db: Connection,
    file: PathBuf,
    node: String,
    epoch: i64,
}

/// What the start found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The number of this run.
    pub(crate) epoch: i64,
    /// The last run ended in order.
    pub(crate) clean: bool,
    /// Deliveries that the last run left.
    pub(crate) adopted: usize,
    /// Deliveries that may have been made, though no answer was seen.
    pub(crate) unknown: Vec<Unknown>,
    /// Those of them, and others, that are left to the operator from now on, and why.
    pub(crate) held: Vec<(DeliveryId, String)>,
    /// The files of the spool that rows refer to.
    pub(crate) files: Vec<String>,
    /// The number of the last commit.
    pub(crate) batch: i64,
    /// Messages whose clients may not know of them.
    pub(crate) doubtful: Vec<Doubtful>,
}

impl Sqlite {
    /// The file's name in the queue's folder.
    pub(crate) const FILE: &str = "queue.db";

    /// Opens or makes the queue in a folder, and takes over what an earlier run left.
    ///
    /// The order is: settings of SQLite, which are read back; a check of the whole file unless it was closed in order;
    /// a new epoch, with which nothing that an earlier run may still say is believed; what that run could not store;
    /// with what it died; adoption.
    pub(in crate::queue) fn start(
        lock: &Lock,
        node: &str,
        past: Past,
        now: Timestamp,
    ) -> Result<(Self, Start), StoreError> {
        let file = lock.folder().join(Self::FILE);
        let mut db = Connection::open(&file)?;
        configure(&db)?;
        migrate(&mut db)?;
        let clean = closed_in_order(&db)?;
        if !clean {
            check(&db)?;
        }
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let epoch = next_epoch(&tx, node, now)?;
        past::replay(&tx, &past.facts, (node, epoch), now)?;
        past::mark(&tx, &past.left)?;
        let adopted = past::adopt(&tx, node, epoch)?;
        let (unknown, held) = past::hold(&tx, past.hold_unknown)?;
        let files = files(&tx)?;
        let (batch, doubtful) = doubtful(&tx, now)?;
        tx.execute("INSERT OR REPLACE INTO meta VALUES ('closed', 'no')", [])?;
        tx.commit()?;
        let start = Start { epoch, clean, adopted, unknown, held, files, batch, doubtful };
        Ok((Self { db, file, node: node.to_owned(), epoch }, start))
    }

    /// Opens the queue for a single order, while no server runs: nothing is adopted.
    pub(crate) fn open_at_rest(lock: &Lock) -> Result<Self, StoreError> {
        let file = lock.folder().join(Self::FILE);
        let mut db = Connection::open(&file)?;
        configure(&db)?;
        migrate(&mut db)?;
        let (node, epoch) = db
            .query_row("SELECT node, epoch FROM node ORDER BY seen_at DESC LIMIT 1", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?
            .unwrap_or_default();
        Ok(Self { db, file, node, epoch })
    }

    /// A reader of the same file.
    pub(crate) fn reader(&self) -> SqliteReader {
        SqliteReader::new(self.file.clone())
    }

    fn log_octets(&self) -> u64 {
        let mut name = self.file.clone().into_os_string();
        name.push("-wal");
        std::fs::metadata(name).map_or(0, |meta| meta.len())
    }

    fn write_log_back(&self, at: u64) -> Result<(), StoreError> {
        if self.log_octets() <= at {
            return Ok(());
        }
        match self.db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())).map_err(StoreError::from) {
            Err(error) if error.kind == Trouble::Io => Err(error),
            // Readers, or want of room, may keep it from being complete; then the next one is.
            _ => Ok(()),
        }
    }
}

impl Store for Sqlite {
    fn commit(&mut self, changes: &[Change]) -> Result<Vec<Result<Effect, StoreError>>, StoreError> {
        self.write_log_back(LOG_AT_MOST)?;
        let Self { db, node, epoch, .. } = self;
        // Savepoints cost a third of the work, and next to never is there anything to take back.
        match all_or_nothing(db, changes, node, *epoch) {
            Err(error) if error.kind == Trouble::Wrong => one_by_one(db, changes, node, *epoch),
            Err(error) => Err(error),
            Ok(effects) => Ok(effects.into_iter().map(Ok).collect()),
        }
    }

    fn idle(&mut self) -> Result<(), StoreError> {
        self.write_log_back(LOG_AT_REST)
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.db.execute("INSERT OR REPLACE INTO meta VALUES ('closed', 'yes')", [])?;
        self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}

/// Makes changes of which none makes no sense; else none is made.
fn all_or_nothing(
    db: &mut Connection,
    changes: &[Change],
    node: &str,
    epoch: i64,
) -> Result<Vec<Effect>, StoreError> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let effects = changes.iter().map(|change| change::make(&tx, change, node, epoch));
    let effects = effects.collect::<Result<_, _>>()?;
    tx.commit()?;
    Ok(effects)
}

/// Makes changes, but for those that make no sense.
fn one_by_one(
    db: &mut Connection,
    changes: &[Change],
    node: &str,
    epoch: i64,
) -> Result<Vec<Result<Effect, StoreError>>, StoreError> {
    let mut tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut effects = Vec::with_capacity(changes.len());
    for change in changes {
        let savepoint = tx.savepoint()?;
        let result = change::make(&savepoint, change, node, epoch);
        match result {
            Ok(effect) => {
                savepoint.commit()?;
                effects.push(Ok(effect));
            }
            // Dropping the savepoint takes back what the change had done so far.
            Err(error) if error.kind == Trouble::Wrong => effects.push(Err(error)),
            Err(error) => return Err(error),
        }
    }
    tx.commit()?;
    Ok(effects)
}

/// Has a statement parsed and planned once. SQLite plans one anew for each value where that might show a better way, which
/// here costs more than any way.
fn keep_statements(db: &Connection) -> Result<(), StoreError> {
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Sets what durability hangs on, and reads it back: a build or a file system may not have it.
fn configure(db: &Connection) -> Result<(), StoreError> {
    db.busy_timeout(Duration::from_secs(10))?;
    keep_statements(db)?;
    // To its end: the change is committed behind the row that says so, and read back it would be believed even if that
    // has failed.
    let mut set = db.prepare("PRAGMA journal_mode = WAL")?;
    let mut rows = set.query([])?;
    while rows.next()?.is_some() {}
    // What does not fit into memory while a transaction is made would go to another disk, with other faults.
    db.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 0;
         PRAGMA temp_store = MEMORY;",
    )?;
    let journal: String = db.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    let synchronous: i64 = db.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
    if journal != "wal" || synchronous != 2 {
        let what =
            format!("a commit would not be durable: journal_mode {journal}, synchronous {synchronous}");
        return Err(StoreError::new(Trouble::Wrong, what));
    }
    Ok(())
}

fn closed_in_order(db: &Connection) -> Result<bool, StoreError> {
    let closed: Option<String> =
        db.query_row("SELECT value FROM meta WHERE key = 'closed'", [], |row| row.get(0)).optional()?;
    Ok(closed.as_deref() == Some("yes"))
}

fn check(db: &Connection) -> Result<(), StoreError> {
    let found: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(StoreError::new(Trouble::Corrupt, found)) }
}

fn next_epoch(tx: &Transaction<'_>, node: &str, now: Timestamp) -> Result<i64, StoreError> {
    let sql = "INSERT INTO node (node, epoch, seen_at) VALUES (?1, 1, ?2)
        ON CONFLICT (node) DO UPDATE SET epoch = epoch + 1, seen_at = ?2 RETURNING epoch";
    Ok(tx.query_row(sql, params![node, now.as_millisecond()], |row| row.get(0))?)
}

/// What clients may send again: what they may not have been told, and what came with commits of which the last run did
/// not know whether they were told, even one that it believed to have failed.
fn doubtful(tx: &Transaction<'_>, now: Timestamp) -> Result<(i64, Vec<Doubtful>), StoreError> {
    let confirmed = "SELECT value FROM meta WHERE key = 'confirmed'";
    let confirmed: Option<String> = tx.query_row(confirmed, [], |row| row.get(0)).optional()?;
    let confirmed = confirmed.and_then(|batch| batch.parse().ok()).unwrap_or(0);
    let newest: i64 = tx.query_row("SELECT coalesce(max(batch), 0) FROM message", [], |row| row.get(0))?;
    tx.execute("UPDATE message SET doubt = 1 WHERE batch > ? AND intake_key IS NOT NULL", [confirmed])?;
    let since = now.checked_sub(unconfirmed::LIVES).unwrap_or(Timestamp::MIN).as_millisecond();
    tx.execute("UPDATE message SET doubt = 0 WHERE doubt = 1 AND arrived_at <= ?", [since])?;
    let sql = "SELECT intake_key, queue_id, arrived_at FROM message WHERE doubt = 1 ORDER BY arrived_at";
    let mut query = tx.prepare(sql)?;
    let rows = query.query_map([], |row| {
        Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
    })?;
    let mut doubtful = Vec::new();
    for row in rows {
        let (key, id, arrived) = row?;
        // What makes no sense is known by nobody.
        let arrived = Timestamp::from_millisecond(arrived);
        if let (Ok(key), Some(id), Ok(arrived)) = (key.try_into(), QueueId::parse(&id), arrived) {
            doubtful.push(Doubtful { key: IntakeKey(key), id, arrived });
        }
    }
    Ok((newest.max(confirmed), doubtful))
}

fn files(tx: &Transaction<'_>) -> Result<Vec<String>, StoreError> {
    let mut query = tx.prepare("SELECT file FROM body WHERE file IS NOT NULL")?;
    let files = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(files)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Trouble::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Trouble::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Trouble::Corrupt,
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
                Trouble::Wrong
            }
            None => Trouble::Corrupt,
            Some(_) => Trouble::Io,
        };
        Self::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::conformance::{self, Bench, at, commit, message, settlement};
    use super::super::in_flight::Left;
    use super::super::model::RcptState;
    use super::super::results::Results;
    use super::super::store::Reader as _;
    use super::*;

    struct Folder(TempDir);

    impl Folder {
        fn new() -> Self {
            Self(TempDir::new().unwrap())
        }

        fn try_start(&self, now: Timestamp) -> Result<(Sqlite, Start), StoreError> {
            self.start_after(Past::default(), now)
        }

        fn start_after(&self, past: Past, now: Timestamp) -> Result<(Sqlite, Start), StoreError> {
            let lock = Lock::take(self.0.path()).unwrap().expect("one at a time");
            Sqlite::start(&lock, "mx.example.test", past, now)
        }
    }

    impl Bench for Folder {
        type Store = Sqlite;
        type Reader = SqliteReader;

        fn start(&self, now: Timestamp) -> (Sqlite, SqliteReader) {
            let (store, _) = self.try_start(now).unwrap();
            let reader = store.reader();
            (store, reader)
        }
    }

    #[test]
    fn sqlite_keeps_the_rules_of_a_store() {
        conformance::all(Folder::new);
    }

    #[test]
    fn durability_is_set_and_read_back() {
        let folder = Folder::new();
        let (store, _) = folder.try_start(at(0)).unwrap();
        let pragma = |name: &str| -> rusqlite::types::Value {
            store.db.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).unwrap()
        };
        assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
        for (name, want) in
            [("synchronous", 2), ("wal_autocheckpoint", 0), ("foreign_keys", 1), ("temp_store", 2)]
        {
            assert_eq!(pragma(name), want.into(), "{name}");
        }
        let memory = Connection::open_in_memory().unwrap();
        assert_eq!(
            configure(&memory).unwrap_err().kind,
            Trouble::Wrong,
            "where there is no log, it is not believed"
        );
    }

    #[test]
    fn a_run_has_a_new_epoch_and_knows_how_the_last_one_ended() {
        let folder = Folder::new();
        for (close, want) in [(false, (1, true)), (true, (2, false)), (false, (3, true))] {
            let (mut store, start) = folder.try_start(at(0)).unwrap();
            assert_eq!((start.epoch, start.clean), want);
            if close {
                store.close().unwrap();
            }
        }
    }

    #[test]
    fn what_a_run_died_with_is_counted_and_what_was_at_its_dot_may_have_been_delivered() {
        let folder = Folder::new();
        let (mut store, _) = folder.try_start(at(0)).unwrap();
        let mut enqueue = |to| {
            commit(&mut store, Change::Enqueue(Box::new(message(&[&[to]])))).unwrap().entries.remove(0).id
        };
        let [plain, dotted] = ["b@one.example", "c@one.example"].map(&mut enqueue);
        drop(store);
        let past = |hold_unknown| Past {
            left: Left { crashed: vec![plain, dotted], dotted: vec![dotted] },
            facts: Vec::new(),
            hold_unknown,
        };
        for crashes in 1..=3 {
            let (store, start) = folder.start_after(past(false), at(crashes)).unwrap();
            if crashes == 3 {
                let held: Vec<_> = start.held.iter().map(|(id, why)| (*id, &why[..6])).collect();
                assert_eq!(held[..2], [(plain, "poison"), (dotted, "poison")]);
                assert_eq!(store.reader().ready().unwrap(), []);
                break;
            }
            let unknown: Vec<_> = start.unknown.iter().map(|unknown| unknown.delivery).collect();
            assert_eq!((unknown, start.held), (vec![dotted], vec![]));
            let ready = store.reader().ready().unwrap();
            let unsure: Vec<_> = ready.iter().map(|entry| (entry.id, entry.unsure)).collect();
            assert_eq!(unsure, [(plain, false), (dotted, true)]);
            let job = store.reader().job(dotted).unwrap().unwrap();
            assert_eq!((job.crashes, job.rcpts[0].unsure), (crashes as u32, true));
        }
        let folder = Folder::new();
        let (mut store, _) = folder.try_start(at(0)).unwrap();
        let mut enqueue = |to| {
            commit(&mut store, Change::Enqueue(Box::new(message(&[&[to]])))).unwrap().entries.remove(0).id
        };
        assert_eq!([enqueue("b@one.example"), enqueue("c@one.example")], [plain, dotted]);
        drop(store);
        let (store, start) = folder.start_after(past(true), at(1)).unwrap();
        assert_eq!((start.unknown[0].delivery, start.held[0].0), (dotted, dotted), "as it is wanted");
        let ready = store.reader().ready().unwrap();
        assert_eq!(ready.iter().map(|entry| entry.id).collect::<Vec<_>>(), [plain]);
    }

    #[test]
    fn what_was_left_at_its_dot_three_times_is_held_whatever_is_wanted() {
        let folder = Folder::new();
        let (mut store, _) = folder.try_start(at(0)).unwrap();
        let sent = Change::Enqueue(Box::new(message(&[&["b@one.example"]])));
        let id = commit(&mut store, sent).unwrap().entries[0].id;
        drop(store);
        for left in 1..=3 {
            // Each run ended in order, and cut it off.
            let past = Past { left: Left { crashed: vec![], dotted: vec![id] }, ..Past::default() };
            let (_, start) = folder.start_after(past, at(left)).unwrap();
            let held: Vec<_> = start.held.iter().map(|(id, why)| (*id, &why[..8])).collect();
            let want = if left == 3 { vec![(id, "unknown:")] } else { vec![] };
            assert_eq!((held, start.unknown.len()), (want, 1), "{left} times");
        }
    }

    #[test]
    fn what_the_last_run_could_not_store_is_stored_before_anything_is_tried() {
        let folder = Folder::new();
        let (mut store, reader) = folder.start(at(0));
        let two = message(&[&["b@one.example", "c@one.example"]]);
        let entries = commit(&mut store, Change::Enqueue(Box::new(two))).unwrap().entries;
        let job = reader.job(entries[0].id).unwrap().unwrap();
        let results = Results::begin_anew(folder.0.path()).unwrap();
        let mut brought = settlement(&job, &[RcptState::Accepted, RcptState::Wait]);
        brought.rcpts[1].unsure = true;
        results.keep(&brought).unwrap();
        drop(store);
        // Twice: the file may be there still when the rows have it already.
        for _ in 0..2 {
            let facts = Results::read(folder.0.path()).unwrap();
            let past = Past { facts, ..Past::default() };
            let (store, start) = folder.start_after(past, at(70)).unwrap();
            assert_eq!(start.unknown.len(), 1);
            let job = store.reader().job(job.delivery).unwrap().unwrap();
            let waiting: Vec<_> = job.rcpts.iter().map(|rcpt| (rcpt.address.as_str(), rcpt.unsure)).collect();
            assert_eq!(waiting, [("c@one.example", true)]);
        }
    }

    #[test]
    fn what_came_after_the_last_batch_known_to_be_told_may_come_again_and_so_may_what_is_in_doubt() {
        let folder = Folder::new();
        let (mut store, start) = folder.try_start(at(0)).unwrap();
        assert_eq!((start.batch, start.doubtful), (0, vec![]));
        let mut ids = Vec::new();
        // The third without a Message-ID.
        for (batch, key) in [(1, Some(1)), (2, Some(2)), (3, None), (4, Some(4))] {
            let mut sent = message(&[&["b@one.example"]]);
            (sent.batch, sent.key) = (batch, key.map(|n| IntakeKey([n; 32])));
            ids.push(sent.envelope.id);
            commit(&mut store, Change::Enqueue(Box::new(sent))).unwrap();
        }
        commit(&mut store, Change::Doubt(ids[0], true)).unwrap();
        commit(&mut store, Change::Confirmed(2)).unwrap();
        drop(store);
        // A second restart knows the same: nobody has said anything meanwhile.
        for _ in 0..2 {
            let (_, start) = folder.try_start(at(10)).unwrap();
            let found: Vec<_> = start.doubtful.iter().map(|doubtful| doubtful.id).collect();
            assert_eq!((start.batch, found), (4, vec![ids[0], ids[3]]));
        }
        let (_, start) = folder.try_start(at(86_400)).unwrap();
        assert_eq!(start.doubtful, [], "a day is over");
    }

    #[test]
    fn a_full_disk_refuses_the_batch_and_room_heals_it() {
        let folder = Folder::new();
        let (mut store, reader) = folder.start(at(0));
        let entry =
            commit(&mut store, Change::Enqueue(Box::new(message(&[&["b@one.example"]])))).unwrap().entries;
        let job = reader.job(entry[0].id).unwrap().unwrap();
        let limit = |store: &Sqlite, pages: i64| {
            store.db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
        };
        limit(&store, 1);
        let mut large = message(&[&["c@two.example"]]);
        large.prefix = vec![b'x'; 100_000];
        let settled = Change::Settle(Box::new(settlement(&job, &[RcptState::Accepted])));
        let error = store.commit(&[settled.clone(), Change::Enqueue(Box::new(large.clone()))]).unwrap_err();
        assert_eq!((error.kind, error.reply().code()), (Trouble::Full, 452));
        assert!(reader.job(job.delivery).unwrap().is_some(), "nothing of the batch was made");
        limit(&store, 1_000_000);
        let answers = store.commit(&[settled, Change::Enqueue(Box::new(large))]).unwrap();
        assert!(answers.iter().all(Result::is_ok));
    }

    #[test]
    fn tables_of_the_first_version_become_those_of_this_one() {
        let folder = Folder::new();
        let (mut store, _) = folder.try_start(at(0)).unwrap();
        commit(&mut store, Change::Enqueue(Box::new(message(&[&["b@one.example"]])))).unwrap();
        store.db.execute_batch("DROP INDEX message_body; PRAGMA user_version = 1").unwrap();
        drop(store);
        let (store, start) = folder.try_start(at(1)).unwrap();
        assert_eq!(start.adopted, 1);
        let plan = "EXPLAIN QUERY PLAN SELECT rowid FROM message WHERE body_id = 7";
        let plan: String = store.db.query_row(plan, [], |row| row.get("detail")).unwrap();
        assert!(plan.contains("USING COVERING INDEX message_body"), "a removed body is looked for: {plan}");
    }

    #[test]
    fn statements_are_prepared_once() {
        use rusqlite::StatementStatus::{RePrepare, Run};
        let folder = Folder::new();
        let (mut store, _) = folder.try_start(at(0)).unwrap();
        let reader = store.reader();
        for _ in 0..20 {
            let effect =
                commit(&mut store, Change::Enqueue(Box::new(message(&[&["b@one.example"]])))).unwrap();
            assert!(reader.job(effect.entries[0].id).unwrap().is_some());
        }
        let read = reader.read(|db| {
            for sql in [super::read::JOB, super::read::WAITING] {
                let statement = db.prepare_cached(sql)?;
                assert_eq!((statement.get_status(Run), statement.get_status(RePrepare)), (20, 0), "{sql}");
            }
            Ok(())
        });
        read.unwrap();
    }

    #[test]
    fn a_later_version_and_a_file_that_is_none_are_refused() {
        let folder = Folder::new();
        let (store, _) = folder.try_start(at(0)).unwrap();
        store.db.pragma_update(None, "user_version", version::VERSION + 1).unwrap();
        drop(store);
        let error = folder.try_start(at(1)).unwrap_err();
        assert!(error.text.contains("version 3"), "{error}");
        let file = folder.0.path().join(Sqlite::FILE);
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, [b'x'; 4_096]).unwrap();
        assert_eq!(folder.try_start(at(1)).unwrap_err().kind, Trouble::Corrupt);
    }

    #[test]
    fn the_log_is_written_back_when_nothing_waits() {
        let folder = Folder::new();
        let (mut store, _) = folder.start(at(0));
        while store.log_octets() <= LOG_AT_REST {
            let mut large = message(&[&["c@two.example"]]);
            large.prefix = vec![b'x'; 1 << 20];
            commit(&mut store, Change::Enqueue(Box::new(large))).unwrap();
        }
        let pages = |store: &Sqlite| std::fs::metadata(&store.file).unwrap().len();
        let before = pages(&store);
        store.idle().unwrap();
        assert!(pages(&store) > before + LOG_AT_REST / 2, "the tables' file has it now");
    }
}
