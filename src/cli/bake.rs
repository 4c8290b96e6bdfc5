//! `rbake` and `bitbake`.

use std::process::ExitCode;

use super::args::Manner;
use super::args::bake::{Action, ActionError, BakeOptions};
use super::session::{Session, Told};
use crate::catalog::VersionRow;
use crate::catalog::preferences::Preferences;
use crate::catalog::{OsTree, version_rows};
use crate::host::{Project, Question};
use crate::lang::diagnostic::Severity;
use crate::recipe::Request;

/// The version of BitBake whose metadata is understood.
const BITBAKE: &str = "2.19.0";

/// Runs the tool.
pub fn run(arguments: &[String], manner: Manner, options: &BakeOptions) -> ExitCode {
    if options.version {
        match manner {
            Manner::BitBake => println!("BitBake Build Tool version {BITBAKE}"),
            Manner::Rbake => {
                println!("rbake {} (reads the metadata of BitBake {BITBAKE})", env!("CARGO_PKG_VERSION"));
            }
        }
        return ExitCode::SUCCESS;
    }
    let mut console = Session::options(manner);
    (console.debug, console.verbose, console.quiet) = (options.debug, options.verbose, options.quiet);
    let mut session = Session::new(arguments, manner, console);
    // There is no resident server: what would end it has nothing to do, and who asks for one learns that there is none.
    if options.server.kill {
        session.console.message(Severity::Note, "bitbake server is not running.");
        return ExitCode::SUCCESS;
    }
    if options.server.status_only {
        return ExitCode::FAILURE;
    }
    let result = act(&mut session, options);
    session.finish(result)
}

fn act(session: &mut Session, options: &BakeOptions) -> Result<(), Told> {
    let request = Request {
        prefiles: options.prefile.clone(),
        postfiles: options.postfile.clone(),
        tracking: options.show_environment,
        ..Request::default()
    };
    // What `-e` shows is read by programs.
    session.lints &= !options.show_environment;
    let keep_going = session.manner == Manner::Rbake || !options.halt;
    let mut project = session.open(request, keep_going)?;
    let mut targets = options.targets.clone();
    if targets.is_empty()
        && let Some(main) = project.configuration().first()
    {
        targets.extend(main.get_var("BBTARGETS").unwrap_or_default().split_whitespace().map(str::to_owned));
    }
    // What can't be served yet is refused rather than left out silently.
    if !options.dump_signatures.is_empty() {
        return Err(session.fail("rbake can't write signature files without a build yet (-S)"));
    }
    if options.event_log.is_some() {
        return Err(session.fail("rbake can't write an event log yet (-w, BBEVENTLOG)"));
    }
    let action = options.action(&targets).map_err(|error| match error {
        ActionError::NothingToDo => {
            session.console.plain(&error.to_string());
            Told
        }
        error => {
            session.early = true;
            session.fail(&error.to_string())
        }
    })?;
    match action {
        Action::ParseFiles => {
            session.counts = session.manner == Manner::Rbake;
            session.load(&mut project).map(drop)
        }
        Action::ShowVersions => show_versions(session, &mut project),
        Action::ShowEnvironment(None) => {
            let question = Question::Environment { recipe: None, mc: String::new() };
            show(session, &mut project, &question)
        }
        Action::ShowEnvironment(Some(file)) => {
            let recipe = find_file(session, &project, &file)?;
            show(
                session,
                &mut project,
                &Question::Environment { recipe: Some((recipe, String::new())), mc: String::new() },
            )
        }
        Action::ShowEnvironmentTarget(target) => {
            if let Some(mc) = target.strip_prefix("mc:").filter(|rest| !rest.contains(':')) {
                let question = Question::Environment { recipe: None, mc: mc.to_owned() };
                return show(session, &mut project, &question);
            }
            let metadata = session.load(&mut project)?;
            let found = session.resolve_one(&metadata, &target, &options.extra_assume_provided)?;
            show(session, &mut project, &Question::Environment { recipe: Some(found), mc: String::new() })
        }
        Action::BuildTargets(targets) => {
            // Before anything is read: what the other build writes may be part of it.
            let _lock = match options.dry_run {
                true => None,
                false => Some(only_build(session, &project)?),
            };
            let metadata = session.load(&mut project)?;
            super::build::build(session, &mut project, &metadata, &targets, options)
        }
        Action::GenerateDotGraph(targets) => {
            let metadata = session.load(&mut project)?;
            super::build::write_graph(session, &metadata, &targets, options)
        }
        Action::BuildFile(_) => Err(session
            .fail("rbake can't build a single file without its dependencies yet (-b); name its recipe")),
        Action::CompareRevisions => {
            Err(session.fail("rbake can't compare floating revisions yet (--revisions-changed)"))
        }
    }
}

