//! Tasks whose unihashes came from the upstream server and are still to be stored here, beside the answering of requests.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::Address;
use super::client::Client;
use super::event::Event;
use super::session::{Shared, UPSTREAM_LIMIT};

/// The tasks that wait, and a way to wait for them.
#[derive(Default)]
pub(super) struct Backfill {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(String, String)>,
    working: bool,
    closed: bool,
}

impl Backfill {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a task.
    pub fn add(&self, method: &str, taskhash: &str) {
        self.state().waiting.push_back((method.to_string(), taskhash.to_string()));
        self.changed.notify_all();
    }

    /// Waits until nothing waits any more; gives the number of tasks that were waiting at first.
    pub fn wait(&self) -> usize {
        let state = self.state();
        let count = state.waiting.len();
        let done = |state: &mut State| (state.working || !state.waiting.is_empty()) && !state.closed;
        drop(self.changed.wait_while(state, done));
        count
    }

    /// Ends the work; what still waits is left.
    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    fn next(&self) -> Option<(String, String)> {
        let mut state = self.state();
        state.working = false;
        self.changed.notify_all();
        let idle = |state: &mut State| state.waiting.is_empty() && !state.closed;
        let mut state = self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return None;
        }
        state.working = true;
        state.waiting.pop_front()
    }

    /// The work, on a thread of its own until [`Backfill::close`].
    pub fn run(&self, shared: &Shared, upstream: Address) {
        let mut client = Client::new(upstream, UPSTREAM_LIMIT);
        while let Some((method, taskhash)) = self.next() {
            let found = match client.task(&method, &taskhash, false) {
                Ok(found) => found,
                Err(error) => {
                    shared.note(&Event::UpstreamFailed(error.to_string()));
                    continue;
                }
            };
            let Some(unihash) = found.as_ref().and_then(|task| task.get("unihash")?.as_str()) else {
                continue;
            };
            if !super::is_unihash(unihash) {
                shared.note(&Event::UpstreamInvalid);
            } else if let Err(error) = shared.database.add_unihash(&method, &taskhash, unihash) {
                shared.note(&Event::UpstreamFailed(error.to_string()));
            }
        }
    }
}
