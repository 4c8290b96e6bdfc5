//! Building targets: from the words of a command line to tasks that ran.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::Receiver;
use rustc_hash::FxHashMap;
use serde_json::json;

use super::args::Manner;
use super::args::bake::BakeOptions;
use super::equivalence::HashServer;
use super::session::{Prepared, Quiet, Session, Told};
use crate::catalog::targets::{Resolved, resolve_targets};
use crate::catalog::{Preferences, ResolvePolicy, VirtualFile};
use crate::host::{Metadata, Project};
use crate::lang::diagnostic::Severity;
use crate::run::{
    BuildData, BuildEvent, Control, DepValid, Dependency, Executor, Exit, Happened, HashCheck, Heard,
    LocalExecutor, LogRecord, Phase, SignatureData, Stamps, Stop, TaskEvent, TaskNames, TaskSpec, excerpt,
};
use crate::task::queue::{Queue, Scheduler};
use crate::task::scene::{self, Fate, Outcome};
use crate::task::stamp::{SETSCENE, clean_masks, taint_file};
use crate::task::{Generator, TaskGraph, TaskHashes, TaskId, Unihashes, Wanted, dot, prepare};
use crate::ui::interrupt;

/// How long a task may take to end when it was asked to.
const PATIENCE: Duration = Duration::from_secs(10);

