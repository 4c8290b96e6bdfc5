//! The functions of `bb`, `os` and a few more modules that expressions call, known by their dotted names.

use std::path::Path;

use super::exec::Machine;
use super::ops::{self, not_native};
use super::text::words;
use super::value::{Key, PyStr, Set, Value};
use super::{Stop, Told, paths};
use crate::data::Level;
use crate::lang::pattern::Pattern;
use crate::lang::python::is_py_space;

/// A function that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Contains,
    ContainsAny,
    Filter,
    FilterString,
    ToBoolean,
    ExplodeDeps,
    Which,
    InheritsClass,
    VarsFromFile,
    PathJoin,
    PathBasename,
    PathDirname,
    PathSplit,
    PathSplitExt,
    PathNormPath,
    PathAbsPath,
    PathRelPath,
    PathRealPath,
    PathExists,
    PathIsFile,
    PathIsDir,
    PathIsLink,
    PathIsAbs,
    GetPid,
    GetUid,
    GetGid,
    GetAffinity,
    ReMatch,
    ReSearch,
    ReSub,
    Quote,
    Debug,
    Note,
    Warn,
    Plain,
}

/// Their dotted names, in the order of the variants.
const TABLE: &[(&str, Function)] = &[
    ("bb.utils.contains", Function::Contains),
    ("bb.utils.contains_any", Function::ContainsAny),
    ("bb.utils.filter", Function::Filter),
    ("bb.utils.filter_string", Function::FilterString),
    ("bb.utils.to_boolean", Function::ToBoolean),
    ("bb.utils.explode_deps", Function::ExplodeDeps),
    ("bb.utils.which", Function::Which),
    ("bb.data.inherits_class", Function::InheritsClass),
    ("bb.parse.vars_from_file", Function::VarsFromFile),
    ("os.path.join", Function::PathJoin),
    ("os.path.basename", Function::PathBasename),
    ("os.path.dirname", Function::PathDirname),
    ("os.path.split", Function::PathSplit),
    ("os.path.splitext", Function::PathSplitExt),
    ("os.path.normpath", Function::PathNormPath),
    ("os.path.abspath", Function::PathAbsPath),
    ("os.path.relpath", Function::PathRelPath),
    ("os.path.realpath", Function::PathRealPath),
    ("os.path.exists", Function::PathExists),
    ("os.path.isfile", Function::PathIsFile),
    ("os.path.isdir", Function::PathIsDir),
    ("os.path.islink", Function::PathIsLink),
    ("os.path.isabs", Function::PathIsAbs),
    ("os.getpid", Function::GetPid),
    ("os.getuid", Function::GetUid),
    ("os.getgid", Function::GetGid),
    ("os.sched_getaffinity", Function::GetAffinity),
    ("re.match", Function::ReMatch),
    ("re.search", Function::ReSearch),
    ("re.sub", Function::ReSub),
    ("urllib.parse.quote", Function::Quote),
    ("bb.debug", Function::Debug),
    ("bb.note", Function::Note),
    ("bb.warn", Function::Warn),
    ("bb.plain", Function::Plain),
];

impl Function {
    pub fn of(dotted: &str) -> Option<Function> {
        TABLE.iter().find(|(name, _)| *name == dotted).map(|(_, function)| *function)
    }

    /// Its dotted name.
    pub fn name(self) -> &'static str {
        TABLE.get(self as usize).map_or("", |(name, _)| name)
    }

    /// Names of its parameters, for calls by keyword.
    pub fn parameters(self) -> &'static [&'static str] {
        use Function as F;
        match self {
            F::Contains | F::ContainsAny => &["variable", "checkvalues", "truevalue", "falsevalue", "d"],
            F::Filter => &["variable", "checkvalues", "d"],
            F::FilterString => &["val", "checkvalues"],
            F::ToBoolean => &["string", "default"],
            F::Which => &["path", "item", "direction", "history", "executable"],
            F::Quote => &["string", "safe"],
            _ => &[],
        }
    }
}

