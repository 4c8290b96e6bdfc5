//! From the syntax tree to the compiled form.
//!
//! What isn't known becomes a node that stops the evaluation when it is reached, so that an expression of which only a branch is
//! foreign is native as long as the other branch is taken.

use std::collections::BTreeSet;
use std::sync::Arc;

use ruff_python_ast::{
    self as ast, BoolOp, CmpOp, ConversionFlag, Expr, FStringPart, InterpolatedStringElement, Number,
    Operator, UnaryOp,
};

use super::builtins::{self, Builtin};
use super::library;
use super::module::Global;
use super::ops::{Binary, Compare};
use super::text::Method;
use super::tree::*;

/// Levels of an expression that are followed.
const MAX_DEPTH: u32 = 60;

/// What a name means.
#[derive(Clone)]
pub(super) enum Binding {
    Local(Slot),
    /// A module, or something in one.
    Path(Arc<str>),
    /// Local, but nothing that is known here.
    Unsupported,
}

/// Where names that aren't local are found.
pub(super) enum Globals<'a> {
    /// At the top of an inline expression: the context or the store.
    Expression,
    /// In a function of the metadata: the context.
    Context,
    /// In a function of a Python module: that module.
    Module(&'a dyn Fn(&str) -> Option<Global>),
}

pub(super) struct Compiler<'a> {
    pub globals: Globals<'a>,
    /// Local names, innermost last.
    pub bindings: Vec<(String, Binding)>,
    pub slots: usize,
    /// Inside comprehensions and lambdas, whose names aren't looked up in the store.
    nested: u32,
    depth: u32,
    /// Something was met that makes the whole of it unknown, such as a binding that takes effect elsewhere.
    pub poisoned: bool,
}

impl<'a> Compiler<'a> {
    pub fn new(globals: Globals<'a>) -> Self {
        Compiler { globals, bindings: Vec::new(), slots: 0, nested: 0, depth: 0, poisoned: false }
    }

    pub fn slot(&mut self) -> Slot {
        self.slots += 1;
        self.slots - 1
    }

    pub fn expr(&mut self, expr: &Expr) -> Node {
        if self.depth >= MAX_DEPTH {
            return Node::Unsupported;
        }
        self.depth += 1;
        let node = self.expr_inner(expr);
        self.depth -= 1;
        node
    }

