//! `show-recipes`, and the list of recipes that `show-overlayed` starts with.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use super::paths::{stem, which};
use super::view::FileLayers;
use super::{LayerConfiguration, LayersView, Output};
use crate::catalog::{Catalog, RecipeId, VirtualFile};
use crate::cli::args::layers::ShowRecipes;
use crate::lang::diagnostic::Severity;
use crate::lang::fnmatch;

/// Kinds of classes, each a directory of a layer.
pub(super) const CLASS_KINDS: [&str; 3] = ["classes-global", "classes-recipe", "classes"];

/// Which recipes to list.
pub(super) struct Listing<'o> {
    pub title: &'o str,
    pub options: &'o ShowRecipes,
    /// Only where recipes of one name lie in several layers.
    pub overlayed_only: bool,
    /// Only where they all have the same version.
    pub same_version_only: bool,
}

/// `show-recipes`. Gives the exit code.
pub(super) fn show(
    options: &ShowRecipes,
    view: &dyn LayersView,
    configuration: &LayerConfiguration<'_>,
    out: &mut dyn Output,
) -> u8 {
    let bbpath = configuration.prefs.get_var("BBPATH").unwrap_or_default();
    for class in &options.inherits {
        let found = |kind| which(&bbpath, &format!("{kind}/{class}.bbclass")).is_some();
        if !CLASS_KINDS.into_iter().any(found) {
            out.message(Severity::Error, &format!("No class named {class} found in BBPATH"));
            return 1;
        }
    }
    let narrowed = options.multiple || !options.inherits.is_empty() || !options.pnspec.is_empty();
    let title = if narrowed { "Matching recipes:" } else { "Available recipes:" };
    list(
        &Listing { title, options, overlayed_only: false, same_version_only: false },
        view,
        configuration,
        out,
    );
    0
}

/// One recipe that bears a name.
struct Provider<'c> {
    /// Its virtual file.
    file: &'c str,
    /// PE and PV as shown.
    version: String,
    /// Why it is skipped.
    skipped: Option<&'c str>,
    id: RecipeId,
}

/// The recipes of one name, and the one to be built.
#[derive(Default)]
struct Named<'c> {
    providers: Vec<Provider<'c>>,
    preferred: usize,
}

/// Lists recipes; tells whether there were any.
pub(super) fn list(
    listing: &Listing<'_>,
    view: &dyn LayersView,
    configuration: &LayerConfiguration<'_>,
    out: &mut dyn Output,
) -> bool {
    let Listing { options, .. } = listing;
    let catalog = configuration.catalog;
    let layers = FileLayers::new(view, configuration);
    let inherit = configuration.prefs.get_var("INHERIT").unwrap_or_default();
    let global_classes: Vec<&str> = inherit.split_whitespace().collect();
    let mut printer =
        Printer { options, layers: &layers, out, unique: FxHashSet::default(), title: Some(listing.title) };
    let mut shown = FxHashSet::default();
    for (pn, named) in named_recipes(configuration) {
        let wanted =
            options.pnspec.is_empty() || options.pnspec.iter().any(|spec| fnmatch::matches(spec, pn));
        let Some(preferred) = named.providers.get(named.preferred).filter(|_| wanted) else { continue };
        if options.multiple && named.providers.len() < 2 {
            continue;
        }
        let file = VirtualFile::parse(preferred.file);
        // A recipe is listed once, under its own name rather than that of a variant.
        if !options.show_variants && !file.class.is_empty() && is_buildable(catalog, file) {
            continue;
        }
        if !options.inherits.is_empty() && !inherits_all(catalog, preferred.id, options, &global_classes) {
            continue;
        }
        if shown.contains(file.path) {
            continue;
        }
        let layer = layers.name(file.path);
        let in_many_layers =
            || named.providers.iter().any(|other| layers.name(VirtualFile::parse(other.file).path) != layer);
        let one_version = || {
            // Of skipped recipes only the version in the file name is known.
            let of = |provider: &Provider<'_>| {
                (
                    provider.skipped.is_none().then(|| catalog.version(provider.id).clone()),
                    provider.version.clone(),
                )
            };
            named.providers.iter().all(|other| of(other) == of(preferred))
        };
        if (listing.overlayed_only && !in_many_layers()) || (listing.same_version_only && !one_version()) {
            continue;
        }
        printer.item(preferred, pn, true);
        for other in &named.providers {
            let same = if options.show_variants {
                other.file == preferred.file
            } else {
                VirtualFile::parse(other.file).path == file.path
            };
            if !same {
                printer.item(other, pn, false);
            }
        }
        shown.insert(file.path);
    }
    printer.title.is_none()
}

