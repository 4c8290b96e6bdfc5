//! What the engine asks of the interpreter that loaded it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use pyo3::exceptions::PySyntaxError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};
use rbake::data::{DataError, Level, Store, Value};
use rbake::python::interpreter::{Event, Handler, Interpreter, ModuleFunction, Visit};

use crate::context::DataContext;
use crate::datasmart::{DataSmart, wrap};
use crate::error::{OrFail, OrRaise, from_python};
use crate::value::to_python;

/// A function of the Python standard library, looked up once.
struct Function {
    module: &'static str,
    name: &'static str,
    found: PyOnceLock<Py<PyAny>>,
}

impl Function {
    const fn new(module: &'static str, name: &'static str) -> Self {
        Function { module, name, found: PyOnceLock::new() }
    }

    fn get<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyAny>> {
        self.found
            .get_or_try_init(py, || Ok(py.import(self.module)?.getattr(self.name)?.unbind()))
            .map(|function| function.bind(py))
    }
}

static COMPILE: Function = Function::new("builtins", "compile");
static EVAL: Function = Function::new("builtins", "eval");
static EXEC: Function = Function::new("builtins", "exec");
static INSPECT: Function = Function::new("bb.data_smart", "_inspect_expression");
static UTILS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// The global context of metadata: what its code can name.
pub fn context(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let utils = UTILS
        .get_or_try_init(py, || -> PyResult<Py<PyDict>> { Ok(py.import("bb.utils")?.dict().unbind()) })?;
    match utils.bind(py).get_item(intern!(py, "_context"))? {
        Some(context) => Ok(context.cast_into::<PyDict>()?),
        None => Ok(py.import("bb.utils")?.call_method0("get_context")?.cast_into::<PyDict>()?),
    }
}

/// An inline expression ready to be evaluated.
struct Expression {
    /// The code object, named after the first variable it was met in.
    code: Py<PyAny>,
    first: Option<Rc<str>>,
    /// The same code under the names of other variables, for tracebacks.
    others: HashMap<Option<Rc<str>>, Py<PyAny>>,
    /// The names it reads that are no builtins.
    names: Py<PyTuple>,
    /// It holds a comprehension or a lambda, whose inside sees only global names.
    nested: bool,
}

/// What was defined, and what is needed to define it.
struct Definition {
    code: Rc<str>,
    file: Rc<str>,
    before: u32,
    function: Option<Py<PyAny>>,
}

type HandlerKey = (Rc<str>, Rc<str>, Rc<str>, u32);

/// The interpreter this library was loaded into.
#[derive(Default)]
pub struct CPython {
    expressions: RefCell<HashMap<Rc<str>, Expression>>,
    definitions: RefCell<HashMap<Rc<str>, Definition>>,
    calls: RefCell<HashMap<String, Py<PyAny>>>,
    handlers: RefCell<HashMap<HandlerKey, Py<PyAny>>>,
    saved: RefCell<Option<Py<PyDict>>>,
}

fn code_name(variable: Option<&str>) -> String {
    match variable {
        Some(name) if !name.is_empty() => format!("Var <{name}>"),
        _ => "<expansion>".into(),
    }
}

