//! Names, override lists and values of variables.

use super::python;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Plain variable names; a few, so that they meet.
pub const VARIABLES: &[&str] = &["A", "B", "C", "D", "E_x", "F-y"];
/// Names of functions and tasks.
pub const FUNCTIONS: &[&str] = &["do_a", "do_b", "fn_c", "c1_do_a", "c2_do_b"];
/// Names that may be in OVERRIDES.
pub const OVERRIDES: &[&str] = &["foo", "bar", "local", "baz", "x9"];
/// Flags, among them those that the engine itself reads.
pub const FLAGS: &[&str] = &[
    "f",
    "gg",
    "doc",
    "vardeps",
    "vardepsexclude",
    "vardepvalue",
    "vardepvalueexclude",
    "noexec",
    "prefuncs",
    "export",
    "unexport",
];

/// A variable's name without overrides; now and then one that has to be expanded first.
pub fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => select(VARIABLES).prop_map(str::to_string),
        2 => select(FUNCTIONS).prop_map(str::to_string),
        1 => select(VARIABLES).prop_map(|name| format!("A_${{{name}}}")),
        1 => select(&["DEPENDS", "PROVIDES", "OVERRIDES", "A_b", "FILESPATH", "X.y+z", "BBCLASSEXTEND_x"][..]).prop_map(str::to_string),
    ]
}

/// The part behind a name: nothing, one override or two.
pub fn suffix() -> impl Strategy<Value = String> {
    let one = || {
        prop_oneof![
            8 => select(OVERRIDES).prop_map(|o| format!(":{o}")),
            1 => select(&[":nope", ":Foo", ":-x", ":${B}", ":"][..]).prop_map(str::to_string),
        ]
    };
    prop_oneof![
        5 => Just(String::new()),
        3 => one(),
        1 => (one(), one()).prop_map(|(a, b)| a + &b),
    ]
}

/// OVERRIDES of the case.
pub fn overrides() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("foo:bar:local".to_string()),
        1 => Just(String::new()),
        1 => vec(select(OVERRIDES), 1..4).prop_map(|list| list.join(":")),
        1 => select(&["foo:${A}", "${B}:foo", "foo::bar", "local:${@'foo' if d.getVar('C') else 'bar'}", "x9:pn-${PN}"][..])
            .prop_map(str::to_string),
    ]
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        10 => select(&["a", "b", "c", "foo", "1", "x y", " a", "b ", "a  b\tc", ""][..]).prop_map(str::to_string),
        1 => select(&["it's", "$A", "${a@b}", "${A:-x}", "${}", "# no", "a:b", "/p/q", "é", "\\\\", "${", "}", "1.2-r0", "true", "{x}"][..])
            .prop_map(str::to_string),
    ]
}

/// A reference to a variable.
pub fn reference() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => select(VARIABLES).prop_map(|name| format!("${{{name}}}")),
        2 => select(&["${U}", "${PN}", "${DEPENDS}", "${do_a}", "${FILE}", "${${A}}", "${A_${B}}", "${OVERRIDES}"][..]).prop_map(str::to_string),
        1 => (select(VARIABLES), select(OVERRIDES)).prop_map(|(name, o)| format!("${{{name}:{o}}}")),
    ]
}

/// A value as it stands between the quotes; one quote kind can be told from `quoted`.
pub fn value() -> impl Strategy<Value = String> {
    let part = prop_oneof![6 => word(), 4 => reference(), 2 => python::inline()];
    vec((part, select(&["", " ", "", "  "][..])), 0..4)
        .prop_map(|parts| parts.into_iter().map(|(part, blank)| part + blank).collect())
}

/// A value with quotes around it: those that it does not contain, so that it means what it says.
pub fn quoted() -> impl Strategy<Value = String> {
    (value(), any::<bool>(), prop::option::weighted(0.1, any::<prop::sample::Index>())).prop_map(
        |(text, single, broken)| {
            let quote = match (text.contains('"'), text.contains('\'')) {
                (true, false) => '\'',
                (false, true) => '"',
                _ if single => '\'',
                _ => '"',
            };
            let whole = format!("{quote}{text}{quote}");
            // Sometimes the value goes over two lines, with and without blanks around the break.
            match broken {
                Some(position) => {
                    let places: Vec<usize> = whole.char_indices().map(|(at, _)| at).skip(1).collect();
                    let at = places[position.index(places.len())];
                    format!("{}\\\n{}", &whole[..at], &whole[at..])
                }
                None => whole,
            }
        },
    )
}
