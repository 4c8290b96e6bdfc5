//! The command line of `rbake-layers` or `bitbake-layers` and of its subcommands.

use super::Exit;
use super::parser::Parsed;
use super::spec::{Arity, Opt, Positional, Spec, Takes};

/// What to do with the layers, and how to talk about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayersOptions {
    /// `-d`: show debugging output.
    pub debug: bool,
    /// `-q`: show errors only.
    pub quiet: bool,
    /// `-F`: 1 does not check the layers by parsing them, 2 does not even parse the layers there are.
    pub force: usize,
    /// `--color`.
    pub color: Color,
    /// The subcommand.
    pub command: LayersCommand,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// A subcommand with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayersCommand {
    /// Fetch layers that the layer index knows, and what they need.
    LayerindexFetch(LayerindexFetch),
    /// Show what layers need, by the layer index.
    LayerindexShowDepends { branch: Option<String>, layers: Vec<String> },
    /// Add layers to bblayers.conf.
    AddLayer { directories: Vec<String> },
    /// Take layers out of bblayers.conf.
    RemoveLayer { directories: Vec<String> },
    /// Write one layer with the contents of several.
    Flatten { layers: Vec<String>, outputdir: String },
    /// List the layers.
    ShowLayers,
    /// List recipes and classes that others hide.
    ShowOverlayed { filenames: bool, same_version: bool, mc: String },
    /// List recipes with their layers.
    ShowRecipes(ShowRecipes),
    /// List bbappends with the recipes they apply to.
    ShowAppends { pnspec: Vec<String>, mc: String },
    /// List what of one layer needs something of another.
    ShowCrossDepends { filenames: bool, ignore: Option<String> },
    /// Write a new layer.
    CreateLayer(CreateLayer),
    /// List likely typos.
    Lint,
}

/// Options of `layerindex-fetch`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerindexFetch {
    /// `-n`: only show what would be fetched.
    pub show_only: bool,
    /// `-b`: branch of the index.
    pub branch: Option<String>,
    /// `-s`: clone without history.
    pub shallow: bool,
    /// `-i`: layers, separated by commas, that need no fetching.
    pub ignore: Option<String>,
    /// `-f`: where to put the layers.
    pub fetchdir: Option<String>,
    /// The layers.
    pub layers: Vec<String>,
}

/// Options of `show-recipes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShowRecipes {
    /// `-f`: list files.
    pub filenames: bool,
    /// `-r`: list names.
    pub recipes_only: bool,
    /// `-m`: only names that several recipes have.
    pub multiple: bool,
    /// `-i`: only recipes that inherit all these classes.
    pub inherits: Vec<String>,
    /// `-l`: only recipes of this layer.
    pub layer: Option<String>,
    /// `-b`: without the mark of skipped ones.
    pub bare: bool,
    /// `--show-variants`: variants too.
    pub show_variants: bool,
    /// `--mc`: in this multiconfig.
    pub mc: String,
    /// Only names that match one of these wildcards.
    pub pnspec: Vec<String>,
}

/// Options of `create-layer`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateLayer {
    /// The directory to write.
    pub directory: String,
    /// `-a`: add it to bblayers.conf.
    pub add_layer: bool,
    /// `-i`: the collection's name, if not that of the directory.
    pub layerid: Option<String>,
    /// `-p`: its priority.
    pub priority: String,
    /// `-e`: name of the example recipe.
    pub example_recipe: String,
    /// `-v`: version of the example recipe.
    pub example_version: String,
}

const SUBCOMMAND: &str = "<subcommand>";

