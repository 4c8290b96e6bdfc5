//! What a task finds: directories, environment, umask, run file and log, variables, network.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rbake::run::{Dependency, Executor, Phase, SignatureData, Stamps, TaskEvent};

use crate::scratch::{BOTH, By, Scratch, finish, target};

#[test]
fn a_shell_task_has_its_directories_environment_and_umask() {
    for by in BOTH {
        let scratch = Scratch::new(
            by,
            r#"
do_x() {
    pwd
    umask
    env | sort
    touch made
}
do_x[dirs] = "${W}/one ${W}/two"
do_x[cleandirs] = "${W}/two"
addtask x
export EXTRA = "a  b"
HIDDEN = "not exported"
do_x[exports] = "GIVEN"
GIVEN = "only here"
"#,
        );
        scratch.write("tmp/work/hello/one/kept", "");
        scratch.write("tmp/work/hello/two/gone", "");
        let mut spec = scratch.spec("do_x");
        spec.umask = "027".into();
        spec.fakeroot_env = "NOENV=1".into();
        let ran = scratch.run_spec(spec).ok();
        let temp = scratch.path().join("tmp/work/hello/temp");
        let two = scratch.path().join("tmp/work/hello/two");
        let log = scratch.log("do_x");
        let mut lines = log.lines();
        assert_eq!(lines.next(), Some("DEBUG: Executing shell function do_x"), "{by:?}");
        assert_eq!(lines.next(), two.to_str());
        assert_eq!(lines.next(), Some("0027"));
        let environment: BTreeMap<&str, &str> =
            lines.clone().filter_map(|line| line.split_once('=')).collect();
        assert_eq!(environment.get("EXTRA"), Some(&"a  b"));
        assert_eq!(environment.get("GIVEN"), Some(&"only here"));
        assert_eq!(environment.get("NOENV"), Some(&"1"));
        assert_eq!(environment.get("HOME"), Some(&"/home/of/nobody"));
        assert!(environment.contains_key("PATH") && !environment.contains_key("HIDDEN"));
        // The shell's own quoting rules apply to what is between the quotes.
        assert_eq!(environment.get("GREETING"), Some(&"say \\hi\\ to `you` and $HOME"));
        // Nothing of the processes that started it.
        let mut names: Vec<&str> = environment.keys().copied().collect();
        names.retain(|name| !matches!(*name, "OLDPWD" | "PWD" | "LC_ALL" | "_"));
        assert_eq!(names, ["EXTRA", "GIVEN", "GREETING", "HOME", "NOENV", "PATH"]);
        assert_eq!(lines.last(), Some("DEBUG: Shell function do_x finished"));

        assert!(scratch.path().join("tmp/work/hello/one/kept").exists());
        assert!(!two.join("gone").exists() && two.join("made").exists());
        assert_eq!(fs::metadata(two.join("made")).unwrap().permissions().mode() & 0o777, 0o640);

        let pid = ran.pid();
        assert_eq!(target(&temp.join("log.do_x")), format!("log.do_x.{pid}"));
        assert_eq!(target(&temp.join("run.do_x")), format!("run.do_x.{pid}"));
        let mode = fs::metadata(temp.join("run.do_x")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o775);
        let order = scratch.read("tmp/work/hello/temp/log.task_order");
        let (stamp, rest) = order.trim_end().split_once(' ').unwrap();
        assert_eq!(rest, format!("do_x ({pid}): log.do_x.{pid}"));
        assert!(stamp.len() == 22 && stamp.as_bytes()[8] == b'-' && stamp.as_bytes()[15] == b'.', "{stamp}");
        let [Phase::Running(names), Phase::Succeeded(_)] = ran.phases()[..] else { panic!("{:?}", ran) };
        assert_eq!((names.pn.as_str(), names.pv.as_str(), names.task.as_str()), ("hello", "1.0", "do_x"));
        assert_eq!(names.log_file, temp.join(format!("log.do_x.{pid}")).to_str().unwrap());
    }
}

