//! A build directory's metadata: its configuration and its recipes, from the cache where it is valid, else read by hosts.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustc_hash::FxHashSet;
use sha2::{Digest, Sha256};

use super::cache::{self, FileTable, Hash, ParseCache, fingerprint};
use super::channel::Channel;
use super::client::{Client, HostError, Kind, ask, find_python_side};
use super::protocol::{Answer, ConfigRecord, Failure, Question, Role, Said};
use crate::catalog::RecipeRecord;
use crate::lang::diagnostic::Severity;
use crate::recipe::{RecipeFile, Request, find_config};

/// Gets the messages and the progress of reading.
pub trait Listener {
    /// A message; `recipe` is the file that was being read, "" if none.
    fn said(&mut self, severity: Severity, text: &str, recipe: &str);
    /// `done` of `total` recipes are read.
    fn progress(&mut self, done: usize, total: usize);
}

/// How to read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the configuration is read from.
    pub request: Request,
    /// The program, which is also the host where no Python is needed.
    pub program: PathBuf,
    /// The working directory.
    pub cwd: String,
    /// Read on after a recipe that can't be read, to report all of them.
    pub keep_going: bool,
}

impl Settings {
    /// A host with Python.
    fn python_kind(&self) -> Result<Kind, HostError> {
        let (package, engine) = find_python_side(&self.program).ok_or_else(|| {
            HostError::Io(io::Error::new(
                io::ErrorKind::NotFound,
                "librbake_engine.so or the bb package isn't beside the program: build all of rbake with `cargo build --release`",
            ))
        })?;
        let interpreter =
            self.request.env("RBAKE_PYTHON").filter(|path| !path.is_empty()).unwrap_or("python3").to_owned();
        Ok(Kind::Python { interpreter, package, engine })
    }
}

/// A recipe file to be read, with its layer's priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The file.
    pub recipe: RecipeFile,
    /// Priority of its layer.
    pub priority: i32,
}

/// What reading all recipes gave.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The records, in the order of the files.
    pub records: Vec<RecipeRecord>,
    /// Files taken from the cache.
    pub cached: usize,
    /// Files read.
    pub parsed: usize,
    /// Files that couldn't be read, and why.
    pub failed: Vec<(RecipeFile, Failure)>,
    /// The paths of those that were read.
    pub read: FxHashSet<String>,
}

/// Starts hosts that read the same configuration as the project's own.
#[derive(Clone, Debug)]
pub struct Starter {
    kind: Kind,
    settings: Settings,
}

impl Starter {
    /// Starts a host as the last arguments of a command, with further environment variables; with `python` one that has it in any
    /// case.
    ///
    /// # Errors
    /// The process can't be started.
    pub fn start_under(
        &self,
        prefix: &[String],
        environment: &[(String, String)],
        python: bool,
    ) -> Result<Client, HostError> {
        let kind = if python { &self.settings.python_kind()? } else { &self.kind };
        let mut all = self.settings.request.clean_environment();
        all.extend(environment.iter().cloned());
        Client::start_under(prefix, kind, &self.settings.cwd, 0, &all)
    }

    /// Starts a host with Python.
    ///
    /// # Errors
    /// The process can't be started.
    pub fn start_python(&self) -> Result<Client, HostError> {
        let environment = self.settings.request.clean_environment();
        Client::start(&self.settings.python_kind()?, &self.settings.cwd, 0, &environment)
    }

    /// What the configuration is read from.
    pub fn request(&self) -> &Request {
        &self.settings.request
    }
}

/// The metadata of a build directory.
pub struct Project {
    settings: Settings,
    cache: ParseCache,
    configuration: Vec<ConfigRecord>,
    /// The cached recipes were read with this very configuration.
    recipes_valid: bool,
    host: Option<Client>,
    forked: bool,
    python: bool,
}

