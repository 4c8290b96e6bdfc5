//! Where archives are unpacked to: a directory that nothing in an archive gets out of.
//!
//! Every name is opened relative to the directory with the kernel forbidding that its resolution leaves it, so neither
//! `..`, nor absolute names, nor symbolic links that an archive brought (or that were there before) lead elsewhere.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, fchmod, fstatat, mkdirat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, linkat, symlinkat, unlinkat};

/// How much an archive may bring. What a small archive swells to is limited too.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of all files together.
    pub bytes: u64,
    /// Files, directories and links together.
    pub entries: u64,
    /// Bytes per byte of the archive; only looked at beyond [`Limits::free`].
    pub ratio: u64,
    /// Bytes that are never too many.
    pub free: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes: 200 << 30, entries: 10_000_000, ratio: 1000, free: 1 << 30 }
    }
}

/// What becomes of the permissions in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modes {
    /// They are kept as they are.
    Archived,
    /// They are kept without set-id bits and what the file mode creation mask takes away.
    Masked(u32),
    /// Files are executable for all or none, directories open, both as far as the mask allows: what
    /// `dpkg-source` does.
    Normal(u32),
}

impl Modes {
    /// What tar does by itself: root keeps permissions, others apply their mask.
    pub fn like_tar() -> Self {
        if nix::unistd::geteuid().is_root() { Modes::Archived } else { Modes::Masked(mask()) }
    }

    fn file(self, mode: u32) -> u32 {
        match self {
            Modes::Archived => mode & 0o7777,
            Modes::Masked(mask) => mode & 0o777 & !mask,
            Modes::Normal(mask) if mode & 0o111 != 0 => 0o777 & !mask,
            Modes::Normal(mask) => 0o666 & !mask,
        }
    }

    fn directory(self, mode: u32) -> u32 {
        match self {
            Modes::Normal(mask) => 0o777 & !mask,
            other => other.file(mode),
        }
    }
}

/// The process's file mode creation mask, read without changing it.
pub fn mask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o022)
}

/// A directory that is being filled.
pub struct Destination {
    root: OwnedFd,
    modes: Modes,
    limits: Limits,
    source: u64,
    bytes: u64,
    entries: u64,
    directories: BTreeMap<Vec<u8>, (u32, Option<i64>)>,
    layered: bool,
    parent: Option<(Vec<u8>, OwnedFd)>,
}

/// The kinds of file that archives hold and sources never need.
fn refused(what: &str, path: &[u8]) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("'{}' {what}", String::from_utf8_lossy(path).escape_debug()),
    )
}

impl Destination {
    /// Opens a directory, making it if need be. `source` is the archive's size in bytes, which the limits refer to.
    ///
    /// # Errors
    /// Whatever making and opening give.
    pub fn open(root: &Path, modes: Modes, limits: Limits, source: u64) -> io::Result<Self> {
        std::fs::create_dir_all(root)?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let root = openat(AT_FDCWD, root, flags, Mode::empty())?;
        let (directories, parent) = (BTreeMap::new(), None);
        let layered = false;
        Ok(Destination { root, modes, limits, source, bytes: 0, entries: 0, directories, layered, parent })
    }

    /// Makes this the root of a system that several layers make up: absolute links in it begin at the root, and what a layer brings
    /// takes the place of whatever is there, also of whole directories.
    pub fn layered(mut self) -> Self {
        self.layered = true;
        self
    }

