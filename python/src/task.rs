//! Running tasks, and the handlers and functions of the whole build, in this interpreter.

use std::io;
use std::rc::Rc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyBytes, PyDict, PySet};
use rbake::host::Duty;
use rbake::run::{
    Ask, Child, EventSender, Fired, Heard, LogRecord, PROLOGUE, Phase, Runner, SignatureData, TaskDepData,
    TaskEvent, TaskNames, metadata_backtrace, serve_control, shell_function, shell_script,
};

use crate::datasmart::{DataSmart, wrap};
use crate::engine::engine;
use crate::error::OrRaise;
use crate::gil::Gil;

/// Runs tasks with the `bb` package.
pub struct PythonRunner;

fn io_error(error: PyErr) -> io::Error {
    io::Error::other(error.to_string())
}

fn stores<'py>(py: Python<'py>, duty: &Duty<'_>) -> PyResult<Bound<'py, PyDict>> {
    let stores = PyDict::new(py);
    for (mc, store) in &duty.configuration.stores {
        stores.set_item(mc, wrap(py, store)?)?;
    }
    Ok(stores)
}

impl Runner for PythonRunner {
    fn prepare(&self, duty: &Duty<'_>) {
        Python::attach(|py| {
            let prepared =
                stores(py, duty).and_then(|stores| py.import("bb._task")?.call_method1("prepare", (stores,)));
            if let Err(error) = prepared {
                // Every child will meet it again and say so.
                error.print(py);
            }
        });
    }

    fn fork(&self, _: &Duty<'_>, environment: &[(String, String)]) -> io::Result<Option<i32>> {
        Python::attach(|py| {
            let pid: i32 = py
                .import("bb._task")
                .and_then(|module| module.call_method1("fork", (environment.to_vec(),)))
                .and_then(|pid| pid.extract())
                .map_err(io_error)?;
            Ok((pid != 0).then_some(pid))
        })
    }

    fn run(&self, child: Child) -> i32 {
        Python::attach(|py| {
            let task = TaskChild { child: Gil::new(py, child) };
            let code = py.import("bb._task").and_then(|module| module.call_method1("main", (task,)));
            match code.and_then(|code| code.extract()) {
                Ok(code) => code,
                Err(error) => {
                    error.print(py);
                    1
                }
            }
        })
    }

    fn control(&self, duty: &Duty<'_>) -> io::Result<()> {
        let channel = duty.channel.clone();
        Python::attach(|py| {
            let ears = Ears { heard: Gil::new(py, Rc::new(move |heard| drop(channel.send(&heard)))) };
            let control = stores(py, duty).and_then(|stores| {
                py.import("bb._control")?.getattr("Control")?.call1((stores, ears)).map(Bound::unbind)
            });
            let control = control.map_err(io_error)?;
            serve_control(duty, &mut |ask: &Ask| {
                let answer = control
                    .bind(py)
                    .call_method1("answer", (&ask.function, &ask.arguments))
                    .and_then(|answer| answer.extract::<Option<String>>());
                // What went wrong is in the log already.
                answer.ok().flatten()
            })
        })
    }
}

/// Where the control process tells of events.
#[pyclass(frozen, module = "rbake_engine")]
pub struct Ears {
    heard: Gil<Rc<dyn Fn(Heard)>>,
}

#[pymethods]
impl Ears {
    /// A log record.
    fn log(&self, py: Python<'_>, level: i32, logger: String, text: String, force_log: bool) {
        (self.heard.get(py))(Heard::Log(record(level, logger, text, force_log)));
    }

    /// Any other event.
    fn fired(&self, py: Python<'_>, class: String, attributes: String, pickle: &Bound<'_, PyBytes>) {
        let pickle = pickle.as_bytes().to_vec();
        (self.heard.get(py))(Heard::Fired(Fired { class, attributes, pickle }));
    }
}

fn record(level: i32, logger: String, text: String, force_log: bool) -> LogRecord {
    LogRecord { level, logger, text, pid: std::process::id() as i32, force_log }
}

/// One task in the process that was forked for it.
#[pyclass(frozen, module = "rbake_engine")]
pub struct TaskChild {
    child: Gil<Child>,
}

impl TaskChild {
    fn child(&self, py: Python<'_>) -> &Child {
        self.child.get(py)
    }

    fn events(&self, py: Python<'_>) -> Rc<EventSender> {
        self.child(py).events.clone()
    }
}

