//! The pool: every download stored once, under the digest of its bytes.
//!
//! A file gets its name in the pool only when it is whole, checked and on the disk. Until then it is a partial file
//! that one process holds a lock on; if that process dies, the next one finds the bytes and goes on from there.
//! Hard links to pool files serve as the files in the download directory. They have the mode that a download usually has,
//! because recipes copy them and patch the copies; so whoever takes a file from the pool digests it again.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::Flock;

use super::error::FetchError;
use super::lock::open_locked;
use crate::verify::{Algorithm, Digest, Hasher};

/// A pool of downloads below one directory.
#[derive(Clone, Debug)]
pub struct Pool {
    root: PathBuf,
}

impl Pool {
    /// Opens the pool below `root`, making its directories if need be.
    ///
    /// # Errors
    /// Whatever making them gives.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, FetchError> {
        let root = root.into();
        for part in ["names", "partial", "sha256", "sha384", "sha512"] {
            let path = root.join(part);
            fs::create_dir_all(&path).map_err(FetchError::io(&path))?;
        }
        Ok(Pool { root })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join(digest.algorithm().name()).join(hex.get(..2).unwrap_or_default()).join(&hex)
    }

    /// The pool's file with this digest. Weak digests find nothing: two files may share one.
    pub fn find(&self, digest: &Digest) -> Option<PathBuf> {
        let path = self.path(digest);
        (digest.algorithm().is_strong() && path.is_file()).then_some(path)
    }

    fn name_path(&self, digest: &Digest, name: &str) -> PathBuf {
        let key = Digest::of(Algorithm::Sha256, format!("{digest} {name}").as_bytes());
        self.root.join("names").join(key.hex())
    }

    /// Whether the file with this digest was fetched under this name before.
    pub(super) fn is_known_as(&self, digest: &Digest, name: &str) -> bool {
        self.name_path(digest, name).exists()
    }

    /// Remembers that the file with these digests was fetched under this name.
    pub(super) fn know_as(&self, digests: &[Digest], name: &str) -> Result<(), FetchError> {
        for digest in digests.iter().filter(|digest| digest.algorithm().is_strong()) {
            let path = self.name_path(digest, name);
            File::create(&path).map_err(FetchError::io(&path))?;
        }
        Ok(())
    }

    /// Removes a file whose bytes are no longer those its name tells.
    pub(super) fn forget(&self, file: &Path) {
        let _ = fs::remove_file(file);
    }

    /// Takes the partial file for `key`, waiting for whoever has it. Ask [`Pool::find`] again after that.
    ///
    /// # Errors
    /// Whatever opening and locking give.
    pub fn partial(&self, key: &str) -> Result<Partial, FetchError> {
        let path = self.root.join("partial").join(Digest::of(Algorithm::Sha256, key.as_bytes()).hex());
        let file = open_locked(&path).map_err(FetchError::io(&path))?;
        let length = file.metadata().map_err(FetchError::io(&path))?.len();
        Ok(Partial { path, file, length })
    }

    /// Gives a finished partial file its place. `digests` are those of its bytes, SHA-256 among them; stronger
    /// others become further names of it.
    ///
    /// # Errors
    /// If SHA-256 is missing, and whatever the file system gives.
    pub fn store(&self, partial: Partial, digests: &[Digest]) -> Result<PathBuf, FetchError> {
        let main = digests
            .iter()
            .find(|digest| digest.algorithm() == Algorithm::Sha256)
            .ok_or_else(|| FetchError::plain("a download has to be digested by SHA-256"))?;
        let path = self.path(main);
        let moved = || -> io::Result<()> {
            partial.file.set_permissions(fs::Permissions::from_mode(0o644))?;
            partial.file.sync_all()?;
            let directory = path.parent().unwrap_or(&self.root);
            fs::create_dir_all(directory)?;
            fs::rename(&partial.path, &path)?;
            File::open(directory)?.sync_all()
        };
        moved().map_err(FetchError::io(&path))?;
        let _ = fs::remove_file(partial.note_path());
        for digest in digests.iter().filter(|digest| digest.algorithm().is_strong() && *digest != main) {
            let alias = self.path(digest);
            let _ = alias.parent().map(fs::create_dir_all);
            let _ = fs::hard_link(&path, &alias);
        }
        Ok(path)
    }

    /// Makes `target` the pool's file: a hard link, or a copy where the file system is another. An existing file
    /// is replaced at once; nobody sees half a file.
    ///
    /// # Errors
    /// Whatever the file system gives.
    pub fn place(&self, file: &Path, target: &Path) -> Result<(), FetchError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let same = |path: &Path| fs::metadata(path).map(|data| (data.dev(), data.ino())).ok();
        if same(file).is_some() && same(file) == same(target) {
            return Ok(());
        }
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(FetchError::io(parent))?;
        }
        let mut name = target.as_os_str().to_owned();
        name.push(format!(".{}.{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
        let temporary = PathBuf::from(name);
        let placed = || -> io::Result<()> {
            if fs::hard_link(file, &temporary).is_err() {
                fs::copy(file, &temporary)?;
                File::open(&temporary)?.sync_all()?;
            }
            fs::rename(&temporary, target)?;
            // Two hard links to one file are not renamed over each other but both stay.
            let _ = fs::remove_file(&temporary);
            Ok(())
        };
        placed().inspect_err(|_| drop(fs::remove_file(&temporary))).map_err(FetchError::io(target))
    }
}

