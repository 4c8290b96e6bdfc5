//! `rbake-layers` against what `bitbake-layers` printed for the same two layers.

use std::collections::HashMap;
use std::path::Path;

use rbake::catalog::record::{PackageRecord, RecipeVersion};
use rbake::catalog::{Catalog, Layers, OsTree, PreferredProviders, RecipeFiles, RecipeRecord};
use rbake::cli::args::{Command, Invocation, LayersOptions, Surroundings, parse};
use rbake::cli::layers::{BuildDirectory, LayerConfiguration, LayersView, Output, change, look};
use rbake::lang::diagnostic::Severity;

/// Files of the two layers and the build directory, and what is in them. `@` stands for the directory they are in.
const FILES: &[(&str, &str)] = &[
    ("b/conf/bblayers.conf", "BBLAYERS ?= \" \\\n  @/l1 \\\n  @/l2 \\\n  \"\n"),
    ("l1/conf/layer.conf", "# of one\n"),
    ("l1/conf/machine/m.conf", "require recipes/foo/bar.inc\n"),
    ("l1/classes/base.bbclass", ""),
    ("l1/classes/native.bbclass", ""),
    ("l1/classes/other.bbclass", ""),
    ("l1/classes-recipe/kind.bbclass", "one\n"),
    ("l1/recipes/foo/foo_1.0.bb", "DEPENDS = \"bar\"\n"),
    ("l1/recipes/foo/foo_2.0.bb", "\nrequire recipes/foo/bar.inc\n"),
    ("l1/recipes/foo/bar_1.0.bb", ""),
    ("l1/recipes/foo/helper_1.0.bb", ""),
    ("l1/recipes/foo/zed_1.0.bb", ""),
    ("l1/recipes/skip/skipme_1.0.bb", ""),
    ("l1/recipes/skip/skipme_%.bbappend", ""),
    ("l2/conf/layer.conf", "# of two\n"),
    ("l2/classes/other.bbclass", ""),
    ("l2/classes-recipe/kind.bbclass", "two\n"),
    ("l2/recipes/foo/foo_1.0.bb", "inherit other\nDEPENDS = \"bar\"\nrequire bar.inc\n"),
    ("l2/recipes/foo/zed_2.0.bb", ""),
    ("l2/recipes/foo/bar.inc", ""),
    ("l2/recipes/foo/foo_%.bbappend", "A = \"1\"\n"),
    ("l2/recipes/foo/foo_2.0.bbappend", "\n"),
];

struct Fixture {
    directory: tempfile::TempDir,
    vars: HashMap<String, String>,
    layers: Layers,
    directories: Vec<String>,
    catalog: Catalog,
    files: RecipeFiles,
    preferred: PreferredProviders,
}

impl Fixture {
    fn new() -> Fixture {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().to_str().expect("a readable path").to_string();
        for (path, text) in FILES {
            let path = format!("{root}/{path}");
            std::fs::create_dir_all(Path::new(&path).parent().expect("a directory")).expect("a directory");
            std::fs::write(path, text.replace('@', &root)).expect("a file");
        }
        let bbfiles = ["l1", "l2"]
            .map(|l| format!("{root}/{l}/recipes/*/*.bb {root}/{l}/recipes/*/*.bbappend"))
            .join(" ");
        let vars: HashMap<String, String> = [
            ("BBPATH", format!("{root}/b:{root}/l1:{root}/l2")),
            ("BBFILES", bbfiles),
            ("BBFILE_COLLECTIONS", "one two".into()),
            ("BBFILE_PATTERN_one", format!("^{root}/l1/")),
            ("BBFILE_PRIORITY_one", "5".into()),
            ("BBFILE_PATTERN_two", format!("^{root}/l2/")),
            ("BBFILE_PRIORITY_two", "6".into()),
        ]
        .map(|(name, value)| (name.to_string(), value))
        .into();
        let (layers, errors) = Layers::read(&vars);
        assert_eq!(errors, []);
        let mut log = Vec::new();
        let files = RecipeFiles::collect(&vars, &layers, &OsTree::new(), &root, &mut log);
        assert_eq!(log, []);
        let catalog = Catalog::new(records(&root, &layers));
        let directories = vec![format!("{root}/l1"), format!("{root}/l2")];
        let preferred = PreferredProviders::default();
        Fixture { directory, vars, layers, directories, catalog, files, preferred }
    }

