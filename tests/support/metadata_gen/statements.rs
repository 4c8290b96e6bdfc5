//! Statements: lines, and blocks of lines, of recipes, classes and include files.

use super::python;
use super::values::{FLAGS, FUNCTIONS, OVERRIDES, VARIABLES, name, quoted, suffix};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const OPERATORS: &[&str] = &["=", "?=", "??=", ":=", "+=", "=+", ".=", "=."];

fn assignment() -> impl Strategy<Value = String> {
    let operator = prop_oneof![
        10 => select(OPERATORS).prop_map(|o| format!(" {o} ")),
        1 => select(OPERATORS).prop_map(str::to_string),
        1 => select(OPERATORS).prop_map(|o| format!("\t{o}  ")),
    ];
    let export = prop_oneof![12 => Just(""), 1 => Just("export ")];
    (export, name(), suffix(), operator, quoted(), select(&["", "", "", " ", "\t"][..])).prop_map(
        |(export, name, suffix, operator, value, end)| {
            format!("{export}{name}{suffix}{operator}{value}{end}")
        },
    )
}

fn flag_assignment() -> impl Strategy<Value = String> {
    (name(), suffix(), select(FLAGS), select(OPERATORS), quoted()).prop_map(
        |(name, suffix, flag, operator, value)| {
            // A weak default of one of these, set afterwards, stops BitBake's reading of the flags.
            let read = [
                "vardeps",
                "vardepsexclude",
                "vardepvalue",
                "prefuncs",
                "postfuncs",
                "exports",
                "lineno",
                "filename",
            ];
            let operator = if read.contains(&flag) && operator == "??=" { "?=" } else { operator };
            format!("{name}{suffix}[{flag}] {operator} {value}")
        },
    )
}

fn operation() -> impl Strategy<Value = String> {
    let keyword = select(&[":append", ":prepend", ":remove"][..]);
    let operator = prop_oneof![12 => Just("="), 1 => select(OPERATORS)];
    (name(), suffix(), keyword, suffix(), operator, quoted()).prop_map(
        |(name, before, keyword, after, operator, value)| {
            format!("{name}{before}{keyword}{after} {operator} {value}")
        },
    )
}

fn shell_function() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        select(
            &[
                "\techo hi",
                "    a_cmd",
                "\tdo_b",
                "\tfn_c x",
                "\tif true; then\n\t\tfn_c\n\tfi",
                "\tx=$(do_a)",
                "\t: ${A}",
                "\techo \"${B}\" ${i}",
                "\tfor i in ${C}; do do_b $i; done",
                "# not a comment",
                "",
                "\teval fn_c",
                "\tcat <<E\n${A}\nE",
                "\t${@bb.utils.contains('A', 'a', 'fn_c', 'true', d)}"
            ][..]
        )
        .prop_map(str::to_string),
        select(VARIABLES).prop_map(|name| format!("\t${{{name}}}")),
    ];
    let head = prop_oneof![6 => Just(""), 1 => Just("fakeroot ")];
    let keyword =
        prop_oneof![5 => Just(""), 1 => select(&[":append", ":prepend", ":append:foo", ":prepend:bar"][..])];
    (head, select(FUNCTIONS), suffix(), keyword, vec(line, 0..4)).prop_map(
        |(head, name, suffix, keyword, lines)| {
            let body: String = lines.into_iter().map(|line| line + "\n").collect();
            format!("{head}{name}{suffix}{keyword}() {{\n{body}}}")
        },
    )
}

fn python_function() -> impl Strategy<Value = String> {
    let head =
        prop_oneof![6 => Just("python "), 1 => Just("fakeroot python "), 1 => Just("python fakeroot ")];
    let keyword = prop_oneof![6 => Just(""), 1 => select(&[":append", ":prepend"][..])];
    let extra = prop_oneof![
        4 => Just(""),
        1 => Just("    bb.build.exec_func('fn_c', d)\n"),
        1 => Just("    f1(d)\n    oe.utils.conditional('A', 'a', '1', '0', d)\n"),
    ];
    (head, select(FUNCTIONS), keyword, python::body(), extra)
        .prop_map(|(head, name, keyword, body, extra)| format!("{head}{name}{keyword}() {{\n{body}{extra}}}"))
}

fn anonymous() -> impl Strategy<Value = String> {
    (select(&["python () {", "python() {", "python __anonymous () {"][..]), python::body())
        .prop_map(|(head, body)| format!("{head}\n{body}}}"))
}

fn def_function() -> impl Strategy<Value = String> {
    let body = prop_oneof![
        4 => python::expression().prop_map(|text| format!("    return {text}\n")),
        1 => (select(VARIABLES), python::expression())
            .prop_map(|(name, text)| format!("    # with a comment\n\n    if d.getVar('{name}'):\n        return 'set'\n    return {text}\n")),
    ];
    (select(&["f1", "f2"][..]), body).prop_map(|(name, body)| format!("def {name}(d):\n{body}"))
}

