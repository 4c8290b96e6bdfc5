//! The evaluator against CPython's values.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::lang::text::Text;

/// A store of plain texts and a few flags, with the functions of the test data.
struct Fixture {
    variables: BTreeMap<String, Text>,
    functions: BTreeMap<String, Arc<Function>>,
    modules: BTreeMap<String, Arc<Module>>,
    broken: Option<&'static str>,
}

impl Fixture {
    fn new() -> Self {
        let data = include_str!("../../../tests/data/python/native-store.json");
        let (variables, functions): (BTreeMap<String, String>, BTreeMap<String, String>) =
            serde_json::from_str(data).unwrap();
        let functions =
            functions.iter().map(|(name, source)| (name.clone(), Function::compile(source))).collect();
        let variables = variables.into_iter().map(|(name, value)| (name, Text::from(value))).collect();
        Fixture { variables, functions, modules: BTreeMap::new(), broken: None }
    }

    fn eval(&self, code: &str) -> Option<String> {
        match eval(&compile(code), self) {
            Ok(Outcome::Value(value)) => Some(value.to_py_str().into_owned()),
            Ok(Outcome::NotNative) => None,
            Err(error) => panic!("{code}: {error}"),
        }
    }
}

impl Lookup for Fixture {
    fn get_var(&self, name: &str) -> Result<Option<data::Value>, LookupError> {
        if self.broken == Some(name) {
            return Err(format!("cannot expand {name}").into());
        }
        Ok(self.variables.get(name).cloned().map(data::Value::Str))
    }

    fn get_var_unexpanded(&self, name: &str) -> Result<Option<data::Value>, LookupError> {
        self.get_var(name)
    }

    fn get_var_flag(&self, variable: &str, flag: &str, _: bool) -> Result<Option<data::Value>, LookupError> {
        Ok(match (variable, flag) {
            ("A", "flag") => Some(data::Value::str("value")),
            ("A", "list") => Some(data::Value::list(["x", "y"])),
            ("A", "one") => Some(data::Value::Int(1)),
            _ => None,
        })
    }

    fn expand(&self, text: &str) -> Result<String, LookupError> {
        Ok(text.replace("${A}", "a b c"))
    }

    fn is_context_name(&self, name: &str) -> bool {
        matches!(name, "bb" | "os" | "oe" | "time") || self.functions.contains_key(name)
    }

    fn def_function(&self, name: &str) -> Option<Arc<Function>> {
        self.functions.get(name).cloned()
    }

    fn module(&self, name: &str) -> Option<Arc<Module>> {
        self.modules.get(name).cloned()
    }

    fn inherits_class(&self, class: &str) -> Result<Option<bool>, LookupError> {
        Ok(Some(class == "native"))
    }

    fn is_replaced(&self, function: &str) -> bool {
        function == "bb.utils.explode_deps" && self.broken.is_some()
    }

    fn has_function(&self, name: &str) -> bool {
        name == "bb.fetch.get_hashvalue"
    }

    fn call(&self, name: &str, args: &[NativeValue]) -> Result<Option<NativeValue>, LookupError> {
        assert_eq!(name, "bb.fetch.get_hashvalue");
        Ok(matches!(args, [NativeValue::Data]).then(|| NativeValue::str("abc123")))
    }
}

/// `native.jsonl` was written by CPython (see `native.py` beside it).
#[test]
fn gives_cpythons_values_or_none() {
    let fixture = Fixture::new();
    for line in include_str!("../../../tests/data/python/native.jsonl").lines() {
        let (code, value, native): (String, Option<String>, bool) = serde_json::from_str(line).unwrap();
        let ours = fixture.eval(&code);
        assert_eq!((ours.is_some(), &ours), (native, &value), "{code}");
    }
}

/// `native-random.jsonl` has random expressions of which CPython 3.9, 3.11 and 3.13 with different hash seeds give the same value.
#[test]
fn random_expressions_are_right_if_native() {
    let fixture = Fixture::new();
    let (mut native, mut all) = (0, 0);
    for line in include_str!("../../../tests/data/python/native-random.jsonl").lines() {
        let (code, value): (String, Option<String>) = serde_json::from_str(line).unwrap();
        all += usize::from(value.is_some());
        if let Some(ours) = fixture.eval(&code) {
            native += 1;
            assert_eq!(Some(ours), value, "{code}");
        }
    }
    assert!(native * 10 > all * 8, "only {native} of {all} are native");
}

