//! What all tools share: the project around the working directory, its recipes, and a console to talk on.

use std::process::ExitCode;

use super::args::{Manner, Surroundings};
use super::hint;
use crate::catalog::message::Message;
use crate::catalog::targets::{Configuration, Resolved, resolve_targets};
use crate::catalog::{Assumed, PreferredProviders, ResolvePolicy, VirtualFile};
use crate::host::{
    Answer, Failure, HostError, Listener, LoadError, Metadata, Project, Question, Settings, World, lint, load,
};
use crate::lang::diagnostic::{Diagnostic, Severity};
use crate::recipe::{RecipeFile, Request};
use crate::ui::console::{Console, ConsoleOptions};
use crate::ui::diagnostic::Style;
use crate::ui::terminal::Terminal;

/// The user was told what is wrong; only the exit status is left to give.
pub struct Told;

/// One run of a tool.
pub struct Session {
    /// Where the tool talks.
    pub console: Console,
    /// The working directory.
    pub cwd: String,
    /// How it talks.
    pub manner: Manner,
    /// Give the numbers of recipes even where nothing had to be read.
    pub counts: bool,
    /// It ended before there was anything to sum up.
    pub early: bool,
    /// Warn of likely typos in recipes that had to be read.
    pub lints: bool,
    arguments: Vec<String>,
}

/// Passes messages of hosts to the console.
struct Listening<'c> {
    console: &'c mut Console,
    /// Progress is being shown.
    started: bool,
}

impl Listener for Listening<'_> {
    fn said(&mut self, severity: Severity, text: &str, recipe: &str) {
        if recipe.is_empty() || severity < Severity::Warning {
            self.console.message(severity, text);
        } else {
            self.console.message(severity, &format!("{recipe}: {text}"));
        }
    }

    fn progress(&mut self, done: usize, total: usize) {
        if !self.started {
            self.started = true;
            self.console.start("Parsing recipes", total as u64);
        }
        self.console.update(done as u64);
        if done == total {
            self.console.finish();
        }
    }
}

/// Says nothing: for looks at files that were reported on before.
pub struct Quiet;

impl Listener for Quiet {
    fn said(&mut self, _: Severity, _: &str, _: &str) {}
    fn progress(&mut self, _: usize, _: usize) {}
}

impl Session {
    /// A session of the tool called with `arguments`.
    pub fn new(arguments: &[String], manner: Manner, options: ConsoleOptions) -> Self {
        let cwd = std::env::current_dir()
            .map(|dir| dir.to_string_lossy().into_owned())
            .unwrap_or_else(|_| "/".into());
        Session {
            console: Console::standard(options),
            cwd,
            manner,
            counts: false,
            early: false,
            lints: manner == Manner::Rbake,
            arguments: arguments.to_vec(),
        }
    }

    /// The console options for a manner and a terminal.
    pub fn options(manner: Manner) -> ConsoleOptions {
        let terminal = Terminal::detect();
        let style = match manner {
            Manner::BitBake => Style::BitBake,
            Manner::Rbake => Style::Source { color: terminal.color_err(), columns: terminal.columns },
        };
        ConsoleOptions {
            style,
            color_out: terminal.color_out(),
            color_err: terminal.color_err(),
            bar_columns: terminal.stdout.then_some(terminal.columns),
            ..ConsoleOptions::default()
        }
    }

