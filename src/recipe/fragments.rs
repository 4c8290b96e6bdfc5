//! `addfragments`: small pieces of configuration that users switch on by name (BitBake manual, "addfragments Directive").

use std::rc::Rc;

use super::run::{Run, join};
use crate::data::{Assignment, DataError, Host, Level, Origin, Read, Store, Value};

fn fatal(run: &Run, message: &str) -> DataError {
    run.python.log(Level::Error, message);
    DataError::Handled
}

/// Carries out the statement. The four arguments are the path prefix, the variable that lists fragments, the one that lists flagged
/// variables and the one that lists built-in fragments.
pub(super) fn add(
    run: &Run,
    store: &Store,
    file: &Rc<str>,
    line: u32,
    [prefix, list_name, flagged_name, builtin_name]: [&str; 4],
) -> Result<(), DataError> {
    if store.get_str("_BB_SKIP_FRAGMENTS")? == "1" {
        return Ok(());
    }
    let fragments = store.get_words(list_name)?;
    if fragments.is_empty() {
        return Ok(());
    }
    let layers = store.get_words("BBLAYERS")?;
    let flagged = store.get_words(flagged_name)?;
    let builtin: Vec<(String, String)> = store
        .get_words(builtin_name)?
        .iter()
        .filter_map(|word| word.split_once(':').map(|(key, name)| (key.to_owned(), name.to_owned())))
        .collect();
    for (key, _) in &builtin {
        let head = format!("{key}/");
        let same: Vec<&str> =
            fragments.iter().filter(|fragment| fragment.starts_with(&head)).map(String::as_str).collect();
        if same.len() > 1 {
            run.python.log(
                Level::Warning,
                &format!(
                    "Multiple builtin fragments are enabled for {key} via variable {list_name}: {}. This likely points to a \
                     mis-configuration in the metadata, as only one of them should be set. The build will use the last value.",
                    same.join(" ")
                ),
            );
        }
    }
    for fragment in &fragments {
        let Some((layer, name)) = fragment.split_once('/') else {
            return Err(DataError::raised("ValueError", "not enough values to unpack (expected 2, got 1)"));
        };
        if let Some((_, variable)) = builtin.iter().find(|(key, _)| key == layer) {
            set_builtin(run, store, list_name, fragment, variable, name)?;
            continue;
        }
        let path = store.expand(&format!("{prefix}/{name}.conf"), None)?;
        let found = layers
            .iter()
            .map(|dir| join(dir, &path))
            .find(|path| run.stamp(path).is_some() && run.layer_of(store, path).as_deref() == Some(layer));
        let Some(found) = found else {
            return Err(fatal(
                run,
                &format!("Could not find fragment {fragment} in enabled layers:\n\t{}", layers.join("\n\t")),
            ));
        };
        run.include(store, file, &found, line, Some("include fragment"))?;
        for name in &flagged {
            let value = store.get_var(name)?.unwrap_or(Value::None);
            store.set_flag(name, fragment, value, Origin::engine("add_fragments"))?;
            store.set_var(name, Value::None, Origin::engine("add_fragments"))?;
        }
    }
    Ok(())
}

fn set_builtin(
    run: &Run,
    store: &Store,
    list_name: &str,
    fragment: &str,
    variable: &str,
    value: &str,
) -> Result<(), DataError> {
    let own = store.read_var(variable, Read { expand: true, no_weak: true, parsing: false })?.0;
    if own.is_some_and(|own| own != Value::None) {
        return Err(fatal(
            run,
            &format!(
                "A builtin fragment '{fragment}' is used while {variable} has already got an assignment.\nPlease either disable \
                 the fragment or remove the value assignment.\nTo disable the fragment, use 'bitbake-config-build \
                 disable-fragment {fragment}'."
            ),
        ));
    }
    let history = store.history(list_name);
    let enabled = history
        .iter()
        .rev()
        .find(|event| matches!(&*event.op, "set" | "append") && event.detail.contains(fragment));
    let detail = Value::from(format!("{value} ({list_name} contains \"{fragment}\")"));
    let (origin, detail) = match enabled {
        Some(event) => (Origin::Statement { file: &event.file, line: event.line }, Some(detail)),
        None => (Origin::engine("add_fragments"), None),
    };
    store.assign(variable, Assignment { value: value.into(), parsing: true, origin, op: "set", detail })
}

impl Run {
    /// The collection that a file belongs to by the layers' BBFILE_PATTERN, as far as the layers are known.
    pub fn layer_of(&self, store: &Store, file: &str) -> Option<String> {
        let collections = store.get_words("BBFILE_COLLECTIONS").ok()?;
        let mut best: Option<(usize, String)> = None;
        for collection in collections {
            let pattern = store.get_str(&format!("BBFILE_PATTERN_{collection}")).ok()?;
            if pattern.is_empty() {
                continue;
            }
            let Ok(regex) = regex::Regex::new(&format!("^(?:{pattern})")) else { continue };
            if let Some(found) = regex.find(file)
                && best.as_ref().is_none_or(|(length, _)| found.end() > *length)
            {
                best = Some((found.end(), collection));
            }
        }
        best.map(|(_, collection)| collection)
    }
}