    fn root(&self) -> &str {
        self.directory.path().to_str().expect("a readable path")
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(path)).expect("a file").replace(self.root(), "@")
    }
}

/// What parsing would leave of the recipes.
fn records(root: &str, layers: &Layers) -> Vec<RecipeRecord> {
    let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
    let record = |path: &str, pn: &str, pv: &str, depends: &str| {
        let file = format!("{root}/{path}");
        RecipeRecord {
            priority: layers.priority_of(&file),
            file,
            pn: pn.into(),
            version: RecipeVersion { pe: String::new(), pv: pv.into(), pr: "r0".into() },
            packages: vec![PackageRecord { name: pn.into(), ..PackageRecord::default() }],
            depends: words(depends),
            inherits: words(&format!("classes/base.bbclass {root}/l1/classes/base.bbclass")),
            ..RecipeRecord::default()
        }
    };
    let variant = |of: &RecipeRecord| RecipeRecord {
        file: format!("virtual:native:{}", of.file),
        pn: format!("{}-native", of.pn),
        ..of.clone()
    };
    let mut bar = record("l1/recipes/foo/bar_1.0.bb", "bar", "1.0", "");
    bar.provides = words("virtual/bar");
    let mut foo_of_two = record("l2/recipes/foo/foo_1.0.bb", "foo", "1.0", "bar");
    foo_of_two.inherits.extend(words(&format!("classes/other.bbclass {root}/l1/classes/other.bbclass")));
    foo_of_two.packages[0].rdepends = words("bar");
    let mut zed = record("l2/recipes/foo/zed_2.0.bb", "zed", "2.0", "virtual/bar helper");
    zed.packages[0].rrecommends = words("foo");
    let mut skipme = record("l1/recipes/skip/skipme_1.0.bb", "skipme", "1.0", "");
    skipme.skipped = Some("not for you".into());
    vec![
        variant(&bar),
        bar,
        record("l1/recipes/foo/foo_1.0.bb", "foo", "1.0", "bar"),
        record("l1/recipes/foo/foo_2.0.bb", "foo", "2.0", ""),
        record("l1/recipes/foo/helper_1.0.bb", "helper", "1.0", ""),
        record("l1/recipes/foo/zed_1.0.bb", "zed", "1.0", ""),
        skipme,
        foo_of_two,
        variant(&zed),
        zed,
    ]
}

impl LayersView for Fixture {
    fn layers(&self) -> &Layers {
        &self.layers
    }

    fn directories(&self) -> &[String] {
        &self.directories
    }

    fn collection_directory(&self, collection: &str) -> Option<&str> {
        let place = ["one", "two"].iter().position(|name| *name == collection)?;
        Some(&self.directories[place])
    }

    fn multiconfigs(&self) -> Vec<&str> {
        vec![""]
    }

    fn configuration(&self, mc: &str) -> Option<LayerConfiguration<'_>> {
        mc.is_empty().then_some(LayerConfiguration {
            mc: "",
            catalog: &self.catalog,
            files: &self.files,
            prefs: &self.vars,
            preferred: &self.preferred,
        })
    }
}

/// Everything said, the streams kept apart.
#[derive(Default)]
struct Recorder {
    out: Vec<String>,
    err: Vec<String>,
}

impl Output for Recorder {
    fn message(&mut self, severity: Severity, text: &str) {
        self.out.push(match severity.label() {
            "" => text.to_string(),
            label => format!("{label}: {text}"),
        });
    }

    fn complain(&mut self, text: &str) {
        self.err.push(text.to_string());
    }
}

fn options(words: &str) -> LayersOptions {
    let argv: Vec<String> = format!("bitbake-layers {words}").split_whitespace().map(String::from).collect();
    let parsed = parse(&argv, &Surroundings { env: &|_| None, terminal_columns: 80 });
    match parsed {
        Ok(Invocation { command: Command::Layers(options), .. }) => options,
        other => panic!("{other:?}"),
    }
}

fn run_look(fixture: &Fixture, words: &str) -> (Vec<String>, u8) {
    let options = options(words);
    assert!(options.command.only_looks());
    let mut out = Recorder::default();
    let code = look("bitbake-layers", &options.command, fixture, &mut out);
    assert_eq!(out.err, Vec::<String>::new());
    (out.out.iter().map(|line| line.replace(fixture.root(), "@")).collect(), code)
}

