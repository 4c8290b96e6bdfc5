//! Takes old objects out of a cache.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::SstateError;
use super::error::at;

/// What a cache may keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Objects not used for longer than this go.
    pub age: Option<Duration>,
    /// Of the rest, the longest unused go until no more bytes than this are left.
    pub bytes: Option<u64>,
}

/// What pruning did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The files that went.
    pub removed: Vec<PathBuf>,
    /// How many bytes they had.
    pub freed: u64,
    /// How many bytes are left.
    pub kept: u64,
}

struct Object {
    used: SystemTime,
    bytes: u64,
    files: Vec<PathBuf>,
}

/// Prunes a cache; with `pretend` only says what would go. Only files that bear the names of objects are looked at.
///
/// An object is its archive with what belongs to it (`.siginfo`, `.sig`, `.done`); it was used when any of these was last written,
/// which restoring renews.
///
/// # Errors
///
/// A folder cannot be read, or a file not be removed. Files that others remove meanwhile are no error.
pub fn prune(cache: &Path, limits: Limits, pretend: bool) -> Result<Pruned, SstateError> {
    let mut objects: BTreeMap<PathBuf, Object> = BTreeMap::new();
    collect(cache, 0, &mut objects)?;
    let mut objects: Vec<Object> = objects.into_values().collect();
    objects.sort_by_key(|object| object.used);
    let oldest = limits.age.and_then(|age| SystemTime::now().checked_sub(age));
    let mut result = Pruned { kept: objects.iter().map(|object| object.bytes).sum(), ..Pruned::default() };
    for object in objects {
        let too_old = oldest.is_some_and(|oldest| object.used < oldest);
        let too_much = limits.bytes.is_some_and(|bytes| result.kept > bytes);
        if !too_old && !too_much {
            break;
        }
        for file in object.files {
            if !pretend {
                match fs::remove_file(&file) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(at(&file)(error));
                    }
                    _ => {}
                }
            }
            result.removed.push(file);
        }
        result.freed += object.bytes;
        result.kept -= object.bytes;
    }
    Ok(result)
}

fn collect(folder: &Path, depth: usize, objects: &mut BTreeMap<PathBuf, Object>) -> Result<(), SstateError> {
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        let Ok(about) = fs::symlink_metadata(&path) else { continue };
        if about.is_dir() {
            // The system's name, then two folders of the hash.
            if depth < 3 {
                collect(&path, depth + 1, objects)?;
            }
            continue;
        }
        let Some((archive, _)) = path.to_str().and_then(|text| text.split_once(".tar.zst")) else { continue };
        let name = Path::new(archive).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !name.starts_with("sstate:") {
            continue;
        }
        let used = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let object =
            objects.entry(PathBuf::from(archive)).or_insert(Object { used, bytes: 0, files: Vec::new() });
        object.used = object.used.max(used);
        object.bytes += about.len();
        object.files.push(path);
    }
    Ok(())
}