impl Project {
    /// Reads the configuration, or takes it from the cache.
    ///
    /// # Errors
    /// The configuration can't be read, or no host can be started.
    pub fn open(settings: Settings, listener: &mut dyn Listener) -> Result<Self, HostError> {
        let bbpath = settings.request.env("BBPATH").unwrap_or_default();
        let bblayers = find_config(bbpath, &settings.cwd, "bblayers.conf");
        let top = bblayers
            .as_deref()
            .and_then(|file| Path::new(file).parent()?.parent().map(Path::to_path_buf))
            .unwrap_or_else(|| PathBuf::from(&settings.cwd));
        let key = cache_key(&settings, bblayers.as_deref());
        let folder = top.join("cache");
        let python = ParseCache::probably_needs_python(&folder);
        let mut project = Project {
            settings,
            cache: ParseCache::default(),
            configuration: Vec::new(),
            recipes_valid: false,
            host: None,
            forked: false,
            python,
        };
        // History isn't kept in the cache, so a host reads the configuration at once, and the cache is read beside it.
        if project.settings.request.tracking {
            let (cache, configured) = std::thread::scope(|scope| {
                let cache = scope.spawn(|| ParseCache::open(&folder, key));
                let configured = project.configure(listener);
                (cache.join(), configured)
            });
            configured?;
            project.cache = cache.unwrap_or_default();
            project.recipes_valid = project.is_cached_configuration();
            return Ok(project);
        }
        project.cache = ParseCache::open(&folder, key);
        project.python = project.cache.needs_python();
        match project.cache.configuration().map(<[ConfigRecord]>::to_vec) {
            Some(records) => {
                project.configuration = records;
                let depends = project.cache.configuration_depends();
                if let Some(first) = project.configuration.first_mut() {
                    first.depends = depends;
                }
                project.recipes_valid = true;
            }
            None => project.configure(listener)?,
        }
        Ok(project)
    }

    /// The configuration of each multiconfig, "" first.
    pub fn configuration(&self) -> &[ConfigRecord] {
        &self.configuration
    }

    fn kind(&self) -> Result<Kind, HostError> {
        if self.python {
            self.settings.python_kind()
        } else {
            Ok(Kind::Plain { program: self.settings.program.clone() })
        }
    }

    fn start(&mut self) -> Result<&Client, HostError> {
        if self.host.is_none() {
            let workers = std::thread::available_parallelism().map_or(1, usize::from);
            let environment = self.settings.request.clean_environment();
            self.host = Some(Client::start(&self.kind()?, &self.settings.cwd, workers, &environment)?);
            self.forked = false;
        }
        self.host.as_ref().ok_or_else(|| HostError::Died(String::new()))
    }

