//! `flatten`: one layer with the contents of several.

use std::io::{self, Write};
use std::path::Path;

use rustc_hash::FxHashSet;

use super::paths::{base_name, files_below, has_extension, layer_name};
use super::view::FileLayers;
use super::{LayerConfiguration, LayersView, Output};
use crate::lang::diagnostic::Severity;
use crate::lang::fnmatch;

/// Copies the layers called `names` (all without any) into `outputdir`: recipes that others hide are left out, bbappends are
/// written to the end of the recipes they apply to. Gives the exit code.
pub(super) fn flatten(
    prog: &str,
    names: &[String],
    outputdir: &str,
    view: &dyn LayersView,
    out: &mut dyn Output,
) -> u8 {
    if names.len() == 1 {
        out.message(Severity::Error, "If you specify layers to flatten you must specify at least two");
        return 1;
    }
    if std::fs::read_dir(outputdir).is_ok_and(|mut entries| entries.next().is_some()) {
        let message = format!("Directory {outputdir} exists and is non-empty, please clear it out first");
        out.message(Severity::Error, &message);
        return 1;
    }
    let directories: Vec<&str> = view.directories().iter().map(|path| path.trim_end_matches('/')).collect();
    if let Some(name) = names.iter().find(|name| !directories.iter().any(|path| layer_name(path) == **name)) {
        let message = format!(
            "Unable to find layer {name} in current configuration, please run \"{prog} show-layers\" to list configured layers"
        );
        out.message(Severity::Error, &message);
        return 1;
    }
    let wanted = |path: &&str| names.is_empty() || names.iter().any(|name| layer_name(path) == name);
    let layers: Vec<&str> = directories.into_iter().filter(wanted).collect();
    let configurations: Vec<LayerConfiguration<'_>> =
        view.multiconfigs().into_iter().filter_map(|mc| view.configuration(mc)).collect();
    let Some(first) = configurations.first() else { return 1 };
    let mut flattening = Flattening {
        outputdir,
        layers,
        file_layers: FileLayers::new(view, first),
        configurations: &configurations,
        applied: FxHashSet::default(),
        out,
    };
    match flattening.run() {
        Ok(()) => {
            flattening.check_bbfiles(view, first);
            0
        }
        Err((path, error)) => {
            flattening.out.message(Severity::Error, &format!("{path}: {error}"));
            1
        }
    }
}

/// The file that could not be written or read, and why.
type Failure = (String, io::Error);

struct Flattening<'f> {
    outputdir: &'f str,
    layers: Vec<&'f str>,
    file_layers: FileLayers<'f>,
    configurations: &'f [LayerConfiguration<'f>],
    /// Appends that have found their recipe.
    applied: FxHashSet<&'f str>,
    out: &'f mut dyn Output,
}

impl<'f> Flattening<'f> {
    fn run(&mut self) -> Result<(), Failure> {
        let hidden: FxHashSet<&str> = self
            .configurations
            .iter()
            .flat_map(|configuration| &configuration.files.overlayed)
            .flat_map(|(_, hidden)| hidden)
            .map(String::as_str)
            .collect();
        for layer in self.layers.clone() {
            self.out.plain(&format!("Copying files from {layer}..."));
            for file in files_below(layer, &[".git", ".hg"]) {
                if hidden.contains(file.as_str()) {
                    self.out.plain(&format!("  Skipping overlayed file {file}"));
                } else if !has_extension(&file, "bbappend") {
                    self.copy_with_appends(layer, &file)?;
                }
            }
        }
        self.copy_other_appends()
    }

    fn copy_with_appends(&mut self, layer: &str, file: &str) -> Result<(), Failure> {
        let target = self.target(layer, file);
        if Path::new(&target).exists() {
            if file.ends_with("/conf/layer.conf") {
                self.out.plain(&format!("  Skipping layer config file {file}"));
                return Ok(());
            }
            self.out.message(Severity::Warning, &format!("Overwriting file {target}"));
        }
        copy(file, &target).map_err(|error| (target.clone(), error))?;
        if !has_extension(file, "bb") {
            return Ok(());
        }
        let mut seen = FxHashSet::default();
        for append in self.configurations.iter().flat_map(|c| c.files.appends_for(file)) {
            if seen.insert(append) && self.layer_of(append).is_some() {
                self.out.plain(&format!("  Applying append {append} to {target}"));
                self.append(append, &target).map_err(|error| (append.to_string(), error))?;
                self.applied.insert(append);
            }
        }
        Ok(())
    }

    /// Appends to recipes of layers that are left out stay appends.
    fn copy_other_appends(&mut self) -> Result<(), Failure> {
        for append in self.configurations.iter().flat_map(|c| &c.files.appends) {
            let path = append.path.as_str();
            if let Some(layer) = self.layer_of(path)
                && self.applied.insert(path)
            {
                let target = self.target(layer, path);
                copy(path, &target).map_err(|error| (target.clone(), error))?;
            }
        }
        Ok(())
    }

    fn append(&self, append: &str, recipe: &str) -> io::Result<()> {
        let text = std::fs::read(append)?;
        let mut recipe = std::fs::OpenOptions::new().append(true).open(recipe)?;
        write!(recipe, "\n##### bbappended from {} #####\n", self.file_layers.name(append))?;
        recipe.write_all(&text)
    }

    fn layer_of(&self, path: &str) -> Option<&'f str> {
        let within = |layer: &&str| path.strip_prefix(*layer).is_some_and(|rest| rest.starts_with('/'));
        self.layers.iter().copied().find(within)
    }

    fn target(&self, layer: &str, file: &str) -> String {
        format!("{}{}", self.outputdir.trim_end_matches('/'), file.strip_prefix(layer).unwrap_or(file))
    }

    /// Warns about recipes that the BBFILES of the first layer, whose layer.conf the new one has, would not find.
    fn check_bbfiles(&mut self, view: &dyn LayersView, configuration: &LayerConfiguration<'_>) {
        let Some(first) = self.layers.first().copied() else { return };
        let probe = format!("{first}/test");
        let Some(layer) = view.layers().iter().find(|layer| layer.matches(&probe)) else { return };
        let bbfiles = configuration.prefs.get_var("BBFILES").unwrap_or_default();
        let patterns: Vec<String> = bbfiles
            .split_whitespace()
            .filter(|entry| layer.matches(entry))
            .map(|entry| self.target(first, entry))
            .collect();
        if patterns.is_empty() {
            return;
        }
        for file in files_below(self.outputdir.trim_end_matches('/'), &[]) {
            let is_recipe = has_extension(&file, "bb") || has_extension(&file, "bbappend");
            if is_recipe && !patterns.iter().any(|pattern| fnmatch::matches(pattern, &file)) {
                let message = format!(
                    "File {file} does not match the flattened layer's BBFILES setting, you may need to edit \
                     conf/layer.conf or move the file elsewhere"
                );
                self.out.message(Severity::Warning, &message);
            }
        }
    }
}

fn copy(from: &str, to: &str) -> io::Result<()> {
    if let Some(parent) = to.strip_suffix(base_name(to)) {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::copy(from, to).map(|_| ())
}
