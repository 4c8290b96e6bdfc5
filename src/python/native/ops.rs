//! Operators, subscripts and iteration.

use std::rc::Rc;

use super::format;
use super::value::{Dict, Items, Key, PyStr, Set, Value};
use super::{Stop, Told};

/// The longest text or list that is built natively. CPython can have the rest.
pub(super) const MAX_SIZE: usize = 1 << 22;

/// A binary operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Sub,
    Mul,
    FloorDiv,
    Mod,
    BitAnd,
    BitOr,
    BitXor,
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Eq,
    NotEq,
    Lt,
    LtE,
    Gt,
    GtE,
    Is,
    IsNot,
    In,
    NotIn,
}

pub(super) fn not_native<T>() -> Told<T> {
    Err(Stop::NotNative)
}

/// `text`, unless it is too long to be reasonable.
pub(super) fn limited(text: String) -> Told<Value> {
    if text.len() > MAX_SIZE { not_native() } else { Ok(Value::str(text)) }
}

pub(super) fn concat(a: &str, b: &str) -> Told<Value> {
    let mut text = String::with_capacity(a.len() + b.len());
    text.push_str(a);
    text.push_str(b);
    limited(text)
}

pub(super) fn binary(op: Binary, left: &Value, right: &Value) -> Told<Value> {
    use Value as V;
    match (op, left, right) {
        (Binary::Add, V::Str(a), V::Str(b)) => concat(a, b),
        (Binary::Add, V::List(a), V::List(b)) => joined(&a.borrow(), &b.borrow()).map(Value::list),
        (Binary::Add, V::Tuple(a), V::Tuple(b)) => joined(a, b).map(Value::tuple),
        (Binary::Mod, V::Str(template), arguments) => format::percent(template, arguments),
        (Binary::Mul, V::Str(text), n) | (Binary::Mul, n, V::Str(text)) => {
            let times = usize::try_from(n.as_int().ok_or(Stop::NotNative)?).unwrap_or(0);
            if text.len().saturating_mul(times) > MAX_SIZE {
                return not_native();
            }
            Ok(Value::str(text.repeat(times)))
        }
        (Binary::Mul, V::List(list), n) | (Binary::Mul, n, V::List(list)) => {
            let times = usize::try_from(n.as_int().ok_or(Stop::NotNative)?).unwrap_or(0);
            let list = list.borrow();
            if list.len().saturating_mul(times) > MAX_SIZE / 64 {
                return not_native();
            }
            Ok(Value::list(std::iter::repeat_n(list.iter(), times).flatten().cloned().collect()))
        }
        (_, V::Set(a), V::Set(b)) => {
            let (a, b) = (a.borrow(), b.borrow());
            let keys = match op {
                Binary::BitAnd => a.keys.intersection(&b.keys).cloned().collect(),
                Binary::BitOr => a.keys.union(&b.keys).cloned().collect(),
                Binary::BitXor => a.keys.symmetric_difference(&b.keys).cloned().collect(),
                Binary::Sub => a.keys.difference(&b.keys).cloned().collect(),
                _ => return not_native(),
            };
            // The left operand decides the type.
            Ok(Value::set(Set { keys, frozen: a.frozen }))
        }
        (Binary::BitAnd, V::Bool(a), V::Bool(b)) => Ok(V::Bool(a & b)),
        (Binary::BitOr, V::Bool(a), V::Bool(b)) => Ok(V::Bool(a | b)),
        (Binary::BitXor, V::Bool(a), V::Bool(b)) => Ok(V::Bool(a ^ b)),
        _ => match (left.as_int(), right.as_int()) {
            (Some(a), Some(b)) => integer(op, a, b).map(Value::Int).ok_or(Stop::NotNative),
            _ => not_native(),
        },
    }
}

fn joined(a: &[Value], b: &[Value]) -> Told<Vec<Value>> {
    if a.len() + b.len() > MAX_SIZE / 64 {
        return not_native();
    }
    Ok(a.iter().chain(b).cloned().collect())
}

