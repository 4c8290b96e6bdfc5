//! Handlers and functions of metadata whose state spans the build.

use std::collections::BTreeMap;

use rbake::run::{BuildEvent, Control, DepValid, HashCheck, Heard, QueueEvent, Stats};
use serde_json::json;

use crate::scratch::{By, Kept, Scratch};

const CLASS: &str = r#"
addhandler counter
counter[eventmask] = "bb.event.BuildStarted bb.runqueue.runQueueTaskFailed bb.runqueue.sceneQueueTaskStarted"
python counter() {
    # The state of one event is there with the next.
    count = int(d.getVar("COUNT") or 0) + 1
    d.setVar("COUNT", str(count))
    name = type(e).__name__
    if name == "BuildStarted":
        bb.plain("%d %s %s %s" % (count, name, e.getName(), e.getPkgs()))
    else:
        bb.plain("%d %s %s %s %s" % (count, name, e.taskstring, e.taskhash, e.stats.total))
        bb.plain(str(e))if name.endswith("Failed") else None
}

def check(sq_data, d, siginfo=False, currentcount=0, summary=True, **kwargs):
    bb.note("checking %d of %s, %s %s %s" % (len(sq_data["hash"]), d.getVar("BB_CURRENT_MC"), siginfo, currentcount, summary))
    return {tid for tid in sq_data["hash"] if sq_data["unihash"][tid] == "u" and sq_data["hashfn"][tid] == "f " + tid}

def valid(task, taskdependees, notneeded, d, log=None):
    pn, taskname, fn = taskdependees[task]
    return pn == "a" and len(taskdependees) == 2 and "n" in notneeded

BB_HASHCHECK_FUNCTION = "check"
BB_SETSCENE_DEPVALID = "valid"
"#;

fn control(class: &str) -> (Scratch, Control) {
    let scratch = Scratch::new(By::Engine, "");
    scratch.append("conf/bitbake.conf", "INHERIT += \"watch\"\n");
    scratch.write("classes/watch.bbclass", class);
    let control = Control::start(&mut scratch.project(), &mut Kept::default()).unwrap();
    (scratch, control)
}

fn texts(heard: &[Heard]) -> Vec<&str> {
    let texts = heard.iter().filter_map(|heard| match heard {
        Heard::Log(record) => Some(record.text.as_str()),
        _ => None,
    });
    texts.collect()
}

#[test]
fn handlers_hear_of_the_build_and_keep_their_state() {
    let (_scratch, control) = control(CLASS);
    let mut heard = Vec::new();
    let mut hear = |what| heard.push(what);
    assert!(control.wants("bb.event.BuildStarted") && !control.wants("bb.event.BuildCompleted"));
    let started = BuildEvent::plain("bb.event.BuildStarted", vec![json!("name"), json!(["a:do_b"])]);
    control.fire("", &started, &mut hear).unwrap();
    let queue = |what, setscene| BuildEvent::Queue {
        what,
        setscene,
        tid: "/l/a.bb:do_b".into(),
        taskhash: "h".into(),
        stats: Stats { total: 7, ..Stats::default() },
    };
    let failed = QueueEvent::Failed { exitcode: 3, fakeroot_log: None };
    control.fire("", &queue(failed, false), &mut hear).unwrap();
    control.fire("", &queue(QueueEvent::Completed, false), &mut hear).unwrap();
    control.fire("", &queue(QueueEvent::Started { noexec: false }, true), &mut hear).unwrap();
    assert_eq!(
        texts(&heard),
        [
            "1 BuildStarted name ['a:do_b']",
            "2 runQueueTaskFailed /l/a.bb:do_b h 7",
            "Task (/l/a.bb:do_b) failed with exit code '3'",
            "3 sceneQueueTaskStarted /l/a.bb:do_b_setscene h 7",
        ]
    );
}

