//! Carrying out statements on a store.

use std::rc::Rc;

use super::run::{Run, dirname, join};
use super::tasks;
use crate::data::{Assignment, DataError, Host, Level, Origin, Read, Store, Value};
use crate::lang::lines::FileKind;
use crate::lang::statement::{Located, Operator, Statement};

/// First line of the bodies that `EXPORT_FUNCTIONS` makes. It is hashed with them, so it is BitBake's own.
const EXPORT_MARK: &str = "    # Export function set\n";

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As a file of its own: a recipe is finalised afterwards.
    Top,
    /// As part of another.
    Include,
    /// As part of the configuration stage: `addpylib` is allowed.
    BaseConfig,
}

/// Reads a file into a store (`bb.parse.handle`) and gives the finished variants of a recipe: the name of each ("" for the recipe
/// itself) and its store. Other files give the store itself.
pub fn handle(run: &Run, path: &str, store: &Store, mode: Mode) -> Result<Vec<(String, Store)>, DataError> {
    let kind = match FileKind::of(path) {
        Some(FileKind::Config { .. }) => FileKind::Config { base: mode == Mode::BaseConfig },
        Some(FileKind::Recipe) => FileKind::Recipe,
        // BitBake reads appends only through the recipe handler itself.
        None if path.ends_with(".bbappend") && mode == Mode::Include => FileKind::Recipe,
        None => {
            return Err(DataError::Parse {
                file: path.into(),
                line: 0,
                message: "not a BitBake file".into(),
            });
        }
    };
    let Some(_depth) = run.enter_file() else {
        return Err(DataError::raised(
            "RecursionError",
            format!("maximum recursion depth exceeded: files include each other, down to {path}"),
        ));
    };
    store.includes(|tree| tree.enter(path));
    let result = match kind {
        FileKind::Config { .. } => handle_config(run, path, store, mode, kind),
        FileKind::Recipe => handle_recipe(run, path, store, mode),
    };
    store.includes(|tree| tree.leave());
    result
}

fn own_file(store: &Store) -> Result<Option<Value>, DataError> {
    store.get_raw("FILE")
}

fn handle_config(
    run: &Run,
    path: &str,
    store: &Store,
    mode: Mode,
    kind: FileKind,
) -> Result<Vec<(String, Store)>, DataError> {
    let old = if mode == Mode::Top { None } else { own_file(store)? };
    let absolute = run.resolve_file(store, path)?;
    let file = run.statements(&absolute, &absolute, kind)?;
    store.set_engine("FILE", &*absolute, "handle_config")?;
    evaluate(run, &file.statements, &Rc::from(&*absolute), store)?;
    if let Some(old) = old.filter(Value::truth) {
        store.set_engine("FILE", old, "handle_config")?;
    }
    Ok(vec![(String::new(), store.clone())])
}

fn handle_recipe(
    run: &Run,
    path: &str,
    store: &Store,
    mode: Mode,
) -> Result<Vec<(String, Store)>, DataError> {
    let is_class = path.ends_with(".bbclass");
    if is_class {
        super::inherit::note_inherited(store, path)?;
    }
    let old = if mode == Mode::Top { None } else { own_file(store)? };
    let absolute = run.resolve_file(store, path)?;
    let file = run.statements(&absolute, path, FileKind::Recipe)?;
    let files = run.count_file();
    let is_old = |old: &Option<Value>| old.as_ref().and_then(Value::as_str) == Some(&*absolute);
    if !is_class && !is_old(&old) {
        store.set_engine("FILE", &*absolute, "handle_recipe")?;
    }
    match evaluate(run, &file.statements, &Rc::from(path), store) {
        Err(DataError::Skip(_)) => {
            store.set_engine("__SKIPPED", Value::Bool(true), "handle_recipe")?;
            if mode == Mode::Top {
                return Ok(vec![(String::new(), store.clone())]);
            }
        }
        other => other?,
    }
    if let Some(error) = file.unclosed.clone().filter(|_| run.files() == files) {
        return Err(run.syntax_error(path, error));
    }
    if is_class {
        return Ok(vec![(String::new(), store.clone())]);
    }
    if mode == Mode::Top {
        return super::finalise::finalise_variants(run, path, store);
    }
    if let Some(old) = old.filter(|old| old.truth() && old.as_str() != Some(&*absolute)) {
        store.set_engine("FILE", old, "handle_recipe")?;
    }
    Ok(vec![(String::new(), store.clone())])
}

