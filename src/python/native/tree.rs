//! The compiled form of expressions and functions.

use std::sync::Arc;

use super::builtins::Builtin;
use super::library::Function as LibraryFunction;
use super::ops::{Binary, Compare};
use super::text::Method;

/// Number of a local name.
pub(super) type Slot = usize;

/// A compiled expression.
#[derive(Debug)]
pub(super) enum Node {
    /// Never evaluated natively.
    Unsupported,
    None,
    Bool(bool),
    Int(i64),
    Str(Arc<str>),
    Local(Slot),
    /// The datastore, `d`.
    Data,
    /// A bare name at the top of an expression: something of the Python context, else a variable of the store.
    Bare(Arc<str>),
    /// A global name inside a function or a nested scope: something of the Python context.
    Global(Arc<str>),
    /// A dotted name whose root is an imported module.
    Path(Arc<str>),
    /// A built-in, unless the context has something of that name.
    Builtin(Builtin, Arc<str>),
    Attribute(Box<Node>, Arc<str>),
    List(Box<[Node]>),
    Tuple(Box<[Node]>),
    Set(Box<[Node]>),
    Dict(Box<[(Node, Node)]>),
    Not(Box<Node>),
    Negative(Box<Node>),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    If(Box<IfNode>),
    Binary(Binary, Box<(Node, Node)>),
    Compare(Box<Node>, Box<[(Compare, Node)]>),
    Subscript(Box<(Node, Node)>),
    Slice(Box<(Node, Node, Node, Node)>),
    /// An f-string.
    Format(Box<[Part]>),
    /// A call of a known function by its dotted name.
    Library(LibraryFunction, Arc<str>, Arguments),
    /// A call of whatever the node is.
    Call(Box<Node>, Arguments),
    /// A call of `receiver.name`.
    Method(Box<MethodNode>),
    Comprehension(Box<Comprehension>),
    /// Only as an argument of functions that call it at once.
    Lambda(Box<Lambda>),
}

#[derive(Debug)]
pub(super) struct IfNode {
    pub test: Node,
    pub yes: Node,
    pub no: Node,
}

#[derive(Debug)]
pub(super) struct MethodNode {
    pub receiver: Node,
    pub name: Arc<str>,
    /// The method, if the receiver is a `str`.
    pub text: Option<Method>,
    pub arguments: Arguments,
}

/// The arguments of a call, in order of evaluation.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub positional: Box<[Node]>,
    pub named: Box<[(Arc<str>, Node)]>,
}

/// A piece of an f-string.
#[derive(Debug)]
pub(super) enum Part {
    Text(Arc<str>),
    Str(Node),
    Repr(Node),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    List,
    Set,
    Dict,
    Generator,
}

#[derive(Debug)]
pub(super) struct Comprehension {
    pub kind: Kind,
    /// The key of a dict.
    pub key: Option<Node>,
    pub element: Node,
    pub clauses: Box<[Clause]>,
}

/// `for target in items if test …`.
#[derive(Debug)]
pub(super) struct Clause {
    pub target: Target,
    pub items: Node,
    pub tests: Box<[Node]>,
}

#[derive(Debug)]
pub(super) struct Lambda {
    pub parameters: Box<[Slot]>,
    pub body: Node,
}

/// What can be assigned to.
#[derive(Debug)]
pub(super) enum Target {
    Unsupported,
    Local(Slot),
    Unpack(Box<[Target]>),
    Subscript(Node, Node),
}

/// A compiled statement.
#[derive(Debug)]
pub(super) enum Statement {
    /// Never run natively.
    Unsupported,
    Nothing,
    Assign(Box<[Target]>, Node),
    Augment(Target, Binary, Node),
    Expression(Node),
    If(Box<[(Node, Block)]>, Block),
    For(Box<(Target, Node)>, Block, Block),
    While(Node, Block, Block),
    /// A body whose exceptions would be caught, then what follows if there was none.
    Try(Block, Block),
    Return(Node),
    Assert(Node),
    Break,
    Continue,
    /// The module must exist; the name it binds was resolved when compiling.
    Import(Arc<str>),
    Yield(Node),
    YieldFrom(Node),
}

pub(super) type Block = Box<[Statement]>;

/// A parameter of a function.
#[derive(Debug)]
pub(super) struct Parameter {
    pub name: Arc<str>,
    pub slot: Slot,
    pub default: Option<Node>,
}

/// A compiled function.
#[derive(Debug)]
pub(super) struct Body {
    /// Parameters that can be given by position.
    pub parameters: Box<[Parameter]>,
    /// `*args`.
    pub rest: Option<Slot>,
    /// Parameters behind `*`.
    pub keyword_only: Box<[Parameter]>,
    pub slots: usize,
    pub block: Block,
    pub generator: bool,
}