impl CPython {
    /// The code object for an expression, and what to look up for it.
    fn expression(
        &self,
        py: Python<'_>,
        code: &str,
        variable: Option<&str>,
    ) -> PyResult<(Py<PyAny>, Py<PyTuple>, bool)> {
        if let Some(known) = self.expressions.borrow_mut().get_mut(code) {
            let found = if known.first.as_deref() == variable {
                known.code.clone_ref(py)
            } else {
                let key: Option<Rc<str>> = variable.map(Rc::from);
                match known.others.get(&key) {
                    Some(code) => code.clone_ref(py),
                    None => {
                        let keywords = PyDict::new(py);
                        keywords.set_item("co_filename", code_name(variable))?;
                        let renamed =
                            known.code.bind(py).call_method("replace", (), Some(&keywords))?.unbind();
                        known.others.insert(key, renamed.clone_ref(py));
                        renamed
                    }
                }
            };
            return Ok((found, known.names.clone_ref(py), known.nested));
        }
        let arguments = (code.trim_matches(is_python_space), code_name(variable));
        let (compiled, names, nested): (Py<PyAny>, Bound<'_, PyTuple>, bool) =
            INSPECT.get(py)?.call1(arguments)?.extract()?;
        let names = names.unbind();
        let expression = Expression {
            code: compiled.clone_ref(py),
            first: variable.map(Rc::from),
            others: HashMap::new(),
            names: names.clone_ref(py),
            nested,
        };
        self.expressions.borrow_mut().insert(code.into(), expression);
        Ok((compiled, names, nested))
    }

    fn evaluate_object<'py>(
        &self,
        py: Python<'py>,
        store: &Store,
        variable: Option<&str>,
        code: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (code, names, nested) = self.expression(py, code, variable)?;
        let d = wrap(py, store)?;
        let mut globals = context(py)?;
        let mut plain = !nested;
        for name in names.bind(py).iter_borrowed() {
            plain = plain && globals.contains(name)?;
        }
        let locals = if plain {
            let locals = PyDict::new(py);
            locals.set_item(intern!(py, "d"), &d)?;
            locals.into_any()
        } else {
            Bound::new(py, DataContext::new(py, store, &d, &globals)?)?.into_any()
        };
        if nested {
            globals = globals.copy()?;
            globals.set_item(intern!(py, "d"), &d)?;
        }
        EVAL.get(py)?.call1((code, globals, locals))
    }

    fn define_object(&self, py: Python<'_>, name: &str, code: &str, file: &str, before: u32) -> PyResult<()> {
        let context = context(py)?;
        let known = self.definitions.borrow().get(name).and_then(|known| {
            let same = *known.code == *code && *known.file == *file && known.before == before;
            known.function.as_ref().filter(|_| same).map(|function| function.clone_ref(py))
        });
        if let Some(function) = known {
            if !context.get_item(name)?.is_some_and(|current| current.is(&function)) {
                context.set_item(name, function)?;
            }
            return Ok(());
        }
        let utils = py.import("bb.utils")?;
        let keywords = PyDict::new(py);
        keywords.set_item("lineno", before)?;
        let compiled = utils.call_method("better_compile", (code, name, file), Some(&keywords))?;
        utils.call_method1("better_exec", (compiled, py.None(), code, file))?;
        let function = context.get_item(name)?.map(Bound::unbind);
        let definition = Definition { code: code.into(), file: file.into(), before, function };
        self.definitions.borrow_mut().insert(name.into(), definition);
        Ok(())
    }

    fn call_objects(&self, py: Python<'_>, store: &Store, functions: &[String]) -> PyResult<()> {
        let mut text = String::new();
        for function in functions {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(function);
            text.push_str("(d)");
        }
        let known = self.calls.borrow().get(&text).map(|code| code.clone_ref(py));
        let code = match known {
            Some(code) => code,
            None => {
                let code = COMPILE.get(py)?.call1((&text, "<code>", "exec"))?.unbind();
                self.calls.borrow_mut().insert(text.clone(), code.clone_ref(py));
                code
            }
        };
        let locals = PyDict::new(py);
        locals.set_item("d", wrap(py, store)?)?;
        py.import("bb.utils")?.call_method1("better_exec", (code, locals, text))?;
        Ok(())
    }

