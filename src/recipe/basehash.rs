//! What every task of a recipe depends on, and the hash of it (BitBake manual, "Checksums (Signatures)").
//!
//! For every name that a task reaches there is a node: a variable, a function, a flag `NAME[flag]`, or a function of a Python module.
//! A node has a text, unexpanded, and the names that the text refers to. The basehash of a task covers the texts of all nodes it
//! reaches, in the order of their names. The many oddities below decide hashes and are BitBake's.

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};
use sha2::{Digest, Sha256};

use crate::data::{CodeScan, DataError, Level, Origin, Parsed, Store, Text, Value};

/// What finds references in code. Answers are remembered by text.
pub trait Scanners {
    /// What a Python function refers to. `name`, `file` and `line` are for messages.
    fn python(&self, store: &Store, name: &str, code: &Text) -> Result<Rc<CodeScan>, DataError>;

    /// The commands that a shell function calls.
    fn shell(&self, store: &Store, name: &str, code: &Text) -> Result<Rc<[Rc<str>]>, DataError>;
}

/// A function of a Python module as a node.
#[derive(Clone, Debug, Default)]
pub struct ModuleNode {
    /// What its source refers to, with the names of its module's own functions in full.
    pub scan: CodeScan,
    /// SHA-256 of its source.
    pub hash: Rc<str>,
}

/// The functions of all modules, by dotted name.
pub type Modules = FxHashMap<Rc<str>, ModuleNode>;

/// What is the same for all nodes of a store.
pub struct Inputs<'a> {
    /// The store.
    pub store: &'a Store,
    /// A copy in which BB_HASH_CODEPARSER_VALS are set: function bodies are read from it.
    pub code: Store,
    /// Functions of Python modules.
    pub modules: &'a Modules,
    /// Names that count as functions or variables when code calls them.
    pub keys: FxHashSet<Rc<str>>,
    /// Exported variables: every shell function depends on them.
    pub exported: Vec<Rc<str>>,
    /// BB_SIGNATURE_EXCLUDE_FLAGS; empty: flags don't count at all.
    pub excluded_flags: FxHashSet<String>,
    /// BB_BASEHASH_IGNORE_VARS.
    pub ignored: FxHashSet<String>,
    /// The scanners.
    pub scanners: &'a dyn Scanners,
}

/// A node: what it refers to, and its text (None: nothing is hashed but the name).
pub type Node = (FxHashSet<Rc<str>>, Option<Rc<str>>);

/// Everything that was found out about a recipe's tasks.
#[derive(Default, Clone)]
pub struct Signatures {
    /// The tasks, in order of declaration.
    pub tasks: Vec<Rc<str>>,
    /// The nodes by name.
    pub nodes: FxHashMap<Rc<str>, Node>,
    /// For each task the names it reaches, sorted.
    pub reached: Vec<Vec<Rc<str>>>,
    /// For each task its basehash, in hexadecimal.
    pub hashes: Vec<String>,
}

/// Flags whose expanded text steers the node itself.
const EXPANDED_FLAGS: [&str; 8] =
    ["vardeps", "vardepvalue", "vardepsexclude", "exports", "postfuncs", "prefuncs", "lineno", "filename"];

impl<'a> Inputs<'a> {
    /// Gathers the inputs from a finished store.
    pub fn new(
        store: &'a Store,
        modules: &'a Modules,
        ignored: FxHashSet<String>,
        scanners: &'a dyn Scanners,
    ) -> Result<Self, DataError> {
        let mut keys: FxHashSet<Rc<str>> =
            store.keys()?.into_iter().filter(|name| !name.starts_with("__")).collect();
        keys.extend(modules.keys().cloned());
        let mut exported = Vec::new();
        for name in store.export_candidates() {
            if store.flag_is_true(&name, "export")? && !store.flag_is_true(&name, "unexport")? {
                exported.push(Rc::from(name));
            }
        }
        let code = store.copy();
        for forced in store.get_words("BB_HASH_CODEPARSER_VALS")? {
            let (name, value) = forced.split_once('=').unwrap_or((&forced, ""));
            code.set_var(name, value.into(), Origin::engine("basehash"))?;
        }
        let excluded_flags = store.get_words("BB_SIGNATURE_EXCLUDE_FLAGS")?.into_iter().collect();
        Ok(Inputs { store, code, modules, keys, exported, excluded_flags, ignored, scanners })
    }

