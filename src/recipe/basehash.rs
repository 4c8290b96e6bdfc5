//! What every task of a recipe depends on, and the hash of it (BitBake manual, "Checksums (Signatures)").
//!
//! For every name that a task reaches there is a node: a variable, a function, a flag `NAME[flag]`, or a function of a Python module.
//! A node has a text, unexpanded, and the names that the text refers to. The basehash of a task covers the texts of all nodes it
//! reaches, in the order of their names. The many oddities below decide hashes and are BitBake's.

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::names::{Name, Names};
use super::signatures::{Graph, Signatures};
use crate::data::{CodeScan, DataError, Level, Origin, Parsed, Store, Text, Value, Var};

/// What finds references in code. Answers are remembered by text.
pub trait Scanners {
    /// What a Python function refers to. `name`, `file` and `line` are for messages.
    fn python(&self, store: &Store, name: &str, code: &Text) -> Result<Rc<CodeScan>, DataError>;

    /// The commands that a shell function calls.
    fn shell(&self, store: &Store, name: &str, code: &Text) -> Result<Rc<[Rc<str>]>, DataError>;
}

/// A function of a Python module as a node.
#[derive(Clone, Debug)]
pub struct ModuleNode {
    /// What its source refers to, with the names of its module's own functions in full.
    pub scan: CodeScan,
    /// SHA-256 of its source.
    pub hash: Text,
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
    /// Whether what code calls is the name of a function or variable.
    pub is_key: Box<dyn Fn(&str) -> bool + 'a>,
    /// Exported variables: every shell function depends on them.
    pub exported: Vec<Rc<str>>,
    /// BB_SIGNATURE_EXCLUDE_FLAGS; empty: flags don't count at all.
    pub excluded_flags: FxHashSet<String>,
    /// The scanners.
    pub scanners: &'a dyn Scanners,
}

/// What a name refers to, and its text (None: nothing is hashed but the name).
#[derive(Default)]
pub struct Node {
    /// Names referred to. Some may be there twice, and some that are ignored.
    pub deps: Vec<Name>,
    /// Names that it doesn't depend on, whatever `deps` says (flag `vardepsexclude`).
    pub excluded: Vec<Name>,
    /// The text that is hashed.
    pub value: Option<Text>,
}

/// The flags that steer a node.
const VARDEPS: &str = "vardeps";
const EXCLUSIONS: &str = "vardepsexclude";
const FIXED_VALUE: &str = "vardepvalue";
/// The flags that are read together, expanded.
const READ: [&str; 8] =
    [VARDEPS, FIXED_VALUE, EXCLUSIONS, "exports", "postfuncs", "prefuncs", "lineno", "filename"];
const VALUE_EXCLUSIONS: &str = "vardepvalueexclude";

impl<'a> Inputs<'a> {
    /// Gathers the inputs from a finished store.
    ///
    /// # Errors
    /// One of the variables that steer hashing can't be expanded.
    pub fn new(
        store: &'a Store,
        modules: &'a Modules,
        scanners: &'a dyn Scanners,
    ) -> Result<Self, DataError> {
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
        let overrides = store.need_overrides()?;
        let is_key = move |name: &str| {
            modules.contains_key(name) || !name.starts_with("__") && store.is_key(name, &overrides)
        };
        Ok(Inputs { store, code, modules, is_key: Box::new(is_key), exported, excluded_flags, scanners })
    }

    /// The node of one name.
    ///
    /// # Errors
    /// Its text can't be scanned or expanded.
    pub fn node(&self, name: Name, names: &mut Names) -> Result<Node, DataError> {
        let text = names.text(name).clone();
        self.try_node(name, &text, names).inspect_err(|error| {
            if !matches!(error, DataError::Skip(_) | DataError::NeedsPython(_)) {
                let (class, message) = error.class_and_text();
                let repr = crate::data::repr_str(&message);
                let shown = match error {
                    DataError::Handled => "BBHandledException()".to_owned(),
                    DataError::Syntax(error) => error.repr(),
                    DataError::Expansion(error) => error.repr(),
                    _ if message.is_empty() => format!("{class}()"),
                    _ => format!("{class}({repr})"),
                };
                self.store
                    .log(Level::Warning, &format!("Exception during build_dependencies for {text}: {shown}"));
            }
        })
    }

