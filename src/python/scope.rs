//! The Python side of a run: functions that metadata defines, and whoever evaluates them.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::interpreter::{Event, Handler, Interpreter, ModuleFunction};
use crate::data::{Code, CodeScan, DataError, Host, Level, Store, Value, repr_str};
use crate::lang::python::{
    HookError, HookResult, Literal, PythonScan, PythonSyntaxError, ScanError, ScanHooks, scan,
};

/// Takes the messages of a run that has no interpreter.
pub trait Sink {
    /// A message.
    fn message(&self, level: Level, text: &str);

    /// A message that is worth saying once, whichever recipe it came up with.
    fn message_once(&self, level: Level, text: &str) {
        self.message(level, text);
    }
}

/// A function that metadata defined with `def` or as anonymous Python.
struct Definition {
    code: Rc<str>,
    file: Rc<str>,
    before: u32,
}

/// What metadata's Python code sees and does.
///
/// Definitions are handed to the interpreter only when Python code is about to run, so that metadata whose expressions the native
/// evaluator knows needs no interpreter at all.
pub struct Python {
    interpreter: OnceCell<Box<dyn Interpreter>>,
    sink: Rc<dyn Sink>,
    definitions: RefCell<FxHashMap<Rc<str>, Rc<Definition>>>,
    /// The definitions of the configuration, which every recipe starts with.
    base: RefCell<FxHashMap<Rc<str>, Rc<Definition>>>,
    /// Definitions the interpreter hasn't seen, in order.
    pending: RefCell<Vec<Rc<str>>>,
    functions: RefCell<Rc<FxHashMap<Rc<str>, ModuleFunction>>>,
    said: RefCell<FxHashSet<String>>,
    /// What code refers to, by its text.
    scans: RefCell<FxHashMap<Rc<str>, Rc<CodeScan>>>,
    flushing: Cell<bool>,
}

impl Python {
    /// A run without an interpreter, for now.
    pub fn new(sink: Rc<dyn Sink>) -> Rc<Self> {
        Rc::new(Python {
            interpreter: OnceCell::new(),
            sink,
            definitions: RefCell::default(),
            base: RefCell::default(),
            pending: RefCell::default(),
            functions: RefCell::default(),
            said: RefCell::default(),
            scans: RefCell::default(),
            flushing: Cell::new(false),
        })
    }

    /// Gives the run its interpreter. Once; a second one is ignored.
    pub fn set_interpreter(&self, interpreter: Box<dyn Interpreter>) {
        let _ = self.interpreter.set(interpreter);
    }

    /// True if Python code can run.
    pub fn available(&self) -> bool {
        self.interpreter.get().is_some()
    }

    /// The interpreter, with all definitions made known to it.
    fn interpreter(&self, what: &str) -> Result<&dyn Interpreter, DataError> {
        let interpreter = self.interpreter.get().ok_or_else(|| DataError::NeedsPython(what.to_owned()))?;
        self.flush(&**interpreter)?;
        Ok(&**interpreter)
    }

    fn flush(&self, interpreter: &dyn Interpreter) -> Result<(), DataError> {
        if self.flushing.replace(true) {
            return Ok(());
        }
        let pending = std::mem::take(&mut *self.pending.borrow_mut());
        let result = pending.iter().try_for_each(|name| {
            let (code, file, before) = match self.definitions.borrow().get(name) {
                Some(definition) => (definition.code.clone(), definition.file.clone(), definition.before),
                None => return Ok(()),
            };
            interpreter.define(name, &code, &file, before)
        });
        self.flushing.set(false);
        result
    }

    /// Notes a function that metadata defines. `before` is the line in front of its first one.
    pub fn define(&self, name: &Rc<str>, code: &str, file: &Rc<str>, before: u32) -> Result<(), DataError> {
        let known = |old: &Rc<Definition>| *old.code == *code && old.file == *file && old.before == before;
        if self.definitions.borrow().get(name).is_some_and(known) {
            return Ok(());
        }
        let definition = Definition { code: code.into(), file: file.clone(), before };
        self.definitions.borrow_mut().insert(name.clone(), Rc::new(definition));
        self.pending.borrow_mut().push(name.clone());
        // A mistake in it is to be reported where it is defined.
        if let Some(interpreter) = self.interpreter.get() {
            self.flush(&**interpreter)?;
        }
        Ok(())
    }

    /// Remembers the functions defined so far as those that every recipe starts with.
    pub fn save(&self) -> Result<(), DataError> {
        *self.base.borrow_mut() = self.definitions.borrow().clone();
        if let Some(interpreter) = self.interpreter.get() {
            self.flush(&**interpreter)?;
            interpreter.save_context();
        }
        Ok(())
    }

    /// Forgets what was defined since [`Python::save`].
    pub fn restore(&self) {
        self.definitions.borrow_mut().clone_from(&self.base.borrow());
        self.pending.borrow_mut().clear();
        if let Some(interpreter) = self.interpreter.get() {
            interpreter.restore_context();
        }
    }

    /// The source of a function that metadata defined.
    pub fn definition(&self, name: &str) -> Option<Rc<str>> {
        self.definitions.borrow().get(name).map(|definition| definition.code.clone())
    }

    /// Calls functions with `d`, as one piece of code.
    pub fn call(&self, store: &Store, functions: &[String]) -> Result<(), DataError> {
        if functions.is_empty() {
            return Ok(());
        }
        self.interpreter("an anonymous Python function")?.call(store, functions)
    }

    /// Compiles a handler that was just registered, if there is an interpreter already.
    pub fn prepare(&self, handler: &Handler) -> Result<(), DataError> {
        self.interpreter.get().map_or(Ok(()), |interpreter| interpreter.prepare(handler))
    }