    /// The node of one name.
    pub fn node(&self, name: &str) -> Result<Node, DataError> {
        self.try_node(name).inspect_err(|error| {
            if !matches!(error, DataError::Skip(_) | DataError::NeedsPython(_)) {
                let (class, text) = error.class_and_text();
                let repr = crate::data::repr_str(&text);
                let shown = match error {
                    DataError::Handled => "BBHandledException()".to_owned(),
                    DataError::Syntax(error) => error.repr(),
                    _ => format!("{class}({repr})"),
                };
                self.store
                    .log(Level::Warning, &format!("Exception during build_dependencies for {name}: {shown}"));
            }
        })
    }

    fn try_node(&self, name: &str) -> Result<Node, DataError> {
        let mut deps: FxHashSet<Rc<str>> = FxHashSet::default();
        if let Some(module) = self.modules.get(name) {
            deps.extend(module.scan.references.iter().cloned());
            self.add_calls(&mut deps, &module.scan.execs);
            let value = self.with_contains(Some(&module.hash), &module.scan.contains, &[])?;
            self.drop_ignored(&mut deps);
            return Ok((deps, Some(value)));
        }
        if let Some(inner) = name.strip_suffix(']') {
            let mut parts = inner.split('[');
            let (variable, flag) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            if flag == "vardepvalueexclude" {
                return Ok((deps, Some("".into())));
            }
            let (value, parsed) = self.store.read_flag_parsed(variable, flag)?;
            deps.extend(parsed.references.iter().cloned());
            self.add_calls(&mut deps, &parsed.execs);
            self.drop_ignored(&mut deps);
            let value = value.filter(|value| *value != Value::None).map(|value| value.to_text().into());
            return Ok((deps, value));
        }

        let flags = self.store.get_flags(name).unwrap_or_default();
        let raw = |flag: &str| flags.iter().find(|(known, _)| &**known == flag).map(|(_, value)| value);
        let expanded = |flag: &str| -> Result<Option<String>, DataError> {
            debug_assert!(EXPANDED_FLAGS.contains(&flag));
            match raw(flag) {
                Some(Value::Str(text)) => self.store.expand(text, Some(&format!("{name}[{flag}]"))).map(Some),
                Some(Value::None) | None => Ok(None),
                Some(other) => Ok(Some(other.to_text())),
            }
        };
        let vardeps = expanded("vardeps")?;
        let exclusions = expanded("vardepsexclude")?.unwrap_or_default();
        let exclusions: Vec<&str> = exclusions.split_whitespace().collect();
        let is_true = |flag: &str| raw(flag).is_some_and(Value::truth);

        let mut value: Rc<str>;
        if let Some(fixed) = expanded("vardepvalue")? {
            value = fixed.into();
        } else if is_true("func") {
            if is_true("python") {
                let code = self.code.get_raw(name)?;
                match code.as_ref().and_then(Value::as_text) {
                    Some(text) => {
                        let scan = self.scanners.python(self.store, name, text)?;
                        deps.extend(scan.references.iter().cloned());
                        self.add_calls(&mut deps, &scan.execs);
                        value = self.with_contains(Some(text), &scan.contains, &exclusions)?;
                    }
                    None => value = "".into(),
                }
            } else {
                let (text, parsed) = self.code.read_parsed(name)?;
                deps.extend(self.exported.iter().cloned());
                deps.extend(parsed.references.iter().cloned());
                if let Some(code) = parsed.text() {
                    let commands = self.scanners.shell(self.store, name, code)?;
                    self.add_calls(&mut deps, &commands);
                }
                self.add_calls(&mut deps, &parsed.execs);
                value = self.with_contains(text_of(&text).as_deref(), &parsed.contains, &exclusions)?;
                value = self.with_removes(value, &mut deps, &parsed, &exclusions)?;
            }
            for flag in ["prefuncs", "postfuncs", "exports"] {
                if let Some(words) = expanded(flag)? {
                    deps.extend(words.split_whitespace().map(Rc::from));
                }
            }
        } else {
            let (text, parsed) = self.store.read_parsed(name)?;
            deps.extend(parsed.references.iter().cloned());
            self.add_calls(&mut deps, &parsed.execs);
            value = self.with_contains(text_of(&text).as_deref(), &parsed.contains, &exclusions)?;
            value = self.with_removes(value, &mut deps, &parsed, &exclusions)?;
        }

        if let Some(excluded) = raw("vardepvalueexclude") {
            for part in excluded.to_text().split('|').filter(|part| !part.is_empty()) {
                value = value.replace(part, "").into();
            }
        }
        if !self.excluded_flags.is_empty() {
            for (flag, _) in flags.iter().filter(|(flag, _)| !self.excluded_flags.contains(&**flag)) {
                deps.insert(format!("{name}[{flag}]").into());
            }
        }
        if let Some(words) = &vardeps {
            deps.extend(words.split_whitespace().map(Rc::from));
        }
        for word in exclusions {
            deps.remove(word);
        }
        self.drop_ignored(&mut deps);
        Ok((deps, Some(value)))
    }

