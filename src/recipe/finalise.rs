//! The last steps of reading a recipe, and its variants (BitBake manual, "Class Extension Mechanism").

use std::rc::Rc;

use super::run::Run;
use super::tasks::{TaskTable, task_table};
use super::{evaluate, inherit};
use crate::data::{DataError, Host, Level, Object, Origin, Store, Value};

/// The task table as the store keeps it, in the variable `_task_deps`.
#[derive(Clone, Default)]
pub struct StoredTable(pub TaskTable);

impl Object for StoredTable {
    fn text(&self) -> String {
        let texts = |items: &[String]| {
            format!("[{}]", items.iter().map(|i| crate::data::repr_str(i)).collect::<Vec<_>>().join(", "))
        };
        let mut parts = vec![format!("'tasks': {}", texts(&self.0.tasks))];
        let parents: Vec<String> = self
            .0
            .parents
            .iter()
            .map(|(task, parents)| format!("{}: {}", crate::data::repr_str(task), texts(parents)))
            .collect();
        parts.push(format!("'parents': {{{}}}", parents.join(", ")));
        for (flag, column) in &self.0.flags {
            let items: Vec<String> = column
                .iter()
                .map(|(task, value)| {
                    format!("{}: {}", crate::data::repr_str(task), crate::data::repr_str(value))
                })
                .collect();
            parts.push(format!("'{flag}': {{{}}}", items.join(", ")));
        }
        format!("{{{}}}", parts.join(", "))
    }

    fn truth(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
        self
    }
}

/// Finishes one recipe or variant: deferred classes, key expansion, anonymous functions, task table, hashes, with the events between.
pub fn finalise(run: &Run, file: &str, store: &Store, variant: &str) -> Result<(), DataError> {
    let handlers = run.saved_handlers();
    let result = finalise_steps(run, file, store, variant);
    run.restore_handlers(handlers);
    result
}

fn finalise_steps(run: &Run, file: &str, store: &Store, variant: &str) -> Result<(), DataError> {
    if store.get_raw("_FAILPARSINGERRORHANDLED")? == Some(Value::Bool(true)) {
        return Err(DataError::Handled);
    }
    let file_argument = || Value::str(file);
    let classes = Value::List(Rc::new(inherit::deferred_classes(store)?));
    run.fire(store, "RecipePreDeferredInherits", vec![file_argument(), classes])?;
    while let Some((classes, from, line)) = inherit::next_deferred(store)? {
        run.inherit(store, &classes, &from, line, true)?;
    }
    run.register_handlers(store)?;
    run.fire(store, "RecipePreFinalise", vec![file_argument()])?;
    store.expand_keys()?;
    run.fire(store, "RecipePostKeyExpansion", vec![file_argument()])?;

    let anonymous = store.get_raw("__BBANONFUNCS")?.map(|names| names.strings()).unwrap_or_default();
    run.python.call(store, &anonymous)?;

    let tasks = store.get_raw("__BBTASKS")?.map(|names| names.strings()).unwrap_or_default();
    let list = Value::list(tasks.iter().map(String::as_str));
    run.fire(store, "RecipeTaskPreProcess", vec![file_argument(), list])?;
    // A handler may have added tasks to the recipe; BitBake's own list object was copied for the event.
    map_virtual_providers(run, store, &tasks)?;
    let table = task_table(store, &tasks)?;
    store.set_engine("_task_deps", Value::Object(Rc::new(StoredTable(table))), "finalise")?;

    run.sign(&virtual_name(file, variant, &store.get_str("__BBMULTICONFIG")?), store)?;

    store.set_engine("BBINCLUDED", run.included(store), "finalise")?;
    let seen = |name: &str| store.get_var(name).map(|value| value.is_some_and(|value| value.truth()));
    if seen("__BBAUTOREV_SEEN")? && seen("__BBSRCREV_SEEN")? && !seen("__BBAUTOREV_ACTED_UPON")? {
        run.python.log(
            Level::Error,
            "AUTOREV/SRCPV set too late for the fetcher to work properly, please set the variables earlier in parsing. \
             Erroring instead of later obtuse build failures.",
        );
        return Err(DataError::Handled);
    }
    run.fire(store, "RecipeParsed", vec![file_argument()])
}

/// The name of a variant of a file in a multiconfig: `mc:NAME:virtual:VARIANT:FILE`.
pub fn virtual_name(file: &str, variant: &str, mc: &str) -> String {
    let mut name = if variant.is_empty() { file.to_owned() } else { format!("virtual:{variant}:{file}") };
    if !mc.is_empty() {
        name = format!("mc:{mc}:{name}");
    }
    name
}