#[test]
fn functions_before_and_after_a_task_have_run_files_of_their_own() {
    for by in BOTH {
        let scratch = Scratch::new(
            by,
            r#"
before() {
    echo before
}
after() {
    echo after
}
do_x() {
    echo in the middle
    helper
}
helper() {
    echo helped
}
do_x[prefuncs] = "before"
do_x[postfuncs] += "after"
addtask x
"#,
        );
        let pid = scratch.run("do_x").ok().pid();
        let log = scratch.log("do_x");
        let said: Vec<&str> = log.lines().filter(|line| !line.starts_with("DEBUG: ")).collect();
        assert_eq!(said, ["before", "in the middle", "helped", "after"]);
        for function in ["before", "after"] {
            assert!(scratch.path().join(format!("tmp/work/hello/temp/run.{function}.{pid}")).exists());
            assert!(!scratch.path().join(format!("tmp/work/hello/temp/run.{function}")).exists());
        }
        let script = scratch.read("tmp/work/hello/temp/run.do_x");
        assert!(script.starts_with("#!/bin/sh\n"));
        let recipe = scratch.path().join("recipes/hello.bb");
        assert!(script.contains(&format!(
            "\n# line: 12, file: {}\nhelper() {{\n    echo helped\n}}\n\ndo_x\n\n# cleanup\nret=$?\ntrap '' 0\nexit $ret\n",
            recipe.display()
        )));
        assert!(!script.contains("before()"));
    }
}

#[test]
fn names_of_logs_and_run_files_can_be_chosen() {
    for by in BOTH {
        let scratch = Scratch::new(
            by,
            "do_x() {\n    :\n}\naddtask x\nBB_LOGFMT = \"logs/{task}.log\"\nBB_RUNFMT = \"runs/{taskfunc}.{pid}\"\n\
             do_x[prefuncs] = \"p\"\np() {\n    :\n}\n",
        );
        let pid = scratch.run("do_x").ok().pid();
        let temp = scratch.path().join("tmp/work/hello/temp");
        assert!(temp.join("logs/do_x.log").exists());
        assert_eq!(target(&temp.join("log.do_x")), "logs/do_x.log");
        assert!(temp.join(format!("runs/do_x.{pid}")).exists());
        assert!(temp.join(format!("runs/do_x.p.{pid}")).exists());
    }
}

#[test]
fn messages_of_shell_functions_reach_log_and_program() {
    for by in BOTH {
        let scratch = Scratch::new(
            by,
            "do_x() {\n    bbnote one two\n    bbwarn \"three\\nfour\"\n    printf 'bbodd x\\0' > ${LOGFIFO}\n}\naddtask x\n",
        );
        let ran = scratch.run("do_x").ok();
        let records: Vec<(i32, &str)> =
            ran.records(0).iter().map(|record| (record.level, record.text.as_str())).collect();
        let expected = [(20, "one two"), (30, "three\nfour"), (30, "Unrecognised command 'bbodd' on FIFO")];
        assert_eq!(records, expected, "{by:?}");
        let log = scratch.log("do_x");
        assert!(log.contains(
            "NOTE: one two\nWARNING: three\nfour\nWARNING: Unrecognised command 'bbodd' on FIFO\n"
        ));
        assert!(!scratch.path().join(format!("tmp/work/hello/temp/fifo.{}", ran.pid())).exists());
    }
}