    fn add_calls(&self, deps: &mut FxHashSet<Rc<str>>, calls: &[Rc<str>]) {
        deps.extend(calls.iter().filter(|call| self.keys.contains(*call)).cloned());
    }

    fn drop_ignored(&self, deps: &mut FxHashSet<Rc<str>>) {
        deps.retain(|name| !self.ignored.contains(&**name));
    }

    /// The text, and for every word that code asks a variable for whether it is there.
    fn with_contains(
        &self,
        text: Option<&str>,
        contains: &[(Rc<str>, Vec<Rc<str>>)],
        exclusions: &[&str],
    ) -> Result<Rc<str>, DataError> {
        let text = text.unwrap_or_default();
        if contains.is_empty() {
            return Ok(text.into());
        }
        let mut out = text.to_owned();
        let mut sorted: Vec<&(Rc<str>, Vec<Rc<str>>)> = contains.iter().collect();
        sorted.sort();
        for (name, items) in sorted {
            if exclusions.contains(&&**name) || self.ignored.contains(&**name) {
                continue;
            }
            let value = self.store.get_str(name)?;
            let words: FxHashSet<&str> = value.split_whitespace().collect();
            let mut items: Vec<&Rc<str>> = items.iter().collect();
            items.sort();
            for item in items {
                let set = item.split_whitespace().all(|word| words.contains(word));
                out.push_str(&format!("\n{name}{{{item}}} = {}", if set { "Set" } else { "Unset" }));
            }
        }
        Ok(out.into())
    }

    /// Adds the texts of effective removes. Only what the first one refers to becomes a dependency.
    fn with_removes(
        &self,
        mut value: Rc<str>,
        deps: &mut FxHashSet<Rc<str>>,
        parsed: &Parsed,
        exclusions: &[&str],
    ) -> Result<Rc<str>, DataError> {
        let Some(removes) = &parsed.removes else { return Ok(value) };
        let mut sorted: Vec<&Text> = removes.iter().collect();
        sorted.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        for (at, remove) in sorted.into_iter().enumerate() {
            let inner = self.store.expand_with_refs(&Value::Str(remove.clone()), None)?;
            if at == 0 {
                deps.extend(inner.references.iter().cloned());
            }
            value = self.with_contains(
                Some(&format!("{value}\n_remove of {remove}")),
                &inner.contains,
                exclusions,
            )?;
        }
        Ok(value)
    }
}

fn text_of(value: &Option<Value>) -> Option<Rc<str>> {
    value.as_ref().filter(|value| value.truth()).map(|value| value.to_text().into())
}