#[test]
fn every_event_of_the_queue_can_be_made() {
    let class = "addhandler all\npython all() {\n    bb.plain(type(e).__name__)\n}\n";
    let (_scratch, control) = control(class);
    let mut heard = Vec::new();
    let mut expected = Vec::new();
    for setscene in [false, true] {
        for what in [
            QueueEvent::Started { noexec: true },
            QueueEvent::Completed,
            QueueEvent::Failed { exitcode: 1, fakeroot_log: Some("log".into()) },
            QueueEvent::Skipped { reason: "covered".into() },
        ] {
            if setscene && matches!(what, QueueEvent::Skipped { .. }) {
                // BitBake has no such event.
                continue;
            }
            let event = BuildEvent::Queue {
                what,
                setscene,
                tid: "/l/a.bb:do_b".into(),
                taskhash: "h".into(),
                stats: Stats::default(),
            };
            expected.push(event.class().rsplit('.').next().unwrap().to_owned());
            control.fire("", &event, &mut |what| heard.push(what)).unwrap();
        }
    }
    control.fire("", &BuildEvent::SetsceneComplete(Stats::default()), &mut |what| heard.push(what)).unwrap();
    expected.push("sceneQueueComplete".into());
    assert_eq!(texts(&heard), expected);
}

#[test]
fn functions_of_metadata_judge_hashes_and_dependencies() {
    let (_scratch, control) = control(CLASS);
    let task = |tid: &str, unihash: &str| HashCheck {
        tid: tid.into(),
        hash: "h".into(),
        hashfn: format!("f {tid}"),
        unihash: unihash.into(),
    };
    let mut heard = Vec::new();
    let tasks = [task("a", "u"), task("b", "other"), task("c", "u")];
    let found = control.hash_check(&tasks, false, 2, true, &mut |what| heard.push(what)).unwrap().unwrap();
    let mut found: Vec<String> = found.into_iter().collect();
    found.sort();
    assert_eq!(found, ["a", "c"]);
    assert_eq!(texts(&heard), ["checking 3 of , False 2 True"]);

    let entry = |pn: &str| (pn.to_owned(), "do_b".to_owned(), "/l/x.bb".to_owned());
    let question = |pn: &str| DepValid {
        task: "t".into(),
        taskdata: BTreeMap::from([("t".to_owned(), entry(pn)), ("u".to_owned(), entry("z"))]),
    };
    let questions = [question("a"), question("b")];
    let valid = control.depvalid(&questions, &["n".into()], &mut |_| ()).unwrap();
    assert_eq!(valid, Some(vec![true, false]));
    assert_eq!(control.depvalid(&questions, &[], &mut |_| ()).unwrap(), Some(vec![false, false]));
}

#[test]
fn a_handler_that_fails_is_an_error_with_its_reason() {
    let class = "addhandler bad\nbad[eventmask] = \"bb.event.BuildStarted\"\npython bad() {\n    raise ValueError('no')\n}\n";
    let (_scratch, control) = control(class);
    let mut heard = Vec::new();
    let event = BuildEvent::plain("bb.event.BuildStarted", vec![json!("n"), json!([])]);
    control.fire("", &event, &mut |what| heard.push(what)).unwrap_err();
    assert!(texts(&heard).iter().any(|text| text.contains("ValueError: no")), "{heard:?}");
    // It goes on afterwards.
    assert!(control.hash_check(&[], false, 0, true, &mut |_| ()).unwrap().is_none());
}

#[test]
fn metadata_without_python_needs_none_for_it() {
    let scratch = Scratch::new(By::Engine, "");
    let mut project = scratch.project();
    let control = Control::start(&mut project, &mut Kept::default()).unwrap();
    let event = BuildEvent::plain("bb.event.BuildStarted", vec![json!("n"), json!([])]);
    control.fire("", &event, &mut |_| ()).unwrap();
    assert!(control.hash_check(&[], false, 0, true, &mut |_| ()).unwrap().is_none());
}