fn handler() -> impl Strategy<Value = String> {
    let event = select(
        &[
            "RecipePreFinalise",
            "RecipePostKeyExpansion",
            "RecipeTaskPreProcess",
            "RecipeParsed",
            "RecipePreDeferredInherits",
        ][..],
    );
    // One name for each event: what BitBake registered for a name once stays registered when another recipe's, or a variant's,
    // handler of that name listens to something else.
    (event, select(VARIABLES), python::body()).prop_map(|(event, variable, body)| {
        let name = format!("h_{event}");
        format!(
            "addhandler {name}\n{name}[eventmask] = \"bb.event.{event}\"\npython {name} () {{\n    d.appendVar('{variable}', ' ' + \
             e.__class__.__name__)\n{body}}}"
        )
    })
}

fn task() -> impl Strategy<Value = String> {
    let one = || select(&["do_a", "b", "do_c", "fn_c", "${A}", "a b"][..]);
    prop_oneof![
        2 => one().prop_map(|t| format!("addtask {t}")),
        3 => (one(), one()).prop_map(|(t, u)| format!("addtask {t} after {u}")),
        3 => (one(), one()).prop_map(|(t, u)| format!("addtask {t} before {u}")),
        2 => (one(), one(), one()).prop_map(|(t, u, v)| format!("addtask {t} after {u} before {v}")),
        1 => (one(), one(), one()).prop_map(|(t, u, v)| format!("addtask {t} before {u} after {v} # why")),
        2 => one().prop_map(|t| format!("deltask {t}")),
        1 => (one(), select(&["b:do_a", "${A}:do_a", "", "b:do_a c:do_b"][..])).prop_map(|(t, v)| format!("{}[depends] = \"{v}\"", t.replace(' ', ""))),
        1 => one().prop_map(|t| format!("{}[deptask] = \"do_a\"", t.replace(' ', ""))),
    ]
}

fn other() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => name().prop_map(|name| format!("unset {name}")),
        2 => (name(), select(FLAGS)).prop_map(|(name, flag)| format!("unset {name}[{flag}]")),
        2 => select(VARIABLES).prop_map(|name| format!("export {name}")),
        3 => select(&["include a.inc", "require a.inc", "include nothere.inc", "include ${A}.inc", "include_all a.inc"][..]).prop_map(str::to_string),
        4 => select(&["inherit c1", "inherit c2", "inherit c1 c2", "inherit_defer c2", "inherit_defer ${@'c1' if d.getVar('A') else 'c2'}",
            "BBCLASSEXTEND = \"c2\"", "BBCLASSEXTEND = \"c1 c2:arg\"", "EXPORT_FUNCTIONS do_a", "EXPORT_FUNCTIONS do_b do_a",
            "BB_DEFER_BBCLASSES = \"c2\""][..]).prop_map(str::to_string),
        2 => select(&["# a comment", "", "# two \\\n# lines", "   ", "#", "addhandler nosuch_yet", "OVERRIDES .= \":baz\"", "OVERRIDES =. \"${A}:\"",
            "BB_SIGNATURE_EXCLUDE_FLAGS = \"vardeps doc func\"", "BB_HASH_CODEPARSER_VALS = \"A=x B=\"", "BB_BASEHASH_IGNORE_VARS = \"C HOME\"",
            "BB_RENAMED_VARIABLES[E_x] = \"F-y\""][..]).prop_map(str::to_string),
        1 => (select(VARIABLES), select(OVERRIDES)).prop_map(|(name, o)| format!("{name}:append = \" x\"\n{name}:append:{o} = \" y\"\n{name} = \"0\"")),
    ]
}

/// One statement.
pub fn statement() -> impl Strategy<Value = String> {
    prop_oneof![
        24 => assignment(),
        14 => operation(),
        6 => flag_assignment(),
        4 => shell_function(),
        3 => python_function(),
        4 => anonymous(),
        2 => def_function(),
        2 => handler(),
        5 => task(),
        7 => other(),
    ]
}

/// A line that is not what its writer meant.
pub fn mistake() -> impl Strategy<Value = String> {
    select(
        &[
            "this is junk",
            "A = 1",
            "A = \"abc'",
            "= \"x\"",
            "  A = \"1\"",
            "A = \"1\" # c",
            "A = \"a\"b\"",
            "require nothere.inc",
            "inherit nosuch",
            "do_x() {",
            "do_x() { :; }",
            "A_append = \"x\"",
            "A_append:foo = \"x\"",
            "A[@x] = \"1\"",
            "unset",
            "unset A[g]",
            "unset A:foo",
            "export A:foo",
            "A = \"x \\",
            "# foo \\\nA = \"b\"",
            "A = \"a \\\n# c \\\n b\"",
            "python () {\n    if\n}",
            "def f3(d):\n    return (",
            "python do_t() {\n\tpass\n}",
            "inherit = \"x\"",
            "addtask x:append_y",
            "addpylib x y",
            "BB_ENV_WHITELIST = \"x\"",
            "A:apend = \"x\"",
            "inherit",
            "addtask",
            "EXPORT_FUNCTIONS",
            "python do_t() {\n    pass\n  }\n}",
            "A${@1} = \"x\"",
            "A =\"x\"",
            "A= \"x\"",
            "do_t () {\n  if\n}\naddtask t",
            "A := \"${A} x\"",
            "A = \"${A} x\"",
            "include t.bb",
            "A\u{a0}= \"x\"",
            "require /",
            "inherit_defer nosuch",
            "python do_t() {\n    d.getVar(var='X')\n}",
            "addtask t after\taddtask",
        ][..],
    )
    .prop_map(str::to_string)
}
