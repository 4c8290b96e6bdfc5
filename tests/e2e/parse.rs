//! Reading metadata and what it says about it.

use crate::space::TestSpace;

#[test]
fn counts_what_it_read() {
    TestSpace::plain()
        .file("recipes/a_1.0.bb", "PN = \"a\"\n")
        .file("recipes/b_1.0.bb", "PN = \"b\"\nrequire b.inc\n")
        .file("recipes/b.inc", "B = \"1\"\n")
        .run(&["-p"])
        .ok()
        .says(
            "Parsing of 2 .bb files complete (0 cached, 2 parsed). 2 targets, 0 skipped, 0 masked, 0 errors.",
        );
}

#[test]
fn a_syntax_error_names_file_and_line() {
    TestSpace::plain()
        .file("recipes/a_1.0.bb", "A = \"1\"\nthis is junk\n")
        .run(&["-p"])
        .fails()
        .says("recipes/a_1.0.bb:2")
        .says("unparsed line: 'this is junk'");
}

#[test]
fn every_broken_recipe_is_reported() {
    TestSpace::plain()
        .file("recipes/a_1.0.bb", "junk a\n")
        .file("recipes/b_1.0.bb", "PN = \"b\"\n")
        .file("recipes/c_1.0.bb", "junk c\n")
        .run(&["-p"])
        .fails()
        .says("a_1.0.bb:1")
        .says("c_1.0.bb:1");
}

#[test]
fn files_that_include_each_other_are_an_error() {
    TestSpace::plain()
        .file("recipes/a_1.0.bb", "require b.inc\n")
        .file("recipes/b.inc", "require c.inc\n")
        .file("recipes/c.inc", "require b.inc\n")
        .run(&["-p"])
        .fails()
        .says("include each other");
}

#[test]
fn metadata_that_needs_python_says_so_where_there_is_none() {
    let text = TestSpace::plain()
        .file("recipes/a_1.0.bb", "python () {\n    d.setVar('A', '1')\n}\n")
        .env("RBAKE_PYTHON", "/nonexistent/python3")
        .run(&["-p"])
        .fails()
        .stderr;
    assert!(text.contains("python3 is needed") || text.contains("librbake_engine.so"), "{text}");
}

#[test]
fn appends_apply_in_order() {
    TestSpace::plain()
        .file("recipes/a_1.0.bb", "PN = \"a\"\nX = \"0\"\n")
        .file("recipes/a_%.bbappend", "X .= \"1\"\n")
        .file("recipes/a_1.0.bbappend", "X .= \"2\"\n")
        .run(&["-e", "a"])
        .ok()
        .says("X=\"012\"");
}

#[test]
fn python_that_is_none_is_reported_at_its_line() {
    TestSpace::plain()
        .file("conf/bitbake.conf", "PN = \"a\"\nPV = \"1\"\nTMPDIR = \"${TOPDIR}/tmp\"\nCACHE = \"${TMPDIR}/cache\"\nBB_SIGNATURE_HANDLER = \"basichash\"\nBBFILES = \"${TOPDIR}/recipes/*.bb\"\n")
        .file("recipes/a_1.0.bb", "PN = \"a\"\npython do_x() {\n    y = 1\n    if\n}\naddtask x\n")
        .run(&["-p"])
        .fails()
        .says("a_1.0.bb:4")
        .says("invalid syntax")
        .says("    if");
}