/// Reads the words after the program's name.
///
/// The options of the tool itself may stand anywhere, so they are taken out first.
pub(super) fn parse(prog: &str, words: &[String], columns: usize) -> Result<LayersOptions, Exit> {
    let mut tool = Spec {
        prog: prog.to_string(),
        description: "Looks at the layers of a build and changes them. SUBCOMMAND --help tells more.",
        options: vec![
            Opt::flag(&["-d", "--debug"], "show debugging output"),
            Opt::flag(&["-q", "--quiet"], "show errors only"),
            Opt::flag(
                &["-F", "--force"],
                "-F adds a layer without checking that it parses, -FF does not parse the others either",
            ),
            Opt::new(
                &["--color"],
                Takes::Choice(&["auto", "always", "never"]),
                "COLOR",
                "when to use colours",
            ),
        ],
        positionals: Vec::new(),
        abbreviations: true,
        intermixed: false,
    };
    let mut global = tool.parse_known(words, columns)?;
    let color = match global.value("--color").as_deref() {
        Some("always") => Color::Always,
        Some("never") => Color::Never,
        _ => Color::Auto,
    };

    let mut subcommands: Vec<Subcommand> = SUBCOMMANDS.iter().map(|make| make()).collect();
    // BitBake has none, and under its name rbake says what BitBake says.
    if !prog.starts_with("bitbake") {
        subcommands.push(lint());
    }
    tool.options.push(Opt::help());
    let names = subcommands.iter().map(|subcommand| subcommand.name).collect();
    let help = "what to do";
    tool.positionals.push(Positional::new(SUBCOMMAND, Arity::Subcommand(names), help));
    let mut outer = tool.parse_known(&std::mem::take(&mut global.unknown), columns)?;
    let mut words = outer.positional(SUBCOMMAND).into_iter();
    let name = words.next().unwrap_or_default();
    let words: Vec<String> = words.collect();
    let Some(subcommand) = subcommands.into_iter().find(|subcommand| subcommand.name == name) else {
        return Err(tool.error(&format!("the following arguments are required: {SUBCOMMAND}"), columns));
    };
    let mut options = subcommand.options;
    options.insert(0, Opt::help());
    let spec = Spec {
        prog: format!("{prog} {name}"),
        description: subcommand.description,
        options,
        positionals: subcommand.positionals,
        abbreviations: true,
        intermixed: false,
    };
    let mut inner = spec.parse_known(&words, columns)?;
    outer.unknown.append(&mut inner.unknown);
    tool.reject_unknown(&outer, columns)?;
    Ok(LayersOptions {
        debug: global.has("-d") || outer.has("-d"),
        quiet: global.has("-q") || outer.has("-q"),
        force: global.count("-F") + outer.count("-F"),
        color,
        command: (subcommand.collect)(&mut inner),
    })
}

/// One subcommand: what it takes, and how to read it.
struct Subcommand {
    name: &'static str,
    description: &'static str,
    options: Vec<Opt>,
    positionals: Vec<Positional>,
    collect: fn(&mut Parsed) -> LayersCommand,
}

/// In the order in which messages list them.
const SUBCOMMANDS: [fn() -> Subcommand; 11] = [
    layerindex_fetch,
    layerindex_show_depends,
    add_layer,
    remove_layer,
    flatten,
    show_layers,
    show_overlayed,
    show_recipes,
    show_appends,
    show_cross_depends,
    create_layer,
];

const MC: &[&str] = &["--mc"];
const MC_HELP: &str = "look at this multiconfig";
const PNSPEC_HELP: &str = "names of recipes, with wildcards in quotes";

fn layerindex_fetch() -> Subcommand {
    Subcommand {
        name: "layerindex-fetch",
        description: "Fetches layers that the layer index knows, with the layers they need, and adds them.",
        options: vec![
            Opt::flag(&["-n", "--show-only"], "only show what would be fetched"),
            Opt::value(&["-b", "--branch"], "BRANCH", "branch to look for"),
            Opt::flag(&["-s", "--shallow"], "clone without history"),
            Opt::value(&["-i", "--ignore"], "LAYER", "layers, separated by commas, not to fetch"),
            Opt::value(&["-f", "--fetchdir"], "FETCHDIR", "directory for the layers"),
        ],
        positionals: vec![Positional::new("layername", Arity::Some, "layer to fetch")],
        collect: |parsed| {
            LayersCommand::LayerindexFetch(LayerindexFetch {
                show_only: parsed.has("-n"),
                branch: parsed.value("-b"),
                shallow: parsed.has("-s"),
                ignore: parsed.value("-i"),
                fetchdir: parsed.value("-f"),
                layers: parsed.positional("layername"),
            })
        },
    }
}