    fn exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>) -> Box<[Node]> {
        exprs.into_iter().map(|expr| self.expr(expr)).collect()
    }

    fn expr_inner(&mut self, expr: &Expr) -> Node {
        match expr {
            Expr::NoneLiteral(_) => Node::None,
            Expr::BooleanLiteral(literal) => Node::Bool(literal.value),
            Expr::NumberLiteral(literal) => match &literal.value {
                Number::Int(int) => int.as_i64().map_or(Node::Unsupported, Node::Int),
                _ => Node::Unsupported,
            },
            Expr::StringLiteral(literal) => string(literal.value.to_str()),
            Expr::FString(fstring) => self.fstring(fstring),
            Expr::Name(name) => self.name(name.id.as_str()),
            Expr::Attribute(attribute) => match self.expr(&attribute.value) {
                Node::Path(path) => Node::Path(format!("{path}.{}", attribute.attr).into()),
                value => Node::Attribute(Box::new(value), attribute.attr.as_str().into()),
            },
            Expr::List(list) => Node::List(self.exprs(&list.elts)),
            Expr::Tuple(tuple) => Node::Tuple(self.exprs(&tuple.elts)),
            Expr::Set(set) => Node::Set(self.exprs(&set.elts)),
            Expr::Dict(dict) => {
                let mut items = Vec::with_capacity(dict.items.len());
                for item in &dict.items {
                    let Some(key) = &item.key else { return Node::Unsupported };
                    items.push((self.expr(key), self.expr(&item.value)));
                }
                Node::Dict(items.into())
            }
            Expr::UnaryOp(unary) => match (unary.op, self.expr(&unary.operand)) {
                (UnaryOp::Not, operand) => Node::Not(Box::new(operand)),
                (UnaryOp::USub, Node::Int(n)) => n.checked_neg().map_or(Node::Unsupported, Node::Int),
                (UnaryOp::USub, operand) => Node::Negative(Box::new(operand)),
                _ => Node::Unsupported,
            },
            Expr::BoolOp(boolean) => {
                let values = self.exprs(&boolean.values);
                if boolean.op == BoolOp::And { Node::And(values) } else { Node::Or(values) }
            }
            Expr::If(conditional) => Node::If(Box::new(IfNode {
                test: self.expr(&conditional.test),
                yes: self.expr(&conditional.body),
                no: self.expr(&conditional.orelse),
            })),
            Expr::BinOp(operation) => match binary(operation.op) {
                Some(op) => {
                    Node::Binary(op, Box::new((self.expr(&operation.left), self.expr(&operation.right))))
                }
                None => Node::Unsupported,
            },
            Expr::Compare(comparison) => {
                let first = self.expr(&comparison.left);
                let pairs = comparison.ops.iter().zip(&*comparison.comparators);
                Node::Compare(
                    Box::new(first),
                    pairs.map(|(op, right)| (compare(*op), self.expr(right))).collect(),
                )
            }
            Expr::Subscript(subscript) => self.subscript(subscript),
            Expr::Call(call) => self.call(call),
            Expr::ListComp(comp) => self.comprehension(Kind::List, None, &comp.elt, &comp.generators),
            Expr::SetComp(comp) => self.comprehension(Kind::Set, None, &comp.elt, &comp.generators),
            Expr::Generator(comp) => self.comprehension(Kind::Generator, None, &comp.elt, &comp.generators),
            Expr::DictComp(comp) => match &comp.key {
                Some(key) => self.comprehension(Kind::Dict, Some(key), &comp.value, &comp.generators),
                None => Node::Unsupported,
            },
            Expr::Lambda(lambda) => self.lambda(lambda),
            Expr::Named(_) | Expr::Yield(_) | Expr::YieldFrom(_) | Expr::Await(_) => {
                self.poisoned = true;
                Node::Unsupported
            }
            _ => Node::Unsupported,
        }
    }

    fn name(&mut self, name: &str) -> Node {
        if let Some((_, binding)) = self.bindings.iter().rev().find(|(known, _)| known == name) {
            return match binding {
                Binding::Local(slot) => Node::Local(*slot),
                Binding::Path(path) => Node::Path(path.clone()),
                Binding::Unsupported => Node::Unsupported,
            };
        }
        match &self.globals {
            // BitBake adds these two to Python's built-ins: they are there in every module, and never variables.
            Globals::Module(global) if global(name).is_none() && matches!(name, "bb" | "os") => {
                Node::Path(name.into())
            }
            Globals::Expression | Globals::Context if matches!(name, "bb" | "os") => Node::Path(name.into()),
            Globals::Module(global) => match global(name) {
                Some(Global::Path(path)) => Node::Path(path),
                Some(Global::Str(text)) => Node::Str(text),
                Some(Global::Int(n)) => Node::Int(n),
                Some(Global::Bool(b)) => Node::Bool(b),
                Some(Global::None) => Node::None,
                Some(Global::Unknown) => Node::Unsupported,
                // Nobody shadows a built-in for a module but the module itself.
                None => {
                    Builtin::of(name).map_or(Node::Unsupported, |builtin| Node::Builtin(builtin, "".into()))
                }
            },
            Globals::Expression if name == "d" => Node::Data,
            _ if builtins::is_builtin(name) => {
                Builtin::of(name).map_or(Node::Unsupported, |builtin| Node::Builtin(builtin, name.into()))
            }
            Globals::Expression if self.nested == 0 => Node::Bare(name.into()),
            _ => Node::Global(name.into()),
        }
    }

    fn subscript(&mut self, subscript: &ast::ExprSubscript) -> Node {
        let value = self.expr(&subscript.value);
        let Expr::Slice(slice) = &*subscript.slice else {
            return Node::Subscript(Box::new((value, self.expr(&subscript.slice))));
        };
        let mut bound = |expr: &Option<Box<Expr>>| expr.as_ref().map_or(Node::None, |expr| self.expr(expr));
        let (lower, upper, step) = (bound(&slice.lower), bound(&slice.upper), bound(&slice.step));
        Node::Slice(Box::new((value, lower, upper, step)))
    }

    fn fstring(&mut self, fstring: &ast::ExprFString) -> Node {
        let mut parts = Vec::new();
        for part in &fstring.value {
            match part {
                FStringPart::Literal(literal) => parts.push(Part::Text(literal.as_str().into())),
                FStringPart::FString(fstring) => {
                    for element in &fstring.elements {
                        match element {
                            InterpolatedStringElement::Literal(literal) => {
                                parts.push(Part::Text((&**literal).into()))
                            }
                            InterpolatedStringElement::Interpolation(value) => {
                                if value.debug_text.is_some() || value.format_spec.is_some() {
                                    return Node::Unsupported;
                                }
                                let node = self.expr(&value.expression);
                                parts.push(match value.conversion {
                                    ConversionFlag::None | ConversionFlag::Str => Part::Str(node),
                                    ConversionFlag::Repr => Part::Repr(node),
                                    ConversionFlag::Ascii => return Node::Unsupported,
                                });
                            }
                        }
                    }
                }
            }
        }
        Node::Format(parts.into())
    }

    fn call(&mut self, call: &ast::ExprCall) -> Node {
        let Some(arguments) = self.arguments(&call.arguments) else { return Node::Unsupported };
        let Expr::Attribute(attribute) = &*call.func else {
            return Node::Call(Box::new(self.expr(&call.func)), arguments);
        };
        let name = attribute.attr.as_str();
        let receiver = self.expr(&attribute.value);
        if let Some((root, path)) = dotted(&receiver)
            && let Some(function) = library::Function::of(&format!("{path}.{name}"))
        {
            return Node::Library(function, root, arguments);
        }
        match receiver {
            Node::Path(path) => Node::Call(Box::new(Node::Path(format!("{path}.{name}").into())), arguments),
            receiver => Node::Method(Box::new(MethodNode {
                receiver,
                name: name.into(),
                text: Method::of(name),
                arguments,
            })),
        }
    }

    fn arguments(&mut self, arguments: &ast::Arguments) -> Option<Arguments> {
        if arguments.args.iter().any(Expr::is_starred_expr) {
            return None;
        }
        let positional = self.exprs(&*arguments.args);
        let mut named = Vec::with_capacity(arguments.keywords.len());
        for keyword in &*arguments.keywords {
            named.push((Arc::from(keyword.arg.as_ref()?.as_str()), self.expr(&keyword.value)));
        }
        Some(Arguments { positional, named: named.into() })
    }

    fn comprehension(
        &mut self,
        kind: Kind,
        key: Option<&Expr>,
        element: &Expr,
        generators: &[ast::Comprehension],
    ) -> Node {
        let visible = self.bindings.len();
        let mut clauses = Vec::with_capacity(generators.len());
        let mut entered = 0;
        for (n, generator) in generators.iter().enumerate() {
            if generator.is_async {
                self.poisoned = true;
            }
            // The first sequence is evaluated outside.
            let items = self.expr(&generator.iter);
            if n == 0 {
                self.nested += 1;
                entered = 1;
            }
            let target = self.fresh_target(&generator.target);
            clauses.push(Clause { target, items, tests: self.exprs(&generator.ifs) });
        }
        let key = key.map(|key| self.expr(key));
        let element = self.expr(element);
        self.nested -= entered;
        self.bindings.truncate(visible);
        Node::Comprehension(Box::new(Comprehension { kind, key, element, clauses: clauses.into() }))
    }

    /// A target whose names are new.
    fn fresh_target(&mut self, expr: &Expr) -> Target {
        match expr {
            Expr::Name(name) => {
                let slot = self.slot();
                self.bindings.push((name.id.as_str().to_owned(), Binding::Local(slot)));
                Target::Local(slot)
            }
            Expr::Tuple(tuple) => {
                Target::Unpack(tuple.elts.iter().map(|target| self.fresh_target(target)).collect())
            }
            _ => {
                self.poisoned = true;
                Target::Unsupported
            }
        }
    }

    fn lambda(&mut self, lambda: &ast::ExprLambda) -> Node {
        let visible = self.bindings.len();
        let mut parameters = Vec::new();
        if let Some(given) = &lambda.parameters {
            let plain = given.posonlyargs.is_empty()
                && given.vararg.is_none()
                && given.kwonlyargs.is_empty()
                && given.kwarg.is_none()
                && given.args.iter().all(|parameter| parameter.default.is_none());
            if !plain {
                return Node::Unsupported;
            }
            for parameter in &given.args {
                let slot = self.slot();
                self.bindings.push((parameter.parameter.name.as_str().to_owned(), Binding::Local(slot)));
                parameters.push(slot);
            }
        }
        self.nested += 1;
        let body = self.expr(&lambda.body);
        self.nested -= 1;
        self.bindings.truncate(visible);
        Node::Lambda(Box::new(Lambda { parameters: parameters.into(), body }))
    }
}

