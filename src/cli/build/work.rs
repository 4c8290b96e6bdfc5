//! Running what has to run.

use std::time::{Duration, Instant};

use crossbeam::channel::Receiver;

use super::{Run, Running};
use crate::cli::args::Manner;
use crate::cli::args::bake::BakeOptions;
use crate::cli::session::Told;
use crate::lang::diagnostic::Severity;
use crate::lang::fnmatch;
use crate::run::{DiskAction, DiskMonitor, Executor, LocalExecutor, Stop, TaskNames};
use crate::task::TaskId;
use crate::task::scene::Fate;
use crate::ui::interrupt;

/// How long a task may take to end when it was asked to.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often disks are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Disks that are watched.
pub(super) struct Disks {
    monitor: DiskMonitor,
    /// The strongest thing that was done so far.
    done: DiskAction,
}

impl Run<'_, '_> {
    /// Fetches results, then runs what is left.
    pub(super) fn all(&mut self, executor: &mut LocalExecutor, options: &BakeOptions) -> Result<(), Told> {
        let interrupts = interrupt::listen();
        if !options.setscene.none && self.graph.tasks.iter().any(|task| task.setscene) {
            let all = self.graph.ids().collect();
            self.fetch_results(executor, all, options.setscene.skip, &interrupts)?;
        }
        if options.setscene.only {
            return Ok(());
        }
        self.announce_work();
        self.skip_fetching = options.setscene.skip;
        self.work(executor, &interrupts)
    }

    /// Says that tasks are run now.
    fn announce_work(&mut self) {
        if self.session.manner == Manner::BitBake && !self.graph.tasks.iter().any(|task| task.setscene) {
            self.session.console.message(Severity::Note, "No setscene tasks");
        }
        self.session.console.message(Severity::Note, "Executing Tasks");
    }

    /// Runs everything.
    pub(super) fn work(
        &mut self,
        executor: &mut LocalExecutor,
        interrupts: &Receiver<()>,
    ) -> Result<(), Told> {
        let mut asked = 0;
        let mut killed_at: Option<Instant> = None;
        let mut looked: Option<Instant> = None;
        loop {
            if !self.rehashed.is_empty() && !self.outcomes.is_empty() {
                let rehashed = std::mem::take(&mut self.rehashed);
                self.fetch_results(executor, rehashed, self.skip_fetching, interrupts)?;
            }
            if looked.is_none_or(|then| then.elapsed() >= LOOK) {
                looked = Some(Instant::now());
                self.look_at_disks(executor);
            }
            // Those of which enough run already stay next.
            let mut later = Vec::new();
            while self.running.len() < self.threads
                && let Some(task) = self.queue.take()
            {
                match self.enough_run(task) {
                    true => later.push(task),
                    false => self.begin(executor, task)?,
                }
            }
            later.into_iter().for_each(|task| self.queue.postpone(task));
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
        match self.queue.failures().is_empty() && asked == 0 && !self.is_full() {
            true => Ok(()),
            false => Err(Told),
        }
    }

    /// Begins to look at disks, as BB_DISKMON_DIRS says.
    pub(super) fn watch_disks(&mut self, directories: &str, interval: &str) {
        match DiskMonitor::new(directories, interval) {
            Ok(monitor) => self.disks = monitor.map(|monitor| Disks { monitor, done: DiskAction::Warn }),
            Err(wrong) => {
                let text = format!("{wrong}\n       Disk space monitor will NOT be enabled");
                self.session.console.message(Severity::Error, &text);
            }
        }
    }

    /// Tells of disks that get full, and stops in time.
    fn look_at_disks(&mut self, executor: &mut LocalExecutor) {
        let Some(disks) = &mut self.disks else { return };
        let findings = disks.monitor.check();
        let action = findings.iter().map(|finding| finding.action).max().unwrap_or(DiskAction::Warn);
        let stronger = action > disks.done;
        disks.done = disks.done.max(action);
        for warning in findings.into_iter().filter_map(|finding| finding.warning) {
            self.session.console.message(Severity::Warning, &warning);
        }
        if !stronger {
            return;
        }
        self.queue.stop();
        let text = match action {
            DiskAction::Halt => {
                executor.stop(Stop::Terminate);
                "Immediately halt since the disk space monitor action is \"HALT\"!"
            }
            _ => "No new tasks can be executed since the disk space monitor action is \"STOPTASKS\"!",
        };
        self.session.console.message(Severity::Error, text);
    }

    /// Whether a full disk has stopped the build.
    fn is_full(&self) -> bool {
        self.disks.as_ref().is_some_and(|disks| disks.done > DiskAction::Warn)
    }

    /// Whether as many tasks of this name run as its flag number_threads allows.
    fn enough_run(&mut self, task: TaskId) -> bool {
        let name = self.graph.name(task);
        if !self.limits.contains_key(name) {
            let main = self.graph.configurations().first().map(|main| main.prefs);
            let value = main.and_then(|main| main.get_var(&format!("{name}[number_threads]")));
            let limit = value.and_then(|value| value.trim().parse::<usize>().ok());
            self.limits.insert(name.to_owned(), limit);
        }
        let limit = self.limits.get(name).copied().flatten();
        limit.is_some_and(|limit| {
            self.running.keys().filter(|other| self.graph.name(TaskId(**other)) == name).count() >= limit
        })
    }

    /// Goes through the tasks without running any (`-n`).
    pub(super) fn pretend(&mut self) -> Result<(), Told> {
        self.announce_work();
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
    pub(super) fn is_current(&self, task: TaskId) -> bool {
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

    pub(super) fn announce(&mut self, task: TaskId) {
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
    pub(super) fn begin(&mut self, executor: &mut LocalExecutor, task: TaskId) -> Result<(), Told> {
        if self.fates.get(task.index()) == Some(&Fate::Deferred) {
            self.held.push(task);
            return Ok(());
        }
        let made = self.fates.get(task.index()).is_some_and(|fate| *fate != Fate::Run);
        if made || self.is_current(task) {
            self.queue.skipped(self.graph, task);
            return Ok(());
        }
        if let Some(allowed) = &self.allowed {
            let pn = &self.graph.record(task).pn;
            let name = format!("{pn}:{}", self.graph.name(task));
            let may = allowed.iter().any(|pattern| fnmatch::matches(pattern, &name));
            self.queue.started(task);
            if may {
                // BitBake doesn't run it either: only results are wanted.
                self.queue.succeeded(self.graph, task);
                return Ok(());
            }
            let mut text = format!("Task {pn}.{} attempted to execute unexpectedly", self.graph.name(task));
            if self.graph.tasks[task.index()].setscene {
                text.push_str(" and should have been setscened");
            }
            self.session.console.message(Severity::Error, &text);
            self.session.console.task_failed(&self.graph.tid(task), None);
            self.queue.failed(task);
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
}

/// Whole seconds, as BitBake compares the times of stamps.
fn seconds(time: std::time::SystemTime) -> u64 {
    time.duration_since(std::time::UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}
