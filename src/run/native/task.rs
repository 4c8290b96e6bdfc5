//! Running one task (BitBake manual, section "Tasks").

use std::fs::{self, OpenOptions};
use std::io::Write;

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::super::child::Child;
use super::super::event::{Phase, TaskEvent, TaskNames};
use super::super::sandbox::{disable_network, is_local_user};
use super::super::script::shell_script;
use super::function::{Failure, Functions, link, make_dir, refused};
use super::log::{TaskLog, level};
use super::progress::{Progress, Wanted};
use crate::data::{DataError, Store, Value};
use crate::recipe::scanners::CodeScanners;

/// The classes of events that tell handlers of metadata about a task.
const EVENTS: [&str; 5] = [
    "bb.build.TaskStarted",
    "bb.build.TaskSucceeded",
    "bb.build.TaskFailed",
    "bb.build.TaskFailedSilent",
    "bb.build.TaskInvalid",
];

/// A task that can be run without Python.
pub struct Task<'a> {
    child: &'a Child,
    /// The recipe's store as the task sees it.
    store: Store,
    environment: Vec<(String, String)>,
    scanners: CodeScanners,
    names: TaskNames,
    /// Functions in the order they run; None if the recipe has no such task.
    functions: Option<Vec<String>>,
    temp: String,
    log: TaskLog,
}

