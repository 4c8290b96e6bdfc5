//! Running the compiled form.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::builtins::{self, Builtin};
use super::module::Function;
use super::ops::{self, Compare, not_native};
use super::text;
use super::tree::*;
use super::value::{Dict, Key, PyStr, Set, Value};
use super::{Flags, Lookup, NativeValue, Stop, Told, containers, format, library};
use crate::data::Level;

/// Calls, loop rounds and comprehension elements that one evaluation may take.
const FUEL: u32 = 200_000;
/// Nested expressions and calls.
const MAX_DEPTH: u32 = 300;

/// One evaluation.
pub(super) struct Machine<'a> {
    lookup: &'a dyn Lookup,
    fuel: Cell<u32>,
    depth: Cell<u32>,
    /// Messages of the code, for when it is certain that CPython won't run it again.
    messages: RefCell<Vec<(Level, PyStr)>>,
}

/// What running a statement leads to.
pub(super) enum Flow {
    Next,
    Break,
    Continue,
    Return(Value),
}

/// Something that can be called, found before its arguments are evaluated, as Python does.
enum Callee {
    Library(library::Function),
    Builtin(Builtin),
    Function(Arc<Function>),
    /// A function of the caller of the evaluator.
    Engine(Arc<str>),
}

/// Local variables of a function or an expression, and what a generator gave so far.
struct Frame {
    slots: Vec<Value>,
    given: Vec<Value>,
}

impl<'a> Machine<'a> {
    pub fn new(lookup: &'a dyn Lookup) -> Self {
        Machine { lookup, fuel: Cell::new(FUEL), depth: Cell::new(0), messages: RefCell::default() }
    }

    /// Keeps a message of the code.
    pub fn log(&self, level: Level, text: &PyStr) -> Told<Value> {
        if !self.lookup.takes_messages() {
            return not_native();
        }
        self.messages.borrow_mut().push((level, text.clone()));
        Ok(Value::None)
    }

    /// Hands out the messages.
    pub fn flush(&self) {
        for (level, text) in self.messages.borrow_mut().drain(..) {
            self.lookup.log(level, &text);
        }
    }

    /// The value of an expression with so many local names.
    pub fn run(&self, node: &Node, slots: usize) -> Told<Value> {
        self.eval(node, &mut Frame { slots: vec![Value::Unbound; slots], given: Vec::new() })
    }

    pub fn get_var(&self, name: &str, expand: bool) -> Told<Value> {
        let value = if expand { self.lookup.get_var(name) } else { self.lookup.get_var_unexpanded(name) };
        Value::from_store(value.map_err(Stop::Lookup)?)
    }

    pub fn inherits_class(&self, class: &str) -> Told<bool> {
        self.lookup.inherits_class(class).map_err(Stop::Lookup)?.ok_or(Stop::NotNative)
    }

    fn burn(&self) -> Told<()> {
        match self.fuel.get().checked_sub(1) {
            Some(left) => {
                self.fuel.set(left);
                Ok(())
            }
            None => not_native(),
        }
    }

    /// Evaluates what Python would evaluate later or perhaps not at all: an error of the store is for CPython to raise.
    fn eagerly<T>(&self, result: Told<T>) -> Told<T> {
        result.map_err(|_| Stop::NotNative)
    }

    fn eval(&self, node: &Node, frame: &mut Frame) -> Told<Value> {
        let depth = self.depth.get();
        if depth >= MAX_DEPTH {
            return not_native();
        }
        self.depth.set(depth + 1);
        let value = self.eval_inner(node, frame);
        self.depth.set(depth);
        value
    }