    fn try_node(&self, id: Name, name: &str, names: &mut Names) -> Result<Node, DataError> {
        let mut node = Node::default();
        if let Some(module) = self.modules.get(name) {
            node.refer(&module.scan.references, names);
            self.add_calls(&mut node, &module.scan.execs, names);
            node.value = Some(self.with_contains(module.hash.clone(), &module.scan.contains, &[], names)?);
            return Ok(node);
        }
        if let Some(inner) = name.strip_suffix(']') {
            self.flag_node(&mut node, inner, names)?;
            return Ok(node);
        }

        let var = self.store.find(name);
        if var.is_none() {
            node.value = Some(Text::default());
            return Ok(node);
        }
        let flags = Flags { store: self.store, name, var: var.as_deref() };
        flags.check_read()?;
        let exclusions = flags.expanded(EXCLUSIONS)?.unwrap_or_default();
        let exclusions: Vec<&str> = exclusions.split_whitespace().collect();
        let mut value = if let Some(fixed) = flags.expanded(FIXED_VALUE)? {
            fixed
        } else if flags.is_true("func") {
            let value = if flags.is_true("python") {
                self.python_function(&mut node, name, &exclusions, names)?
            } else {
                self.shell_function(&mut node, name, &exclusions, names)?
            };
            for flag in ["prefuncs", "postfuncs", "exports"] {
                if let Some(words) = flags.expanded(flag)? {
                    node.deps.extend(words.split_whitespace().map(|word| names.id(word)));
                }
            }
            value
        } else if let Some(constant) = var.as_deref().and_then(|var| self.constant(name, var)) {
            constant
        } else {
            let (text, parsed) = self.store.read_parsed(name)?;
            node.refer(&parsed.references, names);
            self.add_calls(&mut node, &parsed.execs, names);
            let value = self.with_contains(text_of(text), &parsed.contains, &exclusions, names)?;
            self.with_removes(value, &mut node, &parsed, &exclusions, names)?
        };
        if let Some(excluded) = flags.raw(VALUE_EXCLUSIONS) {
            for part in excluded.to_text().split('|').filter(|part| !part.is_empty()) {
                value = value.replace(part, "").into();
            }
        }
        node.value = Some(value);
        if !self.excluded_flags.is_empty() {
            for (flag, _) in flags.visible().filter(|(flag, _)| !self.excluded_flags.contains(*flag)) {
                let flag = names.flag(id, flag);
                node.deps.push(flag);
            }
        }
        if let Some(words) = flags.expanded(VARDEPS)? {
            node.deps.extend(words.split_whitespace().map(|word| names.id(word)));
        }
        node.excluded.extend(exclusions.into_iter().map(|word| names.id(word)));
        Ok(node)
    }

    /// The node of a flag, `NAME[FLAG` without the bracket at the end.
    fn flag_node(&self, node: &mut Node, inner: &str, names: &mut Names) -> Result<(), DataError> {
        let mut parts = inner.split('[');
        let (variable, flag) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if flag == VALUE_EXCLUSIONS {
            node.value = Some("".into());
            return Ok(());
        }
        // `_content` is the variable itself, whose value is more than what is in the flag.
        let value = match self.store.get_flag_raw(variable, flag)? {
            value if flag != "_content" && !value.as_ref().is_some_and(has_references) => value,
            _ => {
                let (value, parsed) = self.store.read_flag_parsed(variable, flag)?;
                node.refer(&parsed.references, names);
                self.add_calls(node, &parsed.execs, names);
                value
            }
        };
        node.value = value.filter(|value| *value != Value::None).map(into_text);
        Ok(())
    }

    /// The text of a variable that is nothing but a text without references.
    fn constant(&self, name: &str, var: &Var) -> Option<Text> {
        let plain = var.overrides.is_empty()
            && var.append.is_empty()
            && var.prepend.is_empty()
            && var.remove.is_empty()
            && !self.store.has_filter(name);
        match &var.content {
            Some(Value::Str(text)) if plain && !text.has_references() => Some(text.clone()),
            _ => None,
        }
    }

    fn python_function(
        &self,
        node: &mut Node,
        name: &str,
        exclusions: &[&str],
        names: &mut Names,
    ) -> Result<Text, DataError> {
        let Some(Value::Str(text)) = self.code.get_raw(name)? else { return Ok("".into()) };
        let scan = self.scanners.python(self.store, name, &text)?;
        node.refer(&scan.references, names);
        self.add_calls(node, &scan.execs, names);
        self.with_contains(text, &scan.contains, exclusions, names)
    }

    fn shell_function(
        &self,
        node: &mut Node,
        name: &str,
        exclusions: &[&str],
        names: &mut Names,
    ) -> Result<Text, DataError> {
        let (text, parsed) = self.code.read_parsed(name)?;
        node.refer(&self.exported, names);
        node.refer(&parsed.references, names);
        // A function that only an append names has no text to look through, and BitBake says so in Python's words.
        let Some(code) = parsed.text() else {
            return Err(DataError::raised(
                "AttributeError",
                "'NoneType' object has no attribute 'split'".to_owned(),
            ));
        };
        let commands = self.scanners.shell(self.store, name, code)?;
        self.add_calls(node, &commands, names);
        self.add_calls(node, &parsed.execs, names);
        let value = self.with_contains(text_of(text), &parsed.contains, exclusions, names)?;
        self.with_removes(value, node, &parsed, exclusions, names)
    }