/// Finds the nodes that the tasks of a store reach, and hashes them.
///
/// # Errors
/// A text can't be scanned or expanded.
pub fn generate(inputs: &Inputs<'_>) -> Result<Signatures, DataError> {
    let tasks = inputs.store.get_raw("__BBTASKS")?.map(|names| names.strings()).unwrap_or_default();
    let mut graph = Graph::default();
    let tasks: Vec<Rc<str>> = tasks.into_iter().map(Rc::from).collect();
    let mut ids = Vec::with_capacity(tasks.len());
    let mut next = 0;
    for task in &tasks {
        ids.push(graph.id(task));
        // Everything one task reaches before the next task is looked at: a variable with a filter reads differently once it has
        // been looked at unexpanded, so BitBake's order decides hashes.
        while next < graph.names.len() {
            let name = graph.names[next].clone();
            let (deps, value) = inputs.node(&name)?;
            let deps: Vec<usize> = deps.iter().map(|dep| graph.id(dep)).collect();
            graph.edges.push(deps);
            graph.values.push(value);
            next += 1;
        }
    }
    let reach = graph.closures(&ids);
    let mut order: Vec<usize> = (0..graph.names.len()).collect();
    order.sort_by(|a, b| graph.names[*a].cmp(&graph.names[*b]));

    let mut signatures = Signatures::default();
    for ((task, id), reach) in tasks.iter().zip(&ids).zip(&reach) {
        if graph.values[*id].is_none() {
            inputs.store.log(Level::Error, &format!("Task {task} seems to be empty?!"));
        }
        let mut hash = Sha256::new();
        hash.update(graph.values[*id].as_deref().unwrap_or_default());
        let mut names = Vec::new();
        for node in order.iter().filter(|node| reach.has(**node)) {
            hash.update(&*graph.names[*node]);
            if let Some(value) = &graph.values[*node] {
                hash.update(&**value);
            }
            names.push(graph.names[*node].clone());
        }
        signatures.hashes.push(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        signatures.reached.push(names);
    }
    signatures.nodes = graph
        .names
        .iter()
        .zip(graph.edges.iter().zip(&graph.values))
        .map(|(name, (edges, value))| {
            let deps = edges.iter().map(|edge| graph.names[*edge].clone()).collect();
            (name.clone(), (deps, value.clone()))
        })
        .collect();
    signatures.tasks = tasks;
    Ok(signatures)
}

/// Nodes by number.
#[derive(Default)]
struct Graph {
    names: Vec<Rc<str>>,
    numbers: FxHashMap<Rc<str>, usize>,
    edges: Vec<Vec<usize>>,
    values: Vec<Option<Rc<str>>>,
}

impl Graph {
    fn id(&mut self, name: &Rc<str>) -> usize {
        if let Some(id) = self.numbers.get(name) {
            return *id;
        }
        let id = self.names.len();
        self.names.push(name.clone());
        self.numbers.insert(name.clone(), id);
        id
    }

    /// For each start the nodes reached over at least one edge.
    fn closures(&self, starts: &[usize]) -> Vec<Bits> {
        starts
            .iter()
            .map(|start| {
                let mut seen = Bits::new(self.names.len());
                let mut queue: Vec<usize> = self.edges[*start].clone();
                while let Some(node) = queue.pop() {
                    if seen.insert(node) {
                        queue.extend(self.edges[node].iter().filter(|next| !seen.has(**next)));
                    }
                }
                seen
            })
            .collect()
    }
}

/// A set of small numbers.
struct Bits(Vec<u64>);

impl Bits {
    fn new(size: usize) -> Self {
        Bits(vec![0; size.div_ceil(64)])
    }

    fn has(&self, at: usize) -> bool {
        self.0[at / 64] & (1 << (at % 64)) != 0
    }

    /// True if it was not there.
    fn insert(&mut self, at: usize) -> bool {
        let new = !self.has(at);
        self.0[at / 64] |= 1 << (at % 64);
        new
    }
}
