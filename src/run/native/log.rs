//! The log of a task, and what of it the program hears.

use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::rc::Rc;

use super::super::event::{LogRecord, TaskEvent};
use super::super::pipe::EventSender;
use super::super::spec::BuildData;

/// BitBake's numbers of levels.
pub mod level {
    /// A message for whoever debugs the engine.
    pub const DEBUG: i32 = 10;
    /// The same, of level 2.
    pub const DEBUG2: i32 = 9;
    /// Normal progress.
    pub const NOTE: i32 = 20;
    /// Text as it is.
    pub const PLAIN: i32 = 21;
    /// A note that is always shown.
    pub const VERBNOTE: i32 = 22;
    /// A warning.
    pub const WARNING: i32 = 30;
    /// An error.
    pub const ERROR: i32 = 40;
}

/// Takes the messages of a task.
pub struct TaskLog {
    events: Rc<EventSender>,
    least: i32,
    file: RefCell<Option<File>>,
    /// An error was shown, so the log need not be.
    pub errors_printed: Cell<bool>,
}

impl TaskLog {
    /// A log without file.
    pub fn new(events: Rc<EventSender>, build: &BuildData) -> Self {
        let (file, errors_printed) = (RefCell::default(), Cell::default());
        TaskLog { events, least: build.log_level, file, errors_printed }
    }

    /// Begins the file.
    pub fn open(&self, path: &str) -> io::Result<()> {
        // Commands write to the same file, so both have to do it at the end.
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        file.set_len(0)?;
        *self.file.borrow_mut() = Some(file);
        Ok(())
    }

    /// Ends the file: messages from now on are for the program alone.
    pub fn close(&self) {
        *self.file.borrow_mut() = None;
    }

    /// Another handle on the file, for a command's output.
    pub fn output(&self) -> io::Result<Option<File>> {
        self.file.borrow().as_ref().map(File::try_clone).transpose()
    }

    /// Adds text to the file alone.
    pub fn write(&self, text: &[u8]) {
        if let Some(file) = &mut *self.file.borrow_mut() {
            // A full disk must not keep the task's end from being told.
            let _ = file.write_all(text);
        }
    }

    /// A message, for the file and the program.
    pub fn say(&self, level: i32, text: &str) {
        self.say_with(level, text, false);
    }

    /// The same; with `force_log` the log is to be shown although an error was.
    pub fn say_with(&self, level: i32, text: &str, force_log: bool) {
        let label = match level {
            ..=10 => "DEBUG: ",
            21 => "",
            11..=28 => "NOTE: ",
            29..=38 => "WARNING: ",
            _ => "ERROR: ",
        };
        self.write(format!("{label}{text}\n").as_bytes());
        if level >= level::ERROR && self.file.borrow().is_some() {
            self.errors_printed.set(!force_log);
        }
        if level >= self.least {
            let record = LogRecord {
                level,
                logger: "BitBake".into(),
                text: text.to_owned(),
                pid: std::process::id() as i32,
                force_log,
            };
            self.tell(&TaskEvent::Log(record));
        }
    }

    /// Shows output of a command. It goes into the file by itself.
    pub fn show(&self, text: &str) {
        let record = LogRecord {
            level: level::PLAIN,
            logger: "BitBake.Build".into(),
            text: text.to_owned(),
            pid: std::process::id() as i32,
            force_log: false,
        };
        self.tell(&TaskEvent::Log(record));
    }

    /// Tells the program of something.
    pub fn tell(&self, event: &TaskEvent) {
        // Nobody listens only when the process is about to be ended.
        let _ = self.events.send(event);
    }
}
