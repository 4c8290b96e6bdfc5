//! Python's built-in functions and types.

use super::format;
use super::ops::{self, not_native};
use super::value::{Set, Value};
use super::{Stop, Told};

/// A built-in that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Builtin {
    Str,
    Int,
    Bool,
    List,
    Tuple,
    Set,
    FrozenSet,
    Dict,
    Len,
    Repr,
    Sorted,
    Reversed,
    Min,
    Max,
    Sum,
    Abs,
    Any,
    All,
    Range,
    Enumerate,
    Zip,
    Map,
    Filter,
    IsInstance,
    Type,
}

impl Builtin {
    pub fn of(name: &str) -> Option<Builtin> {
        Some(match name {
            "str" => Builtin::Str,
            "int" => Builtin::Int,
            "bool" => Builtin::Bool,
            "list" => Builtin::List,
            "tuple" => Builtin::Tuple,
            "set" => Builtin::Set,
            "frozenset" => Builtin::FrozenSet,
            "dict" => Builtin::Dict,
            "len" => Builtin::Len,
            "repr" => Builtin::Repr,
            "sorted" => Builtin::Sorted,
            "reversed" => Builtin::Reversed,
            "min" => Builtin::Min,
            "max" => Builtin::Max,
            "sum" => Builtin::Sum,
            "abs" => Builtin::Abs,
            "any" => Builtin::Any,
            "all" => Builtin::All,
            "range" => Builtin::Range,
            "enumerate" => Builtin::Enumerate,
            "zip" => Builtin::Zip,
            "map" => Builtin::Map,
            "filter" => Builtin::Filter,
            "isinstance" => Builtin::IsInstance,
            "type" => Builtin::Type,
            _ => return None,
        })
    }

    /// Whether it takes all elements of its argument at once, so that a generator may be run before the call.
    pub fn consumes_iterator(self) -> bool {
        use Builtin as B;
        matches!(
            self,
            B::List | B::Tuple | B::Set | B::FrozenSet | B::Dict | B::Sorted | B::Min | B::Max | B::Sum
        )
    }
}

/// Names in Python's `builtins` module, of all versions from 3.9 to 3.13, including those that the `site` module adds. A bare name
/// among these is never a variable of the store, or it depends on the version whether it is.
#[rustfmt::skip]
pub(super) const NAMES: &[&str] = &[
    "ArithmeticError", "AssertionError", "AttributeError", "BaseException", "BaseExceptionGroup", "BlockingIOError",
    "BrokenPipeError", "BufferError", "BytesWarning", "ChildProcessError", "ConnectionAbortedError", "ConnectionError",
    "ConnectionRefusedError", "ConnectionResetError", "DeprecationWarning", "EOFError", "Ellipsis", "EncodingWarning",
    "EnvironmentError", "Exception", "ExceptionGroup", "False", "FileExistsError", "FileNotFoundError", "FloatingPointError",
    "FutureWarning", "GeneratorExit", "IOError", "ImportError", "ImportWarning", "IndentationError", "IndexError",
    "InterruptedError", "IsADirectoryError", "KeyError", "KeyboardInterrupt", "LookupError", "MemoryError",
    "ModuleNotFoundError", "NameError", "None", "NotADirectoryError", "NotImplemented", "NotImplementedError", "OSError",
    "OverflowError", "PendingDeprecationWarning", "PermissionError", "ProcessLookupError", "PythonFinalizationError",
    "RecursionError", "ReferenceError", "ResourceWarning", "RuntimeError", "RuntimeWarning", "StopAsyncIteration",
    "StopIteration", "SyntaxError", "SyntaxWarning", "SystemError", "SystemExit", "TabError", "TimeoutError", "True",
    "TypeError", "UnboundLocalError", "UnicodeDecodeError", "UnicodeEncodeError", "UnicodeError", "UnicodeTranslateError",
    "UnicodeWarning", "UserWarning", "ValueError", "Warning", "ZeroDivisionError", "abs", "aiter", "all", "anext", "any",
    "ascii", "bin", "bool", "breakpoint", "bytearray", "bytes", "callable", "chr", "classmethod", "compile", "complex",
    "copyright", "credits", "delattr", "dict", "dir", "divmod", "enumerate", "eval", "exec", "exit", "filter", "float",
    "format", "frozenset", "getattr", "globals", "hasattr", "hash", "help", "hex", "id", "input", "int", "isinstance",
    "issubclass", "iter", "len", "license", "list", "locals", "map", "max", "memoryview", "min", "next", "object", "oct",
    "open", "ord", "pow", "print", "property", "quit", "range", "repr", "reversed", "round", "set", "setattr", "slice",
    "sorted", "staticmethod", "str", "sum", "super", "tuple", "type", "vars", "zip",
];

