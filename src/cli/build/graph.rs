//! The task graph of a command line.

use std::path::Path;

use crate::catalog::targets::{Resolved, resolve_targets};
use crate::catalog::{Preferences, ResolvePolicy};
use crate::cli::args::Manner;
use crate::cli::args::bake::BakeOptions;
use crate::cli::session::{Prepared, Session, Told};
use crate::host::Metadata;
use crate::lang::diagnostic::Severity;
use crate::task::{GraphError, TaskGraph, TaskHashes, Unihashes, Wanted, dot, prepare};

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
    let graph = graph.map_err(|error| no_graph(session, &error))?;
    then(session, &graph)
}

/// Tells why there is no graph.
fn no_graph(session: &mut Session, error: &GraphError) -> Told {
    let as_bitbake = session.manner == Manner::BitBake;
    match error {
        GraphError::Loops { tasks, text } if as_bitbake => {
            session.fail(&format!(
                "{tasks} unbuildable tasks were found.\nThese are usually caused by circular dependencies and any circular dependency \
                 chains found will be printed below. Increase the debug level to see a list of unbuildable tasks.\n\nIdentifying \
                 dependency loops (this may take a short while)...\n"
            ));
            session.fail(&format!("\n{text}"));
        }
        error => drop(session.fail(&error.to_string())),
    }
    if as_bitbake {
        session.fail("Command execution failed: 1");
    }
    Told
}

/// Hashes the tasks of a graph.
pub(super) fn hash(
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