fn layerindex_show_depends() -> Subcommand {
    Subcommand {
        name: "layerindex-show-depends",
        description: "Shows which layers a layer needs, by the layer index.",
        options: vec![Opt::value(&["-b", "--branch"], "BRANCH", "branch to look for")],
        positionals: vec![Positional::new("layername", Arity::Some, "layer to look up")],
        collect: |parsed| LayersCommand::LayerindexShowDepends {
            branch: parsed.value("-b"),
            layers: parsed.positional("layername"),
        },
    }
}

fn add_layer() -> Subcommand {
    Subcommand {
        name: "add-layer",
        description: "Adds layers to bblayers.conf.",
        options: Vec::new(),
        positionals: vec![Positional::new("layerdir", Arity::Some, "directory of a layer")],
        collect: |parsed| LayersCommand::AddLayer { directories: parsed.positional("layerdir") },
    }
}

fn remove_layer() -> Subcommand {
    Subcommand {
        name: "remove-layer",
        description: "Takes layers out of bblayers.conf.",
        options: Vec::new(),
        positionals: vec![Positional::new(
            "layerdir",
            Arity::Some,
            "directory of a layer, or the last part of it; wildcards in quotes",
        )],
        collect: |parsed| LayersCommand::RemoveLayer { directories: parsed.positional("layerdir") },
    }
}

fn flatten() -> Subcommand {
    Subcommand {
        name: "flatten",
        description: "Writes one layer with the contents of several: hidden recipes left out, bbappends written into the \
                      recipes they apply to.\n\
                      Look over the result: files that several layers have are overwritten (which is told), layer.conf comes \
                      from the first layer only, and what bbappends append or override should be written plainly.",
        options: Vec::new(),
        positionals: vec![
            Positional::new("layer", Arity::Any, "layers to take, all of them without"),
            Positional::new("outputdir", Arity::One, "directory to write, empty or not there yet"),
        ],
        collect: |parsed| LayersCommand::Flatten {
            layers: parsed.positional("layer"),
            outputdir: parsed.positional("outputdir").pop().unwrap_or_default(),
        },
    }
}

fn show_layers() -> Subcommand {
    Subcommand {
        name: "show-layers",
        description: "Lists the layers with their priorities.",
        options: Vec::new(),
        positionals: Vec::new(),
        collect: |_| LayersCommand::ShowLayers,
    }
}

fn show_overlayed() -> Subcommand {
    Subcommand {
        name: "show-overlayed",
        description: "Lists recipes and classes that several layers have, the one in use first.",
        options: vec![
            Opt::flag(&["-f", "--filenames"], "list files, the hidden ones indented"),
            Opt::flag(&["-s", "--same-version"], "only where all versions are the same"),
            Opt::value(MC, "MC", MC_HELP),
        ],
        positionals: Vec::new(),
        collect: |parsed| LayersCommand::ShowOverlayed {
            filenames: parsed.has("-f"),
            same_version: parsed.has("-s"),
            mc: parsed.value("--mc").unwrap_or_default(),
        },
    }
}