#[pymethods]
impl TaskChild {
    /// The recipe's file name with variant and multiconfig.
    #[getter]
    fn file(&self, py: Python<'_>) -> String {
        self.child(py).spec.file()
    }

    #[getter]
    fn task(&self, py: Python<'_>) -> String {
        self.child(py).spec.task.clone()
    }

    #[getter]
    fn tid(&self, py: Python<'_>) -> String {
        self.child(py).spec.tid()
    }

    #[getter]
    fn hashes(&self, py: Python<'_>) -> (String, String) {
        let spec = &self.child(py).spec;
        (spec.taskhash.clone(), spec.unihash.clone())
    }

    #[getter]
    fn quiet(&self, py: Python<'_>) -> bool {
        self.child(py).spec.quiet_errors
    }

    #[getter]
    fn dry_run(&self, py: Python<'_>) -> bool {
        self.child(py).spec.dry_run
    }

    #[getter]
    fn fakeroot(&self, py: Python<'_>) -> bool {
        let spec = &self.child(py).spec;
        spec.fakeroot && !spec.dry_run
    }

    /// Whether to trace shell functions, and whether to show what tasks print.
    #[getter]
    fn verbose(&self, py: Python<'_>) -> (bool, bool) {
        let build = &self.child(py).build;
        (build.verbose_shell, build.verbose_stdout)
    }

    /// The lowest level that is passed on, and those of single loggers.
    #[getter]
    fn levels(&self, py: Python<'_>) -> (i32, Vec<(String, i32)>) {
        let build = &self.child(py).build;
        (build.log_level, build.log_domains.clone())
    }

    /// The stamp to make and the patterns of those it replaces.
    #[getter]
    fn stamp(&self, py: Python<'_>) -> Option<(String, Vec<String>)> {
        let stamps = self.child(py).spec.stamp.as_ref()?;
        Some((stamps.file.clone(), stamps.clean.clone()))
    }

    /// What its hash was made of.
    #[getter]
    fn signature<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(data) = &self.child(py).spec.signature else { return Ok(None) };
        let SignatureData { basehash, runtaskdeps, file_checksums, taint, setscene, write } = data;
        let dict = PyDict::new(py);
        dict.set_item("basehash", basehash)?;
        dict.set_item("runtaskdeps", runtaskdeps)?;
        dict.set_item("file_checksums", file_checksums)?;
        dict.set_item("taint", taint)?;
        dict.set_item("setscene", setscene)?;
        dict.set_item("write", write)?;
        Ok(Some(dict))
    }

    /// Name and hash of the recipe behind a task id, as far as the task depends on it.
    fn dependency(&self, py: Python<'_>, tid: PyBackedStr) -> Option<(String, String)> {
        let found = self.child(py).spec.depends.get(&*tid)?;
        Some((found.pn.clone(), found.taskhash.clone()))
    }

    /// Reads the recipe.
    fn read<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, DataSmart>> {
        let store = self.child(py).read().or_raise(py)?;
        wrap(py, &store)
    }

    /// The environment of the task.
    fn environment(&self, py: Python<'_>, d: &Bound<'_, DataSmart>) -> PyResult<Vec<(String, String)>> {
        self.child(py).environment(d.get().store(py)).or_raise(py)
    }

    // --- events

    fn log(&self, py: Python<'_>, level: i32, logger: String, text: String, force_log: bool) {
        self.send(py, TaskEvent::Log(record(level, logger, text, force_log)));
    }

    /// One of the events about the task. `class` is its name.
    #[pyo3(signature = (class, pn, pv, pf, task, log_file, errors_printed=false))]
    #[allow(clippy::too_many_arguments, reason = "they are the fields of the event")]
    fn phase(
        &self,
        py: Python<'_>,
        class: &str,
        pn: String,
        pv: String,
        pf: String,
        task: String,
        log_file: String,
        errors_printed: bool,
    ) -> PyResult<()> {
        let names = TaskNames { pn, pv, pf, task, log_file };
        let phase = match class {
            "TaskStarted" => Phase::Running(names),
            "TaskSucceeded" => Phase::Succeeded(names),
            "TaskFailed" => Phase::Failed { names, errors_printed },
            "TaskFailedSilent" => Phase::FailedSilent(names),
            "TaskInvalid" => Phase::Invalid(names),
            other => return Err(PyRuntimeError::new_err(format!("{other} is no event about a task"))),
        };
        self.send(py, TaskEvent::Phase(phase));
        Ok(())
    }

    fn progress(&self, py: Python<'_>, percent: f64, rate: Option<String>) {
        self.send(py, TaskEvent::Progress { percent, rate });
    }

    fn unihash_changed(&self, py: Python<'_>, tid: String, unihash: String) {
        self.send(py, TaskEvent::UnihashChanged { tid, unihash });
    }

    fn fired(&self, py: Python<'_>, class: String, attributes: String, pickle: &Bound<'_, PyBytes>) {
        let pickle = pickle.as_bytes().to_vec();
        self.send(py, TaskEvent::Fired(Fired { class, attributes, pickle }));
    }
}

