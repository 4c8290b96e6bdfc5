//! Likely typos: found with their positions, and never where a word means something.

use crate::space::{Output, TestSpace};

const CONF: &str = r#"PN = "unnamed"
PV = "1.0"
MACHINE = "qemux86-64"
OVERRIDES = "linux:${MACHINE}:pn-${PN}:class-target"
TMPDIR = "${TOPDIR}/tmp"
CACHE = "${TMPDIR}/cache"
BBFILES = "${TOPDIR}/recipes/*.bb ${TOPDIR}/recipes/*.bbappend"
"#;

fn space() -> TestSpace {
    let space = TestSpace::empty();
    let path = space.path().to_string_lossy().into_owned();
    space.env("BBPATH", &path).file("conf/bitbake.conf", CONF).file(
        "classes/base.bbclass",
        "do_compile() {\n    :\n}\naddtask compile\ndo_build() {\n    :\n}\naddtask build after do_compile\n",
    )
}

/// A recipe with one of each kind.
fn with_typos() -> TestSpace {
    space().file(
        "recipes/a_1.0.bb",
        r#"PN = "a"
A = "1"
A:apend = " 2"
B:qemxu86-64 = "3"
do_compile:prepnd() {
    :
}
do_compile[depneds] = "b:do_build"
C[vardesp] = "A"
SRC_URI[x.sha256sm] = "0"
do_pack() {
    :
}
addtask pack after do_complie before do_build
"#,
    )
}

fn run_as(space: &TestSpace, tool: &str, arguments: &[&str]) -> Output {
    space.run_tool(tool, "", arguments)
}

const FINDINGS: [(u32, &str, &str); 7] = [
    (3, "A:apend: nothing sets the override `apend`", "`append`"),
    (4, "B:qemxu86-64: nothing sets the override `qemxu86-64`", "`qemux86-64`"),
    (5, "do_compile:prepnd: nothing sets the override `prepnd`", "`prepend`"),
    (8, "do_compile[depneds]: nothing reads the flag `depneds`", "`depends`"),
    (9, "C[vardesp]: nothing reads the flag `vardesp`", "`vardeps`"),
    (10, "SRC_URI[x.sha256sm]: nothing reads the flag `x.sha256sm`", "`sha256sum`"),
    (14, "no recipe has a task `do_complie`", "`do_compile`"),
];

#[test]
fn reading_warns_once_in_one_line_each() {
    let space = with_typos();
    let output = space.run(&["-p"]).ok();
    let warnings: Vec<&str> = output.stdout.lines().filter(|line| line.starts_with("WARNING: ")).collect();
    assert_eq!(warnings.len(), FINDINGS.len(), "{}", output.text());
    for (warning, (line, text, meant)) in warnings.iter().zip(FINDINGS) {
        let expected = format!("recipes/a_1.0.bb:{line}: {text}; did you mean {meant}?");
        assert!(warning.ends_with(&expected), "{warning}\n{expected}");
    }
    space.run(&["-p"]).ok().says("(1 cached, 0 parsed)").says_nothing_of("WARNING");
    // Only who is read again is warned of again.
    space.write("recipes/b_1.0.bb", "PN = \"b\"\nA:remvoe = \"1\"\n");
    space.run(&["-p"]).ok().says("b_1.0.bb:2: A:remvoe").says_nothing_of("a_1.0.bb");
}

#[test]
fn lint_shows_all_of_them_from_the_cache_too() {
    let space = with_typos();
    space.run(&["-p"]).ok();
    let output = run_as(&space, "rbake-layers", &["lint"]).fails();
    for (line, text, _) in FINDINGS {
        assert!(output.text().contains(text), "{}", output.text());
        assert!(output.text().contains(&format!("a_1.0.bb:{line}")), "{}", output.text());
    }
}

#[test]
fn bitbake_says_nothing_of_it() {
    let space = with_typos();
    run_as(&space, "bitbake", &["-p"]).ok().says_nothing_of("WARNING");
    let output = run_as(&space, "bitbake-layers", &["lint"]);
    assert_eq!(output.code, Some(2), "{}", output.text());
}

#[test]
fn a_typo_in_the_configuration_is_one_too() {
    let space = space()
        .file("conf/bitbake.conf", &format!("{CONF}X:appnd = \"1\"\n"))
        .file("recipes/a_1.0.bb", "PN = \"a\"\n");
    space.run(&["-p"]).ok().says("conf/bitbake.conf:8: X:appnd: nothing sets the override `appnd`");
}

#[test]
fn a_word_that_means_something_somewhere_is_no_typo() {
    let space = space()
        // An override of another machine, of another recipe, of a package, of a value nobody uses now.
        .file("conf/machine/qemuxx86-64.conf", "")
        .file(
            "recipes/a_1.0.bb",
            "PN = \"a\"\nA:qemuxx86-64 = \"1\"\nA:pn-b = \"1\"\nA:class-targed = \"1\"\nA:linus = \"1\"\n",
        )
        .file("recipes/b_1.0.bb", "PN = \"b\"\nOVERRIDES .= \":linus\"\nD = \"class-targed\"\n")
        // A task of another recipe, a flag that code reads.
        .file("recipes/c_1.0.bb", "PN = \"c\"\ndo_compike() {\n    :\n}\naddtask compike\n")
        .file(
            "recipes/d_1.0.bb",
            "PN = \"d\"\ndo_x() {\n    :\n}\naddtask x after do_compike\ndo_x[dependz] = \"1\"\n",
        )
        .file("lib/flags.py", "FLAG = 'dependz'\n");
    space.run(&["-p"]).ok().says("4 targets").says_nothing_of("WARNING");
    run_as(&space, "rbake-layers", &["lint"]).ok().says("No likely typos in 4 recipes and variants.");
}
