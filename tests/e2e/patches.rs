//! Patches and shells of meta-core: series, fuzz, refreshing from a changed tree, do_devshell with and without a terminal.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::space::{Output, TestSpace, program};

/// A build directory on meta-core with a layer of its own.
fn space() -> TestSpace {
    let meta_core = Path::new(env!("CARGO_MANIFEST_DIR")).join("layers/meta-core");
    TestSpace::empty()
        .file(
            "conf/bblayers.conf",
            &format!(
                "BBPATH = \"${{TOPDIR}}\"\nBBFILES = \"\"\nBBLAYERS = \"{} ${{TOPDIR}}/layer\"\n",
                meta_core.display()
            ),
        )
        .file("conf/local.conf", "DL_DIR = \"${TOPDIR}/downloads\"\n")
        .file(
            "layer/conf/layer.conf",
            "BBPATH .= \":${LAYERDIR}\"\nBBFILES += \"${LAYERDIR}/*.bb\"\nBBFILE_COLLECTIONS += \"own\"\n\
             BBFILE_PATTERN_own = \"^${LAYERDIR}/\"\nLAYERSERIES_COMPAT_own = \"rbake-1\"\n",
        )
}

/// A recipe with the source `text.txt` and these entries besides.
fn recipe(space: &TestSpace, entries: &str) {
    let text = (1..=30).map(|number| format!("line {number}\n")).collect::<String>();
    space.write("layer/files/src/text.txt", &text);
    space.write(
        "layer/kit_1.0.bb",
        &format!("SRC_URI = \"file://src {entries}\"\nS = \"${{UNPACKDIR}}/src\"\nPATCH_FUZZ ?= \"0\"\n"),
    );
}

/// A patch that replaces a line, with what it believes to be around it.
fn patch(number: u32, new: &str) -> String {
    let line = |number: u32| format!(" line {number}\n");
    format!(
        "A change.\n\n--- a/text.txt\n+++ b/text.txt\n@@ -{},5 +{},5 @@\n{}{}-line {number}\n+{new}\n{}{}",
        number - 2,
        number - 2,
        line(number - 2),
        line(number - 1),
        line(number + 1),
        line(number + 2)
    )
}

