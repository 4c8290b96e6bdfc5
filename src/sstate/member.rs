//! Which members of an archive may be unpacked: what comes from a cache or mirror could come from anybody.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use super::Unsafe;

/// What a name stands for by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File,
    Link,
}

/// The members so far.
#[derive(Debug, Default)]
pub(super) struct Members(BTreeMap<PathBuf, Kind>);

impl Members {
    /// Takes a member in; gives its path below the folder, empty for the folder itself.
    pub fn add(&mut self, name: &Path, kind: Kind) -> Result<PathBuf, Unsafe> {
        let path = inside(name)?;
        for parent in path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
            match self.0.get(parent) {
                None => drop(self.0.insert(parent.to_path_buf(), Kind::Folder)),
                Some(Kind::Folder) => {}
                Some(Kind::File | Kind::Link) => return Err(Unsafe::BehindLink),
            }
        }
        match self.0.get(&path) {
            None => drop(self.0.insert(path.clone(), kind)),
            Some(Kind::Folder) if kind == Kind::Folder => {}
            Some(_) => return Err(Unsafe::Twice),
        }
        Ok(path)
    }

    /// What a hard link stands for: a file that was unpacked before.
    pub fn hard_link(&self, target: &Path) -> Result<PathBuf, Unsafe> {
        let target = inside(target)?;
        match self.0.get(&target) {
            Some(Kind::File) => Ok(target),
            _ => Err(Unsafe::LinkToNothing),
        }
    }
}

/// Whether a symbolic link at `path` may point to `target`.
///
/// An absolute target means a place in the system that the files are for, as in any image; here it is never followed. A relative one
/// has to stay inside.
pub(super) fn check_link(path: &Path, target: &Path) -> Result<(), Unsafe> {
    if target.is_absolute() {
        return Ok(());
    }
    let mut depth = path.components().count().saturating_sub(1);
    for component in target.components() {
        match component {
            Component::ParentDir => depth = depth.checked_sub(1).ok_or(Unsafe::LinkOutside)?,
            Component::Normal(_) => depth += 1,
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Ok(())
}

fn inside(name: &Path) -> Result<PathBuf, Unsafe> {
    let mut path = PathBuf::new();
    for component in name.components() {
        match component {
            Component::Normal(part) if part != OsStr::new("..") => path.push(part),
            Component::CurDir => {}
            _ => return Err(Unsafe::Outside),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        let mut members = Members::default();
        for name in ["/etc/passwd", "../x", "a/../../x", "a/.."] {
            assert_eq!(members.add(Path::new(name), Kind::File), Err(Unsafe::Outside), "{name}");
        }
        assert_eq!(members.add(Path::new("./a//b/"), Kind::Folder), Ok("a/b".into()));
    }

    #[test]
    fn nothing_is_written_through_a_link_or_over_a_file() {
        let mut members = Members::default();
        members.add(Path::new("link"), Kind::Link).unwrap();
        assert_eq!(members.add(Path::new("link/x"), Kind::File), Err(Unsafe::BehindLink));
        assert_eq!(members.add(Path::new("link"), Kind::File), Err(Unsafe::Twice));
        members.add(Path::new("d/f"), Kind::File).unwrap();
        assert_eq!(members.add(Path::new("d"), Kind::Link), Err(Unsafe::Twice));
        assert_eq!(members.hard_link(Path::new("link")), Err(Unsafe::LinkToNothing));
        assert_eq!(members.hard_link(Path::new("../x")), Err(Unsafe::Outside));
        assert_eq!(members.hard_link(Path::new("d/f")), Ok("d/f".into()));
    }

    #[test]
    fn relative_links_stay_inside() {
        for (path, target, good) in [
            ("usr/lib/a.so", "a.so.1", true),
            ("usr/lib/a.so", "../../lib/a.so.1", true),
            ("usr/lib/a.so", "../../../x", false),
            ("a", "..", false),
            ("a", "b/../..", false),
            ("var/run", "/run", true),
        ] {
            assert_eq!(check_link(Path::new(path), Path::new(target)).is_ok(), good, "{path} -> {target}");
        }
    }
}
