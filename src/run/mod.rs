//! Floor 7: running one task. Its environment, run file, log and sandbox, the process it runs in, and the [`Executor`] trait.
//!
//! The program never runs a task itself. A *task server*, forked from the host that has read the configuration, forks a child for each
//! [`TaskSpec`]; the child reads the recipe, sets up its surroundings and runs the task, and its [`TaskEvent`]s come back over a socket
//! of its own. A second host under FAKEROOTCMD serves the fakeroot tasks of a configuration.

mod event;
mod executor;
mod spec;

pub use event::{Exit, Fired, LogRecord, Phase, TaskEvent, TaskNames};
pub use executor::{Executor, Happened, RunError, Stop, TaskId};
pub use spec::{BuildData, Dependency, SignatureData, Stamps, TaskSpec};
