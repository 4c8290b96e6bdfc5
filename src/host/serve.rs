//! A host's and a worker's main.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use rustc_hash::FxHashSet;
use sha2::{Digest, Sha256};

use super::channel::Channel;
use super::protocol::{Answer, ConfigRecord, Failure, Message, Question, Role, Said, Variable};
use crate::catalog::extract::{Source, extract};
use crate::catalog::record::{FileDepend, Fingerprint};
use crate::catalog::{Layers, RecipeFiles, RecipeRecord};
use crate::data::{DataError, Level, Store, Value};
use crate::lang::diagnostic::Severity;
use crate::python::scope::{Python, Sink};
use crate::recipe::{
    Configuration, Linter, RecipeFile, Run, read_configuration, read_recipe, recorded, stamp_of, virtual_name,
};

type MessageSink = dyn Fn(Said);

thread_local! {
    /// Where messages of this process go.
    static SINK: RefCell<Option<Rc<MessageSink>>> = const { RefCell::new(None) };
}

/// Sets where messages of this process go from now on.
pub fn set_sink(sink: Rc<MessageSink>) {
    SINK.with(|known| *known.borrow_mut() = Some(sink));
}

/// Messages go over a channel to whoever asks questions there.
fn sink_to(channel: &Rc<Channel>) {
    let channel = channel.clone();
    // If the program is gone there is nobody to tell, and the next question's end of file ends this process.
    set_sink(Rc::new(move |said| drop(channel.send(&Message::Said(said)))));
}

/// Sends a message to whoever asked this process something; dropped if nobody did.
/// `once`: it is worth saying once, whichever recipe it came up with.
pub fn send_message(severity: Severity, text: &str, once: bool) {
    let sink = SINK.with(|sink| sink.borrow().clone());
    if let Some(sink) = sink {
        sink(Said { severity, text: text.to_owned(), once });
    }
}

/// Sends the messages of a run without interpreter to the program.
pub struct ChannelSink;

impl Sink for ChannelSink {
    fn message(&self, level: Level, text: &str) {
        send_message(level, text, false);
    }

    fn message_once(&self, level: Level, text: &str) {
        send_message(level, text, true);
    }
}

/// Makes another process of this one: gives its id, and None in the child.
pub type Fork<'a> = dyn Fn() -> io::Result<Option<i32>> + 'a;

/// Forks a process that has no interpreter.
pub fn fork_plain() -> io::Result<Option<i32>> {
    // SAFETY: a host is single-threaded all its life, so the child may go on as if nothing had happened.
    match unsafe { nix::unistd::fork() } {
        Ok(nix::unistd::ForkResult::Child) => Ok(None),
        Ok(nix::unistd::ForkResult::Parent { child }) => Ok(Some(child.as_raw())),
        Err(error) => Err(error.into()),
    }
}

/// What a process forked from the host works with.
pub struct Duty<'a> {
    /// The connection to the program.
    pub channel: Rc<Channel>,
    /// The run.
    pub run: Rc<Run>,
    /// The configuration as it was read.
    pub configuration: &'a Configuration,
    /// Makes another process.
    pub fork: &'a Fork<'a>,
}

