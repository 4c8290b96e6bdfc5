//! The names an inline expression sees: `d`, and variables where nothing else has the name.

use std::collections::HashSet;

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};
use rbake::data::{Store, Value};

use crate::datasmart::DataSmart;
use crate::error::OrRaise;
use crate::gil::Gil;
use crate::value::to_python;

/// The local names of an inline expression.
#[pyclass(frozen, mapping, module = "bb.data_smart")]
pub struct DataContext {
    store: Gil<Store>,
    own: Py<PyDict>,
    context: Py<PyDict>,
}

static BUILTINS: PyOnceLock<HashSet<String>> = PyOnceLock::new();

/// Names that are never taken for variables: the builtins, and `oe`, which layers bring.
fn builtins(py: Python<'_>) -> PyResult<&HashSet<String>> {
    BUILTINS.get_or_try_init(py, || {
        let mut names = HashSet::from(["oe".to_owned()]);
        for name in py.import("builtins")?.dict().keys() {
            let name: String = name.extract()?;
            if !name.starts_with('_') {
                names.insert(name);
            }
        }
        Ok(names)
    })
}

impl DataContext {
    /// The names around one evaluation.
    pub fn new(
        py: Python<'_>,
        store: &Store,
        d: &Bound<'_, DataSmart>,
        context: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let own = PyDict::new(py);
        own.set_item("d", d)?;
        Ok(DataContext {
            store: Gil::new(py, store.clone()),
            own: own.unbind(),
            context: context.clone().unbind(),
        })
    }
}

#[pymethods]
impl DataContext {
    fn __getitem__<'py>(&self, py: Python<'py>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(own) = self.own.bind(py).get_item(name)? {
            return Ok(own);
        }
        let missing = || PyKeyError::new_err(name.clone().unbind());
        if self.context.bind(py).contains(name)? {
            return Err(missing());
        }
        let text: PyBackedStr = name.extract()?;
        if builtins(py)?.contains(&*text) {
            return Err(missing());
        }
        match self.store.get(py).get_var(&text).or_raise(py)? {
            Some(Value::None) | None => Err(missing()),
            Some(value) => to_python(py, &value),
        }
    }

    fn __setitem__(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.own.bind(py).set_item(name, value)
    }

    fn __delitem__(&self, py: Python<'_>, name: &Bound<'_, PyString>) -> PyResult<()> {
        self.own.bind(py).del_item(name)
    }
}
