//! Running tasks without Python.

use std::io;

use super::child::Child;
use super::control::serve_control;
use super::event::TaskEvent;
use super::server::Runner;
use crate::host::{Duty, fork_plain};

/// Runs the tasks of recipes that need no Python.
pub struct NativeRunner;

impl Runner for NativeRunner {
    fn prepare(&self, _: &Duty<'_>) {}

    fn fork(&self, _: &Duty<'_>, _: &[(String, String)]) -> io::Result<Option<i32>> {
        fork_plain()
    }

    fn run(&self, child: Child) -> i32 {
        child.send(&TaskEvent::NeedsPython);
        1
    }

    fn control(&self, duty: &Duty<'_>) -> io::Result<()> {
        serve_control(duty, &mut |_| None)
    }
}
