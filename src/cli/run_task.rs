//! `rbake --internal-run-task RECIPE TASK…`: runs single tasks without looking at what they depend on, for tests of the task floor.

use std::process::ExitCode;
use std::time::Instant;

use super::args::Manner;
use super::session::{Quiet, Session, Told};
use crate::host::Project;
use crate::lang::diagnostic::Severity;
use crate::recipe::Request;
use crate::run::{BuildData, Executor, Happened, LocalExecutor, Phase, TaskEvent, TaskSpec};

/// Runs the tasks one after the other; an event is a line. Words after the recipe: a task, perhaps with `fakeroot:` or `quiet:` in
/// front.
pub fn run(arguments: &[String]) -> ExitCode {
    let mut session = Session::new(arguments, Manner::BitBake, Session::options(Manner::BitBake));
    let result = run_tasks(&mut session, arguments.get(2..).unwrap_or_default());
    session.finish(result)
}

fn run_tasks(session: &mut Session, words: &[String]) -> Result<(), Told> {
    let [file, tasks @ ..] = words else { return Err(session.fail("--internal-run-task RECIPE TASK…")) };
    let mut project = session.open(Request::default(), false)?;
    let recipe = super::bake::find_file(session, &project, file)?;
    let build = BuildData {
        variables: [("BUILDNAME", "20200102030405"), ("DATE", "20200102"), ("TIME", "030405")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        log_level: 19,
        ..BuildData::default()
    };
    let mut executor = LocalExecutor::new(&mut project, build, &mut Quiet)
        .map_err(|error| session.fail(&error.to_string()))?;
    for (id, word) in tasks.iter().enumerate() {
        let (kind, task) = word.split_once(':').unwrap_or(("", word));
        let spec = TaskSpec {
            recipe: recipe.clone(),
            task: task.to_owned(),
            taskhash: "0".repeat(64),
            unihash: "1".repeat(64),
            quiet_errors: kind == "quiet",
            fakeroot: kind == "fakeroot",
            umask: umask(&project),
            ..TaskSpec::default()
        };
        let begin = Instant::now();
        executor.start(id as u32, spec).map_err(|error| session.fail(&error.to_string()))?;
        while let Ok(happened) = executor.events().recv() {
            if show(session, &happened) {
                break;
            }
        }
        if std::env::var_os("RBAKE_TIMES").is_some() {
            session.console.plain(&format!("{task}: {:?}", begin.elapsed()));
        }
    }
    Ok(())
}

fn umask(project: &Project) -> String {
    let main = project.configuration().first();
    main.and_then(|record| record.variables.get("BB_DEFAULT_UMASK")).cloned().unwrap_or_default()
}

/// Shows an event; true for the last one of a task.
fn show(session: &mut Session, happened: &Happened) -> bool {
    let line = match happened {
        Happened::Said(said) => {
            session.console.message(said.severity, &said.text);
            return false;
        }
        Happened::Broken(why) => {
            session.console.message(Severity::Error, why);
            return false;
        }
        Happened::Task(_, TaskEvent::Log(record)) => {
            format!("log {} {}: {}", record.level, record.logger, record.text)
        }
        Happened::Task(_, TaskEvent::Phase(phase)) => match phase {
            Phase::Running(names) => {
                format!("running {} {} {} {}", names.pn, names.pv, names.task, names.log_file)
            }
            Phase::Succeeded(_) => "succeeded".into(),
            Phase::Failed { errors_printed, .. } => format!("failed, errors printed: {errors_printed}"),
            Phase::FailedSilent(_) => "failed silently".into(),
            Phase::Invalid(_) => "no such task".into(),
        },
        Happened::Task(_, TaskEvent::Progress { percent, rate }) => format!("progress {percent} {rate:?}"),
        Happened::Task(_, TaskEvent::Fired(fired)) => format!("fired {} {}", fired.class, fired.attributes),
        Happened::Task(_, TaskEvent::UnihashChanged { tid, unihash }) => format!("unihash {tid} {unihash}"),
        Happened::Task(_, TaskEvent::Started { .. }) => "started".into(),
        Happened::Task(_, TaskEvent::FilesRead(_) | TaskEvent::NeedsPython) => return false,
        Happened::Task(_, TaskEvent::Finished(exit)) => format!("finished {exit:?}"),
    };
    session.console.plain(&line);
    matches!(happened, Happened::Task(_, TaskEvent::Finished(_)))
}