#[test]
fn looking_at_layers_shows_what_bitbake_shows() {
    let fixture = Fixture::new();
    let transcripts = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/layers.txt"));
    let transcripts = transcripts.expect("the transcripts");
    let mut cases = 0;
    for transcript in transcripts.split("$ ").skip(1) {
        let (command, expected) = transcript.split_once('\n').expect("a command");
        let (mut lines, code) = run_look(&fixture, &command.replace('\'', ""));
        if command.starts_with("show-cross-depends") {
            lines.sort();
        }
        if command == "show-layers" {
            // The column is as wide as the path, which is another one here.
            let padding = 70 - fixture.root().len() - "/l1".len();
            lines = lines
                .iter()
                .map(|line| line.replacen(&format!("@/l1{}", " ".repeat(padding)), "@/l1|", 1))
                .map(|line| line.replacen(&format!("@/l2{}", " ".repeat(padding)), "@/l2|", 1))
                .collect();
        }
        lines.push(format!("rc={code}"));
        assert_eq!(lines.join("\n") + "\n", expected, "{command}");
        cases += 1;
    }
    assert_eq!(cases, 22);
}

#[test]
fn unknown_configurations_are_refused() {
    let (lines, code) = run_look(&Fixture::new(), "show-recipes --mc nosuch");
    assert_eq!((lines.join(""), code), ("ERROR: No multiconfig named \"nosuch\" found".to_string(), 1));
}

fn run_change(fixture: &Fixture, words: &str, parses: bool) -> (Recorder, u8, usize) {
    let options = options(words);
    let (cwd, topdir) = (fixture.root().to_string(), format!("{}/b", fixture.root()));
    let mut parsed = 0;
    let mut parse = || {
        parsed += 1;
        parses
    };
    let mut build = BuildDirectory {
        cwd: &cwd,
        topdir: Some(&topdir),
        home: Some("/home/u"),
        core_names: "alpha beta",
        parse: &mut parse,
    };
    let mut out = Recorder::default();
    let code = change("bitbake-layers", &options, &mut build, &mut out);
    out.err = out.err.iter().map(|line| line.replace(&cwd, "@")).collect();
    out.out = out.out.iter().map(|line| line.replace(&cwd, "@")).collect();
    (out, code, parsed)
}

#[test]
fn adding_and_removing_layers() {
    let fixture = Fixture::new();
    let complaint = |words: &str| {
        let (out, code, _) = run_change(&fixture, words, true);
        (out.err.join("\n"), code)
    };
    assert_eq!(
        complaint("add-layer /nonexist"),
        ("Specified layer directory /nonexist doesn't exist".to_string(), 1)
    );
    assert_eq!(
        complaint("add-layer b"),
        ("Specified layer directory @/b doesn't contain a conf/layer.conf file".to_string(), 1)
    );
    assert_eq!(
        complaint("remove-layer nosuch"),
        ("No layers matching */nosuch found in BBLAYERS".to_string(), 1)
    );
    let before = fixture.read("b/conf/bblayers.conf");
    assert_eq!(complaint("add-layer l1"), ("Specified layer @/l1 is already in BBLAYERS".to_string(), 0));
    assert_eq!(fixture.read("b/conf/bblayers.conf"), before);

    assert_eq!(complaint("remove-layer l2"), (String::new(), 0));
    assert_eq!(fixture.read("b/conf/bblayers.conf"), "BBLAYERS ?= \" \\\n  @/l1 \\\n  \"\n");
    let (_, code, parsed) = run_change(&fixture, "add-layer l2", true);
    assert_eq!((code, parsed), (0, 1));
    assert_eq!(fixture.read("b/conf/bblayers.conf"), before);

    // A layer that does not parse is taken out again, unless the user insists.
    complaint("remove-layer l2");
    let without = fixture.read("b/conf/bblayers.conf");
    let (out, code, _) = run_change(&fixture, "add-layer l2", false);
    assert_eq!(
        (out.out.join(""), code),
        ("ERROR: Parse failure with the specified layer added, exiting.".to_string(), 1)
    );
    assert_eq!(fixture.read("b/conf/bblayers.conf"), without);
    let (_, code, parsed) = run_change(&fixture, "add-layer -F l2", false);
    assert_eq!((code, parsed), (0, 0));
    assert_eq!(fixture.read("b/conf/bblayers.conf"), before);
}

