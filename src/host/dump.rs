//! A whole store as one line of JSON, for comparing rbake with BitBake (tests/conformance).

use serde_json::{Map, Value as Json, json};

use crate::data::{DataError, Store, Value};
use crate::recipe::{Signed, StoredTable};

/// Variables that are hidden from users but that the comparison looks at.
const HIDDEN: [&str; 3] = ["__BBTASKS", "__BBHANDLERS", "__SKIPPED"];

/// `{"target": …, "file": …, "vars": {NAME: {"value" or "error", "raw", "flags"}}, "basehash": {TASK: HASH}}`. The value before
/// expansion is left out where it is the same.
pub fn dump(target: &str, file: &str, store: &Store) -> Result<String, DataError> {
    let mut vars = Map::new();
    let mut keys: Vec<_> = store.keys()?.into_iter().filter(|name| !name.starts_with("__")).collect();
    for name in HIDDEN {
        if store.get_raw(name)?.is_some_and(|value| value != Value::None) {
            keys.push(name.into());
        }
    }
    keys.sort();
    for name in keys {
        let mut entry = Map::new();
        match store.get_var(&name) {
            Ok(value) => {
                entry.insert("value".into(), encode(value.as_ref()));
            }
            Err(error) => {
                entry.insert("error".into(), encode_error(error)?);
            }
        }
        match store.get_raw(&name) {
            Ok(raw) => {
                let raw = encode(raw.as_ref());
                if entry.get("value") != Some(&raw) {
                    entry.insert("raw".into(), raw);
                }
            }
            Err(error) => {
                entry.insert("raw_error".into(), encode_error(error)?);
            }
        }
        if let Some(flags) = store.get_flags(&name) {
            let flags: Map<String, Json> =
                flags.into_iter().map(|(flag, value)| (flag.to_string(), encode(Some(&value)))).collect();
            entry.insert("flags".into(), Json::Object(flags));
        }
        vars.insert(name.to_string(), Json::Object(entry));
    }
    let mut hashes = Map::new();
    if let Some(signed) = Signed::of(store) {
        for (task, hash) in signed.tasks.iter().zip(&signed.hashes) {
            hashes.insert(task.to_string(), Json::from(hash.as_str()));
        }
    }
    Ok(json!({ "target": target, "file": file, "vars": vars, "basehash": hashes }).to_string())
}

fn encode_error(error: DataError) -> Result<Json, DataError> {
    match error {
        error @ DataError::NeedsPython(_) => Err(error),
        error => {
            let (class, text) = error.class_and_text();
            Ok(json!([class, text]))
        }
    }
}

/// A value that keeps its Python type.
fn encode(value: Option<&Value>) -> Json {
    let items = |items: &[Value]| -> Json { items.iter().map(|item| encode(Some(item))).collect() };
    match value {
        None | Some(Value::None) => Json::Null,
        Some(Value::Str(text)) => Json::from(text.as_str()),
        Some(Value::Int(n)) => Json::from(*n),
        Some(Value::Bool(b)) => Json::from(*b),
        Some(Value::List(list)) => items(list),
        Some(Value::Tuple(list)) => json!({ "tuple": items(list) }),
        Some(Value::Object(object)) => match object.as_any().downcast_ref::<StoredTable>() {
            Some(table) => encode_table(table),
            None => json!({ "repr": object.text() }),
        },
    }
}

fn encode_table(table: &StoredTable) -> Json {
    let mut out = Map::new();
    out.insert("tasks".into(), Json::from(table.0.tasks.clone()));
    let parents: Map<String, Json> =
        table.0.parents.iter().map(|(task, parents)| (task.clone(), Json::from(parents.clone()))).collect();
    out.insert("parents".into(), json!({ "dict": parents }));
    for (flag, column) in &table.0.flags {
        let column: Map<String, Json> =
            column.iter().map(|(task, value)| (task.clone(), Json::from(value.as_str()))).collect();
        out.insert((*flag).into(), json!({ "dict": column }));
    }
    json!({ "dict": out })
}
