//! Lock files between processes, in the way BitBake's own are: whoever holds one removes it before letting go.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Opens `path`, making it if need be, and waits until no other process holds it. What is returned is surely the
/// file that has this name now, not one that was removed or renamed while waiting.
///
/// # Errors
/// Whatever opening and locking give.
pub(super) fn open_locked(path: &Path) -> io::Result<Flock<File>> {
    loop {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut waiting = file;
        let locked = loop {
            match Flock::lock(waiting, FlockArg::LockExclusive) {
                Ok(locked) => break locked,
                Err((file, Errno::EINTR)) => waiting = file,
                Err((_, errno)) => return Err(errno.into()),
            }
        };
        match std::fs::metadata(path) {
            Ok(named) => {
                let own = locked.metadata()?;
                if (named.dev(), named.ino()) == (own.dev(), own.ino()) {
                    return Ok(locked);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

/// A held lock file; it is removed and released when this is dropped.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    _lock: Flock<File>,
}

impl LockFile {
    /// Waits for the lock; its directory is made if need be.
    ///
    /// # Errors
    /// Whatever making, opening and locking give.
    pub fn acquire(path: &Path) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        Ok(LockFile { path: path.to_path_buf(), _lock: open_locked(path)? })
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Removed while still held: a process that waits sees that its file lost the name, and opens anew.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let (path, holders) = (dir.path().join("sub/x.lock"), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let _lock = LockFile::acquire(&path).unwrap();
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        holders.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(!path.exists());
    }
}
