//! The recipe files of a configuration, for code that collects them itself.

use std::borrow::Cow;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use rbake::catalog::files::RecipeFiles;
use rbake::catalog::{FilesMessage, Layer, Layers, OsTree, Preferences, VirtualFile};
use rbake::data::{Store, Value};
use rbake::lang::diagnostic::Severity;

use crate::datasmart::DataSmart;
use crate::engine::run;
use crate::gil::Gil;

/// The variables of a store.
struct Variables<'a>(&'a Store);

impl Preferences for Variables<'_> {
    fn get_var(&self, name: &str) -> Option<Cow<'_, str>> {
        // What can't be expanded counts as not set; whoever reads the variable itself gets the error.
        let value = self.0.get_var(name).ok().flatten().filter(|value| *value != Value::None)?;
        Some(Cow::Owned(value.to_text()))
    }
}

/// The layers of a configuration and its recipe files.
#[pyclass(frozen, module = "rbake_engine")]
pub struct Collection {
    layers: Gil<Layers>,
    files: Gil<RecipeFiles>,
}

/// Messages for the log: whether it is an error, and the text.
type Said = Vec<(bool, String)>;

fn said(messages: Vec<FilesMessage>) -> Said {
    messages.into_iter().map(|message| (message.severity() == Severity::Error, message.to_string())).collect()
}

fn layers_of(priorities: Vec<(String, String, i32)>) -> PyResult<Layers> {
    let layers = priorities.iter().map(|(name, pattern, priority)| Layer::new(name, pattern, *priority));
    let layers: Result<Vec<_>, _> = layers.collect();
    Ok(Layers::new(layers.map_err(|error| PyValueError::new_err(error.to_string()))?))
}

#[pymethods]
impl Collection {
    /// Collects what BBFILES names, if there is a store; `priorities` lists name, pattern and priority of the layers.
    #[staticmethod]
    #[pyo3(signature = (priorities, d=None))]
    fn collect(
        py: Python<'_>,
        priorities: Vec<(String, String, i32)>,
        d: Option<&Bound<'_, DataSmart>>,
    ) -> PyResult<(Collection, Said)> {
        let layers = layers_of(priorities)?;
        let mut messages = Vec::new();
        let files = match d {
            Some(d) => {
                let cwd = run(py)?.cwd();
                let variables = Variables(d.get().store(py));
                RecipeFiles::collect(&variables, &layers, &OsTree::new(), &cwd, &mut messages)
            }
            None => RecipeFiles::default(),
        };
        let collection = Collection { layers: Gil::new(py, layers), files: Gil::new(py, files) };
        Ok((collection, said(messages)))
    }

    /// Recipes, lowest priority first.
    #[getter]
    fn recipes(&self, py: Python<'_>) -> Vec<String> {
        self.files.get(py).recipes.clone()
    }

    /// Appends: the file name of the recipes each applies to, and its path.
    #[getter]
    fn appends(&self, py: Python<'_>) -> Vec<(String, String)> {
        let appends = self.files.get(py).appends.iter();
        appends.map(|append| (append.recipe.clone(), append.path.clone())).collect()
    }

    /// Recipes that hide others, and these.
    #[getter]
    fn overlayed(&self, py: Python<'_>) -> Vec<(String, Vec<String>)> {
        self.files.get(py).overlayed.clone()
    }

    /// How many files BBMASK took out.
    #[getter]
    fn masked(&self, py: Python<'_>) -> usize {
        self.files.get(py).masked
    }

    /// The words of BBFILES by rising priority.
    #[getter]
    fn prioritized(&self, py: Python<'_>) -> Vec<String> {
        self.files.get(py).prioritized.clone()
    }

    /// Directories that were read.
    #[getter]
    fn searched(&self, py: Python<'_>) -> Vec<String> {
        self.files.get(py).searched.clone()
    }

    /// The appends that apply to a recipe.
    fn appends_for(&self, py: Python<'_>, file: PyBackedStr) -> Vec<String> {
        self.files.get(py).appends_for(&file).into_iter().map(str::to_owned).collect()
    }

    /// The priority of a file, and the place in the list of layers of the one it belongs to.
    fn priority(&self, py: Python<'_>, file: PyBackedStr) -> (i32, Option<String>) {
        let layer = self.layers.get(py).layer_of(VirtualFile::parse(&file).path);
        layer.map_or((0, None), |layer| (layer.priority, Some(layer.name.clone())))
    }

    /// Messages about layers that no file belongs to. `buildable`: virtual files of the recipes that are not skipped; `others`: files
    /// that count where one of them is missing.
    fn check_layers(
        &self,
        py: Python<'_>,
        d: &Bound<'_, DataSmart>,
        mc: PyBackedStr,
        buildable: Vec<String>,
        others: Vec<String>,
    ) -> Said {
        let mut messages = Vec::new();
        let appends = self.files.get(py).appends.iter().map(|append| append.path.clone());
        let files = RecipeFiles::from_paths(others.into_iter().chain(appends));
        let variables = Variables(d.get().store(py));
        let buildable = buildable.iter().map(String::as_str);
        files.check_layers(&variables, self.layers.get(py), &mc, buildable, &mut messages);
        said(messages)
    }
}

/// Adds the class to the module.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Collection>()
}