fn integer(op: Binary, a: i64, b: i64) -> Option<i64> {
    match op {
        Binary::Add => a.checked_add(b),
        Binary::Sub => a.checked_sub(b),
        Binary::Mul => a.checked_mul(b),
        // Python rounds down, Rust to zero.
        Binary::FloorDiv => {
            let quotient = a.checked_div(b)?;
            if a.checked_rem(b)? != 0 && (a < 0) != (b < 0) {
                quotient.checked_sub(1)
            } else {
                Some(quotient)
            }
        }
        Binary::Mod => {
            let rest = a.checked_rem(b)?;
            if rest != 0 && (rest < 0) != (b < 0) { rest.checked_add(b) } else { Some(rest) }
        }
        Binary::BitAnd => Some(a & b),
        Binary::BitOr => Some(a | b),
        Binary::BitXor => Some(a ^ b),
    }
}

pub(super) fn negate(value: &Value) -> Told<Value> {
    value.as_int().and_then(i64::checked_neg).map(Value::Int).ok_or(Stop::NotNative)
}

/// All comparisons but `in`, which may need the store.
pub(super) fn compare(op: Compare, left: &Value, right: &Value) -> Told<bool> {
    match op {
        Compare::Eq => left.equals(right),
        Compare::NotEq => left.equals(right).map(|equal| !equal),
        Compare::Lt | Compare::LtE | Compare::Gt | Compare::GtE => ordered(op, left, right),
        Compare::Is => identical(left, right),
        Compare::IsNot => identical(left, right).map(|same| !same),
        Compare::In => contains(right, left),
        Compare::NotIn => contains(right, left).map(|found| !found),
    }
}

fn ordered(op: Compare, left: &Value, right: &Value) -> Told<bool> {
    if let (Value::Set(a), Value::Set(b)) = (left, right) {
        let (a, b) = (&a.borrow().keys, &b.borrow().keys);
        return Ok(match op {
            Compare::Lt => a.is_subset(b) && a.len() < b.len(),
            Compare::LtE => a.is_subset(b),
            Compare::Gt => b.is_subset(a) && a.len() > b.len(),
            _ => b.is_subset(a),
        });
    }
    let order = left.compare(right)?;
    Ok(match op {
        Compare::Lt => order.is_lt(),
        Compare::LtE => order.is_le(),
        Compare::Gt => order.is_gt(),
        _ => order.is_ge(),
    })
}

/// `is`, for objects that exist once. Whether two equal texts are one object is CPython's secret.
fn identical(left: &Value, right: &Value) -> Told<bool> {
    use Value as V;
    Ok(match (left, right) {
        (V::Unbound, _) | (_, V::Unbound) => return not_native(),
        (V::None, V::None) => true,
        (V::Bool(a), V::Bool(b)) => a == b,
        (V::Builtin(a), V::Builtin(b)) => a == b,
        (V::List(a), V::List(b)) => Rc::ptr_eq(a, b),
        (V::None | V::Bool(_) | V::Builtin(_), _) | (_, V::None | V::Bool(_) | V::Builtin(_)) => false,
        _ => return not_native(),
    })
}

