//! The same tasks run by BitBake itself (RBAKE_REFERENCE_BITBAKE names its checkout), and the files they leave.

use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

use crate::scratch::{BOTH, Scratch};

const RECIPE: &str = r#"
do_files() {
    echo in $(basename $PWD)
    echo "$GREETING"
    helper a b
    umask
}
do_files[dirs] = "${W}/d/e"
do_files[prefuncs] = "before"
do_files[postfuncs] = "after_it"
do_files[umask] = "027"
before() {
    echo before
}
after_it() {
    echo after
}
helper() {
    deeper "$@"
}
deeper() {
    echo deep $*
}
addtask files
export MULTI = "one \
two"
export NOT-A-NAME = "x"
unset_me = "1"
unset_me[unexport] = "1"
do_fails() {
    echo begin
    inner
}
inner() {
    false
}
addtask fails
"#;

/// A text without what differs between two runs and two places: folders, process ids, and the beginning of run files.
fn neutral(text: &str, top: &Path) -> String {
    let text = text.replace(top.to_str().unwrap(), "TOP");
    let text = Regex::new(r"\b(log|run|fifo)((?:\.\w+)+?)\.\d+\b").unwrap().replace_all(&text, "$1$2.PID");
    let text = Regex::new(r"\d{8}-\d{6}\.\d{6} (\w+) \(\d+\)").unwrap().replace_all(&text, "TIME $1 (PID)");
    let text = Regex::new(r#"export PATH=".*""#).unwrap().replace_all(&text, "export PATH");
    let body = text.split_once("\nexport ").map(|(_, body)| format!("export {body}"));
    match body {
        Some(body) if text.starts_with("#!/bin/sh") => body,
        _ => text.into_owned(),
    }
}

fn files(top: &Path, task: &str) -> Vec<(String, String)> {
    let temp = top.join("tmp/work/hello/temp");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&temp).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_symlink() {
            continue;
        }
        let name = entry.file_name().into_string().unwrap();
        let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
        found.push((neutral(&name, top), neutral(&text, top)));
    }
    found.sort();
    assert!(found.iter().any(|(name, _)| name.contains(task)), "{found:?}");
    found
}

#[test]
fn logs_and_run_files_are_those_of_bitbake() {
    let Some(checkout) = std::env::var_os("RBAKE_REFERENCE_BITBAKE").map(PathBuf::from) else {
        eprintln!("skipped: RBAKE_REFERENCE_BITBAKE is not set");
        return;
    };
    for by in BOTH {
        for task in ["do_files", "do_fails"] {
            let ours = Scratch::new(by, RECIPE);
            let mut spec = ours.spec(task);
            if task == "do_files" {
                spec.umask = "027".into();
            }
            ours.run_spec(spec);
            let theirs = Scratch::new(by, RECIPE);
            let output = Command::new(checkout.join("bin/bitbake"))
                .args(["hello", "-c", &task[3..]])
                .current_dir(theirs.path())
                .env_clear()
                .env("PATH", std::env::var_os("PATH").unwrap())
                .env("HOME", "/home/of/nobody")
                .env("LANG", "en_US.UTF-8")
                .env("BBPATH", theirs.path())
                .env("BB_SERVER_TIMEOUT", "0")
                .output()
                .unwrap();
            assert!(theirs.path().join("tmp/work").exists(), "{}", String::from_utf8_lossy(&output.stdout));
            // The server goes by itself, a little later.
            assert_eq!(files(ours.path(), task), files(theirs.path(), task), "{by:?} {task}");
        }
    }
}
