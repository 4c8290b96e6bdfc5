//! Values of variables as Python objects, and back.

use std::any::Any;
use std::rc::Rc;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt, PyList, PySet, PyString, PyTuple};
use rbake::data::{Nested, Object, Text, Value};
use rbake::recipe::{FileDepends, Stamp, StoredTable};
use rbake::run::TaskDepData;

use crate::datasmart::{DataSmart, wrap};

/// A Python object that the engine keeps as it is.
pub struct PyObject(pub Py<PyAny>);

impl Object for PyObject {
    fn text(&self) -> String {
        Python::attach(|py| match self.0.bind(py).str() {
            Ok(text) => text.to_string_lossy().into_owned(),
            Err(_) => "<unprintable object>".into(),
        })
    }

    fn truth(&self) -> bool {
        Python::attach(|py| self.0.bind(py).is_truthy().unwrap_or(true))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// A value as Python sees it. Lists, sets and dictionaries come out as copies: changing them doesn't change the variable.
pub fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::None => py.None().into_bound(py),
        Value::Str(text) => text_to_python(py, text).into_any(),
        Value::Int(number) => number.into_pyobject(py)?.into_any(),
        Value::Bool(truth) => PyBool::new(py, *truth).to_owned().into_any(),
        Value::List(items) => PyList::new(py, all_to_python(py, items)?)?.into_any(),
        Value::Tuple(items) => PyTuple::new(py, all_to_python(py, items)?)?.into_any(),
        Value::Object(object) => object_to_python(py, &**object)?,
    })
}

/// A text as Python's string: always the same object, since most values are read many times.
fn text_to_python<'py>(py: Python<'py>, text: &Text) -> Bound<'py, PyString> {
    let twin = text.twin().get_or_init(|| Box::new(PyString::new(py, text).unbind()));
    match twin.downcast_ref::<Py<PyString>>() {
        Some(string) => string.bind(py).clone(),
        None => PyString::new(py, text),
    }
}

fn all_to_python<'py>(py: Python<'py>, items: &[Value]) -> PyResult<Vec<Bound<'py, PyAny>>> {
    items.iter().map(|item| to_python(py, item)).collect()
}

fn object_to_python<'py>(py: Python<'py>, object: &dyn Object) -> PyResult<Bound<'py, PyAny>> {
    let any = object.as_any();
    if let Some(PyObject(object)) = any.downcast_ref::<PyObject>() {
        let object = object.bind(py);
        let copied = object.is_exact_instance_of::<PyDict>() || object.is_exact_instance_of::<PySet>();
        return if copied { object.call_method0("copy") } else { Ok(object.clone()) };
    }
    if let Some(Nested(store)) = any.downcast_ref::<Nested>() {
        return Ok(wrap(py, store)?.into_any());
    }
    if let Some(files) = any.downcast_ref::<FileDepends>() {
        let items = files.files().iter().map(|(file, stamp)| (&**file, stamp_to_python(py, stamp.as_ref())));
        let items = items.map(|(file, stamp)| Ok((file, stamp?))).collect::<PyResult<Vec<_>>>()?;
        return Ok(PyList::new(py, items)?.into_any());
    }
    if let Some(depends) = any.downcast_ref::<TaskDepData>() {
        return crate::task::depends_to_python(py, depends);
    }
    if let Some(StoredTable(table)) = any.downcast_ref::<StoredTable>() {
        let dict = PyDict::new(py);
        dict.set_item("tasks", &table.tasks)?;
        let parents = PyDict::new(py);
        for (task, names) in &table.parents {
            parents.set_item(task, names)?;
        }
        dict.set_item("parents", parents)?;
        for (flag, column) in &table.flags {
            let by_task = PyDict::new(py);
            for (task, value) in column {
                by_task.set_item(task, value)?;
            }
            dict.set_item(*flag, by_task)?;
        }
        return Ok(dict.into_any());
    }
    Ok(PyString::new(py, &object.text()).into_any())
}

/// A file's stamp as `bb.parse.cached_mtime_noerror` gives it.
pub fn stamp_to_python<'py>(py: Python<'py>, stamp: Option<&Stamp>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match stamp {
        Some(stamp) => (stamp.mtime_ns, stamp.size, stamp.inode).into_pyobject(py)?.into_any(),
        None => pyo3::types::PyInt::new(py, 0).into_any(),
    })
}

/// What Python sets a variable to. Lists and tuples of simple values become the engine's own; what it has no form for stays as it is.
pub fn from_python(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    simple(object)
        .map(|value| value.unwrap_or_else(|| Value::Object(Rc::new(PyObject(object.clone().unbind())))))
}

/// The engine's own form of a Python object, if it has one.
fn simple(object: &Bound<'_, PyAny>) -> PyResult<Option<Value>> {
    if let Ok(string) = object.cast::<PyString>() {
        // Text with lone surrogates (undecodable bytes of the environment) has no UTF-8 form.
        let Ok(text) = string.to_cow() else { return Ok(None) };
        let text = Text::new(&*text);
        if object.is_exact_instance_of::<PyString>() {
            // A new text has no twin yet.
            let _ = text.twin().set(Box::new(string.clone().unbind()));
        }
        return Ok(Some(Value::Str(text)));
    }
    if object.is_none() {
        return Ok(Some(Value::None));
    }
    if let Ok(truth) = object.cast::<PyBool>() {
        return Ok(Some(Value::Bool(truth.is_true())));
    }
    if object.is_exact_instance_of::<PyInt>() {
        return Ok(object.extract::<i64>().ok().map(Value::Int));
    }
    if object.is_exact_instance_of::<PyList>() || object.is_exact_instance_of::<PyTuple>() {
        let mut items = Vec::with_capacity(object.len()?);
        for item in object.try_iter()? {
            match simple(&item?)? {
                Some(item) => items.push(item),
                None => return Ok(None),
            }
        }
        let items = Rc::new(items);
        let list = object.is_exact_instance_of::<PyList>();
        return Ok(Some(if list { Value::List(items) } else { Value::Tuple(items) }));
    }
    if let Ok(d) = object.cast::<DataSmart>() {
        return Ok(Some(Value::Object(Rc::new(Nested(d.get().store(object.py()).clone())))));
    }
    Ok(None)
}