fn show_recipes() -> Subcommand {
    Subcommand {
        name: "show-recipes",
        description: "Lists recipes with their layers and versions, the one in use first.",
        options: vec![
            Opt::flag(&["-f", "--filenames"], "list files, the ones not in use indented"),
            Opt::flag(&["-r", "--recipes-only"], "list names only"),
            Opt::flag(&["-m", "--multiple"], "only names that several recipes have"),
            Opt::value(
                &["-i", "--inherits"],
                "CLASS",
                "only recipes that inherit these classes, separated by commas",
            ),
            Opt::value(&["-l", "--layer"], "LAYER", "only recipes of this layer"),
            Opt::flag(&["-b", "--bare"], "do not mark skipped recipes"),
            Opt::flag(&["--show-variants"], "list variants such as native as well"),
            Opt::value(MC, "MC", MC_HELP),
        ],
        positionals: vec![Positional::new("pnspec", Arity::Any, PNSPEC_HELP)],
        collect: |parsed| {
            let inherits = parsed.value("-i").filter(|classes| !classes.is_empty());
            LayersCommand::ShowRecipes(ShowRecipes {
                filenames: parsed.has("-f"),
                recipes_only: parsed.has("-r"),
                multiple: parsed.has("-m"),
                inherits: inherits.iter().flat_map(|classes| classes.split(',')).map(String::from).collect(),
                layer: parsed.value("-l").filter(|layer| !layer.is_empty()),
                bare: parsed.has("-b"),
                show_variants: parsed.has("--show-variants"),
                mc: parsed.value("--mc").unwrap_or_default(),
                pnspec: parsed.positional("pnspec"),
            })
        },
    }
}

fn lint() -> Subcommand {
    Subcommand {
        name: "lint",
        description: "Lists likely typos that are no errors: overrides that nothing sets, flags that nothing reads, tasks that no \
                      recipe has.",
        options: Vec::new(),
        positionals: Vec::new(),
        collect: |_| LayersCommand::Lint,
    }
}

fn show_appends() -> Subcommand {
    Subcommand {
        name: "show-appends",
        description: "Lists recipes with the bbappends that apply to them.",
        options: vec![Opt::value(MC, "MC", MC_HELP)],
        positionals: vec![Positional::new("pnspec", Arity::Any, PNSPEC_HELP)],
        collect: |parsed| LayersCommand::ShowAppends {
            pnspec: parsed.positional("pnspec"),
            mc: parsed.value("--mc").unwrap_or_default(),
        },
    }
}

fn show_cross_depends() -> Subcommand {
    Subcommand {
        name: "show-cross-depends",
        description: "Lists what of one layer needs a recipe, class or file of another.",
        options: vec![
            Opt::flag(&["-f", "--filenames"], "show whole paths"),
            Opt::value(&["-i", "--ignore"], "LAYERNAME", "layers, separated by commas, not to look for"),
        ],
        positionals: Vec::new(),
        collect: |parsed| LayersCommand::ShowCrossDepends {
            filenames: parsed.has("-f"),
            ignore: parsed.value("-i"),
        },
    }
}

fn create_layer() -> Subcommand {
    Subcommand {
        name: "create-layer",
        description: "Writes a new layer with an example recipe.",
        options: vec![
            Opt::flag(&["--add-layer", "-a"], "add the layer to bblayers.conf"),
            Opt::value(
                &["--layerid", "-i"],
                "LAYERID",
                "name of the collection, if not that of the directory",
            ),
            Opt::value(&["--priority", "-p"], "PRIORITY", "priority of its recipes (default: 6)"),
            Opt::value(&["--example-recipe-name", "-e"], "EXAMPLERECIPE", "name of the example recipe"),
            Opt::value(&["--example-recipe-version", "-v"], "VERSION", "version of the example recipe"),
        ],
        positionals: vec![Positional::new("layerdir", Arity::One, "directory to write")],
        collect: |parsed| {
            let mut or = |name, default: &str| parsed.value(name).unwrap_or_else(|| default.to_string());
            let priority = or("--priority", "6");
            let example_recipe = or("--example-recipe-name", "example");
            let example_version = or("--example-recipe-version", "0.1");
            LayersCommand::CreateLayer(CreateLayer {
                directory: parsed.positional("layerdir").pop().unwrap_or_default(),
                add_layer: parsed.has("--add-layer"),
                layerid: parsed.value("--layerid"),
                priority,
                example_recipe,
                example_version,
            })
        },
    }
}
