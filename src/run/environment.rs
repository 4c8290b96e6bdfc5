//! The environment of a task: the exported variables of its recipe (BitBake manual, "Exporting Variables to the Environment").

use std::rc::Rc;

use crate::data::{DataError, Level, Origin, Store, Value};

/// True if a flag means yes, as `bb.utils.to_boolean` takes it.
/// The names of the variables that are exported.
fn exported_names(store: &Store) -> Result<Vec<Rc<str>>, DataError> {
    let mut names = Vec::new();
    for name in store.keys()? {
        if name.starts_with("__") || store.get_flag_raw(&name, "export")?.is_none() {
            continue;
        }
        if store.flag_is_true(&name, "export")? && !store.flag_is_true(&name, "unexport")? {
            names.push(name);
        }
    }
    Ok(names)
}

/// Names and values of the exported variables. All are expanded before the first counts, since an expansion may change the
/// environment. One that can't be expanded is reported and left out.
///
/// # Errors
/// A flag can't be expanded, or Python is needed and there is none.
pub fn exported(store: &Store) -> Result<Vec<(String, String)>, DataError> {
    let mut found = Vec::new();
    for name in exported_names(store)? {
        match store.get_var(&name) {
            Ok(Some(Value::None) | None) => {}
            Ok(Some(value)) => found.push((name.to_string(), value.to_text())),
            Err(error @ DataError::NeedsPython(_)) => return Err(error),
            Err(error) => {
                let file = store.get_str("FILE")?;
                let (_, text) = error.class_and_text();
                store.log(Level::Warning, &format!("{file}: Unable to export ${{{name}}}: {text}"));
            }
        }
    }
    Ok(found)
}

/// Marks a variable as exported.
///
/// # Errors
/// Its flags can't be changed.
pub fn export(store: &Store, name: &str) -> Result<(), DataError> {
    store.set_flag(name, "export", Value::from("1"), Origin::engine("run_task"))
}