/// Waits until no other build runs in this build directory.
fn only_build(session: &mut Session, project: &Project) -> Result<super::build::BuildLock, Told> {
    let main = project.configuration().first();
    let top = main.and_then(|main| main.get_var("TOPDIR")).unwrap_or_default().into_owned();
    let console = &mut session.console;
    let wait = |who: Option<u32>| {
        let who = who.map_or_else(String::new, |pid| format!(" (process {pid})"));
        console.message(Severity::Note, &format!("Waiting for another build in {top} to end{who}"));
    };
    super::build::lock(std::path::Path::new(&top), wait)
        .map_err(|error| session.fail(&format!("{top}/bitbake.lock can't be locked: {error}")))
}

fn show(session: &mut Session, project: &mut Project, question: &Question) -> Result<(), Told> {
    let text = session.ask(project, question)?.unwrap_or_default();
    session.console.plain(text.strip_suffix('\n').unwrap_or(&text));
    Ok(())
}

/// The recipe file that `-b` means.
pub fn find_file(
    session: &mut Session,
    project: &Project,
    file: &str,
) -> Result<crate::recipe::RecipeFile, Told> {
    let cwd = session.cwd.clone();
    let trees = crate::host::find_files(project, &cwd, &mut super::session::Quiet).map_err(|_| Told)?;
    let absolute = |path: &str| crate::recipe::absolute(&cwd, path);
    let Some(tree) = trees.first() else { return Err(Told) };
    match tree.files.find_recipe(file, &OsTree::new(), absolute) {
        Ok(path) => Ok(tree.recipe(&path).recipe),
        Err(none) if none.matches.is_empty() => {
            Err(session.fail(&format!("Unable to find any recipe file matching '{file}'")))
        }
        Err(many) => {
            let mut message = format!(
                "Unable to match '{file}' to a specific recipe file - {} matches found:",
                many.matches.len()
            );
            for path in &many.matches {
                message.push_str(&format!("\n    {path}"));
            }
            Err(session.fail(&message))
        }
    }
}

fn show_versions(session: &mut Session, project: &mut Project) -> Result<(), Told> {
    let metadata = session.load(project)?;
    let Some(world) = metadata.worlds.first() else { return Ok(()) };
    let mut said = Vec::new();
    let (rows, missing) = version_rows(&world.catalog, &world.tree.preferences, &mut said);
    session.tell(&said);
    for row in VersionRow::header().iter().chain(&rows) {
        session.console.plain(&row.to_string());
    }
    match missing {
        Some(missing) => Err(session.fail(&missing.to_string())),
        None => Ok(()),
    }
}

/// `rbake --internal-dump-all`: every variable of every target as JSON lines, for tests/conformance.
pub fn dump_all(arguments: &[String]) -> ExitCode {
    let mut session = Session::new(arguments, Manner::Rbake, Session::options(Manner::Rbake));
    let result = (|| {
        let mut project = session.open(Request::default(), true)?;
        let cwd = session.cwd.clone();
        let trees = crate::host::find_files(&project, &cwd, &mut super::session::Quiet).map_err(|_| Told)?;
        let wanted: Vec<_> =
            trees.iter().flat_map(|tree| tree.files.recipes.iter().map(|path| tree.recipe(path))).collect();
        let dumped = project.dump(&wanted, &mut super::session::Quiet, &mut |line| println!("{line}"));
        dumped.map_err(|error| session.fail(&error.to_string()))
    })();
    session.finish(result)
}
