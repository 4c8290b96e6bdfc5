//! What the datastore asks of the floors above it: evaluating Python and passing on messages.

use std::any::Any;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::error::DataError;
use super::store::Store;
use super::value::Value;

pub use crate::lang::diagnostic::Severity as Level;

/// The code of one inline expression, with what was found out about it.
pub struct Code {
    /// The text between `${@` and `}`.
    pub text: Rc<str>,
    scan: OnceCell<Rc<CodeScan>>,
    /// Where the evaluator keeps its compiled form.
    pub compiled: OnceCell<Box<dyn Any>>,
}

/// What an expression refers to (contract of task signatures).
#[derive(Default, Debug, Clone)]
pub struct CodeScan {
    /// Variables, and flags as `VAR[flag]`.
    pub references: Vec<Rc<str>>,
    /// Functions called.
    pub execs: Vec<Rc<str>>,
    /// Variables of which only some words matter.
    pub contains: Vec<(Rc<str>, Vec<Rc<str>>)>,
}

/// The services of a store's surroundings.
pub trait Host {
    /// Passes on a message.
    fn log(&self, level: Level, message: &str);

    /// Passes on a message unless the same was passed on before.
    fn log_once(&self, level: Level, message: &str);

    /// The value of an inline expression, as `str()` gives it.
    fn evaluate(&self, store: &Store, variable: Option<&str>, code: &Code) -> Result<Rc<str>, DataError>;

    /// What an expression refers to. A syntax error is the evaluator's to report, so there is none here.
    fn scan(&self, store: &Store, variable: Option<&str>, code: &str) -> Result<CodeScan, DataError>;

    /// Applies a filter set with `setVarFilter` to a value.
    fn filter(&self, store: &Store, value: &str, filter: &Value) -> Result<String, DataError>;

    /// File, line and function of the Python code that called the engine.
    fn caller(&self) -> Option<(Rc<str>, u32, Rc<str>)>;
}

/// What all stores of one run share.
pub struct Context {
    /// The services of the surroundings.
    pub host: Rc<dyn Host>,
    codes: RefCell<FxHashMap<Rc<str>, Rc<Code>>>,
}

impl Context {
    /// A context around `host`.
    pub fn new(host: Rc<dyn Host>) -> Rc<Self> {
        Rc::new(Context { host, codes: RefCell::default() })
    }

    /// The code object for an expression text: one per distinct text, since a few thousand texts serve a million evaluations.
    pub fn code(&self, text: &str) -> Rc<Code> {
        if let Some(code) = self.codes.borrow().get(text) {
            return code.clone();
        }
        let text: Rc<str> = text.into();
        let code = Rc::new(Code { text: text.clone(), scan: OnceCell::new(), compiled: OnceCell::new() });
        self.codes.borrow_mut().insert(text, code.clone());
        code
    }
}

impl Code {
    /// What it refers to.
    pub fn scan(&self, store: &Store, variable: Option<&str>) -> Result<Rc<CodeScan>, DataError> {
        if let Some(scan) = self.scan.get() {
            return Ok(scan.clone());
        }
        let scan = Rc::new(store.context().host.scan(store, variable, &self.text)?);
        Ok(self.scan.get_or_init(|| scan).clone())
    }
}
