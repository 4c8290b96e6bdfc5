//! `rbake-layers`: looking at the layers of a build and changing them.
//!
//! The formats are those of `bitbake-layers`; only where it depends on the order of a directory or of a set is the order ours.

mod add_remove;
mod bblayers_conf;
mod create;
mod cross_depends;
mod flatten;
mod overlayed;
mod paths;
mod recipes;
mod show;
mod view;

use std::path::Path;

pub use add_remove::{add_layer, remove_layer};
pub use bblayers_conf::{BbLayersEdit, NoBbLayers, edit_bblayers_conf};
pub use create::create_layer;
pub use view::{LayerConfiguration, LayersView};

use super::args::{LayersCommand, LayersOptions};
use crate::lang::diagnostic::Severity;
use crate::ui::Console;

/// Where the tool's words go.
pub trait Output {
    /// A message; plain ones are the tool's answer.
    fn message(&mut self, severity: Severity, text: &str);
    /// A line for standard error without a label, as the editing commands complain.
    fn complain(&mut self, text: &str);

    /// One line of the answer.
    fn plain(&mut self, text: &str) {
        self.message(Severity::Plain, text);
    }
}

impl Output for Console {
    fn message(&mut self, severity: Severity, text: &str) {
        self.show(severity, text);
    }

    fn complain(&mut self, text: &str) {
        self.raw_error(text);
    }
}

/// What the commands that change something stand on.
pub struct BuildDirectory<'b> {
    /// The directory the tool was called in, absolute.
    pub cwd: &'b str,
    /// The build directory with its `conf`; `None` if there is none around `cwd`.
    pub topdir: Option<&'b str>,
    /// HOME, if it may be used for `~`.
    pub home: Option<&'b str>,
    /// LAYERSERIES_CORENAMES, what a new layer is compatible with.
    pub core_names: &'b str,
    /// Parses the configuration with the layers as they are now; false if that fails (it has told why).
    pub parse: &'b mut dyn FnMut() -> bool,
}

impl BuildDirectory<'_> {
    fn bblayers_conf(&self) -> Option<std::path::PathBuf> {
        let path = Path::new(self.topdir?).join("conf/bblayers.conf");
        path.exists().then_some(path)
    }
}

impl LayersCommand {
    /// Whether all recipes have to be parsed first.
    pub fn needs_recipes(&self) -> bool {
        matches!(
            self,
            LayersCommand::Flatten { .. }
                | LayersCommand::ShowOverlayed { .. }
                | LayersCommand::ShowRecipes(_)
                | LayersCommand::ShowAppends { .. }
                | LayersCommand::ShowCrossDepends { .. }
        )
    }

    /// Whether it only looks: such commands run by [`look`], the others by [`change`].
    pub fn only_looks(&self) -> bool {
        self.needs_recipes() || *self == LayersCommand::ShowLayers
    }
}

/// Runs a command that looks at layers and recipes. Gives the exit code.
pub fn look(prog: &str, command: &LayersCommand, view: &dyn LayersView, out: &mut dyn Output) -> u8 {
    let with = |mc: &str, out: &mut dyn Output| {
        let found = view.configuration(mc);
        if found.is_none() {
            out.message(Severity::Error, &format!("No multiconfig named \"{mc}\" found"));
        }
        found
    };
    match command {
        LayersCommand::ShowLayers => show::layers(view, out),
        LayersCommand::ShowRecipes(options) => {
            let Some(configuration) = with(&options.mc, out) else { return 1 };
            return recipes::show(options, view, &configuration, out);
        }
        LayersCommand::ShowOverlayed { filenames, same_version, mc } => {
            let Some(configuration) = with(mc, out) else { return 1 };
            overlayed::show(*filenames, *same_version, view, &configuration, out);
        }
        LayersCommand::ShowAppends { pnspec, mc } => {
            let Some(configuration) = with(mc, out) else { return 1 };
            show::appends(pnspec, &configuration, out);
        }
        LayersCommand::ShowCrossDepends { filenames, ignore } => {
            let Some(configuration) = with("", out) else { return 1 };
            let ignore = ignore.as_deref().unwrap_or("");
            cross_depends::show(*filenames, ignore, view, &configuration, out);
        }
        LayersCommand::Flatten { layers, outputdir } => {
            return flatten::flatten(prog, layers, outputdir, view, out);
        }
        LayersCommand::AddLayer { .. }
        | LayersCommand::RemoveLayer { .. }
        | LayersCommand::CreateLayer(_)
        | LayersCommand::Lint
        | LayersCommand::LayerindexFetch(_)
        | LayersCommand::LayerindexShowDepends { .. } => return unsupported(prog, out),
    }
    0
}

/// Runs a command that changes the layers. Gives the exit code.
pub fn change(
    prog: &str,
    options: &LayersOptions,
    build: &mut BuildDirectory<'_>,
    out: &mut dyn Output,
) -> u8 {
    match &options.command {
        LayersCommand::AddLayer { directories } => add_layer(directories, options.force, build, out),
        LayersCommand::RemoveLayer { directories } => remove_layer(directories, options.force, build, out),
        LayersCommand::CreateLayer(layer) => create_layer(layer, options.force, build, out),
        _ => unsupported(prog, out),
    }
}

fn unsupported(prog: &str, out: &mut dyn Output) -> u8 {
    out.message(
        Severity::Error,
        &format!("{prog} cannot ask a layer index; fetch the layer and use add-layer"),
    );
    1
}
