//! What a variable or a flag can hold.

use std::any::Any;
use std::fmt;
use std::rc::Rc;

pub use crate::lang::text::{Text, repr_str};

/// An object that only the Python side understands, kept for it as it is.
pub trait Object: Any {
    /// `str(object)`.
    fn text(&self) -> String;
    /// Python's truth of it.
    fn truth(&self) -> bool;
    /// Itself, for the Python side to find its own type again.
    fn as_any(&self) -> &dyn Any;
    /// The same, to change it while nobody else holds it.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

/// The value of a variable or a flag.
///
/// Nearly always text; the other kinds are what BitBake itself stores (`task` = 1, `deps` = a list) or what Python code sets. They
/// matter because a hash covers `str()` of them.
#[derive(Clone)]
pub enum Value {
    /// Python's `None`, set on purpose.
    None,
    /// Text, the normal case.
    Str(Text),
    /// An integer, as in the flags `func`, `task`, `export`.
    Int(i64),
    /// A truth value.
    Bool(bool),
    /// A list, as in the flag `deps`.
    List(Rc<Vec<Value>>),
    /// A tuple, as in the queue of deferred inherits.
    Tuple(Rc<Vec<Value>>),
    /// Anything else, opaque to the engine.
    Object(Rc<dyn Object>),
}

impl Value {
    /// The name of its class in Python.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::None => "NoneType",
            Value::Str(_) => "str",
            Value::Int(_) => "int",
            Value::Bool(_) => "bool",
            Value::List(_) => "list",
            Value::Tuple(_) => "tuple",
            Value::Object(_) => "object",
        }
    }

    /// A text value.
    pub fn str(text: impl Into<Text>) -> Self {
        Value::Str(text.into())
    }

    /// A list of texts.
    pub fn list<I: IntoIterator<Item = S>, S: Into<Text>>(items: I) -> Self {
        Value::List(Rc::new(items.into_iter().map(Value::str).collect()))
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&Text> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The characters, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        self.as_text().map(Text::as_str)
    }

    /// The elements, if it is a list or a tuple.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) | Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The texts of a list; other elements by their `str()`.
    pub fn strings(&self) -> Vec<String> {
        self.as_list().unwrap_or_default().iter().map(Value::to_text).collect()
    }

    /// Python's truth of it: empty texts and lists, zero and None are false.
    pub fn truth(&self) -> bool {
        match self {
            Value::None => false,
            Value::Str(text) => !text.is_empty(),
            Value::Int(n) => *n != 0,
            Value::Bool(b) => *b,
            Value::List(items) | Value::Tuple(items) => !items.is_empty(),
            Value::Object(object) => object.truth(),
        }
    }

    /// Python's `str()` of it.
    pub fn to_text(&self) -> String {
        match self {
            Value::Str(text) => text.to_string(),
            other => other.repr(),
        }
    }

    /// Python's `repr()` of it.
    pub fn repr(&self) -> String {
        match self {
            Value::None => "None".into(),
            Value::Str(text) => repr_str(text),
            Value::Int(n) => n.to_string(),
            Value::Bool(true) => "True".into(),
            Value::Bool(false) => "False".into(),
            Value::List(items) => format!("[{}]", join_repr(items)),
            Value::Tuple(items) if items.len() == 1 => format!("({},)", items[0].repr()),
            Value::Tuple(items) => format!("({})", join_repr(items)),
            Value::Object(object) => object.text(),
        }
    }
}

fn join_repr(items: &[Value]) -> String {
    items.iter().map(Value::repr).collect::<Vec<_>>().join(", ")
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repr())
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::None, Value::None) => true,
            (Value::Str(a), Value::Str(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Bool(b)) | (Value::Bool(b), Value::Int(a)) => *a == i64::from(*b),
            (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => a == b,
            (Value::Object(a), Value::Object(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::str(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::str(text)
    }
}

/// A store kept in a variable of another, as BB_ORIGENV is.
#[derive(Clone)]
pub struct Nested(pub super::Store);

impl Object for Nested {
    fn text(&self) -> String {
        "<bb.data_smart.DataSmart object>".into()
    }

    fn truth(&self) -> bool {
        self.0.keys().is_ok_and(|keys| !keys.is_empty())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
