//! The server's memory: which unihash a taskhash has, which task gave which output, and who may ask.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rusqlite::types::Value as Sql;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, params, params_from_iter};
use serde_json::{Map, Value, json};

use super::error::DatabaseError;
use super::permission::Permissions;
use super::rows;
use super::schema::{self, OUTHASH_COLUMNS, UNIHASH_COLUMNS};

/// The result of everything here.
pub(super) type Outcome<T> = Result<T, DatabaseError>;

/// A user as the database knows him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub name: String,
    pub permissions: Permissions,
}

/// What to keep while collecting garbage, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GarbageStatus {
    pub keep: i64,
    pub remove: i64,
    pub mark: Option<String>,
}

/// An open database. Threads take turns; each statement takes microseconds.
pub(super) struct Database(Mutex<Connection>);

/// Name of the row in `config` that holds the mark of the collection in progress.
const MARK: &str = "COALESCE((SELECT value FROM config WHERE name = 'gc-mark'), '')";

impl Database {
    /// Opens a file, made if need be; tells whether its layout had to be renewed.
    pub fn open(path: &Path, durable: bool) -> Outcome<(Database, bool)> {
        let (connection, upgraded) = schema::open(path, durable)?;
        Ok((Database(Mutex::new(connection)), upgraded))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // Transactions that a panic cut off were rolled back, so the connection is sound.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // --- hashes

    /// The unihash of a task.
    pub fn unihash(&self, method: &str, taskhash: &str) -> Outcome<Option<String>> {
        let connection = self.connection();
        let mut query = connection
            .prepare_cached("SELECT unihash FROM unihashes_v3 WHERE method = ?1 AND taskhash = ?2")?;
        Ok(query.query_row([method, taskhash], |row| row.get(0)).optional()?)
    }

    /// Whether any task has this unihash.
    pub fn has_unihash(&self, unihash: &str) -> Outcome<bool> {
        let connection = self.connection();
        let mut query = connection.prepare_cached("SELECT 1 FROM unihashes_v3 WHERE unihash = ?1 LIMIT 1")?;
        Ok(query.exists([unihash])?)
    }

    /// All that is known of a task with its unihash.
    pub fn task(&self, method: &str, taskhash: &str) -> Outcome<Option<Map<String, Value>>> {
        self.first_outhash("o.taskhash", true, method, taskhash)
    }

    /// All that is known of the first task that gave an output; with its unihash only if it has one.
    pub fn output(
        &self,
        method: &str,
        outhash: &str,
        with_unihash: bool,
    ) -> Outcome<Option<Map<String, Value>>> {
        self.first_outhash("o.outhash", with_unihash, method, outhash)
    }

    fn first_outhash(
        &self,
        column: &str,
        with_unihash: bool,
        method: &str,
        hash: &str,
    ) -> Outcome<Option<Map<String, Value>>> {
        let join = "JOIN unihashes_v3 u ON u.method = o.method AND u.taskhash = o.taskhash";
        let (what, join) = if with_unihash { ("o.*, u.unihash, u.gc_mark", join) } else { ("o.*", "") };
        let connection = self.connection();
        let mut query = connection.prepare_cached(&format!(
            "SELECT {what} FROM outhashes_v2 o {join} WHERE o.method = ?1 AND {column} = ?2 ORDER BY o.created LIMIT 1"
        ))?;
        first_row(&mut query, [method, hash])
    }

    /// The unihash of the oldest other task that gave the same output.
    pub fn equivalent(&self, method: &str, outhash: &str, taskhash: &str) -> Outcome<Option<String>> {
        let connection = self.connection();
        let mut query = connection.prepare_cached(
            "SELECT u.unihash FROM outhashes_v2 o
                 JOIN unihashes_v3 u ON u.method = o.method AND u.taskhash = o.taskhash
             WHERE o.method = ?1 AND o.outhash = ?2 AND o.taskhash <> ?3 ORDER BY o.created LIMIT 1",
        )?;
        Ok(query.query_row([method, outhash, taskhash], |row| row.get(0)).optional()?)
    }

    /// Gives a task its unihash unless it has one. A collection in progress spares it.
    pub fn add_unihash(&self, method: &str, taskhash: &str, unihash: &str) -> Outcome<bool> {
        let connection = self.connection();
        let mut insert = connection.prepare_cached(&format!(
            "INSERT OR IGNORE INTO unihashes_v3 (method, taskhash, unihash, gc_mark) VALUES (?1, ?2, ?3, {MARK})"
        ))?;
        Ok(insert.execute([method, taskhash, unihash])? != 0)
    }

    /// Notes the output of a task unless it is known; other members of `task` than the table's columns don't count.
    pub fn add_outhash(&self, task: &Map<String, Value>) -> Outcome<bool> {
        let mut names = Vec::new();
        let mut values = Vec::new();
        for name in OUTHASH_COLUMNS {
            if let Some(value) = task.get(name) {
                names.push(name);
                values.push(rows::column(name, value)?);
            }
        }
        let places = vec!["?"; names.len()].join(", ");
        let connection = self.connection();
        let mut insert = connection.prepare_cached(&format!(
            "INSERT OR IGNORE INTO outhashes_v2 ({}) VALUES ({places})",
            names.join(", ")
        ))?;
        Ok(insert.execute(params_from_iter(values))? != 0)
    }

    // --- cleaning up

    /// Removes what has all these values, from both tables; a condition without a column of a table takes nothing there.
    pub fn remove(&self, condition: &Map<String, Value>) -> Outcome<usize> {
        let mut connection = self.connection();
        let change = connection.transaction()?;
        let mut count = 0;
        for (table, columns) in
            [("outhashes_v2", &OUTHASH_COLUMNS[..]), ("unihashes_v3", &UNIHASH_COLUMNS[..])]
        {
            if let Some((clause, values)) = where_clause(columns, condition)? {
                let statement = format!("DELETE FROM {table} WHERE {clause}");
                count += change.execute(&statement, params_from_iter(values))?;
            }
        }
        change.commit()?;
        Ok(count)
    }

    /// Removes outputs noted before `oldest` whose tasks have no unihash.
    pub fn remove_unused(&self, oldest: SystemTime) -> Outcome<usize> {
        let statement =
            "DELETE FROM outhashes_v2 WHERE created < ?1 AND NOT EXISTS (SELECT 1 FROM unihashes_v3 u
                WHERE u.method = outhashes_v2.method AND u.taskhash = outhashes_v2.taskhash)";
        Ok(self.connection().execute(statement, [rows::timestamp(oldest)])?)
    }