#[test]
fn a_python_task_runs_in_place_with_the_variables_of_a_task() {
    let scratch = Scratch::new(
        By::Engine,
        r#"
python do_x() {
    for name in "BB_TASKHASH BB_UNIHASH BB_RUNTASK BB_CURRENTTASK BB_WORKERCONTEXT BB_FILENAME BUILDNAME".split():
        print(name, d.getVar(name))
    print(d.getVar("BB_LOGFILE") == os.path.join(d.getVar("T"), "log.do_x.%d" % os.getpid()))
    print(d.getVar("ONLY"), os.getcwd(), sorted(os.environ.keys() - {"LC_ALL"}))
    print({tid: (data.pn, sorted(data.deps), data.unihash) for tid, data in d.getVar("BB_TASKDEPDATA", False).items()})
    print(bb.parse.siggen.get_unihash("%s:do_x" % d.getVar("FILE")))
    bb.plain("as it is")
    bb.note("worth a note")
    bb.debug(1, "for the log")
    bb.build.exec_func("other", d)
}
do_x[dirs] = "${W}/here"
addtask x
ONLY = "no"
ONLY:task-x = "yes"
other() {
    echo from a shell, in $(basename $PWD)
}
"#,
    );
    let mut spec = scratch.spec("do_x");
    let dependency = Dependency {
        pn: "dep".into(),
        deps: vec!["/l/other.bb:do_y".into()],
        unihash: "c".repeat(64),
        ..Dependency::default()
    };
    spec.depends = Arc::new(BTreeMap::from([("/l/dep.bb:do_z".to_owned(), dependency)]));
    spec.signature = Some(SignatureData { basehash: "d".repeat(64), ..SignatureData::default() });
    let mut build = scratch.build.clone();
    build.variables = vec![("BUILDNAME".into(), "20200101".into())];
    let mut scratch = scratch;
    scratch.build = build;
    let ran = scratch.run_spec(spec).ok();
    let (log, top) = (scratch.log("do_x"), scratch.path().display());
    let expected = format!(
        "DEBUG: Executing python function do_x
BB_TASKHASH {a}
BB_UNIHASH {b}
BB_RUNTASK do_x
BB_CURRENTTASK x
BB_WORKERCONTEXT 1
BB_FILENAME {top}/recipes/hello.bb
BUILDNAME 20200101
True
yes {top}/tmp/work/hello/here ['GREETING', 'HOME', 'PATH']
{{'/l/dep.bb:do_z': ('dep', ['/l/other.bb:do_y'], '{c}')}}
{a}
",
        a = "a".repeat(64),
        b = "b".repeat(64),
        c = "c".repeat(64)
    );
    // Python's own output is written when the function ends or runs another.
    let printed: String = log.lines().filter(|line| !line.starts_with("NOTE") && *line != "as it is").fold(
        String::new(),
        |mut all, line| {
            all.push_str(line);
            all.push('\n');
            all
        },
    );
    let order: Vec<&str> = printed.lines().filter(|line| expected.contains(line)).collect();
    assert_eq!(order, expected.lines().collect::<Vec<_>>(), "{log}");
    assert!(log.contains("from a shell, in here\n"), "{log}");
    assert!(log.contains("DEBUG: for the log\n"));
    assert_eq!(
        ran.records(0).iter().map(|r| (r.level, r.text.as_str())).collect::<Vec<_>>(),
        [(21, "as it is"), (20, "worth a note")]
    );
    // Its run file is there to be read.
    let script = scratch.read("tmp/work/hello/temp/run.do_x");
    assert!(script.starts_with("def do_x(d):\n") && script.contains("\n\ndo_x(d)\n"));
}

#[test]
fn only_a_task_with_the_flag_has_a_network() {
    for by in BOTH {
        let text = |flag: &str| format!("do_x() {{\n    readlink /proc/self/ns/net\n}}\naddtask x\n{flag}\n");
        let host = fs::read_link("/proc/self/ns/net").unwrap().to_str().unwrap().to_owned();
        let apart = Scratch::new(by, &text(""));
        apart.run("do_x").ok();
        let with = Scratch::new(by, &text("do_x[network] = \"1\""));
        with.run("do_x").ok();
        assert!(with.log("do_x").contains(&host), "{by:?}");
        let unshare = std::process::Command::new("unshare").args(["-Un", "true"]).status();
        if unshare.is_ok_and(|status| status.success()) {
            assert!(apart.log("do_x").contains("net:[") && !apart.log("do_x").contains(&host), "{by:?}");
        }
    }
}

#[test]
fn progress_is_read_from_the_output() {
    for by in BOTH {
        let scratch = Scratch::new(
            by,
            "do_x() {\n    echo 10% done; sleep 0.1; printf '\\033[1m50%%\\033[0m\\n'; sleep 0.1; echo 250%\n}\naddtask x\n\
             do_x[progress] = \"percent\"\ndo_y() {\n    echo step 1 of 4; sleep 0.1; echo step 4 of 4\n}\naddtask y\n\
             do_y[progress] = \"outof:step (\\d+) of (\\d+)\"\ndo_z() {\n    echo kept\n}\naddtask z\ndo_z[progress] = \"odd\"\n",
        );
        let ran = scratch.run("do_x").ok();
        assert_eq!(ran.progress(), [0.0, 10.0, 50.0, 100.0], "{by:?}");
        assert!(scratch.log("do_x").contains("10% done\n"));
        assert_eq!(scratch.run("do_y").ok().progress(), [0.0, 25.0, 100.0], "{by:?}");
        let ran = scratch.run("do_z").ok();
        assert_eq!(ran.texts(30), ["do_z: invalid task progress varflag value \"odd\", ignoring"]);
        assert!(scratch.log("do_z").contains("kept\n"));
    }
}

