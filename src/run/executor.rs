//! The interface between the queue and whoever runs tasks.

use std::io;

use crossbeam::channel::Receiver;

use super::event::TaskEvent;
use super::spec::TaskSpec;
use crate::host::{HostError, Said};

/// The queue's number for a task.
pub type TaskId = u32;

/// Something an executor has to tell.
#[derive(Debug)]
pub enum Happened {
    /// News of a task.
    Task(TaskId, TaskEvent),
    /// A message of a process that runs tasks, about none of them.
    Said(Said),
    /// What runs tasks can't go on; every task that ran there is reported as finished, too.
    Broken(String),
}

/// How to end running tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Ask their process groups to end (SIGTERM).
    Terminate,
    /// End them at once (SIGKILL).
    Kill,
}

/// Why a task could not be started.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No host for it.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The system refused.
    #[error("the task can't be started: {0}")]
    Io(#[from] io::Error),
}

/// Runs tasks. Nothing here assumes that it does so on this machine.
pub trait Executor {
    /// Starts a task. Its events come under `id`; the last one is [`TaskEvent::Finished`].
    ///
    /// # Errors
    /// It wasn't started, and no event will come.
    fn start(&mut self, id: TaskId, spec: TaskSpec) -> Result<(), RunError>;

    /// Where events arrive; to be waited for beside others with `crossbeam`'s `select!`.
    fn events(&self) -> &Receiver<Happened>;

    /// Ends all running tasks. Their `Finished` events still come.
    fn stop(&mut self, how: Stop);
}
