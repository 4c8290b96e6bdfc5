//! A scratch directory with metadata in it, and an executor there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rbake::host::{Listener, Project, Settings};
use rbake::lang::diagnostic::Severity;
use rbake::recipe::{RecipeFile, Request};
use rbake::run::{
    BuildData, Executor, Exit, Happened, LocalExecutor, LogRecord, Phase, TaskEvent, TaskId, TaskSpec,
};

/// The least configuration that tasks can be run with. It needs no Python.
const BITBAKE_CONF: &str = r#"
TMPDIR = "${TOPDIR}/tmp"
CACHE = "${TMPDIR}/cache"
PN = "${@bb.parse.vars_from_file(d.getVar('FILE', False), d)[0] or 'unnamed'}"
PV = "1.0"
PF = "${PN}-${PV}-r0"
T = "${TMPDIR}/work/${PN}/temp"
W = "${TMPDIR}/work/${PN}"
STAMP = "${TMPDIR}/stamps/${PN}"
BBFILES = "${TOPDIR}/recipes/*.bb"
BB_DEFAULT_TASK = "build"
BB_SIGNATURE_HANDLER = "basichash"
LOGFIFO = "${T}/fifo.${@os.getpid()}"
export GREETING = "say \"hi\" to `you` and $HOME"
"#;

/// What shell functions say something with.
const BASE: &str = r#"
do_build() {
    :
}
addtask build
bbnote() {
    printf "%b\0" "bbnote $*" > ${LOGFIFO}
}
bbwarn() {
    printf "%b\0" "bbwarn $*" > ${LOGFIFO}
}
bbfatal() {
    printf "%b\0" "bbfatal $*" > ${LOGFIFO}
    exit 1
}
bbfatal_log() {
    printf "%b\0" "bbfatal_log $*" > ${LOGFIFO}
    exit 1
}
"#;

/// Whoever runs the tasks of a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The engine alone.
    Engine,
    /// Python, because the recipe has code for it.
    Python,
}

/// Both.
pub const BOTH: [By; 2] = [By::Engine, By::Python];

/// A scratch build directory with the recipe `hello`.
pub struct Scratch {
    dir: tempfile::TempDir,
    pub build: BuildData,
}

/// Keeps the messages.
#[derive(Default)]
pub struct Kept(pub Vec<String>);

impl Listener for Kept {
    fn said(&mut self, severity: Severity, text: &str, recipe: &str) {
        self.0.push(format!("{severity:?} {recipe}: {text}"));
    }
    fn progress(&mut self, _: usize, _: usize) {}
}

/// What became of one task.
#[derive(Debug)]
pub struct Ran {
    pub events: Vec<TaskEvent>,
    pub exit: Exit,
}

impl Ran {
    /// Records of at least this level.
    pub fn records(&self, level: i32) -> Vec<&LogRecord> {
        let records = self.events.iter().filter_map(|event| match event {
            TaskEvent::Log(record) => Some(record),
            _ => None,
        });
        records.filter(|record| record.level >= level).collect()
    }

    /// Their texts.
    pub fn texts(&self, level: i32) -> Vec<&str> {
        self.records(level).into_iter().map(|record| record.text.as_str()).collect()
    }

    pub fn phases(&self) -> Vec<&Phase> {
        let phases = self.events.iter().filter_map(|event| match event {
            TaskEvent::Phase(phase) => Some(phase),
            _ => None,
        });
        phases.collect()
    }

    /// Process id of its last child.
    pub fn pid(&self) -> i32 {
        let mut pids = self.events.iter().rev().filter_map(|event| match event {
            TaskEvent::Started { pid } => Some(*pid),
            _ => None,
        });
        pids.next().unwrap()
    }

    pub fn progress(&self) -> Vec<f64> {
        let all = self.events.iter().filter_map(|event| match event {
            TaskEvent::Progress { percent, .. } => Some(*percent),
            _ => None,
        });
        all.collect()
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.exit, Exit::Code(0), "{:#?}", self.events);
        self
    }
}

impl Scratch {
    /// One whose recipe has this text and is run by one or the other.
    pub fn new(by: By, recipe: &str) -> Self {
        let scratch = Scratch {
            dir: tempfile::tempdir().unwrap(),
            build: BuildData { log_level: 19, ..BuildData::default() },
        };
        scratch.write("conf/bitbake.conf", BITBAKE_CONF);
        scratch.write("classes/base.bbclass", BASE);
        let code = if by == By::Python { "\npython () {\n    pass\n}\n" } else { "" };
        scratch.write("recipes/hello.bb", &format!("{recipe}{code}"));
        scratch
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A file's text.
    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        let path = self.path().join(name);
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The log of a task, through its link.
    #[track_caller]
    pub fn log(&self, task: &str) -> String {
        self.read(&format!("tmp/work/hello/temp/log.{task}"))
    }

    /// Adds or replaces a file.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Adds to a file.
    pub fn append(&self, name: &str, text: &str) {
        self.write(name, &format!("{}{text}", self.read(name)));
    }

    pub fn project(&self) -> Project {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let path = std::env::var("PATH").unwrap();
        let top = self.path().to_str().unwrap();
        let request = Request {
            environment: vec![pair("PATH", &path), pair("HOME", "/home/of/nobody"), pair("BBPATH", top)],
            ..Request::default()
        };
        let settings = Settings { request, program: program(), cwd: top.to_owned(), keep_going: false };
        let mut kept = Kept::default();
        Project::open(settings, &mut kept).unwrap_or_else(|error| panic!("{error}\n{:?}", kept.0))
    }

    pub fn executor(&self) -> LocalExecutor {
        LocalExecutor::new(&mut self.project(), self.build.clone(), &mut Kept::default()).unwrap()
    }

    /// A task of the recipe.
    pub fn spec(&self, task: &str) -> TaskSpec {
        let path = self.path().join("recipes/hello.bb").to_str().unwrap().to_owned();
        TaskSpec {
            recipe: RecipeFile { path, ..RecipeFile::default() },
            task: task.to_owned(),
            taskhash: "a".repeat(64),
            unihash: "b".repeat(64),
            ..TaskSpec::default()
        }
    }

    /// Runs one task.
    pub fn run(&self, task: &str) -> Ran {
        self.run_spec(self.spec(task))
    }

    /// Runs one task.
    pub fn run_spec(&self, spec: TaskSpec) -> Ran {
        let mut executor = self.executor();
        executor.start(1, spec).unwrap();
        finish(&executor, 1)
    }
}

/// Waits for the end of a task.
pub fn finish(executor: &LocalExecutor, wanted: TaskId) -> Ran {
    let mut events = Vec::new();
    loop {
        let happened = executor.events().recv_timeout(Duration::from_secs(60)).unwrap();
        match happened {
            Happened::Task(id, TaskEvent::Finished(exit)) if id == wanted => return Ran { events, exit },
            Happened::Task(id, event) if id == wanted => events.push(event),
            Happened::Task(..) => {}
            Happened::Said(said) => panic!("{said:?}"),
            Happened::Broken(why) => panic!("{why}"),
        }
    }
}

/// The program under test, alone in a folder with what belongs to it.
fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_rbake"))
}

/// A link to a file, for comparing.
pub fn target(path: &Path) -> String {
    fs::read_link(path).unwrap().to_str().unwrap().to_owned()
}
