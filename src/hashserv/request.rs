//! The requests that have one answer: hashes, statistics, garbage, users.

use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::database::User;
use super::event::Event;
use super::permission::{Permission, Permissions};
use super::session::{Session, Shared, Stop};
use super::stats::Stats;
use super::{is_unihash, rows, token};

type Answer = Result<Value, Stop>;
type Handler = fn(&mut Session, &Value) -> Answer;

/// Commands that every server knows.
const COMMANDS: &[(&str, Handler)] = &[
    ("ping", |_, _| Ok(json!({"alive": true}))),
    ("get", get),
    ("get-outhash", get_outhash),
    ("get-stats", get_stats),
    ("get-db-usage", get_db_usage),
    ("get-db-query-columns", get_db_query_columns),
    ("report", report),
    ("auth", auth),
    ("get-user", get_user),
    ("get-all-users", get_all_users),
    ("become-user", become_user),
];

/// Commands that a read-only server does not know.
const WRITING: &[(&str, Handler)] = &[
    ("report-equiv", report_equiv),
    ("reset-stats", reset_stats),
    ("backfill-wait", backfill_wait),
    ("remove", remove),
    ("gc-mark", gc_mark),
    ("gc-sweep", gc_sweep),
    ("gc-status", gc_status),
    ("clean-unused", clean_unused),
    ("refresh-token", refresh_token),
    ("set-user-perms", set_user_perms),
    ("new-user", new_user),
    ("delete-user", delete_user),
];

fn handler(name: &str, shared: &Shared) -> Option<Handler> {
    let writing = if shared.read_only { &[][..] } else { WRITING };
    COMMANDS.iter().chain(writing).find(|(known, _)| *known == name).map(|(_, handler)| *handler)
}

/// Whether a server knows a command.
pub(super) fn is_command(name: &str, shared: &Shared) -> bool {
    handler(name, shared).is_some()
}

/// The answer to a command.
pub(super) fn answer(session: &mut Session, name: &str, argument: &Value) -> Answer {
    match handler(name, &session.shared) {
        Some(handler) => handler(session, argument),
        None => Err(Stop::Fail(format!("Unrecognized command {name:?}"))),
    }
}

// --- reading arguments

fn text<'v>(argument: &'v Value, name: &str) -> Result<&'v str, Stop> {
    let missing = || Stop::Refuse(format!("The request lacks '{name}', or it is no text"));
    argument.get(name).and_then(Value::as_str).ok_or_else(missing)
}

pub(super) fn condition(argument: &Value) -> Result<&Map<String, Value>, Stop> {
    let bad = || Stop::Refuse("The request lacks 'where', or it is no object".into());
    argument.get("where").and_then(Value::as_object).ok_or_else(bad)
}

pub(super) fn mark_of(argument: &Value) -> Result<&str, Stop> {
    text(argument, "mark")
}

fn truth(argument: &Value, name: &str, otherwise: bool) -> bool {
    argument.get(name).and_then(Value::as_bool).unwrap_or(otherwise)
}

fn unihash_of(argument: &Value) -> Result<&str, Stop> {
    let unihash = argument.get("unihash").and_then(Value::as_str).filter(|unihash| is_unihash(unihash));
    unihash.ok_or_else(|| Stop::Refuse("Invalid unihash".into()))
}

// --- hashes

fn get(session: &mut Session, argument: &Value) -> Answer {
    session.need(&[Permission::Read], true)?;
    let (method, taskhash) = (text(argument, "method")?, text(argument, "taskhash")?);
    if truth(argument, "all", false) {
        let known = session.shared.database.task(method, taskhash)?;
        if known.is_some() {
            return Ok(known.into());
        }
        let found = session.ask_upstream(|client| client.task(method, taskhash, true));
        return Ok(session.adopt(found)?.into());
    }
    let unihash = match unihash(session, method, taskhash)? {
        Some(unihash) => unihash,
        None => return Ok(Value::Null),
    };
    Ok(short(method, taskhash, &unihash))
}

/// The unihash of a task, from here or from the upstream server, whose answer is kept.
fn unihash(session: &mut Session, method: &str, taskhash: &str) -> Result<Option<String>, Stop> {
    if let Some(known) = session.shared.database.unihash(method, taskhash)? {
        return Ok(Some(known));
    }
    let found = session.ask_upstream(|client| client.task(method, taskhash, false));
    let found = found.as_ref().and_then(|task| task.get("unihash")?.as_str()).map(String::from);
    let found = session.checked_upstream(found);
    if let Some(unihash) = &found {
        session.shared.database.add_unihash(method, taskhash, unihash)?;
    }
    Ok(found)
}

fn get_outhash(session: &mut Session, argument: &Value) -> Answer {
    session.need(&[Permission::Read], true)?;
    let (method, outhash, taskhash) =
        (text(argument, "method")?, text(argument, "outhash")?, text(argument, "taskhash")?);
    let with_unihash = truth(argument, "with_unihash", true);
    Ok(output(session, method, outhash, taskhash, with_unihash)?.into())
}