/// `item in container`.
pub(super) fn contains(container: &Value, item: &Value) -> Told<bool> {
    let any = |items: &[Value]| -> Told<bool> {
        for candidate in items {
            if item.equals(candidate)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    match container {
        Value::Str(text) => Ok(memchr::memmem::find(text.as_bytes(), item.text()?.as_bytes()).is_some()),
        Value::List(list) => any(&list.borrow()),
        Value::Tuple(items) | Value::View(items) => any(items),
        Value::Set(set) => Ok(set.borrow().keys.contains(&Key::new(item)?)),
        Value::Dict(dict) => Ok(dict.borrow().get(&Key::new(item)?).is_some()),
        _ => not_native(),
    }
}

/// Number of characters.
pub(super) fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// Byte offset of the character with index `n`, the text's length behind the last one.
pub(super) fn offset(text: &str, n: usize) -> usize {
    if text.is_ascii() {
        n.min(text.len())
    } else {
        text.char_indices().nth(n).map_or(text.len(), |(at, _)| at)
    }
}

/// A non-negative index into something of `length`, or none if it is outside.
fn place(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let index = if index < 0 { index.checked_add(length)? } else { index };
    if (0..length).contains(&index) { usize::try_from(index).ok() } else { None }
}

/// `container[index]`.
pub(super) fn subscript(container: &Value, index: &Value) -> Told<Value> {
    let item = |items: &[Value]| -> Told<Value> {
        let index = index.as_int().ok_or(Stop::NotNative)?;
        place(index, items.len()).and_then(|n| items.get(n).cloned()).ok_or(Stop::NotNative)
    };
    match container {
        Value::List(list) => item(&list.borrow()),
        Value::Tuple(items) => item(items),
        Value::Str(text) => {
            let index = index.as_int().ok_or(Stop::NotNative)?;
            let n = place(index, length(text)).ok_or(Stop::NotNative)?;
            let start = offset(text, n);
            let character = text[start..].chars().next().ok_or(Stop::NotNative)?;
            Ok(Value::str(character.encode_utf8(&mut [0; 4]) as &str))
        }
        Value::Dict(dict) => dict.borrow().get(&Key::new(index)?).cloned().ok_or(Stop::NotNative),
        _ => not_native(),
    }
}

/// `container[index] = value`.
pub(super) fn store_subscript(container: &Value, index: &Value, value: Value) -> Told<()> {
    match container {
        Value::List(list) => {
            let mut list = list.borrow_mut();
            let n = index.as_int().and_then(|index| place(index, list.len())).ok_or(Stop::NotNative)?;
            if let Some(slot) = list.get_mut(n) {
                *slot = value;
            }
            Ok(())
        }
        Value::Dict(dict) => dict.borrow_mut().insert(Key::new(index)?, value),
        _ => not_native(),
    }
}

/// `container[lower:upper:step]`, an absent bound being `None`.
pub(super) fn slice(container: &Value, lower: &Value, upper: &Value, step: &Value) -> Told<Value> {
    let bound = |value: &Value| match value {
        Value::None => Ok(None),
        other => other.as_int().map(Some).ok_or(Stop::NotNative),
    };
    let bounds = (bound(lower)?, bound(upper)?, bound(step)?.unwrap_or(1));
    let part = |items: &[Value]| -> Told<Vec<Value>> {
        Ok(indices(bounds, items.len())?.into_iter().filter_map(|n| items.get(n).cloned()).collect())
    };
    match container {
        Value::Str(text) if bounds.2 == 1 => {
            let (start, end) = range(bounds, length(text))?;
            Ok(part_of(text, &text[offset(text, start)..offset(text, end)]))
        }
        Value::Str(text) => {
            let characters: Vec<char> = text.chars().collect();
            let indices = indices(bounds, characters.len())?;
            Ok(Value::str(indices.into_iter().filter_map(|n| characters.get(n)).collect::<String>()))
        }
        Value::List(list) => part(&list.borrow()).map(Value::list),
        Value::Tuple(items) => part(items).map(Value::tuple),
        _ => not_native(),
    }
}

type Bounds = (Option<i64>, Option<i64>, i64);

/// Start and end of a slice with step 1.
fn range((lower, upper, _): Bounds, length: usize) -> Told<(usize, usize)> {
    let length = i64::try_from(length).map_err(|_| Stop::NotNative)?;
    let clip = |bound: i64| if bound < 0 { bound.saturating_add(length) } else { bound }.clamp(0, length);
    let (start, end) = (lower.map_or(0, clip), upper.map_or(length, clip));
    let place = |n: i64| usize::try_from(n).map_err(|_| Stop::NotNative);
    Ok((place(start)?, place(end.max(start))?))
}

/// The indices that a slice takes, in order.
fn indices(bounds: Bounds, length: usize) -> Told<Vec<usize>> {
    let (lower, upper, step) = bounds;
    if step == 1 {
        return range(bounds, length).map(|(start, end)| (start..end).collect());
    }
    let length = i64::try_from(length).map_err(|_| Stop::NotNative)?;
    // Walking backwards, the place in front of the first element is an end like any other.
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let clip = |bound: i64| if bound < 0 { bound.saturating_add(length) } else { bound }.clamp(low, high);
    let (first, last) = if step > 0 { (low, high) } else { (high, low) };
    let (mut at, end) = (lower.map_or(first, clip), upper.map_or(last, clip));
    let mut indices = Vec::new();
    while step != 0 && (if step > 0 { at < end } else { at > end }) {
        indices.push(usize::try_from(at).map_err(|_| Stop::NotNative)?);
        at = at.saturating_add(step);
    }
    if step == 0 { not_native() } else { Ok(indices) }
}

/// All elements that iterating `value` gives. A set's have no order of their own, so only one that can't show is native.
pub(super) fn elements(value: &Value) -> Told<Vec<Value>> {
    match value {
        Value::Set(set) => set.borrow().in_order(),
        other => elements_any_order(other),
    }
}

/// The same for uses in which the order makes no difference.
pub(super) fn elements_any_order(value: &Value) -> Told<Vec<Value>> {
    Ok(match value {
        Value::List(list) => list.borrow().to_vec(),
        Value::Tuple(items) | Value::View(items) => items.to_vec(),
        Value::Str(text) => text.chars().map(|c| Value::str(c.encode_utf8(&mut [0; 4]) as &str)).collect(),
        Value::Set(set) => set.borrow().keys.iter().map(Key::value).collect(),
        Value::Dict(dict) => dict.borrow().keys.iter().map(Key::value).collect(),
        Value::Iter(items) => match items.borrow_mut().take() {
            Some(mut items) => std::mem::take(&mut items.0),
            None => Vec::new(),
        },
        _ => return not_native(),
    })
}

/// The keys of a set made of what `value` iterates over.
pub(super) fn keys(value: &Value) -> Told<rustc_hash::FxHashSet<Key>> {
    match value {
        Value::Set(set) => Ok(set.borrow().keys.clone()),
        other => elements_any_order(other)?.iter().map(Key::new).collect(),
    }
}

/// A dict made of another one or of pairs.
pub(super) fn to_dict(value: &Value) -> Told<Dict> {
    let mut dict = Dict::default();
    if let Value::Dict(source) = value {
        let source = source.borrow();
        for (key, value) in source.keys.iter().zip(source.values.iter()) {
            dict.insert(key.clone(), value.clone())?;
        }
        return Ok(dict);
    }
    for pair in elements(value)? {
        match &*elements(&pair)? {
            [key, value] => dict.insert(Key::new(key)?, value.clone())?,
            _ => return not_native(),
        }
    }
    Ok(dict)
}

/// `separator.join(items)`.
pub(super) fn join(separator: &str, items: &[Value]) -> Told<Value> {
    let mut text = String::new();
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            text.push_str(separator);
        }
        text.push_str(item.text()?);
        if text.len() > MAX_SIZE {
            return not_native();
        }
    }
    Ok(Value::str(text))
}

