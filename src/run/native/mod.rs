//! Running tasks without Python: those of shell functions alone, in metadata that needs no interpreter.

mod function;
mod log;
mod messages;
mod progress;
mod task;

use std::io;

use super::child::Child;
use super::control::serve_control_without;
use super::event::TaskEvent;
use super::server::Runner;
use crate::data::DataError;
use crate::host::{Duty, fork_plain, send_message};
use crate::lang::diagnostic::Severity;
use task::Task;

/// Runs the tasks of recipes that need no Python. For any other the executor is told so before anything of it is done.
pub struct NativeRunner;

impl Runner for NativeRunner {
    fn prepare(&self, _: &Duty<'_>) {}

    fn fork(&self, _: &Duty<'_>, _: &[(String, String)]) -> io::Result<Option<i32>> {
        // The environment of a task is handed to its commands; nothing else here looks at it.
        fork_plain()
    }

    fn run(&self, child: Child) -> i32 {
        match Task::prepare(&child) {
            Ok(Some(_)) if child.spec.dry_run => 0,
            Ok(Some(task)) => task.run(),
            Ok(None) | Err(DataError::NeedsPython(_)) => {
                child.send(&TaskEvent::NeedsPython);
                1
            }
            Err(error) => {
                let (class, text) = error.class_and_text();
                if class != "BBHandledException" && !child.spec.quiet_errors {
                    send_message(Severity::Error, &text, false);
                }
                1
            }
        }
    }

    fn control(&self, duty: &Duty<'_>) -> io::Result<()> {
        serve_control_without(duty)
    }
}
