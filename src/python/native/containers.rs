//! Methods of `list`, `set`, `dict` and `tuple`.

use std::cell::RefCell;
use std::rc::Rc;

use super::ops::{self, not_native};
use super::value::{Dict, Items, Key, Set, Value};
use super::{Stop, Told};

/// Whether `value` has a method of that name that is known here.
pub(super) fn has_method(value: &Value, name: &str) -> bool {
    match value {
        Value::List(_) => matches!(
            name,
            "append"
                | "extend"
                | "insert"
                | "pop"
                | "remove"
                | "reverse"
                | "index"
                | "count"
                | "copy"
                | "clear"
                | "sort"
        ),
        Value::Tuple(_) => matches!(name, "index" | "count"),
        Value::Set(set) => {
            let reading = matches!(
                name,
                "union"
                    | "intersection"
                    | "difference"
                    | "symmetric_difference"
                    | "issubset"
                    | "issuperset"
                    | "isdisjoint"
                    | "copy"
            );
            reading || (matches!(name, "add" | "update" | "discard" | "remove") && !set.borrow().frozen)
        }
        Value::Dict(_) => {
            matches!(name, "get" | "items" | "keys" | "values" | "setdefault" | "update" | "copy")
        }
        _ => false,
    }
}

/// `container.name(*args, **named)`.
pub(super) fn call(container: &Value, name: &str, args: &[Value], named: &[(&str, Value)]) -> Told<Value> {
    match container {
        Value::List(list) => list_method(list, name, args, named),
        _ if !named.is_empty() => not_native(),
        Value::Tuple(items) => sequence_method(items, name, args),
        Value::Set(set) => set_method(set, name, args),
        Value::Dict(dict) => dict_method(dict, name, args),
        _ => not_native(),
    }
}

fn sequence_method(items: &[Value], name: &str, args: &[Value]) -> Told<Value> {
    let [wanted] = args else { return not_native() };
    let mut count = 0;
    for (n, item) in items.iter().enumerate() {
        if wanted.equals(item)? {
            if name == "index" {
                return i64::try_from(n).map(Value::Int).map_err(|_| Stop::NotNative);
            }
            count += 1;
        }
    }
    if name == "count" { Ok(Value::Int(count)) } else { not_native() }
}

fn list_method(
    list: &Rc<RefCell<Items>>,
    name: &str,
    args: &[Value],
    named: &[(&str, Value)],
) -> Told<Value> {
    if name == "sort" {
        let reverse = match (args, named) {
            ([], []) => false,
            ([], [("reverse", reverse)]) => reverse.truth()?,
            _ => return not_native(),
        };
        let sorted = ops::sort(list.borrow().to_vec(), None, reverse)?;
        list.borrow_mut().0 = sorted;
        return Ok(Value::None);
    }
    if !named.is_empty() {
        return not_native();
    }
    if matches!(name, "index" | "count") {
        return sequence_method(&list.borrow(), name, args);
    }
    match (name, args) {
        ("append", [item]) => {
            if list.borrow().len() > ops::MAX_SIZE / 64 {
                return not_native();
            }
            list.borrow_mut().push(item.clone());
        }
        ("extend", [items]) => extend(list, items)?,
        ("insert", [index, item]) => {
            let mut list = list.borrow_mut();
            let length = i64::try_from(list.len()).map_err(|_| Stop::NotNative)?;
            let index = index.as_int().ok_or(Stop::NotNative)?;
            let index = if index < 0 { index.saturating_add(length) } else { index }.clamp(0, length);
            list.insert(usize::try_from(index).map_err(|_| Stop::NotNative)?, item.clone());
        }
        ("pop", []) => return list.borrow_mut().pop().ok_or(Stop::NotNative),
        ("pop", [index]) => {
            let item = ops::subscript(&Value::List(list.clone()), index)?;
            let mut list = list.borrow_mut();
            let index = index.as_int().ok_or(Stop::NotNative)?;
            let at = if index < 0 { list.len() as i64 + index } else { index };
            list.remove(usize::try_from(at).map_err(|_| Stop::NotNative)?);
            return Ok(item);
        }
        ("remove", [item]) => {
            let Value::Int(at) = sequence_method(&list.borrow(), "index", std::slice::from_ref(item))? else {
                return not_native();
            };
            list.borrow_mut().remove(usize::try_from(at).map_err(|_| Stop::NotNative)?);
        }
        ("reverse", []) => list.borrow_mut().reverse(),
        ("clear", []) => list.borrow_mut().clear(),
        ("copy", []) => return Ok(Value::list(list.borrow().to_vec())),
        _ => return not_native(),
    }
    Ok(Value::None)
}

