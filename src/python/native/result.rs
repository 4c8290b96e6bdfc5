//! What an evaluation gives to its caller.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::value::{Dict, Key, PyStr, Set, Value};
use super::{Stop, Told};
use crate::lang::text::repr_str;

/// A Python object as plain data.
#[derive(Debug, Clone)]
pub enum NativeValue {
    /// `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Text.
    Str(PyStr),
    /// A list.
    List(Vec<NativeValue>),
    /// A tuple.
    Tuple(Vec<NativeValue>),
    /// A set of at most one element: more have no known order.
    Set(Vec<NativeValue>),
    /// A dict, in order.
    Dict(Vec<(NativeValue, NativeValue)>),
    /// The datastore, as an argument only.
    Data,
}

impl NativeValue {
    /// A text.
    pub fn str(text: impl Into<PyStr>) -> Self {
        NativeValue::Str(text.into())
    }

    /// An argument for the caller's function.
    pub(super) fn new(value: &Value) -> Told<Self> {
        if let Value::Data = value { Ok(NativeValue::Data) } else { Self::result(value) }
    }

    /// The result of an expression: only what `str()` shows in one way.
    pub(super) fn result(value: &Value) -> Told<Self> {
        match value {
            Value::Str(text) => Ok(NativeValue::Str(text.clone())),
            value => Self::within(value, 40),
        }
    }

    fn within(value: &Value, depth: u32) -> Told<Self> {
        let Some(depth) = depth.checked_sub(1) else { return Err(Stop::NotNative) };
        let all =
            |items: &[Value]| items.iter().map(|item| Self::within(item, depth)).collect::<Told<Vec<_>>>();
        Ok(match value {
            Value::None => NativeValue::None,
            Value::Bool(b) => NativeValue::Bool(*b),
            Value::Int(n) => NativeValue::Int(*n),
            // Inside a container a text shows as its `repr()`, which is certain for ASCII only.
            Value::Str(text) if text.is_ascii() => NativeValue::Str(text.clone()),
            Value::List(list) => NativeValue::List(all(&list.borrow())?),
            Value::Tuple(items) => NativeValue::Tuple(all(items)?),
            Value::Set(set) if !set.borrow().frozen => NativeValue::Set(all(&set.borrow().in_order()?)?),
            Value::Dict(dict) => {
                let dict = dict.borrow();
                let pair = |(key, value): (&Key, &Value)| {
                    Ok((Self::within(&key.value(), depth)?, Self::within(value, depth)?))
                };
                NativeValue::Dict(dict.keys.iter().zip(dict.values.iter()).map(pair).collect::<Told<_>>()?)
            }
            _ => return Err(Stop::NotNative),
        })
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            NativeValue::None => Value::None,
            NativeValue::Bool(b) => Value::Bool(b),
            NativeValue::Int(n) => Value::Int(n),
            NativeValue::Str(text) => Value::Str(text),
            NativeValue::List(items) => Value::list(items.into_iter().map(Self::into_value).collect()),
            NativeValue::Tuple(items) => Value::tuple(items.into_iter().map(Self::into_value).collect()),
            NativeValue::Set(items) => {
                let keys = items.into_iter().filter_map(|item| Key::new(&item.into_value()).ok()).collect();
                Value::set(Set::new(keys))
            }
            NativeValue::Dict(items) => {
                let mut dict = Dict::default();
                for (key, value) in items {
                    if let Ok(key) = Key::new(&key.into_value()) {
                        let _ = dict.insert(key, value.into_value());
                    }
                }
                Value::dict(dict)
            }
            NativeValue::Data => Value::Data,
        }
    }

    /// Python's `str()` of it.
    pub fn to_py_str(&self) -> Cow<'_, str> {
        match self {
            NativeValue::Str(text) => Cow::Borrowed(text),
            other => {
                let mut out = String::new();
                other.write_repr(&mut out);
                Cow::Owned(out)
            }
        }
    }

    fn write_repr(&self, out: &mut String) {
        let all = |out: &mut String, open: &str, items: &[NativeValue], close: &str| {
            out.push_str(open);
            for (n, item) in items.iter().enumerate() {
                out.push_str(if n > 0 { ", " } else { "" });
                item.write_repr(out);
            }
            out.push_str(close);
        };
        match self {
            NativeValue::None => out.push_str("None"),
            NativeValue::Bool(b) => out.push_str(if *b { "True" } else { "False" }),
            NativeValue::Int(n) => {
                let _ = write!(out, "{n}");
            }
            NativeValue::Str(text) => out.push_str(&repr_str(text)),
            NativeValue::List(items) => all(out, "[", items, "]"),
            NativeValue::Tuple(items) if items.len() == 1 => all(out, "(", items, ",)"),
            NativeValue::Tuple(items) => all(out, "(", items, ")"),
            NativeValue::Set(items) if items.is_empty() => out.push_str("set()"),
            NativeValue::Set(items) => all(out, "{", items, "}"),
            NativeValue::Dict(items) => {
                out.push('{');
                for (n, (key, value)) in items.iter().enumerate() {
                    out.push_str(if n > 0 { ", " } else { "" });
                    key.write_repr(out);
                    out.push_str(": ");
                    value.write_repr(out);
                }
                out.push('}');
            }
            NativeValue::Data => out.push_str("<bb.data_smart.DataSmart object>"),
        }
    }
}
