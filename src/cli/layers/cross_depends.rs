//! `show-cross-depends`: what of one layer needs something of another.

use rustc_hash::FxHashSet;

use super::paths::{base_name, files_below, has_extension, layer_name, stem, which};
use super::recipes::is_relative_class;
use super::view::FileLayers;
use super::{LayerConfiguration, LayersView, Output};
use crate::catalog::{RecipeRecord, VirtualFile};

/// Lists dependencies of recipes, classes they inherit, and files that recipes, machines and classes include. Every recipe
/// file is looked at once, also if it has variants.
pub(super) fn show(
    filenames: bool,
    ignore: &str,
    view: &dyn LayersView,
    configuration: &LayerConfiguration<'_>,
    out: &mut dyn Output,
) {
    let layers = FileLayers::new(view, configuration);
    let bbpath = configuration.prefs.get_var("BBPATH").unwrap_or_default();
    let inherit = configuration.prefs.get_var("INHERIT").unwrap_or_default();
    let mut search = Search {
        filenames,
        ignored: ignore.split(',').collect(),
        layers: &layers,
        bbpath: &bbpath,
        global_classes: inherit.split_whitespace().collect(),
        configuration,
        out,
    };
    let catalog = configuration.catalog;
    let mut seen = FxHashSet::default();
    for (_, record) in catalog.buildable() {
        let file = VirtualFile::parse(&record.file).path;
        if !seen.insert(file) {
            continue;
        }
        // What a variant needs on its own is not looked at.
        let main = catalog.find(file).map(|id| catalog.record(id)).filter(|main| main.skipped.is_none());
        if let Some(main) = main {
            search.recipe(main, file);
        }
        search.included_by_recipe(file, main);
    }
    for directory in view.directories() {
        search.included_by_layer(directory);
    }
}

struct Search<'s> {
    filenames: bool,
    ignored: Vec<&'s str>,
    layers: &'s FileLayers<'s>,
    bbpath: &'s str,
    global_classes: Vec<&'s str>,
    configuration: &'s LayerConfiguration<'s>,
    out: &'s mut dyn Output,
}

impl Search<'_> {
    /// One line, if `needed` lies in another layer than `layer`.
    fn tell(&mut self, layer: &str, file: &str, verb: &str, needed: &str) {
        let needed_layer = self.layers.name(needed);
        if needed_layer == layer || self.ignored.contains(&needed_layer) {
            return;
        }
        let (file, needed) = match self.filenames {
            true => (file, needed),
            false => (self.layers.shortened(file), self.layers.shortened(needed)),
        };
        self.out.plain(&format!("{file} {verb} {needed}"));
    }

    fn recipe(&mut self, record: &RecipeRecord, file: &str) {
        let LayerConfiguration { catalog, prefs, preferred, .. } = *self.configuration;
        let layer = self.layers.name(file);
        for name in distinct(record.depends.iter()) {
            if catalog.recipes_named(name).is_empty() {
                continue;
            }
            if let Some(best) = catalog.best_provider(name, prefs, preferred) {
                self.tell(layer, file, "DEPENDS", VirtualFile::parse(&catalog.record(best).file).path);
            }
        }
        let rdepends = record.packages.iter().flat_map(|p| record.rdepends.iter().chain(&p.rdepends));
        let rrecommends =
            record.packages.iter().flat_map(|p| record.rrecommends.iter().chain(&p.rrecommends));
        for (verb, names) in [("RDEPENDS", distinct(rdepends)), ("RRECOMMENDS", distinct(rrecommends))] {
            for name in names {
                let candidates = catalog.runtime_providers(name).unwrap_or_default();
                if candidates.iter().any(|id| catalog.record(*id).file == file) {
                    continue;
                }
                let eligible = catalog.eligible_at_runtime(&candidates, name, prefs, &mut Vec::new());
                if let Some(best) = eligible.recipes.first() {
                    self.tell(layer, file, verb, VirtualFile::parse(&catalog.record(*best).file).path);
                }
            }
        }
        for class in record.inherits.iter().filter(|class| !is_relative_class(class)) {
            if !self.global_classes.contains(&stem(class)) {
                self.tell(layer, file, "inherits", class);
            }
        }
    }

    /// What the recipe's own text includes.
    fn included_by_recipe(&mut self, file: &str, record: Option<&RecipeRecord>) {
        let layer = self.layers.name(file);
        for (verb, name) in included(file) {
            let name = match record {
                Some(record) => name.replace("${PV}", &record.version.pv),
                None => name,
            };
            self.found(layer, file, verb, &name);
        }
    }

    /// What machines, include files and classes of a layer include.
    fn included_by_layer(&mut self, directory: &str) {
        let layer = layer_name(directory);
        for file in files_below(directory.trim_end_matches('/'), &[]) {
            let is_class = has_extension(&file, "bbclass");
            let is_machine = file
                .strip_suffix(base_name(&file))
                .is_some_and(|dir| dir.ends_with("/conf/machine/") && has_extension(&file, "conf"));
            if !is_class && !is_machine && !has_extension(&file, "inc") {
                continue;
            }
            for (verb, name) in included(&file) {
                self.found(layer, &file, verb, &name);
            }
            if is_class {
                for name in words_after(&file, &["inherit"]) {
                    self.found(layer, &file, "inherits", &format!("{}.bbclass", name.1));
                }
            }
        }
    }

    fn found(&mut self, layer: &str, file: &str, verb: &str, name: &str) {
        if let Some(needed) = which(self.bbpath, name) {
            self.tell(layer, file, verb, &needed);
        }
    }
}

/// The files that a file requires and includes, with the verb for each.
fn included(file: &str) -> Vec<(&'static str, String)> {
    let verb = |keyword| if keyword == "require" { "requires" } else { "includes" };
    words_after(file, &["require", "include"])
        .into_iter()
        .map(|(keyword, name)| (verb(keyword), name))
        .collect()
}

/// Lines that start with one of the keywords: the keyword, and what follows it.
fn words_after(file: &str, keywords: &[&'static str]) -> Vec<(&'static str, String)> {
    let Ok(text) = std::fs::read(file) else { return Vec::new() };
    let mut found = Vec::new();
    for line in String::from_utf8_lossy(&text).lines() {
        for keyword in keywords {
            if let Some(rest) = line.strip_prefix(keyword)
                && rest.starts_with(char::is_whitespace)
                && !rest.trim_start().is_empty()
            {
                found.push((*keyword, rest.trim_start().to_string()));
                break;
            }
        }
    }
    found
}

fn distinct<'n>(names: impl Iterator<Item = &'n String>) -> Vec<&'n str> {
    let mut seen = FxHashSet::default();
    names.map(String::as_str).filter(|name| seen.insert(*name)).collect()
}