fn tree(space: &TestSpace) -> PathBuf {
    let found = Command::new("find")
        .arg(space.path().join("tmp/work"))
        .args(["-type", "d", "-path", "*/kit/*/sources/src", "-prune"])
        .output()
        .unwrap();
    let text = String::from_utf8(found.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    PathBuf::from(text.trim_end())
}

fn change(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from:?} is not in {text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

fn quilt(tree: &Path, arguments: &[&str]) -> Option<bool> {
    let done =
        Command::new("quilt").args(arguments).current_dir(tree).env_remove("QUILT_PATCHES").output().ok()?;
    if !done.status.success() {
        eprintln!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    }
    Some(done.status.success())
}

#[test]
fn a_series_is_applied_in_its_order() {
    let space = space();
    recipe(&space, "file://fixes");
    space.write("layer/files/fixes/series", "# in this order\nb.patch\na.diff -p0 # deeper\n");
    space.write("layer/files/fixes/b.patch", &patch(5, "five"));
    space.write(
        "layer/files/fixes/a.diff",
        "--- text.txt\n+++ text.txt\n@@ -4,3 +4,3 @@\n line 4\n-five\n+FIVE\n line 6\n",
    );
    space.write("layer/files/fixes/unused.patch", "nothing\n");
    space.run(&["-c", "patch", "kit"]).ok();
    assert!(fs::read_to_string(tree(&space).join("text.txt")).unwrap().contains("line 4\nFIVE\nline 6\n"));
    let series = fs::read_to_string(tree(&space).join(".pc/patches/series")).unwrap();
    assert_eq!(series, "b.patch\na.diff -p0\n");
    // A patch of it that changes is a change of the recipe.
    space.write("layer/files/fixes/b.patch", &patch(7, "seven"));
    space.run(&["-c", "patch", "kit"]).fails().says("a.diff does not apply to");
    space.write("layer/files/fixes/series", "b.patch --reverse\n");
    space
        .run(&["-c", "patch", "kit"])
        .fails()
        .says("--reverse is no option that is known here; there is only -pN");
    space.write("layer/files/fixes/series", "../text.patch\n");
    space.run(&["-c", "patch", "kit"]).fails().says("is not beside the series");
    space.write("layer/files/fixes/series", "gone.patch\n");
    space.run(&["-c", "patch", "kit"]).fails().says("fixes/gone.patch");
    recipe(&space, "file://fixes;apply=no");
    space.run(&["-c", "patch", "kit"]).ok();
    assert!(!tree(&space).join(".pc").exists());
}

#[test]
fn fuzz_is_told_and_goes_when_the_patch_is_refreshed() {
    let space = space();
    recipe(&space, "file://fuzzy.patch");
    space.write("layer/files/fuzzy.patch", &patch(9, "nine").replace(" line 7\n", " line seven\n"));
    space.run(&["-c", "patch", "kit"]).fails().says("PATCH_FUZZ = \"2\"").says("line 8");
    space.write("conf/auto.conf", "PATCH_FUZZ:pn-kit = \"2\"\n");
    space
        .run(&["-c", "patch", "kit"])
        .ok()
        .says("WARNING")
        .says("with fuzz 1")
        .says("rbake -c refresh_patches kit");
    space.run(&["-c", "refresh_patches", "kit"]).ok().says("Refreshed").says_nothing_of("WARNING");
    assert_eq!(
        fs::read_to_string(space.path().join("layer/files/fuzzy.patch")).unwrap(),
        "A change.\n\n--- a/text.txt\n+++ b/text.txt\n@@ -6,7 +6,7 @@\n line 6\n line 7\n line 8\n-line 9\n+nine\n line 10\n line 11\n line 12\n"
    );
    space.write("conf/auto.conf", "");
    space.run(&["-c", "patch", "kit"]).ok().says_nothing_of("WARNING");
    // Nothing has changed since: nothing is written.
    space.run(&["-c", "refresh_patches", "kit"]).ok().says_nothing_of("Refreshed");
}

#[test]
fn patches_are_refreshed_from_the_changed_tree() {
    let space = space();
    recipe(&space, "file://one.patch file://two.patch;striplevel=0 file://git.patch");
    space.write("layer/files/one.patch", &patch(5, "five"));
    space.write(
        "layer/files/two.patch",
        &patch(6, "six").replace("a/", "").replace("b/", "").replace("line 5", "five"),
    );
    let git = "From: Somebody <s@example.org>\nSubject: [PATCH] New files\n\n---\n run | 2 ++\n 1 file changed\n\n\
               diff --git a/run b/run\nnew file mode 100755\nindex 000..111\n--- /dev/null\n+++ b/run\n@@ -0,0 +1,2 @@\n+#!/bin/sh\n+true\n-- \n2.40\n";
    space.write("layer/files/git.patch", git);
    space.run(&["-c", "refresh_patches", "kit"]).fails().says("has not been patched yet: rbake -c patch kit");
    space.run(&["-c", "patch", "kit"]).ok();
    let read = |name: &str| fs::read_to_string(space.path().join("layer/files").join(name)).unwrap();
    let (one, tree) = (read("one.patch"), tree(&space));
    space.run(&["-c", "refresh_patches", "kit"]).ok().says_nothing_of("Refreshed");
    change(&tree.join("text.txt"), "line 20\n", "twenty\n");
    fs::write(tree.join("run"), "#!/bin/sh\nfalse\n").unwrap();
    let has_quilt = quilt(&tree, &["new", "-p1", "more.patch"]);
    if has_quilt.is_some() {
        assert_eq!(quilt(&tree, &["add", "extra.txt"]), Some(true));
        fs::write(tree.join("extra.txt"), "no end of line").unwrap();
    }
    let output = space.run(&["-c", "refresh_patches", "kit"]).ok();
    assert!(output.text().contains("Refreshed"), "{}", output.text());
    // The change belongs to the last patch of its file; what the first says is the same as before.
    assert_eq!(read("one.patch"), one);
    assert!(read("two.patch").contains("\n-line 20\n+twenty\n"), "{}", read("two.patch"));
    assert!(read("two.patch").contains("--- text.txt\n+++ text.txt\n"));
    assert_eq!(
        read("git.patch"),
        "From: Somebody <s@example.org>\nSubject: [PATCH] New files\n\n---\n run | 2 ++\n 1 file changed\n\n\
         diff --git a/run b/run\nnew file mode 100755\n--- /dev/null\n+++ b/run\n@@ -0,0 +1,2 @@\n+#!/bin/sh\n+false\n-- \n2.40\n"
    );
    let mut entries = "file://one.patch file://two.patch;striplevel=0 file://git.patch".to_owned();
    if has_quilt.is_some() {
        assert!(output.text().contains("more.patch is not in SRC_URI of kit yet: add file://more.patch"));
        assert_eq!(
            read("more.patch"),
            "--- /dev/null\n+++ b/extra.txt\n@@ -0,0 +1 @@\n+no end of line\n\\ No newline at end of file\n"
        );
        entries.push_str(" file://more.patch");
        assert_eq!(quilt(&tree, &["pop", "-a"]), Some(true));
        assert_eq!(quilt(&tree, &["push", "-a"]), Some(true));
    }
    // From scratch the patches make the same tree.
    let content = |name: &str| fs::read(tree.join(name)).ok();
    let before = ["text.txt", "run", "extra.txt"].map(content);
    recipe(&space, &entries);
    space.run(&["-c", "patch", "kit"]).ok().says_nothing_of("WARNING");
    assert_eq!(["text.txt", "run", "extra.txt"].map(content), before);
}

#[test]
fn what_no_patch_touches_is_named_and_taken_if_wanted() {
    let space = space();
    recipe(&space, "file://one.patch");
    space.write("layer/files/one.patch", &patch(5, "five"));
    space.write("layer/files/src/deep/other.txt", "one\n");
    space.write("layer/files/src/same.txt", "same\n");
    space.run(&["-c", "patch", "kit"]).ok();
    let tree = tree(&space);
    fs::write(tree.join("deep/other.txt"), "two\n").unwrap();
    // What is new may be anything; only `quilt add` says that it belongs to a patch.
    fs::write(tree.join("made.o"), "object\n").unwrap();
    let read = || fs::read_to_string(space.path().join("layer/files/one.patch")).unwrap();
    let before = read();
    space
        .run(&["-c", "refresh_patches", "kit"])
        .ok()
        .says("WARNING")
        .says("they are left out:\n  deep/other.txt\nThe last patch takes")
        .says_nothing_of("same.txt")
        .says_nothing_of("made.o");
    assert_eq!(read(), before);
    space.write("conf/auto.conf", "REFRESH_PATCHES_TAKE = \"same.txt\"\n");
    space
        .run(&["-c", "refresh_patches", "kit"])
        .fails()
        .says("no changed file of the sources")
        .says("same.txt");
    space.write("conf/auto.conf", "REFRESH_PATCHES_TAKE = \"deep/other.txt\"\n");
    space.run(&["-c", "refresh_patches", "kit"]).ok().says("Refreshed").says_nothing_of("WARNING");
    assert!(
        read().ends_with("--- a/deep/other.txt\n+++ b/deep/other.txt\n@@ -1 +1 @@\n-one\n+two\n"),
        "{}",
        read()
    );
    space.write("conf/auto.conf", "");
    space.run(&["-c", "patch", "kit"]).ok();
    assert_eq!(fs::read_to_string(tree.join("deep/other.txt")).unwrap(), "two\n");
}

#[test]
fn single_files_and_other_trees_are_refreshed() {
    let space = space();
    recipe(&space, "");
    space.write("layer/files/one.txt", "one\n");
    space.write("layer/files/a.patch", "--- a/one.txt\n+++ b/one.txt\n@@ -1 +1 @@\n-one\n+two\n");
    space.write("layer/files/b.patch", &patch(5, "five"));
    space.write(
        "layer/kit_1.0.bb",
        "SRC_URI = \"file://one.txt file://src file://a.patch file://b.patch;patchdir=src\"\nS = \"${UNPACKDIR}\"\n",
    );
    space.run(&["-c", "patch", "kit"]).ok();
    let sources = tree(&space).parent().unwrap().to_path_buf();
    fs::write(sources.join("one.txt"), "three\n").unwrap();
    change(&sources.join("src/text.txt"), "line 6\n", "six\n");
    space
        .run(&["-c", "refresh_patches", "kit"])
        .ok()
        .says("a.patch")
        .says("b.patch")
        .says_nothing_of("WARNING");
    let read = |name: &str| fs::read_to_string(space.path().join("layer/files").join(name)).unwrap();
    assert_eq!(read("a.patch"), "--- a/one.txt\n+++ b/one.txt\n@@ -1 +1 @@\n-one\n+three\n");
    assert!(read("b.patch").contains("-line 5\n-line 6\n+five\n+six\n"), "{}", read("b.patch"));
    space.run(&["-c", "refresh_patches", "kit"]).ok().says_nothing_of("WARNING").says_nothing_of("Refreshed");
}

/// Runs the program in a terminal of its own, types the lines, and gives all that was shown.
fn in_a_terminal(space: &TestSpace, arguments: &[&str], typed: &str) -> Output {
    const TERMINAL: &str = r#"
import os, pty, select, sys, time
typed = sys.argv[1].encode().decode("unicode_escape").encode()
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[2], sys.argv[2:])
shown, end = b"", time.monotonic() + 100
while time.monotonic() < end:
    if select.select([terminal], [], [], 0.2)[0]:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    if typed and b"leaves it" in shown:
        for line in typed.splitlines(True):
            os.write(terminal, line)
            time.sleep(0.5)
        typed = b""
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;
    let mut command = Command::new("python3");
    let own = space.command(&[]);
    command.env_clear().envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.args(["-c", TERMINAL, typed]).arg(program()).args(arguments).current_dir(space.path());
    let output = command.env("SHELL", "/bin/sh").env("SECRET", "of the user").output().unwrap();
    Output {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code(),
    }
}

#[test]
fn a_shell_in_the_terminal() {
    let space = space();
    recipe(&space, "");
    space.write("conf/auto.conf", "export KIT_NOTE = 'a \"b\" $c'\nDEVSHELL = \"/bin/sh\"\n");
    // Ctrl-C ends what runs in the shell, neither the shell nor the build.
    let typed = r#"pwd -P > ../seen; echo "$KIT_NOTE,$SECRET" >> ../seen\ntty >> ../seen\nsleep 30\n\x03\necho after >> ../seen\nexit\n"#;
    let output = in_a_terminal(&space, &["-c", "devshell", "kit"], typed).ok();
    assert!(output.text().contains("Succeeded"), "{}", output.text());
    let tree = tree(&space);
    let seen = fs::read_to_string(tree.parent().unwrap().join("seen")).unwrap();
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines[0], fs::canonicalize(&tree).unwrap().to_str().unwrap());
    assert_eq!((lines[1], lines[3]), ("a \"b\" $c,", "after"), "{}", output.text());
    assert!(lines[2].starts_with("/dev/pts/"), "{seen}");
}

#[test]
fn without_a_terminal_there_is_no_shell() {
    let space = space();
    recipe(&space, "");
    space
        .run(&["-c", "devshell", "kit"])
        .fails()
        .says("No shell can be opened: there is no terminal here. In a terminal this starts it:")
        .says("/temp/devshell");
}
