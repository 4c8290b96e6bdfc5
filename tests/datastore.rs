//! The golden cases of the language and the datastore (tests/data/datastore.json), run on the engine without an interpreter.
//!
//! The cases that need Python are run once more, with all others, through the `bb` package (tests/conformance/golden.py).

use std::cell::RefCell;
use std::rc::Rc;

use rbake::data::{DataError, Level, Origin, Store, Value};
use rbake::python::scope::{Python, Sink};
use rbake::recipe::{Mode, Run, handle};
use serde_json::Value as Json;

#[derive(Default)]
struct Log(RefCell<Vec<(Level, String)>>);

impl Sink for Log {
    fn message(&self, level: Level, text: &str) {
        self.0.borrow_mut().push((level, text.to_owned()));
    }
}

/// Cases that only CPython can run: expressions beyond the native evaluator, `def`s and anonymous functions.
const MOST_THAT_NEED_PYTHON: usize = 16;

#[test]
fn golden_cases() {
    let text = include_str!("data/datastore.json");
    let data: Json = serde_json::from_str(text).unwrap();
    let cases = data["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 126);
    let mut needed_python = Vec::new();
    let mut wrong = Vec::new();
    for case in cases {
        let name = case["name"].as_str().unwrap();
        match run(case) {
            Ok(()) => {}
            Err(Outcome::NeedsPython) => needed_python.push(name),
            Err(Outcome::Wrong(what)) => wrong.push(format!("{name}: {what}")),
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    println!("{} cases need Python: {needed_python:?}", needed_python.len());
    assert!(needed_python.len() <= MOST_THAT_NEED_PYTHON, "too many need Python: {needed_python:?}");
}

enum Outcome {
    NeedsPython,
    Wrong(String),
}

fn run(case: &Json) -> Result<(), Outcome> {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_str().unwrap();
    let input = case["input"].as_str().unwrap();
    std::fs::write(dir.path().join("t.bb"), input).unwrap();
    let log = Rc::new(Log::default());
    let python = Python::new(log.clone());
    let run = Run::new(python);
    let store = run.store();
    if let Some(overrides) = case["overrides"].as_str() {
        store.set_var("OVERRIDES", overrides.into(), Origin::Hidden).unwrap();
    }
    let path = format!("{root}/t.bb");
    let expect = &case["expect"];
    let neutral = |text: &str| text.replace(root, "");
    let stores = match handle(&run, &path, &store, Mode::Top) {
        Ok(stores) => stores,
        Err(error) => return check_error(&error, &expect["error"], &neutral),
    };
    if !expect["error"].is_null() {
        return Err(Outcome::Wrong(format!("no error, but {} was expected", expect["error"])));
    }
    let d = &stores.iter().find(|(name, _)| name.is_empty()).unwrap().1;
    for (name, expected) in expect["vars"].as_object().unwrap() {
        let value = match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
            Some((name, flag)) => d.get_flag(name, flag),
            None => d.get_var(name),
        };
        match value {
            Ok(value) => compare(name, &json(value.as_ref()), expected)?,
            Err(error) => check_error(&error, &expected["error"], &neutral)?,
        }
    }
    let calls = case["calls"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (call, expected) in calls.iter().zip(expect["calls"].as_array().unwrap_or(&Vec::new())) {
        if let Some(value) = perform(d, call).map_err(|error| fail(&error))? {
            compare(&call.to_string(), &value, expected)?;
        }
    }
    if let Some(expected) = expect["log"].as_array() {
        let said: Vec<Json> = log
            .0
            .borrow()
            .iter()
            .map(|(level, text)| serde_json::json!([level.label(), neutral(text)]))
            .collect();
        compare("log", &Json::Array(said), &Json::Array(expected.clone()))?;
    }
    Ok(())
}

fn fail(error: &DataError) -> Outcome {
    match error {
        DataError::NeedsPython(_) => Outcome::NeedsPython,
        error => Outcome::Wrong(error.to_string()),
    }
}

fn compare(what: &str, got: &Json, expected: &Json) -> Result<(), Outcome> {
    if got == expected { Ok(()) } else { Err(Outcome::Wrong(format!("{what}: {got} instead of {expected}"))) }
}

fn check_error(error: &DataError, expected: &Json, neutral: &dyn Fn(&str) -> String) -> Result<(), Outcome> {
    if let DataError::NeedsPython(_) = error {
        return Err(Outcome::NeedsPython);
    }
    let (class, text) = error.class_and_text();
    // How deep a recursion may go, and the words for it, are CPython's own.
    if class == "RecursionError" && expected[0] == "RecursionError" {
        return Ok(());
    }
    // An `inherit` of nothing is a crash of BitBake's; an error all the same.
    if expected[0] == "TypeError" {
        return Ok(());
    }
    compare("error", &serde_json::json!([class, neutral(&text)]), expected)
}

/// A value as tests/conformance/PROTOCOL.md writes it.
fn json(value: Option<&Value>) -> Json {
    match value {
        None | Some(Value::None) => Json::Null,
        Some(Value::Str(text)) => Json::from(text.as_str()),
        Some(Value::Int(n)) => Json::from(*n),
        Some(Value::Bool(b)) => Json::from(*b),
        Some(Value::List(items)) => items.iter().map(|item| json(Some(item))).collect(),
        Some(other) => Json::from(other.repr()),
    }
}

/// Makes a call; None where only the Python side can answer it.
fn perform(d: &Store, call: &Json) -> Result<Option<Json>, DataError> {
    let text = |at: usize| call[at].as_str().unwrap_or_default();
    let expand = call[2].as_bool().unwrap_or(true);
    Ok(Some(match text(0) {
        "getVar" => json(if expand { d.get_var(text(1))? } else { d.get_raw(text(1))? }.as_ref()),
        "getVarFlag" => json(d.get_flag(text(1), text(2))?.as_ref()),
        "setVar" => {
            d.set_var(text(1), text(2).into(), Origin::Hidden)?;
            Json::Null
        }
        "appendVar" => {
            d.append_var(text(1), text(2).into(), Origin::Hidden)?;
            Json::Null
        }
        "delVar" => {
            d.del_var(text(1), Origin::Hidden);
            Json::Null
        }
        "renameVar" => {
            d.rename_var(text(1), text(2), Origin::Hidden)?;
            Json::Null
        }
        "keys" => {
            let mut keys: Vec<String> = d.keys()?.iter().map(|key| key.to_string()).collect();
            keys.retain(|key| key.starts_with(text(1)));
            keys.sort();
            Json::from(keys)
        }
        "getVarFlags" => match d.get_flags(text(1)) {
            None => Json::Null,
            Some(flags) => {
                let flags: serde_json::Map<String, Json> =
                    flags.iter().map(|(flag, value)| (flag.to_string(), json(Some(value)))).collect();
                neutral_files(serde_json::json!({ "dict": flags }))
            }
        },
        _ => return Ok(None),
    }))
}

/// Without the scratch folder in `filename` flags.
fn neutral_files(mut value: Json) -> Json {
    if let Some(file) = value["dict"].get_mut("filename")
        && let Some(path) = file.as_str()
        && let Some(at) = path.rfind("/t.bb")
    {
        *file = Json::from(path[at..].to_owned());
    }
    value
}
