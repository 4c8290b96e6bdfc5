//! A scratch directory with metadata in it, and the program run there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A scratch build directory.
pub struct TestSpace {
    dir: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

/// What a run of the program gave.
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit status; None if a signal ended it.
    pub code: Option<i32>,
}

impl Output {
    fn of(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output().unwrap();
        Output {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code(),
        }
    }

    /// Both streams.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Fails unless the program ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.text());
        self
    }

    /// Fails unless the program ended with status 1.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert_eq!(self.code, Some(1), "{}", self.text());
        self
    }

    /// Fails unless the output holds a text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.text().contains(text), "{text:?} isn't in:\n{}", self.text());
        self
    }

    /// Fails if the output holds a text.
    #[track_caller]
    pub fn says_nothing_of(self, text: &str) -> Self {
        assert!(!self.text().contains(text), "{text:?} is in:\n{}", self.text());
        self
    }
}

impl TestSpace {
    /// An empty one.
    pub fn empty() -> Self {
        TestSpace { dir: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    /// One with a configuration that needs no Python, and recipes in `recipes/`.
    pub fn plain() -> Self {
        TestSpace::empty()
            .file(
                "conf/bitbake.conf",
                r#"PN = "unnamed"
PV = "1.0"
TMPDIR = "${TOPDIR}/tmp"
CACHE = "${TMPDIR}/cache"
BBFILES = "${TOPDIR}/recipes/*.bb ${TOPDIR}/recipes/*.bbappend"
"#,
            )
            .file("classes/base.bbclass", "do_build() {\n    :\n}\naddtask build\n")
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Adds or replaces a file.
    pub fn file(self, name: &str, text: &str) -> Self {
        self.write(name, text);
        self
    }

    /// Adds or replaces a file.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Sets an environment variable for the program.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The program, ready to be started here.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("BBPATH", self.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs a tool by its name in a folder of this one.
    pub fn run_tool(&self, tool: &str, folder: &str, arguments: &[&str]) -> Output {
        let link = self.path().join(tool);
        if !link.exists() {
            std::os::unix::fs::symlink(program(), &link).unwrap();
        }
        let mut command = Command::new(link);
        command
            .args(arguments)
            .current_dir(self.path().join(folder))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        Output::of(&mut command)
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Output::of(&mut self.command(arguments))
    }
}

/// The program under test.
pub fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_rbake"))
}