    fn add_calls(&self, node: &mut Node, calls: &[Rc<str>], names: &mut Names) {
        node.deps.extend(calls.iter().filter(|call| (self.is_key)(call)).map(|call| names.id(call)));
    }

    /// The text, and for every word that code asks a variable for whether it is there.
    fn with_contains(
        &self,
        text: Text,
        contains: &[(Rc<str>, Vec<Rc<str>>)],
        exclusions: &[&str],
        names: &Names,
    ) -> Result<Text, DataError> {
        if contains.is_empty() {
            return Ok(text);
        }
        let mut out = text.to_string();
        let mut sorted: Vec<&(Rc<str>, Vec<Rc<str>>)> = contains.iter().collect();
        sorted.sort();
        for (name, items) in sorted {
            if exclusions.contains(&&**name) || names.is_ignored(name) {
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
        mut value: Text,
        node: &mut Node,
        parsed: &Parsed,
        exclusions: &[&str],
        names: &mut Names,
    ) -> Result<Text, DataError> {
        let Some(removes) = &parsed.removes else { return Ok(value) };
        let mut sorted: Vec<&Text> = removes.iter().collect();
        sorted.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        for (at, remove) in sorted.into_iter().enumerate() {
            let inner = self.store.expand_with_refs(&Value::Str(remove.clone()), None)?;
            if at == 0 {
                node.refer(&inner.references, names);
            }
            let text = Text::from(format!("{value}\n_remove of {remove}"));
            value = self.with_contains(text, &inner.contains, exclusions, names)?;
        }
        Ok(value)
    }
}

impl Node {
    fn refer(&mut self, references: &[Rc<str>], names: &mut Names) {
        self.deps.extend(references.iter().map(|name| names.id(name)));
    }
}

/// The flags of a variable.
struct Flags<'v> {
    store: &'v Store,
    name: &'v str,
    var: Option<&'v Var>,
}

impl<'v> Flags<'v> {
    /// A flag's value as set, or its weak default.
    fn raw(&self, flag: &str) -> Option<&'v Value> {
        self.var.and_then(|var| var.flag(flag).or_else(|| var.weak_flag(flag)))
    }

    fn is_true(&self, flag: &str) -> bool {
        self.raw(flag).is_some_and(Value::truth)
    }

    fn expanded(&self, flag: &str) -> Result<Option<Text>, DataError> {
        match self.raw(flag) {
            Some(Value::Str(text)) if text.has_references() => {
                let key = format!("{}[{flag}]", self.name);
                self.store.expand(text, Some(&key)).map(|text| Some(text.into()))
            }
            Some(Value::Str(text)) => Ok(Some(text.clone())),
            Some(Value::None) | None => Ok(None),
            Some(other) => Ok(Some(other.to_text().into())),
        }
    }

    /// BitBake expands these whether they matter or not, and fails where one can't be.
    fn check_read(&self) -> Result<(), DataError> {
        for (flag, value) in self.visible().filter(|(flag, _)| READ.contains(flag)) {
            if has_references(value) {
                self.expanded(flag)?;
            }
        }
        Ok(())
    }

    /// All flags but the engine's own.
    fn visible(&self) -> impl Iterator<Item = (&'v str, &'v Value)> {
        self.var.into_iter().flat_map(|var| var.visible_flags())
    }
}

fn text_of(value: Option<Value>) -> Text {
    value.filter(Value::truth).map_or_else(Text::default, into_text)
}

fn has_references(value: &Value) -> bool {
    value.as_text().is_some_and(Text::has_references)
}

fn into_text(value: Value) -> Text {
    match value {
        Value::Str(text) => text,
        other => other.to_text().into(),
    }
}

/// Finds the nodes that the tasks of a store reach, and hashes them.
///
/// # Errors
/// A text can't be scanned or expanded.
pub fn generate(inputs: &Inputs<'_>, names: &mut Names) -> Result<Signatures, DataError> {
    let tasks = inputs.store.get_raw("__BBTASKS")?.map(|names| names.strings()).unwrap_or_default();
    let mut graph = Graph::default();
    names.begin();
    for task in &tasks {
        let task = names.id(task);
        graph.task(task, names);
        // Everything one task reaches before the next task is looked at: a variable with a filter reads differently once it has
        // been looked at unexpanded, so BitBake's order decides hashes.
        while let Some(name) = graph.next() {
            let node = inputs.node(name, names)?;
            graph.add(node, names);
        }
    }
    let signatures = graph.sign(names);
    for task in signatures.empty_tasks() {
        inputs.store.log(Level::Error, &format!("Task {task} seems to be empty?!"));
    }
    Ok(signatures)
}