/// `list.extend(items)`, also what `+=` does to a list.
pub(super) fn extend(list: &Rc<RefCell<Items>>, items: &Value) -> Told<()> {
    let mut items = ops::elements(items)?;
    if list.borrow().len() + items.len() > ops::MAX_SIZE / 64 {
        return not_native();
    }
    list.borrow_mut().append(&mut items);
    Ok(())
}

fn set_method(set: &Rc<RefCell<Set>>, name: &str, args: &[Value]) -> Told<Value> {
    match (name, args) {
        ("add", [item]) => {
            let key = Key::new(item)?;
            set.borrow_mut().keys.insert(key);
            return Ok(Value::None);
        }
        ("discard" | "remove", [item]) => {
            let found = set.borrow_mut().keys.remove(&Key::new(item)?);
            return if found || name == "discard" { Ok(Value::None) } else { not_native() };
        }
        ("update", others) => {
            for other in others {
                let keys = ops::keys(other)?;
                set.borrow_mut().keys.extend(keys);
            }
            return Ok(Value::None);
        }
        ("copy", []) => return Ok(Value::set(set.borrow().clone())),
        ("union" | "intersection" | "difference", others) => {
            let mut result = set.borrow().clone();
            for other in others {
                let keys = ops::keys(other)?;
                match name {
                    "union" => result.keys.extend(keys),
                    "intersection" => result.keys.retain(|key| keys.contains(key)),
                    _ => result.keys.retain(|key| !keys.contains(key)),
                }
            }
            return Ok(Value::set(result));
        }
        _ => {}
    }
    let [other] = args else { return not_native() };
    let keys = ops::keys(other)?;
    let set = set.borrow();
    Ok(match name {
        "symmetric_difference" => {
            let keys = set.keys.symmetric_difference(&keys).cloned().collect();
            Value::set(Set { keys, frozen: set.frozen })
        }
        "issubset" => Value::Bool(set.keys.is_subset(&keys)),
        "issuperset" => Value::Bool(keys.is_subset(&set.keys)),
        "isdisjoint" => Value::Bool(set.keys.is_disjoint(&keys)),
        _ => return not_native(),
    })
}

fn dict_method(dict: &Rc<RefCell<Dict>>, name: &str, args: &[Value]) -> Told<Value> {
    match (name, args) {
        ("get", [key]) => Ok(dict.borrow().get(&Key::new(key)?).cloned().unwrap_or(Value::None)),
        ("get", [key, default]) => {
            Ok(dict.borrow().get(&Key::new(key)?).cloned().unwrap_or_else(|| default.clone()))
        }
        ("setdefault", [key, default]) => {
            let key = Key::new(key)?;
            let known = dict.borrow().get(&key).cloned();
            match known {
                Some(value) => Ok(value),
                None => {
                    dict.borrow_mut().insert(key, default.clone())?;
                    Ok(default.clone())
                }
            }
        }
        ("update", [other]) => {
            let other = ops::to_dict(other)?;
            for (key, value) in other.keys.iter().zip(other.values.iter()) {
                dict.borrow_mut().insert(key.clone(), value.clone())?;
            }
            Ok(Value::None)
        }
        ("copy", []) => ops::to_dict(&Value::Dict(dict.clone())).map(Value::dict),
        ("keys" | "values" | "items", []) => {
            let mut dict = dict.borrow_mut();
            dict.viewed = true;
            let keys = dict.keys.iter().map(Key::value);
            let items = match name {
                "keys" => keys.collect(),
                "values" => dict.values.to_vec(),
                _ => keys.zip(dict.values.iter().cloned()).map(|(k, v)| Value::tuple(vec![k, v])).collect(),
            };
            Ok(Value::View(ops::into_items(items)))
        }
        _ => not_native(),
    }
}
