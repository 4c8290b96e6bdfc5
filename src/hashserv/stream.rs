//! The requests that open a stream: one short line per question and answer until `END`.

use std::time::Instant;

use serde_json::{Value, json};

use super::channel::Channel;
use super::permission::Permission;
use super::request;
use super::session::{Session, Shared, Stop};

type Handler = fn(&mut Session, &str) -> Result<String, Stop>;

fn handler(name: &str, shared: &Shared) -> Option<(Handler, Permission)> {
    match name {
        "get-stream" => Some((unihash, Permission::Read)),
        "exists-stream" => Some((exists, Permission::Read)),
        "gc-mark-stream" if !shared.read_only => Some((mark, Permission::DbAdmin)),
        _ => None,
    }
}

/// Whether a command opens a stream.
pub(super) fn is_command(name: &str, shared: &Shared) -> bool {
    handler(name, shared).is_some()
}

/// Answers a stream's lines until its end.
pub(super) fn serve(session: &mut Session, channel: &mut Channel, name: &str) -> Result<(), Stop> {
    let Some((handler, permission)) = handler(name, &session.shared) else { return Ok(()) };
    session.need(&[permission], true)?;
    channel.say("\"ok\"")?;
    loop {
        let line = channel.hear()?.ok_or(Stop::Gone)?;
        let line = line.trim_end();
        if line.is_empty() || line == "END" {
            break;
        }
        let start = Instant::now();
        let answer = handler(session, line);
        session.shared.count(start);
        channel.say(&answer?)?;
    }
    Ok(channel.say("ok")?)
}

/// `METHOD TASKHASH`: the unihash, or nothing.
fn unihash(session: &mut Session, line: &str) -> Result<String, Stop> {
    let mut words = line.split_whitespace();
    let (Some(method), Some(taskhash), None) = (words.next(), words.next(), words.next()) else {
        return Err(Stop::Fail(format!("no method and hash: {line:?}")));
    };
    if let Some(unihash) = session.shared.database.unihash(method, taskhash)? {
        return Ok(unihash);
    }
    let found = session.ask_upstream(|client| client.unihash(method, taskhash));
    let found = session.checked_upstream(found);
    if found.is_some() {
        session.shared.backfill.add(method, taskhash);
    }
    Ok(found.unwrap_or_default())
}

/// `UNIHASH`: whether any task has it.
fn exists(session: &mut Session, line: &str) -> Result<String, Stop> {
    let known = session.shared.database.has_unihash(line)?
        || session.ask_upstream(|client| client.exists(line).map(Some)).unwrap_or(false);
    Ok(known.to_string())
}

/// `{"mark": MARK, "where": {…}}`: how many hashes were marked.
fn mark(session: &mut Session, line: &str) -> Result<String, Stop> {
    let argument: Value = serde_json::from_str(line)
        .map_err(|_| Stop::Refuse(format!("Could not decode JSONL input '{line}'")))?;
    let (mark, condition) = (request::mark_of(&argument)?, request::condition(&argument)?);
    Ok(json!({"count": session.shared.database.mark(mark, condition)?}).to_string())
}
