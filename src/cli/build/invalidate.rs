//! `-f` and `-C`: making tasks run again.

use std::path::Path;

use crate::cli::args::bake::BakeOptions;
use crate::cli::session::Session;
use crate::lang::diagnostic::Severity;
use crate::task::stamp::{StampStyle, taint_file};
use crate::task::{Generator, TaskGraph, TaskId, hash};

/// `-f` and `-C`: makes tasks run again by changing their hashes or removing their stamps.
pub(super) fn invalidate(session: &mut Session, graph: &TaskGraph<'_>, options: &BakeOptions) {
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
        let style = match Generator::of(graph.configuration(task).prefs) {
            Ok(generator) => generator.stamps(),
            Err(_) => continue,
        };
        let done = match style {
            StampStyle::Plain => {
                let stamp = style.stamp(record, &name, "", true).unwrap_or_default();
                match std::fs::remove_file(&stamp) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            }
            StampStyle::Hashed => {
                let text = format!("Tainting hash to force rebuild of task {}, {name}", record.file);
                session.console.message(Severity::Note, &text);
                let file = taint_file(record, &name);
                let dir = Path::new(&file).parent().unwrap_or(Path::new("/"));
                std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&file, hash::random_id()))
            }
        };
        if let Err(error) = done {
            session.fail(&format!("{name} of {} can't be made to run again: {error}", record.file));
        }
    }
}