/// A download under way; its lock is held as long as this lives.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    file: Flock<File>,
    length: u64,
}

impl Partial {
    /// Bytes already there.
    pub fn length(&self) -> u64 {
        self.length
    }

    fn note_path(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".note");
        PathBuf::from(name)
    }

    /// The note kept with the bytes: what version of the file they belong to.
    pub fn note(&self) -> Option<String> {
        fs::read_to_string(self.note_path()).ok()
    }

    /// Throws away what is there and notes what comes next.
    ///
    /// # Errors
    /// Whatever the file system gives.
    pub fn restart(&mut self, note: Option<&str>) -> Result<(), FetchError> {
        let restarted = || -> io::Result<()> {
            let _ = fs::remove_file(self.note_path());
            self.file.set_len(0)?;
            (&*self.file).seek(SeekFrom::Start(0))?;
            note.map_or(Ok(()), |note| fs::write(self.note_path(), note))
        };
        restarted().map_err(FetchError::io(&self.path))?;
        self.length = 0;
        Ok(())
    }

    /// Digests the bytes that are there, and makes ready to append to them.
    ///
    /// # Errors
    /// Whatever reading gives.
    pub fn resume(&mut self, hasher: &mut Hasher) -> Result<(), FetchError> {
        let mut resumed = || -> io::Result<u64> {
            let mut file = &*self.file;
            file.seek(SeekFrom::Start(0))?;
            let mut buffer = vec![0; 128 * 1024];
            let mut length = 0;
            loop {
                let count = file.read(&mut buffer)?;
                if count == 0 {
                    return Ok(length);
                }
                length += count as u64;
                hasher.update(buffer.get(..count).unwrap_or_default());
            }
        };
        self.length = resumed().map_err(FetchError::io(&self.path))?;
        Ok(())
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// Whatever writing gives.
    pub fn append(&mut self, data: &[u8]) -> Result<(), FetchError> {
        (&*self.file).write_all(data).map_err(FetchError::io(&self.path))?;
        self.length += data.len() as u64;
        Ok(())
    }

    /// Gives up the bytes for good.
    pub fn discard(self) {
        let _ = fs::remove_file(self.note_path());
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(data: &[u8]) -> Vec<Digest> {
        vec![Digest::of(Algorithm::Sha256, data), Digest::of(Algorithm::Sha512, data)]
    }

    #[test]
    fn stored_once_and_found_by_every_strong_digest() {
        let dir = tempfile::tempdir().unwrap();
        let pool = Pool::open(dir.path().join("pool")).unwrap();
        for key in ["one", "two"] {
            let mut partial = pool.partial(key).unwrap();
            partial.append(b"abc").unwrap();
            let path = pool.store(partial, &digests(b"abc")).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
        }
        let found: Vec<_> = digests(b"abc").iter().map(|digest| pool.find(digest).unwrap()).collect();
        assert!(found.iter().all(|path| fs::read(path).unwrap() == b"abc"));
        assert_eq!(fs::read_dir(dir.path().join("pool/partial")).unwrap().count(), 0);
        let md5 = Digest::of(Algorithm::Md5, b"abc");
        assert_eq!(pool.find(&md5), None);

        let target = dir.path().join("downloads/abc.txt");
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(&target, "old").unwrap();
        pool.place(&found[0], &target).unwrap();
        pool.place(&found[0], &target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"abc");
        assert_eq!(fs::metadata(&target).unwrap().ino(), fs::metadata(&found[0]).unwrap().ino());
        assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_dead_process_left_is_gone_on_with() {
        let dir = tempfile::tempdir().unwrap();
        let pool = Pool::open(dir.path()).unwrap();
        let mut partial = pool.partial("k").unwrap();
        partial.restart(Some("etag")).unwrap();
        partial.append(b"ab").unwrap();
        drop(partial);
        let mut partial = pool.partial("k").unwrap();
        assert_eq!((partial.length(), partial.note().as_deref()), (2, Some("etag")));
        let mut hasher = Hasher::new(&[Algorithm::Sha256]);
        partial.resume(&mut hasher).unwrap();
        partial.append(b"c").unwrap();
        hasher.update(b"c");
        let found = hasher.finish();
        assert_eq!(found, digests(b"abc")[..1]);
        assert_eq!(fs::read(pool.store(partial, &found).unwrap()).unwrap(), b"abc");
    }
}
