//! Building: which tasks run, in which order, what is left alone the next time, and how failures end.

use crate::space::TestSpace;

/// A configuration in which every task notes its name, and the recipes of a test.
fn space() -> TestSpace {
    TestSpace::empty()
        .file(
            "conf/bitbake.conf",
            r#"PN = "${@'${FILE}'.split('/')[-1].split('_')[0].split('.')[0]}"
PV = "1.0"
PR = "r0"
PF = "${PN}-${PV}-${PR}"
TMPDIR = "${TOPDIR}/tmp"
CACHE = "${TMPDIR}/cache"
STAMP = "${TMPDIR}/stamps/${PN}"
T = "${TMPDIR}/work/${PN}/temp"
B = "${TMPDIR}/work/${PN}"
PROVIDES = ""
PACKAGES ?= "${PN}"
BB_SIGNATURE_HANDLER = "basichash"
BB_HASHCONFIG_IGNORE_VARS = "PATH HOME"
BB_BASEHASH_IGNORE_VARS = "TOPDIR TMPDIR FILE PATH HOME STAMP T B"
BB_DEFAULT_TASK = "build"
BBFILES = "${TOPDIR}/recipes/*.bb"
"#,
        )
        .file(
            "classes/base.bbclass",
            r#"note() {
    echo "$1" >> ${TOPDIR}/ran
}
do_first[dirs] = "${B}"
do_first() {
    note ${PN}:first
}
do_second[dirs] = "${B}"
do_second() {
    note ${PN}:second
}
do_second[deptask] = "do_second"
do_build[noexec] = "1"
do_build() {
    :
}
addtask first
addtask second after do_first before do_build
addtask build
"#,
        )
        .file("recipes/a_1.0.bb", "DEPENDS = \"b\"\n")
        .file("recipes/b_1.0.bb", "")
}