/// Modules that are there without the metadata's doing.
pub(super) fn is_module(name: &str) -> bool {
    let bb = name.strip_prefix("bb").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    bb || matches!(
        name,
        "os" | "os.path" | "sys" | "time" | "re" | "string" | "glob" | "shutil" | "urllib.parse" | "errno"
    )
}

/// Calls `function`.
pub(super) fn call(machine: &Machine<'_>, function: Function, args: &[Value]) -> Told<Value> {
    use Function as F;
    match (function, args) {
        (F::Contains, [variable, wanted, yes, no, Value::Data]) => {
            let value = machine.get_var(variable.text()?, true)?;
            choose(&value, yes, no, |value| check(value, wanted, true))
        }
        (F::ContainsAny, [variable, wanted, yes, no, Value::Data]) => {
            let value = machine.get_var(variable.text()?, true)?;
            choose(&value, yes, no, |value| check(value, wanted, false))
        }
        (F::Filter, [variable, wanted, Value::Data]) => {
            let value = machine.get_var(variable.text()?, true)?;
            filter(&value, wanted)
        }
        (F::FilterString, [value, wanted]) => filter(value, wanted),
        (F::ToBoolean, [value]) => to_boolean(value, &Value::None),
        (F::ToBoolean, [value, default]) => to_boolean(value, default),
        (F::ExplodeDeps, [Value::Str(text)]) => Ok(explode_deps(text)),
        (F::Which, [path, item]) => which(path, item.text()?),
        (F::InheritsClass, [Value::Str(class), Value::Data]) => {
            machine.inherits_class(class).map(Value::Bool)
        }
        (F::VarsFromFile, [file, Value::Data]) => vars_from_file(file),
        (F::GetPid, []) => Ok(Value::Int(i64::from(std::process::id()))),
        (F::GetUid, []) => Ok(Value::Int(i64::from(nix::unistd::getuid().as_raw()))),
        (F::GetGid, []) => Ok(Value::Int(i64::from(nix::unistd::getgid().as_raw()))),
        (F::GetAffinity, [Value::Int(0)]) => affinity(),
        (
            F::ReMatch | F::ReSearch,
            [Value::Str(pattern), Value::Str(text)] | [Value::Str(pattern), Value::Str(text), Value::Int(0)],
        ) => {
            let pattern =
                if function == F::ReMatch { Pattern::matching(pattern) } else { Pattern::searching(pattern) };
            Ok(Value::Opaque(pattern.map_err(|_| Stop::NotNative)?.is_match(text)))
        }
        (F::ReSub, [Value::Str(pattern), Value::Str(new), Value::Str(text)]) => {
            substitute(pattern, new, text)
        }
        // Level 1 is the one that is shown with a single `-D`.
        (F::Debug, [Value::Int(1), Value::Str(text)]) => machine.log(Level::Debug, text),
        (F::Note, [Value::Str(text)]) => machine.log(Level::Note, text),
        (F::Warn, [Value::Str(text)]) => machine.log(Level::Warning, text),
        (F::Plain, [Value::Str(text)]) => machine.log(Level::Plain, text),
        (F::Quote, [Value::Str(text), Value::Str(safe)]) => quote(text, safe),
        (F::Quote, [Value::Str(text)]) => quote(text, "/"),
        (F::PathJoin, [first, rest @ ..]) => {
            let rest =
                rest.iter().map(|part| part.text().map(|text| &**text)).collect::<Told<Vec<&str>>>()?;
            ops::limited(paths::join(first.text()?, &rest))
        }
        (function, [path]) => on_path(function, path.text()?),
        (F::PathRelPath, [path, start]) => {
            paths::relpath(path.text()?, start.text()?).map(Value::str).ok_or(Stop::NotNative)
        }
        _ => not_native(),
    }
}