#[test]
fn metadata_can_bring_its_own_reader_of_progress() {
    let scratch = Scratch::new(
        By::Python,
        r#"
def reader():
    import bb.progress
    class Dots(bb.progress.ProgressHandler):
        def __init__(self, d, outfile=None, otherargs=None):
            super().__init__(d, outfile)
            self._step = int(otherargs)
        def write(self, string):
            self.update(string.count(".") * self._step, "fast")
            super().write(string)
    bb.utils._context["dots"] = Dots

python () {
    reader()
}
do_x() {
    echo ...
}
do_x[progress] = "custom:dots:20"
addtask x
do_y() {
    echo ...
}
do_y[progress] = "custom:nothing.like.it"
addtask y
"#,
    );
    let ran = scratch.run("do_x").ok();
    let progress = TaskEvent::Progress { percent: 60.0, rate: Some("fast".into()) };
    assert!(ran.events.contains(&progress), "{:?}", ran.events);
    let ran = scratch.run("do_y").ok();
    let text =
        "do_y: unknown custom progress handler in task progress varflag value \"nothing.like.it\", ignoring";
    assert_eq!(ran.texts(30), [text]);
}

#[test]
fn a_stamp_replaces_older_ones_and_nothing_else() {
    for by in BOTH {
        let scratch = Scratch::new(
            by,
            "do_x() {\n    :\n}\naddtask x\ndo_bad() {\n    false\n}\naddtask bad\ndo_never() {\n    :\n}\naddtask never\n\
             do_never[nostamp] = \"1\"\n",
        );
        for name in ["do_x.old", "do_x.sigdata.old", "do_x.taint", "do_xy.old", "do_x_setscene.old"] {
            scratch.write(&format!("tmp/stamps/hello.{name}"), "");
        }
        let base = scratch.path().join("tmp/stamps/hello").to_str().unwrap().to_owned();
        let stamps = |task: &str| {
            let mut spec = scratch.spec(task);
            let clean = vec![format!("{base}.{task}.*"), format!("{base}.{task}_setscene.*")];
            spec.stamp = Some(Stamps { file: format!("{base}.{task}.new"), clean });
            spec
        };
        scratch.run_spec(stamps("do_x")).ok();
        scratch.run_spec(stamps("do_bad"));
        scratch.run_spec(stamps("do_never")).ok();
        let mut left: Vec<String> = fs::read_dir(scratch.path().join("tmp/stamps"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(
            left,
            ["hello.do_x.new", "hello.do_x.sigdata.old", "hello.do_x.taint", "hello.do_xy.old"],
            "{by:?}"
        );
    }
}

#[test]
fn a_dry_run_reads_the_recipe_and_does_nothing() {
    for by in BOTH {
        let scratch = Scratch::new(by, "do_x() {\n    false\n}\naddtask x\n");
        let mut spec = scratch.spec("do_x");
        spec.dry_run = true;
        spec.fakeroot = true;
        let ran = scratch.run_spec(spec).ok();
        assert!(ran.phases().is_empty());
        assert!(!scratch.path().join("tmp/work").exists());
    }
}

#[test]
fn fakeroot_tasks_run_under_a_host_of_their_own() {
    for by in BOTH {
        let scratch = Scratch::new(by, "fakeroot do_x() {\n    echo $UNDER $BASE $EACH\n}\naddtask x\n");
        let tool = scratch.path().join("fakeroot");
        scratch.write(
            "fakeroot",
            &format!(
                "#!/bin/sh\nif [ \"$1\" = -S ]; then echo saved >> {0}; exit; fi\necho begun >> {0}\nUNDER=yes\nexport UNDER\nexec \"$@\"\n",
                scratch.path().join("calls").display()
            ),
        );
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        scratch.append(
            "conf/bitbake.conf",
            &format!("FAKEROOTCMD = \"{}\"\nFAKEROOTBASEENV = \"BASE=b\"\n", tool.display()),
        );
        let mut spec = scratch.spec("do_x");
        spec.fakeroot = true;
        spec.fakeroot_env = "EACH=e".into();
        spec.fakeroot_dirs = scratch.path().join("state/deep").to_str().unwrap().to_owned();
        let mut executor = scratch.executor();
        executor.start(1, spec.clone()).unwrap();
        finish(&executor, 1).ok();
        executor.start(2, spec).unwrap();
        finish(&executor, 2).ok();
        // A task's environment is cleaned, so only what is set for each task is there.
        assert!(scratch.log("do_x").contains("\ne\n"), "{by:?}: {}", scratch.log("do_x"));
        assert!(scratch.path().join("state/deep").is_dir());
        let calls = scratch.read("calls");
        // That the recipe needs Python shows when it is read for the first time.
        assert_eq!(calls.matches("begun").count(), if by == By::Engine { 1 } else { 2 });
        assert_eq!(calls.matches("saved").count(), 2, "{by:?}");
    }
}

#[test]
fn handlers_of_metadata_hear_of_the_task() {
    let scratch = Scratch::new(By::Engine, "do_x() {\n    :\n}\naddtask x\n");
    scratch.append("conf/bitbake.conf", "INHERIT += \"watch\"\n");
    scratch.write(
        "classes/watch.bbclass",
        r#"
addhandler watcher
watcher[eventmask] = "bb.build.TaskStarted bb.build.TaskSucceeded"
python watcher() {
    bb.plain("%s of %s: %s" % (type(e).__name__, e.task, e.data.getVar("BB_RUNTASK")))
    bb.event.fire(bb.event.MetadataEvent("Seen", {"task": e.task}), d)
}
"#,
    );
    let ran = scratch.run("do_x").ok();
    assert_eq!(ran.texts(20), ["TaskStarted of do_x: do_x", "TaskSucceeded of do_x: do_x"]);
    let fired: Vec<(&str, &str)> = ran
        .events
        .iter()
        .filter_map(|event| match event {
            TaskEvent::Fired(fired) => Some((fired.class.as_str(), fired.attributes.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(fired.len(), 2);
    let (class, attributes) = fired[0];
    let attributes: serde_json::Value = serde_json::from_str(attributes).unwrap();
    assert_eq!(class, "bb.event.MetadataEvent");
    assert_eq!(attributes["type"], "Seen");
    assert_eq!(attributes["pid"], ran.pid());
}

#[test]
fn what_went_into_the_hash_is_there_for_who_asks() {
    let recipe = r#"
do_x() {
    echo ${WORD}
}
addtask x
WORD = "first"
do_y[nostamp] = "1"
python do_y() {
    siggen = bb.parse.siggen
    fn = d.getVar("BB_FILENAME")
    d.setVar("WORD", "changed")
    print("basehash", siggen.basehash[fn + ":do_x"])
    bb.siggen.dump_this_task(d.expand("${TOPDIR}/dumped"), d)
}
addtask y
"#;
    let scratch = Scratch::new(By::Engine, recipe);
    // With the basehash alone known, the taskhash is the hash of it.
    let hash = |text: &str| {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(text.as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    scratch.run("do_y").ok();
    let log = scratch.log("do_y");
    let basehash = log.lines().find_map(|line| line.strip_prefix("basehash ")).unwrap().to_owned();
    // Writing a signature checks that the hashes are those of its parts, so a recipe changed meanwhile would show.
    assert_eq!(basehash.len(), 64);
    assert!(scratch.path().join("dumped").exists());

    let mut spec = scratch.spec("do_x");
    spec.taskhash = hash(&basehash);
    spec.unihash = spec.taskhash.clone();
    spec.signature = Some(SignatureData { basehash, write: true, ..SignatureData::default() });
    let base = scratch.path().join("tmp/stamps/hello").to_str().unwrap().to_owned();
    spec.stamp = Some(Stamps { file: format!("{base}.do_x.{}", spec.taskhash), clean: vec![] });
    let sigdata = format!("{base}.do_x.sigdata.{}", spec.taskhash);
    let ran = scratch.run_spec(spec).ok();
    assert!(ran.records(30).is_empty(), "{ran:?}");
    assert!(fs::metadata(sigdata).unwrap().len() > 0);
}
