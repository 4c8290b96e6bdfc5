//! The messages that a shell function sends through its FIFO: a word and a text each, ended by a NUL byte.

use super::log::{TaskLog, level};

/// Reads messages as they arrive, in whatever pieces.
#[derive(Default)]
pub struct Messages {
    rest: Vec<u8>,
}

impl Messages {
    /// Takes a piece of what was sent.
    pub fn take(&mut self, data: &[u8], log: &TaskLog) {
        self.rest.extend_from_slice(data);
        while let Some(end) = self.rest.iter().position(|byte| *byte == 0) {
            let message: Vec<u8> = self.rest.drain(..=end).collect();
            let message = String::from_utf8_lossy(message.get(..end).unwrap_or_default()).into_owned();
            say(&message, log);
        }
    }
}

fn say(message: &str, log: &TaskLog) {
    let (word, text) = message.split_once(' ').unwrap_or((message, ""));
    match word {
        "bbplain" => log.say(level::PLAIN, text),
        "bbnote" => log.say(level::NOTE, text),
        "bbverbnote" => log.say(level::VERBNOTE, text),
        "bbwarn" => log.say(level::WARNING, text),
        // The function ends itself.
        "bberror" | "bbfatal" => log.say(level::ERROR, text),
        "bbfatal_log" => log.say_with(level::ERROR, text, true),
        "bbdebug" => {
            let (number, text) = text.split_once(' ').unwrap_or((text, ""));
            let number: i32 = number.parse().unwrap_or(1);
            log.say(level::DEBUG + 1 - number.clamp(1, 3), text);
        }
        other => log.say(level::WARNING, &format!("Unrecognised command '{other}' on FIFO")),
    }
}
