//! Hashes of tasks: what decides whether one has to run again (BitBake manual, "Checksums (Signatures)").

use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

use super::checksum::{Checksums, FileChecksum};
use super::graph::{TaskGraph, TaskId};
use super::rundeps::RunDeps;
use super::stamp::{StampStyle, taint_file};
use crate::catalog::Preferences;
use crate::recipe::hex;

/// A signature generator (BB_SIGNATURE_HANDLER).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generator {
    /// `noop`: no hashes.
    Noop,
    /// `basic`: hashes that stamps don't carry.
    Basic,
    /// `basichash`.
    BasicHash,
    /// `OEBasicHash`: with OpenEmbedded's rule about dependencies.
    OeBasicHash,
    /// `OEEquivHash`: the same, with a hash server.
    OeEquivHash,
    /// `TestEquivHash`: `basichash` with a hash server.
    TestEquivHash,
}

impl Generator {
    /// The generator of a build.
    ///
    /// # Errors
    /// It is one that only its layer knows, or it is told to lock hashes.
    pub fn of(preferences: &dyn Preferences) -> Result<Self, HashError> {
        let name = preferences.get_var("BB_SIGNATURE_HANDLER").unwrap_or_default();
        let generator = match &*name {
            "" | "noop" => Generator::Noop,
            "basic" => Generator::Basic,
            "basichash" => Generator::BasicHash,
            "OEBasicHash" => Generator::OeBasicHash,
            "OEEquivHash" => Generator::OeEquivHash,
            "TestEquivHash" => Generator::TestEquivHash,
            other => return Err(HashError::Unknown(other.to_owned())),
        };
        let types = preferences.get_var("SIGGEN_LOCKEDSIGS_TYPES").unwrap_or_default();
        let locked = types.split_whitespace().find(|kind| {
            preferences
                .get_var(&format!("SIGGEN_LOCKEDSIGS_{kind}"))
                .is_some_and(|text| !text.trim().is_empty())
        });
        match locked {
            Some(kind) if generator.is_oe() => Err(HashError::Locked(format!("SIGGEN_LOCKEDSIGS_{kind}"))),
            _ => Ok(generator),
        }
    }

    fn is_oe(self) -> bool {
        matches!(self, Generator::OeBasicHash | Generator::OeEquivHash)
    }

    /// Whether a hash server is asked which outputs are the same.
    pub fn asks_server(self) -> bool {
        matches!(self, Generator::OeEquivHash | Generator::TestEquivHash)
    }

    /// How it names stamps.
    pub fn stamps(self) -> StampStyle {
        match self {
            Generator::Noop | Generator::Basic => StampStyle::Plain,
            _ => StampStyle::Hashed,
        }
    }
}

/// Why tasks can't be hashed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// A generator that only its layer knows.
    #[error(
        "Invalid signature generator '{0}', using default 'noop' is no choice for rbake: it knows noop, basic, basichash, \
         OEBasicHash, OEEquivHash and TestEquivHash. Set BB_SIGNATURE_HANDLER to one of them"
    )]
    Unknown(String),
    /// Hashes are locked.
    #[error("{0} is set: rbake can't lock signatures yet. Build with BitBake, or unset it")]
    Locked(String),
    /// A list of files can't be hashed.
    #[error("{0}")]
    Files(String),
}

/// What went into the hash of one task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskHash {
    /// Tasks whose hashes count: their names in signatures (`PN:do_x`), sorted, and numbers.
    pub depends: Vec<(String, TaskId)>,
    /// Files that count, sorted by clean path.
    pub files: Vec<FileChecksum>,
    /// What makes it run again; with `nostamp:` in front for a task that always runs.
    pub taint: Option<String>,
    /// The hash, in hexadecimal; empty without hashes.
    pub hash: String,
    /// The hash that stands for its output.
    pub unihash: String,
}

/// Who knows which hashes give the same output.
pub trait Unihashes {
    /// The unihash of a task; None if nothing better than the hash is known.
    fn unihash(&mut self, graph: &TaskGraph<'_>, task: TaskId, hash: &str) -> Option<String>;
}

/// Nobody knows.
impl Unihashes for () {
    fn unihash(&mut self, _: &TaskGraph<'_>, _: TaskId, _: &str) -> Option<String> {
        None
    }
}

/// Hashes the tasks of a graph.
pub struct TaskHashes {
    /// The generator.
    pub generator: Generator,
    rules: Vec<RunDeps>,
    excluded_dirs: Vec<String>,
    /// By task.
    pub tasks: Vec<TaskHash>,
    checksums: Checksums,
    /// Random parts of the hashes of tasks that always run: the same for all of this build.
    always: FxHashMap<TaskId, String>,
}

const NOSTAMP: &str = "nostamp:";

impl TaskHashes {
    /// Hashes nothing yet.
    ///
    /// # Errors
    /// The build's signature generator isn't known here.
    pub fn new(graph: &TaskGraph<'_>) -> Result<Self, HashError> {
        let main = graph.configurations().first().map(|configuration| configuration.prefs);
        let generator = main.map_or(Ok(Generator::Noop), Generator::of)?;
        let rules = graph.configurations().iter().map(|configuration| match generator.is_oe() {
            true => RunDeps::open_embedded(configuration.prefs),
            false => RunDeps::ignoring(configuration.prefs),
        });
        let rules = rules.collect();
        let excluded = main.and_then(|main| main.get_var("BB_SIGNATURE_LOCAL_DIRS_EXCLUDE"));
        let excluded = excluded.as_deref().unwrap_or("CVS .bzr .git .hg .osc .p4 .repo .svn");
        Ok(TaskHashes {
            generator,
            rules,
            excluded_dirs: excluded.split_whitespace().map(str::to_owned).collect(),
            tasks: vec![TaskHash::default(); graph.len()],
            checksums: Checksums::default(),
            always: FxHashMap::default(),
        })
    }

