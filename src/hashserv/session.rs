//! A server's conversation with one client: greeting, requests, permissions.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::backfill::Backfill;
use super::channel::Channel;
use super::client::Client;
use super::database::{Database, User};
use super::error::{ClientError, DatabaseError};
use super::event::{Event, Journal};
use super::permission::{Permission, Permissions};
use super::stats::Stats;
use super::{Address, PROTOCOL, request, stream};

/// How long a client may take for its greeting.
const GREETING: Duration = Duration::from_secs(60);

/// How long the upstream server may take for an answer.
pub(super) const UPSTREAM_LIMIT: Duration = Duration::from_secs(30);

/// What all conversations of a server share.
pub(super) struct Shared {
    pub database: Database,
    pub anonymous: Permissions,
    pub read_only: bool,
    pub upstream: Option<Address>,
    pub backfill: Backfill,
    pub stats: Mutex<Stats>,
    /// Held while a token is made: one after the other, so that nobody can draw conclusions about the system's randomness.
    pub tokens: Mutex<()>,
    pub journal: Journal,
}

impl Shared {
    pub fn note(&self, event: &Event) {
        (self.journal)(event);
    }

    /// Counts a request that began at `start`.
    pub fn count(&self, start: Instant) {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).add(start.elapsed());
    }
}

/// Why a conversation ends before the client hangs up.
#[derive(Debug)]
pub(super) enum Stop {
    /// The client is told why.
    Refuse(String),
    /// The client sent what is no request, or the server cannot go on.
    Fail(String),
    /// The connection is gone.
    Gone,
}

impl From<DatabaseError> for Stop {
    fn from(error: DatabaseError) -> Self {
        Stop::Fail(error.to_string())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match ClientError::from(error) {
            ClientError::Closed => Stop::Gone,
            other => Stop::Fail(other.to_string()),
        }
    }
}

/// One client.
pub(super) struct Session {
    pub shared: Arc<Shared>,
    pub number: u64,
    pub user: Option<User>,
    upstream: Option<Client>,
}

impl Session {
    pub fn new(shared: Arc<Shared>, number: u64) -> Session {
        let upstream = shared.upstream.clone().map(|address| Client::new(address, UPSTREAM_LIMIT));
        Session { shared, number, user: None, upstream }
    }

    /// Talks to the client until it hangs up or is hung up on.
    pub fn serve(&mut self, channel: &mut Channel, lift_limit: impl FnOnce() -> io::Result<()>) {
        self.shared.note(&Event::Connected { client: self.number });
        let stop = self.greet(channel).and_then(|welcome| {
            lift_limit()?;
            if welcome { self.converse(channel) } else { Ok(()) }
        });
        match stop {
            Err(Stop::Refuse(reason)) => {
                let refusal = json!({"invoke-error": {"message": reason}});
                let told = channel.say_message(&refusal).and_then(|()| channel.flush());
                if told.is_ok() {
                    self.shared.note(&Event::Denied { client: self.number, reason });
                }
            }
            Err(Stop::Fail(reason)) => self.shared.note(&Event::Failed { client: self.number, reason }),
            Ok(()) | Err(Stop::Gone) => {}
        }
        self.shared.note(&Event::Disconnected { client: self.number });
    }

    /// Reads the protocol and the headers; whether the client speaks this server's protocol.
    fn greet(&mut self, channel: &mut Channel) -> Result<bool, Stop> {
        let Some(line) = channel.hear()? else { return Ok(false) };
        let mut words = line.split_whitespace();
        if words.next() != Some(PROTOCOL) || !words.next().is_some_and(speaks) || words.next().is_some() {
            return Err(Stop::Fail(format!("speaks another protocol: {line:?}")));
        }
        let mut needs_headers = false;
        loop {
            let Some(header) = channel.hear()? else { return Ok(false) };
            if header.trim_end().is_empty() {
                break;
            }
            let Some((name, value)) = header.split_once(':') else {
                return Err(Stop::Fail(format!("no header: {header:?}")));
            };
            needs_headers |= name.eq_ignore_ascii_case("needs-headers") && value.trim() == "true";
        }
        if needs_headers {
            // This server has none to tell.
            channel.say("")?;
        }
        Ok(true)
    }

