//! `show-overlayed`: recipes and classes that several layers have.

use std::collections::BTreeMap;

use super::paths::{has_extension, layer_name, which};
use super::recipes::{CLASS_KINDS, Listing, list};
use super::{LayerConfiguration, LayersView, Output};
use crate::cli::args::layers::ShowRecipes;

/// Lists recipes of one name in several layers, then classes.
pub(super) fn show(
    filenames: bool,
    same_version: bool,
    view: &dyn LayersView,
    configuration: &LayerConfiguration<'_>,
    out: &mut dyn Output,
) {
    let options = ShowRecipes { filenames, multiple: true, ..ShowRecipes::default() };
    let listing = Listing {
        title: "Overlayed recipes",
        options: &options,
        overlayed_only: true,
        same_version_only: same_version,
    };
    let any_recipe = list(&listing, view, configuration, out);
    let any_class = classes(filenames, view, configuration, out);
    if !any_recipe && !any_class {
        out.plain("No overlayed files found.");
    }
}

/// Classes have no priorities: the first along BBPATH is the one in use.
fn classes(
    filenames: bool,
    view: &dyn LayersView,
    configuration: &LayerConfiguration<'_>,
    out: &mut dyn Output,
) -> bool {
    // By file name: the layer and the kind of each class.
    let mut classes: BTreeMap<String, Vec<(&str, &str)>> = BTreeMap::new();
    for layer in view.directories() {
        for kind in CLASS_KINDS {
            let Ok(entries) = std::fs::read_dir(format!("{layer}/{kind}")) else { continue };
            for entry in entries.flatten() {
                if let Ok(name) = entry.file_name().into_string()
                    && has_extension(&name, "bbclass")
                {
                    classes.entry(name).or_default().push((layer, kind));
                }
            }
        }
    }
    classes.retain(|_, places| places.len() > 1);
    if classes.is_empty() {
        return false;
    }
    out.plain("=== Overlayed classes ===");
    let bbpath = configuration.prefs.get_var("BBPATH").unwrap_or_default();
    for (class, places) in classes {
        let in_use = places.iter().find_map(|(_, kind)| which(&bbpath, &format!("{kind}/{class}")));
        let in_use = in_use.unwrap_or_default();
        let file = |(layer, kind): &(&str, &str)| format!("{}/{kind}/{class}", layer.trim_end_matches('/'));
        if filenames {
            out.plain(&in_use);
        } else {
            let layer =
                places.iter().find(|place| file(place) == in_use).map_or("?", |(layer, _)| layer_name(layer));
            out.plain(&format!("{class}:"));
            out.plain(&format!("  {layer}"));
        }
        for place in places.iter().filter(|place| file(place) != in_use) {
            if filenames {
                out.plain(&format!("  {}", file(place)));
            } else {
                out.plain(&format!("  {}", layer_name(place.0)));
            }
        }
    }
    true
}
