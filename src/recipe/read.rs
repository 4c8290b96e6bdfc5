//! Reading one recipe on top of a configuration.

use super::evaluate::{Mode, handle};
use super::run::Run;
use crate::data::{DataError, Origin, Store, Value};

/// A recipe file to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RecipeFile {
    /// Path of the `.bb` file.
    pub path: String,
    /// The `.bbappend` files that apply to it, in order.
    pub appends: Vec<String>,
    /// Collection of its layer, if it has one.
    pub layer: Option<String>,
    /// Multiconfig.
    pub mc: String,
}

/// Reads a recipe and all its variants: the name of each ("" for the recipe itself) and its store. With `only`, the variants whose
/// names are no part of that text are left out.
pub fn read_recipe(
    run: &Run,
    configuration: &Store,
    recipe: &RecipeFile,
    only: Option<&str>,
) -> Result<Vec<(String, Store)>, DataError> {
    const HERE: &str = "read_recipe";
    run.begin_recipe();
    let store = configuration.copy();
    if let Some(only) = only {
        let only = if only.is_empty() { "default" } else { only };
        store.set_engine("__ONLYFINALISE", only, HERE)?;
    }
    store.set_engine("__BBMULTICONFIG", &*recipe.mc, HERE)?;
    let layer = recipe.layer.as_deref().map_or(Value::None, Value::from);
    store.set_engine("FILE_LAYERNAME", layer, HERE)?;
    store.set_engine("__BB_RECIPE_FILE", &*recipe.path, HERE)?;
    if !recipe.appends.is_empty() {
        store.set_var("__BBAPPEND", Value::from(recipe.appends.join(" ")), Origin::engine(HERE))?;
    }
    let handlers = run.saved_handlers();
    let result = handle(run, &recipe.path, &store, Mode::Top);
    run.restore_handlers(handlers);
    result
}