#[test]
fn an_error_of_the_store_is_passed_on() {
    let fixture = Fixture { broken: Some("A"), ..Fixture::new() };
    let error = |code: &str| eval(&compile(code), &fixture).err().map(|error| error.to_string());
    assert_eq!(error("d.getVar('A').split()"), Some("cannot expand A".to_owned()));
    assert_eq!(error("bb.utils.contains('A', 'x', 1, 0, d)"), Some("cannot expand A".to_owned()));
    assert_eq!(error("' '.join(x for x in d.getVar('A'))"), Some("cannot expand A".to_owned()));
    // Not reached, not native before it is reached, or perhaps caught.
    assert_eq!(error("'x' or d.getVar('A')"), None);
    assert_eq!(error("nosuch(d.getVar('A'))"), None);
    assert_eq!(error("'x'.nosuch(d.getVar('A'))"), None);
    let mut fixture = fixture;
    let source =
        "def caught(d):\n    try:\n        return d.getVar('A')\n    except Exception:\n        return ''\n";
    fixture.functions.insert("caught".into(), Function::compile(source));
    assert_eq!(fixture.eval("caught(d)"), None);
}

#[test]
fn replaced_functions_are_left_alone() {
    let fixture = Fixture { broken: Some("nothing"), ..Fixture::new() };
    assert_eq!(fixture.eval("bb.utils.explode_deps('a')"), None);
    assert_eq!(Fixture::new().eval("bb.utils.explode_deps('a')").as_deref(), Some("['a']"));
}

#[test]
fn functions_of_the_caller_are_called() {
    let fixture = Fixture::new();
    assert_eq!(fixture.eval("bb.fetch.get_hashvalue(d)").as_deref(), Some("abc123"));
    assert_eq!(fixture.eval("bb.fetch.get_hashvalue('x')"), None);
    assert_eq!(fixture.eval("bb.fetch.nosuch(d)"), None);
    assert_eq!(fixture.eval("bb.data.inherits_class('native', d)").as_deref(), Some("True"));
}

#[test]
fn functions_of_modules_see_their_module() {
    let source = r#"
import os, re
from os.path import basename as base

PREFIX = "pre"
changing = 1
changing = 2
table = {}

def quote(text):
    return PREFIX + text.lower()

def twice(text, d=None):
    import lib.other
    return quote(text) + quote(base(text)) + lib.other.mark()

def unknown():
    return changing

def reads_table():
    return table

@bb.parse.vardepsexclude("X")
def decorated():
    return os.path.join("a", "b")

@something
def wrapped():
    return "never"

def sets():
    global set_by_function
    set_by_function = 1

set_by_function = 0

def reads_set():
    return set_by_function

try:
    import fast as impl
except ImportError:
    impl = None

def reads_impl():
    return impl

def matches(name):
    return "yes" if re.match("i.86$", name) else "no"

def cleaned(name):
    return re.sub("[-_.]+", "-", name)
"#;
    let mut fixture = Fixture::new();
    fixture.functions.insert("lib".into(), Function::compile(""));
    fixture.modules.insert("lib.names".into(), Module::compile("lib.names", source));
    fixture.modules.insert("lib.other".into(), Module::compile("lib.other", "def mark(): return '!'\n"));
    for (code, value) in [
        ("lib.names.twice('/A/B')", Some("pre/a/bpreb!")),
        ("lib.names.decorated()", Some("a/b")),
        ("lib.names.matches('i686')", Some("yes")),
        ("lib.names.matches('i6866')", Some("no")),
        ("lib.names.cleaned('a-_.b.c')", Some("a-b-c")),
        ("lib.names.unknown()", None),
        ("lib.names.reads_table()", None),
        ("lib.names.wrapped()", None),
        ("lib.names.sets()", None),
        ("lib.names.reads_set()", None),
        ("lib.names.reads_impl()", None),
        ("lib.names.nosuch()", None),
        ("lib.nosuch.twice('x')", None),
    ] {
        assert_eq!(fixture.eval(code).as_deref(), value, "{code}");
    }
    // A star import may bring anything.
    fixture
        .modules
        .insert("lib.names".into(), Module::compile("lib.names", "from x import *\ndef f(): return 1\n"));
    assert_eq!(fixture.eval("lib.names.f()"), None);
}