/// Reads a `.bbappend` as part of a recipe.
pub(super) fn append(run: &Run, path: &str, store: &Store) -> Result<(), DataError> {
    handle_recipe(run, path, store, Mode::Include).map(drop)
}

impl Run {
    /// Finds a file that is to be read, along BBPATH if it is relative, and records it.
    pub fn resolve_file(&self, store: &Store, file: &str) -> Result<String, DataError> {
        let missing =
            |message: String| DataError::raised("FileNotFoundError", format!("[Errno 2] {message}"));
        let path = if file.starts_with('/') {
            self.mark_dependency(store, file);
            file.to_owned()
        } else {
            let path = store.get_str("BBPATH")?;
            let (found, tried) = self.which(&path, file);
            for place in &tried {
                self.mark_dependency(store, place);
            }
            found.ok_or_else(|| missing(format!("file {file} not found in {path}")))?
        };
        if !std::path::Path::new(&path).is_file() {
            return Err(missing(format!("file {path} not found")));
        }
        Ok(path)
    }

    /// Carries out `include` or `require` of a list of files. `verb` completes "Could not … file" where a missing one is an error.
    pub fn include(
        &self,
        store: &Store,
        parent: &str,
        files: &str,
        line: u32,
        verb: Option<&str>,
    ) -> Result<(), DataError> {
        let files = store.expand(files, None)?;
        let parent = store.expand(parent, None)?;
        for file in files.split_whitespace() {
            self.include_one(store, &parent, file, line, verb)?;
        }
        Ok(())
    }

    fn include_one(
        &self,
        store: &Store,
        parent: &str,
        file: &str,
        line: u32,
        verb: Option<&str>,
    ) -> Result<(), DataError> {
        if parent == file {
            return Ok(());
        }
        let duplicate = |path: &str| -> Result<(), DataError> {
            if self.is_dependency(store, path) {
                let own = own_file(store)?.map(|file| file.to_text()).unwrap_or_default();
                self.python.log(Level::Warning, &format!("Duplicate inclusion for {path} in {own}"));
            }
            Ok(())
        };
        let mut path = file.to_owned();
        if file.starts_with('/') {
            duplicate(file)?;
        } else {
            let bbpath = store.get_var("BBPATH")?.map_or_else(|| "None".into(), |path| path.to_text());
            let (found, tried) = self.which(&format!("{}:{bbpath}", dirname(parent)), file);
            if let Some(found) = &found {
                duplicate(found)?;
            }
            for place in &tried {
                self.mark_dependency(store, place);
            }
            path = found.unwrap_or(path);
        }
        let Err(error) = handle(self, &path, store, Mode::Include) else { return Ok(()) };
        let DataError::Raised { class, message, .. } = &error else { return Err(error) };
        let parse_error = |message: String| DataError::Parse { file: parent.into(), line, message };
        match class.as_str() {
            "FileNotFoundError" => match verb {
                Some(verb) => Err(parse_error(format!("Could not {verb} file {path}"))),
                None => Ok(()),
            },
            "PermissionError" | "IsADirectoryError" | "OSError" => {
                let reason = message.split(" (os error").next().unwrap_or(message);
                Err(parse_error(match verb {
                    Some(verb) => format!("Could not {verb} file {path}: {reason}"),
                    None => format!("Error parsing {path}: {reason}"),
                }))
            }
            _ => Err(error),
        }
    }
}

/// Carries out a file's statements in order.
fn evaluate(run: &Run, statements: &[Located], file: &Rc<str>, store: &Store) -> Result<(), DataError> {
    statements.iter().try_for_each(|located| statement(run, located, file, store))
}

