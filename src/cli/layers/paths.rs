//! Paths as texts, the way Python's `os.path` and BitBake treat them.

use std::path::Path;

/// `path` made absolute from `cwd`, with `.` and `..` taken out without looking at the disk.
pub(super) fn abspath(cwd: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_string() } else { format!("{cwd}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// What follows the last slash.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The last part of a layer's directory, which is what users call the layer.
pub(super) fn layer_name(directory: &str) -> &str {
    base_name(directory.trim_end_matches('/'))
}

/// The file name without its extension.
pub(super) fn stem(path: &str) -> &str {
    let name = base_name(path);
    match name.rfind('.') {
        Some(dot) if !name[..dot].trim_start_matches('.').is_empty() => &name[..dot],
        _ => name,
    }
}

/// Whether the path has this extension.
pub(super) fn has_extension(path: &str, extension: &str) -> bool {
    let name = base_name(path);
    name.strip_suffix(extension).and_then(|stem| stem.strip_suffix('.')).is_some_and(|stem| !stem.is_empty())
}

/// The first file called `item` along a search path.
pub(super) fn which(search_path: &str, item: &str) -> Option<String> {
    search_path
        .split(':')
        .map(|directory| match (item.starts_with('/'), directory) {
            (true, _) | (_, "") => item.to_string(),
            (_, directory) => format!("{}/{item}", directory.trim_end_matches('/')),
        })
        .find(|path| Path::new(path).exists())
}

/// All files below a directory, sorted within each; directories called as in `ignored` are left out.
pub(super) fn files_below(directory: &str, ignored: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_string()];
    while let Some(directory) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        let mut directories = Vec::new();
        let mut files = Vec::new();
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = format!("{directory}/{name}");
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                if !ignored.contains(&name.as_str()) {
                    directories.push(path);
                }
            } else if kind.is_file() || std::fs::metadata(&path).is_ok_and(|m| m.is_file()) {
                files.push(path);
            }
        }
        files.sort_unstable();
        found.append(&mut files);
        directories.sort_unstable_by(|a, b| b.cmp(a));
        open.append(&mut directories);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_paths() {
        assert_eq!(abspath("/b", "../l/./x/"), "/l/x");
        assert_eq!(abspath("/b", "/a//b/.."), "/a");
        assert_eq!(abspath("/b", "../../.."), "/");
        assert_eq!(layer_name("/l/meta-x/"), "meta-x");
        assert_eq!(stem("/l/foo_1.0.bb"), "foo_1.0");
        assert_eq!(stem(".hidden"), ".hidden");
        assert!(has_extension("x.bbclass", "bbclass"));
        assert!(!has_extension(".bbclass", "bbclass"));
        assert!(!has_extension("xbbclass", "bbclass"));
    }
}