fn output(
    session: &mut Session,
    method: &str,
    outhash: &str,
    taskhash: &str,
    with_unihash: bool,
) -> Result<Option<Map<String, Value>>, Stop> {
    if let Some(known) = session.shared.database.output(method, outhash, with_unihash)? {
        return Ok(Some(known));
    }
    let found = session.ask_upstream(|client| client.output(method, outhash, taskhash, true));
    session.adopt(found)
}

fn report(session: &mut Session, argument: &Value) -> Answer {
    session.need(&[Permission::Read], true)?;
    let offered = unihash_of(argument)?;
    let (method, outhash, taskhash) =
        (text(argument, "method")?, text(argument, "outhash")?, text(argument, "taskhash")?);
    if session.shared.read_only || !session.may(&[Permission::Report], true) {
        let known = output(session, method, outhash, taskhash, true)?;
        let known = known.as_ref().and_then(|known| known.get("unihash")?.as_str());
        return Ok(short(method, taskhash, known.unwrap_or(offered)));
    }

    let mut row = Map::new();
    for name in ["method", "outhash", "taskhash", "owner", "PN", "PV", "PR", "task", "outhash_siginfo"] {
        if let Some(value) = argument.get(name) {
            row.insert(name.to_string(), value.clone());
        }
    }
    row.insert("created".into(), rows::timestamp(SystemTime::now()).into());
    if let Some(user) = &session.user {
        row.insert("owner".into(), user.name.clone().into());
    }
    // Only an output that is new can make its task equivalent to another.
    if session.shared.database.add_outhash(&row)? {
        let same = match session.shared.database.equivalent(method, outhash, taskhash)? {
            Some(same) => Some(same),
            None => {
                let found = session.ask_upstream(|client| client.output(method, outhash, taskhash, true));
                let found = found.as_ref().and_then(|task| task.get("unihash")?.as_str()).map(String::from);
                session.checked_upstream(found)
            }
        };
        let unihash = same.as_deref().unwrap_or(offered);
        session.shared.database.add_unihash(method, taskhash, unihash)?;
    }
    let stored = unihash(session, method, taskhash)?;
    Ok(short(method, taskhash, stored.as_deref().unwrap_or(offered)))
}

fn report_equiv(session: &mut Session, argument: &Value) -> Answer {
    session.need(&[Permission::Read, Permission::Report], true)?;
    let offered = unihash_of(argument)?;
    let (method, taskhash) = (text(argument, "method")?, text(argument, "taskhash")?);
    session.shared.database.add_unihash(method, taskhash, offered)?;
    let stored = session.shared.database.unihash(method, taskhash)?;
    Ok(short(method, taskhash, stored.as_deref().unwrap_or(offered)))
}

fn short(method: &str, taskhash: &str, unihash: &str) -> Value {
    json!({"taskhash": taskhash, "method": method, "unihash": unihash})
}

// --- the server itself

fn get_stats(session: &mut Session, _: &Value) -> Answer {
    session.need(&[Permission::Read], true)?;
    Ok(session.shared.stats.lock().unwrap_or_else(PoisonError::into_inner).to_json())
}

fn reset_stats(session: &mut Session, _: &Value) -> Answer {
    session.need(&[Permission::DbAdmin], true)?;
    let mut stats = session.shared.stats.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take::<Stats>(&mut stats).to_json())
}

fn backfill_wait(session: &mut Session, _: &Value) -> Answer {
    session.need(&[Permission::Read], true)?;
    Ok(json!({"tasks": session.shared.backfill.wait()}))
}

fn get_db_usage(session: &mut Session, _: &Value) -> Answer {
    session.need(&[Permission::DbAdmin], true)?;
    Ok(json!({"usage": session.shared.database.usage()?}))
}

fn get_db_query_columns(session: &mut Session, _: &Value) -> Answer {
    session.need(&[Permission::DbAdmin], true)?;
    Ok(json!({"columns": super::schema::TEXT_COLUMNS}))
}

// --- cleaning up

fn remove(session: &mut Session, argument: &Value) -> Answer {
    session.need(&[Permission::DbAdmin], true)?;
    Ok(json!({"count": session.shared.database.remove(condition(argument)?)?}))
}

fn gc_mark(session: &mut Session, argument: &Value) -> Answer {
    session.need(&[Permission::DbAdmin], true)?;
    Ok(json!({"count": session.shared.database.mark(mark_of(argument)?, condition(argument)?)?}))
}

fn gc_sweep(session: &mut Session, argument: &Value) -> Answer {
    session.need(&[Permission::DbAdmin], true)?;
    let mark = mark_of(argument)?;
    match session.shared.database.sweep(mark)? {
        Some(count) => Ok(json!({"count": count})),
        None => Err(Stop::Refuse(format!("'{mark}' is not the current mark. Refusing to sweep"))),
    }
}

fn gc_status(session: &mut Session, _: &Value) -> Answer {
    session.need(&[Permission::DbAdmin], true)?;
    let status = session.shared.database.garbage_status()?;
    Ok(json!({"keep": status.keep, "remove": status.remove, "mark": status.mark}))
}

