//! Reading metadata on behalf of the `bb.parse` package.

use std::rc::Rc;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyDict;
use rbake::data::{Store, Value};
use rbake::recipe::{self, Mode, StoredTable};

use crate::datasmart::{DataSmart, wrap};
use crate::engine::run;
use crate::error::{OrRaise, from_python};
use crate::value::stamp_to_python;

/// Reads a file into a store: a recipe gives its variants by name, anything else the store.
#[pyfunction]
#[pyo3(signature = (file, d, include=false, baseconfig=false))]
fn handle<'py>(
    py: Python<'py>,
    file: PyBackedStr,
    d: &Bound<'py, DataSmart>,
    include: bool,
    baseconfig: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let mode = match (include, baseconfig) {
        (_, true) => Mode::BaseConfig,
        (true, _) => Mode::Include,
        _ => Mode::Top,
    };
    let store = d.get().store(py);
    let run = run(py)?;
    // In a host of rbake the engine signs recipes and has said so already. Else it is done as in BitBake.
    run.set_signatures(Box::new(|file, store| {
        Python::attach(|py| ask_generator(py, file, store).map_err(|error| from_python(py, error)))
    }));
    let found = recipe::handle(&run, &file, store, mode).or_raise(py)?;
    if mode != Mode::Top || file.ends_with(".conf") || file.ends_with(".bbclass") {
        return Ok(d.as_any().clone());
    }
    let variants = PyDict::new(py);
    for (name, store) in &found {
        variants.set_item(name, wrap(py, store)?)?;
    }
    Ok(variants.into_any())
}

/// Has the signature generator of `bb.parse`, if there is one, work out the hashes of a finished recipe.
fn ask_generator(py: Python<'_>, file: &str, store: &Store) -> PyResult<()> {
    let Some(generator) = py.import("bb.parse")?.getattr_opt("siggen")? else { return Ok(()) };
    let parts = py.import("bb.cache")?.call_method1("virtualfn2realfn", (file,))?;
    let (path, variant, _): (String, String, String) = parts.extract()?;
    generator.call_method1("finalise", (path, wrap(py, store)?, variant))?;
    Ok(())
}

/// Declares a task.
#[pyfunction]
fn addtask(
    py: Python<'_>,
    d: &Bound<'_, DataSmart>,
    task: &str,
    before: Vec<String>,
    after: Vec<String>,
) -> PyResult<()> {
    recipe::add_task(d.get().store(py), task, &before, &after).or_raise(py)
}

/// Removes a task.
#[pyfunction]
fn deltask(py: Python<'_>, d: &Bound<'_, DataSmart>, task: &str) -> PyResult<()> {
    recipe::delete_task(d.get().store(py), task).or_raise(py)
}

/// Makes the table of tasks.
#[pyfunction]
fn add_tasks(py: Python<'_>, d: &Bound<'_, DataSmart>, tasks: Vec<String>) -> PyResult<()> {
    let store = d.get().store(py);
    let table = recipe::task_table(store, &tasks).or_raise(py)?;
    let table = Value::Object(Rc::new(StoredTable(table)));
    store.set_engine("_task_deps", table, "add_tasks").or_raise(py)
}

/// Records that the store depends on a file.
#[pyfunction]
fn mark_dependency(py: Python<'_>, d: &Bound<'_, DataSmart>, file: PyBackedStr) -> PyResult<()> {
    run(py)?.mark_dependency(d.get().store(py), &file);
    Ok(())
}

/// True if the file, as it is now, is recorded.
#[pyfunction]
fn check_dependency(py: Python<'_>, d: &Bound<'_, DataSmart>, file: PyBackedStr) -> PyResult<bool> {
    Ok(run(py)?.is_dependency(d.get().store(py), &file))
}