fn statement(run: &Run, located: &Located, file: &Rc<str>, store: &Store) -> Result<(), DataError> {
    let line = located.line;
    let origin = Origin::Statement { file, line };
    match &located.statement {
        Statement::Assign { export, name, flag, operator, value } => {
            if *export {
                store.assign_flag(name, "export", Value::Int(1), origin, "exported", None)?;
            }
            assign(store, name, flag.as_deref(), *operator, value, origin)
        }
        Statement::Include { files, required } => {
            let expanded = store.expand(files, None)?;
            run.include(store, file, &expanded, line, required.then_some("include required"))
        }
        Statement::IncludeAll(name) => {
            let name = store.expand(name, None)?;
            for dir in store.get_str("BBPATH")?.split(':') {
                run.include(store, file, &join(dir, &name), line, None)?;
            }
            Ok(())
        }
        Statement::Export(name) => store.assign_flag(name, "export", Value::Int(1), origin, "exported", None),
        Statement::Unset(name) => {
            store.del_var(name, origin);
            Ok(())
        }
        Statement::UnsetFlag(name, flag) => {
            store.del_flag(name, flag, origin);
            Ok(())
        }
        Statement::AddPyLib { dir, namespace } => {
            let modules = store.get_words("BB_GLOBAL_PYMODULES")?;
            run.python.add_library(&modules, &store.expand(dir, None)?, namespace)
        }
        Statement::AddFragments { prefix, fragments, flagged, builtin } => {
            super::fragments::add(run, store, file, line, [prefix, fragments, flagged, builtin])
        }
        Statement::Function { name, python, fakeroot, body, header } => {
            function(run, store, file, located.line, name.as_ref(), *python, *fakeroot, body, *header)
        }
        Statement::Def { name, text, before } => {
            run.python.define(name, text, file, *before)?;
            let engine = Origin::engine("def");
            store.set_flag(name, "func", Value::Int(1), engine)?;
            store.set_flag(name, "python", Value::Int(1), engine)?;
            store.parse_var(name, Value::Str(text.clone()), engine)?;
            store.set_flag(name, "filename", Value::str(&**file), engine)?;
            store.set_flag(name, "lineno", Value::from(before.to_string()), engine)
        }
        Statement::ExportFunctions { names, class } => {
            names.iter().try_for_each(|name| export_function(run, store, name, class))
        }
        Statement::AddTask { names, before, after } => {
            let before: Vec<String> = before.iter().map(|name| name.to_string()).collect();
            let after: Vec<String> = after.iter().map(|name| name.to_string()).collect();
            names.iter().try_for_each(|name| tasks::add_task(store, name, &before, &after))
        }
        Statement::DelTask(names) => {
            let names = store.expand(names, None)?;
            names.split_whitespace().try_for_each(|name| tasks::delete_task(store, name))
        }
        Statement::AddHandler(names) => {
            let mut known = store
                .get_raw("__BBHANDLERS")?
                .and_then(|value| value.as_list().map(<[Value]>::to_vec))
                .unwrap_or_default();
            for name in names {
                known.push(Value::str(&**name));
                store.set_flag(name, "handler", Value::Int(1), Origin::engine("addhandler"))?;
            }
            store.set_engine("__BBHANDLERS", Value::List(Rc::new(known)), "addhandler")
        }
        Statement::Inherit(classes) => run.inherit(store, classes, file, line, false),
        Statement::InheritDefer(classes) => super::inherit::defer(store, classes, file, line),
    }
}

