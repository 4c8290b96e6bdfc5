//! Unpacks an object into a folder: all of it, or nothing.

use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tar::{Archive, Entry, EntryType};

use super::error::{SstateError, Unsafe, at};
use super::member::{Kind, Members, check_link};

/// How many bytes an object may unpack to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub u64);

impl Default for Limit {
    /// One tebibyte: more than any task makes.
    fn default() -> Self {
        Limit(1 << 40)
    }
}

/// Reads an object to its end and says whether it could be restored. Writes nothing.
///
/// # Errors
///
/// It is damaged, or holds what is not to be unpacked.
pub fn check(object: &Path, limit: Limit) -> Result<(), SstateError> {
    walk(object, limit, |_, member| io::copy(member, &mut io::sink()).map(drop))
}

/// Unpacks an object into `folder`, which must not be there, and appears only when everything is in it.
///
/// # Errors
///
/// It is damaged, holds what is not to be unpacked, or there is no room. The folder is not there then.
pub fn restore(object: &Path, folder: &Path, limit: Limit) -> Result<(), SstateError> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let unfinished = folder.with_file_name(format!(".{name}.{}", std::process::id()));
    let beside = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(beside).map_err(at(beside))?;
    fs::create_dir(&unfinished).map_err(at(&unfinished))?;
    let result =
        unpack(object, &unfinished, limit).and_then(|()| fs::rename(&unfinished, folder).map_err(at(folder)));
    if result.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_dir_all(&unfinished);
    }
    result
}

fn unpack(object: &Path, folder: &Path, limit: Limit) -> Result<(), SstateError> {
    // Folders get their modes and times at the end: one that cannot be written to would be in the way.
    let mut folders: Vec<(PathBuf, u32, u64)> = Vec::new();
    walk(object, limit, |action, member| {
        let mode = member.header().mode()? & 0o7777;
        let time = member.header().mtime()?;
        match action {
            Action::Folder(path) => {
                let path = folder.join(path);
                fs::create_dir_all(&path)?;
                folders.push((path, mode, time));
                Ok(())
            }
            Action::File(path) => {
                let path = folder.join(path);
                make_parent(&path)?;
                let mut file = File::create_new(&path)?;
                io::copy(member, &mut file)?;
                file.set_permissions(Permissions::from_mode(mode))?;
                file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(time))
            }
            Action::SymbolicLink(path, target) => {
                let path = folder.join(path);
                make_parent(&path)?;
                symlink(target, &path)
            }
            Action::HardLink(path, target) => {
                let path = folder.join(path);
                make_parent(&path)?;
                fs::hard_link(folder.join(target), &path)
            }
        }
    })?;
    for (path, mode, time) in folders.iter().rev() {
        let finish = || {
            let folder = File::open(path)?;
            folder.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(*time))?;
            folder.set_permissions(Permissions::from_mode(*mode))
        };
        finish().map_err(at(path))?;
    }
    Ok(())
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// What a member asks for, found harmless; paths are below the folder.
enum Action {
    Folder(PathBuf),
    File(PathBuf),
    SymbolicLink(PathBuf, PathBuf),
    HardLink(PathBuf, PathBuf),
}

fn walk(
    object: &Path,
    limit: Limit,
    mut act: impl FnMut(&Action, &mut Entry<'_, Measured<zstd::Decoder<'_, BufReader<File>>>>) -> io::Result<()>,
) -> Result<(), SstateError> {
    let file = File::open(object).map_err(at(object))?;
    let damaged = |source: io::Error| match source.get_ref() {
        Some(inner) if inner.is::<TooMuch>() => {
            SstateError::TooLarge { path: object.to_path_buf(), limit: limit.0 }
        }
        _ => SstateError::Damaged { path: object.to_path_buf(), source },
    };
    let decoder = zstd::Decoder::new(file).map_err(damaged)?;
    let mut archive = Archive::new(Measured { inner: decoder, left: limit.0 });
    let mut members = Members::default();
    let mut any = false;
    for member in archive.entries().map_err(damaged)? {
        let mut member = member.map_err(damaged)?;
        any = true;
        let name = member.path().map_err(damaged)?.into_owned();
        let hostile = |reason: Unsafe| SstateError::Hostile {
            path: object.to_path_buf(),
            member: name.display().to_string(),
            reason,
        };
        let action = judge(&member, &name, &mut members).map_err(damaged)?.map_err(hostile)?;
        act(&action, &mut member).map_err(damaged)?;
    }
    // The checksum of the whole stands behind the last member.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(damaged)?;
    if any { Ok(()) } else { Err(damaged(io::Error::other("it is empty"))) }
}

fn judge<R: Read>(
    member: &Entry<'_, R>,
    name: &Path,
    members: &mut Members,
) -> io::Result<Result<Action, Unsafe>> {
    let target = || -> io::Result<PathBuf> {
        Ok(member.link_name()?.ok_or_else(|| io::Error::other("a link without target"))?.into_owned())
    };
    Ok(match member.header().entry_type() {
        EntryType::Directory => members.add(name, Kind::Folder).map(Action::Folder),
        EntryType::Regular | EntryType::Continuous => members.add(name, Kind::File).map(Action::File),
        EntryType::Symlink => {
            let target = target()?;
            members.add(name, Kind::Link).and_then(|path| {
                check_link(&path, &target)?;
                Ok(Action::SymbolicLink(path, target))
            })
        }
        EntryType::Link => {
            let target = target()?;
            members
                .hard_link(&target)
                .and_then(|target| Ok(Action::HardLink(members.add(name, Kind::File)?, target)))
        }
        _ => Err(Unsafe::Special),
    })
}

/// Lets no more through than is allowed, whatever the archive claims.
struct Measured<R> {
    inner: R,
    left: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("too large")]
struct TooMuch;

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| io::Error::other(TooMuch))?;
        Ok(count)
    }
}