/// A file's stamp as remembered, or 0.
#[pyfunction]
fn stamp(py: Python<'_>, file: PyBackedStr) -> PyResult<Bound<'_, PyAny>> {
    stamp_to_python(py, run(py)?.stamp(&file).as_ref())
}

/// A file's stamp as it is now, or 0. It is remembered.
#[pyfunction]
fn fresh_stamp(py: Python<'_>, file: PyBackedStr) -> PyResult<Bound<'_, PyAny>> {
    stamp_to_python(py, run(py)?.fresh_stamp(&file).as_ref())
}

/// Reads files as `include` and `require` do. With a verb a missing file is an error.
#[pyfunction]
#[pyo3(signature = (d, parent, files, line, verb=None))]
fn include(
    py: Python<'_>,
    d: &Bound<'_, DataSmart>,
    parent: PyBackedStr,
    files: PyBackedStr,
    line: u32,
    verb: Option<PyBackedStr>,
) -> PyResult<()> {
    run(py)?.include(d.get().store(py), &parent, &files, line, verb.as_deref()).or_raise(py)
}

/// The names of the variables that have a flag that counts as true.
#[pyfunction]
fn names_with_flag(py: Python<'_>, d: &Bound<'_, DataSmart>, flag: PyBackedStr) -> PyResult<Vec<String>> {
    let store = d.get().store(py);
    let mut names: Vec<String> = Vec::new();
    for name in store.keys().or_raise(py)? {
        if store.get_flag_raw(&name, &flag).or_raise(py)?.is_some_and(|value| value.truth()) {
            names.push(name.to_string());
        }
    }
    names.sort();
    Ok(names)
}

/// Forgets all stamps and statements.
#[pyfunction]
fn forget_files(py: Python<'_>) -> PyResult<()> {
    run(py)?.forget_files();
    Ok(())
}

/// Every file read or looked for.
#[pyfunction]
fn file_depends(py: Python<'_>, d: &Bound<'_, DataSmart>) -> PyResult<String> {
    Ok(run(py)?.included(d.get().store(py)))
}

/// Reads classes.
#[pyfunction]
#[pyo3(signature = (classes, file, line, d, deferred=false))]
fn inherit(
    py: Python<'_>,
    classes: PyBackedStr,
    file: PyBackedStr,
    line: u32,
    d: &Bound<'_, DataSmart>,
    deferred: bool,
) -> PyResult<()> {
    run(py)?.inherit(d.get().store(py), &classes, &file, line, deferred).or_raise(py)
}

/// Renames all variables whose names contain references.
#[pyfunction]
fn expand_keys(py: Python<'_>, d: &Bound<'_, DataSmart>) -> PyResult<()> {
    d.get().store(py).expand_keys().or_raise(py)
}

/// Old names of variables, and the new name or a sentence about each.
#[pyfunction]
fn renamed_variables() -> Vec<(&'static str, &'static str)> {
    rbake::data::renamed_variables().to_vec()
}

/// Adds the functions to the module.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(handle, module)?)?;
    module.add_function(wrap_pyfunction!(addtask, module)?)?;
    module.add_function(wrap_pyfunction!(deltask, module)?)?;
    module.add_function(wrap_pyfunction!(add_tasks, module)?)?;
    module.add_function(wrap_pyfunction!(mark_dependency, module)?)?;
    module.add_function(wrap_pyfunction!(check_dependency, module)?)?;
    module.add_function(wrap_pyfunction!(stamp, module)?)?;
    module.add_function(wrap_pyfunction!(fresh_stamp, module)?)?;
    module.add_function(wrap_pyfunction!(include, module)?)?;
    module.add_function(wrap_pyfunction!(names_with_flag, module)?)?;
    module.add_function(wrap_pyfunction!(forget_files, module)?)?;
    module.add_function(wrap_pyfunction!(file_depends, module)?)?;
    module.add_function(wrap_pyfunction!(inherit, module)?)?;
    module.add_function(wrap_pyfunction!(expand_keys, module)?)?;
    module.add_function(wrap_pyfunction!(renamed_variables, module)?)?;
    Ok(())
}
