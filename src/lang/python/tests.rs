//! The scanner against what BitBake's scanner said, and the syntax against what CPython said.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Expected {
    refs: BTreeSet<String>,
    execs: BTreeSet<String>,
    var_execs: BTreeSet<String>,
    contains: BTreeMap<String, BTreeSet<String>>,
    exc: Option<String>,
}

/// What OE-core's one `visitorcode` does, for the function that has it.
struct QaHook;

impl ScanHooks for QaHook {
    fn has_visitor(&self, name: &str) -> bool {
        name == "oe.qa.handle_error"
    }

    fn visit_call(&self, name: &str, args: &[Literal<'_>]) -> Option<Result<HookResult, HookError>> {
        let mut result = HookResult::default();
        match args.first() {
            None => {
                let message = "list index out of range".to_owned();
                return Some(Err(HookError { class: "IndexError", message }));
            }
            Some(Literal::Str(class)) => {
                for variable in ["ERROR_QA", "WARN_QA"] {
                    result.contains.insert(variable.to_owned(), [(*class).to_owned()].into());
                }
            }
            Some(_) => {
                result.unhandled = Some(0);
                result.execs.insert(name.to_owned());
            }
        }
        Some(Ok(result))
    }
}

fn run(code: &str) -> Expected {
    match scan(code, &QaHook) {
        Ok(found) => Expected {
            refs: found.references,
            execs: found.execs,
            var_execs: found.var_execs,
            contains: found.contains,
            exc: None,
        },
        Err(ScanError::Call { class, .. }) => Expected { exc: Some(class.to_owned()), ..Expected::default() },
        Err(ScanError::Syntax(error)) => {
            Expected { exc: Some(error.class.to_owned()), ..Expected::default() }
        }
    }
}

/// The golden cases of the behavioural contract (appendix E), then random statements judged by BitBake's scanner.
#[test]
fn finds_what_bitbake_finds() {
    for line in include_str!("../../../tests/data/python/scan.jsonl").lines() {
        let (code, expected): (String, Expected) = serde_json::from_str(line).unwrap();
        assert_eq!(run(&code), expected, "{code}");
    }
}

/// Texts whose error CPython words in a way that is not reproduced here. They are rejected all the same.
const OTHER_WORDS: [&str; 20] = [
    "f'{a'",
    "f'{}'",
    "f'{a!x}'",
    "1__0",
    "0x",
    "0xfg",
    "1.real",
    "0or 1",
    "f(1=2)",
    "try:\n x\n",
    "a if b",
    "u'a' b'b'",
    "'\\N{NOPE X}'",
    "'\\x4'",
    "'\\u12'",
    "(x for x in y) = 1",
    "x == 1 = y",
    "def f(/, a): pass",
    "x = {1: 2, 3}",
    "",
];

/// Whether CPython 3.9 to 3.13 reject a text, and with which error CPython 3.13 does.
#[test]
fn agrees_with_cpython_about_syntax() {
    type Row = (String, String, Vec<u8>, Option<(String, String, Option<usize>)>);
    let versions = [
        (9, PythonVersion::V39),
        (10, PythonVersion::V310),
        (11, PythonVersion::V311),
        (12, PythonVersion::V312),
        (13, PythonVersion::V313),
    ];
    struct At(PythonVersion);
    impl ScanHooks for At {
        fn python_version(&self) -> PythonVersion {
            self.0
        }
    }
    for line in include_str!("../../../tests/data/python/syntax.jsonl").lines() {
        let (mode, code, rejected, error): Row = serde_json::from_str(line).unwrap();
        let parse = |version| {
            if mode == "eval" { scan_expression(&code, &At(version)) } else { scan(&code, &At(version)) }
        };
        for (minor, version) in versions {
            assert_eq!(parse(version).is_err(), rejected.contains(&minor), "Python 3.{minor}: {code:?}");
        }
        if let (Err(ScanError::Syntax(ours)), Some((class, message, line))) =
            (parse(PythonVersion::V313), error)
            && !OTHER_WORDS.contains(&code.as_str())
        {
            let line = line.unwrap_or(ours.line);
            assert_eq!((ours.class, &*ours.message, ours.line), (&*class, &*message, line), "{code:?}");
        }
    }
}

#[test]
fn a_later_hook_call_replaces_what_an_earlier_one_said() {
    // The nested call is met after the outer ones, whatever the order in the text.
    let code = "if x(oe.qa.handle_error('inner')):\n    pass\noe.qa.handle_error('outer')\n";
    let found = scan(code, &QaHook).unwrap();
    assert_eq!(found.contains["ERROR_QA"], BTreeSet::from(["inner".to_owned()]));
}

#[test]
fn lines_count_from_the_start_of_the_text() {
    for (code, line) in
        [("    x = 1\n    if\n", 2), ("\n    x = 1\n    if\n", 3), ("x = 1\nif\n", 2), ("\n\nif", 3)]
    {
        let Err(ScanError::Syntax(error)) = scan(code, &NoHooks) else { panic!("accepted {code:?}") };
        assert_eq!((error.line, error.message.as_str()), (line, "invalid syntax"), "{code:?}");
        assert_eq!(error.text.trim_start(), "if");
    }
    let Err(ScanError::Call { line, function, .. }) = scan("    x\n    d.getVar(var='X')", &NoHooks) else {
        panic!("accepted a call without positional arguments")
    };
    assert_eq!((line, function.as_str()), (2, "d.getVar"));
}

#[test]
fn unhandled_arguments_are_told() {
    let found = scan("d.getVar(x + 'y')", &NoHooks).unwrap();
    assert_eq!(
        found.unhandled[0].message("do_x"),
        "while parsing do_x, in call of d.getVar, argument 'x + 'y'' is not a string literal"
    );
}

#[test]
fn texts_given_to_expand_are_followed() {
    let found =
        scan(r#"d.expand("${A} ${@d.getVar('B') or bb.build.exec_func('c', d)} ${@x(${Y})}")"#, &NoHooks)
            .unwrap();
    assert_eq!(found.references, ["A", "B", "Y"].map(str::to_owned).into());
    // Nested `exec_func` calls run by name are calls of the outer code, nothing more.
    assert_eq!(found.execs, ["c".to_owned()].into());
    assert!(found.var_execs.is_empty());
    assert_eq!(found.nested_expand.len(), 1);
    // An unterminated string stops the search but is no error, another syntax error is.
    let found = scan(r#"d.expand("${@'abc} ${@d.getVar('B')}")"#, &NoHooks).unwrap();
    assert!(found.references.is_empty());
    assert!(scan(r#"d.expand("${@1 +}")"#, &NoHooks).is_err());
}

#[test]
fn blank_code_is_nothing() {
    for code in ["", " ", "\n\t\n", "\x0c\x1c"] {
        assert_eq!(scan(code, &NoHooks), Ok(PythonScan::default()));
    }
}

#[test]
fn an_unterminated_string_is_recognised() {
    let error = |code| match scan_expression(code, &NoHooks) {
        Err(ScanError::Syntax(error)) => error,
        other => panic!("{code}: {other:?}"),
    };
    assert!(error("d.getVar('X").is_unterminated_string());
    assert!(!error("d.getVar('''X").is_unterminated_string());
    assert!(!error("d.getVar(X").is_unterminated_string());
}

#[test]
fn deep_nesting_is_refused_not_fatal() {
    for code in [
        "(".repeat(100_000),
        "not ".repeat(100_000) + "x",
        "-".repeat(100_000) + "x",
        "x".to_owned() + &".a".repeat(100_000),
        "x".to_owned() + &"()".repeat(100_000),
        "x + ".repeat(100_000) + "x",
        "lambda: ".repeat(100_000) + "x",
        "x if y else ".repeat(100_000) + "x",
        "f'{".repeat(100_000),
        "x ** ".repeat(100_000) + "x",
        (0..1000).map(|n| " ".repeat(n) + "if x:\n").collect(),
    ] {
        assert!(scan(&code, &NoHooks).is_err());
    }
    // What is accepted must also be dropped again on a small stack.
    let code = "x + ".repeat(7_900) + "x";
    assert!(scan(&code, &NoHooks).is_ok());
}

proptest! {
    #[test]
    fn never_panics(code in "([a-z]{1,3}|[ \\n\\t\\\\(){}\\[\\]'\":,.=+*@#é0-9]|f\"|\"\"\"|\\$\\{@?|if |lambda |not |else |\\{)*") {
        let _ = scan(&code, &QaHook);
        let _ = scan_expression(&code, &QaHook);
    }

    #[test]
    fn never_panics_on_any_text(code in "\\PC*") {
        let _ = scan(&code, &QaHook);
    }
}