/// The floors above, which know what the other processes do.
pub trait Roles {
    /// Does the work of a role until the connection ends.
    ///
    /// # Errors
    /// The connection broke.
    fn play(&self, role: &Role, duty: &Duty<'_>) -> io::Result<()>;
}

/// Answers questions until the program closes the connection. `channels`: the host's own first, then one for each worker.
///
/// # Errors
/// The connection broke.
pub fn serve(channels: Vec<Channel>, run: Rc<Run>, fork: &Fork<'_>, roles: &dyn Roles) -> io::Result<()> {
    let mut channels = channels.into_iter();
    let Some(own) = channels.next() else { return Ok(()) };
    let own = Rc::new(own);
    sink_to(&own);
    let mut workers: Vec<Channel> = channels.collect();
    let mut service = Service { run, configuration: None, tracking: false, linters: BTreeMap::new() };
    let mut own = own;
    loop {
        let Some(question) = own.receive::<Question>()? else { return Ok(()) };
        if let Question::Fork = question {
            let mut child = None;
            for worker in std::mem::take(&mut workers) {
                if fork()?.is_none() {
                    child = Some(Rc::new(worker));
                    break;
                }
            }
            match child {
                // What the program says to the host isn't for the worker.
                Some(worker) => {
                    sink_to(&worker);
                    own = worker;
                }
                None => own.send(&Message::Done(Box::new(Answer::Forked)))?,
            }
            continue;
        }
        if let Question::Role(role) = &question {
            let channel = Channel::new(own.receive_file()?.into());
            let Some(configuration) = &service.configuration else {
                let error = DataError::raised("RuntimeError", "the configuration has not been read");
                own.send(&Message::Done(Box::new(Answer::Failed(Failure::from(&error)))))?;
                continue;
            };
            if fork()?.is_some() {
                own.send(&Message::Done(Box::new(Answer::Forked)))?;
                continue;
            }
            // Whoever else holds these would keep their other ends from seeing that the host is gone.
            set_sink(Rc::new(|_| ()));
            drop((own, workers));
            let duty = Duty { channel: Rc::new(channel), run: service.run.clone(), configuration, fork };
            return roles.play(role, &duty);
        }
        let answer = service.answer(question).unwrap_or_else(|error| Answer::Failed(Failure::from(&error)));
        own.send(&Message::Done(Box::new(answer)))?;
    }
}

struct Service {
    run: Rc<Run>,
    configuration: Option<Configuration>,
    /// Whoever asks about a recipe wants to see its history.
    tracking: bool,
    /// Looks for typos, one for each multiconfig.
    linters: BTreeMap<String, Linter>,
}

impl Service {
    fn answer(&mut self, question: Question) -> Result<Answer, DataError> {
        match question {
            Question::Configure(request) => {
                let configuration = read_configuration(&self.run, &request)?;
                let mut records = Vec::with_capacity(configuration.stores.len());
                for (mc, store) in &configuration.stores {
                    let mut record = config_record(mc, store, &self.run.python)?;
                    record.collections = configuration.collections.clone();
                    let mut linter = Linter::new(store)?;
                    record.lint = linter.configuration(&self.run, store);
                    self.linters.insert(mc.clone(), linter);
                    set_prioritized(store, &record)?;
                    store.flatten();
                    records.push(record);
                }
                if let Some((_, main)) = configuration.stores.first() {
                    self.run.sign_recipes(main)?;
                }
                self.run.python.save()?;
                self.configuration = Some(configuration);
                self.tracking = request.tracking;
                Ok(Answer::Configured(records))
            }
            // Forking is done where the channels are.
            Question::Fork | Question::Role(_) => Ok(Answer::Forked),
            Question::Parse { recipe, priority } => {
                let stores = self.read(&recipe, None)?;
                let mut records = records(&recipe, priority, &stores)?;
                if let (Some(last), Some(linter)) = (records.last_mut(), self.linters.get_mut(&recipe.mc)) {
                    last.lint = linter.recipe(&self.run, &stores)?;
                }
                Ok(Answer::Parsed(records))
            }
            Question::Environment { recipe: Some((recipe, variant)), .. } => {
                let store = self.variant(&recipe, &variant)?;
                let configuration = self.store(&recipe.mc)?;
                Ok(Answer::Text(Some(store.environment_text(configuration)?)))
            }
            Question::Environment { recipe: None, mc } => {
                let store = self.store(&mc)?;
                Ok(Answer::Text(Some(store.environment_text(store)?)))
            }
            Question::Variable(variable) => Ok(Answer::Text(self.variable(&variable)?)),
            Question::Dump { recipe } => {
                let stores = self.read(&recipe, None)?;
                let mut out = String::new();
                for (variant, store) in &stores {
                    let target = virtual_name(&recipe.path, variant, &recipe.mc);
                    out.push_str(&super::dump::dump(&target, &recipe.path, store)?);
                    out.push('\n');
                }
                Ok(Answer::Text(Some(out)))
            }
        }
    }

    fn store(&self, mc: &str) -> Result<&Store, DataError> {
        let store = self.configuration.as_ref().and_then(|configuration| configuration.store(mc));
        store.ok_or_else(|| DataError::raised("KeyError", mc))
    }

