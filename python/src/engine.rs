//! The one run of this process.

use std::rc::Rc;
use std::sync::OnceLock;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rbake::data::Level;
use rbake::python::interpreter::Interpreter;
use rbake::python::scope::{Python as Scope, Sink};
use rbake::recipe::Run;
use rbake::recipe::scanners::CodeScanners;

use crate::cpython::Shared;
use crate::gil::Gil;
use crate::scan::ModuleCache;

/// What all stores of this process share.
pub struct Engine {
    /// The run they belong to.
    pub run: Rc<Run>,
    /// What evaluates its Python code.
    pub interpreter: Shared,
    /// What scans code for references.
    pub scanners: CodeScanners,
    /// Functions of Python modules.
    pub modules: ModuleCache,
}

static ENGINE: OnceLock<Gil<Rc<Engine>>> = OnceLock::new();

/// Where messages would go if there were no interpreter; here there always is one.
struct NoSink;

impl Sink for NoSink {
    fn message(&self, level: Level, text: &str) {
        Shared::default().log(level, text, false);
    }
}

/// The engine of this process.
pub fn engine(py: Python<'_>) -> PyResult<Rc<Engine>> {
    if ENGINE.get().is_none() {
        let scope = Scope::new(Rc::new(NoSink));
        let interpreter = Shared::default();
        scope.set_interpreter(Box::new(interpreter.clone()));
        let scanners = CodeScanners::new(scope.clone());
        let engine = Engine { run: Run::new(scope), interpreter, scanners, modules: ModuleCache::default() };
        // Nothing above lets another thread in, so the value can't be there already.
        let _ = ENGINE.set(Gil::new(py, Rc::new(engine)));
    }
    let engine = ENGINE.get().ok_or_else(|| PyRuntimeError::new_err("the engine did not start"))?;
    Ok(engine.get(py).clone())
}

/// The run that all stores of this process belong to.
pub fn run(py: Python<'_>) -> PyResult<Rc<Run>> {
    Ok(engine(py)?.run.clone())
}