/// The pieces as a list of texts.
pub(super) fn texts<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Value {
    Value::list(pieces.into_iter().map(Value::str).collect())
}

/// Sorts as Python does: stable, by `<`, which must hold between all of them.
pub(super) fn sort(items: Vec<Value>, keys: Option<Vec<Value>>, reverse: bool) -> Told<Vec<Value>> {
    let keys = keys.unwrap_or_else(|| items.clone());
    let mut pairs: Vec<(Value, Value)> = keys.into_iter().zip(items).collect();
    let mut failed = false;
    pairs.sort_by(|(a, _), (b, _)| {
        // Reversing keeps equal elements in their order.
        let order = if reverse { b.compare(a) } else { a.compare(b) };
        order.unwrap_or_else(|_| {
            failed = true;
            std::cmp::Ordering::Equal
        })
    });
    if failed {
        return not_native();
    }
    Ok(pairs.into_iter().map(|(_, item)| item).collect())
}

/// Takes the elements out of a temporary list.
pub(super) fn into_items(items: Vec<Value>) -> Rc<Items> {
    Rc::new(Items(items))
}

/// `text` as a value, without a copy if it is the whole of `source`.
pub(super) fn part_of(source: &PyStr, text: &str) -> Value {
    if text.len() == source.len() { Value::Str(source.clone()) } else { Value::str(text) }
}
