//! A whole store as one line of JSON, for comparing rbake with BitBake.

use serde_json::{Map, Value as Json, json};

use crate::data::{DataError, Store, Value};

/// `{"target": …, "file": …, "vars": {NAME: {"unexpanded": …, "value": … or "error": …, "flags": {…}}}}`. Values that aren't text are
/// given by Python's `repr`.
pub fn dump(target: &str, file: &str, store: &Store) -> Result<String, DataError> {
    let mut vars = Map::new();
    let mut keys = store.keys()?;
    keys.sort();
    for name in keys {
        let mut entry = Map::new();
        if let Some(raw) = store.get_raw(&name)? {
            entry.insert("unexpanded".into(), json_value(&raw));
        }
        match store.get_var(&name) {
            Ok(Some(value)) => {
                entry.insert("value".into(), json_value(&value));
            }
            Ok(None) => {}
            Err(error @ DataError::NeedsPython(_)) => return Err(error),
            Err(error) => {
                let (class, text) = error.class_and_text();
                entry.insert("error".into(), Json::from(format!("{class}: {text}")));
            }
        }
        let flags: Map<String, Json> = store
            .get_flags(&name)
            .unwrap_or_default()
            .into_iter()
            .map(|(flag, value)| (flag.to_string(), json_value(&value)))
            .collect();
        entry.insert("flags".into(), Json::Object(flags));
        vars.insert(name.to_string(), Json::Object(entry));
    }
    Ok(json!({ "target": target, "file": file, "vars": vars }).to_string())
}

fn json_value(value: &Value) -> Json {
    match value {
        Value::Str(text) => Json::from(text.as_str()),
        Value::None => Json::Null,
        other => Json::from(other.repr()),
    }
}