/// Replaces what BB_RECIPE_VIRTUAL_PROVIDERS lists in DEPENDS and in the tasks' `depends` flags. Both are always written anew.
fn map_virtual_providers(run: &Run, store: &Store, tasks: &[String]) -> Result<(), DataError> {
    let engine = Origin::engine("map_virtual_providers");
    let mapped = store.get_words("BB_RECIPE_VIRTUAL_PROVIDERS")?;
    let provider = |name: &str| store.get_var(&format!("PREFERRED_PROVIDER_{name}"));
    let mut depends = Vec::new();
    for word in store.get_words("DEPENDS")? {
        if !mapped.contains(&word) {
            depends.push(word);
            continue;
        }
        match provider(&word)?.filter(Value::truth) {
            Some(provider) => depends.push(provider.to_text()),
            None => {
                run.python.log(
                    Level::Error,
                    &format!("Error, recipe virtual provider PREFERRED_PROVIDER_{word} not set"),
                );
                return Err(DataError::Handled);
            }
        }
    }
    store.set_var("DEPENDS", Value::from(depends.join(" ")), engine)?;
    for task in tasks {
        let mut words = Vec::new();
        for word in store.get_flag_str(task, "depends")?.split_whitespace() {
            let parts: Vec<&str> = word.split(':').collect();
            let [recipe, of] = parts[..] else {
                let message = format!("Error, incorrect format for task dependency (task '{task}'): {word}");
                run.python.log(Level::Error, &message);
                return Err(DataError::Handled);
            };
            if mapped.iter().any(|word| word == recipe) {
                let provider = provider(recipe)?.map_or_else(|| "None".into(), |value| value.to_text());
                words.push(format!("{provider}:{of}"));
            } else {
                words.push(format!("{recipe}:{of}"));
            }
        }
        store.set_flag(task, "depends", Value::from(words.join(" ")), engine)?;
    }
    Ok(())
}

/// Reads the appends and finishes a recipe and all its variants: the name of each ("" for the recipe itself) and its store.
pub(super) fn finalise_variants(
    run: &Run,
    file: &str,
    read: &Store,
) -> Result<Vec<(String, Store)>, DataError> {
    for path in read.get_words("__BBAPPEND")? {
        evaluate::append(run, &path, read)?;
    }
    // The one variant that is wanted, where only one is.
    let only = read.get_raw("__ONLYFINALISE")?.filter(Value::truth).map(|only| only.to_text());
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only.contains(name));

    let main = read.copy();
    finalise_or_skip(run, file, &main, "")?;

    let mut variants: Vec<(String, Store)> = Vec::new();
    let extended = main.get_str("BBCLASSEXTEND")?;
    if !extended.is_empty() {
        let name = main.get_str("PN")?;
        // BitBake's finished recipe still sees what is set below it here.
        let own = main.local_keys().iter().any(|name| &**name == "BBCLASSEXTEND");
        for store in [read, &main].into_iter().take(if own { 1 } else { 2 }) {
            store.set_engine("BBCLASSEXTEND", &*extended, "finalise_variants")?;
        }
        let mut words: Vec<&str> = Vec::new();
        for word in extended.split_whitespace() {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        for word in words.into_iter().filter(|word| wanted(word)) {
            let variant = read.copy();
            extend(&variant, word, &name, file)?;
            variants.push((word.to_owned(), variant));
        }
    }
    for (variant, store) in &variants {
        finalise_or_skip(run, file, store, variant)?;
    }
    let mut all = vec![(String::new(), main)];
    all.extend(variants);
    Ok(all)
}

/// Turns a copy of a recipe into the variant that a word of BBCLASSEXTEND asks for.
fn extend(store: &Store, word: &str, name: &str, file: &str) -> Result<(), DataError> {
    let mut parts = word.splitn(3, ':');
    let class = parts.next().unwrap_or_default();
    match parts.next() {
        Some(argument) => {
            store.set_engine("BBEXTENDCURR", class, "extend")?;
            store.set_engine("BBEXTENDVARIANT", argument, "extend")?;
        }
        None => store.set_engine("PN", format!("{name}-{word}"), "extend")?,
    }
    inherit::defer(store, class, file, 0)
}

fn finalise_or_skip(run: &Run, file: &str, store: &Store, variant: &str) -> Result<(), DataError> {
    match finalise(run, file, store, variant) {
        Err(DataError::Skip(reason)) => store.set_engine("__SKIPPED", reason, "finalise"),
        other => other,
    }
}
