//! A client of a server: asks and tells, reconnects when the connection breaks.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::channel::Channel;
use super::error::ClientError;
use super::{Address, PROTOCOL, VERSION};

/// Questions that may be on their way at once: few enough that neither side has to hold more than a socket does.
const IN_FLIGHT: usize = 256;

/// How often a request is tried again on a new connection.
const RETRIES: usize = 3;

/// Who a client is.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// His token.
    pub token: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Credentials({})", self.username)
    }
}

/// The output of a task, as it is told to a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The method by which the output's hash was made.
    pub method: String,
    /// What went into the task.
    pub taskhash: String,
    /// What came out of it.
    pub outhash: String,
    /// The unihash that the task gets if nothing equal is known.
    pub unihash: String,
    /// Other columns: `owner`, `PN`, `PV`, `PR`, `task`, `outhash_siginfo`.
    pub extra: Map<String, Value>,
}

/// What kind of lines the server expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Requests.
    Normal,
    /// Lines of the stream that this command opened.
    Stream(&'static str),
}

/// A client. It connects when it first has something to ask.
pub struct Client {
    address: Address,
    limit: Duration,
    credentials: Option<Credentials>,
    become_user: Option<String>,
    connection: Option<(Channel, Mode)>,
}

type Outcome<T> = Result<T, ClientError>;

impl Client {
    /// A client of the server at `address`; `limit` is how long each answer may take.
    pub fn new(address: Address, limit: Duration) -> Client {
        Client { address, limit, credentials: None, become_user: None, connection: None }
    }

    /// The same, saying who it is on each connection.
    pub fn with_credentials(mut self, credentials: Option<Credentials>) -> Client {
        self.credentials = credentials;
        self
    }

    /// Where the server is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Hangs up; the next request connects again.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    // --- hashes

    /// The unihash of a task.
    pub fn unihash(&mut self, method: &str, taskhash: &str) -> Outcome<Option<String>> {
        Ok(self.unihashes([(method, taskhash)])?.pop().flatten())
    }

    /// The unihashes of tasks, each a method and a taskhash, in their order.
    pub fn unihashes<'a>(
        &mut self,
        tasks: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Outcome<Vec<Option<String>>> {
        let lines: Vec<String> =
            tasks.into_iter().map(|(method, taskhash)| format!("{method} {taskhash}")).collect();
        let answers = self.stream("get-stream", &lines)?;
        Ok(answers.into_iter().map(|answer| Some(answer).filter(|unihash| !unihash.is_empty())).collect())
    }

    /// Whether any task has this unihash.
    pub fn exists(&mut self, unihash: &str) -> Outcome<bool> {
        Ok(self.exist([unihash])?.pop().unwrap_or(false))
    }