    /// Removes what a lower layer brought, with all below it. What is not there is not missed.
    ///
    /// # Errors
    /// If the name leads out, and whatever the file system gives.
    pub fn hide(&mut self, path: &[u8]) -> io::Result<()> {
        self.count(path)?;
        let clean = clean(path)?;
        let cut = clean.iter().rposition(|&byte| byte == b'/');
        let (parent, name) = match cut {
            Some(at) => (clean.get(..at).unwrap_or_default(), clean.get(at + 1..).unwrap_or_default()),
            None => (&b""[..], clean.as_slice()),
        };
        if name.is_empty() {
            return Err(refused("is no name for a file", path));
        }
        match self.beneath(parent) {
            Ok(parent) => self.remove(&clean, &parent, OsStr::from_bytes(name)),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes everything that lower layers brought into a directory, if it is one.
    ///
    /// # Errors
    /// If the name leads out, and whatever the file system gives.
    pub fn empty(&mut self, path: &[u8]) -> io::Result<()> {
        self.count(path)?;
        let clean = clean(path)?;
        let directory = match self.beneath_not_linked(&clean) {
            Ok(directory) => directory,
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        };
        for entry in std::fs::read_dir(held(&directory))? {
            let name = entry?.file_name();
            let mut below = clean.clone();
            if !below.is_empty() {
                below.push(b'/');
            }
            below.extend_from_slice(name.as_bytes());
            self.remove(&below, &directory, &name)?;
        }
        Ok(())
    }

    /// Makes a directory; its permissions and time are set at the end.
    ///
    /// # Errors
    /// If the name leads out, and whatever the file system gives.
    pub fn directory(&mut self, path: &[u8], mode: u32, mtime: Option<i64>) -> io::Result<()> {
        self.count(path)?;
        let path = clean(path)?;
        if path.is_empty() {
            return Ok(());
        }
        let (parent, name) = self.place(&path)?;
        match mkdirat(&parent, name, Mode::from_bits_truncate(0o700)) {
            Err(Errno::EEXIST) => {
                let found = fstatat(&parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
                if SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT != SFlag::S_IFDIR {
                    unlinkat(&parent, name, UnlinkatFlags::NoRemoveDir)?;
                    self.parent = None;
                    mkdirat(&parent, name, Mode::from_bits_truncate(0o700))?;
                }
            }
            other => other?,
        }
        self.directories.insert(path, (self.modes.directory(mode), mtime));
        Ok(())
    }

    /// Writes a file with what `data` gives. An existing file of that name is replaced, never written to.
    ///
    /// # Errors
    /// If the name leads out or a limit is passed, and whatever reading and writing give.
    pub fn file(
        &mut self,
        path: &[u8],
        mode: u32,
        mtime: Option<i64>,
        data: &mut dyn Read,
    ) -> io::Result<()> {
        self.count(path)?;
        let clean = clean(path)?;
        let (parent, name) = self.place(&clean)?;
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let open = || openat(&parent, name, flags, Mode::from_bits_truncate(0o600));
        let file = match open() {
            Err(Errno::EEXIST) => {
                self.remove(&clean, &parent, name)?;
                open()?
            }
            other => other?,
        };
        let mut file = File::from(file);
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let count = match data.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.bytes += count as u64;
            let swollen =
                self.bytes > self.limits.free && self.bytes / self.limits.ratio.max(1) > self.source.max(1);
            if self.bytes > self.limits.bytes || swollen {
                return Err(refused("makes the archive larger than is allowed: it may be a bomb", path));
            }
            file.write_all(buffer.get(..count).unwrap_or_default())?;
        }
        fchmod(&file, Mode::from_bits_truncate(self.modes.file(mode)))?;
        if let Some(mtime) = mtime {
            let time = TimeSpec::new(mtime, 0);
            nix::sys::stat::futimens(&file, &time, &time)?;
        }
        Ok(())
    }

    /// Makes a symbolic link. Where it points to is its own business, as nothing is ever written through it.
    ///
    /// # Errors
    /// If the name leads out, and whatever the file system gives.
    pub fn symlink(&mut self, path: &[u8], target: &[u8], mtime: Option<i64>) -> io::Result<()> {
        self.count(path)?;
        if target.is_empty() || target.contains(&0) {
            return Err(refused("is a link to nowhere", path));
        }
        let clean = clean(path)?;
        let (parent, name) = self.place(&clean)?;
        let target = OsStr::from_bytes(target);
        match symlinkat(target, &parent, name) {
            Err(Errno::EEXIST) => {
                self.remove(&clean, &parent, name)?;
                symlinkat(target, &parent, name)?;
            }
            other => other?,
        }
        if let Some(mtime) = mtime {
            let time = TimeSpec::new(mtime, 0);
            utimensat(&parent, name, &time, &time, UtimensatFlags::NoFollowSymlink)?;
        }
        Ok(())
    }

    /// Gives a file that was unpacked before another name.
    ///
    /// # Errors
    /// If either name leads out, if there is no such file, and whatever the file system gives.
    pub fn hard_link(&mut self, path: &[u8], target: &[u8]) -> io::Result<()> {
        self.count(path)?;
        let (clean_path, clean_target) = (clean(path)?, clean(target)?);
        if clean_path == clean_target {
            return Ok(());
        }
        let (target_parent, target_name) = self.place(&clean_target)?;
        let target_parent = target_parent.try_clone()?;
        let (parent, name) = self.place(&clean_path)?;
        let link = || linkat(&target_parent, target_name, &parent, name, AtFlags::empty());
        match link() {
            Err(Errno::EEXIST) => {
                self.remove(&clean_path, &parent, name)?;
                link()?;
            }
            Err(Errno::ENOENT) => {
                return Err(refused("is a link to a file that is not in the archive", path));
            }
            other => other?,
        }
        Ok(())
    }

    /// Refuses a device node, a pipe or a socket.
    pub fn special(&self, path: &[u8]) -> io::Error {
        refused("is a device node, pipe or socket", path)
    }

    /// Sets the directories' permissions and times, now that nothing more comes into them.
    ///
    /// # Errors
    /// Whatever the file system gives.
    pub fn finish(mut self) -> io::Result<()> {
        // Deepest first: a directory that becomes read-only hides what is below.
        for (path, (mode, mtime)) in std::mem::take(&mut self.directories).into_iter().rev() {
            // What a link has taken the place of has no permissions of its own.
            let Ok(directory) = self.beneath_not_linked(&path) else { continue };
            fchmod(&directory, Mode::from_bits_truncate(mode))?;
            if let Some(mtime) = mtime {
                let time = TimeSpec::new(mtime, 0);
                nix::sys::stat::futimens(&directory, &time, &time)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, path: &[u8]) -> io::Result<()> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(refused("is one entry more than is allowed: the archive may be a bomb", path));
        }
        Ok(())
    }

    /// Removes what `path` is, which is `name` in the open directory `parent`.
    fn remove(&mut self, path: &[u8], parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
        self.parent = None;
        match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::ENOENT) if self.layered => Ok(()),
            Err(Errno::EISDIR | Errno::EPERM) if self.layered => {
                // Nothing but what is below is removed: this does not follow links.
                std::fs::remove_dir_all(held(parent).join(name))?;
                let below = |end: u8| [path, &[end]].concat();
                let gone: Vec<Vec<u8>> = self
                    .directories
                    .range(below(b'/')..below(b'/' + 1))
                    .map(|(path, _)| path.clone())
                    .collect();
                for path in gone.iter().map(Vec::as_slice).chain([path]) {
                    self.directories.remove(path);
                }
                Ok(())
            }
            // A directory only gives way when it is empty.
            Err(Errno::EISDIR | Errno::EPERM) => Ok(unlinkat(parent, name, UnlinkatFlags::RemoveDir)?),
            other => Ok(other?),
        }
    }

