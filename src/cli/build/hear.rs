//! What running tasks have to tell, and what it changes.

use std::path::Path;

use super::Run;
use crate::lang::diagnostic::Severity;
use crate::run::{Exit, Fired, Happened, LogRecord, Phase, TaskEvent, TaskNames, excerpt};
use crate::task::{TaskId, Unihashes};
use crate::ui::lend;

/// A script that wants a terminal, and the file where the task looks for the answer.
struct Wanted {
    script: String,
    answer: String,
}

impl Wanted {
    /// The event `bb.event.MetadataEvent("TerminalWanted", {"script": …, "answer": …})`.
    fn of(event: &Fired) -> Option<Self> {
        if event.class != "bb.event.MetadataEvent" {
            return None;
        }
        let attributes: serde_json::Value = serde_json::from_str(&event.attributes).ok()?;
        if attributes.get("type")?.as_str()? != "TerminalWanted" {
            return None;
        }
        let data = attributes.get("_localdata")?;
        let text = |name: &str| data.get(name)?.as_str().map(str::to_owned);
        Some(Wanted { script: text("script")?, answer: text("answer")? })
    }
}

impl Run<'_, '_> {
    pub(super) fn hear(&mut self, happened: Happened) {
        match happened {
            Happened::Said(said) => self.session.console.message(said.severity, &said.text),
            Happened::Broken(why) => self.session.console.message(Severity::Error, &why),
            Happened::Task(id, event) => self.hear_task(TaskId(id), event),
        }
    }

    pub(super) fn hear_task(&mut self, task: TaskId, event: TaskEvent) {
        match event {
            TaskEvent::Log(record) => self.log(task, &record),
            TaskEvent::Phase(phase) => self.phase(task, phase),
            TaskEvent::Finished(exit) => self.finished(task, exit),
            TaskEvent::UnihashChanged { tid, unihash } => {
                if tid == self.graph.tid(task) {
                    self.changed.push((task, unihash));
                }
            }
            TaskEvent::Fired(event) => self.lend_terminal(&event),
            TaskEvent::Started { .. }
            | TaskEvent::Progress { .. }
            | TaskEvent::FilesRead(_)
            | TaskEvent::NeedsPython => {}
        }
    }

    /// Runs what a task wants to have a terminal for (do_devshell), and writes into its file how that goes: `open`, then `ended` and
    /// the exit status, or `refused` and why. Nothing else happens meanwhile.
    fn lend_terminal(&mut self, event: &Fired) {
        let Some(wanted) = Wanted::of(event) else { return };
        self.session.console.finish();
        let tell = |text: &str| {
            let temporary = format!("{}.new", wanted.answer);
            std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, &wanted.answer))
        };
        let outcome = match lend::check() {
            Err(reason) => tell(&format!("refused {reason}")),
            Ok(()) => tell("open").and_then(|()| match lend::run(Path::new(&wanted.script)) {
                Ok(status) => tell(&format!("ended {}", status.code().unwrap_or(-1))),
                Err(error) => tell(&format!("refused {error}")),
            }),
        };
        if let Err(error) = outcome {
            self.session.console.message(Severity::Error, &format!("{}: {error}", wanted.answer));
        }
    }

    /// A message of a task, with its name in front.
    pub(super) fn log(&mut self, task: TaskId, record: &LogRecord) {
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

    pub(super) fn phase(&mut self, task: TaskId, phase: Phase) {
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
    pub(super) fn failed(&mut self, task: TaskId, names: &TaskNames, errors_printed: bool) {
        if names.log_file.is_empty() {
            return;
        }
        let console = &mut self.session.console;
        console.show(Severity::Error, &format!("Logfile of failure stored in: {}", names.log_file));
        console.task_failed(&self.graph.tid(task), Some(&names.log_file));
        if self.show_log && !errors_printed {
            console.raw_error("Log data follows:");
            let lines = excerpt::last_lines(Path::new(&names.log_file), self.log_lines).unwrap_or_default();
            for line in lines {
                console.raw_error(&format!("| {line}"));
            }
        }
    }

    pub(super) fn finished(&mut self, task: TaskId, exit: Exit) {
        self.running.remove(&task.0);
        let waiting = self.leaders.iter().filter(|(_, leader)| *leader == task).map(|(waiting, _)| *waiting);
        self.rehashed.extend(waiting);
        self.leaders.retain(|(_, leader)| *leader != task);
        if exit.success() {
            self.take_over_unihashes();
            self.queue.succeeded(self.graph, task);
            return;
        }
        self.queue.failed(task);
        let tid = self.graph.tid(task);
        let text = format!("Task ({tid}) failed with exit code '{}'", exit.status());
        // What the task said about it was counted.
        self.session.console.show(Severity::Error, &text);
        self.session.console.task_failed(&tid, None);
    }

    /// Takes over what a hash server found out about a task that just ran: what waits for it gets the hash it would have had.
    pub(super) fn take_over_unihashes(&mut self) {
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
}
