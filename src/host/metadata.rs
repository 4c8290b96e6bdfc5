//! All recipes of all configurations of a project.

use std::borrow::Cow;
use std::fmt;

use rustc_hash::FxHashSet;

use super::client::HostError;
use super::project::{Listener, Project, Wanted};
use super::protocol::{ConfigRecord, Failure};
use crate::catalog::{Catalog, Layers, OsTree, Preferences, RecipeFiles, RecipeRecord};
use crate::lang::diagnostic::Severity;
use crate::recipe::RecipeFile;

impl Preferences for ConfigRecord {
    fn get_var(&self, name: &str) -> Option<Cow<'_, str>> {
        self.variables.get(name).map(|value| Cow::Borrowed(value.as_str()))
    }
}

/// One configuration with its layers and files.
pub struct Tree {
    /// The multiconfig, "" for the default one.
    pub mc: String,
    /// Its variables.
    pub preferences: ConfigRecord,
    /// Its layers.
    pub layers: Layers,
    /// Its recipe files and appends.
    pub files: RecipeFiles,
}

/// Finds the recipe files of every configuration of a project.
///
/// # Errors
/// Layers contradict each other; the messages were given.
pub fn find_files(project: &Project, cwd: &str, listener: &mut dyn Listener) -> Result<Vec<Tree>, LoadError> {
    let tree = OsTree::new();
    let mut trees = Vec::new();
    let mut failed = false;
    for record in project.configuration() {
        let (layers, errors) = Layers::read(record);
        for error in &errors {
            failed = true;
            listener.said(Severity::Error, &error.to_string(), "");
        }
        let mut said = Vec::new();
        let files = RecipeFiles::collect(record, &layers, &tree, cwd, &mut said);
        for message in said {
            listener.said(message.severity(), &message.to_string(), "");
        }
        trees.push(Tree { mc: record.mc.clone(), preferences: record.clone(), layers, files });
    }
    if failed { Err(LoadError::Said) } else { Ok(trees) }
}

impl Tree {
    /// A recipe file of this configuration, as a host reads it.
    pub fn recipe(&self, path: &str) -> Wanted {
        let layer = self.layers.layer_of(path);
        Wanted {
            recipe: RecipeFile {
                path: path.to_owned(),
                appends: self.files.appends_for(path).into_iter().map(str::to_owned).collect(),
                layer: layer.map(|layer| layer.name.clone()),
                mc: self.mc.clone(),
            },
            priority: layer.map_or(0, |layer| layer.priority),
        }
    }
}

/// One configuration with everything that can be built in it.
pub struct World {
    /// The configuration.
    pub tree: Tree,
    /// Its recipes.
    pub catalog: Catalog,
}

/// The recipes of a project.
pub struct Metadata {
    /// One for each configuration, the default one first.
    pub worlds: Vec<World>,
    /// What reading them took.
    pub summary: Summary,
    /// Recipes that couldn't be read.
    pub failed: Vec<(RecipeFile, Failure)>,
    /// The recipe files that this run has read instead of taking them from the cache.
    pub read: FxHashSet<String>,
}

/// Numbers about reading recipes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files taken from the cache.
    pub cached: usize,
    /// Files read.
    pub parsed: usize,
    /// Recipes and variants that can be built or were skipped.
    pub targets: usize,
    /// Those that were skipped.
    pub skipped: usize,
    /// Files that BBMASK hides.
    pub masked: usize,
    /// Files that couldn't be read.
    pub errors: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { cached, parsed, targets, skipped, masked, errors } = self;
        write!(
            f,
            "Parsing of {} .bb files complete ({cached} cached, {parsed} parsed). {targets} targets, {skipped} skipped, {masked} \
             masked, {errors} errors.",
            cached + parsed
        )
    }
}

/// Why the recipes aren't there.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A host failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The user was told.
    #[error("the metadata has errors")]
    Said,
}

/// Reads all recipes.
///
/// # Errors
/// Layers or appends don't fit together, or a host died. Recipes that can't be read are part of the result.
pub fn load(project: &mut Project, cwd: &str, listener: &mut dyn Listener) -> Result<Metadata, LoadError> {
    let trees = find_files(project, cwd, listener)?;
    let wanted: Vec<Wanted> =
        trees.iter().flat_map(|tree| tree.files.recipes.iter().map(|path| tree.recipe(path))).collect();
    let parsed = project.parse(&wanted, listener)?;
    let summary = Summary {
        cached: parsed.cached,
        parsed: parsed.parsed,
        targets: parsed.records.len(),
        skipped: parsed.records.iter().filter(|record| record.skipped.is_some()).count(),
        masked: trees.iter().map(|tree| tree.files.masked).sum(),
        errors: parsed.failed.len(),
    };
    let mut by_mc: Vec<Vec<RecipeRecord>> = trees.iter().map(|_| Vec::new()).collect();
    for record in parsed.records {
        let mc = crate::catalog::VirtualFile::parse(&record.file).mc;
        if let Some(place) = trees.iter().position(|tree| tree.mc == mc) {
            by_mc[place].push(record);
        }
    }
    let worlds = trees
        .into_iter()
        .zip(by_mc)
        .map(|(tree, records)| World { tree, catalog: Catalog::new(records) })
        .collect();
    Ok(Metadata { worlds, summary, failed: parsed.failed, read: parsed.read })
}
