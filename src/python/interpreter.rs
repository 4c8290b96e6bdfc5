//! What CPython does for the engine. The member crate `python/` implements it; without it the engine runs metadata that needs none.

use std::rc::Rc;

use crate::data::{DataError, Level, Store, Value};

/// An event on its way to the handlers that metadata registered (BitBake manual, "Event Handlers").
#[derive(Clone, Debug)]
pub struct Event {
    /// Class name in `bb.event`, such as `RecipeParsed`.
    pub class: &'static str,
    /// Arguments of its constructor.
    pub arguments: Vec<Value>,
}

/// A registered event handler.
#[derive(Clone, Debug)]
pub struct Handler {
    /// Function name.
    pub name: Rc<str>,
    /// Body as written in the metadata.
    pub code: Rc<str>,
    /// Class names of the events it wants, such as `bb.event.ConfigParsed`; empty for all.
    pub mask: Vec<Rc<str>>,
    /// File it was defined in.
    pub file: Rc<str>,
    /// Line of its header.
    pub line: u32,
}

/// A function of a Python module that `addpylib` registered, as task signatures see it.
#[derive(Clone, Debug, Default)]
pub struct ModuleFunction {
    /// Dotted name, such as `oe.utils.conditional`.
    pub name: Rc<str>,
    /// Its source with as many newlines in front as its 1-based first line says.
    pub source: Rc<str>,
    /// Names given to `bb.parse.vardeps`.
    pub vardeps: Vec<Rc<str>>,
    /// Names given to `bb.parse.vardepsexclude`.
    pub vardepsexclude: Vec<Rc<str>>,
    /// The public callables of its module, by which calls among them are recognised.
    pub siblings: Rc<[Rc<str>]>,
    /// It has a `visitorcode` hook: a call to it is judged by that.
    pub has_visitor: bool,
}

/// What a `visitorcode` hook says of a call.
#[derive(Clone, Debug, Default)]
pub struct Visit {
    /// Words asked for, by variable.
    pub contains: Vec<(Rc<str>, Vec<Rc<str>>)>,
    /// Functions called.
    pub execs: Vec<Rc<str>>,
}

/// The services of a Python interpreter.
pub trait Interpreter {
    /// Compiles `code` and runs it in the global context of metadata, where `name` becomes visible. `before` is the line in front of
    /// its first one in `file`. Errors are reported through the log as BitBake does and come back as [`DataError::Handled`].
    fn define(&self, name: &str, code: &str, file: &str, before: u32) -> Result<(), DataError>;

    /// The value of an inline expression, by `str()`.
    fn evaluate(&self, store: &Store, variable: Option<&str>, code: &str) -> Result<Rc<str>, DataError>;

    /// Calls functions of the global context with `d`, all as one piece of code.
    fn call(&self, store: &Store, functions: &[String]) -> Result<(), DataError>;

    /// Compiles a handler that was just registered. A mistake in it is in the log then, and the handler does nothing.
    fn prepare(&self, handler: &Handler) -> Result<(), DataError>;

    /// Runs handlers in order, all with the same event object.
    fn handle(&self, handlers: &[Handler], event: &Event, store: &Store) -> Result<(), DataError>;

    /// Applies a filter expression to a value (`bb.filter`).
    fn filter(&self, value: &str, filter: &Value) -> Result<String, DataError>;

    /// `addpylib`: imports `modules` into the global context, adds `dir` to the module path and imports `namespace` with its
    /// submodules. Gives the functions found in them.
    fn add_library(
        &self,
        modules: &[String],
        dir: &str,
        namespace: &str,
    ) -> Result<Vec<ModuleFunction>, DataError>;

    /// Asks the `visitorcode` hook of a module function about a call in `code`, given as the text of that call.
    fn visit(&self, function: &str, call: &str) -> Result<Option<Visit>, DataError>;

    /// Remembers the global context as it is: the one that every recipe starts with.
    fn save_context(&self) {}

    /// Puts the global context back to what [`Interpreter::save_context`] saw, so that no recipe sees another's functions.
    fn restore_context(&self) {}

    /// True if `name` is in the global context.
    fn knows(&self, name: &str) -> bool;

    /// File, line and function of the Python frame that called the engine.
    fn caller(&self) -> Option<(Rc<str>, u32, Rc<str>)>;

    /// Passes a message to the `BitBake` logger; `once`: unless the same was passed on before.
    fn log(&self, level: Level, message: &str, once: bool);
}
