//! Processes: their ends, their groups, locks between them, and what happens when one of those that run them dies.

use std::fs;
use std::time::{Duration, Instant};

use rbake::run::{Executor, Exit, Happened, Stop, TaskEvent};

use crate::scratch::{BOTH, By, Scratch, finish};

/// Waits for a file; gives its text.
#[track_caller]
fn appears(path: &std::path::Path) -> String {
    let since = Instant::now();
    loop {
        match fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text.trim_end().to_owned(),
            _ if since.elapsed() > Duration::from_secs(30) => panic!("{} doesn't appear", path.display()),
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// True once a process is gone.
fn goes(pid: &str) -> bool {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(15) {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

const SLEEPER: &str = "do_x() {\n    sleep 1000 &\n    echo $! > ${TOPDIR}/sleeper\n    wait\n}\naddtask x\n";

#[test]
fn a_task_is_stopped_with_all_it_started() {
    for by in BOTH {
        for (how, exit) in [(Stop::Terminate, Exit::Signal(15)), (Stop::Kill, Exit::Signal(9))] {
            let scratch = Scratch::new(by, SLEEPER);
            let mut executor = scratch.executor();
            executor.start(1, scratch.spec("do_x")).unwrap();
            let sleeper = appears(&scratch.path().join("sleeper"));
            executor.stop(how);
            assert_eq!(finish(&executor, 1).exit, exit, "{by:?} {how:?}");
            assert!(goes(&sleeper), "{by:?} {how:?}");
        }
    }
}

#[test]
fn tasks_end_with_the_executor() {
    for by in BOTH {
        let scratch = Scratch::new(by, SLEEPER);
        let mut executor = scratch.executor();
        executor.start(1, scratch.spec("do_x")).unwrap();
        let sleeper = appears(&scratch.path().join("sleeper"));
        drop(executor);
        assert!(goes(&sleeper), "{by:?}");
    }
}

#[test]
fn a_killed_child_is_a_failed_task_with_its_log() {
    for by in BOTH {
        let scratch = Scratch::new(
            by,
            "do_x() {\n    echo last words\n    kill -9 $PPID\n    sleep 0.2\n}\naddtask x\n",
        );
        let ran = scratch.run("do_x");
        assert_eq!((ran.exit, ran.exit.status()), (Exit::Signal(9), 137), "{by:?}");
        assert!(scratch.log("do_x").ends_with("last words\n"));
    }
}

#[test]
fn a_daemon_left_behind_keeps_nobody_waiting() {
    let scratch = Scratch::new(
        By::Engine,
        "python do_x() {\n    import time\n    pid = os.fork()\n    if pid == 0:\n        os.setsid()\n        time.sleep(30)\n        os._exit(0)\n    with open(d.expand('${TOPDIR}/daemon'), 'w') as f:\n        f.write('%d\\n' % pid)\n}\naddtask x\n",
    );
    let since = Instant::now();
    scratch.run("do_x").ok();
    assert!(since.elapsed() < Duration::from_secs(20));
    let pid = scratch.read("daemon").trim().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[test]
fn tasks_with_a_lock_in_common_do_not_run_at_the_same_time() {
    for by in BOTH {
        let scratch = Scratch::new(
            by,
            "do_x() {\n    echo in >> ${TOPDIR}/order\n    sleep 0.3\n    echo out >> ${TOPDIR}/order\n}\naddtask x\n\
             do_x[lockfiles] = \"${TOPDIR}/locks/one.lock\"\n",
        );
        let mut executor = scratch.executor();
        for id in 0..3 {
            executor.start(id, scratch.spec("do_x")).unwrap();
        }
        let mut left = 3;
        while left > 0 {
            match executor.events().recv_timeout(Duration::from_secs(60)).unwrap() {
                Happened::Task(_, TaskEvent::Finished(exit)) => {
                    assert_eq!(exit, Exit::Code(0));
                    left -= 1;
                }
                Happened::Task(..) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(scratch.read("order"), "in\nout\nin\nout\nin\nout\n", "{by:?}");
        assert!(!scratch.path().join("locks/one.lock").exists());
    }
}

#[test]
fn many_tasks_at_once_keep_their_events_apart() {
    for by in BOTH {
        let scratch =
            Scratch::new(by, "do_x() {\n    bbnote $BB_TASKHASH\n}\naddtask x\nexport BB_TASKHASH\n");
        let mut executor = scratch.executor();
        for id in 0..20 {
            let mut spec = scratch.spec("do_x");
            spec.taskhash = format!("hash{id}");
            executor.start(id, spec).unwrap();
        }
        let mut said = vec![Vec::new(); 20];
        let mut ended = 0;
        while ended < 20 {
            match executor.events().recv_timeout(Duration::from_secs(60)).unwrap() {
                Happened::Task(id, TaskEvent::Log(record)) => said[id as usize].push(record.text),
                Happened::Task(_, TaskEvent::Finished(exit)) => {
                    assert_eq!(exit, Exit::Code(0));
                    ended += 1;
                }
                Happened::Task(..) => {}
                other => panic!("{other:?}"),
            }
        }
        for (id, said) in said.iter().enumerate() {
            assert_eq!(said, &[format!("hash{id}")], "{by:?}");
        }
    }
}

#[test]
fn what_runs_tasks_may_die() {
    for by in BOTH {
        let scratch = Scratch::new(
            by,
            "do_x() {\n    ps -o ppid= -p $PPID > ${TOPDIR}/server\n    sleep 1000 &\n    echo $! > ${TOPDIR}/sleeper\n    wait\n}\naddtask x\n",
        );
        let mut executor = scratch.executor();
        executor.start(1, scratch.spec("do_x")).unwrap();
        let sleeper = appears(&scratch.path().join("sleeper"));
        let server: i32 = appears(&scratch.path().join("server")).trim().parse().unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(server), nix::sys::signal::Signal::SIGKILL)
            .unwrap();
        let mut broken = false;
        loop {
            match executor.events().recv_timeout(Duration::from_secs(60)).unwrap() {
                Happened::Broken(_) => broken = true,
                Happened::Task(1, TaskEvent::Finished(exit)) => {
                    assert_eq!(exit, Exit::Lost, "{by:?}");
                    break;
                }
                _ => {}
            }
        }
        assert!(broken);
        assert!(goes(&sleeper), "{by:?}");
        // Tasks that need the same server can't be started any more; that is an error and no panic.
        let again = executor.start(2, scratch.spec("do_x"));
        assert!(again.is_err(), "{by:?}");
    }
}
