//! The layers and recipes of a build, as the commands see them.

use rustc_hash::FxHashMap;

use super::paths::layer_name;
use crate::catalog::{Catalog, Layers, Preferences, PreferredProviders, RecipeFiles};
use crate::lang::fnmatch;
use crate::lang::pattern::Pattern;

/// One configuration: its recipes, files and variables.
#[derive(Clone, Copy)]
pub struct LayerConfiguration<'v> {
    /// Its name, "" for the default one.
    pub mc: &'v str,
    /// Its recipes.
    pub catalog: &'v Catalog,
    /// Its recipe files and bbappends.
    pub files: &'v RecipeFiles,
    /// Its variables.
    pub prefs: &'v dyn Preferences,
    /// Its PREFERRED_PROVIDERS.
    pub preferred: &'v PreferredProviders,
}

/// A build with its layers.
pub trait LayersView {
    /// The collections with their priorities.
    fn layers(&self) -> &Layers;
    /// BBLAYERS: the directories of the layers in order.
    fn directories(&self) -> &[String];
    /// Directory of the layer whose layer.conf added the word to BBFILE_COLLECTIONS.
    fn collection_directory(&self, collection: &str) -> Option<&str>;
    /// The configurations, the default one ("") first.
    fn multiconfigs(&self) -> Vec<&str>;
    /// One of them, once its recipes are parsed.
    fn configuration(&self, mc: &str) -> Option<LayerConfiguration<'_>>;
}

/// Tells which layer a file belongs to.
///
/// Not quite the question the priorities ask: first the entry of BBFILES that names the file is looked for, and then the
/// collection with the longest pattern that fits that entry (`bb.utils.get_file_layer`).
pub(super) struct FileLayers<'v> {
    view: &'v dyn LayersView,
    /// The entries of BBFILES_PRIORITIZED.
    entries: &'v [String],
    patterns: Vec<(String, Option<Pattern>)>,
    known: std::cell::RefCell<FxHashMap<String, Option<&'v str>>>,
}

impl<'v> FileLayers<'v> {
    pub fn new(view: &'v dyn LayersView, configuration: &LayerConfiguration<'v>) -> FileLayers<'v> {
        let collections = configuration.prefs.get_var("BBFILE_COLLECTIONS").unwrap_or_default().into_owned();
        let patterns = collections.split_whitespace().map(|name| {
            let pattern = configuration.prefs.get_var(&format!("BBFILE_PATTERN_{name}")).unwrap_or_default();
            (name.to_string(), Pattern::matching(&pattern).ok())
        });
        FileLayers {
            view,
            entries: &configuration.files.prioritized,
            patterns: patterns.collect(),
            known: std::cell::RefCell::default(),
        }
    }

    /// Directory of the layer the file belongs to.
    pub fn directory(&self, file: &str) -> Option<&'v str> {
        if let Some(known) = self.known.borrow().get(file) {
            return *known;
        }
        let entry = self.entries.iter().find(|entry| fnmatch::matches(entry, file));
        let path = entry.map_or(file, String::as_str);
        let mut longest = 0;
        let mut found = None;
        for (name, pattern) in &self.patterns {
            let Some(pattern) = pattern else { continue };
            let length = pattern.source().chars().count();
            if length > longest && pattern.is_match(path) {
                (longest, found) = (length, Some(name));
            }
        }
        let directory = found.and_then(|name| self.view.collection_directory(name));
        self.known.borrow_mut().insert(file.to_string(), directory);
        directory
    }

    /// What users call the layer the file belongs to, `?` without one.
    pub fn name(&self, file: &str) -> &'v str {
        self.directory(file).map_or("?", layer_name)
    }

    /// The file with its layer's name instead of the layer's whole path.
    pub fn shortened<'f>(&self, file: &'f str) -> &'f str {
        let parent = self.directory(file).and_then(|directory| directory.rsplit_once('/')).map(|(p, _)| p);
        parent
            .and_then(|parent| file.strip_prefix(parent))
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(file)
    }
}
