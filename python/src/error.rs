//! Errors of the engine as Python exceptions, and back: an exception that passes through the engine comes out as the same object.

use std::rc::Rc;

use pyo3::exceptions::{PyException, PyRuntimeError, PySyntaxError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use rbake::data::{DataError, ExpansionError, Foreign};

/// A class of the `bb` package, looked up once.
pub struct BbClass {
    module: &'static str,
    name: &'static str,
    found: PyOnceLock<Py<PyType>>,
}

impl BbClass {
    const fn new(module: &'static str, name: &'static str) -> Self {
        BbClass { module, name, found: PyOnceLock::new() }
    }

    /// The class.
    pub fn get<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyType>> {
        self.found
            .get_or_try_init(py, || {
                Ok(py.import(self.module)?.getattr(self.name)?.cast_into::<PyType>()?.unbind())
            })
            .map(|class| class.bind(py))
    }
}

static EXPANSION_ERROR: BbClass = BbClass::new("bb.data_smart", "ExpansionError");
static SKIP_RECIPE: BbClass = BbClass::new("bb.parse", "SkipRecipe");
static PARSE_ERROR: BbClass = BbClass::new("bb.parse", "ParseError");
static HANDLED: BbClass = BbClass::new("bb", "BBHandledException");

/// The exception to raise for an error of the engine.
pub fn to_python(py: Python<'_>, error: DataError) -> PyErr {
    build(py, error).unwrap_or_else(|failure| failure)
}

fn build(py: Python<'_>, error: DataError) -> PyResult<PyErr> {
    let value = match error {
        DataError::Expansion(error) => return expansion(py, &error),
        DataError::Skip(reason) => SKIP_RECIPE.get(py)?.call1((reason,))?,
        DataError::Handled => HANDLED.get(py)?.call0()?,
        DataError::Parse { file, line, message } => PARSE_ERROR.get(py)?.call1((message, file, line))?,
        DataError::NeedsPython(what) => {
            return Ok(PyRuntimeError::new_err(format!("{what} needs an interpreter")));
        }
        error @ DataError::Syntax(_) => {
            let (class, text) = error.class_and_text();
            return make(py, &class, &text);
        }
        DataError::Raised { class, message, source, .. } => {
            return match source.as_ref().and_then(|source| original(py, source)) {
                Some(exception) => Ok(exception),
                None => make(py, &class, &message),
            };
        }
    };
    Ok(PyErr::from_value(value))
}

fn expansion(py: Python<'_>, error: &ExpansionError) -> PyResult<PyErr> {
    let cause = match error.source.as_ref().and_then(|source| original(py, source)) {
        Some(exception) => exception,
        None => make(py, &error.cause_class, &error.cause)?,
    };
    let value = EXPANSION_ERROR.get(py)?.call1((&error.variable, &error.expression, cause.value(py)))?;
    value.setattr("varlist", &error.chain)?;
    value.setattr("msg", error.headline())?;
    let exception = PyErr::from_value(value);
    exception.set_cause(py, Some(cause));
    Ok(exception)
}

/// The exception that came into the engine.
fn original(py: Python<'_>, source: &Foreign) -> Option<PyErr> {
    source.0.downcast_ref::<PyErr>().map(|exception| exception.clone_ref(py))
}

/// An exception of a builtin class, or of one of the scanners', by its name.
fn make(py: Python<'_>, class: &str, message: &str) -> PyResult<PyErr> {
    let module = match class {
        "ShellSyntaxError" | "NeedMore" => "bb.codeparser",
        _ => "builtins",
    };
    let found = py.import(module)?.getattr_opt(class)?;
    let class = match found.and_then(|class| class.cast_into::<PyType>().ok()) {
        Some(class) if class.is_subclass_of::<PyException>()? => class,
        _ => return Ok(PyException::new_err(message.to_owned())),
    };
    // "[Errno 2] text" is what str() makes of an OSError's two arguments.
    let errno = message.strip_prefix("[Errno ").and_then(|rest| rest.split_once("] "));
    let numbered = errno.and_then(|(number, text)| Some((number.parse::<i32>().ok()?, text)));
    let value = match numbered {
        Some((number, text)) => class.call1((number, text))?,
        None => class.call1((message,))?,
    };
    Ok(PyErr::from_value(value))
}

/// An exception on its way into the engine.
pub fn from_python(py: Python<'_>, exception: PyErr) -> DataError {
    classify(py, &exception).unwrap_or_else(|| {
        let value = exception.value(py);
        let class = value.get_type().name().map(|name| name.to_string()).unwrap_or_default();
        let message = value.str().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
        let syntax = exception
            .is_instance_of::<PySyntaxError>(py)
            .then(|| value.getattr("msg").ok()?.extract::<String>().ok())
            .flatten();
        DataError::Raised { class, message, syntax, source: Some(Foreign(Rc::new(exception))) }
    })
}

/// The engine's own form of an exception of the `bb` package.
fn classify(py: Python<'_>, exception: &PyErr) -> Option<DataError> {
    let value = exception.value(py);
    let is = |class: &BbClass| class.get(py).is_ok_and(|class| exception.is_instance(py, class));
    if is(&EXPANSION_ERROR) {
        let cause = value.getattr("exception").ok()?;
        let text = cause.str().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
        return Some(DataError::Expansion(Box::new(ExpansionError {
            variable: value.getattr("variablename").ok()?.extract().ok()?,
            expression: value.getattr("expression").ok()?.extract().ok()?,
            cause_class: cause.get_type().name().map(|name| name.to_string()).unwrap_or_default(),
            cause: text,
            source: Some(Foreign(Rc::new(PyErr::from_value(cause)))),
            chain: value.getattr("varlist").ok()?.extract().ok()?,
        })));
    }
    if is(&SKIP_RECIPE) {
        let reason = value.str().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
        return Some(DataError::Skip(reason));
    }
    if is(&HANDLED) {
        return Some(DataError::Handled);
    }
    if is(&PARSE_ERROR) {
        return Some(DataError::Parse {
            file: value.getattr("filename").ok()?.extract().ok()?,
            line: value.getattr("lineno").ok()?.extract().unwrap_or_default(),
            message: value.getattr("msg").ok()?.str().ok()?.to_string_lossy().into_owned(),
        });
    }
    None
}

/// Turns the engine's results into Python's.
pub trait OrRaise<T> {
    /// The value, or the exception.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T, DataError> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| to_python(py, error))
    }
}

/// Turns Python's results into the engine's.
pub trait OrFail<T> {
    /// The value, or the error.
    fn or_fail(self, py: Python<'_>) -> Result<T, DataError>;
}

impl<T> OrFail<T> for PyResult<T> {
    fn or_fail(self, py: Python<'_>) -> Result<T, DataError> {
        self.map_err(|exception| from_python(py, exception))
    }
}
