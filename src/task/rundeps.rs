//! Which dependencies count in a task's hash.

use super::graph::{TaskGraph, TaskId};
use crate::catalog::{Preferences, RecipeRecord};
use crate::lang::pattern::Pattern;

/// A rule about dependencies.
pub(super) enum RunDeps {
    /// Those of recipes that match BB_TASKHASH_IGNORE_TASKS on neither or both ends count.
    Ignoring(Option<Pattern>),
    /// OpenEmbedded's: a recipe is rebuilt for what can change its output, and for no more.
    OpenEmbedded {
        /// SIGGEN_EXCLUDERECIPES_ABISAFE.
        abi_safe: Vec<String>,
        /// SIGGEN_EXCLUDE_SAFE_RECIPE_DEPS: words `RECIPE->DEPENDENCY`.
        safe: Vec<String>,
    },
}

impl RunDeps {
    /// The rule of the basic generators.
    pub fn ignoring(preferences: &dyn Preferences) -> Self {
        let text = preferences.get_var("BB_TASKHASH_IGNORE_TASKS").unwrap_or_default();
        RunDeps::Ignoring((!text.is_empty()).then(|| Pattern::searching(&text).ok()).flatten())
    }

    /// OpenEmbedded's rule.
    pub fn open_embedded(preferences: &dyn Preferences) -> Self {
        let words = |name: &str| -> Vec<String> {
            preferences.get_var(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
        };
        RunDeps::OpenEmbedded {
            abi_safe: words("SIGGEN_EXCLUDERECIPES_ABISAFE"),
            safe: words("SIGGEN_EXCLUDE_SAFE_RECIPE_DEPS"),
        }
    }

    /// Whether `dep` counts in the hash of `task`.
    pub fn counts(&self, graph: &TaskGraph<'_>, task: TaskId, dep: TaskId) -> bool {
        let (record, other) = (graph.record(task), graph.record(dep));
        match self {
            RunDeps::Ignoring(None) => true,
            RunDeps::Ignoring(Some(ignored)) => ignored.is_match(&record.pn) || !ignored.is_match(&other.pn),
            RunDeps::OpenEmbedded { abi_safe, safe } => {
                let (name, dep_name) = (graph.name(task), graph.name(dep));
                if name == "do_rm_work" {
                    return false;
                }
                let same_mc = graph.recipe(task).mc == graph.recipe(dep).mc;
                if record.pn == other.pn && same_mc {
                    return !(name == "do_kernel_configme" && dep_name == "do_unpack_and_patch");
                }
                let excluded = |from: &str| {
                    safe.iter().any(|word| word.split_once("->") == Some((from, other.pn.as_str())))
                };
                if excluded(&record.pn) || (record.pn != other.pn && excluded("*")) {
                    return false;
                }
                let pn = &record.pn;
                if pn.ends_with("-native") || pn.contains("-cross-") || pn.starts_with("nativesdk-") {
                    return true;
                }
                let native = other.pn.ends_with("-native");
                if inherits(record, "packagegroup") && inherits(record, "allarch") && !native {
                    return false;
                }
                if abi_safe.contains(&other.pn) && !inherits(record, "image") {
                    return false;
                }
                !(is_kernel(other) && !is_kernel(record) && recommends_modules(record))
            }
        }
    }
}

fn inherits(record: &RecipeRecord, class: &str) -> bool {
    let file = format!("/{class}.bbclass");
    record.inherits.iter().any(|path| path.contains(&file))
}

fn is_kernel(record: &RecipeRecord) -> bool {
    inherits(record, "module-base") || inherits(record, "kernel")
}

/// Modules are named after the kernel's version, so a recipe that recommends some needn't follow the kernel.
fn recommends_modules(record: &RecipeRecord) -> bool {
    let lists = record.packages.iter().map(|package| &package.rrecommends);
    lists.chain([&record.rrecommends]).flatten().any(|name| name.contains("kernel-module-"))
}
