//! `create-layer`: a new layer with a licence, a layer.conf and an example recipe.

use std::io;
use std::path::Path;

use super::paths::{abspath, layer_name};
use super::{BuildDirectory, Output, add_layer};
use crate::cli::args::layers::CreateLayer;
use crate::lang::diagnostic::Severity;
use crate::lang::repr;

const LICENSE: &str = "\
Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the \"Software\"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in
all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN
THE SOFTWARE.
";

const EXAMPLE: &str = "\
SUMMARY = \"An example to start from\"
LICENSE = \"MIT\"

python do_greet() {
    bb.plain(\"Hello from \" + d.getVar(\"PN\"))
}

addtask greet before do_build
";

/// Writes the layer and adds it to bblayers.conf if that is wanted. Gives the exit code.
pub fn create_layer(
    layer: &CreateLayer,
    force: usize,
    build: &mut BuildDirectory<'_>,
    out: &mut dyn Output,
) -> u8 {
    let directory = abspath(build.cwd, &layer.directory);
    if Path::new(&directory).exists() {
        out.complain("Specified layer directory exists");
        return 1;
    }
    if let Err(error) = write(layer, &directory, build.core_names) {
        out.message(Severity::Error, &format!("{directory}: {error}"));
        return 1;
    }
    if !layer.add_layer {
        out.plain(&format!("Add your new layer with 'bitbake-layers add-layer {}'", layer.directory));
        return 0;
    }
    let code = add_layer(std::slice::from_ref(&directory), force, build, out);
    if code == 0 {
        out.plain(&format!("Layer added {}", repr::list([&directory])));
    }
    code
}

fn write(layer: &CreateLayer, directory: &str, core_names: &str) -> io::Result<()> {
    let name = layer_name(directory);
    let id = layer.layerid.as_deref().unwrap_or(name);
    let directory = Path::new(directory);
    let recipe = &layer.example_recipe;
    let recipe_directory = directory.join(format!("recipes-{recipe}")).join(recipe);
    std::fs::create_dir_all(directory.join("conf"))?;
    std::fs::create_dir_all(&recipe_directory)?;
    std::fs::write(directory.join("README"), readme(name))?;
    std::fs::write(directory.join("COPYING.MIT"), LICENSE)?;
    std::fs::write(directory.join("conf/layer.conf"), layer_conf(id, &layer.priority, core_names))?;
    std::fs::write(recipe_directory.join(format!("{recipe}_{}.bb", layer.example_version)), EXAMPLE)
}

fn layer_conf(id: &str, priority: &str, core_names: &str) -> String {
    format!(
        "\
# Classes and configuration of this layer are found along BBPATH.
BBPATH .= \":${{LAYERDIR}}\"

# Its recipes and bbappends.
BBFILES += \"${{LAYERDIR}}/recipes-*/*/*.bb \\
            ${{LAYERDIR}}/recipes-*/*/*.bbappend\"

BBFILE_COLLECTIONS += \"{id}\"
BBFILE_PATTERN_{id} = \"^${{LAYERDIR}}/\"
BBFILE_PRIORITY_{id} = \"{priority}\"

LAYERDEPENDS_{id} = \"core\"
LAYERSERIES_COMPAT_{id} = \"{core_names}\"
"
    )
}

fn readme(name: &str) -> String {
    format!(
        "\
{name}
{}

Say here what this layer is for, who looks after it and where patches go.

Depends on
----------

  URI:
  branch:

Use
---

In the build directory: bitbake-layers add-layer PATH/TO/{name}
",
        "=".repeat(name.chars().count())
    )
}