    /// The mark of the collection in progress.
    pub fn current_mark(&self) -> Outcome<Option<String>> {
        let query = "SELECT value FROM config WHERE name = 'gc-mark'";
        Ok(self.connection().query_row(query, [], |row| row.get(0)).optional()?.flatten())
    }

    /// Marks hashes to keep; another mark than before begins another collection.
    pub fn mark(&self, mark: &str, condition: &Map<String, Value>) -> Outcome<usize> {
        let mut connection = self.connection();
        let change = connection.transaction()?;
        set_mark(&change, Some(mark))?;
        let mut count = 0;
        if let Some((clause, values)) = where_clause(&UNIHASH_COLUMNS, condition)? {
            let statement = format!("UPDATE unihashes_v3 SET gc_mark = {MARK} WHERE {clause}");
            count = change.execute(&statement, params_from_iter(values))?;
        }
        change.commit()?;
        Ok(count)
    }

    /// How many hashes the collection in progress would keep and remove.
    pub fn garbage_status(&self) -> Outcome<GarbageStatus> {
        let mark = self.current_mark()?;
        let query = format!("SELECT COALESCE(SUM(gc_mark = {MARK}), 0), COUNT(*) FROM unihashes_v3");
        let (keep, all): (i64, i64) =
            self.connection().query_row(&query, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(GarbageStatus { keep, remove: all - keep, mark })
    }

    /// Removes all hashes without the mark if it is the current one, and ends the collection; `None` if it is not.
    pub fn sweep(&self, mark: &str) -> Outcome<Option<usize>> {
        let mut connection = self.connection();
        let change = connection.transaction()?;
        let current: Option<Option<String>> = change
            .query_row("SELECT value FROM config WHERE name = 'gc-mark'", [], |row| row.get(0))
            .optional()?;
        if mark.is_empty() || current.flatten().as_deref() != Some(mark) {
            return Ok(None);
        }
        let count = change.execute("DELETE FROM unihashes_v3 WHERE gc_mark <> ?1", [mark])?;
        set_mark(&change, None)?;
        change.commit()?;
        Ok(Some(count))
    }

    /// The number of rows of each table.
    pub fn usage(&self) -> Outcome<Value> {
        let connection = self.connection();
        let mut query = connection.prepare(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'",
        )?;
        let names: Vec<String> = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut usage = Map::new();
        for name in names {
            let quoted = name.replace('"', "\"\"");
            let rows: i64 =
                connection.query_row(&format!("SELECT COUNT(*) FROM \"{quoted}\""), [], |row| row.get(0))?;
            usage.insert(name, json!({"rows": rows}));
        }
        Ok(Value::Object(usage))
    }

    // --- users

    /// A user and his sealed token.
    pub fn user(&self, name: &str) -> Outcome<Option<(User, String)>> {
        let connection = self.connection();
        let mut query =
            connection.prepare_cached("SELECT permissions, token FROM users WHERE username = ?1")?;
        let found: Option<(String, String)> =
            query.query_row([name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(found.map(|(permissions, token)| {
            (User { name: name.to_string(), permissions: Permissions::stored(&permissions) }, token)
        }))
    }

    /// All users in the order in which they were made.
    pub fn users(&self) -> Outcome<Vec<User>> {
        let connection = self.connection();
        let mut query = connection.prepare("SELECT username, permissions FROM users ORDER BY id")?;
        let rows = query.query_map([], |row| {
            let permissions: String = row.get(1)?;
            Ok(User { name: row.get(0)?, permissions: Permissions::stored(&permissions) })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Makes a user; `false` if there is one of that name.
    pub fn add_user(&self, name: &str, permissions: &Permissions, sealed: &str) -> Outcome<bool> {
        let statement = "INSERT OR IGNORE INTO users (username, token, permissions) VALUES (?1, ?2, ?3)";
        self.change_user(statement, params![name, sealed, permissions.names().join(" ")])
    }

    /// Gives a user another token; `false` if there is no such user.
    pub fn set_token(&self, name: &str, sealed: &str) -> Outcome<bool> {
        self.change_user("UPDATE users SET token = ?2 WHERE username = ?1", params![name, sealed])
    }

    /// Gives a user other permissions; `false` if there is no such user.
    pub fn set_permissions(&self, name: &str, permissions: &Permissions) -> Outcome<bool> {
        let statement = "UPDATE users SET permissions = ?2 WHERE username = ?1";
        self.change_user(statement, params![name, permissions.names().join(" ")])
    }

    /// Deletes a user; `false` if there is none.
    pub fn delete_user(&self, name: &str) -> Outcome<bool> {
        self.change_user("DELETE FROM users WHERE username = ?1", [name])
    }

    fn change_user(&self, statement: &str, values: impl Params) -> Outcome<bool> {
        Ok(self.connection().execute(statement, values)? != 0)
    }
}

fn first_row(query: &mut CachedStatement<'_>, values: impl Params) -> Outcome<Option<Map<String, Value>>> {
    let names: Vec<String> = query.column_names().map(String::from).collect();
    Ok(query.query_row(values, |row| rows::object(row, &names)).optional()?)
}

fn set_mark(connection: &Connection, mark: Option<&str>) -> Outcome<()> {
    connection.execute(
        "INSERT INTO config (name, value) VALUES ('gc-mark', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1",
        [mark],
    )?;
    Ok(())
}

/// The `WHERE` of a request; only known columns get into the statement's text. `None` if it names none.
fn where_clause(columns: &[&str], condition: &Map<String, Value>) -> Outcome<Option<(String, Vec<Sql>)>> {
    let mut clauses = Vec::new();
    let mut values = Vec::new();
    for name in columns {
        if let Some(value) = condition.get(*name).filter(|value| !value.is_null()) {
            clauses.push(format!("{name} = ?"));
            values.push(rows::column(name, value)?);
        }
    }
    Ok((!clauses.is_empty()).then(|| (clauses.join(" AND "), values)))
}
