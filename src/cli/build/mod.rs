//! Building targets: from the words of a command line to tasks that ran.

mod fetch;
mod graph;
mod hear;
mod invalidate;
mod lock;
mod spec;
mod work;

use rustc_hash::FxHashMap;
use serde_json::json;

pub use graph::{print_hashes, write_graph};
pub use lock::{BuildLock, lock};

use super::args::Manner;
use super::args::bake::BakeOptions;
use super::equivalence::HashServer;
use super::session::{Quiet, Session, Told};
use crate::host::{Metadata, Project};
use crate::lang::diagnostic::Severity;
use crate::run::{BuildData, BuildEvent, Control, Heard, LocalExecutor, TaskNames};
use crate::task::queue::{Queue, Scheduler};
use crate::task::scene::{Fate, Outcome};
use crate::task::{Generator, TaskGraph, TaskHashes, TaskId, Unihashes};

/// Builds targets.
pub fn build(
    session: &mut Session,
    project: &mut Project,
    metadata: &Metadata,
    targets: &[String],
    options: &BakeOptions,
) -> Result<(), Told> {
    graph::with_graph(session, metadata, targets, options, |session, graph| {
        invalidate::invalidate(session, graph, options);
        let main = graph.configurations().first().map(|main| main.prefs);
        let mut server = match main {
            Some(main) => {
                let generator = Generator::of(main).map_err(|error| session.fail(&error.to_string()))?;
                HashServer::of(session, main, generator)?
            }
            None => None,
        };
        let mut nobody = ();
        let unihashes: &mut dyn Unihashes = match &mut server {
            Some(server) => server,
            None => &mut nobody,
        };
        let hashes = graph::hash(session, graph, unihashes)?;
        run_graph(session, project, metadata, targets, options, graph, hashes, server)
    })
}

#[allow(clippy::too_many_arguments, reason = "all that a build consists of")]
fn run_graph(
    session: &mut Session,
    project: &mut Project,
    metadata: &Metadata,
    targets: &[String],
    options: &BakeOptions,
    graph: &TaskGraph<'_>,
    hashes: TaskHashes,
    server: Option<HashServer>,
) -> Result<(), Told> {
    let main = graph.configurations().first().map(|main| main.prefs);
    let setting = |name: &str| main.and_then(|main| main.get_var(name)).unwrap_or_default().into_owned();
    let scheduler = match setting("BB_SCHEDULER").as_str() {
        "" => Scheduler::default(),
        name => Scheduler::named(name).ok_or_else(|| {
            session
                .fail(&format!("Invalid scheduler '{name}'.  Available schedulers: basic, completion, speed"))
        })?,
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = match setting("BB_NUMBER_THREADS").trim() {
        "" => threads,
        number => number
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| session.fail(&format!("Invalid BB_NUMBER_THREADS {number}")))?,
    };
    let queue = Queue::new(graph, scheduler, !options.halt);
    let log_lines = setting("BBINCLUDELOGS_LINES").trim().parse().unwrap_or(0);
    let umask = setting("BB_DEFAULT_UMASK");
    let mut variables = build_variables(&setting("BUILDNAME"));
    if let Some(server) = &server {
        variables.push(("BB_HASHSERVE".to_owned(), server.address.clone()));
    }
    let build = BuildData {
        variables: variables.clone(),
        verbose_shell: options.verbose,
        verbose_stdout: options.verbose,
        log_level: if options.debug > 0 {
            10
        } else if options.verbose {
            19
        } else {
            20
        },
        ..BuildData::default()
    };
    let mut executor = match options.dry_run {
        true => None,
        false => Some(
            LocalExecutor::new(project, build, &mut Quiet)
                .map_err(|error| session.fail(&error.to_string()))?,
        ),
    };
    let control = match options.dry_run {
        true => None,
        false => Some(Control::start(project, &mut Quiet).map_err(|error| session.fail(&error.to_string()))?),
    };
    let show_unasked = session.manner == Manner::Rbake;
    let mut run = Run {
        session,
        metadata,
        graph,
        hashes,
        server,
        changed: Vec::new(),
        queue,
        threads,
        log_lines,
        umask,
        forced: Vec::new(),
        fates: Vec::new(),
        outcomes: Vec::new(),
        rehashed: Vec::new(),
        leaders: Vec::new(),
        held: Vec::new(),
        limits: FxHashMap::default(),
        disks: None,
        skip_fetching: false,
        allowed: enforced(
            &setting("BB_SETSCENE_ENFORCE"),
            &setting("BB_SETSCENE_ENFORCE_IGNORE_TASKS"),
            graph,
        ),
        running: FxHashMap::default(),
        control,
        // BitBake shows none unless it is told to.
        show_log: match setting("BBINCLUDELOGS").as_str() {
            "no" => false,
            "" => show_unasked,
            _ => true,
        },
    };
    if !options.dry_run {
        run.watch_disks(&setting("BB_DISKMON_DIRS"), &setting("BB_DISKMON_WARNINTERVAL"));
    }
    if options.force || options.clear_stamp.is_some() {
        run.forced = graph.targets.clone();
    }
    let name = variables.first().map(|(_, name)| name.clone()).unwrap_or_default();
    run.fire("bb.event.BuildStarted", vec![json!(name), json!(targets)])?;
    let result = match &mut executor {
        Some(executor) => run.all(executor, options),
        None => run.pretend(),
    };
    let failures = run.queue.failures().len();
    let interrupted = usize::from(result.is_err() && failures == 0);
    let ended = run.fire(
        "bb.event.BuildCompleted",
        vec![json!(graph.len()), json!(name), json!(targets), json!(failures), json!(interrupted)],
    );
    run.sum_up(result.is_ok());
    drop(executor);
    result.and(ended)
}

