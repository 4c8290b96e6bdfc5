//! Classes: `inherit`, and the queue of deferred ones.

use std::rc::Rc;

use super::evaluate::{Mode, handle};
use super::run::{Run, join};
use crate::data::{DataError, Origin, Store, Value};

/// The classes read so far, by path.
fn inherited(store: &Store) -> Result<Vec<Value>, DataError> {
    Ok(store.get_raw("__inherit_cache")?.and_then(|v| v.as_list().map(<[Value]>::to_vec)).unwrap_or_default())
}

/// Notes that a class was read; true if it wasn't before.
pub(super) fn note_inherited(store: &Store, path: &str) -> Result<bool, DataError> {
    let mut known = inherited(store)?;
    if known.iter().any(|class| class.as_str() == Some(path)) {
        return Ok(false);
    }
    known.push(Value::str(path));
    store.set_engine("__inherit_cache", Value::List(Rc::new(known)), "inherit")?;
    Ok(true)
}

/// Queues classes that are read when the recipe is finalised (BitBake manual, "inherit_defer Directive").
pub(super) fn defer(store: &Store, classes: &str, file: &str, line: u32) -> Result<(), DataError> {
    let queued = store
        .get_raw("__BBDEFINHERITS")?
        .and_then(|v| v.as_list().map(<[Value]>::to_vec))
        .unwrap_or_default();
    let entry =
        Value::Tuple(Rc::new(vec![Value::str(classes), Value::str(file), Value::Int(i64::from(line))]));
    let queued = queued.into_iter().chain([entry]).collect();
    store.set_engine("__BBDEFINHERITS", Value::List(Rc::new(queued)), "defer")
}

/// The next deferred inherit: classes, file and line; it is taken from the queue.
pub(super) fn next_deferred(store: &Store) -> Result<Option<(String, String, u32)>, DataError> {
    let queued = store.get_raw("__BBDEFINHERITS")?;
    let queued = queued.as_ref().and_then(Value::as_list).unwrap_or_default();
    let Some((first, rest)) = queued.split_first() else { return Ok(None) };
    let parts = first.as_list().unwrap_or_default();
    let text = |at: usize| parts.get(at).map(Value::to_text).unwrap_or_default();
    let entry = (text(0), text(1), text(2).parse().unwrap_or_default());
    store.set_var("__BBDEFINHERITS", Value::List(Rc::new(rest.to_vec())), Origin::engine("next_deferred"))?;
    Ok(Some(entry))
}

/// The classes of the queue, unexpanded, as the event RecipePreDeferredInherits shows them.
pub(super) fn deferred_classes(store: &Store) -> Result<Vec<Value>, DataError> {
    let queued = store.get_raw("__BBDEFINHERITS")?;
    let classes: Vec<Value> = queued
        .as_ref()
        .and_then(Value::as_list)
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| entry.as_list().and_then(|parts| parts.first().cloned()))
        .collect();
    Ok(if classes.is_empty() { vec![Value::str("")] } else { classes })
}

impl Run {
    /// Reads classes (BitBake manual, "inherit Directive"). `deferred`: even those of BB_DEFER_BBCLASSES at once.
    pub fn inherit(
        &self,
        store: &Store,
        classes: &str,
        file: &str,
        line: u32,
        deferred: bool,
    ) -> Result<(), DataError> {
        for class in store.expand(classes, None)?.split_whitespace() {
            if !deferred && store.get_words("BB_DEFER_BBCLASSES")?.iter().any(|word| word == class) {
                defer(store, class, file, line)?;
                continue;
            }
            let path = self.find_class(store, class)?;
            if self.stamp(&path).is_none() {
                let message = format!("Could not inherit file {path}");
                return Err(DataError::Parse { file: file.into(), line, message });
            }
            if !note_inherited(store, &path)? {
                continue;
            }
            if let Err(error) = handle(self, &path, store, Mode::Include) {
                return Err(match error {
                    DataError::Raised { class, message, .. } if is_io(&class) => {
                        let reason = message.split(" (os error").next().unwrap_or(&message);
                        let message = format!("Could not inherit file {file}: {reason}");
                        DataError::Parse { file: file.into(), line, message }
                    }
                    other => other,
                });
            }
        }
        Ok(())
    }

    /// Where a class is: in the folder for this stage along BBPATH, else in `classes`. The last place if it is nowhere.
    fn find_class(&self, store: &Store, class: &str) -> Result<String, DataError> {
        let stage = store.get_raw("__bbclasstype")?.map(|value| value.to_text()).unwrap_or_default();
        let mut path = class.to_owned();
        for folder in [format!("classes-{stage}"), "classes".to_owned()] {
            path = class.to_owned();
            if !path.starts_with('/') && !path.ends_with(".bbclass") {
                path = join(&folder, &format!("{class}.bbclass"));
            }
            if !path.starts_with('/') {
                let (found, tried) = self.which(&store.get_str("BBPATH")?, &path);
                for place in tried.iter().filter(|place| Some(*place) != found.as_ref()) {
                    self.mark_dependency(store, place);
                }
                path = found.unwrap_or(path);
            }
            if self.stamp(&path).is_some() {
                break;
            }
        }
        Ok(path)
    }
}

fn is_io(class: &str) -> bool {
    matches!(class, "FileNotFoundError" | "PermissionError" | "IsADirectoryError" | "OSError")
}