#[test]
fn creating_a_layer() {
    let fixture = Fixture::new();
    let (out, code, _) = run_change(&fixture, "create-layer meta-x -e hello -v 1.0", true);
    assert_eq!(code, 0);
    assert_eq!(out.out, ["Add your new layer with 'bitbake-layers add-layer meta-x'"]);
    let conf = fixture.read("meta-x/conf/layer.conf");
    for line in [
        "BBPATH .= \":${LAYERDIR}\"",
        "BBFILE_COLLECTIONS += \"meta-x\"",
        "BBFILE_PATTERN_meta-x = \"^${LAYERDIR}/\"",
        "BBFILE_PRIORITY_meta-x = \"6\"",
        "LAYERSERIES_COMPAT_meta-x = \"alpha beta\"",
    ] {
        assert!(conf.lines().any(|found| found == line), "{line} is missing in\n{conf}");
    }
    assert!(
        fixture.read("meta-x/recipes-hello/hello/hello_1.0.bb").contains("addtask greet before do_build")
    );
    assert!(fixture.read("meta-x/COPYING.MIT").starts_with("Permission is hereby granted"));
    assert!(fixture.read("meta-x/README").starts_with("meta-x\n======\n"));

    let (out, code, _) = run_change(&fixture, "create-layer meta-x", true);
    assert_eq!((out.err.join(""), code), ("Specified layer directory exists".to_string(), 1));

    let (out, code, parsed) = run_change(&fixture, "create-layer -a -i y meta-y", true);
    assert_eq!((out.out.join(""), code, parsed), ("Layer added ['@/meta-y']".to_string(), 0, 1));
    assert!(fixture.read("b/conf/bblayers.conf").contains("  @/meta-y \\\n"));
}

#[test]
fn flattening_layers() {
    let fixture = Fixture::new();
    let target = format!("{}/flat", fixture.root());
    let (lines, code) = run_look(&fixture, &format!("flatten {target}"));
    assert_eq!(code, 0);
    // What BitBake says, in the order of names instead of the order of the disk.
    assert_eq!(
        lines,
        [
            "Copying files from @/l1...",
            "  Skipping overlayed file @/l1/recipes/foo/foo_1.0.bb",
            "  Applying append @/l2/recipes/foo/foo_%.bbappend to @/flat/recipes/foo/foo_2.0.bb",
            "  Applying append @/l2/recipes/foo/foo_2.0.bbappend to @/flat/recipes/foo/foo_2.0.bb",
            "  Applying append @/l1/recipes/skip/skipme_%.bbappend to @/flat/recipes/skip/skipme_1.0.bb",
            "Copying files from @/l2...",
            "WARNING: Overwriting file @/flat/classes/other.bbclass",
            "WARNING: Overwriting file @/flat/classes-recipe/kind.bbclass",
            "  Skipping layer config file @/l2/conf/layer.conf",
            "  Applying append @/l2/recipes/foo/foo_%.bbappend to @/flat/recipes/foo/foo_1.0.bb",
        ]
    );
    assert_eq!(
        fixture.read("flat/recipes/foo/foo_2.0.bb"),
        "\nrequire recipes/foo/bar.inc\n\n##### bbappended from l2 #####\nA = \"1\"\n\n##### bbappended from l2 #####\n\n"
    );
    assert_eq!(fixture.read("flat/conf/layer.conf"), "# of one\n");
    assert_eq!(fixture.read("flat/classes-recipe/kind.bbclass"), "two\n");
    assert!(!fixture.directory.path().join("flat/recipes/foo/foo_%.bbappend").exists());

    let refused = |words: &str| {
        let (lines, code) = run_look(&fixture, words);
        assert_eq!(code, 1);
        lines.join("")
    };
    assert_eq!(
        refused(&format!("flatten {target}")),
        "ERROR: Directory @/flat exists and is non-empty, please clear it out first"
    );
    assert_eq!(
        refused("flatten l1 /nowhere"),
        "ERROR: If you specify layers to flatten you must specify at least two"
    );
    assert_eq!(
        refused("flatten l1 nosuch x /nowhere"),
        "ERROR: Unable to find layer nosuch in current configuration, please run \"bitbake-layers show-layers\" to list \
         configured layers"
    );
}