fn clean_unused(session: &mut Session, argument: &Value) -> Answer {
    session.need(&[Permission::DbAdmin], true)?;
    let age = argument.get("max_age_seconds").and_then(Value::as_f64);
    let age = age.and_then(|age| Duration::try_from_secs_f64(age).ok());
    let age = age.ok_or_else(|| Stop::Refuse("'max_age_seconds' is no number of seconds".into()))?;
    let oldest = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(json!({"count": session.shared.database.remove_unused(oldest)?}))
}

// --- users

fn auth(session: &mut Session, argument: &Value) -> Answer {
    let (name, offered) = (text(argument, "username")?, text(argument, "token")?);
    match session.shared.database.user(name)? {
        Some((user, sealed)) if token::opens(offered, &sealed) => {
            session.shared.note(&Event::Authenticated { client: session.number, user: name.to_string() });
            let answer = json!({
                "result": true, "username": name, "permissions": user.permissions.names(),
            });
            session.user = Some(user);
            Ok(answer)
        }
        _ => {
            // Guessing shall take its time.
            thread::sleep(Duration::from_secs(1));
            Err(Stop::Refuse(format!("Unable to authenticate as {name}")))
        }
    }
}

fn new_token(session: &Session) -> Result<String, Stop> {
    let _turn = session.shared.tokens.lock().unwrap_or_else(PoisonError::into_inner);
    thread::sleep(Duration::from_millis(100));
    Ok(token::new_token()?)
}

/// The user a request is about. Everybody may ask for himself; for others it takes the right to administer users.
fn self_or_admin(session: &Session, argument: &Value) -> Result<String, Stop> {
    let named = argument.get("username").filter(|name| !name.is_null());
    if let Some(user) = &session.user
        && named.is_none_or(|name| name.as_str() == Some(&user.name))
    {
        return Ok(user.name.clone());
    }
    session.need(&[Permission::UserAdmin], false)?;
    Ok(text(argument, "username")?.to_string())
}

fn permissions_of(argument: &Value) -> Result<Permissions, Stop> {
    let bad = || Stop::Refuse("Unexpected type for permissions".into());
    let words = argument.get("permissions").and_then(Value::as_array).ok_or_else(bad)?;
    let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
    Permissions::from_words(words.ok_or_else(bad)?).map_err(|error| Stop::Refuse(error.to_string()))
}

fn described(name: &str, permissions: &Permissions) -> Value {
    json!({"username": name, "permissions": permissions.spelled_out()})
}

fn nobody(name: &str) -> Stop {
    Stop::Refuse(format!("No user named '{name}' exists"))
}

fn refresh_token(session: &mut Session, argument: &Value) -> Answer {
    let name = self_or_admin(session, argument)?;
    let token = new_token(session)?;
    if !session.shared.database.set_token(&name, &token::seal(&token)?)? {
        return Err(nobody(&name));
    }
    Ok(json!({"username": name, "token": token}))
}

fn set_user_perms(session: &mut Session, argument: &Value) -> Answer {
    session.need(&[Permission::UserAdmin], false)?;
    let (name, permissions) = (text(argument, "username")?, permissions_of(argument)?);
    if !session.shared.database.set_permissions(name, &permissions)? {
        return Err(nobody(name));
    }
    Ok(described(name, &permissions))
}

fn get_user(session: &mut Session, argument: &Value) -> Answer {
    let name = self_or_admin(session, argument)?;
    let found = session.shared.database.user(&name)?;
    Ok(found.map_or(Value::Null, |(user, _)| described(&user.name, &user.permissions)))
}

fn get_all_users(session: &mut Session, _: &Value) -> Answer {
    session.need(&[Permission::UserAdmin], false)?;
    let users = session.shared.database.users()?;
    let users: Vec<Value> = users.iter().map(|user| described(&user.name, &user.permissions)).collect();
    Ok(json!({"users": users}))
}

fn new_user(session: &mut Session, argument: &Value) -> Answer {
    session.need(&[Permission::UserAdmin], false)?;
    let (name, permissions) = (text(argument, "username")?, permissions_of(argument)?);
    let token = new_token(session)?;
    if !session.shared.database.add_user(name, &permissions, &token::seal(&token)?)? {
        return Err(Stop::Refuse(format!("Cannot create new user '{name}'")));
    }
    Ok(json!({"username": name, "permissions": permissions.spelled_out(), "token": token}))
}

fn delete_user(session: &mut Session, argument: &Value) -> Answer {
    let name = self_or_admin(session, argument)?;
    if !session.shared.database.delete_user(&name)? {
        return Err(nobody(&name));
    }
    Ok(json!({"username": name}))
}

fn become_user(session: &mut Session, argument: &Value) -> Answer {
    session.need(&[Permission::UserAdmin], false)?;
    let name = text(argument, "username")?;
    let Some((user, _)) = session.shared.database.user(name)? else {
        return Err(Stop::Refuse(format!("User {name} doesn't exist")));
    };
    session.shared.note(&Event::Became { client: session.number, user: user.name.clone() });
    let User { name, permissions } = &user;
    let answer = described(name, permissions);
    session.user = Some(user);
    Ok(answer)
}
