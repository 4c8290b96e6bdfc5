//! `add-layer` and `remove-layer`.

use std::path::Path;

use super::bblayers_conf::edit_bblayers_conf;
use super::paths::abspath;
use super::{BuildDirectory, Output};
use crate::lang::diagnostic::Severity;

/// Adds layers to bblayers.conf, and takes them back if the configuration does not parse with them. Gives the exit code.
///
/// `force` adds without parsing.
pub fn add_layer(
    directories: &[String],
    force: usize,
    build: &mut BuildDirectory<'_>,
    out: &mut dyn Output,
) -> u8 {
    let directories: Vec<String> = directories.iter().map(|path| abspath(build.cwd, path)).collect();
    for directory in &directories {
        if !Path::new(directory).exists() {
            out.complain(&format!("Specified layer directory {directory} doesn't exist"));
            return 1;
        }
        if !Path::new(directory).join("conf/layer.conf").exists() {
            out.complain(&format!(
                "Specified layer directory {directory} doesn't contain a conf/layer.conf file"
            ));
            return 1;
        }
    }
    let Some(file) = build.bblayers_conf() else {
        out.complain("Unable to find bblayers.conf");
        return 1;
    };
    let Some((before, not_added)) = edit(&file, &directories, &[], build.home, out).map(|e| (e.0, e.1))
    else {
        return 1;
    };
    for directory in &not_added {
        out.complain(&format!("Specified layer {directory} is already in BBLAYERS"));
    }
    if force == 0 && not_added.is_empty() && !(build.parse)() {
        if let Err(error) = std::fs::write(&file, before) {
            out.message(Severity::Error, &format!("{}: {error}", file.display()));
        }
        out.message(Severity::Error, "Parse failure with the specified layer added, exiting.");
        return 1;
    }
    0
}

/// Takes layers out of bblayers.conf. Gives the exit code.
///
/// A name without a slash means any layer whose directory is called so. With `force` above 1 missing ones do not matter.
pub fn remove_layer(
    directories: &[String],
    force: usize,
    build: &mut BuildDirectory<'_>,
    out: &mut dyn Output,
) -> u8 {
    let Some(file) = build.bblayers_conf() else {
        out.complain("Unable to find bblayers.conf");
        return 1;
    };
    let wanted: Vec<String> = directories
        .iter()
        .map(|path| match path {
            path if path.starts_with('*') => path.clone(),
            path if !path.contains('/') => format!("*/{path}"),
            path => abspath(build.cwd, path),
        })
        .collect();
    let Some((_, _, not_removed)) = edit(&file, &[], &wanted, build.home, out) else { return 1 };
    if force > 1 {
        return 0;
    }
    for directory in &not_removed {
        out.complain(&format!("No layers matching {directory} found in BBLAYERS"));
    }
    u8::from(!not_removed.is_empty())
}

/// Edits the file; gives its text before, and the layers not added and not removed.
fn edit(
    file: &Path,
    add: &[String],
    remove: &[String],
    home: Option<&str>,
    out: &mut dyn Output,
) -> Option<(String, Vec<String>, Vec<String>)> {
    let name = file.display().to_string();
    let result =
        std::fs::read_to_string(file).map_err(|error| format!("{name}: {error}")).and_then(|before| {
            let edit =
                edit_bblayers_conf(&before, &name, add, remove, home).map_err(|error| error.to_string())?;
            if edit.text != before {
                std::fs::write(file, &edit.text).map_err(|error| format!("{name}: {error}"))?;
            }
            Ok((before, edit.not_added, edit.not_removed))
        });
    result.map_err(|message| out.message(Severity::Error, &message)).ok()
}