#[test]
fn a_context_name_hides_variables_and_builtins() {
    let mut fixture = Fixture::new();
    fixture.functions.insert("ARCH".into(), Function::compile("def ARCH(): return 'function'\n"));
    fixture.functions.insert("len".into(), Function::compile("def len(x): return 'mine'\n"));
    assert_eq!(fixture.eval("ARCH"), None);
    assert_eq!(fixture.eval("ARCH()").as_deref(), Some("function"));
    assert_eq!(fixture.eval("len('abc')").as_deref(), Some("mine"));
}

#[test]
fn compiled_code_can_be_shared_between_threads() {
    fn shareable<T: Send + Sync>() {}
    shareable::<Compiled>();
    shareable::<Function>();
    shareable::<Module>();
}

#[test]
fn deep_nesting_ends_without_harm() {
    let fixture = Fixture::new();
    for code in [
        format!("{}1{}", "(".repeat(150), ")".repeat(150)),
        format!("{}1", "not ".repeat(5000)),
        format!("1{}", " + 1".repeat(5000)),
        format!("{}1{}", "[".repeat(150), "]".repeat(150)),
        format!("x{}", ".y".repeat(5000)),
    ] {
        let _ = fixture.eval(&code);
    }
    // Lists inside lists, as deep as the fuel goes.
    let mut fixture = fixture;
    let source = "def nest():\n    x = []\n    for a in range(300):\n        for b in range(300):\n            x = [x]\n    return len(x)\n";
    fixture.functions.insert("nest".into(), Function::compile(source));
    assert_eq!(fixture.eval("nest()").as_deref(), Some("1"));
}

fn fragment() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "''",
        "'a b'",
        "'%s'",
        "'ü'",
        "1",
        "-1",
        "0",
        "True",
        "None",
        "d",
        "[]",
        "()",
        "{}",
        "set()",
        "ARCH",
        "nosuch",
        "os",
        "d.getVar('A')",
        "d.getVar('UNSET')",
        "'{}'",
        "99999999999",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 3, |inner| {
        let binary = prop::sample::select(vec![
            "+", "-", "*", "//", "%", "&", "|", "^", "==", "<", "in", "is", "and", "or",
        ]);
        let method = prop::sample::select(vec![
            "split",
            "join",
            "strip",
            "replace",
            "startswith",
            "find",
            "count",
            "partition",
            "format",
            "zfill",
            "ljust",
            "get",
            "append",
            "update",
            "index",
            "pop",
            "insert",
            "sort",
            "keys",
            "union",
            "getVar",
            "expand",
            "title",
            "splitlines",
        ]);
        let function = prop::sample::select(vec![
            "str",
            "int",
            "len",
            "sorted",
            "set",
            "list",
            "dict",
            "min",
            "max",
            "sum",
            "any",
            "range",
            "repr",
            "bool",
            "tuple",
            "zip",
            "enumerate",
            "reversed",
            "bb.utils.filter",
            "bb.utils.to_boolean",
            "os.path.join",
            "os.path.relpath",
            "os.path.splitext",
            "bb.parse.vars_from_file",
            "re.sub",
            "map",
            "isinstance",
            "type",
            "two",
            "one",
        ]);
        prop_oneof![
            (inner.clone(), binary, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (inner.clone(), method, prop::collection::vec(inner.clone(), 0..3))
                .prop_map(|(a, m, args)| format!("{a}.{m}({})", args.join(", "))),
            (function, prop::collection::vec(inner.clone(), 0..4))
                .prop_map(|(f, args)| format!("{f}({})", args.join(", "))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a})[{b}:{c}]")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("[{a} for x in {b} if {c}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{{a}: {b}}}")),
            inner.prop_map(|a| format!("[{a}]")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn evaluation_never_panics(code in fragment()) {
        let fixture = Fixture::new();
        if let Ok(Outcome::Value(value)) = eval(&compile(&code), &fixture) {
            let _ = value.to_py_str();
        }
    }

    #[test]
    fn compilation_never_panics(code in "\\PC*") {
        let _ = compile(&code);
        let _ = Function::compile(&format!("def f(x):\n    {code}\n"));
        let _ = Module::compile("m", &code);
    }
}
