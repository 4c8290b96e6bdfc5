//! From statements and functions to the compiled form.

use std::collections::BTreeSet;
use std::sync::Arc;

use ruff_python_ast::{self as ast, Expr, Stmt};

use super::compile::{Binding, Compiler, Globals, binary, bound_names};
use super::tree::*;

/// Compiles a function. None if it has something that makes all of it unknown.
pub(super) fn function(def: &ast::StmtFunctionDef, globals: Globals<'_>) -> Option<Body> {
    if def.is_async || def.type_params.is_some() || def.parameters.kwarg.is_some() {
        return None;
    }
    let mut compiler = Compiler::new(globals);
    let given = &def.parameters;
    let parameters: Box<[Parameter]> =
        given.posonlyargs.iter().chain(&given.args).map(|parameter| compiler.parameter(parameter)).collect();
    let rest = given.vararg.as_ref().map(|parameter| compiler.local(parameter.name.as_str()));
    let keyword_only: Box<[Parameter]> =
        given.kwonlyargs.iter().map(|parameter| compiler.parameter(parameter)).collect();
    let (mut names, mut imported) = (BTreeSet::new(), BTreeSet::new());
    if !bound_names(&def.body, &mut names, &mut imported) {
        return None;
    }
    for name in &imported {
        // Until the import has run there is nothing; a name that is also assigned is never known.
        compiler.bindings.push((name.clone(), Binding::Unsupported));
    }
    for name in names.difference(&imported) {
        if !compiler.bindings.iter().any(|(known, _)| known == name) {
            compiler.local(name);
        }
    }
    let mut statements =
        Statements { compiler, blocked: names.intersection(&imported).cloned().collect(), generator: false };
    let block = statements.block(&def.body, false);
    let Statements { compiler, generator, .. } = statements;
    if compiler.poisoned {
        return None;
    }
    Some(Body { parameters, rest, keyword_only, slots: compiler.slots, block, generator })
}

impl Compiler<'_> {
    fn local(&mut self, name: &str) -> Slot {
        let slot = self.slot();
        self.bindings.push((name.to_owned(), Binding::Local(slot)));
        slot
    }

    fn parameter(&mut self, parameter: &ast::ParameterWithDefault) -> Parameter {
        // Defaults were computed when the function was defined; only a constant is surely the same now.
        let default = parameter.default.as_deref().map(|default| match self.expr(default) {
            node @ (Node::None | Node::Bool(_) | Node::Int(_) | Node::Str(_)) => node,
            _ => Node::Unsupported,
        });
        let name = parameter.parameter.name.as_str();
        Parameter { name: name.into(), slot: self.local(name), default }
    }
}

struct Statements<'a> {
    compiler: Compiler<'a>,
    /// Names that are imported and also bound in another way.
    blocked: BTreeSet<String>,
    generator: bool,
}

