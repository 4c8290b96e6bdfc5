//! Compares two answers of the oracle protocol and says where they differ.

use regex::Regex;
use serde_json::Value;
use std::fmt;
use std::sync::LazyLock;

/// An object's address in a printed form.
static ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"0x[0-9a-f]{6,}").expect("a pattern of our own"));
/// A history line about what the engine itself did. It names the engine's file, line and function; only the operation counts.
static ENGINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^(#   .+?) (?:(?:cookerdata|ast|data|data_smart|BBHandler|ConfHandler|cooker|build|siggen|oracle)\.py|[a-z]+\.rs):\d+ \[.*\]$")
        .expect("a pattern of our own")
});

/// Where Python sees a mistake: the text of the line comes from whatever is in the named file by then, or is part of the message.
static MISTAKE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"((?:Syntax|Indentation|Tab)Error\((?:'(?:[^'\\]|\\.)*?'|"(?:[^"\\]|\\.)*?"))(?:, \('[^']*', .*?, \d+, -?\d+\))\)"#)
        .expect("a pattern of our own")
});
/// What a stack trace shows of the programs' own files.
static OWN_CODE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^File: '[^']*/bb/[^']*', lineno: \d+, function: .*\n(?:^ .*\n)*")
        .expect("a pattern of our own")
});
/// The same in an exception's text.
static PLACE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r" \(Var <[^>]*>, line \d+\)").expect("a pattern of our own"));
/// Where a renamed variable is used: rbake can tell for some statements for which BitBake can't.
static RENAMED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(Variable \S+ has been renamed to \S+) \(.*\)$").expect("a pattern of our own")
});
/// Stands for a history that can't be compared.
const ANYTHING: &str = "*";

/// One place where two answers differ.
pub struct Difference {
    /// Names and indices that lead there.
    place: Vec<String>,
    expected: Value,
    got: Value,
}

impl Difference {
    /// True when the other difference is at the same place or around it.
    pub fn concerns(&self, other: &Difference) -> bool {
        self.place.starts_with(&other.place)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "  {}\n    BitBake: {}\n    rbake:   {}", self.place.join(" / "), self.expected, self.got)
    }
}

/// True if the whole question ended in too deep a recursion.
fn too_deep(answer: &Value) -> bool {
    answer["error"][0] == TOO_DEEP
}

/// True if our side ended so, too, or told it first: the reference has no room left to tell anything.
fn as_deep(answer: &Value) -> bool {
    too_deep(answer)
        || answer["error"][0] == "BBHandledException" && answer["log"].to_string().contains(TOO_DEEP)
}

/// All differences; none when the answers agree.
pub fn between(expected: &Value, got: &Value) -> Vec<Difference> {
    let (mut expected, mut got) = (expected.clone(), got.clone());
    for answer in [&mut expected, &mut got] {
        neutral(answer);
        if let Some(fields) = answer.as_object_mut() {
            fields.remove("id");
        }
    }
    let mut found = Vec::new();
    // How much was said before it struck is a limit's matter, too.
    if too_deep(&expected) && as_deep(&got) {
        return found;
    }
    walk(&mut Vec::new(), &expected, &got, &mut found);
    found
}

/// What an error becomes that came from too deep a recursion: where it strikes, and as what it surfaces, is an
/// implementation's limit.
const TOO_DEEP: &str = "RecursionError";

/// Takes out what two runs of the same program do not share.
fn neutral(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("maximum recursion depth exceeded") => {
            *text = TOO_DEEP.to_string()
        }
        Value::String(text) => {
            let plain = ADDRESS.replace_all(text, "0x@");
            let plain = ENGINE.replace_all(&plain, "$1 engine");
            let plain = MISTAKE.replace_all(&plain, "$1)");
            let plain = OWN_CODE.replace_all(&plain, "");
            let plain = PLACE.replace_all(&plain, "");
            let plain = RENAMED.replace_all(&plain, "$1");
            if plain != *text {
                *text = plain.into_owned();
            }
        }
        Value::Array(items) => {
            items.iter_mut().for_each(neutral);
            let mut renamed: Vec<Value> = Vec::new();
            items.retain(|item| {
                let known = renamed.contains(item);
                if item[1].as_str().is_some_and(|text| text.contains(" has been renamed to ")) {
                    renamed.push(item.clone());
                }
                !known
            });
            // [class, text] of an error.
            if items.len() == 2 && items.iter().any(|item| item == TOO_DEEP) {
                items.fill(Value::from(TOO_DEEP));
            }
            // What a handled exception stands for was told before, and the logs are compared.
            if items.len() == 2 && items[0] == "BBHandledException" {
                items.truncate(1);
            }
        }
        Value::Object(fields) => {
            // How often a renamed variable was met: see `RENAMED`.
            if let Some(history) =
                fields.get_mut("_FAILPARSINGERRORHANDLED").and_then(|entry| entry.get_mut("history"))
            {
                *history = Value::from(ANYTHING);
            }
            // BitBake can't tell the history of a variable whose flags were deleted.
            if fields
                .get("history_error")
                .is_some_and(|error| *error == serde_json::json!(["KeyError", "'detail'"]))
            {
                fields.remove("history_error");
                fields.insert("history".to_string(), Value::from(ANYTHING));
            }
            fields.values_mut().for_each(neutral);
        }
        _ => {}
    }
}

fn walk(place: &mut Vec<String>, expected: &Value, got: &Value, found: &mut Vec<Difference>) {
    if expected == got {
        return;
    }
    match (expected, got) {
        (Value::String(a), Value::String(b))
            if place.last().is_some_and(|name| name == "history") && as_told(a, b) => {}
        // Without the same outcome there is nothing more to compare.
        (Value::Object(a), Value::Object(b)) if place.is_empty() && a.get("status") != b.get("status") => {
            found.push(Difference { place: Vec::new(), expected: outcome(expected), got: outcome(got) });
        }
        (Value::Object(a), Value::Object(b)) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                place.push(name.clone());
                walk(place, a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null), found);
                place.pop();
            }
        }
        // A log is one thing: one message more moves all others.
        (Value::Array(a), Value::Array(b))
            if a.len() == b.len() && place.last().is_none_or(|name| name != "log") =>
        {
            for (index, (x, y)) in a.iter().zip(b).enumerate() {
                place.push(index.to_string());
                walk(place, x, y, found);
                place.pop();
            }
        }
        _ => found.push(Difference { place: place.clone(), expected: expected.clone(), got: got.clone() }),
    }
}

/// True if a history is the same or better: where BitBake names a place of its own, rbake may name the metadata's.
fn as_told(expected: &str, got: &str) -> bool {
    expected == ANYTHING
        || expected.lines().count() == got.lines().count()
            && expected.lines().zip(got.lines()).all(|(a, b)| {
                a == b
                    || a.strip_suffix(" engine")
                        .is_some_and(|operation| b.starts_with(&format!("{operation} ")))
            })
}

/// An answer without its stores.
fn outcome(answer: &Value) -> Value {
    let mut answer = answer.clone();
    if let Some(fields) = answer.as_object_mut() {
        fields.retain(|name, _| matches!(name.as_str(), "status" | "error" | "log"));
    }
    answer
}