/// Finds the tasks that targets need, and hands their graph on.
pub fn with_graph<R>(
    session: &mut Session,
    metadata: &Metadata,
    targets: &[String],
    options: &BakeOptions,
    then: impl FnOnce(&mut Session, &TaskGraph<'_>) -> Result<R, Told>,
) -> Result<R, Told> {
    let default = metadata.worlds.first().and_then(|world| world.tree.preferences.get_var("BB_DEFAULT_TASK"));
    let task =
        options.cmd.clone().or(default.map(|task| task.into_owned())).unwrap_or_else(|| "build".into());
    let mut said = Vec::new();
    let prepared = Prepared::new(metadata, &options.extra_assume_provided, &mut said);
    let configurations = prepared.configurations();
    session.console.message(Severity::Note, "Resolving any missing task queue dependencies");
    let policy = ResolvePolicy { halt: options.halt, allow_incomplete: options.graphviz };
    let resolved = resolve_targets(targets, &task, &configurations, policy, &mut (), &mut said);
    session.tell(&said);
    let resolved: Resolved<'_> = resolved.map_err(|error| session.resolve_error(&error))?;
    let wanted =
        Wanted { runall: options.runall.clone(), runonly: options.runonly.clone(), halt: options.halt };
    let mut warnings = Vec::new();
    let graph = prepare(&resolved, &configurations, &wanted, &mut |text| warnings.push(text));
    for warning in warnings {
        session.console.message(Severity::Error, &warning);
    }
    let graph = graph.map_err(|error| session.fail(&error.to_string()))?;
    then(session, &graph)
}

/// Hashes the tasks of a graph.
fn hash(
    session: &mut Session,
    graph: &TaskGraph<'_>,
    unihashes: &mut dyn Unihashes,
) -> Result<TaskHashes, Told> {
    let mut hashes = TaskHashes::new(graph).map_err(|error| session.fail(&error.to_string()))?;
    let mut warnings = Vec::new();
    hashes
        .hash_all(graph, unihashes, &mut |text| warnings.push(text))
        .map_err(|error| session.fail(&error.to_string()))?;
    for warning in warnings {
        session.console.message(Severity::Warning, &warning);
    }
    Ok(hashes)
}

/// `-g`: writes the graph into the working directory.
pub fn write_graph(
    session: &mut Session,
    metadata: &Metadata,
    targets: &[String],
    options: &BakeOptions,
) -> Result<(), Told> {
    with_graph(session, metadata, targets, options, |session, graph| {
        let files =
            [("pn-buildlist", dot::build_list(graph)), ("task-depends.dot", dot::task_depends(graph))];
        for (name, text) in files {
            let path = Path::new(&session.cwd).join(name);
            std::fs::write(path, text)
                .map_err(|error| session.fail(&format!("{name} can't be written: {error}")))?;
            let what = if name == "pn-buildlist" { "PN build list" } else { "Task dependencies" };
            session.console.message(Severity::Note, &format!("{what} saved to '{name}'"));
        }
        for old in ["pn-depends.dot", "package-depends.dot", "recipe-depends.dot"] {
            // They may be left over from BitBake; mostly they are not there.
            let _ = std::fs::remove_file(Path::new(&session.cwd).join(old));
        }
        Ok(())
    })
}

/// `rbake --internal-hashes TARGET…`: recipe, version, task and hash of every task, for tests.
pub fn print_hashes(arguments: &[String]) -> std::process::ExitCode {
    let mut session = Session::new(arguments, Manner::Rbake, Session::options(Manner::Rbake));
    session.lints = false;
    let options = BakeOptions { halt: true, ..BakeOptions::default() };
    let result = (|| {
        let mut project = session.open(crate::recipe::Request::default(), true)?;
        let metadata = session.load(&mut project)?;
        let targets = arguments.get(2..).unwrap_or_default();
        with_graph(&mut session, &metadata, targets, &options, |session, graph| {
            let hashes = hash(session, graph, &mut ())?;
            for task in graph.ids() {
                let record = graph.record(task);
                let hash = &hashes.of(task).hash;
                session.console.plain(&format!(
                    "{}\t{}\t{}\t{hash}",
                    record.pn,
                    record.version.pv,
                    graph.name(task)
                ));
            }
            Ok(())
        })
    })();
    session.finish(result)
}

/// Builds targets.
pub fn build(
    session: &mut Session,
    project: &mut Project,
    metadata: &Metadata,
    targets: &[String],
    options: &BakeOptions,
) -> Result<(), Told> {
    with_graph(session, metadata, targets, options, |session, graph| {
        invalidate(session, graph, options);
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
        let hashes = hash(session, graph, unihashes)?;
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
                .fail(&format!("Invalid scheduler '{name}'. Available schedulers: basic, speed, completion"))
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
        skip_fetching: false,
        running: FxHashMap::default(),
        control,
        show_log: setting("BBINCLUDELOGS") != "no",
    };
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

/// `-f` and `-C`: makes tasks run again by changing their hashes or removing their stamps.
fn invalidate(session: &mut Session, graph: &TaskGraph<'_>, options: &BakeOptions) {
    let mut tasks: Vec<(TaskId, String)> = Vec::new();
    if options.force {
        tasks.extend(graph.targets.iter().map(|task| (*task, graph.name(*task).to_owned())));
    }
    for name in options.clear_stamp.iter().flat_map(|names| names.split(',')) {
        let name = crate::catalog::targets::task_name(name);
        tasks.extend(graph.targets.iter().map(|task| (*task, name.clone())));
    }
    for (task, name) in tasks {
        let record = graph.record(task);
        let Some(known) = record.task(&name) else {
            let text = format!("Task {name} does not exist, invalidating this task will have no effect");
            session.console.message(Severity::Warning, &text);
            continue;
        };
        if known.nostamp {
            continue;
        }
        let style = match crate::task::Generator::of(graph.configuration(task).prefs) {
            Ok(generator) => generator.stamps(),
            Err(_) => continue,
        };
        let done = match style {
            crate::task::stamp::StampStyle::Plain => {
                let stamp = style.stamp(record, &name, "", true).unwrap_or_default();
                match std::fs::remove_file(&stamp) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            }
            crate::task::stamp::StampStyle::Hashed => {
                let text = format!("Tainting hash to force rebuild of task {}, {name}", record.file);
                session.console.message(Severity::Note, &text);
                let file = taint_file(record, &name);
                let dir = Path::new(&file).parent().unwrap_or(Path::new("/"));
                std::fs::create_dir_all(dir)
                    .and_then(|()| std::fs::write(&file, crate::task::hash::random_id()))
            }
        };
        if let Err(error) = done {
            session.fail(&format!("{name} of {} can't be made to run again: {error}", record.file));
        }
    }
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
    /// `--skip-setscene`.
    skip_fetching: bool,
    /// Tasks that got other hashes since that was found out.
    rehashed: Vec<TaskId>,
    running: FxHashMap<u32, Running>,
    control: Option<Control>,
}

impl Run<'_, '_> {
    fn fire(&mut self, class: &str, arguments: Vec<serde_json::Value>) -> Result<(), Told> {
        let Some(control) = &self.control else { return Ok(()) };
        let mut heard = Vec::new();
        let fired =
            control.fire("", &BuildEvent::plain(class, arguments), &mut |message| heard.push(message));
        self.say(heard);
        fired.map_err(|error| self.session.fail(&error.to_string()))
    }

    /// Fetches results, then runs what is left.
    fn all(&mut self, executor: &mut LocalExecutor, options: &BakeOptions) -> Result<(), Told> {
        let interrupts = interrupt::listen();
        if !options.setscene.none && self.graph.tasks.iter().any(|task| task.setscene) {
            self.fetch_results(executor, options.setscene.skip, &interrupts)?;
        }
        if options.setscene.only {
            return Ok(());
        }
        self.session.console.message(Severity::Note, "Executing Tasks");
        self.skip_fetching = options.setscene.skip;
        self.work(executor, &interrupts)
    }

    /// Finds out which results can be fetched, and fetches those that are needed. What can't be fetched after all is made.
    fn fetch_results(
        &mut self,
        executor: &mut LocalExecutor,
        skip: bool,
        interrupts: &Receiver<()>,
    ) -> Result<(), Told> {
        let graph = self.graph;
        // The first time everything is looked at, later what has other hashes now.
        let tasks: Vec<TaskId> = match self.outcomes.is_empty() {
            true => graph.ids().collect(),
            false => std::mem::take(&mut self.rehashed),
        };
        let mut outcomes = std::mem::take(&mut self.outcomes);
        outcomes.resize(graph.len(), Outcome::Missing);
        let mut questions = Vec::new();
        for task in tasks.into_iter().filter(|task| graph.tasks[task.index()].setscene) {
            let stamp = self.hashes.stamp(graph, task, true);
            let present = self.running.contains_key(&task.0)
                || stamp.is_some_and(|stamp| Path::new(&stamp).exists())
                || self.is_current(task);
            let forced = self.forced.contains(&task);
            outcomes[task.index()] = if present && !forced { Outcome::Present } else { Outcome::Missing };
            if !present && !forced && !graph.task(task).noexec {
                questions.push(task);
            }
        }
        if !skip && !questions.is_empty() {
            let present = outcomes.iter().filter(|outcome| **outcome == Outcome::Present).count();
            for task in self.ask_for_results(&questions, present)? {
                outcomes[task.index()] = Outcome::Available;
            }
        }
        let mut done = 0;
        loop {
            let fates = self.plan(&outcomes)?;
            let fetch: Vec<TaskId> =
                graph.ids().filter(|task| fates[task.index()] == Fate::Fetched).collect();
            if fetch.is_empty() {
                (self.fates, self.outcomes) = (fates, outcomes);
                return Ok(());
            }
            let total = done + fetch.len();
            for (task, good) in self.fetch(executor, &fetch, (&mut done, total), interrupts)? {
                outcomes[task.index()] = if good { Outcome::Present } else { Outcome::Missing };
            }
        }
    }

    /// Asks metadata whose results can be fetched.
    fn ask_for_results(&mut self, tasks: &[TaskId], present: usize) -> Result<Vec<TaskId>, Told> {
        let Some(control) = &self.control else { return Ok(Vec::new()) };
        let questions: Vec<HashCheck> = tasks
            .iter()
            .map(|task| HashCheck {
                tid: self.graph.tid(*task),
                hash: self.hashes.of(*task).hash.clone(),
                hashfn: self.graph.record(*task).hashfilename.clone(),
                unihash: self.hashes.of(*task).unihash.clone(),
            })
            .collect();
        let mut heard = Vec::new();
        let answer = control.hash_check(&questions, false, present, true, &mut |message| heard.push(message));
        self.say(heard);
        let known = answer.map_err(|error| self.session.fail(&error.to_string()))?.unwrap_or_default();
        Ok(tasks
            .iter()
            .zip(&questions)
            .filter(|(_, q)| known.contains(&q.tid))
            .map(|(task, _)| *task)
            .collect())
    }

    /// Decides what becomes of each task.
    fn plan(&mut self, outcomes: &[Outcome]) -> Result<Vec<Fate>, Told> {
        let graph = self.graph;
        let control = &self.control;
        let mut heard = Vec::new();
        let describe = |task: TaskId| {
            let record = graph.record(task);
            let file = VirtualFile::parse(&record.file).path.to_owned();
            (graph.tid(task), (record.pn.clone(), graph.name(task).to_owned(), file))
        };
        // Without the function every result that something asks for counts as needed.
        let mut has_function = control.is_some();
        let mut needed = |task: TaskId, above: &[TaskId]| {
            let Some(control) = control.as_ref().filter(|_| has_function) else { return Ok(true) };
            let taskdata = above.iter().chain([&task]).map(|task| describe(*task)).collect();
            let question = DepValid { task: graph.tid(task), taskdata };
            let valid = control.depvalid(&[question], &[], &mut |message| heard.push(message))?;
            has_function = valid.is_some();
            // It is valid to leave it out.
            Ok(valid.is_none_or(|valid| valid.first() != Some(&true)))
        };
        let fates = scene::plan(graph, &|task| outcomes[task.index()], &mut needed);
        self.say(heard);
        fates.map_err(|error: crate::host::HostError| self.session.fail(&error.to_string()))
    }

    /// Fetches results; tells for each whether it went well.
    fn fetch(
        &mut self,
        executor: &mut LocalExecutor,
        tasks: &[TaskId],
        (done, total): (&mut usize, usize),
        interrupts: &Receiver<()>,
    ) -> Result<Vec<(TaskId, bool)>, Told> {
        let mut results = Vec::new();
        let mut waiting: Vec<(TaskId, Vec<TaskId>)> =
            tasks.iter().map(|task| (*task, self.fetched_before(*task, tasks))).collect();
        let mut active: Vec<TaskId> = Vec::new();
        let mut stopping = false;
        while !active.is_empty() || !(waiting.is_empty() || stopping) {
            let open =
                |task: &TaskId, results: &[(TaskId, bool)]| results.iter().any(|(known, _)| known == task);
            while !stopping && active.len() < self.threads {
                let ready =
                    waiting.iter().position(|(_, first)| first.iter().all(|task| open(task, &results)));
                // Tasks that wait for each other are taken as they come.
                let Some(at) = ready.or((active.is_empty() && !waiting.is_empty()).then_some(0)) else {
                    break;
                };
                let (task, _) = waiting.remove(at);
                *done += 1;
                let text =
                    format!("Running setscene task {done} of {total} ({}_setscene)", self.graph.tid(task));
                self.session.console.message(Severity::Note, &text);
                let spec = self.setscene_spec(task);
                self.running.insert(task.0, Running { names: TaskNames::default(), errors_printed: false });
                executor.start(task.0, spec).map_err(|error| self.session.fail(&error.to_string()))?;
                active.push(task);
            }
            crossbeam::channel::select! {
                recv(executor.events()) -> happened => match happened {
                    Ok(Happened::Task(id, TaskEvent::Finished(exit))) if active.contains(&TaskId(id)) => {
                        let task = TaskId(id);
                        active.retain(|known| *known != task);
                        self.running.remove(&id);
                        results.push((task, exit.success()));
                        if !exit.success() {
                            let text = format!(
                                "Setscene task ({}_setscene) failed with exit code '{}' - real task will be run instead",
                                self.graph.tid(task), exit.status()
                            );
                            self.session.console.message(Severity::Warning, &text);
                        }
                    }
                    Ok(happened) => self.hear(happened),
                    Err(_) => return Err(self.session.fail("what runs the tasks is gone")),
                },
                recv(interrupts) -> _ => {
                    if stopping {
                        executor.stop(Stop::Terminate);
                    }
                    stopping = true;
                },
            }
        }
        if stopping { Err(Told) } else { Ok(results) }
    }

    /// Those of `tasks` whose results have to be there before that of `task` can be fetched.
    fn fetched_before(&self, task: TaskId, tasks: &[TaskId]) -> Vec<TaskId> {
        let name = format!("{}{SETSCENE}", self.graph.name(task));
        let depends = self.graph.record(task).task(&name).and_then(|task| task.depends.as_deref());
        let mut found = Vec::new();
        for word in depends.unwrap_or_default().split_whitespace() {
            let Some((item, wanted)) = word.split_once(':') else { continue };
            let wanted = wanted.strip_suffix(SETSCENE).unwrap_or(wanted);
            found.extend(tasks.iter().copied().filter(|other| {
                let record = self.graph.record(*other);
                *other != task
                    && self.graph.name(*other) == wanted
                    && record.all_provides().any(|name| name == item)
            }));
        }
        found
    }

    fn setscene_spec(&self, task: TaskId) -> TaskSpec {
        let record = self.graph.record(task);
        let name = format!("{}{SETSCENE}", self.graph.name(task));
        let own = record.task(&name);
        let fakeroot = own.is_some_and(|own| own.fakeroot);
        let stamp = self.hashes.stamp(self.graph, task, true).map(|file| {
            let clean = clean_masks(self.hashes.generator.stamps(), record, &name);
            Stamps { file, clean }
        });
        TaskSpec {
            stamp,
            quiet_errors: true,
            fakeroot,
            fakeroot_env: if fakeroot { record.fakeroot.env.clone() } else { record.fakeroot.noenv.clone() },
            fakeroot_dirs: if fakeroot { record.fakeroot.dirs.clone() } else { String::new() },
            umask: own.and_then(|own| own.umask.clone()).unwrap_or_else(|| self.umask.clone()),
            task: name,
            ..self.spec(task)
        }
    }

    fn say(&mut self, heard: Vec<Heard>) {
        for message in heard {
            if let Heard::Log(record) = message {
                self.session.console.message(record.severity(), &record.text);
            }
        }
    }

    /// Runs everything.
    fn work(&mut self, executor: &mut LocalExecutor, interrupts: &Receiver<()>) -> Result<(), Told> {
        let mut asked = 0;
        let mut killed_at: Option<Instant> = None;
        loop {
            if !self.rehashed.is_empty() && !self.outcomes.is_empty() {
                self.fetch_results(executor, self.skip_fetching, interrupts)?;
            }
            while self.running.len() < self.threads
                && let Some(task) = self.queue.take()
            {
                self.begin(executor, task)?;
            }
            if self.queue.is_over() {
                break;
            }
            crossbeam::channel::select! {
                recv(executor.events()) -> happened => match happened {
                    Ok(happened) => self.hear(happened),
                    Err(_) => return Err(self.session.fail("what runs the tasks is gone")),
                },
                recv(interrupts) -> _ => {
                    asked += 1;
                    self.queue.stop();
                    if asked == 1 {
                        let text = format!("Waiting for {} running tasks to finish: press Ctrl-C again to stop them", self.running.len());
                        self.session.console.message(Severity::Note, &text);
                    } else {
                        executor.stop(if asked == 2 { Stop::Terminate } else { Stop::Kill });
                        killed_at.get_or_insert_with(Instant::now);
                    }
                },
                default(Duration::from_millis(500)) => {
                    if killed_at.is_some_and(|then| then.elapsed() > PATIENCE) {
                        executor.stop(Stop::Kill);
                    }
                },
            }
        }
        match self.queue.failures().is_empty() && asked == 0 {
            true => Ok(()),
            false => Err(Told),
        }
    }

    /// Goes through the tasks without running any (`-n`).
    fn pretend(&mut self) -> Result<(), Told> {
        while let Some(task) = self.queue.take() {
            if self.is_current(task) {
                self.queue.skipped(self.graph, task);
            } else {
                self.announce(task);
                self.queue.started(task);
                self.queue.succeeded(self.graph, task);
            }
        }
        Ok(())
    }

    /// Whether a task has its stamp, and all it waits for is no younger.
    fn is_current(&self, task: TaskId) -> bool {
        if self.graph.task(task).nostamp || self.forced.contains(&task) {
            return false;
        }
        let time = |path: Option<String>| {
            std::fs::metadata(path?).and_then(|meta| meta.modified()).ok().map(seconds)
        };
        let Some(own) = time(self.hashes.stamp(self.graph, task, false)) else { return false };
        self.graph.depends(task).all(|dep| {
            if self.graph.tasks[dep.index()].recipe != self.graph.tasks[task.index()].recipe {
                return true;
            }
            let stamp = time(self.hashes.stamp(self.graph, dep, false));
            let setscene = time(self.hashes.stamp(self.graph, dep, true));
            match (stamp, setscene) {
                (None, Some(_)) => true,
                (Some(stamp), Some(setscene)) if setscene > stamp => true,
                (Some(stamp), _) => own >= stamp,
                (None, None) => false,
            }
        })
    }

    fn announce(&mut self, task: TaskId) {
        let counts = self.queue.counts();
        let text = format!(
            "Running task {} of {} ({})",
            counts.completed + counts.active + counts.failed + 1,
            counts.total,
            self.graph.tid(task)
        );
        let noexec = if self.graph.task(task).noexec { "noexec task" } else { "task" };
        let text = text.replacen("task", noexec, 1);
        self.session.console.message(Severity::Note, &text);
    }

    /// Starts a task, or finds that it needn't run.
    fn begin(&mut self, executor: &mut LocalExecutor, task: TaskId) -> Result<(), Told> {
        let made = self.fates.get(task.index()).is_some_and(|fate| *fate != Fate::Run);
        if made || self.is_current(task) {
            self.queue.skipped(self.graph, task);
            return Ok(());
        }
        self.announce(task);
        self.queue.started(task);
        let record = self.graph.task(task);
        if record.noexec {
            if let Some(stamps) = self.stamps(task)
                && let Err(error) = stamps.make()
            {
                self.queue.failed(task);
                let text = format!("the stamp of {} can't be made: {error}", self.graph.tid(task));
                self.session.fail(&text);
                return Ok(());
            }
            self.queue.succeeded(self.graph, task);
            return Ok(());
        }
        let spec = self.spec(task);
        self.running.insert(task.0, Running { names: TaskNames::default(), errors_printed: false });
        executor.start(task.0, spec).map_err(|error| self.session.fail(&error.to_string()))
    }

    fn stamps(&self, task: TaskId) -> Option<Stamps> {
        let record = self.graph.task(task);
        if record.nostamp {
            return None;
        }
        let file = self.hashes.stamp(self.graph, task, false)?;
        let clean = clean_masks(self.hashes.generator.stamps(), self.graph.record(task), &record.name);
        Some(Stamps { file, clean })
    }

    fn spec(&self, task: TaskId) -> TaskSpec {
        let recipe = self.graph.recipe(task);
        let record = self.graph.record(task);
        let file = VirtualFile::parse(&record.file);
        let own = self.graph.task(task);
        let hash = self.hashes.of(task);
        let fakeroot = &record.fakeroot;
        let tree = &self.metadata.worlds[recipe.mc].tree;
        TaskSpec {
            recipe: tree.recipe(file.path).recipe,
            variant: file.class.to_owned(),
            task: own.name.clone(),
            taskhash: hash.hash.clone(),
            unihash: hash.unihash.clone(),
            depends: Arc::new(self.dependencies(task)),
            signature: Some(SignatureData {
                basehash: own.basehash.clone(),
                runtaskdeps: hash
                    .depends
                    .iter()
                    .map(|(name, dep)| {
                        (name.clone(), self.graph.tid(*dep), self.hashes.of(*dep).unihash.clone())
                    })
                    .collect(),
                file_checksums: hash.files.iter().map(|file| (file.path.clone(), file.sum.clone())).collect(),
                taint: hash.taint.clone(),
                setscene: self.graph.tasks[task.index()].setscene,
                write: true,
            }),
            stamp: self.stamps(task),
            fakeroot: own.fakeroot,
            fakeroot_env: if own.fakeroot { fakeroot.env.clone() } else { fakeroot.noenv.clone() },
            fakeroot_dirs: if own.fakeroot { fakeroot.dirs.clone() } else { String::new() },
            umask: own.umask.clone().unwrap_or_else(|| self.umask.clone()),
            ..TaskSpec::default()
        }
    }

    /// BB_TASKDEPDATA: the task and everything it waits for in its own configuration.
    fn dependencies(&self, task: TaskId) -> BTreeMap<String, Dependency> {
        let mc = self.graph.recipe(task).mc;
        let own = |dep: &TaskId| self.graph.recipe(*dep).mc == mc;
        let mut found = BTreeMap::new();
        let mut seen = vec![false; self.graph.len()];
        let mut queue = vec![task];
        while let Some(task) = queue.pop() {
            if std::mem::replace(&mut seen[task.index()], true) {
                continue;
            }
            queue.extend(self.graph.depends(task).filter(own));
            let record = self.graph.record(task);
            let hash = self.hashes.of(task);
            let entry = Dependency {
                pn: record.pn.clone(),
                taskname: self.graph.name(task).to_owned(),
                fn_: VirtualFile::parse(&record.file).path.to_owned(),
                deps: self.graph.depends(task).filter(own).map(|dep| self.graph.tid(dep)).collect(),
                provides: record.all_provides().map(str::to_owned).collect(),
                taskhash: hash.hash.clone(),
                unihash: hash.unihash.clone(),
                hashfn: record.hashfilename.clone(),
                taskhash_deps: hash.depends.iter().map(|(_, dep)| self.graph.tid(*dep)).collect(),
            };
            found.insert(self.graph.tid(task), entry);
        }
        found
    }

    fn hear(&mut self, happened: Happened) {
        match happened {
            Happened::Said(said) => self.session.console.message(said.severity, &said.text),
            Happened::Broken(why) => self.session.console.message(Severity::Error, &why),
            Happened::Task(id, event) => self.hear_task(TaskId(id), event),
        }
    }

    fn hear_task(&mut self, task: TaskId, event: TaskEvent) {
        match event {
            TaskEvent::Log(record) => self.log(task, &record),
            TaskEvent::Phase(phase) => self.phase(task, phase),
            TaskEvent::Finished(exit) => self.finished(task, exit),
            TaskEvent::UnihashChanged { tid, unihash } => {
                if tid == self.graph.tid(task) {
                    self.changed.push((task, unihash));
                }
            }
            TaskEvent::Started { .. }
            | TaskEvent::Progress { .. }
            | TaskEvent::Fired(_)
            | TaskEvent::FilesRead(_)
            | TaskEvent::NeedsPython => {}
        }
    }

    /// A message of a task, with its name in front.
    fn log(&mut self, task: TaskId, record: &LogRecord) {
        let severity = record.severity();
        if severity == Severity::Error
            && let Some(running) = self.running.get_mut(&task.0)
        {
            running.errors_printed |= !record.force_log;
        }
        let name =
            self.running.get(&task.0).map(|running| &running.names).filter(|names| !names.pf.is_empty());
        let text = match name {
            Some(names) if severity != Severity::Plain => {
                format!("{} {}: {}", names.pf, names.task, record.text)
            }
            _ => record.text.clone(),
        };
        self.session.console.message(severity, &text);
    }

    fn phase(&mut self, task: TaskId, phase: Phase) {
        let said = |names: &TaskNames, how: &str| format!("recipe {}: task {}: {how}", names.pf, names.task);
        match phase {
            Phase::Running(names) => {
                self.session.console.message(Severity::Note, &said(&names, "Started"));
                if let Some(running) = self.running.get_mut(&task.0) {
                    running.names = names;
                }
            }
            Phase::Succeeded(names) => {
                self.session.console.message(Severity::Note, &said(&names, "Succeeded"));
            }
            Phase::Failed { names, errors_printed } => {
                self.failed(task, &names, errors_printed);
                self.session.console.message(Severity::Note, &said(&names, "Failed"));
            }
            Phase::FailedSilent(names) => {
                self.session.console.message(Severity::Note, &said(&names, "Failed"));
            }
            Phase::Invalid(names) => {
                let text = format!("No such task '{}' in {}", names.task, names.pn);
                self.session.console.message(Severity::Error, &text);
            }
        }
    }

    /// Where the log of a failed task is, and its end unless its messages were shown.
    fn failed(&mut self, task: TaskId, names: &TaskNames, errors_printed: bool) {
        if names.log_file.is_empty() {
            return;
        }
        let console = &mut self.session.console;
        console.message(Severity::Error, &format!("Logfile of failure stored in: {}", names.log_file));
        console.task_failed(&self.graph.tid(task), Some(&names.log_file));
        if self.show_log && !errors_printed {
            console.raw_error("Log data follows:");
            let lines = excerpt::last_lines(Path::new(&names.log_file), self.log_lines).unwrap_or_default();
            for line in lines {
                console.raw_error(&format!("| {line}"));
            }
        }
    }

    fn finished(&mut self, task: TaskId, exit: Exit) {
        self.running.remove(&task.0);
        if exit.success() {
            self.take_over_unihashes();
            self.queue.succeeded(self.graph, task);
            return;
        }
        self.queue.failed(task);
        let tid = self.graph.tid(task);
        let text = format!("Task ({tid}) failed with exit code '{}'", exit.status());
        self.session.console.message(Severity::Error, &text);
        self.session.console.task_failed(&tid, None);
    }

    /// Takes over what a hash server found out about a task that just ran: what waits for it gets the hash it would have had.
    fn take_over_unihashes(&mut self) {
        for (task, unihash) in std::mem::take(&mut self.changed) {
            let text = format!("Task {} unihash changed to {unihash}", self.graph.tid(task));
            self.session.console.debug(1, &text);
            self.hashes.set_unihash(task, unihash);
            // Next time the server names this hash at once, and the stamp is looked for under it.
            if let Some(stamps) = self.stamps(task)
                && let Err(error) = stamps.make()
            {
                self.session.fail(&format!("the stamp of {} can't be made: {error}", self.graph.tid(task)));
            }
            let mut nobody = ();
            let unihashes: &mut dyn Unihashes = match &mut self.server {
                Some(server) => server,
                None => &mut nobody,
            };
            let changed = self.hashes.hash_again(self.graph, task, unihashes);
            self.rehashed.extend(changed);
        }
        let warnings: Vec<String> =
            self.server.iter_mut().flat_map(|server| std::mem::take(&mut server.warnings)).collect();
        for warning in warnings {
            self.session.console.message(Severity::Warning, &warning);
        }
    }

    /// The last line about tasks.
    fn sum_up(&mut self, good: bool) {
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

/// Whole seconds, as BitBake compares the times of stamps.
fn seconds(time: std::time::SystemTime) -> u64 {
    time.duration_since(std::time::UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}
