//! The one run of this process.

use std::rc::Rc;
use std::sync::OnceLock;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rbake::data::Level;
use rbake::python::interpreter::Interpreter;
use rbake::python::scope::{Python as Scope, Sink};
use rbake::recipe::Run;

use crate::cpython::CPython;
use crate::gil::Gil;

static RUN: OnceLock<Gil<Rc<Run>>> = OnceLock::new();

/// Where messages would go if there were no interpreter; here there always is one.
struct NoSink;

impl Sink for NoSink {
    fn message(&self, level: Level, text: &str) {
        CPython::default().log(level, text, false);
    }
}

/// The run that all stores of this process belong to.
pub fn run(py: Python<'_>) -> PyResult<Rc<Run>> {
    if RUN.get().is_none() {
        let scope = Scope::new(Rc::new(NoSink));
        scope.set_interpreter(Box::new(CPython::default()));
        // Nothing above lets another thread in, so the value can't be there already.
        let _ = RUN.set(Gil::new(py, Run::new(scope)));
    }
    let run = RUN.get().ok_or_else(|| PyRuntimeError::new_err("the engine did not start"))?;
    Ok(run.get(py).clone())
}