/// What ran since the last look, in order.
fn ran(space: &TestSpace) -> Vec<String> {
    let path = space.path().join("ran");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::remove_file(path);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn what_is_needed_runs_before_what_needs_it() {
    let space = space();
    space.run(&["a"]).ok().says("Attempted 5 tasks of which 0 didn't need to be rerun and all succeeded");
    let ran = ran(&space);
    let place = |task: &str| ran.iter().position(|known| known == task).unwrap();
    assert_eq!(ran.len(), 4, "{ran:?}");
    assert!(place("b:first") < place("b:second") && place("a:first") < place("a:second"), "{ran:?}");
    assert!(place("b:second") < place("a:second"), "{ran:?}");
}

#[test]
fn nothing_runs_twice() {
    let space = space();
    space.run(&["a"]).ok();
    ran(&space);
    space.run(&["a"]).ok().says("Attempted 5 tasks of which 5 didn't need to be rerun");
    assert_eq!(ran(&space), [""; 0]);
}

#[test]
fn a_changed_variable_runs_its_tasks_and_what_waits_for_them() {
    let space = space();
    space.run(&["a"]).ok();
    ran(&space);
    space.write("recipes/b_1.0.bb", "do_second() {\n    note b:changed\n}\n");
    space.run(&["a"]).ok();
    assert_eq!(ran(&space), ["b:changed", "a:second"]);
}

#[test]
fn a_single_task_of_a_target() {
    let space = space();
    space.run(&["b:do_first"]).ok();
    assert_eq!(ran(&space), ["b:first"]);
    space.run(&["-c", "second", "b"]).ok();
    assert_eq!(ran(&space), ["b:second"]);
    space.run(&["-c", "nonsense", "b"]).fails().says("Task do_nonsense does not exist for target b");
    space.run(&["-c", "secnd", "b"]).fails().says("Close matches:\n  do_second");
}

#[test]
fn forced_tasks_run_again_with_what_waits_for_them() {
    let space = space();
    space.run(&["a"]).ok();
    ran(&space);
    space.run(&["-f", "-c", "first", "b"]).ok().says("Tainting hash to force rebuild of task");
    assert_eq!(ran(&space), ["b:first"]);
    space.run(&["a"]).ok();
    assert_eq!(ran(&space), ["b:second", "a:second"]);
    space.run(&["-C", "first", "b"]).ok();
    assert_eq!(ran(&space), ["b:first", "b:second"]);
}

#[test]
fn a_failure_stops_and_shows_the_log() {
    let space = space().file("recipes/b_1.0.bb", "do_second() {\n    echo it went wrong\n    false\n}\n");
    space
        .run(&["a"])
        .fails()
        .says("Logfile of failure stored in: ")
        .says("| it went wrong")
        .says("failed with exit code '1'")
        .says("Summary: 1 task failed:");
    assert!(!ran(&space).contains(&"a:second".to_owned()));
    // What was built is not lost.
    space.write("recipes/b_1.0.bb", "do_second() {\n    note b:mended\n}\n");
    space.run(&["a"]).ok();
    assert_eq!(ran(&space), ["b:mended", "a:second"]);
}

#[test]
fn what_does_not_depend_on_a_failure_goes_on_if_wanted() {
    let space = space()
        .file("recipes/b_1.0.bb", "do_first() {\n    exit 3\n}\n")
        .file("recipes/c_1.0.bb", "do_first() {\n    sleep 1\n    note c:first\n}\n");
    space.run(&["-k", "a", "c"]).fails().says("failed with exit code 3");
    let ran = ran(&space);
    assert!(ran.contains(&"c:second".to_owned()) && !ran.contains(&"a:second".to_owned()), "{ran:?}");
}

#[test]
fn a_dry_run_runs_nothing() {
    let space = space();
    space.run(&["-n", "a"]).ok().says("Running task 1 of 5").says("Attempted 5 tasks");
    assert_eq!(ran(&space), [""; 0]);
    assert!(!space.path().join("tmp/stamps").exists());
}

#[test]
fn tasks_that_wait_for_each_other_are_shown() {
    let space = space().file("recipes/b_1.0.bb", "do_first[depends] = \"a:do_second\"\n");
    space
        .run(&["a"])
        .fails()
        .says("Dependency loop #1 found:")
        .says("a_1.0.bb:do_second (dependent Tasks ['a_1.0.bb:do_first', 'b_1.0.bb:do_second'])");
    let space = space.file("recipes/b_1.0.bb", "do_first[depends] = \"a:do_gone\"\n");
    space.run(&["a"]).fails().says("b_1.0.bb depends upon non-existent task do_gone in ");
}

#[test]
fn the_graph_is_written_as_bitbake_writes_it() {
    let space = space();
    space
        .run(&["-g", "b"])
        .ok()
        .says("NOTE: PN build list saved to 'pn-buildlist'")
        .says("NOTE: Task dependencies saved to 'task-depends.dot'");
    let text = std::fs::read_to_string(space.path().join("task-depends.dot")).unwrap();
    let file = space.path().join("recipes/b_1.0.bb");
    let node = |task: &str| format!("\"b.{task}\" [label=\"b {task}\\n:1.0-r0\\n{}\"]\n", file.display());
    let expected = format!(
        "digraph depends {{\n{}\"b.do_build\" -> \"b.do_second\"\n{}{}\"b.do_second\" -> \"b.do_first\"\n}}\n",
        node("do_build"),
        node("do_first"),
        node("do_second")
    );
    assert_eq!(text, expected);
    assert_eq!(std::fs::read_to_string(space.path().join("pn-buildlist")).unwrap(), "b\n");
}

#[test]
fn runall_and_runonly() {
    let space = space();
    space.run(&["--runall", "first", "a"]).ok();
    let mut all = ran(&space);
    all.sort();
    assert_eq!(all, ["a:first", "b:first"]);
    space.run(&["--runonly", "second", "--runonly", "gone", "b"]).ok();
    assert_eq!(ran(&space), ["b:second"]);
    space.run(&["--runonly", "gone", "b"]).fails().says(
        "Could not find any tasks with the tasknames ['gone'] to run within the taskgraphs of the targets",
    );
}

#[test]
fn killed_at_any_moment_it_ends_with_the_same() {
    let stamps = |space: &TestSpace| -> Vec<String> {
        let entries = std::fs::read_dir(space.path().join("tmp/stamps")).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        // The hashes hold the folder's name only through the layer's path, which is another in each space.
        names.into_iter().map(|name| name.rsplit_once('.').unwrap().0.to_owned()).collect()
    };
    let undisturbed = space();
    undisturbed.run(&["a"]).ok();
    let space = space();
    for delay in [20, 60, 110, 170, 260] {
        let mut child = space.command(&["a"]).stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay));
        let _ = child.kill();
        let _ = child.wait();
    }
    space.run(&["a"]).ok();
    let expected = stamps(&undisturbed);
    assert!(expected.iter().any(|name| name == "a.do_build"), "{expected:?}");
    assert_eq!(stamps(&space), expected);
}

