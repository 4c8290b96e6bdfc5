//! `rbake-layers` on a build directory with two layers.

use std::fs;

use crate::space::{Output, TestSpace};

/// Two layers, the second with the higher priority, and a third that isn't in use.
fn two_layers() -> TestSpace {
    let space = TestSpace::empty();
    let layer = |name: &str, priority: u32| {
        format!(
            "BBPATH .= \":${{LAYERDIR}}\"\nBBFILES += \"${{LAYERDIR}}/recipes/*.bb ${{LAYERDIR}}/recipes/*.bbappend\"\n\
             BBFILE_COLLECTIONS += \"{name}\"\nBBFILE_PATTERN_{name} = \"^${{LAYERDIR}}/\"\nBBFILE_PRIORITY_{name} = \"{priority}\"\n\
             LAYERSERIES_COMPAT_{name} = \"now\"\n"
        )
    };
    let root = space.path().to_str().unwrap().to_owned();
    space
        .file(
            "b/conf/bblayers.conf",
            &format!("BBPATH = \"${{TOPDIR}}\"\nBBLAYERS = \" \\\n  {root}/one \\\n  {root}/two \\\n\"\n"),
        )
        .file("one/conf/layer.conf", &format!("{}LAYERSERIES_CORENAMES = \"now\"\n", layer("first", 5)))
        .file(
            "one/conf/bitbake.conf",
            "PN = \"unnamed\"\nPV = \"1\"\nTMPDIR = \"${TOPDIR}/tmp\"\nCACHE = \"${TMPDIR}/cache\"\n",
        )
        .file("one/classes/base.bbclass", "do_build() {\n    :\n}\naddtask build\n")
        .file("one/recipes/a_1.bb", "PN = \"a\"\n")
        .file("one/recipes/b_1.bb", "PN = \"b\"\nX = \"1\"\n")
        .file("two/conf/layer.conf", &layer("second", 6))
        .file("two/recipes/a_1.bb", "PN = \"a\"\nDEPENDS = \"b\"\n")
        .file("two/recipes/b_1.bbappend", "X .= \"2\"\n")
        .file("three/conf/layer.conf", &layer("third", 7))
        .file("three/recipes/c_1.bb", "PN = \"c\"\n")
        .file("broken/conf/layer.conf", &layer("fourth", 7))
        .file("broken/recipes/d_1.bb", "junk\n")
}

/// Runs a tool in the build directory.
fn run(space: &TestSpace, tool: &str, arguments: &[&str]) -> Output {
    let Output { stdout, stderr, code } = space.run_tool(tool, "b", arguments);
    let root = space.path().to_str().unwrap();
    Output { stdout: stdout.replace(root, "@"), stderr: stderr.replace(root, "@"), code }
}

#[test]
fn shows_layers_by_their_own_directories() {
    let space = two_layers();
    let output = run(&space, "bitbake-layers", &["show-layers"]).ok();
    let rows: Vec<Vec<&str>> =
        output.stdout.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows, [["first", "@/one", "5"], ["second", "@/two", "6"]], "{}", output.text());
}

#[test]
fn shows_which_recipes_hide_others_and_which_are_appended() {
    let space = two_layers();
    let output = run(&space, "bitbake-layers", &["show-overlayed", "-f"]).ok();
    assert!(output.stdout.contains("@/two/recipes/a_1.bb\n  @/one/recipes/a_1.bb"), "{}", output.text());
    let output = run(&space, "bitbake-layers", &["show-appends"]).ok();
    assert!(output.stdout.contains("b_1.bb:\n  @/two/recipes/b_1.bbappend"), "{}", output.text());
    let output = run(&space, "bitbake-layers", &["show-cross-depends"]).ok();
    assert!(output.stdout.contains("two/recipes/a_1.bb DEPENDS one/recipes/b_1.bb"), "{}", output.text());
}

#[test]
fn an_added_layer_has_to_parse() {
    let space = two_layers();
    run(&space, "rbake-layers", &["add-layer", "../three"]).ok();
    run(&space, "rbake-layers", &["show-layers"]).ok().says("@/three");
    let before = fs::read_to_string(space.path().join("b/conf/bblayers.conf")).unwrap();
    run(&space, "rbake-layers", &["add-layer", "../broken"])
        .fails()
        .says("d_1.bb:1")
        .says("Parse failure with the specified layer added, exiting.");
    let after = fs::read_to_string(space.path().join("b/conf/bblayers.conf")).unwrap();
    assert_eq!(before, after);
    run(&space, "rbake-layers", &["remove-layer", "three"]).ok();
    run(&space, "rbake-layers", &["show-layers"]).ok().says_nothing_of("@/three");
}

#[test]
fn a_build_directory_that_does_not_parse_can_be_mended() {
    let space = two_layers();
    run(&space, "rbake-layers", &["-F", "add-layer", "../broken"]).ok();
    space.write("broken/conf/layer.conf", "junk\n");
    run(&space, "rbake-layers", &["show-layers"]).fails().says("unparsed line: 'junk'");
    run(&space, "rbake-layers", &["-FF", "remove-layer", "broken"]).ok();
    run(&space, "rbake-layers", &["show-layers"]).ok();
}

#[test]
fn recipes_know_which_files_belong_to_which_layer() {
    let space = two_layers();
    let output = run(&space, "bitbake-getvar", &["-r", "a", "--value", "BBFILES_PRIORITIZED"]).ok();
    let words: Vec<&str> = output.stdout.split_whitespace().collect();
    assert_eq!(
        words,
        ["@/one/recipes/*.bb", "@/one/recipes/*.bbappend", "@/two/recipes/*.bb", "@/two/recipes/*.bbappend"]
    );
}

#[test]
fn a_variable_of_a_recipe_shows_where_it_was_set() {
    let space = two_layers();
    run(&space, "bitbake-getvar", &["-r", "b", "X"])
        .ok()
        .says("# $X [2 operations]")
        .says("#   set @/one/recipes/b_1.bb:2\n#     \"1\"")
        .says("#   postdot @/two/recipes/b_1.bbappend:1\n#     \"2\"");
}