    /// Has a host read the configuration; one with Python if it must be.
    fn configure(&mut self, listener: &mut dyn Listener) -> Result<(), HostError> {
        loop {
            let question = Question::Configure(self.settings.request.clone());
            // What a host without Python says before it gives up will be said again.
            let hold = !self.python;
            let mut held = Vec::new();
            let answer = self.start()?.ask(&question, &mut |said| {
                if hold { held.push(said) } else { tell(listener, &said, "") }
            });
            match answer {
                Err(HostError::Failed(failure)) if failure.needs_python && !self.python => {
                    self.python = true;
                    self.host = None;
                    continue;
                }
                other => {
                    held.iter().for_each(|said| tell(listener, said, ""));
                    if let Answer::Configured(records) = other? {
                        self.configuration = records;
                        self.recipes_valid = self.is_cached_configuration();
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Whether the cached recipes were read with the configuration at hand.
    fn is_cached_configuration(&self) -> bool {
        self.configuration.iter().map(|record| &record.hash).eq(self.cache.configuration_hashes())
    }

    /// Has the host fork a process with another duty; gives the connection to it.
    ///
    /// # Errors
    /// No host can be started, or it died.
    pub fn role(&mut self, role: &Role, listener: &mut dyn Listener) -> Result<Channel, HostError> {
        let mut held = Vec::new();
        let channel = self.ready(listener)?.role(role, &mut |said| held.push(said));
        held.iter().for_each(|said| tell(listener, said, ""));
        channel
    }

    /// Has a Python interpreter read the configuration, if none does yet.
    ///
    /// # Errors
    /// There is no interpreter, or the configuration can't be read.
    pub fn use_python(&mut self, listener: &mut dyn Listener) -> Result<(), HostError> {
        if !self.python {
            self.python = true;
            self.host = None;
        }
        self.ready(listener).map(drop)
    }

    /// What it takes to start more hosts like this one.
    ///
    /// # Errors
    /// The Python side isn't where the program is.
    pub fn starter(&self) -> Result<Starter, HostError> {
        Ok(Starter { kind: self.kind()?, settings: self.settings.clone() })
    }

    /// A host that has read the configuration.
    fn ready(&mut self, listener: &mut dyn Listener) -> Result<&Client, HostError> {
        if self.host.is_none() {
            let before: Vec<String> = self.configuration.iter().map(|record| record.hash.clone()).collect();
            self.configure(listener)?;
            let after: Vec<String> = self.configuration.iter().map(|record| record.hash.clone()).collect();
            self.recipes_valid &= before.is_empty() || before == after;
        }
        self.host.as_ref().ok_or_else(|| HostError::Died(String::new()))
    }

    /// Asks a host that has read the configuration; one with Python if it must be.
    ///
    /// # Errors
    /// The host died, or the answer is a failure.
    pub fn ask(&mut self, question: &Question, listener: &mut dyn Listener) -> Result<Answer, HostError> {
        loop {
            let client = self.ready(listener)?;
            let mut held = Vec::new();
            let answer = client.ask(question, &mut |said| held.push(said));
            if let Err(HostError::Failed(failure)) = &answer
                && failure.needs_python
                && !self.python
            {
                self.python = true;
                self.host = None;
                continue;
            }
            held.iter().for_each(|said| tell(listener, said, ""));
            return answer;
        }
    }

    /// Reads all recipes, those from the cache that nothing changed for, and writes the cache.
    ///
    /// # Errors
    /// No host can be started, or one died. Recipes that can't be read are no error here but in the result.
    pub fn parse(&mut self, wanted: &[Wanted], listener: &mut dyn Listener) -> Result<Parsed, HostError> {
        let mut slots: Vec<Option<cache::Parsed>> = Vec::with_capacity(wanted.len());
        let mut table = self.cache.table();
        for wanted in wanted {
            slots
                .push(self.recipes_valid.then(|| self.cache.take(&wanted.recipe, wanted.priority)).flatten());
        }
        let cached = slots.iter().filter(|slot| slot.is_some()).count();
        let mut parsed = Parsed { cached, ..Parsed::default() };
        if cached < wanted.len() {
            self.ready(listener)?;
            if !self.recipes_valid && cached > 0 {
                // The configuration turned out to be another one than the cached recipes were read with.
                slots.iter_mut().for_each(|slot| *slot = None);
                parsed.cached = 0;
            }
            loop {
                let needs_python =
                    self.parse_missing(wanted, &mut slots, &mut table, &mut parsed, listener)?;
                if !needs_python {
                    break;
                }
                self.python = true;
                self.host = None;
                self.ready(listener)?;
            }
        }
        if parsed.parsed > 0 || parsed.cached < self.cache.len() {
            self.save(wanted, &slots, table, listener);
        }
        parsed.records = slots.into_iter().flatten().flat_map(|slot| slot.records).collect();
        Ok(parsed)
    }

    /// Has the workers read what isn't there yet; true if it stopped because that needs Python.
    fn parse_missing(
        &mut self,
        wanted: &[Wanted],
        slots: &mut [Option<cache::Parsed>],
        table: &mut FileTable,
        parsed: &mut Parsed,
        listener: &mut dyn Listener,
    ) -> Result<bool, HostError> {
        let (keep_going, python) = (self.settings.keep_going, self.python);
        let Some(client) = &self.host else { return Ok(false) };
        if !self.forked {
            client.ask(&Question::Fork, &mut |said| tell(listener, &said, ""))?;
            self.forked = true;
        }
        let todo: Vec<usize> = (0..wanted.len()).filter(|at| slots[*at].is_none()).collect();
        let total = todo.len();
        let (jobs, queue) = crossbeam::channel::unbounded::<usize>();
        for at in todo {
            // The queue's other end lives as long as this function.
            let _ = jobs.send(at);
        }
        drop(jobs);
        let stop = AtomicBool::new(false);
        let (results, done) = crossbeam::channel::unbounded();
        let mut needs_python = false;
        let mut died = None;
        std::thread::scope(|scope| {
            for worker in client.workers() {
                let (queue, results, stop) = (queue.clone(), results.clone(), &stop);
                scope.spawn(move || {
                    for at in queue {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let Wanted { recipe, priority } = &wanted[at];
                        let question = Question::Parse { recipe: recipe.clone(), priority: *priority };
                        let mut said = Vec::new();
                        let answer = ask(worker, &question, &mut |message| said.push(message));
                        let lost = matches!(answer, Err(HostError::Died(_) | HostError::Io(_)));
                        if results.send((at, said, answer)).is_err() || lost {
                            break;
                        }
                    }
                });
            }
            drop(results);
            for (count, (at, said, answer)) in done.iter().enumerate() {
                let recipe = &wanted[at].recipe;
                let gives_up =
                    matches!(&answer, Err(HostError::Failed(failure)) if failure.needs_python && !python);
                if !gives_up {
                    said.iter().for_each(|said| tell(listener, said, &recipe.path));
                }
                match answer {
                    Ok(Answer::Parsed(records)) => {
                        slots[at] = Some(cache::Parsed::new(records, table));
                        parsed.parsed += 1;
                        parsed.read.insert(recipe.path.clone());
                    }
                    Ok(_) => {}
                    Err(HostError::Failed(_)) if gives_up => {
                        needs_python = true;
                        stop.store(true, Ordering::Relaxed);
                    }
                    Err(HostError::Failed(failure)) => {
                        parsed.failed.push((recipe.clone(), failure));
                        if !keep_going {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                    Err(error) => {
                        died = Some(error);
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                listener.progress(count + 1, total);
            }
        });
        match died {
            Some(error) => Err(error),
            None => Ok(needs_python),
        }
    }

    /// Sends every recipe's stores to `line`, one JSON text each (`--internal-dump-all`).
    ///
    /// # Errors
    /// No host can be started, or a recipe can't be read.
    pub fn dump(
        &mut self,
        wanted: &[Wanted],
        listener: &mut dyn Listener,
        line: &mut dyn FnMut(&str),
    ) -> Result<(), HostError> {
        let client = self.ready(listener)?;
        client.ask(&Question::Fork, &mut |said| tell(listener, &said, ""))?;
        let (jobs, queue) = crossbeam::channel::unbounded::<&Wanted>();
        for wanted in wanted {
            // The queue's other end lives as long as this function.
            let _ = jobs.send(wanted);
        }
        drop(jobs);
        let (results, done) = crossbeam::channel::bounded(8);
        let client = self.ready(listener)?;
        std::thread::scope(|scope| {
            for worker in client.workers() {
                let (queue, results) = (queue.clone(), results.clone());
                scope.spawn(move || {
                    for wanted in queue {
                        let question = Question::Dump { recipe: wanted.recipe.clone() };
                        if results.send(ask(worker, &question, &mut |_| {})).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(results);
            for answer in done {
                if let Answer::Text(Some(text)) = answer? {
                    text.lines().for_each(&mut *line);
                }
            }
            Ok(())
        })
    }

    fn save(
        &self,
        wanted: &[Wanted],
        slots: &[Option<cache::Parsed>],
        table: FileTable,
        listener: &mut dyn Listener,
    ) {
        let kept = |parsed: &&cache::Parsed| parsed.records.iter().all(|record| !record.nocache);
        let entries: Vec<_> = wanted
            .iter()
            .zip(slots)
            .filter_map(|(wanted, parsed)| Some((wanted, parsed.as_ref().filter(kept)?)))
            .collect();
        if let Err(error) = self.cache.replace(self.python, &self.configuration, &entries, table) {
            listener.said(
                Severity::Note,
                &format!(
                    "the parse cache can't be written ({error}); the next run will read everything again"
                ),
                "",
            );
        }
    }
}

/// Passes on what a host said while it read `recipe`, "" if none.
fn tell(listener: &mut dyn Listener, said: &Said, recipe: &str) {
    listener.said(said.severity, &said.text, if said.once { "" } else { recipe });
}

/// A hash of everything but files of metadata that the result depends on.
fn cache_key(settings: &Settings, bblayers: Option<&str>) -> Hash {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    add(&settings.cwd);
    add(bblayers.unwrap_or_default());
    let mut environment = settings.request.clean_environment();
    environment.sort();
    for (name, value) in &environment {
        add(name);
        add(value);
    }
    for file in settings.request.prefiles.iter().chain([&String::new()]).chain(&settings.request.postfiles) {
        add(file);
    }
    // Another program may read the same metadata differently.
    let mut parts = vec![settings.program.to_string_lossy().into_owned()];
    if let Some((package, engine)) = find_python_side(&settings.program) {
        parts.push(engine.to_string_lossy().into_owned());
        parts.extend(python_files(&package.join("bb")));
    }
    for part in parts {
        add(&format!("{part} {:?}", fingerprint(&part)));
    }
    hash.finalize().into()
}

/// The modules of the `bb` package.
fn python_files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(python_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "py") {
            found.push(path.to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}