fn on_path(function: Function, path: &PyStr) -> Told<Value> {
    use Function as F;
    let pair = |(a, b): (&str, &str)| Value::tuple(vec![Value::str(a), Value::str(b)]);
    let file = Path::new(&**path);
    Ok(match function {
        F::PathBasename => ops::part_of(path, paths::split(path).1),
        F::PathDirname => ops::part_of(path, paths::split(path).0),
        F::PathSplit => pair(paths::split(path)),
        F::PathSplitExt => pair(paths::splitext(path)),
        F::PathNormPath => Value::str(paths::normpath(path)),
        F::PathAbsPath => Value::str(paths::abspath(path).ok_or(Stop::NotNative)?),
        F::PathRelPath => Value::str(paths::relpath(path, ".").ok_or(Stop::NotNative)?),
        F::PathRealPath => Value::str(paths::realpath(path).ok_or(Stop::NotNative)?),
        F::PathExists => Value::Bool(file.exists()),
        F::PathIsFile => Value::Bool(file.is_file()),
        F::PathIsDir => Value::Bool(file.is_dir()),
        F::PathIsLink => Value::Bool(file.is_symlink()),
        F::PathIsAbs => Value::Bool(path.starts_with('/')),
        _ => return not_native(),
    })
}

fn choose(value: &Value, yes: &Value, no: &Value, holds: impl FnOnce(&str) -> Told<bool>) -> Told<Value> {
    if !value.truth()? {
        return Ok(no.clone());
    }
    Ok(if holds(value.text()?)? { yes.clone() } else { no.clone() })
}

/// Whether all words of `wanted`, or at least one, are words of `value`.
fn check(value: &str, wanted: &Value, all: bool) -> Told<bool> {
    match wanted {
        Value::Str(wanted) => Ok(decide(words(wanted).map(|word| has_word(value, word)), all)),
        other => {
            // Elements that are no text are never words, but they must be hashable.
            let found = |key: Key| matches!(key, Key::Str(word) if is_word(&word) && has_word(value, &word));
            Ok(decide(ops::keys(other)?.into_iter().map(found), all))
        }
    }
}

fn decide(mut found: impl Iterator<Item = bool>, all: bool) -> bool {
    if all { found.all(|found| found) } else { found.any(|found| found) }
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && !word.contains(is_py_space)
}

/// Whether `word` is one of the words of `text`.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    let finder = memchr::memmem::Finder::new(word);
    finder.find_iter(text.as_bytes()).any(|at| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        before.is_none_or(is_py_space) && after.is_none_or(is_py_space)
    })
}

/// The words that are in both, sorted.
fn filter(value: &Value, wanted: &Value) -> Told<Value> {
    if !value.truth()? {
        return Ok(Value::str(""));
    }
    let value = value.text()?;
    let keys;
    let mut found: Vec<&str> = match wanted {
        Value::Str(wanted) => words(wanted).filter(|word| has_word(value, word)).collect(),
        other => {
            keys = ops::keys(other)?;
            let words = keys.iter().filter_map(|key| match key {
                Key::Str(word) => Some(&**word),
                _ => None,
            });
            words.filter(|word| is_word(word) && has_word(value, word)).collect()
        }
    };
    found.sort_unstable();
    found.dedup();
    Ok(Value::str(found.join(" ")))
}

fn to_boolean(value: &Value, default: &Value) -> Told<Value> {
    if !value.truth()? {
        return Ok(default.clone());
    }
    match value {
        Value::Int(_) | Value::Bool(_) => Ok(Value::Bool(true)),
        Value::Str(text) => match text.to_ascii_lowercase().as_str() {
            "y" | "yes" | "1" | "true" => Ok(Value::Bool(true)),
            "n" | "no" | "0" | "false" => Ok(Value::Bool(false)),
            _ => not_native(),
        },
        _ => not_native(),
    }
}

/// The words that aren't in parentheses.
fn explode_deps(text: &str) -> Value {
    let mut inside = false;
    let mut found = Vec::new();
    for word in words(text) {
        inside |= word.starts_with('(');
        if !inside {
            found.push(word);
        } else if word.ends_with(')') {
            inside = false;
        }
    }
    ops::texts(found)
}

fn which(path: &Value, item: &str) -> Told<Value> {
    let dirs = match path {
        Value::Str(text) => &**text,
        other if !other.truth()? => "",
        _ => return not_native(),
    };
    for dir in dirs.split(':') {
        let candidate = paths::join(dir, &[item]);
        if Path::new(&candidate).exists() {
            let found = if candidate.starts_with('/') { Some(candidate) } else { paths::abspath(&candidate) };
            return found.map(Value::str).ok_or(Stop::NotNative);
        }
    }
    Ok(Value::str(""))
}