/// All recipes by name, the skipped ones too. Of those only the file name tells what they would have been called.
fn named_recipes<'c>(configuration: &LayerConfiguration<'c>) -> BTreeMap<&'c str, Named<'c>> {
    let catalog = configuration.catalog;
    let mut all: BTreeMap<&str, Named<'_>> = BTreeMap::new();
    for (id, record) in catalog.buildable() {
        let version = match record.version.pe.as_str() {
            "" => record.version.pv.clone(),
            pe => format!("{pe}:{}", record.version.pv),
        };
        let provider = Provider { file: &record.file, version, skipped: None, id };
        all.entry(&record.pn).or_default().providers.push(provider);
    }
    for (pn, named) in &mut all {
        let best = catalog.best_version(pn, configuration.prefs, &mut Vec::new());
        let best = best.map(|best| best.preferred.unwrap_or(best.latest));
        let place = named.providers.iter().position(|provider| Some(provider.id) == best);
        named.preferred = place.unwrap_or(0);
    }
    for (id, record) in catalog.skipped() {
        let mut parts = stem(&record.file).split('_');
        let pn = parts.next().unwrap_or_default();
        let version = parts.next().unwrap_or("unknown").to_string();
        let skipped = record.skipped.as_deref();
        all.entry(pn).or_default().providers.push(Provider { file: &record.file, version, skipped, id });
    }
    all
}

fn is_buildable(catalog: &Catalog, variant: VirtualFile<'_>) -> bool {
    let main = VirtualFile { class: "", ..variant };
    catalog.find(&main.to_string()).is_some_and(|id| catalog.record(id).skipped.is_none())
}

/// Whether the recipe inherits all the classes asked for, not counting those that every recipe inherits.
fn inherits_all(catalog: &Catalog, recipe: RecipeId, options: &ShowRecipes, global_classes: &[&str]) -> bool {
    // Each class is listed twice, as inherited and with its whole path.
    let inherited = catalog.record(recipe).inherits.iter().filter(|class| !is_relative_class(class));
    let matches = inherited
        .map(|class| stem(class))
        .filter(|class| !global_classes.contains(class))
        .filter(|class| options.inherits.iter().any(|wanted| wanted == class));
    matches.count() == options.inherits.len()
}

/// `classes/x.bbclass`, not the path it was found at.
pub(super) fn is_relative_class(class: &str) -> bool {
    class.strip_prefix("classes").is_some_and(|rest| rest.contains('/'))
}

struct Printer<'p> {
    options: &'p ShowRecipes,
    layers: &'p FileLayers<'p>,
    out: &'p mut dyn Output,
    unique: FxHashSet<String>,
    /// Still to be printed.
    title: Option<&'p str>,
}

impl Printer<'_> {
    fn item(&mut self, provider: &Provider<'_>, pn: &str, preferred: bool) {
        if let Some(title) = self.title.take() {
            self.out.plain(&format!("=== {title} ==="));
        }
        let file = VirtualFile::parse(provider.file).path;
        let layer = self.layers.name(file);
        if self.options.layer.as_ref().is_some_and(|wanted| wanted != layer) {
            return;
        }
        let skipped = match provider.skipped {
            Some(reason) if !self.options.bare => format!(" (skipped: {reason})"),
            _ => String::new(),
        };
        if self.options.filenames {
            let indent = if preferred { "" } else { "  " };
            self.out.plain(&format!("{indent}{file}{skipped}"));
        } else if self.options.recipes_only {
            if self.unique.insert(pn.to_string()) {
                self.out.plain(&format!("{pn}{skipped}"));
            }
        } else {
            if preferred {
                self.out.plain(&format!("{pn}:"));
            }
            self.out.plain(&format!("  {layer:<20} {}{skipped}", provider.version));
        }
    }
}
