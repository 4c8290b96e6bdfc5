//! Python functions that metadata defines or that live in modules of its layers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use ruff_python_ast::{self as ast, Expr, Number, Stmt};

use super::compile::{Globals, bound_names, string};
use super::statements;
use super::tree::{Body, Node};
use crate::lang::python::{PythonVersion, parse_module};

/// A function in the form the evaluator runs.
#[derive(Debug)]
pub struct Function {
    body: Option<Body>,
}

impl Function {
    /// Compiles the text of one `def` of the metadata, whose names are those of the Python context. A text that isn't one `def`,
    /// or has something unknown, gives a function that is never native.
    pub fn compile(source: &str) -> Arc<Function> {
        let body = match parse_module(source, PythonVersion::default()).as_deref() {
            Ok([Stmt::FunctionDef(def)]) if def.decorator_list.is_empty() => {
                statements::function(def, Globals::Context)
            }
            _ => None,
        };
        Arc::new(Function { body })
    }

    pub(super) fn body(&self) -> Option<&Body> {
        self.body.as_ref()
    }
}

/// What a module's global name is.
#[derive(Debug, Clone)]
pub(super) enum Global {
    /// A function of the module, or something imported.
    Path(Arc<str>),
    Str(Arc<str>),
    Int(i64),
    Bool(bool),
    None,
    /// Bound, but not to something that is known and stays.
    Unknown,
}

/// A Python module, compiled function by function when first called.
#[derive(Debug)]
pub struct Module {
    globals: BTreeMap<String, Global>,
    functions: BTreeMap<String, (ast::StmtFunctionDef, OnceLock<Arc<Function>>)>,
    /// Names were imported that can't be known.
    open: bool,
}

impl Module {
    /// Reads the source of the module `name`, for example `oe.utils`.
    pub fn compile(name: &str, source: &str) -> Arc<Module> {
        let mut module = Module { globals: BTreeMap::new(), functions: BTreeMap::new(), open: true };
        if let Ok(body) = parse_module(source, PythonVersion::default()) {
            module.open = false;
            // `global` in any function may rebind what the module defines.
            let mut assigned = BTreeSet::new();
            globals_of(&body, &mut assigned);
            module.globals.extend(assigned.into_iter().map(|name| (name, Global::Unknown)));
            for stmt in body {
                module.add(name, stmt);
            }
        }
        Arc::new(module)
    }

    /// The function `name` of it, if it has one that can be called natively as far as one can see.
    pub fn function(&self, name: &str) -> Option<Arc<Function>> {
        // A function is only what its name means if nothing else was bound to it.
        if self.open || !matches!(self.globals.get(name), Some(Global::Path(_))) {
            return None;
        }
        let (def, compiled) = self.functions.get(name)?;
        let function = compiled.get_or_init(|| {
            let global = |name: &str| self.globals.get(name).cloned();
            Arc::new(Function { body: statements::function(def, Globals::Module(&global)) })
        });
        Some(function.clone())
    }

    fn add(&mut self, module: &str, stmt: Stmt) {
        match stmt {
            Stmt::FunctionDef(def) => {
                let name = def.name.as_str().to_owned();
                let known = !self.globals.contains_key(&name) && def.decorator_list.iter().all(harmless);
                let global =
                    if known { Global::Path(format!("{module}.{name}").into()) } else { Global::Unknown };
                self.globals.insert(name.clone(), global);
                self.functions.insert(name, (def, OnceLock::new()));
            }
            Stmt::Import(stmt) => {
                for alias in &stmt.names {
                    let path = alias.name.as_str();
                    let root = path.split('.').next().unwrap_or_default();
                    match &alias.asname {
                        Some(name) => self.bind(name.as_str(), Global::Path(path.into())),
                        None => self.bind(root, Global::Path(root.into())),
                    }
                }
            }
            Stmt::ImportFrom(stmt) => {
                for alias in &stmt.names {
                    let source = stmt.module.as_ref().filter(|_| stmt.level == 0);
                    match (source, alias.name.as_str()) {
                        (_, "*") => self.open = true,
                        (source, name) => {
                            let bound = alias.asname.as_ref().map_or(name, |name| name.as_str());
                            let global = source.map_or(Global::Unknown, |source| {
                                Global::Path(format!("{}.{name}", source.as_str()).into())
                            });
                            self.bind(bound, global);
                        }
                    }
                }
            }
            Stmt::Assign(stmt) => match &*stmt.targets {
                [Expr::Name(name)] => self.bind(name.id.as_str(), constant(&stmt.value)),
                _ => self.forget(&[Stmt::Assign(stmt)]),
            },
            Stmt::Expr(_) | Stmt::Pass(_) => {}
            other => self.forget(&[other]),
        }
    }

