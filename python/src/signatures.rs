//! What tasks depend on, and their hashes.

use std::rc::Rc;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyDict, PyFrozenSet, PyList};
use rbake::data::Store;
use rbake::recipe::basehash::{Inputs, Modules, generate};
use rbake::recipe::names::Names;
use rbake::recipe::signatures::Signatures;
use rustc_hash::FxHashSet;

use crate::datasmart::DataSmart;
use crate::engine::engine;
use crate::error::OrRaise;

fn frozen<'py, 'a>(
    py: Python<'py>,
    names: impl Iterator<Item = &'a Rc<str>>,
) -> PyResult<Bound<'py, PyFrozenSet>> {
    PyFrozenSet::new(py, names.map(|name| name.to_string()).collect::<Vec<_>>())
}

fn strings<T: FromIterator<String>>(items: &Bound<'_, PyAny>) -> PyResult<T> {
    items.try_iter()?.map(|item| item?.extract::<String>()).collect()
}

/// What one name depends on, and the value that is hashed for it.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "the signature is BitBake's")]
fn build_dependencies<'py>(
    py: Python<'py>,
    key: PyBackedStr,
    keys: &Bound<'py, PyAny>,
    mod_funcs: &Bound<'py, PyAny>,
    shelldeps: &Bound<'py, PyAny>,
    varflagsexcl: &Bound<'py, PyAny>,
    ignored_vars: &Bound<'py, PyAny>,
    d: &Bound<'py, DataSmart>,
    codeparsedata: &Bound<'py, DataSmart>,
) -> PyResult<(Bound<'py, PyFrozenSet>, Option<String>)> {
    let engine = engine(py)?;
    let mut modules = Modules::default();
    if mod_funcs.contains(&*key)?
        && let Some(node) = engine.modules().or_raise(py)?.get(&*key)
    {
        modules.insert(Rc::from(&*key), node.clone());
    }
    let keys: FxHashSet<String> = strings(keys)?;
    let exported: Vec<String> = strings(shelldeps)?;
    let inputs = Inputs {
        store: d.get().store(py),
        code: codeparsedata.get().store(py).clone(),
        modules: &modules,
        is_key: Box::new(move |name| keys.contains(name)),
        exported: exported.into_iter().map(Rc::from).collect(),
        excluded_flags: strings(varflagsexcl)?,
        scanners: &engine.scanners,
    };
    let mut names = Names::new(strings(ignored_vars)?);
    let id = names.id(&key);
    let node = inputs.node(id, &mut names).or_raise(py)?;
    let deps = node.deps.iter().filter(|dep| !names.ignores(**dep) && !node.excluded.contains(dep));
    Ok((frozen(py, deps.map(|dep| names.text(*dep)))?, node.value.map(|value| value.to_string())))
}

fn signatures(py: Python<'_>, store: &Store, ignored: &Bound<'_, PyAny>) -> PyResult<Signatures> {
    let engine = engine(py)?;
    let modules = engine.modules().or_raise(py)?;
    let inputs = Inputs::new(store, &modules, &engine.scanners).or_raise(py)?;
    generate(&inputs, &mut Names::new(strings(ignored)?)).or_raise(py)
}

type Generated<'py> = (Bound<'py, PyList>, Bound<'py, PyDict>, Bound<'py, PyDict>);

fn nodes<'py>(py: Python<'py>, found: &Signatures) -> PyResult<Generated<'py>> {
    let (deps, values) = (PyDict::new(py), PyDict::new(py));
    for (node, name) in found.nodes().enumerate() {
        deps.set_item(&**name, frozen(py, found.deps(node))?)?;
        values.set_item(&**name, found.value(node))?;
    }
    let tasks = PyList::new(py, found.tasks.iter().map(|task| &**task))?;
    Ok((tasks, deps, values))
}

/// The tasks; and for everything they reach its dependencies and its value.
#[pyfunction]
fn generate_dependencies<'py>(
    py: Python<'py>,
    d: &Bound<'py, DataSmart>,
    ignored_vars: &Bound<'py, PyAny>,
) -> PyResult<Generated<'py>> {
    nodes(py, &signatures(py, d.get().store(py), ignored_vars)?)
}

type Signed<'py> = (Generated<'py>, Bound<'py, PyDict>, Bound<'py, PyDict>);

fn all<'py>(py: Python<'py>, found: &Signatures) -> PyResult<Signed<'py>> {
    let (reached, hashes) = (PyDict::new(py), PyDict::new(py));
    for (at, (task, hash)) in found.tasks.iter().zip(&found.hashes).enumerate() {
        reached.set_item(&**task, frozen(py, found.reached(at))?)?;
        hashes.set_item(&**task, hash)?;
    }
    Ok((nodes(py, found)?, reached, hashes))
}

/// The same, and for each task all it reaches and its basehash.
#[pyfunction]
fn task_signatures<'py>(
    py: Python<'py>,
    d: &Bound<'py, DataSmart>,
    ignored_vars: &Bound<'py, PyAny>,
) -> PyResult<Signed<'py>> {
    all(py, &signatures(py, d.get().store(py), ignored_vars)?)
}

/// The same as it was worked out when the recipe was finished; None if it wasn't.
#[pyfunction]
fn known_signatures<'py>(py: Python<'py>, d: &Bound<'py, DataSmart>) -> PyResult<Option<Signed<'py>>> {
    rbake::recipe::Signed::of(d.get().store(py)).map(|found| all(py, &found)).transpose()
}

/// Adds the functions to the module.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(build_dependencies, module)?)?;
    module.add_function(wrap_pyfunction!(generate_dependencies, module)?)?;
    module.add_function(wrap_pyfunction!(task_signatures, module)?)?;
    module.add_function(wrap_pyfunction!(known_signatures, module)?)?;
    Ok(())
}
