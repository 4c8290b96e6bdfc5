//! Python: inline expressions of the common kinds, and statements for anonymous functions and handlers.

use super::values::{FLAGS, FUNCTIONS, OVERRIDES, VARIABLES};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A Python expression that yields a string or None, in single quotes only.
pub fn expression() -> impl Strategy<Value = String> {
    let variable = || select(VARIABLES);
    let words = || select(&["a", "a b", "foo", "x", "b c", ""][..]);
    let function = || select(&["contains", "contains_any"][..]);
    prop_oneof![
        4 => variable().prop_map(|v| format!("d.getVar('{v}')")),
        3 => variable().prop_map(|v| format!("d.getVar('{v}') or ''")),
        1 => variable().prop_map(|v| format!("d.getVar('{v}', False)")),
        1 => variable().prop_map(|v| format!("d.getVar('{v}', True)")),
        1 => (variable(), select(OVERRIDES)).prop_map(|(v, o)| format!("d.getVar('{v}:{o}')")),
        4 => (function(), variable(), words(), words(), words())
            .prop_map(|(f, v, w, yes, no)| format!("bb.utils.{f}('{v}', '{w}', '{yes}', '{no}', d)")),
        1 => (function(), variable()).prop_map(|(f, v)| format!("bb.utils.{f}('{v}', ['a', 'b'], True, False, d)")),
        2 => (variable(), words()).prop_map(|(v, w)| format!("bb.utils.filter('{v}', '{w}', d)")),
        2 => (variable(), words()).prop_map(|(v, w)| format!("'y' if d.getVar('{v}') == '{w}' else 'n'")),
        1 => (variable(), words()).prop_map(|(v, w)| format!("'{w}' in (d.getVar('{v}') or '')")),
        1 => (variable(), select(FLAGS)).prop_map(|(v, f)| format!("d.getVarFlag('{v}', '{f}')")),
        1 => variable().prop_map(|v| format!("' '.join((d.getVar('{v}') or '').split())")),
        1 => variable().prop_map(|v| format!("' '.join(sorted(set((d.getVar('{v}') or '').split())))")),
        1 => variable().prop_map(|v| format!("' '.join(w.upper() for w in d.getVar('{v}').split() if w != 'a')")),
        1 => variable().prop_map(|v| format!("d.getVar('{v}').split()[0]")),
        1 => variable().prop_map(|v| format!("(d.getVar('{v}') or 'abc')[1:]")),
        1 => (variable(), select(&["replace('a', 'b')", "strip()", "lower()", "split()", "startswith('a')", "find('b')", "partition(' ')[2]", "rstrip('b')"][..]))
            .prop_map(|(v, m)| format!("(d.getVar('{v}') or 'a b').{m}")),
        1 => (variable(), variable()).prop_map(|(v, w)| format!("'%s-%s' % (d.getVar('{v}'), d.getVar('{w}'))")),
        1 => variable().prop_map(|v| format!("'{{0}}.{{0}}'.format(d.getVar('{v}'))")),
        1 => variable().prop_map(|v| format!("f\"<{{d.getVar('{v}')}}>\"")),
        1 => variable().prop_map(|v| v.replace('-', "_")),
        1 => variable().prop_map(|v| format!("d.expand('x${{{v}}}')")),
        1 => variable().prop_map(|v| format!("bb.utils.to_boolean(d.getVar('{v}'))")),
        1 => select(&["1 + 2", "None", "True and 'x'", "(1, 'a', None)", "('t',)", "{'k': 1}['k']", "int('7') * 2", "not ''", "len('abc')",
            "str(1.5)", "'a' * 3", "max([1, 3, 2])", "-1 % 3", "7 // 2", "'$' + '{A}'", "(lambda: 'l')()", "any(x for x in [0, 1])",
            "bb.utils.vercmp_string_op('1.0', '1.10', '<')", "os.path.basename('/a/b.c')", "os.path.join('a', 'b')",
            "bb.data.inherits_class('c1', d)", "bb.parse.vars_from_file(d.getVar('FILE', False), d)[0]", "'one' 'two'", "'%03d' % 7"][..])
            .prop_map(str::to_string),
        1 => select(&["f1(d)", "f2(d)", "f1(d) or f2(d)"][..]).prop_map(str::to_string),
        1 => select(&["1/0", "nosuch(d)", "d.getVar(", "'a' + 1", "[][0]", "int('x')", "{}['k']"][..]).prop_map(str::to_string),
    ]
}

/// An inline expression inside a value.
pub fn inline() -> impl Strategy<Value = String> {
    expression().prop_map(|text| format!("${{@{text}}}"))
}

