//! The parse cache: what it spares, and that it is never stale.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use crate::space::TestSpace;

fn three() -> TestSpace {
    TestSpace::plain()
        .file("recipes/a_1.0.bb", "PN = \"a\"\ninclude a.inc\n")
        .file("recipes/b_1.0.bb", "PN = \"b\"\nrequire common.inc\n")
        .file("recipes/c_1.0.bb", "PN = \"c\"\nrequire common.inc\n")
        .file("recipes/common.inc", "SAME = \"1\"\n")
}

#[test]
fn nothing_changed_nothing_read() {
    let space = three();
    space.run(&["-p"]).ok().says("(0 cached, 3 parsed)");
    space.run(&["-p"]).ok().says("(3 cached, 0 parsed)");
}

#[test]
fn only_what_an_edit_touches_is_read_again() {
    let space = three();
    space.run(&["-p"]).ok();
    space.write("recipes/common.inc", "SAME = \"2\"\n");
    space.run(&["-p"]).ok().says("(1 cached, 2 parsed)");
    space.run(&["-p"]).ok().says("(3 cached, 0 parsed)");
}

#[test]
fn a_file_that_was_looked_for_and_now_exists_counts() {
    let space = three();
    space.run(&["-p"]).ok();
    space.write("recipes/a.inc", "A = \"1\"\n");
    space.run(&["-p"]).ok().says("(2 cached, 1 parsed)");
}

#[test]
fn a_touched_file_with_the_same_content_does_not() {
    let space = three();
    space.run(&["-p"]).ok();
    sleep(Duration::from_millis(20));
    space.write("recipes/common.inc", "SAME = \"1\"\n");
    space.run(&["-p"]).ok().says("(3 cached, 0 parsed)");
}

#[test]
fn a_new_append_counts() {
    let space = three();
    space.run(&["-p"]).ok();
    space.write("recipes/b_%.bbappend", "B = \"1\"\n");
    space.run(&["-p"]).ok().says("(2 cached, 1 parsed)");
}

#[test]
fn another_configuration_reads_everything() {
    let space = three();
    space.run(&["-p"]).ok();
    let conf = fs::read_to_string(space.path().join("conf/bitbake.conf")).unwrap();
    space.write("conf/bitbake.conf", &format!("{conf}NEW = \"1\"\n"));
    space.run(&["-p"]).ok().says("(0 cached, 3 parsed)");
    // A comment doesn't change what recipes inherit.
    space.write("conf/bitbake.conf", &format!("{conf}NEW = \"1\"\n# words\n"));
    space.run(&["-p"]).ok().says("(3 cached, 0 parsed)");
}

#[test]
fn a_damaged_cache_is_no_cache() {
    let space = three();
    space.run(&["-p"]).ok();
    let path = space.path().join("cache/rbake-parse.cache");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(&path, &bytes).unwrap();
    space.run(&["-p"]).ok().says("(0 cached, 3 parsed)");
    fs::write(&path, &bytes[..20]).unwrap();
    space.run(&["-p"]).ok().says("(0 cached, 3 parsed)");
    space.run(&["-p"]).ok().says("(3 cached, 0 parsed)");
}

#[test]
fn a_broken_recipe_costs_nobody_else_his_place() {
    let space = three().file("recipes/d_1.0.bb", "junk\n");
    space.run(&["-p"]).fails().says("(0 cached, 3 parsed)");
    space.write("recipes/d_1.0.bb", "PN = \"d\"\n");
    space.run(&["-p"]).ok().says("(3 cached, 1 parsed)");
}

#[test]
fn killed_at_any_moment_it_starts_again() {
    let space = three();
    for number in 0..200 {
        space.write(&format!("recipes/n{number}_1.0.bb"), &format!("PN = \"n{number}\"\nX = \"${{PN}}\"\n"));
    }
    for delay in [1, 3, 6, 12, 25, 50] {
        let mut child = space.command(&["-p"]).stdout(std::process::Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    space.run(&["-p"]).ok().says("203 targets, 0 skipped, 0 masked, 0 errors.");
    space.run(&["-p"]).ok().says("(203 cached, 0 parsed)");
    let left: Vec<_> =
        fs::read_dir(space.path().join("cache")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(left.iter().any(|name| name == "rbake-parse.cache"), "{left:?}");
}

#[test]
fn two_at_once_agree() {
    let space = three();
    let children: Vec<_> = (0..2)
        .map(|_| space.command(&["-p"]).stdout(std::process::Stdio::piped()).spawn().unwrap())
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("3 targets, 0 skipped, 0 masked, 0 errors.")
        );
    }
    space.run(&["-p"]).ok().says("(3 cached, 0 parsed)");
}
