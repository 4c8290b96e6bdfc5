//! Collecting recipes and appends against BitBake's own: small trees on disk, and what BitBake found in them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rbake::catalog::files::{DanglingAppends, dynamic_bbfiles};
use rbake::catalog::{Layer, Layers, OsTree, RecipeFiles, Tree as _};
use serde::Deserialize;

/// In all texts `@` stands for the directory the tree is in.
#[derive(Deserialize)]
struct Case {
    mc: String,
    files: Vec<String>,
    links: BTreeMap<String, String>,
    layers: Vec<(String, String, i32)>,
    vars: HashMap<String, String>,
    buildable: Vec<String>,
    /// BitBake walked a directory in the order of the disk, so that only the set of files is fixed.
    walks: bool,
    result: Outcome,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Outcome {
    recipes: Vec<String>,
    appends: Vec<(String, String)>,
    masked: usize,
    overlayed: BTreeMap<String, Vec<String>>,
    prioritized: Vec<String>,
    appends_for: BTreeMap<String, Vec<String>>,
    priority: BTreeMap<String, i32>,
    layer: BTreeMap<String, Option<String>>,
    log: Vec<(String, String)>,
}

fn ours(case: &Case, root: &Path) -> Outcome {
    let root = root.to_str().expect("a readable path");
    let here = |text: &str| text.replace('@', root);
    let there = |text: &str| text.replace(root, "@");
    for file in &case.files {
        let path = format!("{root}/{file}");
        std::fs::create_dir_all(Path::new(&path).parent().expect("a directory")).expect("a directory");
        std::fs::write(path, "").expect("a file");
    }
    for (link, target) in &case.links {
        std::os::unix::fs::symlink(target, format!("{root}/{link}")).expect("a link");
    }
    let vars: HashMap<String, String> = case.vars.iter().map(|(k, v)| (k.clone(), here(v))).collect();
    let layer = |(name, pattern, priority): &(String, String, i32)| {
        Layer::new(name, &here(pattern), *priority).expect("a pattern")
    };
    let layers = Layers::new(case.layers.iter().map(layer).collect());
    let mut log = Vec::new();
    let files = RecipeFiles::collect(&vars, &layers, &OsTree::new(), root, &mut log);
    let buildable: Vec<String> = case.buildable.iter().map(|file| here(file)).collect();
    files.check_layers(&vars, &layers, &case.mc, buildable.iter().map(String::as_str), &mut log);
    let recipes = files.recipes.clone();
    Outcome {
        recipes: files.recipes.iter().map(|file| there(file)).collect(),
        appends: files.appends.iter().map(|append| (append.recipe.clone(), there(&append.path))).collect(),
        masked: files.masked,
        overlayed: files
            .overlayed
            .iter()
            .map(|(top, hidden)| (there(top), hidden.iter().map(|file| there(file)).collect()))
            .collect(),
        prioritized: files.prioritized.iter().map(|word| there(word)).collect(),
        appends_for: recipes
            .iter()
            .map(|file| (there(file), files.appends_for(file).into_iter().map(there).collect()))
            .collect(),
        priority: recipes.iter().map(|file| (there(file), layers.priority_of(file))).collect(),
        layer: recipes
            .iter()
            .map(|file| (there(file), layers.layer_of(file).map(|layer| layer.name.clone())))
            .collect(),
        log: log
            .iter()
            .map(|message| (message.severity().label().to_string(), there(&message.to_string())))
            .collect(),
    }
}

/// Leaves of an outcome only what does not depend on the order of a directory.
fn unordered(mut outcome: Outcome) -> Outcome {
    outcome.recipes.sort();
    outcome.appends.sort();
    outcome.overlayed.clear();
    outcome.appends_for.values_mut().for_each(|appends| appends.sort());
    outcome
}

#[test]
fn files_are_bitbakes() {
    let table = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/files.jsonl"));
    let mut cases = 0;
    for (number, line) in table.expect("the table of cases").lines().enumerate() {
        let case: Case = serde_json::from_str(line).expect("a case");
        let directory = tempfile::tempdir().expect("a directory");
        let found = ours(&case, &directory.path().canonicalize().expect("a directory"));
        if case.walks {
            assert_eq!(unordered(found), unordered(case.result), "line {}", number + 1);
        } else {
            assert_eq!(found, case.result, "line {}", number + 1);
        }
        cases += 1;
    }
    assert!(cases > 50, "only {cases} cases");
}

/// A layer within a layer whose own files all belong to the inner one is not called empty (`bb.tests.cooker`).
#[test]
fn nested_layers_are_not_empty() {
    let layer = |name, pattern| Layer::new(name, pattern, 5).expect("a pattern");
    let layers = Layers::new(vec![
        layer("first", "^/t/first/"),
        layer("second", "^/t/second/"),
        layer("third", "^/t/second/third/"),
    ]);
    let recipes = [
        "/t/first/recipes/sample1_1.0.bb",
        "/t/second/recipes/sample2_1.0.bb",
        "/t/second/third/recipes/sample3_1.0.bb",
    ];
    let files = RecipeFiles::from_paths(recipes.map(String::from));
    let mut log = Vec::new();
    files.check_layers(&HashMap::new(), &layers, "", recipes, &mut log);
    assert_eq!(log, []);
    // A skipped recipe still counts for its layer.
    files.check_layers(&HashMap::new(), &layers, "", [recipes[0], recipes[2]], &mut log);
    assert_eq!(log, []);
    // Without any recipe of its own the outer layer is empty, though its pattern matches what is in the inner one.
    let files = RecipeFiles::from_paths([recipes[2].to_string()]);
    files.check_layers(&HashMap::new(), &layers, "", [recipes[2]], &mut log);
    let said: Vec<String> = log.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "No bb files in default matched BBFILE_PATTERN_second '^/t/second/'",
            "No bb files in default matched BBFILE_PATTERN_first '^/t/first/'",
        ]
    );
}