    fn eval_inner(&self, node: &Node, frame: &mut Frame) -> Told<Value> {
        Ok(match node {
            Node::Unsupported | Node::Lambda(_) => return not_native(),
            Node::None => Value::None,
            Node::Bool(value) => Value::Bool(*value),
            Node::Int(value) => Value::Int(*value),
            Node::Str(text) => Value::Str(PyStr::Shared(text.clone())),
            Node::Data => Value::Data,
            Node::Local(slot) => match frame.slots.get(*slot) {
                Some(Value::Unbound) | None => return not_native(),
                Some(value) => value.clone(),
            },
            Node::Bare(name) if self.lookup.is_context_name(name) => Value::Path(name.clone()),
            // A variable that isn't set is a NameError.
            Node::Bare(name) => match self.get_var(name, true)? {
                Value::None => return not_native(),
                value => value,
            },
            Node::Global(name) if self.lookup.is_context_name(name) => Value::Path(name.clone()),
            Node::Global(_) => return not_native(),
            Node::Path(path) => Value::Path(path.clone()),
            Node::Builtin(builtin, name) => match self.shadowed(name) {
                true => Value::Path(name.clone()),
                false => Value::Builtin(*builtin),
            },
            Node::Attribute(value, name) => match self.eval(value, frame)? {
                Value::Path(path) => Value::Path(format!("{path}.{name}").into()),
                _ => return not_native(),
            },
            Node::List(items) => Value::list(self.all(items, frame)?),
            Node::Tuple(items) => Value::tuple(self.all(items, frame)?),
            Node::Set(items) => {
                let keys = self.all(items, frame)?.iter().map(Key::new).collect::<Told<_>>()?;
                Value::set(Set::new(keys))
            }
            Node::Dict(items) => {
                let mut dict = Dict::default();
                for (key, value) in items {
                    let key = Key::new(&self.eval(key, frame)?)?;
                    dict.insert(key, self.eval(value, frame)?)?;
                }
                Value::dict(dict)
            }
            Node::Not(operand) => Value::Bool(!self.eval(operand, frame)?.truth()?),
            Node::Negative(operand) => ops::negate(&self.eval(operand, frame)?)?,
            Node::And(operands) => self.until(operands, false, frame)?,
            Node::Or(operands) => self.until(operands, true, frame)?,
            Node::If(parts) => {
                let branch = if self.eval(&parts.test, frame)?.truth()? { &parts.yes } else { &parts.no };
                return self.eval(branch, frame);
            }
            Node::Binary(op, operands) => {
                let left = self.eval(&operands.0, frame)?;
                let right = self.eval(&operands.1, frame)?;
                ops::binary(*op, &left, &right)?
            }
            Node::Compare(first, rest) => self.compare(first, rest, frame)?,
            Node::Subscript(parts) => {
                let container = self.eval(&parts.0, frame)?;
                let index = self.eval(&parts.1, frame)?;
                match (&container, &index) {
                    // The raw value; a KeyError if there is none.
                    (Value::Data, Value::Str(name)) => match self.get_var(name, false)? {
                        Value::None => return not_native(),
                        value => value,
                    },
                    _ => ops::subscript(&container, &index)?,
                }
            }
            Node::Slice(parts) => {
                let container = self.eval(&parts.0, frame)?;
                let lower = self.eval(&parts.1, frame)?;
                let upper = self.eval(&parts.2, frame)?;
                ops::slice(&container, &lower, &upper, &self.eval(&parts.3, frame)?)?
            }
            Node::Format(parts) => {
                let mut out = String::new();
                for part in parts {
                    match part {
                        Part::Text(text) => out.push_str(text),
                        Part::Str(node) => format::write_str(&mut out, &self.eval(node, frame)?)?,
                        Part::Repr(node) => out.push_str(&format::repr(&self.eval(node, frame)?)?),
                    }
                }
                ops::limited(out)?
            }
            Node::Library(function, root, arguments) => {
                if !root.is_empty() && !self.lookup.is_context_name(root) {
                    return not_native();
                }
                if self.lookup.is_replaced(function.name()) {
                    return not_native();
                }
                self.call_library(*function, arguments, frame)?
            }
            Node::Call(callee, arguments) => self.call_node(callee, arguments, frame)?,
            Node::Method(method) => self.method(method, frame)?,
            Node::Comprehension(comprehension) => self.comprehension(comprehension, frame)?,
        })
    }

    fn shadowed(&self, builtin: &str) -> bool {
        !builtin.is_empty() && self.lookup.is_context_name(builtin)
    }