    fn bind(&mut self, name: &str, global: Global) {
        let same = |known: &Global| matches!((known, &global), (Global::Path(a), Global::Path(b)) if a == b);
        let global = match self.globals.get(name) {
            Some(known) if !same(known) => Global::Unknown,
            _ => global,
        };
        self.globals.insert(name.to_owned(), global);
    }

    /// Everything that these statements bind, somewhere in them, is unknown.
    fn forget(&mut self, stmts: &[Stmt]) {
        let mut names = BTreeSet::new();
        let mut imported = BTreeSet::new();
        self.open |= !bound_names(stmts, &mut names, &mut imported);
        for name in names.into_iter().chain(imported) {
            self.globals.insert(name, Global::Unknown);
        }
    }
}

/// Decorators of BitBake that give the function back as it is.
fn harmless(decorator: &ast::Decorator) -> bool {
    let Expr::Call(call) = &decorator.expression else { return false };
    let Expr::Attribute(function) = &*call.func else { return false };
    let Expr::Attribute(module) = &*function.value else { return false };
    let Expr::Name(root) = &*module.value else { return false };
    (root.id.as_str(), module.attr.as_str()) == ("bb", "parse")
        && matches!(function.attr.as_str(), "vardeps" | "vardepsexclude")
}

fn constant(expr: &Expr) -> Global {
    match expr {
        Expr::StringLiteral(literal) => match string(literal.value.to_str()) {
            Node::Str(text) => Global::Str(text),
            _ => Global::Unknown,
        },
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(int) => int.as_i64().map_or(Global::Unknown, Global::Int),
            _ => Global::Unknown,
        },
        Expr::BooleanLiteral(literal) => Global::Bool(literal.value),
        Expr::NoneLiteral(_) => Global::None,
        _ => Global::Unknown,
    }
}

/// The names that statements declare `global`, nested functions included.
fn globals_of(body: &[Stmt], names: &mut BTreeSet<String>) {
    for stmt in body {
        match stmt {
            Stmt::Global(stmt) => names.extend(stmt.names.iter().map(|name| name.as_str().to_owned())),
            Stmt::FunctionDef(stmt) => globals_of(&stmt.body, names),
            Stmt::ClassDef(stmt) => globals_of(&stmt.body, names),
            Stmt::If(stmt) => {
                globals_of(&stmt.body, names);
                stmt.elif_else_clauses.iter().for_each(|clause| globals_of(&clause.body, names));
            }
            Stmt::For(stmt) => {
                globals_of(&stmt.body, names);
                globals_of(&stmt.orelse, names);
            }
            Stmt::While(stmt) => {
                globals_of(&stmt.body, names);
                globals_of(&stmt.orelse, names);
            }
            Stmt::With(stmt) => globals_of(&stmt.body, names),
            Stmt::Try(stmt) => {
                for body in [&stmt.body, &stmt.orelse, &stmt.finalbody] {
                    globals_of(body, names);
                }
                for ast::ExceptHandler::ExceptHandler(handler) in &stmt.handlers {
                    globals_of(&handler.body, names);
                }
            }
            Stmt::Match(stmt) => stmt.cases.iter().for_each(|case| globals_of(&case.body, names)),
            _ => {}
        }
    }
}