/// `re.sub(pattern, new, text)` for a pattern that is one set of plain characters, repeated or not.
fn substitute(pattern: &str, new: &str, text: &str) -> Told<Value> {
    let inner = pattern.strip_prefix('[').ok_or(Stop::NotNative)?;
    let (set, repeated) = match inner.strip_suffix("]+") {
        Some(set) => (set, true),
        None => (inner.strip_suffix(']').ok_or(Stop::NotNative)?, false),
    };
    // Ranges, classes and complements are left to CPython; a hyphen in front stands for itself.
    let plain = |set: &str| !set.contains(['[', ']', '\\', '^', '-', '&', '~', '|']);
    if set.is_empty() || !plain(set.strip_prefix('-').unwrap_or(set)) || new.contains('\\') {
        return not_native();
    }
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        let found = set.contains(c);
        if !found {
            out.push(c);
        } else if !(repeated && inside) {
            out.push_str(new);
        }
        inside = found;
    }
    ops::limited(out)
}

/// Name, version and revision by a recipe's file name.
fn vars_from_file(file: &Value) -> Told<Value> {
    let name = match file {
        Value::Str(name) if name.ends_with(".bb") || name.ends_with(".bbappend") => name,
        Value::Str(_) => return Ok(Value::tuple(vec![Value::None, Value::None, Value::None])),
        other if !other.truth()? => return Ok(Value::tuple(vec![Value::None, Value::None, Value::None])),
        _ => return not_native(),
    };
    let (stem, _) = paths::splitext(paths::split(name).1);
    let mut parts: Vec<Value> = stem.split('_').map(Value::str).collect();
    if parts.len() > 3 {
        return not_native();
    }
    parts.resize(3, Value::None);
    Ok(Value::list(parts))
}

/// `os.sched_getaffinity(0)`: the processors this process may use. The kernel leaves out those that are not online.
fn affinity() -> Told<Value> {
    let status = std::fs::read_to_string("/proc/thread-self/status").map_err(|_| Stop::NotNative)?;
    let allowed =
        status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).ok_or(Stop::NotNative)?;
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").map_err(|_| Stop::NotNative)?;
    let (allowed, online) = (cpu_list(allowed)?, cpu_list(&online)?);
    Ok(Value::set(Set::new(allowed.intersection(&online).map(|&n| Key::Int(i64::from(n))).collect())))
}

/// The kernel's notation for a set of processors: `0-3,8`.
fn cpu_list(text: &str) -> Told<rustc_hash::FxHashSet<u16>> {
    let mut found = rustc_hash::FxHashSet::default();
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let parse = |text: &str| text.parse::<u16>().map_err(|_| Stop::NotNative);
        found.extend(parse(first)?..=parse(last)?);
    }
    Ok(found)
}

/// `urllib.parse.quote(text, safe=safe)`.
fn quote(text: &str, safe: &str) -> Told<Value> {
    if !safe.is_ascii() {
        return not_native();
    }
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'.' | b'-' | b'~')
            || safe.as_bytes().contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    ops::limited(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        for (n, (name, function)) in TABLE.iter().enumerate() {
            assert_eq!((*function as usize, function.name()), (n, *name));
        }
    }

    #[test]
    fn words_are_found_whole() {
        for (text, word, found) in [
            ("a b c", "b", true),
            ("ab bc", "b", false),
            ("b", "b", true),
            ("bb\tb", "b", true),
            ("x\u{a0}b", "b", true),
            ("éb", "b", false),
            ("aa", "a", false),
            ("aba", "aba", true),
            ("ababa aba", "aba", true),
        ] {
            assert_eq!(has_word(text, word), found, "{word} in {text}");
        }
    }

    #[test]
    fn parentheses_are_dropped_from_dependencies() {
        let Value::List(list) = explode_deps("a (>= 1) b (x) c (= y z) d") else { panic!() };
        let names: Vec<String> =
            list.borrow().iter().filter_map(|v| v.as_str().map(|s| s.to_string())).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
    }
}
