//! From calls to references.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::{Expr, ExprCall};
use ruff_text_size::Ranged;

use super::constant::Constant;
use super::error::ScanError;
use super::syntax::{PythonVersion, line_of, parse_expression, parse_module};
use super::walk::{self, Root};
use crate::lang::expr;

/// Calls whose first argument names a variable; found at the end of the dotted name.
const GETVAR: [&str; 4] = [".getVar", ".appendVar", ".prependVar", "oe.utils.conditional"];
/// Calls whose first two arguments name a variable and a flag; found at the end of the dotted name.
const GETVARFLAG: [&str; 3] = [".getVarFlag", ".appendVarFlag", ".prependVarFlag"];
/// Calls that check for all words of their second argument.
const CONTAINS: [&str; 2] = ["bb.utils.contains", "base_contains"];
/// Calls that check for each word of their second argument.
const CONTAINS_ANY: [&str; 2] = ["bb.utils.contains_any", "bb.utils.filter"];
/// Calls that run the function named by their first argument.
const EXEC: [&str; 2] = ["bb.build.exec_func", "bb.build.exec_task"];

/// `${@…}` inside a text inside a text … that is followed. Quoting doubles with each level, so real code has one.
const MAX_NESTED: u8 = 8;

/// What a piece of Python refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PythonScan {
    /// Names of variables that are read, and `VAR[flag]` for flags.
    pub references: BTreeSet<String>,
    /// Dotted names of functions that are called, `var_execs` included.
    pub execs: BTreeSet<String>,
    /// Functions run by name through `bb.build.exec_func` and `exec_task`.
    pub var_execs: BTreeSet<String>,
    /// Variables checked by `bb.utils.contains` and its relatives, with the texts that they are checked for.
    pub contains: BTreeMap<String, BTreeSet<String>>,
    /// Calls whose argument should be a literal and isn't, in the order they were met.
    pub unhandled: Vec<Unhandled>,
    /// Literal arguments of `.expand()` that have `${@…}`. BitBake evaluates these in an empty store and follows
    /// references in the result; the scan has what can be seen without evaluating.
    pub nested_expand: Vec<String>,
}

/// A call that the scanner can't follow because an argument is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unhandled {
    /// The called function as written.
    pub function: String,
    /// The argument as written.
    pub argument: String,
}

impl Unhandled {
    /// BitBake's debug message for it, `name` being the variable or function that was scanned.
    pub fn message(&self, name: &str) -> String {
        let Unhandled { function, argument } = self;
        format!("while parsing {name}, in call of {function}, argument '{argument}' is not a string literal")
    }
}

/// An argument of a call as a hook sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal<'a> {
    /// A string literal; concatenated literals are one.
    Str(&'a str),
    /// An integer that fits.
    Int(i64),
    /// `True` or `False`.
    Bool(bool),
    /// `None`.
    None,
    /// Anything else.
    Other,
}

/// A hook's verdict on a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HookResult {
    /// Replaces what was known about these variables.
    pub contains: BTreeMap<String, BTreeSet<String>>,
    /// Added to the functions called.
    pub execs: BTreeSet<String>,
    /// Position of an argument that should have been a literal.
    pub unhandled: Option<usize>,
}

/// A Python exception that the hook's original would have raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookError {
    /// Name of the exception's class.
    pub class: &'static str,
    /// Text of the exception.
    pub message: String,
}

/// What the scanner asks its caller.
pub trait ScanHooks {
    /// Whether `name` is a registered module function that has a `visitorcode` of its own.
    fn has_visitor(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// Scans a call to such a function. `None` treats it like any other call.
    fn visit_call(&self, name: &str, args: &[Literal<'_>]) -> Option<Result<HookResult, HookError>> {
        let _ = (name, args);
        None
    }

    /// The grammar to accept.
    fn python_version(&self) -> PythonVersion {
        PythonVersion::default()
    }
}

/// No registered functions, newest grammar.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;

impl ScanHooks for NoHooks {}

/// Scans statements: a task's body, a `def`, an anonymous function's body. A body that starts with blanks is taken as
/// indented code. Lines in errors count from 1 at the start of `code`.
pub fn scan(code: &str, hooks: &dyn ScanHooks) -> Result<PythonScan, ScanError> {
    let mut scanner = Scanner::new(hooks);
    scanner.module(code)?;
    scanner.finish()
}

/// Scans the code of an inline expression `${@…}`. Only what CPython can evaluate is accepted: `foo = 5` is not.
pub fn scan_expression(code: &str, hooks: &dyn ScanHooks) -> Result<PythonScan, ScanError> {
    let mut scanner = Scanner::new(hooks);
    scanner.expression(code)?;
    scanner.finish()
}

/// Whether Python's `str.isspace` holds for `c`.
pub(crate) fn is_py_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

struct Scanner<'h> {
    hooks: &'h dyn ScanHooks,
    version: PythonVersion,
    found: PythonScan,
    /// An argument that BitBake trips over only after it has seen all calls.
    late: Option<ScanError>,
    depth: u8,
}

/// The text that a tree's offsets refer to.
#[derive(Clone, Copy)]
struct Source<'a> {
    text: &'a str,
    /// Lines put in front of the caller's text.
    added_lines: usize,
}

