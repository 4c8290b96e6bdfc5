//! Setting and reading variables: each line is `NAME=text` or `NAME[flag]=text`; all names are read in every way.

#![no_main]

use std::rc::Rc;

use rbake::data::{Level, Origin, Value};
use rbake::python::scope::{Python, Sink};
use rbake::recipe::Run;

struct Silent;

impl Sink for Silent {
    fn message(&self, _: Level, _: &str) {}
}

/// Few lines with few references each: what refers to what eight times over grows with a power of eight, which is the text's doing
/// and nothing to find.
const MOST_LINES: usize = 5;
const MOST_REFERENCES: usize = 8;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.len() > 600 || text.lines().count() > MOST_LINES {
        return;
    }
    let run = Run::new(Python::new(Rc::new(Silent)));
    let store = run.store();
    let mut names = Vec::new();
    for line in text.lines() {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        if value.matches("${").count() > MOST_REFERENCES {
            return;
        }
        let done = match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
            Some((name, flag)) => {
                names.push((name, flag));
                store.set_flag(name, flag, Value::str(value), Origin::Hidden)
            }
            None => {
                names.push((name, ""));
                store.parse_var(name, Value::str(value), Origin::Hidden)
            }
        };
        // Names in the syntax before version 2.0 are refused.
        let _ = done;
    }
    let _ = store.expand_keys();
    for (name, flag) in &names {
        let raw = store.get_raw(name);
        let value = store.get_var(name);
        if let (Ok(Some(Value::Str(raw))), Ok(Some(Value::Str(value)))) = (&raw, &value)
            && !raw.contains("${")
            && store.find(name).is_some_and(|var| var.remove.is_empty() && var.overrides.is_empty())
        {
            assert_eq!(raw.as_str(), value.as_str(), "without references the value is the text");
        }
        let again = store.get_var(name);
        assert_eq!(value.is_ok(), again.is_ok(), "reading changes nothing");
        let _ = store.get_flag(name, flag);
        let _ = store.read_parsed(name);
        let _ = store.variable_text(name, true);
    }
    let copy = store.copy();
    let keys = |store: &rbake::data::Store| {
        store.keys().ok().map(|mut keys| {
            keys.sort();
            keys
        })
    };
    // OVERRIDES of the copy is expanded anew, which may need Python.
    if let (Some(keys), Some(copied)) = (keys(&store), keys(&copy)) {
        assert_eq!(keys, copied, "a copy has the same names");
    }
});
