//! The process of one task: how it sets itself apart, and the store its task runs with.

use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use nix::fcntl::{OFlag, open};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{dup2_stdin, dup2_stdout, getppid, setsid};

use super::depdata::TaskDepData;
use super::event::TaskEvent;
use super::pipe::EventSender;
use super::spec::{BuildData, TaskSpec};
use crate::data::{DataError, Store, Value};
use crate::recipe::{Configuration, Run, read_recipe};

/// One task in the process that was forked for it.
pub struct Child {
    /// What to run.
    pub spec: TaskSpec,
    /// What is the same for all tasks.
    pub build: BuildData,
    /// The run.
    pub run: Rc<Run>,
    /// The configuration's store of the task's multiconfig.
    pub configuration: Store,
    /// Variables of FAKEROOTENV or FAKEROOTNOENV, which the process was forked with.
    pub fakeroot_env: Vec<(String, String)>,
    /// Where its events go.
    pub events: Rc<EventSender>,
}

impl Child {
    /// The child for a task; an error if its multiconfig is unknown.
    ///
    /// # Errors
    /// There is no such multiconfig.
    pub fn new(
        spec: TaskSpec,
        build: BuildData,
        run: Rc<Run>,
        configuration: &Configuration,
        events: Rc<EventSender>,
    ) -> Result<Self, DataError> {
        let store = configuration.store(&spec.recipe.mc).cloned();
        let configuration = store.ok_or_else(|| DataError::raised("KeyError", &*spec.recipe.mc))?;
        let fakeroot_env = assignments(&spec.fakeroot_env);
        Ok(Child { spec, build, run, configuration, fakeroot_env, events })
    }

    /// Sends an event. When nobody listens any more, the signal that tells so is on its way.
    pub fn send(&self, event: &TaskEvent) {
        let _ = self.events.send(event);
    }

    /// Reads the recipe as a task sees it.
    ///
    /// # Errors
    /// The recipe can't be read.
    pub fn read(&self) -> Result<Store, DataError> {
        const HERE: &str = "run_task";
        let (spec, base) = (&self.spec, &self.configuration);
        base.set_engine("__bbclasstype", "recipe", HERE)?;
        base.set_engine("BB_WORKERCONTEXT", "1", HERE)?;
        let depends = TaskDepData::new(spec.depends.clone());
        base.set_engine("BB_TASKDEPDATA", Value::Object(Rc::new(depends)), HERE)?;
        base.set_engine("BB_CURRENTTASK", spec.task.replace("do_", ""), HERE)?;
        if self.build.limited_deps {
            base.set_engine("BB_LIMITEDDEPS", "1", HERE)?;
        }
        for (name, value) in &self.build.variables {
            base.set_engine(name, value.as_str(), HERE)?;
        }
        let known = self.run.kept_files();
        let stores = read_recipe(&self.run, base, &spec.recipe, Some(&spec.variant))?;
        let mut read = self.run.kept_files();
        read.retain(|file| !known.contains(file));
        if !read.is_empty() {
            self.send(&TaskEvent::FilesRead(read));
        }
        let found = stores.into_iter().find(|(name, _)| *name == spec.variant);
        let store =
            found.map(|(_, store)| store).ok_or_else(|| DataError::raised("KeyError", &*spec.variant))?;
        store.set_engine("BB_TASKHASH", spec.taskhash.as_str(), HERE)?;
        store.set_engine("BB_UNIHASH", spec.unihash.as_str(), HERE)?;
        Ok(store)
    }

    /// Makes the variables of fakeroot and those of the task's flag `exports` part of the store; gives the whole environment of the
    /// task.
    ///
    /// # Errors
    /// A flag can't be expanded.
    pub fn environment(&self, store: &Store) -> Result<Vec<(String, String)>, DataError> {
        const HERE: &str = "run_task";
        let mut all = super::environment::exported(store)?;
        for (name, value) in &self.fakeroot_env {
            store.set_engine(name, value.as_str(), HERE)?;
            super::environment::export(store, name)?;
            all.push((name.clone(), value.clone()));
        }
        for name in store.get_flag_str(&self.spec.task, "exports")?.split_whitespace() {
            super::environment::export(store, name)?;
            if let Some(value) = store.get_var(name)?.filter(|value| *value != Value::None) {
                all.push((name.to_owned(), value.to_text()));
            }
        }
        if self.spec.quiet_errors {
            let origin = crate::data::Origin::engine(HERE);
            store.set_flag(&self.spec.task, "quieterrors", Value::from("1"), origin)?;
        }
        Ok(all)
    }
}

/// Words `NAME=value` taken apart.
pub fn assignments(words: &str) -> Vec<(String, String)> {
    let pairs = words.split_whitespace().filter_map(|word| word.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What a umask may be written as: octal digits, perhaps with `0o` in front.
pub fn mask(text: &str) -> Option<u32> {
    let digits = text.trim();
    u32::from_str_radix(digits.strip_prefix("0o").unwrap_or(digits), 8).ok().filter(|mask| *mask <= 0o777)
}

/// Sets a process that was just forked apart: a session and process group of its own, no input, no output, and the end when its
/// parent ends.
///
/// # Errors
/// The system refused.
pub fn set_apart(parent: i32, wanted_umask: &str) -> io::Result<()> {
    // Ordered before the look at the parent, so that one which died in between isn't missed.
    set_pdeathsig(Signal::SIGTERM)?;
    if getppid().as_raw() != parent {
        return Err(io::Error::other("the parent has ended"));
    }
    setsid()?;
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    dup2_stdin(null.as_fd())?;
    dup2_stdout(null.as_fd())?;
    if let Some(mask) = mask(wanted_umask) {
        umask(Mode::from_bits_truncate(mask));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_umask_is_octal() {
        assert_eq!(mask("022"), Some(0o22));
        assert_eq!(mask("0o77"), Some(0o77));
        assert_eq!(mask(""), None);
        assert_eq!(mask("9"), None);
        assert_eq!(mask("7777"), None);
    }

    #[test]
    fn a_value_may_hold_an_equals_sign() {
        assert_eq!(
            assignments(" A=1  OPTS=-x=y \n B= "),
            [("A", "1"), ("OPTS", "-x=y"), ("B", "")].map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
    }
}
