//! The native evaluator of inline expressions.
//!
//! Most of the `${@…}` in metadata are a call of `bb.utils.contains` or a few operators around `d.getVar`, and a recipe has
//! hundreds of them. These are evaluated here, with the functions they call as far as their source is known. The rule is: exactly
//! CPython's value or none. Whatever isn't known to the letter — a node, a method, a type, an exception, the order of a set — ends
//! the evaluation with [`Outcome::NotNative`], before anything was changed, and CPython evaluates the expression again.

mod builtins;
mod compile;
mod containers;
mod exec;
mod format;
mod library;
mod module;
mod ops;
mod paths;
mod result;
mod statements;
mod text;
mod tree;
mod value;

#[cfg(test)]
mod tests;

use std::error::Error;
use std::rc::Rc;
use std::sync::Arc;

pub use module::{Function, Module};
pub use result::NativeValue;
pub use value::PyStr;

use crate::data;
use crate::lang::python::{PythonVersion, parse_expression};
use tree::Node;

/// An error of the store, passed through as it is.
pub type LookupError = Box<dyn Error>;

/// The flags of a variable.
pub enum Flags {
    /// The lookup doesn't tell.
    Unknown,
    /// The variable has none, for which Python has `None`.
    None,
    /// Names and unexpanded values, in the store's order.
    Some(Vec<(Rc<str>, data::Value)>),
}

/// What an expression sees: the store, and what Python code has defined.
pub trait Lookup {
    /// `d.getVar(name)`.
    fn get_var(&self, name: &str) -> Result<Option<data::Value>, LookupError>;

    /// `d.getVar(name, False)`.
    fn get_var_unexpanded(&self, name: &str) -> Result<Option<data::Value>, LookupError>;

    /// `d.getVarFlag(variable, flag, expand)`.
    fn get_var_flag(
        &self,
        variable: &str,
        flag: &str,
        expand: bool,
    ) -> Result<Option<data::Value>, LookupError>;

    /// `d.getVarFlags(variable)`.
    fn get_var_flags(&self, variable: &str) -> Result<Flags, LookupError> {
        let _ = variable;
        Ok(Flags::Unknown)
    }

    /// `d.expand(text)`.
    fn expand(&self, text: &str) -> Result<String, LookupError>;

    /// Whether Python code sees `name` as a global name: `bb`, `os`, `oe`, a module of BB_GLOBAL_PYMODULES, a `def` function. Such a
    /// name is never a variable of the store.
    fn is_context_name(&self, name: &str) -> bool;

    /// The `def` function that is known by `name` now.
    fn def_function(&self, name: &str) -> Option<Arc<Function>>;

    /// The imported module `name`, for example `oe.utils`, if its functions are those of its file.
    fn module(&self, name: &str) -> Option<Arc<Module>> {
        let _ = name;
        None
    }

    /// Whether the recipe inherits `class`; None if that isn't known.
    fn inherits_class(&self, class: &str) -> Result<Option<bool>, LookupError>;

    /// Whether metadata has put something else in the place of a function that is known here, such as `bb.utils.contains`.
    fn is_replaced(&self, function: &str) -> bool {
        let _ = function;
        false
    }

    /// Whether [`Lookup::log`] does something. Without it, code that logs is left to CPython.
    fn takes_messages(&self) -> bool {
        false
    }

    /// Passes on a message of `bb.debug`, `bb.note`, `bb.plain` or `bb.warn`.
    fn log(&self, level: data::Level, message: &str) {
        let _ = (level, message);
    }

    /// Whether [`Lookup::call`] knows the function, by its dotted name.
    fn has_function(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// Calls a function that the caller knows, such as `bb.fetch.get_hashvalue`. The datastore as an argument is
    /// [`NativeValue::Data`]. None leaves the call to CPython.
    fn call(&self, name: &str, args: &[NativeValue]) -> Result<Option<NativeValue>, LookupError> {
        let _ = (name, args);
        Ok(None)
    }
}

/// What an evaluation gave.
#[derive(Debug)]
pub enum Outcome {
    /// CPython's value.
    Value(NativeValue),
    /// CPython has to evaluate the expression.
    NotNative,
}

/// Why an evaluation stopped.
#[derive(Debug)]
enum Stop {
    NotNative,
    Lookup(LookupError),
}

type Told<T> = Result<T, Stop>;

/// A compiled inline expression.
#[derive(Debug)]
pub struct Compiled {
    root: Node,
    slots: usize,
}

impl Compiled {
    /// Whether there is any use in evaluating it here.
    pub fn is_native(&self) -> bool {
        !matches!(self.root, Node::Unsupported)
    }
}

/// Compiles the code of a `${@…}`. Code that isn't an expression is never native, so that CPython finds the words for it.
pub fn compile(code: &str) -> Arc<Compiled> {
    let text = code.trim_matches(crate::lang::python::is_py_space);
    let mut compiler = compile::Compiler::new(compile::Globals::Expression);
    let root = match parse_expression(text, PythonVersion::default()) {
        Ok(tree) => compiler.expr(&tree),
        Err(_) => Node::Unsupported,
    };
    let root = if compiler.poisoned { Node::Unsupported } else { root };
    Arc::new(Compiled { root, slots: compiler.slots })
}

/// Evaluates a compiled expression.
///
/// # Errors
/// An error of `lookup` that the expression would not catch.
pub fn eval(compiled: &Compiled, lookup: &dyn Lookup) -> Result<Outcome, LookupError> {
    if !compiled.is_native() {
        return Ok(Outcome::NotNative);
    }
    let machine = exec::Machine::new(lookup);
    match machine.run(&compiled.root, compiled.slots).and_then(|value| NativeValue::result(&value)) {
        Err(Stop::NotNative) => Ok(Outcome::NotNative),
        Ok(value) => {
            machine.flush();
            Ok(Outcome::Value(value))
        }
        Err(Stop::Lookup(error)) => {
            machine.flush();
            Err(error)
        }
    }
}
