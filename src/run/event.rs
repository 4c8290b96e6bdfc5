//! What running a task has to tell.

use serde::{Deserialize, Serialize};

use crate::lang::diagnostic::Severity;

/// News of one task, in the order: `Started`, anything else, `Finished`. A task may start a second time before it has done anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TaskEvent {
    /// Its process exists.
    Started {
        /// Process id, which is its process group, too.
        pid: i32,
    },
    /// One of BitBake's own events about the task (`bb.build.TaskStarted` and its kin).
    Phase(Phase),
    /// How far it is: 0 to 100, or a negative count where the end is not known (`bb.build.TaskProgress`).
    Progress {
        /// The number.
        percent: f64,
        /// How fast, as text.
        rate: Option<String>,
    },
    /// A message.
    Log(LogRecord),
    /// A hash server gave the task's output another hash (`bb.runqueue.taskUniHashUpdate`).
    UnihashChanged {
        /// The task.
        tid: String,
        /// Its new unihash.
        unihash: String,
    },
    /// Any other event that metadata fired.
    Fired(Fired),
    /// Class and include files that the child had to read. The executor has them kept for the next child.
    FilesRead(Vec<String>),
    /// Python is needed, and the child has none. The executor runs the task again where it has.
    NeedsPython,
    /// It is over, and no more will come of it.
    Finished(Exit),
}

/// A change in a task's life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Phase {
    /// It runs (`TaskStarted`).
    Running(TaskNames),
    /// It did what it should (`TaskSucceeded`).
    Succeeded(TaskNames),
    /// It failed (`TaskFailed`).
    Failed {
        /// What it is called.
        names: TaskNames,
        /// Its messages were shown already, so the log need not be.
        errors_printed: bool,
    },
    /// It failed and nobody is to be told (`TaskFailedSilent`).
    FailedSilent(TaskNames),
    /// The recipe has no such task (`TaskInvalid`).
    Invalid(TaskNames),
}

/// What a task and its recipe are called in messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskNames {
    /// PN.
    pub pn: String,
    /// PV.
    pub pv: String,
    /// PF.
    pub pf: String,
    /// The task, with its `do_`.
    pub task: String,
    /// The log, "" before there is one.
    pub log_file: String,
}

/// A message of Python's `logging`, as the child's logger passed it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    /// BitBake's level number: 10 debug, 19 verbose, 20 note, 21 plain, 22 verbose note, 29 warning once, 30 warning, 39 error once,
    /// 40 error, 50 critical.
    pub level: i32,
    /// Name of the logger, such as `BitBake` or `BitBake.Fetcher`.
    pub logger: String,
    /// The text, with the traceback if it has one.
    pub text: String,
    /// Process that said it: the child or a process it forked.
    pub pid: i32,
    /// The log is to be shown although a message was (`bbfatal_log`).
    pub force_log: bool,
}

impl LogRecord {
    /// How grave it is.
    pub fn severity(&self) -> Severity {
        match self.level {
            ..19 => Severity::Debug,
            19 => Severity::Verbose,
            20 | 22 => Severity::Note,
            21 => Severity::Plain,
            23..29 => Severity::Note,
            29..39 => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// It is worth saying once, whichever task it came up with.
    pub fn once(&self) -> bool {
        matches!(self.level, 29 | 39)
    }
}

/// BitBake's level number of a message of the engine.
pub fn level_of(severity: Severity) -> i32 {
    match severity {
        Severity::Debug => 10,
        Severity::Verbose => 19,
        Severity::Note => 20,
        Severity::Plain => 21,
        Severity::Warning => 30,
        Severity::Error => 40,
    }
}

/// An event object that Python code fired.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// Full name of its class, such as `bb.event.MetadataEvent`.
    pub class: String,
    /// Its attributes as a JSON object; what has no such form is its `repr()`.
    pub attributes: String,
    /// The object as Python pickles it, for event logs; empty if it can't be.
    pub pickle: Vec<u8>,
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// With an exit code; 0 is success.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// Nobody knows: what ran it died, too.
    Lost,
}

impl Exit {
    /// True if the task succeeded.
    pub fn success(self) -> bool {
        self == Exit::Code(0)
    }

    /// The number a shell would give, as BitBake's messages have it: the code, or 128 and the signal.
    pub fn status(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
            Exit::Lost => 1,
        }
    }
}