    fn read(&self, recipe: &RecipeFile, only: Option<&str>) -> Result<Vec<(String, Store)>, DataError> {
        let configuration = self.store(&recipe.mc)?;
        // Before and not after, since what is asked of the stores still needs the recipe's functions.
        self.run.python.restore();
        read_recipe(&self.run, configuration, recipe, only)
    }

    fn variant(&self, recipe: &RecipeFile, variant: &str) -> Result<Store, DataError> {
        self.store(&recipe.mc)?.set_tracking(self.tracking);
        let stores = self.read(recipe, Some(variant));
        self.store(&recipe.mc)?.set_tracking(false);
        let stores = stores?;
        let found = stores.into_iter().find(|(name, _)| name == variant).map(|(_, store)| store);
        found.ok_or_else(|| DataError::raised("KeyError", variant))
    }

    fn variable(&self, question: &Variable) -> Result<Option<String>, DataError> {
        let store = match &question.recipe {
            Some((recipe, variant)) => self.variant(recipe, variant)?,
            None => self.store("")?.clone(),
        };
        let name = &question.name;
        if let Some(flag) = &question.flag {
            let value = if question.unexpanded {
                store.get_flag_raw(name, flag)?
            } else {
                store.get_flag(name, flag)?
            };
            return Ok(value.filter(|value| *value != Value::None).map(|value| value.to_text()));
        }
        let value = if question.unexpanded { store.get_raw(name)? } else { store.get_var(name)? };
        let Some(value) = value.filter(|value| *value != Value::None) else { return Ok(None) };
        if question.value_only {
            return Ok(Some(value.to_text()));
        }
        store.variable_text(name, true).map(Some)
    }
}

/// The records of a recipe's variants, the recipe itself last: it carries what the others depend on, too.
fn records(
    recipe: &RecipeFile,
    priority: i32,
    stores: &[(String, Store)],
) -> Result<Vec<RecipeRecord>, DataError> {
    let mut sorted: Vec<&(String, Store)> = stores.iter().collect();
    sorted.sort_by(|a, b| b.0.cmp(&a.0));
    let mut records = Vec::with_capacity(sorted.len());
    let mut depends: Vec<FileDepend> = Vec::new();
    let mut known = FxHashSet::default();
    let variants: Vec<String> = sorted.iter().map(|(variant, _)| variant.clone()).collect();
    for (variant, store) in sorted {
        let file = virtual_name(&recipe.path, variant, &recipe.mc);
        let source = Source { file: &file, layer: recipe.layer.as_deref().unwrap_or_default(), priority };
        let mut record = extract(&source, store)?;
        for depend in std::mem::take(&mut record.file_depends) {
            if known.insert((depend.path.clone(), depend.fingerprint)) {
                depends.push(depend);
            }
        }
        if variant.is_empty() {
            record.file_depends = std::mem::take(&mut depends);
            record.variants = variants.clone();
        }
        records.push(record);
    }
    Ok(records)
}

/// Variables that the program needs of a configuration, by name.
const WANTED: &[&str] = &[
    "ASSUME_PROVIDED",
    "BBFILES",
    "BBINCLUDELOGS",
    "BBINCLUDELOGS_LINES",
    "BBFILE_COLLECTIONS",
    "BBLAYERS",
    "BBMASK",
    "BBMULTICONFIG",
    "BBPATH",
    "BBTARGETS",
    "BB_CACHEDIR",
    "BB_CONSOLELOG",
    "BB_DISKMON_DIRS",
    "BB_DISKMON_WARNINTERVAL",
    "BB_DEFAULT_TASK",
    "BB_HASHSERVE",
    "BB_HASHSERVE_DB_DIR",
    "BB_HASHSERVE_UPSTREAM",
    "BB_DEFAULT_UMASK",
    "BB_MULTI_PROVIDER_ALLOWED",
    "BB_NUMBER_PARSE_THREADS",
    "BB_NUMBER_THREADS",
    "BB_SCHEDULER",
    "BB_SETSCENE_ENFORCE",
    "BB_SETSCENE_ENFORCE_IGNORE_TASKS",
    "BB_SIGNATURE_HANDLER",
    "BB_SIGNATURE_LOCAL_DIRS_EXCLUDE",
    "BB_TASKHASH_IGNORE_TASKS",
    "CACHE",
    "FAKEROOTBASEENV",
    "FAKEROOTCMD",
    "INHERIT",
    "LAYERSERIES_CORENAMES",
    "MULTI_PROVIDER_ALLOWED",
    "PERSISTENT_DIR",
    "SSTATE_HASHEQUIV_METHOD",
    "TMPDIR",
    "TOPDIR",
    "BB_CURRENT_MC",
    "BB_DANGLINGAPPENDS_WARNONLY",
];
/// The same, by the beginning of the name.
const WANTED_PREFIXES: &[&str] = &[
    "BBFILE_PATTERN_",
    "BBFILE_PATTERN_IGNORE_EMPTY_",
    "BBFILE_PRIORITY_",
    "LAYERDEPENDS_",
    "LAYERRECOMMENDS_",
    "LAYERVERSION_",
    "PREFERRED_",
    "REQUIRED_",
    "SIGGEN_",
];

fn config_record(mc: &str, store: &Store, python: &Python) -> Result<ConfigRecord, DataError> {
    // Names may hold references here as in recipes.
    let expanded = store.copy();
    expanded.expand_keys()?;
    let mut variables = BTreeMap::new();
    for name in expanded.keys()? {
        let wanted =
            WANTED.contains(&&*name) || WANTED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if wanted && let Some(value) = expanded.get_var(&name)?.filter(|value| *value != Value::None) {
            variables.insert(name.to_string(), value.to_text());
        }
        // Of a task's name in the configuration: how many such tasks may run at once.
        if name.starts_with("do_")
            && let Some(value) = expanded.get_flag(&name, "number_threads")?
        {
            variables.insert(format!("{name}[number_threads]"), value.to_text());
        }
    }
    // BitBake does not look at its libraries' files again; a cache that does can't be stale.
    let libraries = python.library_files().into_iter().map(|path| {
        let path = path.to_string_lossy().into_owned();
        let stamp = stamp_of(&path);
        (Rc::from(path), stamp)
    });
    let depends = recorded(store, "__base_depends")
        .into_iter()
        .chain(libraries)
        .map(|(path, stamp): (Rc<str>, _)| FileDepend {
            path: path.to_string(),
            fingerprint: stamp.map(|stamp| Fingerprint {
                mtime_ns: stamp.mtime_ns as i64,
                size: stamp.size,
                inode: stamp.inode,
            }),
        })
        .collect();
    let hash = configuration_hash(&expanded, python)?;
    Ok(ConfigRecord { mc: mc.to_owned(), variables, depends, hash, ..ConfigRecord::default() })
}

/// Sets BBFILES_PRIORITIZED: classes ask it which layer a file belongs to (`bb.utils.get_file_layer`).
fn set_prioritized(store: &Store, record: &ConfigRecord) -> Result<(), DataError> {
    // What is wrong with the layers is said where the files are looked for.
    let (layers, _) = Layers::read(record);
    let words = RecipeFiles::prioritize(record, &layers);
    store.set_engine("BBFILES_PRIORITIZED", words.join(" "), "set_prioritized")
}

/// A hash of everything that a recipe inherits from its configuration: as long as it stays the same, so do the recipes.
fn configuration_hash(store: &Store, python: &Python) -> Result<String, DataError> {
    let ignored: FxHashSet<String> = store.get_words("BB_HASHCONFIG_IGNORE_VARS")?.into_iter().collect();
    let mut names = store.keys()?;
    names.sort();
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    for name in names {
        // Files are compared by themselves, and the original environment only matters where metadata asks for it.
        if ignored.contains(&*name)
            || matches!(&*name, "__depends" | "__base_depends" | "BB_ORIGENV" | "BB_CMDLINE")
        {
            continue;
        }
        add(&name);
        for (flag, value) in store.get_flags_internal(&name).unwrap_or_default() {
            add(&flag);
            add(&value.repr());
        }
    }
    let functions = python.module_functions();
    let mut functions: Vec<_> = functions.iter().collect();
    functions.sort_by(|a, b| a.0.cmp(b.0));
    for (name, function) in functions {
        add(name);
        add(&function.source);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A run without interpreter whose messages go to the program.
pub fn plain_run() -> Rc<Run> {
    Run::new(Python::new(Rc::new(ChannelSink)))
}