    /// Whether any task has these unihashes, in their order.
    pub fn exist<'a>(&mut self, unihashes: impl IntoIterator<Item = &'a str>) -> Outcome<Vec<bool>> {
        let lines: Vec<String> = unihashes.into_iter().map(String::from).collect();
        Ok(self.stream("exists-stream", &lines)?.iter().map(|answer| answer == "true").collect())
    }

    /// What is known of a task: its unihash, or with `all` also its output and more.
    pub fn task(&mut self, method: &str, taskhash: &str, all: bool) -> Outcome<Option<Value>> {
        let argument = json!({"taskhash": taskhash, "method": method, "all": all});
        Ok(Some(self.request("get", argument)?).filter(|task| !task.is_null()))
    }

    /// What is known of the first task that gave an output; with `unihash` only one that has a unihash.
    pub fn output(
        &mut self,
        method: &str,
        outhash: &str,
        taskhash: &str,
        unihash: bool,
    ) -> Outcome<Option<Value>> {
        let argument =
            json!({"outhash": outhash, "taskhash": taskhash, "method": method, "with_unihash": unihash});
        Ok(Some(self.request("get-outhash", argument)?).filter(|task| !task.is_null()))
    }

    /// Tells the output of a task; gives the unihash that the task has now.
    pub fn report(&mut self, report: &Report) -> Outcome<String> {
        let mut argument = report.extra.clone();
        for (name, value) in [
            ("method", &report.method),
            ("taskhash", &report.taskhash),
            ("outhash", &report.outhash),
            ("unihash", &report.unihash),
        ] {
            argument.insert(name.into(), value.clone().into());
        }
        let answer = self.request("report", Value::Object(argument))?;
        unihash_in(&answer)
    }

    /// Tells that a task has a unihash; gives the one that it has now.
    pub fn report_equivalent(&mut self, method: &str, taskhash: &str, unihash: &str) -> Outcome<String> {
        let argument = json!({"method": method, "taskhash": taskhash, "unihash": unihash});
        unihash_in(&self.request("report-equiv", argument)?)
    }

    /// Marks what to keep, one object of columns and values per row; gives how many hashes were marked.
    pub fn mark_rows(&mut self, mark: &str, rows: &[Map<String, Value>]) -> Outcome<u64> {
        let lines: Vec<String> =
            rows.iter().map(|row| json!({"mark": mark, "where": row}).to_string()).collect();
        let mut count = 0;
        for answer in self.stream("gc-mark-stream", &lines)? {
            let answer: Value =
                serde_json::from_str(&answer).map_err(|_| ClientError::Protocol(answer.clone()))?;
            refused(&answer)?;
            count += answer.get("count").and_then(Value::as_u64).unwrap_or(0);
        }
        Ok(count)
    }

    // --- anything else

    /// Says who the client is, now and on later connections.
    pub fn authenticate(&mut self, credentials: Credentials) -> Outcome<Value> {
        let argument = json!({"username": credentials.username, "token": credentials.token});
        let answer = self.request("auth", argument)?;
        self.credentials = Some(credentials);
        self.become_user = None;
        Ok(answer)
    }

    /// Takes another user's place, now and on later connections.
    pub fn become_user(&mut self, name: &str) -> Outcome<Value> {
        let answer = self.request("become-user", json!({"username": name}))?;
        let own = self.credentials.as_ref().is_some_and(|own| own.username == name);
        self.become_user = (!own).then(|| name.to_string());
        Ok(answer)
    }

    /// Any request by its name.
    pub fn request(&mut self, command: &str, argument: Value) -> Outcome<Value> {
        let message = json!({command: argument});
        self.with_retries(|client| {
            client.set_mode(Mode::Normal)?;
            let answer = exchange(client.channel()?, &message)?;
            refused(&answer)?;
            Ok(answer)
        })
    }

    fn stream(&mut self, command: &'static str, lines: &[String]) -> Outcome<Vec<String>> {
        if let Some(line) = lines.iter().find(|line| line.trim().is_empty() || line.contains('\n')) {
            return Err(ClientError::Protocol(line.clone()));
        }
        let mut answers: Vec<String> = Vec::with_capacity(lines.len());
        self.with_retries(|client| {
            client.set_mode(Mode::Stream(command))?;
            let channel = client.channel()?;
            let mut said = answers.len();
            while answers.len() < lines.len() {
                while let Some(line) = lines.get(said).filter(|_| said - answers.len() < IN_FLIGHT) {
                    channel.say(line)?;
                    said += 1;
                }
                let answer = channel.hear()?.ok_or(ClientError::Closed)?;
                if answer.starts_with(r#"{"invoke-error""#)
                    && let Ok(message) = serde_json::from_str(&answer)
                {
                    refused(&message)?;
                }
                answers.push(answer.trim_end().to_string());
            }
            Ok(())
        })?;
        Ok(answers)
    }

    // --- the connection

    fn channel(&mut self) -> Outcome<&mut Channel> {
        self.connection.as_mut().map(|(channel, _)| channel).ok_or(ClientError::Closed)
    }

    fn connect(&mut self) -> Outcome<()> {
        if self.connection.is_some() {
            return Ok(());
        }
        let mut channel = Channel::connect(&self.address, self.limit)?;
        channel.say(&format!("{PROTOCOL} {VERSION}"))?;
        channel.say("needs-headers: false")?;
        channel.say("")?;
        if let Some(Credentials { username, token }) = &self.credentials {
            let answer = exchange(&mut channel, &json!({"auth": {"username": username, "token": token}}))?;
            refused(&answer)?;
            if let Some(name) = &self.become_user {
                refused(&exchange(&mut channel, &json!({"become-user": {"username": name}}))?)?;
            }
        }
        self.connection = Some((channel, Mode::Normal));
        Ok(())
    }

    fn set_mode(&mut self, wanted: Mode) -> Outcome<()> {
        self.connect()?;
        let Some((channel, mode)) = &mut self.connection else { return Err(ClientError::Closed) };
        if *mode == wanted {
            return Ok(());
        }
        if *mode != Mode::Normal {
            channel.say("END")?;
            match channel.hear()? {
                Some(answer) if answer.trim_end() == "ok" => *mode = Mode::Normal,
                Some(answer) => return Err(ClientError::Protocol(answer)),
                None => return Err(ClientError::Closed),
            }
        }
        if let Mode::Stream(command) = wanted {
            let answer = exchange(channel, &json!({command: null}))?;
            refused(&answer)?;
            if answer != "ok" {
                return Err(ClientError::Protocol(answer.to_string()));
            }
            *mode = wanted;
        }
        Ok(())
    }

    /// Tries again on a new connection if the old one broke. After a time limit or a refusal it does not: the server has had its time.
    fn with_retries<T>(&mut self, mut attempt: impl FnMut(&mut Client) -> Outcome<T>) -> Outcome<T> {
        let mut left = RETRIES;
        loop {
            let result = attempt(self);
            let Err(error) = &result else { return result };
            self.disconnect();
            let again = matches!(error, ClientError::Closed | ClientError::Io(_) | ClientError::Protocol(_));
            if !again || left == 0 {
                return result;
            }
            left -= 1;
        }
    }
}

fn exchange(channel: &mut Channel, message: &Value) -> Outcome<Value> {
    channel.say_message(message)?;
    channel.flush()?;
    channel.hear_message()?.ok_or(ClientError::Closed)
}

fn refused(answer: &Value) -> Outcome<()> {
    match answer.get("invoke-error") {
        None => Ok(()),
        Some(error) => {
            let message = error.get("message").and_then(Value::as_str).unwrap_or("the server refuses");
            Err(ClientError::Refused(message.to_string()))
        }
    }
}

fn unihash_in(answer: &Value) -> Outcome<String> {
    let unihash = answer.get("unihash").and_then(Value::as_str);
    unihash.map(String::from).ok_or_else(|| ClientError::Protocol(answer.to_string()))
}