    /// The function of a handler; None if it has a syntax error, which is in the log then.
    fn handler<'py>(&self, py: Python<'py>, handler: &Handler) -> PyResult<Option<Bound<'py, PyAny>>> {
        let key = (handler.name.clone(), handler.code.clone(), handler.file.clone(), handler.line);
        if let Some(known) = self.handlers.borrow().get(&key) {
            let function = known.bind(py);
            return Ok((!function.is_none()).then(|| function.clone()));
        }
        let name = &*handler.name;
        let padding = "\n".repeat((handler.line as usize).saturating_sub(1));
        let text = format!("{padding}def {name}(e, d):\n{}", handler.code);
        let function = match COMPILE.get(py)?.call1((text, &*handler.file, "exec")) {
            Ok(code) => {
                let locals = PyDict::new(py);
                EXEC.get(py)?.call1((code, context(py)?, &locals))?;
                locals.get_item(name)?
            }
            Err(error) if error.is_instance_of::<PySyntaxError>(py) => {
                let lines = py
                    .import("traceback")?
                    .call_method1("format_exception_only", (error.get_type(py), error.value(py)))?;
                let lines: Vec<String> = lines.extract()?;
                let message = format!("Unable to register event handler '{name}':\n{}", lines.concat());
                logger(py, "BitBake.Event")?.call_method1("error", ("%s", message))?;
                None
            }
            Err(error) => return Err(error),
        };
        let kept = function.as_ref().map_or_else(|| py.None(), |function| function.clone().unbind());
        self.handlers.borrow_mut().insert(key, kept);
        Ok(function)
    }

    fn handle_object(
        &self,
        py: Python<'_>,
        handlers: &[Handler],
        event: &Event,
        store: &Store,
    ) -> PyResult<()> {
        let module = py.import("bb.event")?;
        let arguments = event.arguments.iter().map(|value| to_python(py, value));
        let arguments = PyTuple::new(py, arguments.collect::<PyResult<Vec<_>>>()?)?;
        let object = module.getattr(event.class)?.call1(arguments)?;
        self.run_handlers(py, handlers, &object, store)
    }

    /// Runs handlers on an event object, in order.
    fn run_handlers(
        &self,
        py: Python<'_>,
        handlers: &[Handler],
        event: &Bound<'_, PyAny>,
        store: &Store,
    ) -> PyResult<()> {
        let module = py.import("bb.event")?;
        let d = wrap(py, store)?;
        for handler in handlers {
            if let Some(function) = self.handler(py, handler)? {
                module.call_method1("execute_handler", (&*handler.name, function, event, &d))?;
            }
        }
        Ok(())
    }
}

/// Runs the handlers of metadata that want an event which Python code fires.
#[pyfunction]
pub fn fire_handlers(py: Python<'_>, event: &Bound<'_, PyAny>, d: &Bound<'_, DataSmart>) -> PyResult<()> {
    let class = event.get_type();
    let module: String = class.getattr("__module__")?.extract()?;
    let class = format!("{module}.{}", class.qualname()?);
    let store = d.get().store(py);
    let engine = crate::engine::engine(py)?;
    let handlers = engine.run.handlers_for(store, &class).or_raise(py)?;
    engine.interpreter.0.run_handlers(py, &handlers, event, store)
}

/// White space as `str.strip` takes it.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

fn logger<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("logging")?.call_method1("getLogger", (name,))
}

/// The functions of one module, as `bb.codeparser._add_library` describes them.
fn functions_of(item: &Bound<'_, PyAny>) -> PyResult<Vec<ModuleFunction>> {
    type Fields = (String, String, Vec<String>, Vec<String>, bool);
    let (siblings, functions): (Vec<String>, Vec<Fields>) = item.extract()?;
    let siblings: Rc<[Rc<str>]> = siblings.into_iter().map(Rc::from).collect();
    let shared = |names: Vec<String>| names.into_iter().map(Rc::from).collect();
    let function = |(name, source, vardeps, vardepsexclude, has_visitor): Fields| ModuleFunction {
        name: name.into(),
        source: source.into(),
        vardeps: shared(vardeps),
        vardepsexclude: shared(vardepsexclude),
        siblings: siblings.clone(),
        has_visitor,
    };
    Ok(functions.into_iter().map(function).collect())
}

/// The interpreter as both the run and the bridge's own functions hold it.
#[derive(Clone, Default)]
pub struct Shared(pub Rc<CPython>);

impl Interpreter for Shared {
    fn define(&self, name: &str, code: &str, file: &str, before: u32) -> Result<(), DataError> {
        Python::attach(|py| self.0.define_object(py, name, code, file, before).or_fail(py))
    }

    fn evaluate(&self, store: &Store, variable: Option<&str>, code: &str) -> Result<Rc<str>, DataError> {
        Python::attach(|py| {
            let value = self.0.evaluate_object(py, store, variable, code).or_fail(py)?;
            let text = match value.cast::<PyString>() {
                Ok(text) => text.clone(),
                Err(_) => value.str().or_fail(py)?,
            };
            let text = text.to_cow().or_fail(py)?;
            Ok(Rc::from(&*text))
        })
    }

    fn call(&self, store: &Store, functions: &[String]) -> Result<(), DataError> {
        Python::attach(|py| self.0.call_objects(py, store, functions).or_fail(py))
    }