    /// The open directory that a name goes into, made if need be, and the name's last part.
    fn place<'a>(&mut self, path: &'a [u8]) -> io::Result<(OwnedFd, &'a OsStr)> {
        let cut = path.iter().rposition(|&byte| byte == b'/');
        let (parent, name) = match cut {
            Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default()),
            None => (&b""[..], path),
        };
        if name.is_empty() {
            return Err(refused("is no name for a file", path));
        }
        let known = self.parent.as_ref().filter(|(known, _)| known == parent);
        let directory = match known {
            Some((_, directory)) => directory.try_clone()?,
            None => {
                let directory = self.make_beneath(parent)?;
                self.parent = Some((parent.to_vec(), directory.try_clone()?));
                directory
            }
        };
        Ok((directory, OsStr::from_bytes(name)))
    }

    /// Opens a directory below the root, and makes those on the way that are missing.
    fn make_beneath(&self, path: &[u8]) -> io::Result<OwnedFd> {
        match self.beneath(path) {
            Err(Errno::ENOENT) => {}
            Err(Errno::EXDEV | Errno::ELOOP) => {
                return Err(refused("leads out of the directory through a link", path));
            }
            other => return Ok(other?),
        }
        let (parent, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(at) => (
                self.make_beneath(path.get(..at).unwrap_or_default())?,
                path.get(at + 1..).unwrap_or_default(),
            ),
            None => (self.root.try_clone()?, path),
        };
        let open =
            0o777 & !if let Modes::Masked(mask) | Modes::Normal(mask) = self.modes { mask } else { 0o022 };
        match mkdirat(&parent, OsStr::from_bytes(name), Mode::from_bits_truncate(open)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        self.beneath(path).map_err(|errno| match errno {
            Errno::ENOENT | Errno::EXDEV | Errno::ELOOP => {
                refused("leads out of the directory through a link", path)
            }
            errno => errno.into(),
        })
    }

    /// Opens a directory below the root; the kernel sees to it that it is below.
    fn beneath(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        self.open_beneath(path, OFlag::empty())
    }

    /// The same, unless the name's last part is a link.
    fn beneath_not_linked(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        self.open_beneath(path, OFlag::O_NOFOLLOW)
    }

    fn open_beneath(&self, path: &[u8], more: OFlag) -> Result<OwnedFd, Errno> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC | more;
        if path.is_empty() {
            return openat(&self.root, ".", flags, Mode::empty());
        }
        let bound = if self.layered { ResolveFlag::RESOLVE_IN_ROOT } else { ResolveFlag::RESOLVE_BENEATH };
        let how = OpenHow::new().flags(flags).resolve(bound | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        match openat2(&self.root, OsStr::from_bytes(path), how) {
            // Kernels and sandboxes without this call: no links on the way at all.
            Err(Errno::ENOSYS | Errno::EPERM) => {
                let start = openat(&self.root, ".", flags, Mode::empty())?;
                path.split(|&byte| byte == b'/').try_fold(start, |directory, part| {
                    let part = OsStr::from_bytes(part);
                    openat(directory.as_fd(), part, flags | OFlag::O_NOFOLLOW, Mode::empty())
                })
            }
            other => other,
        }
    }
}

