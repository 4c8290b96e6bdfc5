//! The duties of the processes that are forked from a host.

use std::io;

use super::server::{Runner, serve_tasks};
use crate::host::{Duty, Role, Roles};

/// Plays every role with a runner.
pub struct Players<R: Runner>(pub R);

impl<R: Runner> Roles for Players<R> {
    fn play(&self, role: &Role, duty: &Duty<'_>) -> io::Result<()> {
        match role {
            Role::Tasks => serve_tasks(duty, &self.0),
            Role::Control => self.0.control(duty),
        }
    }
}