    fn converse(&mut self, channel: &mut Channel) -> Result<(), Stop> {
        while let Some(message) = channel.hear_message()? {
            let Value::Object(message) = message else {
                return Err(Stop::Fail(format!("Unrecognized command {message}")));
            };
            if message.is_empty() {
                continue;
            }
            let command = message.iter().find(|(name, _)| {
                stream::is_command(name, &self.shared) || request::is_command(name, &self.shared)
            });
            let Some((name, argument)) = command else {
                let names: Vec<&str> = message.keys().map(String::as_str).collect();
                return Err(Stop::Fail(format!("Unrecognized command {names:?}")));
            };
            if stream::is_command(name, &self.shared) {
                stream::serve(self, channel, name)?;
                continue;
            }
            let start = Instant::now();
            let answer = request::answer(self, name, argument);
            self.shared.count(start);
            channel.say_message(&answer?)?;
        }
        Ok(())
    }

    // --- permissions

    /// Whether the user may do this; with `anonymous` also if everybody may.
    pub fn may(&self, needed: &[Permission], anonymous: bool) -> bool {
        (anonymous && self.shared.anonymous.allow(needed))
            || self.user.as_ref().is_some_and(|user| user.permissions.allow(needed))
    }

    /// Refuses what the user may not do.
    pub fn need(&self, needed: &[Permission], anonymous: bool) -> Result<(), Stop> {
        if self.may(needed, anonymous) {
            return Ok(());
        }
        let who = self.user.as_ref().map_or("Anonymous user", |user| user.name.as_str());
        let names: Vec<&str> = needed.iter().map(|permission| permission.name()).collect();
        Err(Stop::Refuse(format!("{who} is not allowed to access permissions(s) {}", names.join(", "))))
    }

    // --- the upstream server

    /// Asks the upstream server, if there is one. One that does not answer knows nothing.
    pub fn ask_upstream<T>(
        &mut self,
        ask: impl FnOnce(&mut Client) -> Result<Option<T>, ClientError>,
    ) -> Option<T> {
        let client = self.upstream.as_mut()?;
        match ask(client) {
            Ok(answer) => answer,
            Err(error) => {
                self.shared.note(&Event::UpstreamFailed(error.to_string()));
                None
            }
        }
    }

    /// A unihash that came from elsewhere, if it is one.
    pub fn checked_upstream(&self, unihash: Option<String>) -> Option<String> {
        let unihash = unihash?;
        if super::is_unihash(&unihash) {
            return Some(unihash);
        }
        self.shared.note(&Event::UpstreamInvalid);
        None
    }

    /// Stores what the upstream server knows of a task, and gives it back.
    pub fn adopt(&self, task: Option<Value>) -> Result<Option<Map<String, Value>>, Stop> {
        let Some(Value::Object(task)) = task else { return Ok(None) };
        let text = |name: &str| task.get(name).and_then(Value::as_str);
        let unihash = self.checked_upstream(text("unihash").map(String::from));
        let (Some(method), Some(taskhash), Some(unihash)) = (text("method"), text("taskhash"), unihash)
        else {
            return Ok(None);
        };
        self.shared.database.add_unihash(method, taskhash, &unihash)?;
        if text("outhash").is_some() {
            self.shared.database.add_outhash(&task)?;
        }
        Ok(Some(task))
    }
}

/// Whether a client of this protocol version is understood: newer than 1.0, no newer than 1.1.
fn speaks(version: &str) -> bool {
    let numbers: Option<Vec<u32>> = version.split('.').map(|number| number.parse().ok()).collect();
    numbers.is_some_and(|numbers| numbers > vec![1, 0] && numbers <= vec![1, 1])
}

/// Limits how long a client may keep a thread waiting before it has said what it wants.
pub(super) fn greeting_limit() -> Duration {
    GREETING
}
