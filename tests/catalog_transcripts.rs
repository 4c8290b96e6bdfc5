//! What a user reads when providers are chosen, word for word as BitBake prints it for the same layers.

use std::collections::HashMap;

use rbake::catalog::record::{PackageRecord, RecipeVersion, TaskRecord};
use rbake::catalog::targets::{Configuration, Resolved, resolve_targets};
use rbake::catalog::{
    Assumed, Catalog, Message, PreferredProviders, RecipeRecord, ResolveError, ResolvePolicy, VersionRow,
    version_rows,
};
use rbake::lang::diagnostic::Severity;

fn recipe(file: &str, pn: &str, pv: &str) -> RecipeRecord {
    let task = |name: &str| TaskRecord { name: name.into(), ..TaskRecord::default() };
    RecipeRecord {
        file: file.into(),
        pn: pn.into(),
        version: RecipeVersion { pe: String::new(), pv: pv.into(), pr: "r0".into() },
        packages: vec![PackageRecord { name: pn.into(), ..PackageRecord::default() }],
        tasks: vec![task("do_compile"), task("do_build")],
        ..RecipeRecord::default()
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(String::from).collect()
}

/// The first mini layer.
fn exp() -> Catalog {
    let mut skipme = recipe("…/exp/recipes/skipme_1.0.bb", "skipme", "1.0");
    skipme.skipped = Some("incompatible with X".into());
    let mut needs = recipe("…/exp/recipes/needsmissing_1.0.bb", "needsmissing", "1.0");
    needs.depends = words("helo nosuchdep");
    Catalog::new(vec![
        recipe("…/exp/recipes/hello_1.2.bb", "hello", "1.2"),
        needs,
        skipme,
        recipe("…/exp/recipes/fail_1.0.bb", "fail", "1.0"),
    ])
}

/// The two mini layers, of which the second has the higher priority.
fn exp2() -> Catalog {
    let at = |priority, record| RecipeRecord { priority, ..record };
    let mut bar = at(5, recipe("…/exp2/l1/recipes/foo/bar_1.0.bb", "bar", "1.0"));
    bar.provides = words("virtual/bar");
    let mut native = bar.clone();
    native.file = format!("virtual:native:{}", bar.file);
    native.pn = "bar-native".into();
    Catalog::new(vec![
        bar,
        native,
        at(5, recipe("…/exp2/l1/recipes/foo/foo_1.0.bb", "foo", "1.0")),
        at(5, recipe("…/exp2/l1/recipes/foo/foo_2.0.bb", "foo", "2.0")),
        at(6, recipe("…/exp2/l2/recipes/foo/foo_1.0.bb", "foo", "1.0")),
    ])
}

fn vars(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// Resolves the targets and gives what the console shows, as `ERROR: …` and so on, without what only `-v` shows.
fn bake(catalog: &Catalog, vars: &HashMap<String, String>, targets: &str, halt: bool) -> Vec<String> {
    let mut log = Vec::new();
    let preferred = PreferredProviders::read(vars, &mut log);
    let assumed = Assumed::read(vars, &[]);
    let all = [Configuration { mc: "", catalog, prefs: vars, preferred: &preferred, assumed: &assumed }];
    let policy = ResolvePolicy { halt, allow_incomplete: false };
    let result = resolve_targets(&words(targets), "build", &all, policy, &mut (), &mut log);
    let mut lines: Vec<String> = log.iter().filter(|m| m.severity() > Severity::Verbose).map(line).collect();
    // The messages have told about a missing provider; any other error speaks for itself.
    if let Err(error) = result
        && !matches!(error, ResolveError::NoProvider(_))
    {
        lines.push(format!("ERROR: {error}"));
    }
    lines
}

fn line(message: &Message) -> String {
    format!("{}: {message}", message.severity().label())
}

#[test]
fn nothing_provides() {
    let none = vars(&[]);
    assert_eq!(bake(&exp(), &none, "nosuch", true), ["ERROR: Nothing PROVIDES 'nosuch'"]);
    assert_eq!(
        bake(&exp(), &none, "helo", true),
        ["ERROR: Nothing PROVIDES 'helo'. Close matches:\n  hello"]
    );
    assert_eq!(
        bake(&exp(), &none, "skipme", true),
        ["ERROR: Nothing PROVIDES 'skipme'\nskipme was skipped: incompatible with X"]
    );
    assert_eq!(
        bake(&exp(), &none, "mc:foo:hello", true),
        [
            "ERROR: Multiconfig dependency mc:foo:hello depends on nonexistent multiconfig configuration named foo"
        ]
    );
}

#[test]
fn a_dependency_is_missing() {
    let helo = "ERROR: Nothing PROVIDES 'helo' (but …/exp/recipes/needsmissing_1.0.bb DEPENDS on or otherwise requires it). \
                Close matches:\n  hello";
    assert_eq!(
        bake(&exp(), &vars(&[]), "needsmissing", true),
        [
            helo,
            "ERROR: Required build target 'needsmissing' has no buildable providers.\n\
             Missing or unbuildable dependency chain was: ['needsmissing', 'helo']",
        ]
    );
    assert_eq!(
        bake(&exp(), &vars(&[]), "needsmissing", false),
        [
            helo,
            "ERROR: Nothing PROVIDES 'nosuchdep' (but …/exp/recipes/needsmissing_1.0.bb DEPENDS on or otherwise requires it)",
        ]
    );
}

#[test]
fn version_preferences() {
    assert_eq!(
        bake(&exp2(), &vars(&[("PREFERRED_VERSION_foo", "9.9")]), "foo", true),
        [
            "WARNING: preferred version 9.9 of foo not available (for item foo)",
            "WARNING: versions of foo available: 1.0 2.0",
        ]
    );
    assert_eq!(
        bake(&exp2(), &vars(&[("REQUIRED_VERSION_foo", "9.9")]), "foo", true),
        [
            "WARNING: versions of foo available: 1.0 2.0",
            "ERROR: required version 9.9 of foo not available (for item foo)",
            "ERROR: Nothing PROVIDES 'foo'\nNo eligible PROVIDERs exist for 'foo'",
        ]
    );
}

#[test]
fn several_providers() {
    assert_eq!(
        bake(&exp2(), &vars(&[]), "virtual/bar", true),
        ["NOTE: Multiple providers are available for virtual/bar (bar, bar-native)\n\
          Consider defining a PREFERRED_PROVIDER entry to match virtual/bar"]
    );
    let preferred = vars(&[("PREFERRED_PROVIDER_virtual/bar", "bar-native")]);
    assert_eq!(bake(&exp2(), &preferred, "virtual/bar", true), Vec::<String>::new());
}

#[test]
fn the_table_of_versions() {
    let (rows, missing) = version_rows(&exp2(), &vars(&[]), &mut Vec::new());
    assert_eq!(missing, None);
    let table: Vec<String> = VersionRow::header().iter().chain(&rows).map(ToString::to_string).collect();
    assert_eq!(
        table,
        [
            "Recipe Name                                    Latest Version         Preferred Version          Required Version",
            "===========                                    ==============         =================          ================",
            "bar                                                   :1.0-r0                                                    ",
            "bar-native                                            :1.0-r0                                                    ",
            "foo                                                   :1.0-r0                                                    ",
        ]
    );
    let preferred = vars(&[("PREFERRED_VERSION_foo", "2.0")]);
    let (rows, _) = version_rows(&exp2(), &preferred, &mut Vec::new());
    assert_eq!(rows[2].preferred, ":2.0-r0");
    let required = vars(&[("REQUIRED_VERSION_foo", "9.9")]);
    let (rows, missing) = version_rows(&exp2(), &required, &mut Vec::new());
    assert_eq!(rows.len(), 2);
    assert_eq!(missing.unwrap().to_string(), "REQUIRED_VERSION of package foo not available");
}

/// Two configurations, `""` and `x`, with the recipes of the second mini layers.
fn two_configurations(targets: &str) -> Result<Vec<String>, ResolveError> {
    let (catalog, none) = (exp2(), vars(&[]));
    let mut other = exp2().records().to_vec();
    for record in &mut other {
        record.file = format!("mc:x:{}", record.file);
    }
    let other = Catalog::new(other);
    let (preferred, assumed) = (PreferredProviders::default(), Assumed::default());
    let make =
        |mc, catalog| Configuration { mc, catalog, prefs: &none, preferred: &preferred, assumed: &assumed };
    let all = [make("", &catalog), make("x", &other)];
    let policy = ResolvePolicy { halt: true, allow_incomplete: false };
    let Resolved { targets, .. } =
        resolve_targets(&words(targets), "build", &all, policy, &mut (), &mut Vec::new())?;
    Ok(targets.iter().map(|resolved| resolved.target.to_string()).collect())
}

#[test]
fn target_syntax() {
    let targets = |text| two_configurations(text).unwrap();
    assert_eq!(targets("foo bar:do_compile"), ["foo:do_build", "bar:do_compile"]);
    assert_eq!(targets("mc:x:foo:do_compile foo"), ["mc:x:foo:do_compile", "foo:do_build"]);
    assert_eq!(targets("multiconfig:x:foo bar"), ["bar:do_build", "mc:x:foo:do_build"]);
    assert_eq!(targets("mc:*:foo"), ["mc:x:foo:do_build", "foo:do_build"]);
    assert_eq!(targets("mc:*:foo bar"), ["mc:x:foo:do_build", "bar:do_build"]);
    assert_eq!(targets("world"), ["foo:do_build", "mc:x:foo:do_build"]);
    assert_eq!(targets("universe").len(), 6);
    assert_eq!(two_configurations("mc:*:foo mc:x:bar"), Err(ResolveError::WildcardConflict));
}