impl TaskChild {
    /// Sends with the interpreter's lock released: a full socket must not stop the threads of a task.
    fn send(&self, py: Python<'_>, event: TaskEvent) {
        struct Sending<'a>(&'a EventSender);
        // SAFETY: the sender is made for use from any thread: an atomic counter and a socket. What isn't is the counter of the
        // `Rc` around it, which isn't touched while the lock is released.
        unsafe impl Send for Sending<'_> {}
        let events = self.events(py);
        let sending = Sending(&events);
        // Nobody listens only when the process is about to be ended.
        py.detach(move || {
            let sending = sending;
            drop(sending.0.send(&event));
        });
    }
}

/// BB_TASKDEPDATA as Python sees it: a dictionary of `bb.TaskData`, made once.
pub fn depends_to_python<'py>(py: Python<'py>, data: &TaskDepData) -> PyResult<Bound<'py, PyAny>> {
    if let Some(twin) = data.twin.get().and_then(|twin| twin.downcast_ref::<Py<PyDict>>()) {
        return Ok(twin.bind(py).clone().into_any());
    }
    let class = py.import("bb")?.getattr("TaskData")?;
    let dict = PyDict::new(py);
    for (tid, entry) in data.entries() {
        let value = class.call1((
            &entry.pn,
            &entry.taskname,
            &entry.fn_,
            PySet::new(py, &entry.deps)?,
            &entry.provides,
            &entry.taskhash,
            &entry.unihash,
            &entry.hashfn,
            PySet::new(py, &entry.taskhash_deps)?,
        ))?;
        dict.set_item(tid, value)?;
    }
    let _ = data.twin.set(Box::new(dict.clone().unbind()));
    Ok(dict.into_any())
}

/// The run file of a shell function.
#[pyfunction]
#[pyo3(signature = (d, function, cwd, trace))]
fn run_script(
    py: Python<'_>,
    d: &Bound<'_, DataSmart>,
    function: &str,
    cwd: Option<PyBackedStr>,
    trace: bool,
) -> PyResult<String> {
    let engine = engine(py)?;
    shell_script(d.get().store(py), &engine.scanners, function, cwd.as_deref(), trace).or_raise(py)
}

/// A shell function with the exported variables and all functions it leads to.
#[pyfunction]
fn emit_func(py: Python<'_>, d: &Bound<'_, DataSmart>, function: &str) -> PyResult<String> {
    let engine = engine(py)?;
    shell_function(d.get().store(py), &engine.scanners, function).or_raise(py)
}

/// The frames of the backtrace in a run file's output, with the places where the metadata defines the functions.
#[pyfunction]
fn script_backtrace(output: &str, run_file: &str, script: &str) -> Vec<String> {
    metadata_backtrace(output, run_file, script)
}

/// What a run file begins with.
#[pyfunction]
fn shell_prologue() -> &'static str {
    PROLOGUE
}

/// The classes of events that handlers of metadata want; None if one wants all.
#[pyfunction]
fn wanted_events(py: Python<'_>) -> PyResult<Option<Vec<String>>> {
    Ok(engine(py)?.run.wanted_events())
}

/// Names and values of the exported variables.
#[pyfunction]
fn exported_vars(py: Python<'_>, d: &Bound<'_, DataSmart>) -> PyResult<Vec<(String, String)>> {
    rbake::run::environment::exported(d.get().store(py)).or_raise(py)
}

/// Adds the functions to the module.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(run_script, module)?)?;
    module.add_function(wrap_pyfunction!(emit_func, module)?)?;
    module.add_function(wrap_pyfunction!(script_backtrace, module)?)?;
    module.add_function(wrap_pyfunction!(exported_vars, module)?)?;
    module.add_function(wrap_pyfunction!(shell_prologue, module)?)?;
    module.add_function(wrap_pyfunction!(wanted_events, module)?)?;
    Ok(())
}
