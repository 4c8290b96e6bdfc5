//! All nodes of a syntax tree in the order of CPython's `ast.walk`: level by level, children in field order.
//!
//! The order is visible: a `visitorcode` hook that is met later replaces what it said earlier, and of several faulty
//! calls the first one met is reported. Ruff's tree has other shapes in places (elif clauses, f-strings, arguments), so
//! the levels of CPython's tree are rebuilt here. Nodes that can't lead to a call are left out.

use std::collections::VecDeque;

use ruff_python_ast::{
    Arguments, Comprehension, ElifElseClause, ExceptHandler, Expr, ExprCall, FStringPart,
    InterpolatedElement, InterpolatedStringElement, InterpolatedStringFormatSpec, MatchCase, Parameters,
    Pattern, Stmt, TypeParam, WithItem,
};

/// A node as CPython sees it.
#[derive(Clone, Copy)]
enum Node<'a> {
    Stmt(&'a Stmt),
    Expr(&'a Expr),
    /// `If` in the `orelse` of an `If`: an elif clause and what follows it.
    Elif(&'a ElifElseClause, &'a [ElifElseClause]),
    Parameters(&'a Parameters),
    /// `arg` with its annotation, `keyword` with its value: one level around an expression.
    Wrapped(&'a Expr),
    Comprehension(&'a Comprehension),
    WithItem(&'a WithItem),
    Handler(&'a ExceptHandler),
    Case(&'a MatchCase),
    Pattern(&'a Pattern),
    TypeParam(&'a TypeParam),
    /// `FormattedValue`.
    Replacement(&'a InterpolatedElement),
    /// `JoinedStr` of a format specification.
    Spec(&'a InterpolatedStringFormatSpec),
}

/// Calls `visit` for every call below `roots`, in `ast.walk` order, until it fails.
pub(super) fn calls<'a, E>(
    roots: impl IntoIterator<Item = Root<'a>>,
    mut visit: impl FnMut(&'a ExprCall) -> Result<(), E>,
) -> Result<(), E> {
    let mut queue = Queue(VecDeque::with_capacity(64));
    for root in roots {
        match root {
            Root::Stmt(stmt) => queue.0.push_back(Node::Stmt(stmt)),
            Root::Expr(expr) => queue.expr(expr),
        }
    }
    while let Some(node) = queue.0.pop_front() {
        if let Node::Expr(Expr::Call(call)) = node {
            visit(call)?;
        }
        queue.children(node);
    }
    Ok(())
}

/// What a walk can start from.
pub(super) enum Root<'a> {
    Stmt(&'a Stmt),
    Expr(&'a Expr),
}

struct Queue<'a>(VecDeque<Node<'a>>);

impl<'a> Queue<'a> {
    fn stmts(&mut self, stmts: &'a [Stmt]) {
        self.0.extend(stmts.iter().map(Node::Stmt));
    }

    fn expr(&mut self, expr: &'a Expr) {
        let leaf = matches!(
            expr,
            Expr::Name(_)
                | Expr::StringLiteral(_)
                | Expr::BytesLiteral(_)
                | Expr::NumberLiteral(_)
                | Expr::BooleanLiteral(_)
                | Expr::NoneLiteral(_)
                | Expr::EllipsisLiteral(_)
        );
        if !leaf {
            self.0.push_back(Node::Expr(expr));
        }
    }

    fn exprs(&mut self, exprs: impl IntoIterator<Item = &'a Expr>) {
        exprs.into_iter().for_each(|expr| self.expr(expr));
    }

    fn maybe(&mut self, expr: Option<&'a Expr>) {
        self.exprs(expr);
    }

    fn boxed(&mut self, expr: &'a Option<Box<Expr>>) {
        self.exprs(expr.as_deref());
    }

    fn arguments(&mut self, arguments: &'a Arguments) {
        self.exprs(&*arguments.args);
        self.0.extend(arguments.keywords.iter().map(|keyword| Node::Wrapped(&keyword.value)));
    }

    fn replacements(&mut self, elements: impl IntoIterator<Item = &'a InterpolatedStringElement>) {
        for element in elements {
            if let InterpolatedStringElement::Interpolation(replacement) = element {
                self.0.push_back(Node::Replacement(replacement));
            }
        }
    }

    /// The `orelse` of an `If` that is followed by `clauses`.
    fn orelse(&mut self, clauses: &'a [ElifElseClause]) {
        if let Some((clause, rest)) = clauses.split_first() {
            if clause.test.is_some() {
                self.0.push_back(Node::Elif(clause, rest));
            } else {
                self.stmts(&clause.body);
            }
        }
    }

    fn type_params(&mut self, params: Option<&'a ruff_python_ast::TypeParams>) {
        self.0.extend(params.into_iter().flat_map(|params| params.iter()).map(Node::TypeParam));
    }

    fn children(&mut self, node: Node<'a>) {
        match node {
            Node::Stmt(stmt) => self.stmt_children(stmt),
            Node::Expr(expr) => self.expr_children(expr),
            Node::Elif(clause, rest) => {
                self.maybe(clause.test.as_ref());
                self.stmts(&clause.body);
                self.orelse(rest);
            }
            Node::Parameters(parameters) => self.parameter_children(parameters),
            Node::Wrapped(expr) => self.expr(expr),
            Node::Comprehension(comprehension) => {
                self.expr(&comprehension.target);
                self.expr(&comprehension.iter);
                self.exprs(&comprehension.ifs);
            }
            Node::WithItem(item) => {
                self.expr(&item.context_expr);
                self.boxed(&item.optional_vars);
            }
            Node::Handler(ExceptHandler::ExceptHandler(handler)) => {
                self.boxed(&handler.type_);
                self.stmts(&handler.body);
            }
            Node::Case(case) => {
                self.0.push_back(Node::Pattern(&case.pattern));
                self.boxed(&case.guard);
                self.stmts(&case.body);
            }
            Node::Pattern(pattern) => self.pattern_children(pattern),
            Node::TypeParam(param) => {
                if let TypeParam::TypeVar(var) = param {
                    self.boxed(&var.bound);
                }
                self.maybe(param.default());
            }
            Node::Replacement(replacement) => {
                self.expr(&replacement.expression);
                self.0.extend(replacement.format_spec.as_deref().map(Node::Spec));
            }
            Node::Spec(spec) => self.replacements(&spec.elements),
        }
    }

    fn stmt_children(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(def) => {
                self.0.push_back(Node::Parameters(&def.parameters));
                self.stmts(&def.body);
                self.exprs(def.decorator_list.iter().map(|decorator| &decorator.expression));
                self.boxed(&def.returns);
                self.type_params(def.type_params.as_deref());
            }
            Stmt::ClassDef(def) => {
                if let Some(arguments) = &def.arguments {
                    self.arguments(arguments);
                }
                self.stmts(&def.body);
                self.exprs(def.decorator_list.iter().map(|decorator| &decorator.expression));
                self.type_params(def.type_params.as_deref());
            }
            Stmt::Return(stmt) => self.boxed(&stmt.value),
            Stmt::Delete(stmt) => self.exprs(&stmt.targets),
            Stmt::TypeAlias(stmt) => {
                self.expr(&stmt.name);
                self.type_params(stmt.type_params.as_deref());
                self.expr(&stmt.value);
            }
            Stmt::Assign(stmt) => {
                self.exprs(&stmt.targets);
                self.expr(&stmt.value);
            }
            Stmt::AugAssign(stmt) => {
                self.expr(&stmt.target);
                self.expr(&stmt.value);
            }
            Stmt::AnnAssign(stmt) => {
                self.expr(&stmt.target);
                self.expr(&stmt.annotation);
                self.boxed(&stmt.value);
            }
            Stmt::For(stmt) => {
                self.expr(&stmt.target);
                self.expr(&stmt.iter);
                self.stmts(&stmt.body);
                self.stmts(&stmt.orelse);
            }
            Stmt::While(stmt) => {
                self.expr(&stmt.test);
                self.stmts(&stmt.body);
                self.stmts(&stmt.orelse);
            }
            Stmt::If(stmt) => {
                self.expr(&stmt.test);
                self.stmts(&stmt.body);
                self.orelse(&stmt.elif_else_clauses);
            }
            Stmt::With(stmt) => {
                self.0.extend(stmt.items.iter().map(Node::WithItem));
                self.stmts(&stmt.body);
            }
            Stmt::Match(stmt) => {
                self.expr(&stmt.subject);
                self.0.extend(stmt.cases.iter().map(Node::Case));
            }
            Stmt::Raise(stmt) => {
                self.boxed(&stmt.exc);
                self.boxed(&stmt.cause);
            }
            Stmt::Try(stmt) => {
                self.stmts(&stmt.body);
                self.0.extend(stmt.handlers.iter().map(Node::Handler));
                self.stmts(&stmt.orelse);
                self.stmts(&stmt.finalbody);
            }
            Stmt::Assert(stmt) => {
                self.expr(&stmt.test);
                self.boxed(&stmt.msg);
            }
            Stmt::Expr(stmt) => self.expr(&stmt.value),
            Stmt::Import(_)
            | Stmt::ImportFrom(_)
            | Stmt::Global(_)
            | Stmt::Nonlocal(_)
            | Stmt::Pass(_)
            | Stmt::Break(_)
            | Stmt::Continue(_)
            | Stmt::IpyEscapeCommand(_) => {}
        }
    }

    fn expr_children(&mut self, expr: &'a Expr) {
        match expr {
            Expr::BoolOp(expr) => self.exprs(&expr.values),
            Expr::Named(expr) => {
                self.expr(&expr.target);
                self.expr(&expr.value);
            }
            Expr::BinOp(expr) => {
                self.expr(&expr.left);
                self.expr(&expr.right);
            }
            Expr::UnaryOp(expr) => self.expr(&expr.operand),
            Expr::Lambda(expr) => {
                self.0.extend(expr.parameters.as_deref().map(Node::Parameters));
                self.expr(&expr.body);
            }
            Expr::If(expr) => {
                self.expr(&expr.test);
                self.expr(&expr.body);
                self.expr(&expr.orelse);
            }
            Expr::Dict(expr) => {
                self.exprs(expr.items.iter().filter_map(|item| item.key.as_ref()));
                self.exprs(expr.items.iter().map(|item| &item.value));
            }
            Expr::Set(expr) => self.exprs(&expr.elts),
            Expr::ListComp(expr) => self.comprehension([Some(&*expr.elt), None], &expr.generators),
            Expr::SetComp(expr) => self.comprehension([Some(&*expr.elt), None], &expr.generators),
            Expr::Generator(expr) => self.comprehension([Some(&*expr.elt), None], &expr.generators),
            Expr::DictComp(expr) => {
                self.comprehension([expr.key.as_deref(), Some(&*expr.value)], &expr.generators)
            }
            Expr::Await(expr) => self.expr(&expr.value),
            Expr::Yield(expr) => self.boxed(&expr.value),
            Expr::YieldFrom(expr) => self.expr(&expr.value),
            Expr::Compare(expr) => {
                self.expr(&expr.left);
                self.exprs(&*expr.comparators);
            }
            Expr::Call(expr) => {
                self.expr(&expr.func);
                self.arguments(&expr.arguments);
            }
            Expr::FString(expr) => {
                for part in &expr.value {
                    if let FStringPart::FString(fstring) = part {
                        self.replacements(&fstring.elements);
                    }
                }
            }
            Expr::Attribute(expr) => self.expr(&expr.value),
            Expr::Subscript(expr) => {
                self.expr(&expr.value);
                self.expr(&expr.slice);
            }
            Expr::Starred(expr) => self.expr(&expr.value),
            Expr::List(expr) => self.exprs(&expr.elts),
            Expr::Tuple(expr) => self.exprs(&expr.elts),
            Expr::Slice(expr) => {
                self.boxed(&expr.lower);
                self.boxed(&expr.upper);
                self.boxed(&expr.step);
            }
            Expr::TString(_)
            | Expr::Name(_)
            | Expr::StringLiteral(_)
            | Expr::BytesLiteral(_)
            | Expr::NumberLiteral(_)
            | Expr::BooleanLiteral(_)
            | Expr::NoneLiteral(_)
            | Expr::EllipsisLiteral(_)
            | Expr::IpyEscapeCommand(_) => {}
        }
    }

    fn comprehension(&mut self, elements: [Option<&'a Expr>; 2], generators: &'a [Comprehension]) {
        self.exprs(elements.into_iter().flatten());
        self.0.extend(generators.iter().map(Node::Comprehension));
    }

    fn parameter_children(&mut self, parameters: &'a Parameters) {
        let positional = || parameters.posonlyargs.iter().chain(&parameters.args);
        let wrapped = |annotation: Option<&'a Expr>| annotation.map(Node::Wrapped);
        self.0.extend(positional().filter_map(|p| wrapped(p.parameter.annotation())));
        self.0.extend(parameters.vararg.iter().filter_map(|p| wrapped(p.annotation())));
        self.0.extend(parameters.kwonlyargs.iter().filter_map(|p| wrapped(p.parameter.annotation())));
        self.exprs(parameters.kwonlyargs.iter().filter_map(|p| p.default()));
        self.0.extend(parameters.kwarg.iter().filter_map(|p| wrapped(p.annotation())));
        self.exprs(positional().filter_map(|p| p.default()));
    }

    fn pattern_children(&mut self, pattern: &'a Pattern) {
        match pattern {
            Pattern::MatchValue(pattern) => self.expr(&pattern.value),
            Pattern::MatchSequence(pattern) => self.0.extend(pattern.patterns.iter().map(Node::Pattern)),
            Pattern::MatchMapping(pattern) => {
                self.exprs(&pattern.keys);
                self.0.extend(pattern.patterns.iter().map(Node::Pattern));
            }
            Pattern::MatchClass(pattern) => {
                self.expr(&pattern.cls);
                self.0.extend(pattern.arguments.patterns.iter().map(Node::Pattern));
                self.0
                    .extend(pattern.arguments.keywords.iter().map(|keyword| Node::Pattern(&keyword.pattern)));
            }
            Pattern::MatchAs(pattern) => self.0.extend(pattern.pattern.as_deref().map(Node::Pattern)),
            Pattern::MatchOr(pattern) => self.0.extend(pattern.patterns.iter().map(Node::Pattern)),
            Pattern::MatchSingleton(_) | Pattern::MatchStar(_) => {}
        }
    }
}