    fn all(&self, nodes: &[Node], frame: &mut Frame) -> Told<Vec<Value>> {
        nodes.iter().map(|node| self.eval(node, frame)).collect()
    }

    /// The first operand whose truth is `wanted`, else the last.
    fn until(&self, operands: &[Node], wanted: bool, frame: &mut Frame) -> Told<Value> {
        let mut last = Value::None;
        for (n, operand) in operands.iter().enumerate() {
            last = self.eval(operand, frame)?;
            if n + 1 < operands.len() && last.truth()? == wanted {
                break;
            }
        }
        Ok(last)
    }

    fn compare(&self, first: &Node, rest: &[(Compare, Node)], frame: &mut Frame) -> Told<Value> {
        let mut left = self.eval(first, frame)?;
        for (op, right) in rest {
            let right = self.eval(right, frame)?;
            let holds = match (op, &left, &right) {
                (Compare::In | Compare::NotIn, Value::Str(name), Value::Data) => {
                    let is_set = !matches!(self.get_var(name, false)?, Value::None);
                    is_set == (*op == Compare::In)
                }
                _ => ops::compare(*op, &left, &right)?,
            };
            if !holds {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    fn arguments<'n>(
        &self,
        arguments: &'n Arguments,
        frame: &mut Frame,
    ) -> Told<(Vec<Value>, Vec<(&'n str, Value)>)> {
        let positional = self.all(&arguments.positional, frame)?;
        let mut named = Vec::new();
        for (name, node) in &arguments.named {
            named.push((&**name, self.eval(node, frame)?));
        }
        Ok((positional, named))
    }

    fn call_library(
        &self,
        function: library::Function,
        arguments: &Arguments,
        frame: &mut Frame,
    ) -> Told<Value> {
        let (args, named) = self.arguments(arguments, frame)?;
        if named.is_empty() {
            return library::call(self, function, &args);
        }
        library::call(self, function, &text::place_keywords(function.parameters(), None, &args, &named)?)
    }

    fn call_node(&self, callee: &Node, arguments: &Arguments, frame: &mut Frame) -> Told<Value> {
        self.burn()?;
        let callee = self.eval(callee, frame)?;
        self.call_with(&callee, arguments, frame)
    }

    /// Calls `callee` with arguments that are yet to be evaluated.
    fn call_with(&self, callee: &Value, arguments: &Arguments, frame: &mut Frame) -> Told<Value> {
        match self.resolve(callee)? {
            Callee::Builtin(builtin) => self.call_builtin(builtin, arguments, frame),
            Callee::Library(function) => self.call_library(function, arguments, frame),
            callee => {
                let (args, named) = self.arguments(arguments, frame)?;
                self.apply(&callee, args, &named)
            }
        }
    }

    fn resolve(&self, callee: &Value) -> Told<Callee> {
        let path = match callee {
            Value::Builtin(builtin) => return Ok(Callee::Builtin(*builtin)),
            Value::Path(path) => path,
            _ => return not_native(),
        };
        if let Some(function) = library::Function::of(path) {
            return if self.lookup.is_replaced(function.name()) {
                not_native()
            } else {
                Ok(Callee::Library(function))
            };
        }
        let function = match path.rsplit_once('.') {
            None => self.lookup.def_function(path),
            Some((module, name)) => self.lookup.module(module).and_then(|module| module.function(name)),
        };
        match function {
            Some(function) => Ok(Callee::Function(function)),
            None if self.lookup.has_function(path) => Ok(Callee::Engine(path.clone())),
            None => not_native(),
        }
    }

    fn apply(&self, callee: &Callee, args: Vec<Value>, named: &[(&str, Value)]) -> Told<Value> {
        match callee {
            Callee::Builtin(builtin) => builtins::call(*builtin, &args, named),
            Callee::Library(function) if named.is_empty() => library::call(self, *function, &args),
            Callee::Library(function) => library::call(
                self,
                *function,
                &text::place_keywords(function.parameters(), None, &args, named)?,
            ),
            Callee::Function(function) => self.call_function(function, args, named),
            Callee::Engine(name) if named.is_empty() => {
                let args = args.iter().map(NativeValue::new).collect::<Told<Vec<_>>>()?;
                let value = self.lookup.call(name, &args).map_err(Stop::Lookup)?;
                value.map(|value| value.into_value()).ok_or(Stop::NotNative)
            }
            Callee::Engine(_) => not_native(),
        }
    }

    /// `any`, `all`, `map`, `filter` and `sorted` have their own way with generators and lambdas.
    fn call_builtin(&self, builtin: Builtin, arguments: &Arguments, frame: &mut Frame) -> Told<Value> {
        match (builtin, &*arguments.positional, &*arguments.named) {
            (Builtin::Any | Builtin::All, [Node::Comprehension(comprehension)], [])
                if comprehension.kind == Kind::Generator =>
            {
                let wanted = builtin == Builtin::Any;
                let mut found = false;
                self.each(comprehension, frame, &mut |machine, frame| {
                    found = machine.eval(&comprehension.element, frame)?.truth()? == wanted;
                    Ok(!found)
                })?;
                return Ok(Value::Bool(found == wanted));
            }
            (_, [Node::Comprehension(comprehension)], [])
                if comprehension.kind == Kind::Generator && builtin.consumes_iterator() =>
            {
                let items = self.collect(comprehension, frame)?;
                return builtins::call(builtin, &[Value::iter(items)], &[]);
            }
            (Builtin::Map | Builtin::Filter, [function, items], []) => {
                return self.map_or_filter(builtin, function, items, frame);
            }
            (Builtin::Sorted, [items], [(name, Node::Lambda(lambda))]) if &**name == "key" => {
                let items = ops::elements(&self.eval(items, frame)?)?;
                let keys = items
                    .iter()
                    .map(|item| self.call_lambda(lambda, item, frame))
                    .collect::<Told<Vec<_>>>()?;
                return ops::sort(items, Some(keys), false).map(Value::list);
            }
            _ => {}
        }
        let (args, named) = self.arguments(arguments, frame)?;
        builtins::call(builtin, &args, &named)
    }

    fn map_or_filter(
        &self,
        builtin: Builtin,
        function: &Node,
        items: &Node,
        frame: &mut Frame,
    ) -> Told<Value> {
        let callee = match function {
            Node::Lambda(_) | Node::None => None,
            function => Some(self.resolve(&self.eval(function, frame)?)?),
        };
        let items = ops::elements(&self.eval(items, frame)?)?;
        let mut results = Vec::with_capacity(items.len());
        for item in items {
            self.burn()?;
            // Python calls the function when the result is asked for.
            let result = self.eagerly(match (function, &callee) {
                (Node::Lambda(lambda), _) => self.call_lambda(lambda, &item, frame),
                (_, Some(callee)) => self.apply(callee, vec![item.clone()], &[]),
                _ => Ok(item.clone()),
            })?;
            if builtin == Builtin::Map {
                results.push(result);
            } else if result.truth()? {
                results.push(item);
            }
        }
        if builtin == Builtin::Map && matches!(function, Node::None) {
            return not_native();
        }
        Ok(Value::iter(results))
    }

    fn call_lambda(&self, lambda: &Lambda, argument: &Value, frame: &mut Frame) -> Told<Value> {
        let [slot] = &*lambda.parameters else { return not_native() };
        set_slot(frame, *slot, argument.clone())?;
        self.eval(&lambda.body, frame)
    }

    fn method(&self, node: &MethodNode, frame: &mut Frame) -> Told<Value> {
        let receiver = self.eval(&node.receiver, frame)?;
        match &receiver {
            Value::Str(string) => {
                let Some(method) = node.text else { return not_native() };
                if let (text::Method::Join, [Node::Comprehension(items)]) =
                    (method, &*node.arguments.positional)
                    && items.kind == Kind::Generator
                {
                    return ops::join(string, &self.collect(items, frame)?);
                }
                let (args, named) = self.arguments(&node.arguments, frame)?;
                text::call(string, method, &args, &named)
            }
            Value::Data => self.data_method(&node.name, &node.arguments, frame),
            Value::Path(path) => {
                self.burn()?;
                self.call_with(&Value::Path(format!("{path}.{}", node.name).into()), &node.arguments, frame)
            }
            container if containers::has_method(container, &node.name) => {
                let (args, named) = self.arguments(&node.arguments, frame)?;
                containers::call(container, &node.name, &args, &named)
            }
            _ => not_native(),
        }
    }

    /// Methods of the datastore that change nothing.
    fn data_method(&self, name: &str, arguments: &Arguments, frame: &mut Frame) -> Told<Value> {
        if !matches!(name, "getVar" | "getVarFlag" | "getVarFlags" | "expand") {
            return not_native();
        }
        let (args, named) = self.arguments(arguments, frame)?;
        let expand = |given: Option<&Value>| match (given, named.as_slice()) {
            (Some(value), []) | (None, [("expand", value)]) => value.truth(),
            (None, []) => Ok(true),
            _ => not_native(),
        };
        match (name, args.as_slice()) {
            ("getVar", [Value::Str(name)]) => self.get_var(name, expand(None)?),
            ("getVar", [Value::Str(name), given]) => self.get_var(name, expand(Some(given))?),
            ("getVarFlag", [Value::Str(name), Value::Str(flag), given @ ..]) if given.len() < 2 => {
                // No flag earns a warning, and `_content` is the variable itself.
                if flag.is_empty() || flag.starts_with('_') {
                    return not_native();
                }
                let value = self.lookup.get_var_flag(name, flag, expand(given.first())?);
                Value::from_store(value.map_err(Stop::Lookup)?)
            }
            ("getVarFlags", [Value::Str(name)]) if named.is_empty() => {
                match self.lookup.get_var_flags(name).map_err(Stop::Lookup)? {
                    Flags::Unknown => not_native(),
                    Flags::None => Ok(Value::None),
                    Flags::Some(flags) => {
                        let mut dict = Dict::default();
                        for (flag, value) in flags {
                            dict.insert(Key::Str(flag), Value::from_store(Some(value))?)?;
                        }
                        Ok(Value::dict(dict))
                    }
                }
            }
            ("expand", [Value::Str(text)]) if named.is_empty() => {
                if !text.contains("${") {
                    return Ok(Value::Str(text.clone()));
                }
                self.lookup.expand(text).map(Value::str).map_err(Stop::Lookup)
            }
            _ => not_native(),
        }
    }

    fn comprehension(&self, node: &Comprehension, frame: &mut Frame) -> Told<Value> {
        match node.kind {
            Kind::List => self.collect(node, frame).map(Value::list),
            Kind::Generator => self.eagerly(self.collect(node, frame)).map(Value::iter),
            Kind::Set => {
                let items = self.collect(node, frame)?;
                Ok(Value::set(Set::new(items.iter().map(Key::new).collect::<Told<_>>()?)))
            }
            Kind::Dict => {
                let mut dict = Dict::default();
                let key_node = node.key.as_ref().ok_or(Stop::NotNative)?;
                self.each(node, frame, &mut |machine, frame| {
                    let key = Key::new(&machine.eval(key_node, frame)?)?;
                    dict.insert(key, machine.eval(&node.element, frame)?)?;
                    Ok(true)
                })?;
                Ok(Value::dict(dict))
            }
        }
    }

    fn collect(&self, node: &Comprehension, frame: &mut Frame) -> Told<Vec<Value>> {
        let mut items = Vec::new();
        self.each(node, frame, &mut |machine, frame| {
            items.push(machine.eval(&node.element, frame)?);
            Ok(true)
        })?;
        Ok(items)
    }

    /// Calls `visit` for every combination that the clauses give, until it says false.
    fn each(
        &self,
        node: &Comprehension,
        frame: &mut Frame,
        visit: &mut dyn FnMut(&Self, &mut Frame) -> Told<bool>,
    ) -> Told<bool> {
        self.each_clause(&node.clauses, frame, visit)
    }

    fn each_clause(
        &self,
        clauses: &[Clause],
        frame: &mut Frame,
        visit: &mut dyn FnMut(&Self, &mut Frame) -> Told<bool>,
    ) -> Told<bool> {
        let Some((clause, inner)) = clauses.split_first() else { return visit(self, frame) };
        let items = ops::elements(&self.eval(&clause.items, frame)?)?;
        'items: for item in items {
            self.burn()?;
            self.assign(&clause.target, item, frame)?;
            for test in &clause.tests {
                if !self.eval(test, frame)?.truth()? {
                    continue 'items;
                }
            }
            if !self.each_clause(inner, frame, visit)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn call_function(&self, function: &Function, args: Vec<Value>, named: &[(&str, Value)]) -> Told<Value> {
        let body = function.body().ok_or(Stop::NotNative)?;
        let mut frame = Frame { slots: vec![Value::Unbound; body.slots], given: Vec::new() };
        let mut args = args.into_iter();
        let mut used = 0;
        for (n, parameter) in body.parameters.iter().chain(&body.keyword_only).enumerate() {
            let by_position = if n < body.parameters.len() { args.next() } else { None };
            let by_name =
                named.iter().find(|(name, _)| *name == &*parameter.name).map(|(_, value)| value.clone());
            used += usize::from(by_name.is_some());
            let value = match (by_position, by_name) {
                (Some(value), None) | (None, Some(value)) => value,
                (None, None) => self.eval(parameter.default.as_ref().ok_or(Stop::NotNative)?, &mut frame)?,
                (Some(_), Some(_)) => return not_native(),
            };
            set_slot(&mut frame, parameter.slot, value)?;
        }
        if used != named.len() {
            return not_native();
        }
        match body.rest {
            Some(slot) => set_slot(&mut frame, slot, Value::tuple(args.collect()))?,
            None if args.next().is_some() => return not_native(),
            None => {}
        }
        if body.generator {
            self.eagerly(self.block(&body.block, &mut frame))?;
            return Ok(Value::iter(frame.given));
        }
        match self.block(&body.block, &mut frame)? {
            Flow::Return(value) => Ok(value),
            _ => Ok(Value::None),
        }
    }

    fn block(&self, block: &[Statement], frame: &mut Frame) -> Told<Flow> {
        for statement in block {
            match self.statement(statement, frame)? {
                Flow::Next => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&self, statement: &Statement, frame: &mut Frame) -> Told<Flow> {
        let depth = self.depth.get();
        if depth >= MAX_DEPTH {
            return not_native();
        }
        self.depth.set(depth + 1);
        let flow = self.statement_inner(statement, frame);
        self.depth.set(depth);
        flow
    }

    fn statement_inner(&self, statement: &Statement, frame: &mut Frame) -> Told<Flow> {
        match statement {
            Statement::Unsupported => return not_native(),
            Statement::Nothing => {}
            Statement::Assign(targets, value) => {
                let value = self.eval(value, frame)?;
                for target in targets {
                    self.assign(target, value.clone(), frame)?;
                }
            }
            Statement::Augment(target, op, value) => self.augment(target, *op, value, frame)?,
            Statement::Expression(node) => {
                self.eval(node, frame)?;
            }
            Statement::If(branches, otherwise) => {
                for (test, block) in branches {
                    if self.eval(test, frame)?.truth()? {
                        return self.block(block, frame);
                    }
                }
                return self.block(otherwise, frame);
            }
            Statement::For(head, body, otherwise) => return self.for_loop(head, body, otherwise, frame),
            Statement::While(test, body, otherwise) => {
                while self.eval(test, frame)?.truth()? {
                    self.burn()?;
                    match self.block(body, frame)? {
                        Flow::Next | Flow::Continue => {}
                        Flow::Break => return Ok(Flow::Next),
                        flow => return Ok(flow),
                    }
                }
                return self.block(otherwise, frame);
            }
            Statement::Try(body, otherwise) => match self.eagerly(self.block(body, frame))? {
                Flow::Next => return self.block(otherwise, frame),
                flow => return Ok(flow),
            },
            Statement::Return(node) => return self.eval(node, frame).map(Flow::Return),
            Statement::Assert(test) => {
                if !self.eval(test, frame)?.truth()? {
                    return not_native();
                }
            }
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
            Statement::Import(path) => {
                if !library::is_module(path) && self.lookup.module(path).is_none() {
                    return not_native();
                }
            }
            Statement::Yield(node) => {
                let value = self.eval(node, frame)?;
                frame.given.push(value);
            }
            Statement::YieldFrom(node) => {
                let items = ops::elements(&self.eval(node, frame)?)?;
                frame.given.extend(items);
            }
        }
        Ok(Flow::Next)
    }

    fn for_loop(
        &self,
        head: &(Target, Node),
        body: &[Statement],
        otherwise: &[Statement],
        frame: &mut Frame,
    ) -> Told<Flow> {
        let items = self.eval(&head.1, frame)?;
        // A list may grow or shrink while it is walked; for the others a snapshot does, as changing them is an error.
        let live = matches!(&items, Value::List(_));
        let mut snapshot = if live { Vec::new() } else { ops::elements(&items)? }.into_iter();
        let watched = match &items {
            Value::Set(set) => Some(set.borrow().keys.len()),
            Value::Dict(dict) => Some(dict.borrow().len()),
            _ => None,
        };
        let mut at = 0;
        loop {
            let item = match &items {
                Value::List(list) => list.borrow().get(at).cloned(),
                _ => snapshot.next(),
            };
            let changed = match &items {
                Value::Set(set) => watched != Some(set.borrow().keys.len()),
                Value::Dict(dict) => watched != Some(dict.borrow().len()),
                _ => false,
            };
            if changed {
                return not_native();
            }
            let Some(item) = item else { break };
            at += 1;
            self.burn()?;
            self.assign(&head.0, item, frame)?;
            match self.block(body, frame)? {
                Flow::Next | Flow::Continue => {}
                Flow::Break => return Ok(Flow::Next),
                flow => return Ok(flow),
            }
        }
        self.block(otherwise, frame)
    }

    fn assign(&self, target: &Target, value: Value, frame: &mut Frame) -> Told<()> {
        match target {
            Target::Unsupported => not_native(),
            Target::Local(slot) => set_slot(frame, *slot, value),
            Target::Unpack(targets) => {
                let items = ops::elements(&value)?;
                if items.len() != targets.len() {
                    return not_native();
                }
                for (target, item) in targets.iter().zip(items) {
                    self.assign(target, item, frame)?;
                }
                Ok(())
            }
            Target::Subscript(container, index) => {
                let container = self.eval(container, frame)?;
                let index = self.eval(index, frame)?;
                ops::store_subscript(&container, &index, value)
            }
        }
    }

    fn augment(&self, target: &Target, op: ops::Binary, value: &Node, frame: &mut Frame) -> Told<()> {
        let combine = |old: Value, new: &Value| match (&old, op, new) {
            // A list is extended in place, and so are sets.
            (Value::List(list), ops::Binary::Add, items) => containers::extend(list, items).map(|()| old),
            (Value::Set(_), ..) => not_native(),
            (old, op, new) => ops::binary(op, old, new),
        };
        match target {
            Target::Local(slot) => {
                let old = frame.slots.get(*slot).cloned().unwrap_or(Value::Unbound);
                if let Value::Unbound = old {
                    return not_native();
                }
                let new = self.eval(value, frame)?;
                set_slot(frame, *slot, combine(old, &new)?)
            }
            Target::Subscript(container, index) => {
                let container = self.eval(container, frame)?;
                let index = self.eval(index, frame)?;
                let old = ops::subscript(&container, &index)?;
                let new = self.eval(value, frame)?;
                ops::store_subscript(&container, &index, combine(old, &new)?)
            }
            _ => not_native(),
        }
    }
}

fn set_slot(frame: &mut Frame, slot: Slot, value: Value) -> Told<()> {
    match frame.slots.get_mut(slot) {
        Some(place) => {
            *place = value;
            Ok(())
        }
        None => not_native(),
    }
}