    /// The end: last words, and the exit status.
    pub fn finish(mut self, result: Result<(), Told>) -> ExitCode {
        let failed = result.is_err() || self.console.errors() > 0;
        if !self.early {
            self.console.summary(failed);
        }
        if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    /// An error that ends the tool.
    pub fn fail(&mut self, message: &str) -> Told {
        self.console.message(Severity::Error, message);
        Told
    }

    /// Reads the configuration.
    pub fn open(&mut self, request: Request, keep_going: bool) -> Result<Project, Told> {
        let request = Request { command_line: self.arguments.clone(), environment: environment(), ..request };
        let settings = Settings {
            request,
            program: std::env::current_exe().unwrap_or_default(),
            cwd: self.cwd.clone(),
            keep_going,
        };
        let opened = Project::open(settings, &mut Listening { console: &mut self.console, started: false });
        opened.map_err(|error| {
            self.early = true;
            self.host_error(error)
        })
    }

    /// Reads all recipes and reports those that can't be read.
    pub fn load(&mut self, project: &mut Project) -> Result<Metadata, Told> {
        let mut listening = Listening { console: &mut self.console, started: false };
        let loaded = load(project, &self.cwd, &mut listening);
        self.console.finish();
        let metadata = match loaded {
            Ok(metadata) => metadata,
            Err(LoadError::Host(error)) => return Err(self.host_error(error)),
            Err(LoadError::Said) => return Err(Told),
        };
        if !metadata.failed.is_empty() {
            for (recipe, failure) in &metadata.failed {
                self.failure(failure, &recipe.path);
            }
            if self.manner == Manner::Rbake {
                self.console.plain(&metadata.summary.to_string());
            }
            return Err(self.fail("Parsing halted due to errors, see error messages above"));
        }
        self.check_appends(&metadata)?;
        if metadata.summary.parsed > 0 || self.counts {
            self.console.plain(&metadata.summary.to_string());
        }
        self.check_layers(&metadata);
        if self.lints && metadata.summary.parsed > 0 {
            for finding in lint(&metadata, true) {
                let place = format!("{}:{}", finding.0.file, finding.0.line);
                self.console.message(Severity::Warning, &format!("{place}: {finding}"));
            }
        }
        Ok(metadata)
    }

    /// Appends without recipe are an error.
    fn check_appends(&mut self, metadata: &Metadata) -> Result<(), Told> {
        let mut dangling = Vec::new();
        for world in &metadata.worlds {
            let files = world.catalog.records().iter().map(|record| record.file.as_str());
            let unused = world.tree.files.dangling(files);
            if !unused.is_empty() {
                dangling.push((world.tree.mc.clone(), unused.into_iter().map(str::to_owned).collect()));
            }
        }
        if !dangling.is_empty() {
            let message = crate::catalog::DanglingAppends { by_configuration: dangling }.to_string();
            return Err(self.fail(&message));
        }
        Ok(())
    }

    /// Layers without files are worth a warning.
    fn check_layers(&mut self, metadata: &Metadata) {
        for world in &metadata.worlds {
            let buildable = world.catalog.buildable().map(|(_, record)| record.file.as_str());
            let mut said = Vec::new();
            let tree = &world.tree;
            tree.files.check_layers(&tree.preferences, &tree.layers, &tree.mc, buildable, &mut said);
            for message in said {
                self.console.message(message.severity(), &message.to_string());
            }
        }
    }

    /// Asks a host.
    pub fn ask(&mut self, project: &mut Project, question: &Question) -> Result<Option<String>, Told> {
        let answer = project.ask(question, &mut Listening { console: &mut self.console, started: false });
        match answer {
            Ok(Answer::Text(text)) => Ok(text),
            Ok(_) => Ok(None),
            Err(error) => Err(self.host_error(error)),
        }
    }

    /// Says why a host gave no answer.
    fn host_error(&mut self, error: HostError) -> Told {
        match error {
            HostError::Failed(failure) => {
                self.failure(&failure, "");
                Told
            }
            other => self.fail(&other.to_string()),
        }
    }

    /// Says why metadata can't be read. `recipe`: the recipe that was being read.
    fn failure(&mut self, failure: &Failure, recipe: &str) {
        if failure.handled() {
            return;
        }
        let place = if failure.file.is_empty() { recipe } else { &failure.file };
        let (kind, message, text) = match failure.class.as_str() {
            "ParseError" => {
                let head = match failure.line {
                    0 => format!("ParseError in {}: ", failure.file),
                    line => format!("ParseError at {}:{line}: ", failure.file),
                };
                let message = failure.text.strip_prefix(&head).unwrap_or(&failure.text);
                // In a configuration file it ends all; there BitBake names the class of the exception, too.
                let text = match recipe {
                    "" => format!("Unable to parse {place}\nbb.parse.ParseError: {}", failure.text),
                    _ => failure.text.clone(),
                };
                ("ParseError", message.to_owned(), text)
            }
            "ExpansionError" => {
                let text = format!(
                    "ExpansionError during parsing {recipe}\nbb.data_smart.ExpansionError: {}",
                    failure.text
                );
                ("ExpansionError", failure.text.clone(), text)
            }
            "SyntaxError" | "IndentationError" | "TabError" if failure.line > 0 => {
                let message = failure.text.rsplit('\n').next().unwrap_or_default();
                let message = message.split_once(": ").map_or(message, |(_, message)| message).to_owned();
                ("SyntaxError", message, format!("Unable to parse {recipe}\n{}", failure.text))
            }
            class @ ("ShellSyntaxError" | "NeedMore") => {
                let text = failure.text.trim_end();
                let message = if text.is_empty() { class.to_owned() } else { format!("{class}: {text}") };
                let bitbake = format!("Unable to parse {place}\nbb.pysh.sherrors.{message}");
                ("Error", message, bitbake)
            }
            class => {
                let message = format!("{class}: {}", failure.text);
                ("Error", message.clone(), format!("Unable to parse {place}\n{message}"))
            }
        };
        let mut diagnostic = Diagnostic::error(kind, message, place, failure.line as usize).bitbake(text);
        if self.manner == Manner::Rbake {
            diagnostic = hint::explain(diagnostic);
        }
        self.console.diagnostic(&diagnostic);
    }

    /// Finds what provides the words of a command line; gives the first one's recipe and variant.
    pub fn resolve_one(
        &mut self,
        metadata: &Metadata,
        word: &str,
        assumed: &[String],
    ) -> Result<(RecipeFile, String), Told> {
        let mut said = Vec::new();
        let prepared = Prepared::new(metadata, assumed, &mut said);
        let configurations = prepared.configurations();
        let policy = ResolvePolicy { halt: true, allow_incomplete: true };
        let words = [word.to_owned()];
        let result = resolve_targets(&words, "build", &configurations, policy, &mut (), &mut said);
        self.tell(&said);
        let resolved: Resolved<'_> = result.map_err(|error| self.resolve_error(&error))?;
        let Some(first) = resolved.targets.first() else { return Err(Told) };
        let Some(world) = metadata.worlds.iter().find(|world| world.tree.mc == first.target.mc) else {
            return Err(Told);
        };
        let file = VirtualFile::parse(&world.catalog.record(first.recipe).file);
        Ok((world.tree.recipe(file.path).recipe, file.class.to_owned()))
    }

    /// Passes on what the catalogue has to say.
    pub fn tell(&mut self, said: &[Message]) {
        for message in said {
            self.console.message(message.severity(), &message.to_string());
        }
    }

    pub(super) fn resolve_error(&mut self, error: &crate::catalog::ResolveError) -> Told {
        match error {
            // The messages have said it.
            crate::catalog::ResolveError::NoProvider(_) => Told,
            other => self.fail(&other.to_string()),
        }
    }
}

/// What resolving needs beside the catalogues.
pub struct Prepared<'m> {
    parts: Vec<(&'m World, PreferredProviders, Assumed)>,
}

impl<'m> Prepared<'m> {
    /// Reads the preferences of all configurations.
    pub fn new(metadata: &'m Metadata, assumed: &[String], said: &mut Vec<Message>) -> Self {
        let parts = metadata
            .worlds
            .iter()
            .map(|world| {
                let preferences = &world.tree.preferences;
                (world, PreferredProviders::read(preferences, said), Assumed::read(preferences, assumed))
            })
            .collect();
        Prepared { parts }
    }

    /// The PREFERRED_PROVIDERS of a configuration.
    pub fn preferred(&self, mc: &str) -> Option<&PreferredProviders> {
        self.parts.iter().find(|(world, ..)| world.tree.mc == mc).map(|(_, preferred, _)| preferred)
    }

    /// The configurations for the resolver.
    pub fn configurations(&self) -> Vec<Configuration<'_>> {
        self.parts
            .iter()
            .map(|(world, preferred, assumed)| Configuration {
                mc: &world.tree.mc,
                catalog: &world.catalog,
                prefs: &world.tree.preferences,
                preferred,
                assumed,
            })
            .collect()
    }
}

/// The user's environment, without what isn't UTF-8.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// What a command line depends on beside its words.
pub fn surroundings() -> Surroundings<'static> {
    Surroundings { env: &|name| std::env::var(name).ok(), terminal_columns: Terminal::detect().columns }
}