/// The tasks that may be made although only results are to be fetched (BB_SETSCENE_ENFORCE_IGNORE_TASKS); None if all may.
fn enforced(enforce: &str, ignored: &str, graph: &TaskGraph<'_>) -> Option<Vec<String>> {
    if enforce != "1" {
        return None;
    }
    let mut allowed = Vec::new();
    for word in ignored.split_whitespace() {
        match word.strip_prefix("%:") {
            Some(task) => {
                let pns = graph.targets.iter().map(|target| &graph.record(*target).pn);
                allowed.extend(pns.map(|pn| format!("{pn}:{task}")));
            }
            None => allowed.push(word.to_owned()),
        }
    }
    Some(allowed)
}

/// What is frozen when a build begins. BUILDNAME comes first.
fn build_variables(name: &str) -> Vec<(String, String)> {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let date = now.strftime("%Y%m%d").to_string();
    let time = now.strftime("%H%M%S").to_string();
    let name = if name.is_empty() { now.strftime("%Y%m%d%H%M").to_string() } else { name.to_owned() };
    [("BUILDNAME", name), ("DATE", date), ("TIME", time)].map(|(name, value)| (name.to_owned(), value)).into()
}

/// A running task.
struct Running {
    names: TaskNames,
    /// Its messages were shown, so its log need not be.
    errors_printed: bool,
}

/// One build at work.
struct Run<'a, 'c> {
    session: &'a mut Session,
    metadata: &'a Metadata,
    graph: &'a TaskGraph<'c>,
    hashes: TaskHashes,
    server: Option<HashServer>,
    /// Unihashes that tasks reported and that aren't taken over yet.
    changed: Vec<(TaskId, String)>,
    queue: Queue,
    threads: usize,
    log_lines: usize,
    show_log: bool,
    umask: String,
    /// Tasks that run even if they have a stamp.
    forced: Vec<TaskId>,
    /// What becomes of each task; empty if no results are fetched.
    fates: Vec<Fate>,
    /// What is known of each result; empty if none are fetched.
    outcomes: Vec<Outcome>,
    /// Tasks whose results an equal task makes first, and that task.
    leaders: Vec<(TaskId, TaskId)>,
    /// Such tasks that are all that is left to wait for.
    held: Vec<TaskId>,
    /// How many tasks of a name may run at once, where that was looked up.
    limits: FxHashMap<String, Option<usize>>,
    disks: Option<work::Disks>,
    /// BB_SETSCENE_ENFORCE: patterns `PN:task` of the tasks that may be made although results should be fetched. None: all.
    allowed: Option<Vec<String>>,
    /// `--skip-setscene`.
    skip_fetching: bool,
    /// Tasks that got other hashes since that was found out.
    rehashed: Vec<TaskId>,
    running: FxHashMap<u32, Running>,
    control: Option<Control>,
}

impl Run<'_, '_> {
    pub(super) fn fire(&mut self, class: &str, arguments: Vec<serde_json::Value>) -> Result<(), Told> {
        let Some(control) = &self.control else { return Ok(()) };
        let mut heard = Vec::new();
        let fired =
            control.fire("", &BuildEvent::plain(class, arguments), &mut |message| heard.push(message));
        self.say(heard);
        fired.map_err(|error| self.session.fail(&error.to_string()))
    }

    pub(super) fn say(&mut self, heard: Vec<Heard>) {
        for message in heard {
            if let Heard::Log(record) = message {
                self.session.console.message(record.severity(), &record.text);
            }
        }
    }

    /// The last line about tasks.
    pub(super) fn sum_up(&mut self, good: bool) {
        let counts = self.queue.counts();
        let failed = counts.failed;
        let attempted = counts.completed + failed;
        let how = match (good, failed) {
            (true, _) => "all succeeded.".to_owned(),
            (false, failed) => format!("{failed} failed."),
        };
        let text = format!(
            "Tasks Summary: Attempted {attempted} tasks of which {} didn't need to be rerun and {how}",
            counts.skipped
        );
        self.session.console.message(Severity::Note, &text);
        if self.session.manner == Manner::Rbake && good && counts.skipped == counts.total {
            self.session.console.plain("Everything is up to date.");
        }
    }
}