/// The name of an open directory.
fn held(directory: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()))
}

/// A name without leading slashes, doubled slashes and `.`; `..` is refused.
pub(super) fn clean(path: &[u8]) -> io::Result<Vec<u8>> {
    if path.contains(&0) {
        return Err(refused("has a zero byte in its name", path));
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(refused("leads out of the directory", path)),
            part => parts.push(part),
        }
    }
    Ok(parts.join(&b'/'))
}

/// A name without its first `count` parts; `None` if nothing is left.
pub(super) fn strip(path: &[u8], count: usize) -> Option<OsString> {
    // A leading `.` is a part like any other: what GNU tar counts.
    let parts = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty());
    let rest: Vec<&[u8]> = parts.skip(count).filter(|part| *part != b".").collect();
    (!rest.is_empty()).then(|| OsString::from_vec(rest.join(&b'/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What GNU tar's --strip-components leaves of each name.
    #[test]
    fn stripped_names() {
        for (path, count, expected) in [
            ("a/b/c", 0, Some("a/b/c")),
            ("a/b/c", 1, Some("b/c")),
            ("./a/b", 1, Some("a/b")),
            ("./a/b", 2, Some("b")),
            ("a//b/", 1, Some("b")),
            ("./", 1, None),
            ("a", 1, None),
            ("a", usize::MAX, None),
        ] {
            assert_eq!(strip(path.as_bytes(), count).as_deref(), expected.map(OsStr::new), "{path} {count}");
        }
    }
}
