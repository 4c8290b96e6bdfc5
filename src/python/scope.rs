//! The Python side of a run: functions that metadata defines, and whoever evaluates them.

use std::cell::{Cell, OnceCell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::interpreter::{Event, Handler, Interpreter, ModuleFunction};
use super::native::{self, Compiled, Flags, Function, Lookup, LookupError, Module, Outcome};
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
    /// For the native evaluator, made when it first asks.
    function: OnceCell<Arc<Function>>,
}

/// What evaluates inline expressions (RBAKE_NATIVE_EXPR).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    /// The native evaluator where it can, CPython elsewhere.
    On,
    /// CPython always.
    Off,
    /// Both, and an error where they differ.
    Verify,
}

impl Native {
    /// As the environment says: `off`, `verify`, or anything else.
    pub fn from_environment() -> Self {
        match std::env::var("RBAKE_NATIVE_EXPR").as_deref() {
            Ok("off") => Native::Off,
            Ok("verify") => Native::Verify,
            _ => Native::On,
        }
    }
}

/// What metadata's Python code sees and does.
///
/// Definitions are handed to the interpreter only when Python code is about to run, so that metadata whose expressions the native
/// evaluator knows needs no interpreter at all.
pub struct Python {
    interpreter: OnceCell<Box<dyn Interpreter>>,
    sink: Rc<dyn Sink>,
    definitions: RefCell<FxHashMap<Rc<str>, Rc<Definition>>>,
    /// Every definition met, by name, file and line.
    archive: RefCell<FxHashMap<(Rc<str>, Rc<str>, u32), Rc<Definition>>>,
    /// The definitions of the configuration, which every recipe starts with.
    base: RefCell<FxHashMap<Rc<str>, Rc<Definition>>>,
    /// Definitions the interpreter hasn't seen, in order.
    pending: RefCell<Vec<Rc<str>>>,
    functions: RefCell<Rc<FxHashMap<Rc<str>, ModuleFunction>>>,
    said: RefCell<FxHashSet<String>>,
    /// What code refers to, by its text.
    scans: RefCell<FxHashMap<Rc<str>, Rc<CodeScan>>>,
    flushing: Cell<bool>,
    native: Native,
    /// Whether a name is in the interpreter's global context, as far as asked.
    context_names: RefCell<FxHashMap<Rc<str>, bool>>,
    /// Modules of the libraries that layers bring, by dotted name.
    modules: RefCell<FxHashMap<Rc<str>, Arc<Module>>>,
    /// Folders of those libraries.
    libraries: RefCell<Vec<PathBuf>>,
    /// How many evaluations were done natively, and how many by CPython.
    counts: Cell<(u64, u64)>,
}

/// Names in the global context before metadata adds any.
const FIRST_NAMES: [&str; 3] = ["bb", "os", "time"];

