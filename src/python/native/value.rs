//! Python objects as far as the native evaluator has them.

use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Stop, Told};
use crate::data;
use crate::lang::text::Text;

/// How deep containers may be nested where they are compared, hashed or printed.
const MAX_NESTING: u32 = 40;

/// A `str`: a constant of the code, a text of the store, or a new one.
#[derive(Clone)]
pub enum PyStr {
    /// A constant or a computed text.
    Shared(Arc<str>),
    /// A text that a store owns.
    Stored(Text),
}

impl Deref for PyStr {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            PyStr::Shared(text) => text,
            PyStr::Stored(text) => text.as_str(),
        }
    }
}

impl fmt::Debug for PyStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl From<&str> for PyStr {
    fn from(text: &str) -> Self {
        PyStr::Shared(text.into())
    }
}

impl From<String> for PyStr {
    fn from(text: String) -> Self {
        PyStr::Shared(text.into())
    }
}

/// A Python object inside the evaluator. Containers are shared by reference, as in Python.
#[derive(Clone)]
pub(super) enum Value {
    /// A local name without a value yet.
    Unbound,
    None,
    Bool(bool),
    Int(i64),
    Str(PyStr),
    List(Rc<RefCell<Items>>),
    Tuple(Rc<Items>),
    Set(Rc<RefCell<Set>>),
    Dict(Rc<RefCell<Dict>>),
    /// A `dict`'s keys, values or items.
    View(Rc<Items>),
    /// What gives its elements once: a generator, a map.
    Iter(Rc<RefCell<Option<Items>>>),
    /// The datastore, `d`.
    Data,
    /// A module or function by its dotted name.
    Path(Arc<str>),
    /// A built-in type or function by its name.
    Builtin(super::builtins::Builtin),
    /// Something of which only the truth is known, such as a match object.
    Opaque(bool),
}

impl Value {
    pub fn str(text: impl Into<PyStr>) -> Value {
        Value::Str(text.into())
    }

    pub fn list(items: Vec<Value>) -> Value {
        Value::List(Rc::new(RefCell::new(Items(items))))
    }

    pub fn tuple(items: Vec<Value>) -> Value {
        Value::Tuple(Rc::new(Items(items)))
    }

    pub fn set(set: Set) -> Value {
        Value::Set(Rc::new(RefCell::new(set)))
    }

    pub fn dict(dict: Dict) -> Value {
        Value::Dict(Rc::new(RefCell::new(dict)))
    }

    pub fn iter(items: Vec<Value>) -> Value {
        Value::Iter(Rc::new(RefCell::new(Some(Items(items)))))
    }

    /// A value of the store. Objects that only the Python side knows are not for us.
    pub fn from_store(value: Option<data::Value>) -> Told<Value> {
        Ok(match value {
            None | Some(data::Value::None) => Value::None,
            Some(data::Value::Str(text)) => Value::Str(PyStr::Stored(text)),
            Some(data::Value::Int(n)) => Value::Int(n),
            Some(data::Value::Bool(b)) => Value::Bool(b),
            // BitBake hands out a shallow copy, so elements must be immutable.
            Some(data::Value::List(items)) => Value::list(Self::flat(&items)?),
            Some(data::Value::Tuple(items)) => Value::tuple(Self::flat(&items)?),
            Some(data::Value::Object(_)) => return Err(Stop::NotNative),
        })
    }

    fn flat(items: &[data::Value]) -> Told<Vec<Value>> {
        let element = |item: &data::Value| match item {
            data::Value::List(_) | data::Value::Tuple(_) => Err(Stop::NotNative),
            item => Value::from_store(Some(item.clone())),
        };
        items.iter().map(element).collect()
    }

    pub fn as_str(&self) -> Option<&PyStr> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The text, or not native.
    pub fn text(&self) -> Told<&PyStr> {
        self.as_str().ok_or(Stop::NotNative)
    }

