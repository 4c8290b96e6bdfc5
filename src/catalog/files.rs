//! Which recipes and bbappends there are: BBFILES, BBMASK, BBFILES_DYNAMIC, and who appends to whom.

use std::borrow::Cow;
use std::fmt;

use rustc_hash::{FxHashMap, FxHashSet};

use super::VirtualFile;
use super::layers::{Layer, Layers};
use super::preferences::Preferences;
use super::tree::{Tree, glob, join, recipes_below};
use super::virtual_file::base_name;
use crate::lang::diagnostic::Severity;
use crate::lang::pattern::Pattern;

/// The recipes and appends that a configuration's BBFILES name.
#[derive(Clone, Debug, Default)]
pub struct RecipeFiles {
    /// Recipes, those of the layer with the lowest priority first.
    pub recipes: Vec<String>,
    /// Appends, in the order in which they apply.
    pub appends: Vec<Append>,
    /// How many files BBMASK took out.
    pub masked: usize,
    /// Recipes hidden by one of the same file name in a layer of higher priority: the one that shows, and the others.
    pub overlayed: Vec<(String, Vec<String>)>,
    /// BBFILES sorted by the priority of their layers; the value of BBFILES_PRIORITIZED.
    pub prioritized: Vec<String>,
    /// Directories that were read: when one changes, the recipes may be others.
    pub searched: Vec<String>,
    exact: FxHashMap<String, Vec<usize>>,
    /// By the text before the `%`.
    wild: FxHashMap<String, Vec<usize>>,
}

/// One bbappend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// File name of the recipes it applies to; `%` stands for any rest.
    pub recipe: String,
    /// Its path.
    pub path: String,
}

/// What collecting the files has to say. `Display` gives BitBake's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilesMessage {
    /// BBFILES names nothing and the working directory has no recipe.
    NoFiles,
    /// A word of BBMASK starts with a bar and would mask everything.
    MaskStartsWithBar(String),
    /// A word of BBMASK that is no regular expression.
    BadMask(String),
    /// No recipe or append belongs to a layer.
    EmptyLayer { mc: String, layer: String, pattern: String },
}

impl FilesMessage {
    /// How grave it is.
    pub fn severity(&self) -> Severity {
        match self {
            FilesMessage::NoFiles | FilesMessage::BadMask(_) => Severity::Error,
            FilesMessage::MaskStartsWithBar(_) | FilesMessage::EmptyLayer { .. } => Severity::Warning,
        }
    }
}

impl fmt::Display for FilesMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FilesMessage::NoFiles => f.write_str("no recipe files to build, check your BBPATH and BBFILES?"),
            FilesMessage::MaskStartsWithBar(mask) => {
                write!(f, "BBMASK contains regular expression beginning with '|', fixing: {mask}")
            }
            FilesMessage::BadMask(mask) => {
                write!(f, "BBMASK contains an invalid regular expression, ignoring: {mask}")
            }
            FilesMessage::EmptyLayer { mc, layer, pattern } => {
                write!(f, "No bb files in {} matched BBFILE_PATTERN_{layer} '{pattern}'", shown_mc(mc))
            }
        }
    }
}

fn shown_mc(mc: &str) -> &str {
    if mc.is_empty() { "default" } else { mc }
}

/// Bbappends that no recipe takes, by configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct DanglingAppends {
    /// Configuration and paths of its appends; only configurations that have any, in order of their names.
    pub by_configuration: Vec<(String, Vec<String>)>,
}

impl fmt::Display for DanglingAppends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (mc, paths)) in self.by_configuration.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            write!(f, "{newline}No recipes in {} available for:\n  {}", shown_mc(mc), paths.join("\n  "))?;
        }
        Ok(())
    }
}

/// Words of BBFILES_DYNAMIC without a colon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "BBFILES_DYNAMIC entries must be of the form {{!}}<collection name>:<filename pattern>, not:\n    {}",
    .0.join("\n    ")
)]
pub struct BadDynamicEntries(pub Vec<String>);

/// The patterns that BBFILES_DYNAMIC adds to BBFILES: `collection:pattern` where the collection is enabled,
/// `!collection:pattern` where it is not.
pub fn dynamic_bbfiles<'v>(value: &'v str, collections: &str) -> Result<Vec<&'v str>, BadDynamicEntries> {
    let collections: FxHashSet<&str> = collections.split_whitespace().collect();
    let (mut patterns, mut bad) = (Vec::new(), Vec::new());
    for word in value.split_whitespace() {
        match word.split_once(':').filter(|(collection, _)| !collection.is_empty()) {
            Some((collection, pattern)) => {
                let (name, wanted) = match collection.strip_prefix('!') {
                    Some(name) => (name, false),
                    None => (collection, true),
                };
                if collections.contains(name) == wanted {
                    patterns.push(pattern);
                }
            }
            None => bad.push(word.to_string()),
        }
    }
    if bad.is_empty() { Ok(patterns) } else { Err(BadDynamicEntries(bad)) }
}