fn call() -> impl Strategy<Value = String> {
    let name = || {
        prop_oneof![
            6 => select(VARIABLES).prop_map(str::to_string),
            2 => (select(VARIABLES), select(OVERRIDES)).prop_map(|(v, o)| format!("{v}:{o}")),
            1 => select(FUNCTIONS).prop_map(str::to_string),
        ]
    };
    let text = || select(&["x", "a b", " c", "${A}", "${B} z", "", "foo"][..]);
    let flag = || select(FLAGS);
    prop_oneof![
        5 => (name(), text()).prop_map(|(n, t)| format!("d.setVar('{n}', '{t}')")),
        2 => (name(), expression()).prop_map(|(n, e)| format!("d.setVar('{n}', {e})")),
        1 => (name(), select(&["append", "prepend", "remove", "append:foo", "remove:bar"][..]), text())
            .prop_map(|(n, o, t)| format!("d.setVar('{n}:{o}', '{t}')")),
        3 => (name(), text()).prop_map(|(n, t)| format!("d.appendVar('{n}', '{t}')")),
        2 => (name(), text()).prop_map(|(n, t)| format!("d.prependVar('{n}', '{t}')")),
        2 => (name(), name()).prop_map(|(n, m)| format!("d.renameVar('{n}', '{m}')")),
        2 => name().prop_map(|n| format!("d.delVar('{n}')")),
        2 => (name(), flag(), text()).prop_map(|(n, f, t)| format!("d.setVarFlag('{n}', '{f}', '{t}')")),
        1 => (name(), flag(), text()).prop_map(|(n, f, t)| format!("d.appendVarFlag('{n}', '{f}', '{t}')")),
        1 => (name(), flag(), text()).prop_map(|(n, f, t)| format!("d.prependVarFlag('{n}', '{f}', '{t}')")),
        1 => (name(), flag()).prop_map(|(n, f)| format!("d.delVarFlag('{n}', '{f}')")),
        1 => name().prop_map(|n| format!("d.delVarFlags('{n}')")),
        1 => name().prop_map(|n| format!("d.setVarFlags('{n}', {{'f': '1', 'gg': '2'}})")),
        1 => (name(), name()).prop_map(|(n, m)| format!("d.setVar('{n}', str(d.getVarFlags('{m}') or ''))")),
        1 => (name(), name()).prop_map(|(n, m)| format!("d.setVar('{n}', repr(d.getVar('{m}', False)))")),
        1 => name().prop_map(|n| format!("d.setVar('{n}', ' '.join(sorted(k for k in d.keys() if k[0] in 'AB')))")),
        1 => (name(), name()).prop_map(|(n, m)| format!("d.setVar('{n}', str(d.hasOverrides('{m}')))")),
        1 => (name(), text()).prop_map(|(n, t)| format!("d['{n}'] = '{t}'")),
        1 => select(&["d.setVar('OVERRIDES', 'bar:foo')", "d.appendVar('OVERRIDES', ':baz')", "d.setVar('A', None)", "d.setVar('A', 7)",
            "d.setVarFilter('A', \"val.replace('a', 'F')\")", "d.setVarFilter('B', \"suffix(val, '-s')\")", "bb.data.expandKeys(d)",
            "c = d.createCopy(); c.setVar('A', 'copy'); d.setVar('B', c.getVar('C') or 'none')",
            "bb.warn('w %s' % d.getVar('A'))", "bb.error('e')", "bb.note('n')", "bb.warnonce('once')",
            "bb.build.addtask('do_b', 'do_a', None, d)", "bb.build.addtask('n', None, 'do_b', d)", "bb.build.deltask('do_a', d)"][..])
            .prop_map(str::to_string),
    ]
}

/// Lines of a function body, indented by four.
pub fn body() -> impl Strategy<Value = String> {
    let step = prop_oneof![
        8 => call().prop_map(|c| format!("    {c}\n")),
        1 => (select(VARIABLES), call()).prop_map(|(v, c)| format!("    if d.getVar('{v}'):\n        {c}\n")),
        1 => (select(VARIABLES), select(VARIABLES))
            .prop_map(|(v, w)| format!("    for word in (d.getVar('{v}') or '').split():\n        d.appendVar('{w}', ' ' + word)\n")),
        1 => call().prop_map(|c| format!("    try:\n        {c}\n    except Exception:\n        pass\n")),
    ];
    let end = prop_oneof![
        30 => Just(""),
        1 => Just("    raise bb.parse.SkipRecipe('why')\n"),
        1 => Just("    bb.fatal('no')\n"),
        1 => Just("    raise Exception('boom')\n"),
        1 => Just("    nosuch()\n"),
    ];
    (vec(step, 1..4), end).prop_map(|(steps, end)| steps.concat() + end)
}