#[test]
fn two_builds_in_one_directory_run_one_after_the_other() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    // The first one holds the directory until the test lets it go on.
    let space = space().file(
        "recipes/slow_1.0.bb",
        "do_first() {\n    note slow:first\n    while [ ! -e ${TOPDIR}/go ]; do sleep 0.05; done\n}\n",
    );
    let start =
        |target: &str| space.command(&[target]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut first = start("slow");
    while !space.path().join("ran").exists() {
        assert!(first.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }

    let mut second = start("b");
    let mut lines = BufReader::new(second.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("Waiting for another build")).expect("it says that it waits");
    assert!(line.ends_with(&format!("to end (process {})", first.id())), "{line}");
    assert_eq!(ran(&space), ["slow:first"]);

    space.write("go", "");
    assert!(first.wait().unwrap().success());
    // Read to the end: a full pipe would keep it from ending.
    lines.for_each(drop);
    assert!(second.wait().unwrap().success());
    assert_eq!(ran(&space), ["slow:second", "b:first", "b:second"]);
}

#[test]
fn a_flag_limits_how_many_tasks_of_a_name_run_at_once() {
    // Each task notes how many of them there are, itself included.
    let recipe = "do_first() {\n    touch ${TOPDIR}/now-${PN}\n    ls ${TOPDIR}/now-* | wc -l >> ${TOPDIR}/together\n    \
                  sleep 0.3\n    rm ${TOPDIR}/now-${PN}\n}\n";
    let build = |limit: &str| {
        let space = space().file("conf/limit.conf", limit);
        let names = ["c", "d", "e", "f"];
        names.iter().for_each(|name| space.write(&format!("recipes/{name}_1.0.bb"), recipe));
        let options = ["-R", "conf/limit.conf"];
        space.run(&[&options[..], &names].concat()).ok();
        let text = std::fs::read_to_string(space.path().join("together")).unwrap();
        text.lines().map(|line| line.trim().parse::<usize>().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(build("BB_NUMBER_THREADS = \"4\"\ndo_first[number_threads] = \"1\"\n"), [1, 1, 1, 1]);
    let two = build("BB_NUMBER_THREADS = \"4\"\ndo_first[number_threads] = \"2\"\n");
    assert!(two.len() == 4 && two.iter().max() == Some(&2), "{two:?}");
}

#[test]
fn a_full_disk_stops_the_build_before_it_harms() {
    // No disk has as much left as is demanded here.
    let dirs = |action: &str| format!("BB_DISKMON_DIRS = \"{action},${{TMPDIR}},1000000G\"\n");
    let space = space().file("conf/full.conf", &dirs("STOPTASKS"));
    space
        .run(&["-R", "conf/full.conf", "a"])
        .fails()
        .says("No new tasks can be executed since the disk space monitor action is \"STOPTASKS\"!")
        .says("running low (");
    assert!(ran(&space).is_empty());

    space.write("conf/full.conf", &dirs("WARN"));
    space.run(&["-R", "conf/full.conf", "a"]).ok().says("WARNING: The free space of ").says("GB left)");
    assert_eq!(ran(&space).len(), 4);

    space.write("conf/full.conf", &dirs("EXPLODE"));
    space.run(&["-R", "conf/full.conf", "a"]).says("Disk space monitor will NOT be enabled");
}
