//! `show-layers` and `show-appends`.

use super::paths::base_name;
use super::{LayerConfiguration, LayersView, Output};
use crate::catalog::VirtualFile;
use crate::lang::diagnostic::Severity;
use crate::lang::fnmatch;

/// The layers with their directories and priorities.
pub(super) fn layers(view: &dyn LayersView, out: &mut dyn Output) {
    out.plain(&format!("{:<20}  {:<70}  priority", "layer", "path"));
    out.plain(&"=".repeat(104));
    for layer in view.layers().iter() {
        let directory = view.collection_directory(&layer.name).unwrap_or("?");
        out.plain(&format!("{:<20}  {directory:<70}  {}", layer.name, layer.priority));
    }
}

/// Recipe files with the bbappends that apply to them.
pub(super) fn appends(pnspec: &[String], configuration: &LayerConfiguration<'_>, out: &mut dyn Output) {
    let title = if pnspec.is_empty() { "Appended recipes" } else { "Matched appended recipes" };
    out.plain(&format!("=== {title} ==="));
    let catalog = configuration.catalog;
    let mut pns: Vec<&str> = catalog.recipe_names().collect();
    pns.sort_unstable();
    let mut any = false;
    for pn in pns {
        if !pnspec.is_empty() && !pnspec.iter().any(|spec| fnmatch::matches(spec, pn)) {
            continue;
        }
        let files = catalog.recipes_named(pn).iter().map(|id| catalog.record(*id).file.as_str());
        let best = catalog.best_provider(pn, configuration.prefs, configuration.preferred);
        let best = best.map(|id| base_name(&catalog.record(id).file));
        any |= appends_of(files, best, "", configuration, out);
    }
    if pnspec.is_empty() {
        let files = catalog.skipped().map(|(_, record)| record.file.as_str());
        any |= appends_of(files, None, " (skipped)", configuration, out);
    }
    if !any {
        out.plain("No append files found");
    }
}

/// Lists the files among `files` that have appends, and warns if the one to be built has none. Variants are left out:
/// they share the appends of their recipe.
fn appends_of<'f>(
    files: impl Iterator<Item = &'f str>,
    best: Option<&str>,
    mark: &str,
    configuration: &LayerConfiguration<'_>,
    out: &mut dyn Output,
) -> bool {
    let mut any = false;
    let mut best_has_none = false;
    for file in files {
        let file = VirtualFile::parse(file);
        if !file.class.is_empty() {
            continue;
        }
        let name = file.base_name();
        let appends = configuration.files.appends_for(name);
        if appends.is_empty() {
            best_has_none |= best == Some(name);
            continue;
        }
        any = true;
        out.plain(&format!("{name}{mark}:"));
        for append in appends {
            out.plain(&format!("  {append}"));
        }
    }
    if let Some(best) = best.filter(|_| any && best_has_none) {
        out.message(Severity::Warning, &format!("{best}: missing append for preferred version"));
    }
    any
}