impl Python {
    /// A run without an interpreter, for now.
    pub fn new(sink: Rc<dyn Sink>) -> Rc<Self> {
        Rc::new(Python {
            interpreter: OnceCell::new(),
            sink,
            definitions: RefCell::default(),
            base: RefCell::default(),
            archive: RefCell::default(),
            pending: RefCell::default(),
            functions: RefCell::default(),
            said: RefCell::default(),
            scans: RefCell::default(),
            flushing: Cell::new(false),
            native: Native::from_environment(),
            context_names: RefCell::default(),
            modules: RefCell::default(),
            libraries: RefCell::default(),
            counts: Cell::new((0, 0)),
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
        self.definitions.borrow_mut().insert(name.clone(), self.seen(name, code, file, before));
        self.context_names.borrow_mut().remove(name);
        self.pending.borrow_mut().push(name.clone());
        // A mistake in it is to be reported where it is defined.
        if let Some(interpreter) = self.interpreter.get() {
            self.flush(&**interpreter)?;
        }
        Ok(())
    }

    /// The definition, as it was made when another recipe read the same statement.
    fn seen(&self, name: &Rc<str>, code: &str, file: &Rc<str>, before: u32) -> Rc<Definition> {
        let mut archive = self.archive.borrow_mut();
        let key = (name.clone(), file.clone(), before);
        if let Some(known) = archive.get(&key).filter(|known| *known.code == *code) {
            return known.clone();
        }
        let definition =
            Rc::new(Definition { code: code.into(), file: file.clone(), before, function: OnceCell::new() });
        archive.insert(key, definition.clone());
        definition
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
        // A recipe's function that hid a variable is gone.
        self.context_names.borrow_mut().clear();
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
        self.context_names.borrow_mut().clear();
        let folder = Path::new(dir).join(namespace);
        if !self.libraries.borrow().contains(&folder) {
            self.libraries.borrow_mut().push(folder);
        }
        let mut functions = self.functions.borrow_mut();
        let functions = Rc::make_mut(&mut functions);
        for function in found {
            self.note_module(dir, &function.name);
            functions.insert(function.name.clone(), function);
        }
        Ok(())
    }

    /// The files of the libraries that layers bring: what they hold is part of the configuration.
    pub fn library_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = self.libraries.borrow().clone();
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => open.push(path),
                    _ if path.extension().is_some_and(|end| end == "py") => found.push(path),
                    _ => {}
                }
            }
        }
        found.sort();
        found
    }

    /// Makes the module of a function known to the native evaluator.
    fn note_module(&self, dir: &str, function: &str) {
        let Some((module, _)) = function.rsplit_once('.') else { return };
        if self.modules.borrow().contains_key(module) {
            return;
        }
        let path = format!("{dir}/{}", module.replace('.', "/"));
        let source = std::fs::read_to_string(format!("{path}.py"))
            .or_else(|_| std::fs::read_to_string(format!("{path}/__init__.py")));
        if let Ok(source) = source {
            self.modules.borrow_mut().insert(module.into(), Module::compile(module, &source));
        }
    }

    /// How many inline expressions were evaluated natively, and how many by CPython.
    pub fn counts(&self) -> (u64, u64) {
        self.counts.get()
    }

    /// The native evaluator's value; None if it doesn't know one.
    fn evaluate_native(&self, store: &Store, code: &Code) -> Result<Option<Rc<str>>, DataError> {
        let compiled = code.compiled.get_or_init(|| Box::new(native::compile(&code.text)));
        let Some(compiled) = compiled.downcast_ref::<Arc<Compiled>>() else { return Ok(None) };
        if !compiled.is_native() {
            return Ok(None);
        }
        match native::eval(compiled, &View { python: self, store }) {
            Ok(Outcome::Value(value)) => Ok(Some(Rc::from(&*value.to_py_str()))),
            Ok(Outcome::NotNative) => Ok(None),
            Err(error) => match error.downcast::<DataError>() {
                Ok(error) => Err(*error),
                Err(other) => Err(DataError::raised("Exception", other.to_string())),
            },
        }
    }

    /// Evaluates both ways and reports a difference.
    fn evaluate_both(
        &self,
        store: &Store,
        variable: Option<&str>,
        code: &Code,
    ) -> Result<Rc<str>, DataError> {
        let native = self.evaluate_native(store, code);
        let theirs = self.interpreter("an inline expression")?.evaluate(store, variable, &code.text);
        let differs = match (&native, &theirs) {
            (Ok(None), _) => false,
            (Ok(Some(ours)), Ok(theirs)) => ours != theirs,
            (Err(ours), Err(theirs)) => ours.class_and_text().0 != theirs.class_and_text().0,
            _ => true,
        };
        if differs {
            let shown = |result: &Result<Rc<str>, DataError>| match result {
                Ok(text) => format!("{text:?}"),
                Err(error) => error.to_string(),
            };
            let ours = shown(&native.map(|text| text.unwrap_or_default()));
            self.log(
                Level::Error,
                &format!("${{@{}}} is {ours} natively but {} in CPython", code.text, shown(&theirs)),
            );
        }
        theirs
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
        let (natively, by_python) = self.counts.get();
        match self.native {
            Native::Verify if self.available() => return self.evaluate_both(store, variable, code),
            Native::Off if self.available() => {}
            _ => {
                if let Some(value) = self.evaluate_native(store, code)? {
                    self.counts.set((natively + 1, by_python));
                    return Ok(value);
                }
            }
        }
        self.counts.set((natively, by_python + 1));
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

/// What the native evaluator sees.
struct View<'a> {
    python: &'a Python,
    store: &'a Store,
}

impl Lookup for View<'_> {
    fn get_var(&self, name: &str) -> Result<Option<Value>, LookupError> {
        Ok(self.store.get_var(name)?)
    }

    fn get_var_unexpanded(&self, name: &str) -> Result<Option<Value>, LookupError> {
        Ok(self.store.get_raw(name)?)
    }

    fn get_var_flag(&self, variable: &str, flag: &str, expand: bool) -> Result<Option<Value>, LookupError> {
        Ok(if expand {
            self.store.get_flag(variable, flag)?
        } else {
            self.store.get_flag_raw(variable, flag)?
        })
    }

    fn get_var_flags(&self, variable: &str) -> Result<Flags, LookupError> {
        Ok(self.store.get_flags(variable).map_or(Flags::None, Flags::Some))
    }

    fn expand(&self, text: &str) -> Result<String, LookupError> {
        Ok(self.store.expand(text, None)?)
    }

    fn is_context_name(&self, name: &str) -> bool {
        if self.python.definitions.borrow().contains_key(name) {
            return true;
        }
        if let Some(known) = self.python.context_names.borrow().get(name) {
            return *known;
        }
        let known = match self.python.interpreter.get() {
            Some(interpreter) => interpreter.knows(name),
            None => FIRST_NAMES.contains(&name),
        };
        self.python.context_names.borrow_mut().insert(name.into(), known);
        known
    }

    fn def_function(&self, name: &str) -> Option<Arc<Function>> {
        let definition = self.python.definitions.borrow().get(name)?.clone();
        Some(definition.function.get_or_init(|| Function::compile(&definition.code)).clone())
    }

    fn module(&self, name: &str) -> Option<Arc<Module>> {
        self.python.modules.borrow().get(name).cloned()
    }

    fn inherits_class(&self, class: &str) -> Result<Option<bool>, LookupError> {
        let classes = self.store.get_raw("__inherit_cache")?;
        let end = format!("/{class}.bbclass");
        let classes = classes.as_ref().and_then(Value::as_list).unwrap_or_default();
        Ok(Some(classes.iter().filter_map(Value::as_str).any(|path| path.ends_with(&end))))
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