/// Text that Ruff had to replace is not what CPython has: half a surrogate pair.
pub(super) fn string(text: &str) -> Node {
    if text.contains('\u{fffd}') { Node::Unsupported } else { Node::Str(text.into()) }
}

/// A module's dotted name, and the global name it starts with if that isn't known to be one.
fn dotted(node: &Node) -> Option<(Arc<str>, String)> {
    match node {
        Node::Path(path) => Some(("".into(), path.to_string())),
        Node::Bare(name) | Node::Global(name) => Some((name.clone(), name.to_string())),
        Node::Attribute(value, name) => dotted(value).map(|(root, path)| (root, format!("{path}.{name}"))),
        _ => None,
    }
}

pub(super) fn binary(op: Operator) -> Option<Binary> {
    Some(match op {
        Operator::Add => Binary::Add,
        Operator::Sub => Binary::Sub,
        Operator::Mult => Binary::Mul,
        Operator::FloorDiv => Binary::FloorDiv,
        Operator::Mod => Binary::Mod,
        Operator::BitAnd => Binary::BitAnd,
        Operator::BitOr => Binary::BitOr,
        Operator::BitXor => Binary::BitXor,
        _ => return None,
    })
}

fn compare(op: CmpOp) -> Compare {
    match op {
        CmpOp::Eq => Compare::Eq,
        CmpOp::NotEq => Compare::NotEq,
        CmpOp::Lt => Compare::Lt,
        CmpOp::LtE => Compare::LtE,
        CmpOp::Gt => Compare::Gt,
        CmpOp::GtE => Compare::GtE,
        CmpOp::Is => Compare::Is,
        CmpOp::IsNot => Compare::IsNot,
        CmpOp::In => Compare::In,
        CmpOp::NotIn => Compare::NotIn,
    }
}

