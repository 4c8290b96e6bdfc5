//! What an executor and its task servers say to each other.

use serde::{Deserialize, Serialize};

use super::event::Exit;
use super::executor::TaskId;
use super::spec::{BuildData, TaskSpec};
use crate::host::Said;

/// To a task server.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// What is the same for all tasks from now on.
    Build(Box<BuildData>),
    /// Fork a child. Its event socket follows as a file.
    Run(TaskId, Box<TaskSpec>),
    /// Read these files ahead, for children to come.
    Preload(Vec<String>),
    /// Send this signal to the process groups of all children.
    Signal(i32),
}

/// From a task server.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// A message about no task.
    Said(Said),
    /// A child exists.
    Forked(TaskId, i32),
    /// None could be made.
    NotForked(TaskId, String),
    /// A child has ended.
    Ended(TaskId, Exit),
}