impl<'a> Source<'a> {
    fn slice(&self, node: &impl Ranged) -> &'a str {
        self.text.get(node.range().to_std_range()).unwrap_or_default()
    }
}

impl<'h> Scanner<'h> {
    fn new(hooks: &'h dyn ScanHooks) -> Self {
        Scanner { hooks, version: hooks.python_version(), found: PythonScan::default(), late: None, depth: 0 }
    }

    fn finish(mut self) -> Result<PythonScan, ScanError> {
        if let Some(error) = self.late {
            return Err(error);
        }
        let var_execs = self.found.var_execs.iter().cloned();
        self.found.execs.extend(var_execs);
        Ok(self.found)
    }

    fn module(&mut self, code: &str) -> Result<(), ScanError> {
        if code.chars().all(is_py_space) {
            return Ok(());
        }
        let indented = code.trim_start_matches(['\n', '\t', ' ']);
        let wrap = matches!(code.as_bytes()[..code.len() - indented.len()].last(), Some(b' ' | b'\t'));
        let wrapped;
        let source = if wrap {
            wrapped = format!("if 1:\n{code}");
            Source { text: &wrapped, added_lines: 1 }
        } else {
            Source { text: code, added_lines: 0 }
        };
        let suite = parse_module(source.text, self.version).map_err(|mut error| {
            error.line = error.line.saturating_sub(source.added_lines).max(1);
            error
        })?;
        walk::calls(suite.iter().map(Root::Stmt), |call| self.call(call, source))
    }

    fn expression(&mut self, code: &str) -> Result<(), ScanError> {
        let text = code.trim_matches(is_py_space);
        let tree = parse_expression(text, self.version)?;
        walk::calls([Root::Expr(&tree)], |call| self.call(call, Source { text, added_lines: 0 }))
    }