    /// The number that an `int` or `bool` is.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            Value::Bool(b) => Some(i64::from(*b)),
            _ => None,
        }
    }

    /// Python's truth of it.
    pub fn truth(&self) -> Told<bool> {
        Ok(match self {
            Value::None => false,
            Value::Bool(b) | Value::Opaque(b) => *b,
            Value::Int(n) => *n != 0,
            Value::Str(text) => !text.is_empty(),
            Value::List(list) => !list.borrow().is_empty(),
            Value::Tuple(items) | Value::View(items) => !items.is_empty(),
            Value::Set(set) => !set.borrow().keys.is_empty(),
            Value::Dict(dict) => !dict.borrow().is_empty(),
            Value::Iter(_) | Value::Path(_) | Value::Builtin(_) => true,
            // The length of a store is the number of its variables.
            Value::Data | Value::Unbound => return Err(Stop::NotNative),
        })
    }

    /// Python's `==`.
    pub fn equals(&self, other: &Value) -> Told<bool> {
        self.equals_within(other, MAX_NESTING)
    }

    fn equals_within(&self, other: &Value, depth: u32) -> Told<bool> {
        let Some(depth) = depth.checked_sub(1) else { return Err(Stop::NotNative) };
        let all = |a: &[Value], b: &[Value]| -> Told<bool> {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b) {
                if !a.equals_within(b, depth)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        use Value as V;
        Ok(match (self, other) {
            (V::Unbound, _) | (_, V::Unbound) => return Err(Stop::NotNative),
            (V::Str(a), V::Str(b)) => **a == **b,
            (V::None, V::None) => true,
            (V::Bool(_) | V::Int(_), V::Bool(_) | V::Int(_)) => self.as_int() == other.as_int(),
            (V::List(a), V::List(b)) => Rc::ptr_eq(a, b) || all(&a.borrow(), &b.borrow())?,
            (V::Tuple(a), V::Tuple(b)) => all(a, b)?,
            (V::Set(a), V::Set(b)) => Rc::ptr_eq(a, b) || a.borrow().keys == b.borrow().keys,
            // Dicts, views, functions: rarely compared, and with identity or order in play.
            (V::Dict(_), V::Dict(_)) | (V::View(_), V::View(_)) => return Err(Stop::NotNative),
            (V::Builtin(a), V::Builtin(b)) => a == b,
            (a, b) if a.has_identity() && b.has_identity() => return Err(Stop::NotNative),
            // A view of keys equals a set of the same.
            (V::View(_), V::Set(_)) | (V::Set(_), V::View(_)) => return Err(Stop::NotNative),
            _ => false,
        })
    }

    /// Whether it is equal to itself only.
    fn has_identity(&self) -> bool {
        matches!(self, Value::Iter(_) | Value::Data | Value::Path(_) | Value::Builtin(_) | Value::Opaque(_))
    }

    /// Python's `<`, `==`, `>` between texts, numbers, and sequences of them.
    pub fn compare(&self, other: &Value) -> Told<std::cmp::Ordering> {
        self.compare_within(other, MAX_NESTING)
    }

    fn compare_within(&self, other: &Value, depth: u32) -> Told<std::cmp::Ordering> {
        let Some(depth) = depth.checked_sub(1) else { return Err(Stop::NotNative) };
        let lexical = |a: &[Value], b: &[Value]| -> Told<std::cmp::Ordering> {
            for (a, b) in a.iter().zip(b) {
                if !a.equals(b)? {
                    return a.compare_within(b, depth);
                }
            }
            Ok(a.len().cmp(&b.len()))
        };
        match (self, other) {
            // UTF-8 sorts like code points.
            (Value::Str(a), Value::Str(b)) => Ok((**a).cmp(&**b)),
            (Value::List(a), Value::List(b)) => lexical(&a.borrow(), &b.borrow()),
            (Value::Tuple(a), Value::Tuple(b)) => lexical(a, b),
            (a, b) => match (a.as_int(), b.as_int()) {
                (Some(a), Some(b)) => Ok(a.cmp(&b)),
                _ => Err(Stop::NotNative),
            },
        }
    }
}

/// The elements of a container. Dropping them is a loop, however deep containers are nested.
#[derive(Default)]
pub(super) struct Items(pub Vec<Value>);