fn assign(
    store: &Store,
    name: &str,
    flag: Option<&str>,
    operator: Operator,
    value: &crate::data::Text,
    origin: Origin<'_>,
) -> Result<(), DataError> {
    let old = || match flag {
        Some(flag) => store.read_flag(name, flag, Read { expand: false, no_weak: true, parsing: false }),
        None => store.read_var(name, Read::PARSING).map(|(value, _)| value),
    };
    let old_text = || -> Result<String, DataError> {
        Ok(old()?.filter(Value::truth).map(|value| value.to_text()).unwrap_or_default())
    };
    let (new, op) = match operator {
        Operator::Set | Operator::WeakDefault => (Value::Str(value.clone()), "set"),
        Operator::Default => {
            let old = old()?.filter(|old| *old != Value::None);
            (old.unwrap_or_else(|| Value::Str(value.clone())), "set?")
        }
        Operator::Immediate => {
            // In a copy, so that what the value's expressions do to the store is undone.
            let text = if value.contains("${") {
                store.copy().expand(value, Some(&format!("{name}[:=]")))?
            } else {
                value.to_string()
            };
            (Value::from(text), "immediate")
        }
        Operator::Append => (Value::from(format!("{} {value}", old_text()?)), "append"),
        Operator::Prepend => (Value::from(format!("{value} {}", old_text()?)), "prepend"),
        Operator::AppendPlain => (Value::from(format!("{}{value}", old_text()?)), "postdot"),
        Operator::PrependPlain => (Value::from(format!("{value}{}", old_text()?)), "predot"),
    };
    if matches!(op, "append" | "prepend" | "postdot" | "predot")
        && [":append", ":remove", ":prepend"].iter().any(|keyword| name.contains(keyword))
    {
        store.log(
            Level::Warning,
            &format!(
                "{name} {} is not a recommended operator combination, please replace it.",
                operator.symbol()
            ),
        );
    }
    let detail = Value::Str(value.clone());
    match (flag, operator) {
        (Some(flag), Operator::WeakDefault) => {
            store.assign_flag(name, &format!("_defaultval_flag_{flag}"), new, origin, op, Some(&detail))
        }
        (Some(flag), _) => store.assign_flag(name, flag, new, origin, op, Some(&detail)),
        (None, Operator::WeakDefault) => {
            store.assign_flag(name, "_defaultval", new, origin, op, Some(&detail))
        }
        (None, _) => {
            store.assign(name, Assignment { value: new, parsing: true, origin, op, detail: Some(detail) })
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "the parts of one statement")]
fn function(
    run: &Run,
    store: &Store,
    file: &Rc<str>,
    line: u32,
    name: Option<&Rc<str>>,
    python: bool,
    fakeroot: bool,
    body: &crate::data::Text,
    header: u32,
) -> Result<(), DataError> {
    let engine = Origin::engine("function");
    let (name, text, python) = match name {
        Some(name) => (name.clone(), body.clone(), python),
        None => {
            let name: Rc<str> = anonymous_name(file, line).into();
            let text = format!("def {name}(d):\n{body}");
            run.python.define(&name, &text, file, header - 1)?;
            let mut known = store
                .get_raw("__BBANONFUNCS")?
                .and_then(|value| value.as_list().map(<[Value]>::to_vec))
                .unwrap_or_default();
            known.push(Value::str(&*name));
            store.set_var("__BBANONFUNCS", Value::List(Rc::new(known)), engine)?;
            (name, text.into(), true)
        }
    };
    if store.get_raw(&name)?.is_some_and(|old| old.truth()) {
        store.del_flag(&name, "python", engine);
        store.del_flag(&name, "fakeroot", engine);
    }
    if python {
        store.set_flag(&name, "python", "1".into(), engine)?;
    }
    if fakeroot {
        store.set_flag(&name, "fakeroot", "1".into(), engine)?;
    }
    store.set_flag(&name, "func", Value::Int(1), engine)?;
    store.parse_var(&name, Value::Str(text), engine)?;
    store.set_flag(&name, "filename", Value::str(&**file), engine)?;
    store.set_flag(&name, "lineno", Value::from(header.to_string()), engine)
}

/// The name BitBake gives an anonymous function: it appears in error messages.
fn anonymous_name(file: &str, line: u32) -> String {
    let safe = |c: char| if "/.+-@%&~".contains(c) { '_' } else { c };
    format!("__anon_{line}_{}", file.chars().map(safe).collect::<String>())
}

/// Makes `function` call the class's own one, unless the recipe has its own (BitBake manual, "Flexible Inheritance for Class
/// Functions").
fn export_function(run: &Run, store: &Store, function: &str, class: &str) -> Result<(), DataError> {
    let engine = Origin::engine("export_function");
    let called = format!("{class}_{function}");
    let old = store.get_raw(function)?.filter(Value::truth);
    if let Some(old) = &old {
        if !old.to_text().contains(EXPORT_MARK) {
            return Ok(());
        }
        store.set_flag(function, "python", Value::None, engine)?;
        store.set_flag(function, "func", Value::None, engine)?;
    }
    for flag in ["func", "python"] {
        if let Some(value) = store.get_flag_raw(&called, flag)?.filter(Value::truth) {
            store.set_flag(function, flag, value, engine)?;
        }
    }
    for flag in ["dirs", "cleandirs", "fakeroot"] {
        if let Some(value) = store.get_flag_raw(function, flag)?.filter(Value::truth) {
            store.set_flag(&called, flag, value, engine)?;
        }
    }
    store.set_flag(function, "filename", "autogenerated".into(), engine)?;
    store.set_flag(function, "lineno", Value::Int(1), engine)?;
    let body = if store.get_flag_raw(&called, "python")?.is_some_and(|python| python.truth()) {
        format!("{EXPORT_MARK}    bb.build.exec_func('{called}', d)\n")
    } else {
        if class.contains('-') {
            run.python.log(
                Level::Error,
                &format!(
                    "The classname {class} contains a dash character and is calling an sh function {called} using \
                     EXPORT_FUNCTIONS. Since a dash is illegal in sh function names, this cannot work, please rename the class \
                     or don't use EXPORT_FUNCTIONS."
                ),
            );
            return Err(DataError::Handled);
        }
        format!("{EXPORT_MARK}    {called}\n")
    };
    store.parse_var(function, Value::from(body), engine)
}
