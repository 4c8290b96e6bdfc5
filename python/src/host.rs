//! This interpreter as a host: a process that reads metadata for the program.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use rbake::host::{Channel, send_message, serve as answer};
use rbake::lang::diagnostic::Severity;
use rbake::run::Players;

use crate::engine::run;
use crate::task::PythonRunner;

/// Answers the program's questions until it is done with this process.
#[pyfunction]
fn serve(py: Python<'_>) -> PyResult<()> {
    let run = run(py)?;
    let fork = py.import("os")?.getattr("fork")?;
    let fork = || {
        let child: i32 = fork
            .call0()
            .and_then(|pid| pid.extract())
            .map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok((child != 0).then_some(child))
    };
    Channel::inherited()
        .and_then(|channels| answer(channels, run, &fork, &Players(PythonRunner)))
        .map_err(|error| PyOSError::new_err(error.to_string()))
}

/// Sends a message of Python's logging to the program. `level` is a level of that module.
#[pyfunction]
fn message(level: u32, text: &str) {
    let severity = match level {
        0..19 => Severity::Debug,
        19 => Severity::Verbose,
        20 => Severity::Note,
        21 => Severity::Plain,
        22..29 => Severity::Verbose,
        29..39 => Severity::Warning,
        _ => Severity::Error,
    };
    // The levels just below those of warnings and errors are for what is worth saying once.
    send_message(severity, text, matches!(level, 29 | 39));
}

/// Adds the functions to the module.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(serve, module)?)?;
    module.add_function(wrap_pyfunction!(message, module)?)?;
    Ok(())
}
