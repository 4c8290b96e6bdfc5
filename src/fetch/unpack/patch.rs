//! Patches of Debian source packages, applied by `patch` without fuzz, after a look at the names in them.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

/// Applies a patch in `directory`. `backup` is where copies of the old files go, as quilt has them: a prefix below
/// the directory.
pub(super) fn apply(
    directory: &Path,
    patch: &[u8],
    backup: Option<&str>,
    search: &str,
) -> Result<(), String> {
    let files = files(patch)?;
    for file in &files {
        check_place(directory, file)?;
        if let Some(parent) = directory.join(file).parent() {
            std::fs::create_dir_all(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
        }
    }
    let mut command = Command::new("patch");
    command.args(["-t", "-F", "0", "-N", "-p1", "-u", "-V", "never", "-s", "--reject-file=-"]);
    match backup {
        Some(prefix) => command.args(["-E", "-b", "-B", prefix]),
        None => command.arg("--no-backup-if-mismatch"),
    };
    let mut child = command
        .current_dir(directory)
        .env("PATH", search)
        .env("LC_ALL", "C")
        .env("PATCH_GET", "0")
        .env_remove("POSIXLY_CORRECT")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("patch could not be run: {error}"))?;
    let mut input = child.stdin.take();
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| input.take().map_or(Ok(()), |mut input| input.write_all(patch)));
        let output = child.wait_with_output();
        let _ = writer.join();
        output
    });
    let output = written.map_err(|error| format!("patch could not be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(format!("patch does not apply:\n{}", String::from_utf8_lossy(&text).trim_end()))
}

/// The files a patch changes, without the first part of their names.
fn files(patch: &[u8]) -> Result<BTreeSet<PathBuf>, String> {
    let mut files = BTreeSet::new();
    let (mut old, mut new) = (0_u64, 0_u64);
    for line in patch.split(|&byte| byte == b'\n') {
        if old > 0 || new > 0 {
            match line.first() {
                Some(b'-') => old = old.saturating_sub(1),
                Some(b'+') => new = new.saturating_sub(1),
                Some(b'\\') => {}
                _ => (old, new) = (old.saturating_sub(1), new.saturating_sub(1)),
            }
            continue;
        }
        if let Some(range) = line.strip_prefix(b"@@ -") {
            (old, new) = hunk(range).ok_or("a hunk's head can't be read")?;
        } else if let Some(name) = line.strip_prefix(b"--- ").or_else(|| line.strip_prefix(b"+++ ")) {
            let name = String::from_utf8_lossy(name);
            let name = name.split('\t').next().unwrap_or_default().trim_end();
            let name = name.split(" 20").next().unwrap_or(name).trim();
            if name.is_empty() || name == "/dev/null" {
                continue;
            }
            let Some((_, inside)) = name.split_once('/') else { continue };
            let inside = PathBuf::from(inside.trim_start_matches('/'));
            if !inside.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
                return Err(format!("a patch changes '{name}', which is outside"));
            }
            files.insert(inside);
        }
    }
    Ok(files)
}

/// Line counts of `1,2 +3,4 @@`.
fn hunk(range: &[u8]) -> Option<(u64, u64)> {
    let text = std::str::from_utf8(range.get(..range.len().min(80))?).ok().or_else(|| {
        let end = range.iter().position(|&byte| byte == b'@')?;
        std::str::from_utf8(range.get(..end)?).ok()
    })?;
    let mut words = text.split_ascii_whitespace();
    let count = |word: &str| match word.split_once(',') {
        Some((_, count)) => count.parse().ok(),
        None => word.parse::<u64>().ok().map(|_| 1),
    };
    Some((count(words.next()?)?, count(words.next()?.strip_prefix('+')?)?))
}

/// No part of the way to a file may be a symbolic link.
fn check_place(directory: &Path, file: &Path) -> Result<(), String> {
    let mut at = directory.to_path_buf();
    for part in file.components() {
        at.push(part);
        if at.symlink_metadata().is_ok_and(|data| data.file_type().is_symlink()) {
            return Err(format!("a patch changes '{}' through a symbolic link", file.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_patches() {
        let patch = b"--- a/x/y.c\t2024-01-01\n+++ b/x/y.c\n@@ -1,2 +1,2 @@ f\n--- a/../evil\n-b\n+++ c/../evil\n c\n--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+x\n";
        let found = files(patch).unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [PathBuf::from("new"), PathBuf::from("x/y.c")]);
        for bad in ["--- a/../../x\n", "+++ b/x/../../y\n"] {
            assert!(files(bad.as_bytes()).is_err());
        }
    }

    #[test]
    fn no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/tmp", dir.path().join("out")).unwrap();
        let patch = b"--- /dev/null\n+++ b/out/evil\n@@ -0,0 +1 @@\n+x\n";
        let error = apply(dir.path(), patch, None, "/usr/bin:/bin").unwrap_err();
        assert_eq!(error, "a patch changes 'out/evil' through a symbolic link");
    }
}
