//! Talks to a process that speaks the oracle protocol (tests/conformance/PROTOCOL.md).

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// How long an answer may take; the reference itself gives up after 20 seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// One side of a comparison: a running process that answers questions.
pub struct Oracle {
    command: Vec<String>,
    hash_seed: u32,
    process: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Oracle {
    /// Starts a process; Err says why there is none, which makes a test skip. `hash_seed` decides in which order Python walks
    /// its sets, which shows in some of BitBake's answers.
    pub fn start(command: Vec<String>, hash_seed: u32) -> Result<Oracle, String> {
        let (program, arguments) = command.split_first().ok_or("no command")?;
        let mut process = Command::new(program)
            .args(arguments)
            .env("PYTHONHASHSEED", hash_seed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program} does not start: {error}"))?;
        let input = process.stdin.take().ok_or("no input")?;
        let output = process.stdout.take().ok_or("no output")?;
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut oracle = Oracle { command, hash_seed, process, input, answers };
        let hello = oracle.line().unwrap_or_default();
        let hello: Value = serde_json::from_str(&hello).unwrap_or_default();
        if hello.get("hello").is_some() {
            return Ok(oracle);
        }
        let _ = oracle.process.kill();
        let _ = oracle.process.wait();
        Err(match hello.get("skip").and_then(Value::as_str) {
            Some(reason) => reason.to_string(),
            None => format!("{} does not speak the oracle protocol", oracle.command.join(" ")),
        })
    }

    fn line(&mut self) -> Result<String, &'static str> {
        self.answers.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Timeout => "timeout",
            RecvTimeoutError::Disconnected => "crash",
        })
    }

    /// Puts a question. A process that dies or hangs is an answer too; a new one takes its place.
    pub fn ask(&mut self, question: &Value) -> Value {
        let sent = writeln!(self.input, "{question}").and_then(|()| self.input.flush());
        let answer = match sent {
            Ok(()) => self.line(),
            Err(_) => Err("crash"),
        };
        match answer {
            Ok(line) => serde_json::from_str(&line)
                .unwrap_or_else(|error| json!({"status": "crash", "error": ["JSON", error.to_string()]})),
            Err(status) => {
                let _ = self.process.kill();
                let _ = self.process.wait();
                if let Ok(fresh) = Oracle::start(self.command.clone(), self.hash_seed) {
                    *self = fresh;
                }
                json!({"status": status})
            }
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