impl RecipeFiles {
    /// Finds the files of a configuration: BBFILES word by word, patterns sorted, minus BBMASK.
    ///
    /// Without BBFILES the recipes in the current directory `cwd` are taken.
    pub fn collect<P: Preferences + ?Sized>(
        prefs: &P,
        layers: &Layers,
        tree: &dyn Tree,
        cwd: &str,
        log: &mut Vec<FilesMessage>,
    ) -> RecipeFiles {
        let prioritized = RecipeFiles::prioritize(prefs, layers);
        let mut files = RecipeFiles { prioritized, ..RecipeFiles::default() };
        let words = if files.prioritized.is_empty() {
            Cow::Owned(recipes_in(tree, cwd))
        } else {
            Cow::Borrowed(&files.prioritized)
        };
        if words.is_empty() {
            log.push(FilesMessage::NoFiles);
        }
        let masks = read_masks(&prefs.get_var("BBMASK").unwrap_or_default(), log);

        let mut seen = FxHashSet::default();
        let mut found = Vec::new();
        for word in words.iter() {
            let paths = if tree.is_dir(word) {
                recipes_below(tree, word)
            } else {
                let paths = glob(tree, word);
                if paths.is_empty() && tree.exists(word) { vec![word.clone()] } else { paths }
            };
            found.extend(paths.into_iter().filter(|path| seen.insert(path.clone())));
        }
        let before = found.len();
        found.retain(|path| !masks.iter().any(|mask| mask.is_match(path)));
        files.masked = before - found.len();
        files.take(found);
        files.searched = tree.listed();
        files
    }

    /// The words of BBFILES sorted by the priority of their layers, the lowest first: the value of BBFILES_PRIORITIZED.
    pub fn prioritize<P: Preferences + ?Sized>(prefs: &P, layers: &Layers) -> Vec<String> {
        let bbfiles = prefs.get_var("BBFILES").unwrap_or_default();
        let mut prioritized: Vec<String> = bbfiles.split_whitespace().map(String::from).collect();
        prioritized.sort_by_cached_key(|word| layers.priority_of(word));
        prioritized
    }

    /// The recipes and appends among `paths`, in their order, which is that of rising priority.
    pub fn from_paths(paths: impl IntoIterator<Item = String>) -> RecipeFiles {
        let mut files = RecipeFiles::default();
        files.take(paths);
        files
    }

    fn take(&mut self, paths: impl IntoIterator<Item = String>) {
        for path in paths {
            if path.ends_with(".bb") {
                self.recipes.push(path);
            } else if path.ends_with(".bbappend") {
                self.add_append(path);
            }
        }
        self.find_overlayed();
    }

    fn add_append(&mut self, path: String) {
        let recipe = base_name(&path).replace(".bbappend", ".bb");
        let place = self.appends.len();
        match recipe.split_once('%') {
            Some((start, _)) => self.wild.entry(start.to_string()).or_default().push(place),
            None => self.exact.entry(recipe.clone()).or_default().push(place),
        }
        self.appends.push(Append { recipe, path });
    }

    fn find_overlayed(&mut self) {
        let mut top: FxHashMap<&str, (&str, Option<usize>)> = FxHashMap::default();
        let mut overlayed: Vec<(String, Vec<String>)> = Vec::new();
        for path in self.recipes.iter().rev() {
            match top.get_mut(base_name(path)) {
                None => {
                    top.insert(base_name(path), (path, None));
                }
                Some((first, place)) => {
                    let place = *place.get_or_insert_with(|| {
                        overlayed.push((first.to_string(), Vec::new()));
                        overlayed.len() - 1
                    });
                    overlayed[place].1.push(path.clone());
                }
            }
        }
        self.overlayed = overlayed;
    }

    fn append_places(&self, file: &str) -> Vec<usize> {
        let name = base_name(file);
        let mut places = self.exact.get(name).cloned().unwrap_or_default();
        if !self.wild.is_empty() {
            let ends = name.char_indices().map(|(i, _)| i).chain([name.len()]);
            places.extend(ends.filter_map(|end| self.wild.get(&name[..end])).flatten());
        }
        places.sort_unstable();
        places
    }

    /// The bbappends that apply to a recipe file (or virtual file), in order.
    pub fn appends_for(&self, file: &str) -> Vec<&str> {
        self.append_places(file).into_iter().map(|place| self.appends[place].path.as_str()).collect()
    }