    fn prepare(&self, handler: &Handler) -> Result<(), DataError> {
        Python::attach(|py| self.0.handler(py, handler).map(drop).or_fail(py))
    }

    fn handle(&self, handlers: &[Handler], event: &Event, store: &Store) -> Result<(), DataError> {
        Python::attach(|py| self.0.handle_object(py, handlers, event, store).or_fail(py))
    }

    fn filter(&self, value: &str, filter: &Value) -> Result<String, DataError> {
        Python::attach(|py| {
            let filtered = || -> PyResult<String> {
                let expressions = [to_python(py, filter)?];
                let result = py.import("bb.filter")?.call_method1("apply_filters", (value, expressions))?;
                Ok(result.str()?.to_cow()?.into_owned())
            };
            filtered().or_fail(py)
        })
    }

    fn add_library(
        &self,
        modules: &[String],
        dir: &str,
        namespace: &str,
    ) -> Result<Vec<ModuleFunction>, DataError> {
        Python::attach(|py| {
            let found = || -> PyResult<Vec<ModuleFunction>> {
                let list =
                    py.import("bb.codeparser")?.call_method1("_add_library", (modules, dir, namespace))?;
                let mut all = Vec::new();
                for item in list.try_iter()? {
                    all.extend(functions_of(&item?)?);
                }
                Ok(all)
            };
            found().or_fail(py)
        })
    }

    fn visit(&self, function: &str, call: &str) -> Result<Option<Visit>, DataError> {
        type Fields = (HashMap<String, Vec<String>>, Vec<String>);
        Python::attach(|py| {
            let visit = || -> PyResult<Option<Fields>> {
                py.import("bb.codeparser")?.call_method1("_visit", (function, call))?.extract()
            };
            let Some((contains, execs)) = visit().or_fail(py)? else { return Ok(None) };
            let shared = |names: Vec<String>| names.into_iter().map(Rc::from).collect::<Vec<Rc<str>>>();
            let mut contains: Vec<(Rc<str>, Vec<Rc<str>>)> =
                contains.into_iter().map(|(name, words)| (Rc::from(name), shared(words))).collect();
            contains.sort();
            Ok(Some(Visit { contains, execs: shared(execs) }))
        })
    }

    fn save_context(&self) {
        Python::attach(|py| {
            let copy = context(py).and_then(|context| context.copy());
            *self.0.saved.borrow_mut() = copy.ok().map(Bound::unbind);
        });
    }

    fn restore_context(&self) {
        Python::attach(|py| {
            let Some(saved) = self.0.saved.borrow().as_ref().map(|saved| saved.clone_ref(py)) else { return };
            let restore = || -> PyResult<()> {
                let context = context(py)?;
                context.clear();
                context.update(saved.bind(py).as_mapping())
            };
            // Filling a dictionary with the keys of another can't fail.
            drop(restore());
        });
    }

    fn knows(&self, name: &str) -> bool {
        Python::attach(|py| context(py).and_then(|context| context.contains(name)).unwrap_or(false))
    }

    fn caller(&self) -> Option<(Rc<str>, u32, Rc<str>)> {
        Python::attach(|py| {
            let frame = py.import("sys").ok()?.call_method1("_getframe", (0,)).ok()?;
            let code = frame.getattr("f_code").ok()?;
            let file: String = code.getattr("co_filename").ok()?.extract().ok()?;
            let function: String = code.getattr("co_name").ok()?.extract().ok()?;
            Some((file.into(), frame.getattr("f_lineno").ok()?.extract().ok()?, function.into()))
        })
    }

    fn log(&self, level: Level, message: &str, once: bool) {
        Python::attach(|py| {
            let method = match (level, once) {
                (Level::Debug, _) => "debug",
                (Level::Verbose, _) => "verbnote",
                (Level::Note, _) => "info",
                (Level::Plain, _) => "plain",
                (Level::Warning, false) => "warning",
                (Level::Warning, true) => "warnonce",
                (Level::Error, false) => "error",
                (Level::Error, true) => "erroronce",
            };
            let sent = logger(py, "BitBake").and_then(|logger| logger.call_method1(method, ("%s", message)));
            // There is nowhere to report a failure of the log to.
            drop(sent.map_err(|error| from_python(py, error)));
        });
    }
}
