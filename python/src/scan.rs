//! The scanners for Python and shell code, and what they find in the functions of Python modules.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use pyo3::exceptions::PySyntaxError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyDict, PySet};
use rbake::data::{DataError, Store};
use rbake::lang::python::{ScanError, outline, scan};
use rbake::lang::shell;
use rbake::recipe::basehash::Modules;
use rbake::recipe::scanners::{module_nodes, shell_error};

use crate::datasmart::DataSmart;
use crate::engine::{Engine, engine};
use crate::error::{OrRaise, to_python};

fn set<'py>(py: Python<'py>, names: &BTreeSet<String>) -> PyResult<Bound<'py, PySet>> {
    PySet::new(py, names)
}

/// Scans Python code: variables, calls, calls by name, words searched for by variable, and messages about what can't be followed.
#[pyfunction]
#[pyo3(signature = (code, name=None))]
fn scan_python<'py>(
    py: Python<'py>,
    code: PyBackedStr,
    name: Option<PyBackedStr>,
) -> PyResult<Bound<'py, PyAny>> {
    let found = match scan(&code, &*engine(py)?.run.python) {
        Ok(found) => found,
        Err(ScanError::Syntax(error)) => return Err(PySyntaxError::new_err(error.message.clone())),
        Err(ScanError::Call { class, message, .. }) => {
            return Err(to_python(py, DataError::raised(class, message)));
        }
    };
    let contains = PyDict::new(py);
    for (name, words) in &found.contains {
        contains.set_item(name, set(py, words)?)?;
    }
    let name = name.as_deref().unwrap_or("None");
    let unhandled: Vec<String> = found.unhandled.iter().map(|call| call.message(name)).collect();
    let (references, execs) = (set(py, &found.references)?, set(py, &found.execs)?);
    let result = (references, execs, set(py, &found.var_execs)?, contains, unhandled);
    Ok(result.into_pyobject(py)?.into_any())
}

/// Scans shell code: the commands called, and the functions defined.
#[pyfunction]
fn scan_shell<'py>(py: Python<'py>, code: PyBackedStr) -> PyResult<(Bound<'py, PySet>, Bound<'py, PySet>)> {
    match shell::scan(&code) {
        Ok(found) => Ok((set(py, &found.all_execs)?, set(py, &found.funcdefs)?)),
        Err(error) => {
            let store = engine(py)?.run.store();
            Err(to_python(py, shell_error(&store, &code, &error)))
        }
    }
}

/// Name, whether it is a class, first line, last line, column of the body (None beside the header).
type Outlined = (String, bool, usize, usize, Option<usize>);

/// Functions and classes of a Python file.
#[pyfunction]
fn python_outline(source: PyBackedStr) -> PyResult<Vec<Outlined>> {
    let found = outline(&source).map_err(|error| PySyntaxError::new_err(error.message))?;
    Ok(found.into_iter().map(|d| (d.name, d.is_class, d.first, d.last, d.indent)).collect())
}

/// The functions of Python modules that code may call, scanned. They change only with `addpylib`.
#[derive(Default)]
pub struct ModuleCache {
    known: RefCell<Option<Rc<Modules>>>,
    /// How many functions there were then.
    count: RefCell<usize>,
}

impl Engine {
    /// What is known of module functions.
    pub fn modules(&self) -> Result<Rc<Modules>, DataError> {
        let functions = self.run.python.module_functions();
        if let Some(known) = &*self.modules.known.borrow()
            && *self.modules.count.borrow() == functions.len()
        {
            return Ok(known.clone());
        }
        self.scan_modules(None)
    }

    /// Scans them anew. With a store, what its flags `vardepsexclude` list is left out.
    fn scan_modules(&self, store: Option<&Store>) -> Result<Rc<Modules>, DataError> {
        let functions = self.run.python.module_functions();
        let excluded = |name: &str| {
            let words = store.map(|store| store.get_flag_str(name, "vardepsexclude")).transpose()?;
            Ok(words.unwrap_or_default().split_whitespace().map(str::to_owned).collect())
        };
        let nodes = Rc::new(module_nodes(&self.run.python, &functions, &excluded)?);
        *self.modules.known.borrow_mut() = Some(nodes.clone());
        *self.modules.count.borrow_mut() = functions.len();
        Ok(nodes)
    }
}

/// The functions of modules by dotted name: references, calls, calls by name, words searched for, hash of the source.
#[pyfunction]
fn module_functions(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    for (name, node) in &*engine(py)?.modules().or_raise(py)? {
        let names = |names: &[Rc<str>]| PySet::new(py, names.iter().map(|name| &**name));
        let contains = PyDict::new(py);
        for (name, words) in &node.scan.contains {
            contains.set_item(&**name, names(words)?)?;
        }
        let fields = (names(&node.scan.references)?, names(&node.scan.execs)?, PySet::empty(py)?);
        dict.set_item(&**name, (fields.0, fields.1, fields.2, contains, &*node.hash))?;
    }
    Ok(dict)
}

/// Leaves out of module functions what a store's flags say.
#[pyfunction]
fn exclude_module_references(py: Python<'_>, d: &Bound<'_, DataSmart>) -> PyResult<()> {
    engine(py)?.scan_modules(Some(d.get().store(py))).or_raise(py).map(drop)
}

/// Adds the functions to the module.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(scan_python, module)?)?;
    module.add_function(wrap_pyfunction!(python_outline, module)?)?;
    module.add_function(wrap_pyfunction!(scan_shell, module)?)?;
    module.add_function(wrap_pyfunction!(module_functions, module)?)?;
    module.add_function(wrap_pyfunction!(exclude_module_references, module)?)?;
    Ok(())
}