    /// The bbappends that apply to none of `files`, which are all recipes of the configuration, skipped ones included.
    pub fn dangling<'f>(&self, files: impl IntoIterator<Item = &'f str>) -> Vec<&str> {
        let mut applied = vec![false; self.appends.len()];
        for file in files {
            for place in self.append_places(file) {
                applied[place] = true;
            }
        }
        let unused = self.appends.iter().zip(applied).filter(|(_, applied)| !applied);
        unused.map(|(append, _)| append.path.as_str()).collect()
    }

    /// Tells which layers no file belongs to. `buildable` are the virtual files of all recipes that are not skipped.
    ///
    /// A file counts for every layer whose pattern it matches, unless an inner layer that has recipes claims it.
    pub fn check_layers<'f, P: Preferences + ?Sized>(
        &self,
        prefs: &P,
        layers: &Layers,
        mc: &str,
        buildable: impl IntoIterator<Item = &'f str>,
        log: &mut Vec<FilesMessage>,
    ) {
        let mut used: FxHashSet<&str> = FxHashSet::default();
        let mut matched: FxHashSet<&str> = FxHashSet::default();
        let mut unmatched: Vec<&str> = Vec::new();
        for file in buildable {
            let path = VirtualFile::parse(file).path;
            match layers.layer_of(path) {
                Some(layer) => {
                    used.insert(&layer.pattern);
                    matched.insert(path);
                }
                None => unmatched.push(path),
            }
        }
        let claimed: Vec<&Layer> =
            layers.iter().filter(|layer| used.contains(layer.pattern.as_str())).collect();
        let appends = self.appends.iter().map(|append| append.path.as_str());
        let others: Vec<&str> = appends
            .chain(self.recipes.iter().map(String::as_str))
            .chain(unmatched)
            .filter(|path| !matched.contains(path) && !claimed.iter().any(|layer| layer.matches(path)))
            .collect();
        for layer in layers.by_pattern() {
            let ignored = || {
                prefs.get_var(&format!("BBFILE_PATTERN_IGNORE_EMPTY_{}", layer.name)).as_deref() == Some("1")
            };
            if !used.contains(layer.pattern.as_str())
                && !others.iter().any(|path| layer.matches(path))
                && !ignored()
            {
                log.push(FilesMessage::EmptyLayer {
                    mc: mc.to_string(),
                    layer: layer.name.clone(),
                    pattern: layer.pattern.clone(),
                });
            }
        }
    }

    /// The one recipe that `--buildfile` means: the file itself, else the one whose path the expression matches anywhere.
    ///
    /// `absolute` turns a path into an absolute one without `..`.
    pub fn find_recipe(
        &self,
        expression: &str,
        tree: &dyn Tree,
        absolute: impl Fn(&str) -> String,
    ) -> Result<String, NoSpecificMatch> {
        let path = if expression.starts_with('/') || expression.starts_with("../") {
            absolute(expression)
        } else {
            expression.to_string()
        };
        if tree.exists(&path) {
            return Ok(absolute(&path));
        }
        let mut matches: Vec<String> = match Pattern::searching(&path) {
            Ok(pattern) => self.recipes.iter().filter(|file| pattern.is_match(file)).cloned().collect(),
            Err(_) => Vec::new(),
        };
        match matches.len() {
            1 => Ok(matches.remove(0)),
            _ => Err(NoSpecificMatch { expression: expression.to_string(), matches }),
        }
    }
}

/// `--buildfile` names none or several recipes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct NoSpecificMatch {
    /// What the user gave.
    pub expression: String,
    /// The recipes it matches.
    pub matches: Vec<String>,
}

impl fmt::Display for NoSpecificMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NoSpecificMatch { expression, matches } = self;
        if matches.is_empty() {
            return write!(f, "Unable to find any recipe file matching '{expression}'");
        }
        write!(
            f,
            "Unable to match '{expression}' to a specific recipe file - {} matches found:",
            matches.len()
        )?;
        matches.iter().try_for_each(|file| write!(f, "\n    {file}"))
    }
}

/// The recipes in one directory, sorted.
fn recipes_in(tree: &dyn Tree, dir: &str) -> Vec<String> {
    let mut found: Vec<String> = tree
        .list(dir)
        .iter()
        .filter(|entry| entry.name.ends_with(".bb"))
        .map(|entry| join(dir, &entry.name))
        .collect();
    found.sort_unstable();
    found
}

/// The words of BBMASK as patterns. What is left of a lone `|` masks nothing.
fn read_masks(value: &str, log: &mut Vec<FilesMessage>) -> Vec<Pattern> {
    let mut masks = Vec::new();
    for word in value.split_whitespace() {
        let mask = word.strip_prefix('|').unwrap_or(word);
        if mask.len() < word.len() {
            log.push(FilesMessage::MaskStartsWithBar(word.to_string()));
        }
        match Pattern::searching(mask) {
            Ok(_) if mask.is_empty() => {}
            Ok(pattern) => masks.push(pattern),
            Err(_) => log.push(FilesMessage::BadMask(mask.to_string())),
        }
    }
    masks
}