    fn call(&mut self, call: &ExprCall, source: Source<'_>) -> Result<(), ScanError> {
        let mut name = String::new();
        if !dotted_name(&call.func, &mut name) {
            return Ok(());
        }
        let fail = |class: &'static str, message: String| {
            let line =
                line_of(source.text, call.range_start.to_usize()).saturating_sub(source.added_lines).max(1);
            ScanError::Call { class, message, function: name.clone(), line }
        };
        let args = &*call.arguments.args;
        let argument =
            |n: usize| args.get(n).ok_or_else(|| fail("IndexError", "list index out of range".to_owned()));
        // What BitBake collects it also interns, which only strings allow.
        let not_str = |constant: &Constant<'_>| {
            fail("TypeError", format!("intern() argument must be str, not {}", constant.type_name()))
        };

        if self.hooks.has_visitor(&name) {
            let literals: Vec<_> = args.iter().map(literal).collect();
            if let Some(result) = self.hooks.visit_call(&name, &literals) {
                let result = result.map_err(|error| fail(error.class, error.message))?;
                self.found.contains.extend(result.contains);
                self.found.execs.extend(result.execs);
                if let Some(arg) = result.unhandled.and_then(|n| args.get(n)) {
                    self.unhandled(source, call, arg);
                }
                return Ok(());
            }
        }

        let ends_with = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
        let is_flag = ends_with(&GETVARFLAG);
        let is_contains = CONTAINS.contains(&name.as_str());
        let is_any = CONTAINS_ANY.contains(&name.as_str());
        if is_flag || is_contains || is_any || ends_with(&GETVAR) {
            let first = argument(0)?;
            let Some(Constant::Str(variable)) = Constant::of(first) else {
                self.unhandled(source, call, first);
                return Ok(());
            };
            if is_contains || is_any {
                let second = Constant::of(argument(1)?);
                let Some(checked) = second else {
                    self.found.references.insert(variable.to_owned());
                    return Ok(());
                };
                let known = self.found.contains.entry(variable.to_owned()).or_default();
                match checked {
                    Constant::Str(text) if is_contains => {
                        known.insert(text.to_owned());
                    }
                    Constant::Str(text) => {
                        known.extend(
                            text.split(is_py_space).filter(|word| !word.is_empty()).map(str::to_owned),
                        );
                    }
                    other if is_contains || matches!(other, Constant::Bytes(_)) => {
                        self.late.get_or_insert_with(|| not_str(&other));
                    }
                    other => {
                        let kind = if other == Constant::None { "NoneType" } else { other.type_name() };
                        return Err(fail(
                            "AttributeError",
                            format!("'{kind}' object has no attribute 'split'"),
                        ));
                    }
                }
            } else if is_flag {
                let second = argument(1)?;
                match Constant::of(second) {
                    Some(flag) => {
                        self.found.references.insert(format!("{variable}[{}]", flag.to_py_str()));
                    }
                    None => self.unhandled(source, call, second),
                }
            } else {
                self.found.references.insert(variable.to_owned());
            }
        } else if name.ends_with(".expand") {
            if let Some(Constant::Str(text)) = Constant::of(argument(0)?) {
                self.expand(text)?;
            }
        } else if EXEC.contains(&name.as_str()) {
            let first = argument(0)?;
            match Constant::of(first) {
                Some(Constant::Str(function)) => {
                    self.found.var_execs.insert(function.to_owned());
                }
                Some(other) => {
                    self.late.get_or_insert_with(|| not_str(&other));
                }
                None => self.unhandled(source, call, first),
            }
        } else {
            self.found.execs.insert(name);
        }
        Ok(())
    }

    fn unhandled(&mut self, source: Source<'_>, call: &ExprCall, argument: &Expr) {
        let function = source.slice(&*call.func).to_owned();
        self.found.unhandled.push(Unhandled { function, argument: source.slice(argument).to_owned() });
    }

    /// The references of `text` when it is expanded in a store without variables.
    fn expand(&mut self, text: &str) -> Result<(), ScanError> {
        self.found.references.extend(expr::find_vars(text).map(|(_, name)| name.to_owned()));
        let mut found = expr::find_python(text).peekable();
        if found.peek().is_none() || self.depth >= MAX_NESTED {
            return Ok(());
        }
        self.depth += 1;
        let mut evaluated = false;
        for (_, code) in found {
            // Nothing is defined in that store, so a name in the code stays and the code is not evaluated.
            if expr::has_var(code) {
                continue;
            }
            evaluated = true;
            match self.nested(code) {
                // BitBake keeps the text as it is.
                Err(ScanError::Syntax(error)) if error.is_unterminated_string() => break,
                result => result?,
            }
        }
        self.depth -= 1;
        if evaluated {
            self.found.nested_expand.push(text.to_owned());
        }
        Ok(())
    }

    /// One expression of a nested text. Its own `exec_func` calls count as execs.
    fn nested(&mut self, code: &str) -> Result<(), ScanError> {
        let mut inner = Scanner { depth: self.depth, ..Scanner::new(self.hooks) };
        inner.expression(code)?;
        let inner = inner.finish()?;
        self.found.references.extend(inner.references);
        self.found.execs.extend(inner.execs);
        for (variable, texts) in inner.contains {
            self.found.contains.entry(variable).or_default().extend(texts);
        }
        self.found.unhandled.extend(inner.unhandled);
        self.found.nested_expand.extend(inner.nested_expand);
        Ok(())
    }
}

/// Writes `a.b.c` to `name` if `expr` is a chain of attributes that ends in a plain name.
fn dotted_name(expr: &Expr, name: &mut String) -> bool {
    let mut attributes = Vec::new();
    let mut expr = expr;
    loop {
        match expr {
            Expr::Attribute(attribute) => {
                attributes.push(attribute.attr.as_str());
                expr = &attribute.value;
            }
            Expr::Name(base) => {
                name.push_str(base.id.as_str());
                for attribute in attributes.iter().rev() {
                    name.push('.');
                    name.push_str(attribute);
                }
                return true;
            }
            _ => return false,
        }
    }
}

fn literal(expr: &Expr) -> Literal<'_> {
    match Constant::of(expr) {
        Some(Constant::Str(text)) => Literal::Str(text),
        Some(Constant::Int(digits)) => digits.parse().map_or(Literal::Other, Literal::Int),
        Some(Constant::Bool(value)) => Literal::Bool(value),
        Some(Constant::None) => Literal::None,
        _ => Literal::Other,
    }
}