#[test]
fn dangling_appends() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().to_str().expect("a readable path");
    for name in ["foo_1.0.bb", "foo_%.bbappend", "nope_1.0.bbappend"] {
        std::fs::write(format!("{root}/{name}"), "").expect("a file");
    }
    let vars = HashMap::from([("BBFILES".to_string(), format!("{root}/*.bb {root}/*.bbappend"))]);
    let files = RecipeFiles::collect(&vars, &Layers::default(), &OsTree::new(), "", &mut Vec::new());
    let virtual_file = format!("mc:x:virtual:native:{root}/foo_1.0.bb");
    let dangling = files.dangling([virtual_file.as_str()]);
    assert_eq!(dangling, [format!("{root}/nope_1.0.bbappend")]);
    let error = DanglingAppends {
        by_configuration: vec![
            (String::new(), vec!["/l2/nope_1.0.bbappend".into(), "/l2/b.bbappend".into()]),
            ("x".into(), vec!["/l2/nope_1.0.bbappend".into()]),
        ],
    };
    assert_eq!(
        error.to_string(),
        "No recipes in default available for:\n  /l2/nope_1.0.bbappend\n  /l2/b.bbappend\n\
         No recipes in x available for:\n  /l2/nope_1.0.bbappend"
    );
}

#[test]
fn without_bbfiles_the_working_directory_counts() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().to_str().expect("a readable path");
    let mut log = Vec::new();
    let nothing = HashMap::new();
    let files = RecipeFiles::collect(&nothing, &Layers::default(), &OsTree::new(), root, &mut log);
    assert!(files.recipes.is_empty());
    assert_eq!(log[0].to_string(), "no recipe files to build, check your BBPATH and BBFILES?");
    std::fs::write(format!("{root}/x_1.bb"), "").expect("a file");
    let tree = OsTree::new();
    let files = RecipeFiles::collect(&nothing, &Layers::default(), &tree, root, &mut log);
    assert_eq!(files.recipes, [format!("{root}/x_1.bb")]);
    assert_eq!(tree.listed(), [root]);
}

#[test]
fn one_recipe_for_buildfile() {
    let files =
        RecipeFiles::from_paths(["/l/foo_1.0.bb", "/l/foo_2.0.bb", "/l/bar_1.0.bb"].map(String::from));
    let find = |text: &str| files.find_recipe(text, &OsTree::new(), str::to_string);
    assert_eq!(find("bar_.*bb$").as_deref(), Ok("/l/bar_1.0.bb"));
    assert_eq!(
        find("foo_").unwrap_err().to_string(),
        "Unable to match 'foo_' to a specific recipe file - 2 matches found:\n    /l/foo_1.0.bb\n    /l/foo_2.0.bb"
    );
    assert_eq!(find("nosuch").unwrap_err().to_string(), "Unable to find any recipe file matching 'nosuch'");
}

#[test]
fn dynamic_entries() {
    let entries = "one:/a/*.bb !two:/b/*.bb !one:/c/*.bb three:/d/*.bb one:/e:f/*.bb";
    assert_eq!(dynamic_bbfiles(entries, "one x").unwrap(), ["/a/*.bb", "/b/*.bb", "/e:f/*.bb"]);
    assert_eq!(
        dynamic_bbfiles("junk one:/a :b", "one").unwrap_err().to_string(),
        "BBFILES_DYNAMIC entries must be of the form {!}<collection name>:<filename pattern>, not:\n    junk\n    :b"
    );
}
