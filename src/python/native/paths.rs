//! `os.path`, as `posixpath` computes it.

use std::path::Path;

/// `os.path.join(first, *rest)`.
pub(super) fn join(first: &str, rest: &[&str]) -> String {
    let mut path = first.to_owned();
    for part in rest {
        if part.starts_with('/') {
            path.clear();
        } else if !path.is_empty() && !path.ends_with('/') {
            path.push('/');
        }
        path.push_str(part);
    }
    path
}

/// `os.path.split(path)`.
pub(super) fn split(path: &str) -> (&str, &str) {
    let at = path.rfind('/').map_or(0, |at| at + 1);
    let (head, tail) = path.split_at(at);
    let trimmed = head.trim_end_matches('/');
    (if trimmed.is_empty() { head } else { trimmed }, tail)
}

/// `os.path.splitext(path)`.
pub(super) fn splitext(path: &str) -> (&str, &str) {
    let name = path.rfind('/').map_or(0, |at| at + 1);
    match path.rfind('.') {
        // Leading dots are part of the name.
        Some(dot) if dot > name && path[name..dot].bytes().any(|b| b != b'.') => path.split_at(dot),
        _ => (path, ""),
    }
}

/// `os.path.normpath(path)`.
pub(super) fn normpath(path: &str) -> String {
    // POSIX lets exactly two slashes in front mean something else.
    let slashes = if path.starts_with("//") && !path.starts_with("///") {
        2
    } else {
        usize::from(path.starts_with('/'))
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if parts.is_empty() && slashes > 0 => {}
            part => parts.push(part),
        }
    }
    let mut normal = "/".repeat(slashes);
    normal.push_str(&parts.join("/"));
    if normal.is_empty() { ".".to_owned() } else { normal }
}

/// `os.path.abspath(path)`. None if the current directory is gone or not text.
pub(super) fn abspath(path: &str) -> Option<String> {
    if path.starts_with('/') {
        return Some(normpath(path));
    }
    let here = std::env::current_dir().ok()?.into_os_string().into_string().ok()?;
    Some(normpath(&join(&here, &[path])))
}

/// `os.path.relpath(path, start)`. None if CPython raises, or the current directory is gone.
pub(super) fn relpath(path: &str, start: &str) -> Option<String> {
    if path.is_empty() {
        return None;
    }
    let (path, start) = (abspath(path)?, abspath(if start.is_empty() { "." } else { start })?);
    let list =
        |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (path, start) = (list(&path), list(&start));
    let common = path.iter().zip(&start).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", start.len() - common);
    let parts: Vec<&str> = up.chain(path[common..].iter().map(String::as_str)).collect();
    Some(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

/// `os.path.realpath(path)`: symbolic links resolved as far as they can be. None in doubt: loops, unreadable links.
pub(super) fn realpath(path: &str) -> Option<String> {
    let path = if path.starts_with('/') { path.to_owned() } else { join(&abspath(".")?, &[path]) };
    let mut pending: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    let mut real = String::new();
    let mut links = 0;
    while let Some(part) = pending.pop() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                real.truncate(real.rfind('/').unwrap_or(0));
                continue;
            }
            _ => {}
        }
        let candidate = format!("{real}/{part}");
        let is_link = Path::new(&candidate).symlink_metadata().is_ok_and(|meta| meta.is_symlink());
        if !is_link {
            real = candidate;
            continue;
        }
        links += 1;
        if links > 40 {
            return None;
        }
        let target = std::fs::read_link(&candidate).ok()?.into_os_string().into_string().ok()?;
        if target.starts_with('/') {
            real.clear();
        }
        pending.extend(target.split('/').rev().map(str::to_owned));
    }
    Some(if real.is_empty() { "/".to_owned() } else { real })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Right-hand sides are CPython's.
    #[test]
    fn agrees_with_posixpath() {
        assert_eq!(join("a", &["b", "/c", "d/", "e", ""]), "/c/d/e/");
        assert_eq!(join("", &["a"]), "a");
        for (path, parts) in [
            ("/a/b", ("/a", "b")),
            ("a", ("", "a")),
            ("/", ("/", "")),
            ("//a", ("//", "a")),
            ("a//b/", ("a//b", "")),
            ("", ("", "")),
        ] {
            assert_eq!(split(path), parts, "{path}");
        }
        for (path, parts) in [
            ("a.b.c", ("a.b", ".c")),
            (".bashrc", (".bashrc", "")),
            ("...a", ("...a", "")),
            ("a/..b", ("a/..b", "")),
            ("a.b/c", ("a.b/c", "")),
            ("x..", ("x.", ".")),
        ] {
            assert_eq!(splitext(path), parts, "{path}");
        }
        for (path, normal) in [
            ("", "."),
            ("//a", "//a"),
            ("///a", "/a"),
            ("a/../..", ".."),
            ("/../a", "/a"),
            ("a/./b/", "a/b"),
            ("../../x/..", "../.."),
        ] {
            assert_eq!(normpath(path), normal, "{path}");
        }
        for (path, start, relative) in [
            ("/a/b", "/a/c/d", Some("../../b")),
            ("/a", "/a", Some(".")),
            ("/", "/a/b", Some("../..")),
            ("//a", "/a", Some(".")),
            ("", "/a", None),
        ] {
            assert_eq!(relpath(path, start).as_deref(), relative, "{path} {start}");
        }
    }

    #[test]
    fn follows_links() {
        let dir = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(dir.path()).unwrap().into_os_string().into_string().unwrap();
        std::fs::create_dir(format!("{root}/real")).unwrap();
        std::os::unix::fs::symlink("real", format!("{root}/link")).unwrap();
        std::os::unix::fs::symlink("loop", format!("{root}/loop")).unwrap();
        assert_eq!(realpath(&format!("{root}/link/../x")), Some(format!("{root}/x")));
        assert_eq!(realpath(&format!("{root}/link/gone/y")), Some(format!("{root}/real/gone/y")));
        assert_eq!(realpath(&format!("{root}/loop")), None);
        assert_eq!(realpath("/"), Some("/".to_owned()));
    }
}
