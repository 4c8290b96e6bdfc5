//! How a user starts: build directories made from templates, and the script that a shell sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A command that sees only what it is given, so that the environment of the tests does not count.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

fn text(output: &Output) -> String {
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&all).into_owned()
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// So that no archive is asked for its index.
const NO_KEYS: &[(&str, &str)] = &[("RBAKE_UBUNTU_KEYRING", "/no/such/keyring.gpg")];

fn make_build_dir(directory: &Path, environment: &[(&str, &str)]) -> Output {
    command(root().join("scripts/make-build-dir").to_str().expect("UTF-8"))
        .arg(directory)
        .envs(NO_KEYS.iter().copied())
        .envs(environment.iter().copied())
        .output()
        .expect("the script starts")
}

#[test]
fn a_build_directory_is_filled_from_the_templates() {
    let scratch = TempDir::new().expect("a directory");
    let build = scratch.path().join("made/for us");
    let output = make_build_dir(&build, &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("conf/bblayers.conf conf/local.conf"), "{}", text(&output));

    let layers = read(build.join("conf/bblayers.conf"));
    assert!(layers.contains(&format!("  {}/layers/meta-core \\\n", root().display())), "{layers}");
    assert!(!layers.contains("##"), "{layers}");
    // Where nothing can be verified nobody is asked, and the file says why.
    let local = read(build.join("conf/local.conf"));
    assert!(
        local.contains("made: there is no /no/such/keyring.gpg") && local.ends_with("OS_FEED = \"sample\"\n"),
        "{local}"
    );
}

#[test]
fn the_feed_is_written_once() {
    let scratch = TempDir::new().expect("a directory");
    let feed = |choice| make_build_dir(scratch.path(), &[("RBAKE_FEED", choice)]);
    assert_eq!(feed("mine").status.code(), Some(2));

    assert!(feed("sample").status.success());
    let written = read(scratch.path().join("conf/local.conf"));
    assert!(written.ends_with("OS_FEED = \"sample\"\n"), "{written}");

    assert_eq!(text(&feed("sample")), "");
    assert!(text(&feed("archive")).contains("conf/local.conf says otherwise and stays"));
    assert_eq!(read(scratch.path().join("conf/local.conf")), written);
}

#[test]
fn a_file_of_the_user_stays_and_the_difference_is_told() {
    let scratch = TempDir::new().expect("a directory");
    let conf = scratch.path().join("conf");
    fs::create_dir(&conf).expect("a directory");
    fs::write(conf.join("bblayers.conf"), "BBLAYERS = \"/mine\"\n").expect("written");

    let output = make_build_dir(scratch.path(), &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("    BBPATH = \"${TOPDIR}\"\n"), "{}", text(&output));
    assert_eq!(read(conf.join("bblayers.conf")), "BBLAYERS = \"/mine\"\n");
    assert!(conf.join("local.conf").exists());
}

#[test]
fn templates_of_another_layer_are_remembered() {
    let scratch = TempDir::new().expect("a directory");
    let templates = scratch.path().join("templates");
    fs::create_dir(&templates).expect("a directory");
    fs::write(templates.join("bblayers.conf.sample"), "BBLAYERS = \"##OEROOT##/x\"\n").expect("written");
    fs::write(templates.join("local.conf.sample"), "A = \"1\"\n").expect("written");
    let path = templates.to_str().expect("UTF-8");

    let build = scratch.path().join("build");
    assert!(make_build_dir(&build, &[("TEMPLATECONF", path)]).status.success());
    fs::write(templates.join("local.conf.sample"), "A = \"1\"\nB = \"2\"\n").expect("written");
    let output = make_build_dir(&build, &[]);
    assert!(text(&output).contains("    B = \"2\"\n"), "{}", text(&output));

    let output = make_build_dir(&scratch.path().join("none"), &[("TEMPLATECONF", "/no/such")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!scratch.path().join("none").exists(), "nothing is left behind");
}

/// A target directory that looks built, so that nothing is compiled: its programs only say where they run.
fn built(scratch: &Path) -> PathBuf {
    let tools = scratch.join("target/tools");
    fs::create_dir_all(&tools).expect("a directory");
    fs::write(tools.join("rbake"), "#!/bin/sh\necho \"in $PWD with $*\"\n").expect("written");
    let status = Command::new("chmod").arg("+x").arg(tools.join("rbake")).status().expect("chmod");
    assert!(status.success());
    // Newer than any source file may be.
    let status = Command::new("touch").args(["-d", "2100-01-01"]).arg(tools.join(".built")).status();
    assert!(status.expect("touch").success());
    scratch.join("target")
}

#[test]
fn sourcing_sets_up_the_shell_and_leaves_nothing_else() {
    let scratch = TempDir::new().expect("a directory");
    let target = built(scratch.path());
    for shell in ["bash", "zsh", "dash"] {
        if command(shell).args(["-c", ":"]).output().is_err() {
            eprintln!("skipped: {shell} (not installed)");
            continue;
        }
        let build = scratch.path().join(shell);
        let script = format!(
            "set -- '{build}'\n. {root}/rbake-init-build-env '{build}' || exit\n. {root}/rbake-init-build-env '{build}'\n\
             echo \"$PWD|$BUILDDIR|$BBPATH|$(command -v rbake)|$PATH\"\nset | grep ^__rbake",
            root = root().display(),
            build = build.display()
        );
        let file = scratch.path().join("script");
        fs::write(&file, script).expect("written");
        let output = command(shell)
            .arg(&file)
            .env("CARGO_TARGET_DIR", &target)
            .env("RBAKE_ROOT", root())
            .output()
            .expect("the shell starts");
        let text = text(&output);
        let last: Vec<&str> = text.lines().last().unwrap_or_default().split('|').collect();
        let (here, tools) = (build.to_str().expect("UTF-8"), target.join("tools"));
        assert_eq!(last.get(..3), Some([here; 3].as_slice()), "{shell}: {text}");
        assert_eq!(last[3], tools.join("rbake").to_str().expect("UTF-8"), "{shell}: {text}");
        assert_eq!(last[4].matches(tools.to_str().expect("UTF-8")).count(), 1, "{shell}: {text}");
    }
}

#[test]
fn running_instead_of_sourcing_is_explained() {
    for shell in ["bash", "sh"] {
        let output = command(shell).arg(root().join("rbake-init-build-env")).output().expect("a shell");
        assert_eq!(output.status.code(), Some(1), "{shell}");
        assert!(text(&output).contains("only works sourced"), "{shell}: {}", text(&output));
    }
}

#[test]
fn the_launcher_looks_for_the_build_directory_upwards() {
    let scratch = TempDir::new().expect("a directory");
    let target = built(scratch.path());
    let build = scratch.path().join("build");
    assert!(make_build_dir(&build, &[]).status.success());
    let run = |directory: &Path| {
        let output = command(root().join("rbake").to_str().expect("UTF-8"))
            .args(["-c", "compile", "a b"])
            .current_dir(directory)
            .env("CARGO_TARGET_DIR", &target)
            .output()
            .expect("the launcher starts");
        text(&output)
    };
    let expected = |directory: &Path| format!("in {} with -c compile a b\n", directory.display());
    assert_eq!(run(&build), expected(&build));
    assert_eq!(run(&build.join("conf")), expected(&build.join("conf")));
}
