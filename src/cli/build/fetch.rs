//! Fetching results instead of making them.

use std::path::Path;

use crossbeam::channel::Receiver;
use rustc_hash::FxHashMap;

use super::{Run, Running};
use crate::catalog::VirtualFile;
use crate::cli::session::Told;
use crate::host::HostError;
use crate::lang::diagnostic::Severity;
use crate::run::{DepValid, Executor, Happened, HashCheck, LocalExecutor, Stop, TaskEvent, TaskNames};
use crate::task::TaskId;
use crate::task::scene::{self, Fate, Outcome};
use crate::task::stamp::SETSCENE;

impl Run<'_, '_> {
    /// Finds out which results can be fetched, and fetches those that are needed. What can't be fetched after all is made.
    pub(super) fn fetch_results(
        &mut self,
        executor: &mut LocalExecutor,
        tasks: Vec<TaskId>,
        skip: bool,
        interrupts: &Receiver<()>,
    ) -> Result<(), Told> {
        let graph = self.graph;
        let first = self.outcomes.is_empty();
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
        if first {
            self.defer(&mut outcomes);
        }
        let mut done = 0;
        loop {
            let mut fates = self.plan(&outcomes)?;
            // Who waits for an equal task that isn't made after all makes the result himself.
            while let Some((task, _)) = self.leaders.iter().find(|(task, leader)| {
                fates[task.index()] == Fate::Deferred && fates[leader.index()] != Fate::Run
            }) {
                outcomes[task.index()] = Outcome::Missing;
                fates = self.plan(&outcomes)?;
            }
            let fetch: Vec<TaskId> =
                graph.ids().filter(|task| fates[task.index()] == Fate::Fetched).collect();
            if fetch.is_empty() {
                (self.fates, self.outcomes) = (fates, outcomes);
                for task in std::mem::take(&mut self.held) {
                    self.queue.postpone(task);
                }
                return Ok(());
            }
            let total = done + fetch.len();
            for (task, good) in self.fetch(executor, &fetch, (&mut done, total), interrupts)? {
                outcomes[task.index()] = if good { Outcome::Present } else { Outcome::Missing };
            }
        }
    }

    /// Of equal tasks of several configurations only the first is run; the others fetch its result.
    fn defer(&mut self, outcomes: &mut [Outcome]) {
        let graph = self.graph;
        let mut missing: Vec<(&str, String, TaskId)> = graph
            .ids()
            .filter(|task| graph.tasks[task.index()].setscene && outcomes[task.index()] == Outcome::Missing)
            .filter(|task| !graph.task(*task).noexec)
            .map(|task| (graph.configuration(task).mc, graph.tid(task), task))
            .collect();
        missing.sort();
        let mut leaders: FxHashMap<(&str, &str), TaskId> = FxHashMap::default();
        for (_, _, task) in missing {
            let unihash = &self.hashes.of(task).unihash;
            if unihash.is_empty() {
                continue;
            }
            match leaders.get(&(graph.record(task).pn.as_str(), unihash.as_str())) {
                Some(leader) => {
                    self.leaders.push((task, *leader));
                    outcomes[task.index()] = Outcome::Deferred;
                }
                None => {
                    leaders.insert((&graph.record(task).pn, unihash), task);
                }
            }
        }
    }

    /// Asks metadata whose results can be fetched.
    pub(super) fn ask_for_results(&mut self, tasks: &[TaskId], present: usize) -> Result<Vec<TaskId>, Told> {
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
    pub(super) fn plan(&mut self, outcomes: &[Outcome]) -> Result<Vec<Fate>, Told> {
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
        fates.map_err(|error: HostError| self.session.fail(&error.to_string()))
    }

    /// Fetches results; tells for each whether it went well.
    pub(super) fn fetch(
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
    pub(super) fn fetched_before(&self, task: TaskId, tasks: &[TaskId]) -> Vec<TaskId> {
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
}