impl<'a> Task<'a> {
    /// Reads the recipe and sees whether the task needs Python; None if it does. Nothing of the task is done yet.
    pub fn prepare(child: &'a Child) -> Result<Option<Task<'a>>, DataError> {
        const HERE: &str = "run_task";
        let recipe = child.read()?;
        let task = child.spec.task.as_str();
        let environment = child.environment(&recipe)?;
        let text = |name: &str| recipe.get_str(name);
        let names = TaskNames {
            pn: text("PN")?,
            pv: text("PV")?,
            pf: text("PF")?,
            task: task.to_owned(),
            log_file: String::new(),
        };
        let known = recipe.get_flag_raw(task, "task")?.is_some_and(|flag| flag.truth());
        let store = recipe.copy();
        store.set_engine("BB_FILENAME", child.spec.file(), HERE)?;
        let overrides = recipe.get_raw("OVERRIDES")?.map_or_else(|| "None".into(), |value| value.to_text());
        let own = task.get(3..).unwrap_or_default().replace('_', "-");
        store.set_engine("OVERRIDES", format!("task-{own}:{overrides}"), HERE)?;
        store.expand_keys()?;
        let temp = store.get_str("T")?;
        let scanners = CodeScanners::new(child.run.python.clone());

        let mut functions: Vec<String> = Vec::new();
        for flag in ["prefuncs", "postfuncs"] {
            if flag == "postfuncs" {
                functions.push(task.to_owned());
            }
            functions.extend(store.get_flag_str(task, flag)?.split_whitespace().map(str::to_owned));
        }
        let wants_python = child.spec.signature.as_ref().is_some_and(|signature| signature.write)
            || !store.get_str("BB_TASK_NICE_LEVEL")?.is_empty()
            || !store.get_str("BB_TASK_IONICE_LEVEL")?.is_empty()
            || self_handled(child, &store)?
            || needs_python(&store, &scanners, &functions)?;
        if wants_python {
            return Ok(None);
        }
        let functions = known.then_some(functions);
        let log = TaskLog::new(child.events.clone(), &child.build);
        Ok(Some(Task { child, store, environment, scanners, names, functions, temp, log }))
    }

    /// Runs the task; gives the exit code.
    pub fn run(mut self) -> i32 {
        end_group_on_signals();
        let task = self.child.spec.task.clone();
        let Some(functions) = self.functions.take() else {
            self.tell(Phase::Invalid(self.names.clone()));
            self.log.say(level::ERROR, &format!("No such task: {task}"));
            return 1;
        };
        if self.temp.is_empty() {
            self.log.say(level::ERROR, "T variable not set, unable to build");
            return 1;
        }
        self.disable_network(&task);
        let logged = self.log_file(&task);
        let result = logged.and_then(|path| {
            self.names.log_file = path;
            self.tell(Phase::Running(self.names.clone()));
            self.run_functions(&task, &functions)
        });
        self.log.close();
        let path = &self.names.log_file;
        if fs::metadata(path).is_ok_and(|meta| meta.len() == 0) {
            let _ = fs::remove_file(path);
            let _ = fs::remove_file(format!("{}/log.{task}", self.temp));
        }
        let failure = match result.and_then(|()| self.finish(&task)) {
            Ok(()) => return 0,
            Err(failure) => failure,
        };
        let quiet = self.store.get_flag_raw(&task, "quieterrors").is_ok_and(|flag| flag.is_some());
        if quiet {
            if let Failure::Text(text) = failure {
                self.log.say(level::WARNING, &text);
            }
            self.tell(Phase::FailedSilent(self.names.clone()));
        } else {
            let handled = matches!(failure, Failure::Handled);
            let errors_printed = self.log.errors_printed.get() || handled || self.child.build.verbose_stdout;
            if let Failure::Text(text) = failure {
                self.log.say(level::ERROR, &text);
            }
            self.tell(Phase::Failed { names: self.names.clone(), errors_printed });
        }
        1
    }

    fn tell(&self, phase: Phase) {
        self.log.tell(&TaskEvent::Phase(phase));
    }

    fn disable_network(&self, task: &str) {
        if self.store.flag_is_true(task, "network").unwrap_or_default() || !is_local_user() {
            return;
        }
        match disable_network() {
            Ok(true) => {}
            Ok(false) => {
                self.log.say(level::DEBUG, "System doesn't support disabling network without admin privs");
            }
            Err(error) => self.log.say(level::WARNING, &format!("the network can't be disabled: {error}")),
        }
    }

    /// Begins the log; gives its path.
    fn log_file(&self, task: &str) -> Result<String, Failure> {
        make_dir(&self.temp)?;
        let pid = std::process::id().to_string();
        let format = self.store.get_str("BB_LOGFMT")?;
        let format = if format.is_empty() { "log.{task}.{pid}" } else { &format };
        let name = format.replace("{task}", task).replace("{pid}", &pid);
        let path = crate::recipe::join(&self.temp, &name);
        let order = format!("{}/log.task_order", self.temp);
        let line = format!("{} {task} ({pid}): {name}\n", now());
        let noted = OpenOptions::new().append(true).create(true).open(&order);
        if let Err(error) = noted.and_then(|mut file| file.write_all(line.as_bytes())) {
            self.log.say(level::ERROR, &format!("Opening log file '{order}': {error}"));
        }
        link(&name, &format!("{}/log.{task}", self.temp));
        make_dir(crate::recipe::dirname(&path))?;
        self.log.open(&path).map_err(|error| refused(&error, &path))?;
        Ok(path)
    }

    fn run_functions(&self, task: &str, functions: &[String]) -> Result<(), Failure> {
        const HERE: &str = "run_task";
        self.store.set_engine("BB_LOGFILE", self.names.log_file.as_str(), HERE)?;
        self.store.set_engine("BB_RUNTASK", task, HERE)?;
        let trace = self.store.get_raw("BB_VERBOSE_LOGS")?.is_some_and(|value| {
            matches!(value.to_text().to_ascii_lowercase().as_str(), "y" | "yes" | "1" | "true")
        });
        let runner = Functions {
            store: &self.store,
            task,
            temp: &self.temp,
            log: &self.log,
            environment: &self.environment,
            scanners: &self.scanners,
            trace: trace || self.child.build.verbose_shell,
            show: self.child.build.verbose_stdout,
        };
        functions.iter().try_for_each(|function| runner.run(function))
    }

    /// Tells of the success and makes the stamp.
    fn finish(&self, task: &str) -> Result<(), Failure> {
        self.tell(Phase::Succeeded(self.names.clone()));
        let set =
            |flag: &str| self.store.get_flag_raw(task, flag).map(|flag| flag.is_some_and(|f| f.truth()));
        if set("nostamp")? || set("selfstamp")? {
            return Ok(());
        }
        if let Some(stamps) = &self.child.spec.stamp {
            stamps.make().map_err(|error| refused(&error, &stamps.file))?;
        }
        Ok(())
    }
}

/// True if handlers of metadata want to hear of the task.
fn self_handled(child: &Child, store: &Store) -> Result<bool, DataError> {
    for class in EVENTS {
        if !child.run.handlers_for(store, class)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// True if one of the functions, or what it takes to write its run file, needs Python.
fn needs_python(store: &Store, scanners: &CodeScanners, functions: &[String]) -> Result<bool, DataError> {
    for function in functions {
        let python = store.get_flag_raw(function, "python")?.is_some_and(|flag| flag.truth());
        let progress = store.get_flag_str(function, "progress")?;
        if python || (!progress.is_empty() && matches!(Progress::read(&progress), Wanted::Python)) {
            return Ok(true);
        }
        for flag in ["cleandirs", "dirs", "lockfiles"] {
            store.get_flag_str(function, flag)?;
        }
        if store.get_raw(function)?.is_some_and(|body| body != Value::None) {
            match shell_script(store, scanners, function, None, false) {
                Err(error @ DataError::NeedsPython(_)) => return Err(error),
                // It is to fail in its turn.
                Ok(_) | Err(_) => {}
            }
        }
    }
    Ok(false)
}

/// The local time as `log.task_order` has it.
fn now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs() as libc::time_t;
    // SAFETY: a plain record of numbers, for which zeros are a value.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: it reads the number and fills the record, both of which outlive the call; this process has one thread.
    unsafe { libc::localtime_r(&seconds, &mut parts) };
    format!(
        "{:04}{:02}{:02}-{:02}{:02}{:02}.{:06}",
        parts.tm_year + 1900,
        parts.tm_mon + 1,
        parts.tm_mday,
        parts.tm_hour,
        parts.tm_min,
        parts.tm_sec,
        since.subsec_micros()
    )
}

/// Has the signal that ends this process end its commands, too.
fn end_group_on_signals() {
    extern "C" fn end_group(_: i32) {
        // SAFETY: both calls may be made in a signal handler and take numbers only.
        unsafe {
            libc::signal(libc::SIGTERM, libc::SIG_DFL);
            libc::kill(0, libc::SIGTERM);
        }
    }
    let action = SigAction::new(SigHandler::Handler(end_group), SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler does nothing that is forbidden in one.
        let _ = unsafe { sigaction(signal, &action) };
    }
}