    /// Runs handlers in order.
    pub fn handle(&self, handlers: &[Handler], event: &Event, store: &Store) -> Result<(), DataError> {
        if handlers.is_empty() {
            return Ok(());
        }
        self.interpreter("an event handler")?.handle(handlers, event, store)
    }

    /// Carries out `addpylib`.
    pub fn add_library(&self, modules: &[String], dir: &str, namespace: &str) -> Result<(), DataError> {
        let found = self.interpreter("addpylib")?.add_library(modules, dir, namespace)?;
        let mut functions = self.functions.borrow_mut();
        let functions = Rc::make_mut(&mut functions);
        for function in found {
            functions.insert(function.name.clone(), function);
        }
        Ok(())
    }

    /// What Python code refers to.
    ///
    /// # Errors
    /// It isn't Python, or calls something in a way that BitBake's scanner trips over.
    pub fn scan_code(&self, code: &str) -> Result<Rc<CodeScan>, DataError> {
        if let Some(scan) = self.scans.borrow().get(code) {
            return Ok(scan.clone());
        }
        let scan = Rc::new(code_scan(scan(code, self).map_err(|error| scan_error(&error))?));
        self.scans.borrow_mut().insert(code.into(), scan.clone());
        Ok(scan)
    }

    /// What is wrong with code that is no Python.
    pub fn syntax_error(&self, code: &str) -> Option<PythonSyntaxError> {
        match scan(code, self) {
            Err(ScanError::Syntax(error)) => Some(error),
            _ => None,
        }
    }

    /// The functions of the modules that `addpylib` brought.
    pub fn module_functions(&self) -> Rc<FxHashMap<Rc<str>, ModuleFunction>> {
        self.functions.borrow().clone()
    }
}

impl Host for Python {
    fn log(&self, level: Level, message: &str) {
        match self.interpreter.get() {
            Some(interpreter) => interpreter.log(level, message, false),
            None => self.sink.message(level, message),
        }
    }

    fn log_once(&self, level: Level, message: &str) {
        if let Some(interpreter) = self.interpreter.get() {
            interpreter.log(level, message, true);
        } else if self.said.borrow_mut().insert(message.to_owned()) {
            self.sink.message_once(level, message);
        }
    }

    fn evaluate(&self, store: &Store, variable: Option<&str>, code: &Code) -> Result<Rc<str>, DataError> {
        self.interpreter("an inline expression")?.evaluate(store, variable, &code.text)
    }

    fn scan(&self, store: &Store, variable: Option<&str>, code: &str) -> Result<CodeScan, DataError> {
        match self.scan_code(code) {
            Ok(scan) => Ok((*scan).clone()),
            // The interpreter's own words for the mistake are the ones people know.
            Err(error) => match self.interpreter.get() {
                Some(interpreter) => Err(interpreter.evaluate(store, variable, code).err().unwrap_or(error)),
                None => Err(in_variable(error, variable)),
            },
        }
    }

    fn filter(&self, _store: &Store, value: &str, filter: &Value) -> Result<String, DataError> {
        self.interpreter("a variable filter")?.filter(value, filter)
    }

    fn caller(&self) -> Option<(Rc<str>, u32, Rc<str>)> {
        self.interpreter.get()?.caller()
    }
}

impl ScanHooks for Python {
    fn has_visitor(&self, name: &str) -> bool {
        self.functions.borrow().get(name).is_some_and(|function| function.has_visitor)
    }

    fn visit_call(&self, name: &str, args: &[Literal<'_>]) -> Option<Result<HookResult, HookError>> {
        let shown: Vec<String> = args
            .iter()
            .map(|arg| match arg {
                Literal::Str(text) => repr_str(text),
                Literal::Int(n) => n.to_string(),
                Literal::Bool(true) => "True".into(),
                Literal::Bool(false) => "False".into(),
                Literal::None => "None".into(),
                Literal::Other => "_".into(),
            })
            .collect();
        let call = format!("{name}({})", shown.join(", "));
        let visit = self.interpreter.get()?.visit(name, &call).ok()??;
        let words = |words: &[Rc<str>]| words.iter().map(|word| word.to_string()).collect();
        Some(Ok(HookResult {
            contains: visit.contains.iter().map(|(name, items)| (name.to_string(), words(items))).collect(),
            execs: words(&visit.execs),
            unhandled: None,
        }))
    }
}

/// A scan as the datastore wants it.
pub fn code_scan(scan: PythonScan) -> CodeScan {
    let names = |names: std::collections::BTreeSet<String>| names.into_iter().map(Rc::from).collect();
    CodeScan {
        references: names(scan.references),
        execs: names(scan.execs),
        contains: scan.contains.into_iter().map(|(name, words)| (name.into(), names(words))).collect(),
    }
}

/// A syntax error with the place CPython would give: the variable's name instead of a file.
fn in_variable(mut error: DataError, variable: Option<&str>) -> DataError {
    if let DataError::Raised { message, .. } = &mut error {
        let place = variable.map_or_else(|| "<expansion>".to_owned(), |name| format!("Var <{name}>"));
        *message = message.replacen("<string>", &place, 1);
    }
    error
}

fn scan_error(error: &ScanError) -> DataError {
    match error {
        ScanError::Syntax(error) => DataError::Raised {
            class: error.class.into(),
            message: format!("{} (<string>, line {})", error.message, error.line),
            syntax: Some(error.message.clone()),
            source: None,
        },
        ScanError::Call { class, message, .. } => DataError::raised(class, message.as_str()),
    }
}