/// Whether `name` belongs to Python itself.
pub(super) fn is_builtin(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Calls a built-in that needs nothing but its arguments.
pub(super) fn call(builtin: Builtin, args: &[Value], named: &[(&str, Value)]) -> Told<Value> {
    use Builtin as B;
    if builtin == B::Sorted {
        let reverse = match named {
            [] => false,
            [("reverse", reverse)] => reverse.truth()?,
            _ => return not_native(),
        };
        let [items] = args else { return not_native() };
        return ops::sort(ops::elements_any_order(items)?, None, reverse).map(Value::list);
    }
    if builtin == B::Dict {
        let mut dict = match args {
            [] => super::value::Dict::default(),
            [source] => ops::to_dict(source)?,
            _ => return not_native(),
        };
        for (name, value) in named {
            dict.insert(super::value::Key::Str((*name).into()), value.clone())?;
        }
        return Ok(Value::dict(dict));
    }
    if !named.is_empty() {
        return not_native();
    }
    let count = |n: usize| i64::try_from(n).map(Value::Int).map_err(|_| Stop::NotNative);
    match (builtin, args) {
        (B::Str, []) => Ok(Value::str("")),
        (B::Str, [value]) => format::to_str(value),
        (B::Repr, [value]) => format::repr(value).map(Value::str),
        (B::Int, []) => Ok(Value::Int(0)),
        (B::Int, [Value::Str(text)]) => parse_int(text).map(Value::Int),
        (B::Int | B::Abs, [value]) => {
            let n = value.as_int().ok_or(Stop::NotNative)?;
            if builtin == B::Abs { n.checked_abs() } else { Some(n) }.map(Value::Int).ok_or(Stop::NotNative)
        }
        (B::Bool, []) => Ok(Value::Bool(false)),
        (B::Bool, [value]) => value.truth().map(Value::Bool),
        (B::List, []) => Ok(Value::list(Vec::new())),
        (B::List, [items]) => ops::elements(items).map(Value::list),
        (B::Tuple, []) => Ok(Value::tuple(Vec::new())),
        (B::Tuple, [items]) => ops::elements(items).map(Value::tuple),
        (B::Set | B::FrozenSet, args) if args.len() < 2 => {
            let keys = args.first().map_or_else(|| Ok(Default::default()), ops::keys)?;
            Ok(Value::set(Set { keys, frozen: builtin == B::FrozenSet }))
        }
        (B::Len, [value]) => match value {
            Value::Str(text) => count(ops::length(text)),
            Value::List(list) => count(list.borrow().len()),
            Value::Tuple(items) | Value::View(items) => count(items.len()),
            Value::Set(set) => count(set.borrow().keys.len()),
            Value::Dict(dict) => count(dict.borrow().len()),
            _ => not_native(),
        },
        (B::Reversed, [value]) => {
            let (Value::List(_) | Value::Tuple(_) | Value::Str(_)) = value else { return not_native() };
            let mut items = ops::elements(value)?;
            items.reverse();
            Ok(Value::iter(items))
        }
        (B::Min | B::Max, args) => {
            let items = match args {
                [] => return not_native(),
                [items] => ops::elements_any_order(items)?,
                items => items.to_vec(),
            };
            let mut best: Option<Value> = None;
            for item in items {
                let better = match &best {
                    None => true,
                    Some(best) if builtin == B::Min => item.compare(best)?.is_lt(),
                    Some(best) => item.compare(best)?.is_gt(),
                };
                if better {
                    best = Some(item);
                }
            }
            best.ok_or(Stop::NotNative)
        }
        (B::Sum, [items]) => {
            let mut total = 0i64;
            for item in ops::elements_any_order(items)? {
                total = item.as_int().and_then(|n| total.checked_add(n)).ok_or(Stop::NotNative)?;
            }
            Ok(Value::Int(total))
        }
        (B::Any | B::All, [items]) => {
            let items = ops::elements_any_order(items)?;
            for item in items {
                if item.truth()? == (builtin == B::Any) {
                    return Ok(Value::Bool(builtin == B::Any));
                }
            }
            Ok(Value::Bool(builtin == B::All))
        }
        (B::Range, args) => {
            let bound = |value: &Value| value.as_int().ok_or(Stop::NotNative);
            let (start, end) = match args {
                [end] => (0, bound(end)?),
                [start, end] => (bound(start)?, bound(end)?),
                _ => return not_native(),
            };
            if end.saturating_sub(start) > 100_000 {
                return not_native();
            }
            // A range compares and prints in its own way; a view does neither.
            Ok(Value::View(ops::into_items((start..end).map(Value::Int).collect())))
        }
        (B::Enumerate, [items]) => {
            let pair = |(n, item): (usize, Value)| Ok(Value::tuple(vec![count(n)?, item]));
            let pairs = ops::elements(items)?.into_iter().enumerate().map(pair);
            pairs.collect::<Told<_>>().map(Value::iter)
        }
        (B::Zip, [first, second]) => {
            let pairs = ops::elements(first)?.into_iter().zip(ops::elements(second)?);
            Ok(Value::iter(pairs.map(|(a, b)| Value::tuple(vec![a, b])).collect()))
        }
        (B::IsInstance, [value, kinds]) => is_instance(value, kinds).map(Value::Bool),
        (B::Type, [value]) => type_of(value).map(Value::Builtin).ok_or(Stop::NotNative),
        _ => not_native(),
    }
}

fn type_of(value: &Value) -> Option<Builtin> {
    Some(match value {
        Value::Bool(_) => Builtin::Bool,
        Value::Int(_) => Builtin::Int,
        Value::Str(_) => Builtin::Str,
        Value::List(_) => Builtin::List,
        Value::Tuple(_) => Builtin::Tuple,
        Value::Set(set) if set.borrow().frozen => Builtin::FrozenSet,
        Value::Set(_) => Builtin::Set,
        Value::Dict(_) => Builtin::Dict,
        _ => return None,
    })
}

fn is_instance(value: &Value, kinds: &Value) -> Told<bool> {
    match kinds {
        Value::Tuple(kinds) => {
            for kind in kinds.iter() {
                if is_instance(value, kind)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Builtin(kind) => {
            use Builtin as B;
            if !matches!(
                kind,
                B::Str | B::Int | B::Bool | B::List | B::Tuple | B::Set | B::FrozenSet | B::Dict
            ) {
                return not_native();
            }
            if let Value::None = value {
                return Ok(false);
            }
            let own = type_of(value).ok_or(Stop::NotNative)?;
            Ok(own == *kind || (own == B::Bool && *kind == B::Int))
        }
        _ => not_native(),
    }
}

/// `int(text)` for decimal digits.
fn parse_int(text: &str) -> Told<i64> {
    let digits = text.trim_matches(crate::lang::python::is_py_space);
    let plain = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    // Single underscores between digits are allowed, but who writes them?
    if plain.is_empty() || !plain.bytes().all(|b| b.is_ascii_digit()) {
        return not_native();
    }
    digits.parse().map_err(|_| Stop::NotNative)
}
