//! Floor 7: running one task. Its environment, run file, log and sandbox, the process it runs in, and the [`Executor`] trait.
//!
//! The program never runs a task itself. A *task server*, forked from the host that has read the configuration, forks a child for each
//! [`TaskSpec`]; the child reads the recipe, sets up its surroundings and runs the task, and its [`TaskEvent`]s come back over a socket
//! of its own. A second host under FAKEROOTCMD serves the fakeroot tasks of a configuration.

pub mod child;
mod control;
mod depdata;
mod disk;
pub mod environment;
mod event;
pub mod excerpt;
mod executor;
mod local;
mod native;
mod pipe;
mod roles;
pub mod sandbox;
mod script;
mod server;
mod spec;
mod wire;

pub use child::Child;
pub use control::{
    Ask, BuildEvent, Control, DepValid, HashCheck, Hear, Heard, QueueEvent, Stats, serve_control,
};
pub use depdata::TaskDepData;
pub use disk::{DiskAction, DiskFinding, DiskMonitor, Room};
pub use event::{Exit, Fired, LogRecord, Phase, TaskEvent, TaskNames};
pub use executor::{Executor, Happened, RunError, Stop, TaskId};
pub use local::LocalExecutor;
pub use native::NativeRunner;
pub use pipe::EventSender;
pub use roles::Players;
pub use script::{PROLOGUE, metadata_backtrace, shell_function, shell_script};
pub use server::{Runner, serve_tasks};
pub use spec::{BuildData, Dependency, SignatureData, Stamps, TaskSpec};