    /// Hashes all tasks.
    ///
    /// # Errors
    /// A list of files can't be hashed.
    pub fn hash_all(
        &mut self,
        graph: &TaskGraph<'_>,
        unihashes: &mut dyn Unihashes,
        warn: &mut dyn FnMut(String),
    ) -> Result<(), HashError> {
        if self.generator == Generator::Noop {
            return Ok(());
        }
        for task in graph.in_order() {
            self.gather(graph, task, warn)?;
            self.hash(graph, task, unihashes);
        }
        Ok(())
    }

    /// Finds what counts for a task.
    fn gather(
        &mut self,
        graph: &TaskGraph<'_>,
        task: TaskId,
        warn: &mut dyn FnMut(String),
    ) -> Result<(), HashError> {
        let record = graph.task(task);
        let recipe = graph.record(task);
        let rule = &self.rules[graph.recipe(task).mc];
        let mut depends: Vec<(String, TaskId)> = graph
            .depends(task)
            .filter(|dep| rule.counts(graph, task, *dep))
            .map(|dep| (signature_name(graph, dep), dep))
            .collect();
        depends.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| graph.tid(a.1).cmp(&graph.tid(b.1))));
        let mut files = Vec::new();
        if let Some(list) = &record.file_checksums {
            let mut missing = |path: &str| {
                let name = path.rsplit('/').next().unwrap_or_default();
                warn(format!("Unable to get checksum for {} SRC_URI entry {name}", recipe.pn));
            };
            files =
                self.checksums.of_list(list, &self.excluded_dirs, &mut missing).map_err(HashError::Files)?;
            files.sort_by_cached_key(FileChecksum::clean_path);
        }
        let mut taint = None;
        if record.nostamp {
            let random = self.always.entry(task).or_insert_with(random_id);
            taint = Some(format!("{NOSTAMP}{random}"));
        }
        if let Ok(text) = std::fs::read_to_string(taint_file(recipe, &record.name))
            && !text.is_empty()
        {
            warn(format!("{} is tainted from a forced run", graph.tid(task)));
            taint = Some(text);
        }
        self.tasks[task.index()] = TaskHash { depends, files, taint, ..TaskHash::default() };
        Ok(())
    }

    /// Hashes a task of which everything but the hashes of its dependencies may have been found before.
    pub fn hash(&mut self, graph: &TaskGraph<'_>, task: TaskId, unihashes: &mut dyn Unihashes) {
        let own = &self.tasks[task.index()];
        let mut sha = Sha256::new();
        sha.update(&graph.task(task).basehash);
        for (_, dep) in &own.depends {
            sha.update(&self.tasks[dep.index()].unihash);
        }
        for file in &own.files {
            if let Some(inner) = file.path.split("/./").nth(1) {
                sha.update("./");
                sha.update(inner);
            }
            sha.update(&file.sum);
        }
        if let Some(taint) = &own.taint {
            sha.update(taint.strip_prefix(NOSTAMP).unwrap_or(taint));
        }
        let hash = hex(&sha.finalize());
        let unihash = unihashes.unihash(graph, task, &hash).unwrap_or_else(|| hash.clone());
        let own = &mut self.tasks[task.index()];
        (own.hash, own.unihash) = (hash, unihash);
    }

    /// Gives a task another unihash.
    pub fn set_unihash(&mut self, task: TaskId, unihash: String) {
        self.tasks[task.index()].unihash = unihash;
    }

    /// Hashes everything anew that waits for a task, directly or not; gives the tasks whose hashes changed.
    pub fn hash_again(
        &mut self,
        graph: &TaskGraph<'_>,
        task: TaskId,
        unihashes: &mut dyn Unihashes,
    ) -> Vec<TaskId> {
        let mut changed = Vec::new();
        let mut affected = vec![false; graph.len()];
        affected[task.index()] = true;
        for later in graph.in_order() {
            if later != task && graph.depends(later).any(|dep| affected[dep.index()]) {
                let before = self.of(later).unihash.clone();
                self.hash(graph, later, unihashes);
                if self.of(later).unihash != before {
                    affected[later.index()] = true;
                    changed.push(later);
                }
            }
        }
        changed
    }

    /// What was found about a task.
    pub fn of(&self, task: TaskId) -> &TaskHash {
        &self.tasks[task.index()]
    }

    /// The stamp of a task; `setscene`: of its setscene variant. None for a recipe without STAMP.
    pub fn stamp(&self, graph: &TaskGraph<'_>, task: TaskId, setscene: bool) -> Option<String> {
        let name = graph.name(task);
        let name = if setscene { format!("{name}{}", super::stamp::SETSCENE) } else { name.to_owned() };
        self.generator.stamps().stamp(graph.record(task), &name, &self.of(task).unihash, true)
    }
}

/// What a task is called in signatures: `PN:do_x`, with its multiconfig in front.
pub fn signature_name(graph: &TaskGraph<'_>, task: TaskId) -> String {
    let mc = graph.configuration(task).mc;
    let name = format!("{}:{}", graph.record(task).pn, graph.name(task));
    if mc.is_empty() { name } else { format!("mc:{mc}:{name}") }
}

/// A text that never was there before.
pub fn random_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/uuid").map(|id| id.trim().to_owned()).unwrap_or_else(
        |_| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            format!("{:x}-{:x}", now.as_nanos(), std::process::id())
        },
    )
}
