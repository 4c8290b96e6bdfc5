//! The tables of the database: BitBake's names and columns, so that either program can open the other's file.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

/// Columns of `unihashes_v3`: which unihash a taskhash has.
pub(super) const UNIHASH_COLUMNS: [&str; 4] = ["method", "taskhash", "unihash", "gc_mark"];

/// Columns of `outhashes_v2`: which output a task gave, and what is known of the task.
pub(super) const OUTHASH_COLUMNS: [&str; 10] =
    ["method", "taskhash", "outhash", "created", "owner", "PN", "PV", "PR", "task", "outhash_siginfo"];

/// Columns that hold a text, which requests may select by.
pub(super) const TEXT_COLUMNS: [&str; 11] = [
    "PN",
    "PR",
    "PV",
    "gc_mark",
    "method",
    "outhash",
    "outhash_siginfo",
    "owner",
    "task",
    "taskhash",
    "unihash",
];

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS unihashes_v3 (
    id INTEGER PRIMARY KEY AUTOINCREMENT, method TEXT NOT NULL, taskhash TEXT NOT NULL, unihash TEXT NOT NULL,
    gc_mark TEXT NOT NULL, UNIQUE(method, taskhash));
CREATE TABLE IF NOT EXISTS outhashes_v2 (
    id INTEGER PRIMARY KEY AUTOINCREMENT, method TEXT NOT NULL, taskhash TEXT NOT NULL, outhash TEXT NOT NULL,
    created DATETIME, owner TEXT, PN TEXT, PV TEXT, PR TEXT, task TEXT, outhash_siginfo TEXT,
    UNIQUE(method, taskhash, outhash));
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY AUTOINCREMENT, username TEXT NOT NULL, token TEXT NOT NULL, permissions TEXT NOT NULL,
    UNIQUE(username));
CREATE TABLE IF NOT EXISTS config (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, value TEXT, UNIQUE(name));
DROP INDEX IF EXISTS taskhash_lookup;
DROP INDEX IF EXISTS taskhash_lookup_v2;
DROP INDEX IF EXISTS taskhash_lookup_v3;
DROP INDEX IF EXISTS outhash_lookup;
DROP INDEX IF EXISTS outhash_lookup_v2;
DROP TABLE IF EXISTS tasks_v2;
CREATE INDEX IF NOT EXISTS taskhash_lookup_v4 ON unihashes_v3 (method, taskhash);
CREATE INDEX IF NOT EXISTS unihash_lookup_v1 ON unihashes_v3 (unihash);
CREATE INDEX IF NOT EXISTS outhash_lookup_v3 ON outhashes_v2 (method, outhash);
CREATE INDEX IF NOT EXISTS config_lookup ON config (name);
";

/// Opens a database, makes what it lacks and brings an older layout up to date; tells whether that was needed.
///
/// With `durable` a sudden end of the machine loses nothing that was answered; without, the file stays sound but may lack the last
/// seconds, which is enough for a build's own server.
pub(super) fn open(path: &Path, durable: bool) -> rusqlite::Result<(Connection, bool)> {
    let mut connection = Connection::open(path)?;
    // Other servers may share the file.
    connection.busy_timeout(Duration::from_secs(30))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", if durable { "NORMAL" } else { "OFF" })?;
    connection.set_prepared_statement_cache_capacity(64);
    let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    change.execute_batch(TABLES)?;
    let old = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'unihashes_v2')";
    let upgrade: bool = change.query_row(old, [], |row| row.get(0))?;
    if upgrade {
        change.execute_batch(
            "INSERT OR IGNORE INTO unihashes_v3 (id, method, taskhash, unihash, gc_mark)
                 SELECT id, method, taskhash, unihash, '' FROM unihashes_v2;
             DROP TABLE unihashes_v2;",
        )?;
    }
    change.commit()?;
    Ok((connection, upgrade))
}