/// All names that statements bind in their own scope.
pub(super) fn bound_names(
    body: &[ast::Stmt],
    names: &mut BTreeSet<String>,
    imported: &mut BTreeSet<String>,
) -> bool {
    let mut known = true;
    for stmt in body {
        known &= bound_by(stmt, names, imported);
    }
    known
}

fn bound_by(stmt: &ast::Stmt, names: &mut BTreeSet<String>, imported: &mut BTreeSet<String>) -> bool {
    use ast::Stmt;
    match stmt {
        Stmt::Assign(stmt) => stmt.targets.iter().for_each(|target| target_names(target, names)),
        Stmt::AugAssign(stmt) => target_names(&stmt.target, names),
        Stmt::AnnAssign(stmt) => target_names(&stmt.target, names),
        Stmt::For(stmt) => {
            target_names(&stmt.target, names);
            return bound_names(&stmt.body, names, imported) & bound_names(&stmt.orelse, names, imported);
        }
        Stmt::While(stmt) => {
            return bound_names(&stmt.body, names, imported) & bound_names(&stmt.orelse, names, imported);
        }
        Stmt::If(stmt) => {
            let clauses = stmt.elif_else_clauses.iter().map(|clause| &clause.body);
            return std::iter::once(&stmt.body)
                .chain(clauses)
                .fold(true, |known, body| known & bound_names(body, names, imported));
        }
        Stmt::With(stmt) => {
            stmt.items
                .iter()
                .filter_map(|item| item.optional_vars.as_ref())
                .for_each(|target| target_names(target, names));
            return bound_names(&stmt.body, names, imported);
        }
        Stmt::Try(stmt) => {
            let mut known = true;
            for ast::ExceptHandler::ExceptHandler(handler) in &stmt.handlers {
                names.extend(handler.name.as_ref().map(|name| name.as_str().to_owned()));
                known &= bound_names(&handler.body, names, imported);
            }
            for body in [&stmt.body, &stmt.orelse, &stmt.finalbody] {
                known &= bound_names(body, names, imported);
            }
            return known;
        }
        Stmt::FunctionDef(stmt) => {
            names.insert(stmt.name.as_str().to_owned());
        }
        Stmt::ClassDef(stmt) => {
            names.insert(stmt.name.as_str().to_owned());
        }
        Stmt::Import(stmt) => {
            for alias in &stmt.names {
                let root = alias.name.as_str().split('.').next().unwrap_or_default();
                imported.insert(alias.asname.as_ref().map_or(root, |name| name.as_str()).to_owned());
            }
        }
        Stmt::ImportFrom(stmt) => {
            for alias in &stmt.names {
                imported.insert(alias.asname.as_ref().unwrap_or(&alias.name).as_str().to_owned());
            }
        }
        // These bind, unbind or rebind in ways that aren't followed.
        Stmt::Global(_) | Stmt::Nonlocal(_) | Stmt::Delete(_) | Stmt::Match(_) | Stmt::TypeAlias(_) => {
            return false;
        }
        _ => {}
    }
    true
}

fn target_names(target: &Expr, names: &mut BTreeSet<String>) {
    match target {
        Expr::Name(name) => {
            names.insert(name.id.as_str().to_owned());
        }
        Expr::Tuple(tuple) => tuple.elts.iter().for_each(|target| target_names(target, names)),
        Expr::List(list) => list.elts.iter().for_each(|target| target_names(target, names)),
        Expr::Starred(starred) => target_names(&starred.value, names),
        _ => {}
    }
}