impl Deref for Items {
    type Target = Vec<Value>;

    fn deref(&self) -> &Vec<Value> {
        &self.0
    }
}

impl std::ops::DerefMut for Items {
    fn deref_mut(&mut self) -> &mut Vec<Value> {
        &mut self.0
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        let nested = |value: &Value| {
            matches!(
                value,
                Value::List(_) | Value::Tuple(_) | Value::Dict(_) | Value::View(_) | Value::Iter(_)
            )
        };
        if !self.0.iter().any(nested) {
            return;
        }
        let mut pending = std::mem::take(&mut self.0);
        while let Some(value) = pending.pop() {
            match value {
                Value::List(list) => {
                    if let Some(list) = Rc::into_inner(list) {
                        pending.append(&mut list.into_inner().0);
                    }
                }
                Value::Tuple(items) | Value::View(items) => {
                    if let Some(mut items) = Rc::into_inner(items) {
                        pending.append(&mut items.0);
                    }
                }
                Value::Iter(items) => {
                    if let Some(mut items) = Rc::into_inner(items).and_then(RefCell::into_inner) {
                        pending.append(&mut items.0);
                    }
                }
                Value::Dict(dict) => {
                    if let Some(dict) = Rc::into_inner(dict) {
                        pending.append(&mut dict.into_inner().values.0);
                    }
                }
                _ => {}
            }
        }
    }
}

/// What can be in a set or be a dict's key. A `bool` is left out: it equals a number but prints otherwise.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    None,
    Int(i64),
    Str(Rc<str>),
    Tuple(Vec<Key>),
}

impl Key {
    pub fn new(value: &Value) -> Told<Key> {
        Self::within(value, MAX_NESTING)
    }

    fn within(value: &Value, depth: u32) -> Told<Key> {
        let Some(depth) = depth.checked_sub(1) else { return Err(Stop::NotNative) };
        Ok(match value {
            Value::None => Key::None,
            Value::Int(n) => Key::Int(*n),
            Value::Str(text) => Key::Str((**text).into()),
            Value::Tuple(items) => {
                Key::Tuple(items.iter().map(|item| Key::within(item, depth)).collect::<Told<_>>()?)
            }
            _ => return Err(Stop::NotNative),
        })
    }

    pub fn value(&self) -> Value {
        match self {
            Key::None => Value::None,
            Key::Int(n) => Value::Int(*n),
            Key::Str(text) => Value::str(&**text),
            Key::Tuple(keys) => Value::tuple(keys.iter().map(Key::value).collect()),
        }
    }
}

/// A `set` or `frozenset`. CPython's order of the elements depends on a random seed, so with more than one, nothing that shows
/// the order is native.
#[derive(Default, Clone)]
pub(super) struct Set {
    pub keys: FxHashSet<Key>,
    pub frozen: bool,
}

impl Set {
    pub fn new(keys: FxHashSet<Key>) -> Set {
        Set { keys, frozen: false }
    }

    /// The elements, if there is only one way to order them.
    pub fn in_order(&self) -> Told<Vec<Value>> {
        if self.keys.len() > 1 {
            return Err(Stop::NotNative);
        }
        Ok(self.keys.iter().map(Key::value).collect())
    }
}

/// A `dict`: entries in order of insertion.
#[derive(Default)]
pub(super) struct Dict {
    pub keys: Vec<Key>,
    pub values: Items,
    places: FxHashMap<Key, usize>,
    /// A view of it is about, which would show later changes.
    pub viewed: bool,
}

impl Dict {
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub fn get(&self, key: &Key) -> Option<&Value> {
        self.places.get(key).and_then(|&place| self.values.get(place))
    }

    pub fn insert(&mut self, key: Key, value: Value) -> Told<()> {
        if self.viewed {
            return Err(Stop::NotNative);
        }
        match self.places.get(&key) {
            Some(&place) => {
                if let Some(old) = self.values.get_mut(place) {
                    *old = value;
                }
            }
            None => {
                self.places.insert(key.clone(), self.keys.len());
                self.keys.push(key);
                self.values.push(value);
            }
        }
        Ok(())
    }
}
