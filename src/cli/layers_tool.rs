//! `rbake-layers` and `bitbake-layers`: the project behind the commands of [`super::layers`].

use std::cell::RefCell;
use std::process::ExitCode;

use super::args::layers::Color;
use super::args::{LayersCommand, LayersOptions, Manner};
use super::hint;
use super::layers::{BuildDirectory, LayerConfiguration, LayersView, Output, change, look};
use super::session::{Prepared, Quiet, Session, Told};
use crate::catalog::{Layers, Preferences};
use crate::host::{ConfigRecord, Metadata, Project, find_files, lint};
use crate::lang::diagnostic::Severity;
use crate::recipe::{Request, dirname, find_config};

/// Runs the tool.
pub fn run(arguments: &[String], prog: &str, manner: Manner, options: &LayersOptions) -> ExitCode {
    let mut console = Session::options(manner);
    console.debug = usize::from(options.debug);
    console.quiet = if options.quiet { 3 } else { 0 };
    match options.color {
        Color::Auto => {}
        Color::Always => (console.color_out, console.color_err) = (true, true),
        Color::Never => (console.color_out, console.color_err) = (false, false),
    }
    let session = Session::new(arguments, manner, console);
    let done = match &options.command {
        LayersCommand::Lint => linting(session),
        command if command.only_looks() => looking(session, prog, command),
        _ => changing(session, prog, options),
    };
    done.map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Lists likely typos; there being any is a failure.
fn linting(mut session: Session) -> Result<u8, Told> {
    session.lints = false;
    let mut project = session.open(Request::default(), true)?;
    let metadata = session.load(&mut project)?;
    let findings = lint(&metadata, false);
    for finding in &findings {
        session.console.diagnostic(&hint::typo(finding));
    }
    if findings.is_empty() {
        session
            .console
            .plain(&format!("No likely typos in {} recipes and variants.", metadata.summary.targets));
    }
    Ok(u8::from(!findings.is_empty()))
}

fn looking(mut session: Session, prog: &str, command: &LayersCommand) -> Result<u8, Told> {
    let mut project = session.open(Request::default(), true)?;
    let metadata = if command.needs_recipes() { Some(session.load(&mut project)?) } else { None };
    let layers = match &metadata {
        Some(_) => Layers::default(),
        // Whatever is wrong with the layers was said when their recipes were looked for; here the list is what is asked for.
        None => find_files(&project, &session.cwd, &mut Quiet)
            .ok()
            .and_then(|trees| trees.into_iter().next())
            .map(|tree| tree.layers)
            .unwrap_or_default(),
    };
    let mut said = Vec::new();
    let prepared = metadata.as_ref().map(|metadata| Prepared::new(metadata, &[], &mut said));
    session.tell(&said);
    let Some(main) = project.configuration().first() else { return Err(Told) };
    let directories: Vec<String> =
        main.get_var("BBLAYERS").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let view = View { main, layers, directories, metadata: metadata.as_ref(), prepared: prepared.as_ref() };
    Ok(look(prog, command, &view, &mut session.console))
}

/// What the commands that look get to see.
struct View<'v> {
    main: &'v ConfigRecord,
    /// The layers where no recipes were read.
    layers: Layers,
    directories: Vec<String>,
    metadata: Option<&'v Metadata>,
    prepared: Option<&'v Prepared<'v>>,
}

impl LayersView for View<'_> {
    fn layers(&self) -> &Layers {
        let world = self.metadata.and_then(|metadata| metadata.worlds.first());
        world.map_or(&self.layers, |world| &world.tree.layers)
    }

    fn directories(&self) -> &[String] {
        &self.directories
    }

    fn collection_directory(&self, collection: &str) -> Option<&str> {
        let mut all = self.main.collections.iter();
        all.find(|(name, _)| name == collection).map(|(_, directory)| directory.as_str())
    }

    fn multiconfigs(&self) -> Vec<&str> {
        let worlds = self.metadata.map(|metadata| metadata.worlds.as_slice()).unwrap_or_default();
        worlds.iter().map(|world| world.tree.mc.as_str()).collect()
    }

    fn configuration(&self, mc: &str) -> Option<LayerConfiguration<'_>> {
        let world = self.metadata?.worlds.iter().find(|world| world.tree.mc == mc)?;
        Some(LayerConfiguration {
            mc: &world.tree.mc,
            catalog: &world.catalog,
            files: &world.tree.files,
            prefs: &world.tree.preferences,
            preferred: self.prepared?.preferred(mc)?,
        })
    }
}

/// Lends the session's console out, one line at a time: a command that talks also reads metadata in between.
struct Lent<'s>(&'s RefCell<Session>);

impl Output for Lent<'_> {
    fn message(&mut self, severity: Severity, text: &str) {
        self.0.borrow_mut().console.show(severity, text);
    }

    fn complain(&mut self, text: &str) {
        self.0.borrow_mut().console.raw_error(text);
    }
}

fn changing(mut session: Session, prog: &str, options: &LayersOptions) -> Result<u8, Told> {
    let cwd = session.cwd.clone();
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let bblayers = find_config(&variable("BBPATH"), &cwd, "bblayers.conf");
    let topdir = bblayers.as_deref().map(|file| dirname(dirname(file)));
    // With -FF a build directory whose layers can't be read any more can be mended.
    let core_names = match options.force {
        0 | 1 => {
            let project = session.open(Request::default(), true)?;
            core_names(&project)
        }
        _ => String::new(),
    };
    let home = Some(variable("HOME")).filter(|home| !home.is_empty());
    let session = RefCell::new(session);
    let mut parse = || {
        let mut session = session.borrow_mut();
        let opened = session.open(Request::default(), true);
        opened.and_then(|mut project| session.load(&mut project)).is_ok()
    };
    let mut build = BuildDirectory {
        cwd: &cwd,
        topdir,
        home: home.as_deref(),
        core_names: &core_names,
        parse: &mut parse,
    };
    Ok(change(prog, options, &mut build, &mut Lent(&session)))
}

fn core_names(project: &Project) -> String {
    let main = project.configuration().first();
    main.and_then(|main| main.get_var("LAYERSERIES_CORENAMES")).unwrap_or_default().into_owned()
}