impl Statements<'_> {
    /// Compiles a block. What an inner block imports is forgotten behind it, because it may not have run.
    fn block(&mut self, body: &[Stmt], inner: bool) -> Block {
        let visible = self.compiler.bindings.len();
        let mut block = Vec::with_capacity(body.len());
        for stmt in body {
            self.statement(stmt, &mut block);
        }
        if inner {
            self.compiler.bindings.truncate(visible);
        }
        block.into()
    }

    fn statement(&mut self, stmt: &Stmt, block: &mut Vec<Statement>) {
        let statement = match stmt {
            Stmt::Pass(_) => Statement::Nothing,
            Stmt::Break(_) => Statement::Break,
            Stmt::Continue(_) => Statement::Continue,
            Stmt::Return(stmt) => {
                Statement::Return(stmt.value.as_ref().map_or(Node::None, |value| self.compiler.expr(value)))
            }
            Stmt::Assert(stmt) => Statement::Assert(self.compiler.expr(&stmt.test)),
            Stmt::Expr(stmt) => match &*stmt.value {
                Expr::StringLiteral(_) => Statement::Nothing,
                Expr::Yield(stmt) => {
                    self.generator = true;
                    Statement::Yield(
                        stmt.value.as_ref().map_or(Node::None, |value| self.compiler.expr(value)),
                    )
                }
                Expr::YieldFrom(stmt) => {
                    self.generator = true;
                    Statement::YieldFrom(self.compiler.expr(&stmt.value))
                }
                value => Statement::Expression(self.compiler.expr(value)),
            },
            Stmt::Assign(stmt) => {
                let value = self.compiler.expr(&stmt.value);
                Statement::Assign(stmt.targets.iter().map(|target| self.target(target)).collect(), value)
            }
            Stmt::AnnAssign(stmt) => match &stmt.value {
                // The annotation of a local name isn't evaluated.
                Some(value) if stmt.simple => {
                    let value = self.compiler.expr(value);
                    Statement::Assign([self.target(&stmt.target)].into(), value)
                }
                None if stmt.simple => Statement::Nothing,
                _ => Statement::Unsupported,
            },
            Stmt::AugAssign(stmt) => match binary(stmt.op) {
                Some(op) => {
                    Statement::Augment(self.target(&stmt.target), op, self.compiler.expr(&stmt.value))
                }
                None => Statement::Unsupported,
            },
            Stmt::If(stmt) => {
                let mut branches = vec![(self.compiler.expr(&stmt.test), self.block(&stmt.body, true))];
                let mut otherwise = Block::default();
                for clause in &stmt.elif_else_clauses {
                    match &clause.test {
                        Some(test) => {
                            branches.push((self.compiler.expr(test), self.block(&clause.body, true)))
                        }
                        None => otherwise = self.block(&clause.body, true),
                    }
                }
                Statement::If(branches.into(), otherwise)
            }
            Stmt::For(stmt) if !stmt.is_async => {
                let items = self.compiler.expr(&stmt.iter);
                let target = self.target(&stmt.target);
                let body = self.block(&stmt.body, true);
                Statement::For(Box::new((target, items)), body, self.block(&stmt.orelse, true))
            }
            Stmt::While(stmt) => {
                let test = self.compiler.expr(&stmt.test);
                let body = self.block(&stmt.body, true);
                Statement::While(test, body, self.block(&stmt.orelse, true))
            }
            Stmt::Try(stmt) if stmt.finalbody.is_empty() => {
                // Handlers run only after an exception, and those aren't native. They are compiled for what they may poison.
                for ast::ExceptHandler::ExceptHandler(handler) in &stmt.handlers {
                    self.block(&handler.body, true);
                }
                let body = self.block(&stmt.body, true);
                Statement::Try(body, self.block(&stmt.orelse, true))
            }
            Stmt::Import(stmt) => {
                for alias in &stmt.names {
                    let path = alias.name.as_str();
                    let root = path.split('.').next().unwrap_or_default();
                    match &alias.asname {
                        Some(name) => self.import(name.as_str(), path),
                        None => self.import(root, root),
                    }
                    block.push(Statement::Import(path.into()));
                }
                Statement::Nothing
            }
            Stmt::ImportFrom(stmt) => match &stmt.module {
                Some(module) if stmt.level == 0 => {
                    for alias in &stmt.names {
                        let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
                        self.import(name, &format!("{}.{}", module.as_str(), alias.name.as_str()));
                    }
                    Statement::Import(module.as_str().into())
                }
                _ => Statement::Unsupported,
            },
            // These aren't run, but what is in them may make the function a generator or poison it.
            Stmt::With(stmt) => {
                self.block(&stmt.body, true);
                Statement::Unsupported
            }
            Stmt::Try(stmt) => {
                for ast::ExceptHandler::ExceptHandler(handler) in &stmt.handlers {
                    self.block(&handler.body, true);
                }
                for body in [&stmt.body, &stmt.orelse, &stmt.finalbody] {
                    self.block(body, true);
                }
                Statement::Unsupported
            }
            _ => Statement::Unsupported,
        };
        block.push(statement);
    }

    fn import(&mut self, name: &str, path: &str) {
        if !self.blocked.contains(name) {
            self.compiler.bindings.push((name.to_owned(), Binding::Path(Arc::from(path))));
        }
    }

    fn target(&mut self, target: &Expr) -> Target {
        match target {
            Expr::Name(_) => match self.compiler.expr(target) {
                Node::Local(slot) => Target::Local(slot),
                _ => Target::Unsupported,
            },
            Expr::Tuple(tuple) => {
                Target::Unpack(tuple.elts.iter().map(|target| self.target(target)).collect())
            }
            Expr::List(list) => Target::Unpack(list.elts.iter().map(|target| self.target(target)).collect()),
            Expr::Subscript(subscript) if !subscript.slice.is_slice_expr() => {
                Target::Subscript(self.compiler.expr(&subscript.value), self.compiler.expr(&subscript.slice))
            }
            _ => Target::Unsupported,
        }
    }
}
