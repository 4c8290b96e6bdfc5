//! Makes an object of a folder: the same files give the same bytes, and it is in the cache whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tar::{Builder, EntryType, Header};

use super::SstateError;
use super::error::at;

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packed {
    /// It was written.
    New,
    /// It was there; its time was renewed, so that it counts as used.
    Known,
}

/// Packs everything below `folder` into `object`, unless that is there.
///
/// The archive is written under another name beside it, and takes its own only when it is on the disk: several builders may write the
/// same object. `level` is zstd's.
///
/// # Errors
///
/// A file cannot be read, or the object not be written; nothing is left behind then.
pub fn pack(folder: &Path, object: &Path, level: i32) -> Result<Packed, SstateError> {
    if object.exists() {
        // Someone else's object may not be ours to touch.
        let _ = File::open(object).and_then(|file| file.set_modified(std::time::SystemTime::now()));
        return Ok(Packed::Known);
    }
    let beside = object.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(beside).map_err(at(beside))?;
    let temporary = Temporary::beside(object);
    let file = File::create_new(&temporary.0).map_err(at(&temporary.0))?;
    let mut encoder = zstd::Encoder::new(BufWriter::new(file), level).map_err(at(&temporary.0))?;
    encoder.include_checksum(true).map_err(at(&temporary.0))?;
    let mut archive = Builder::new(encoder);
    let mut links = Vec::new();
    add_folder(&mut archive, folder, Path::new("."), &mut links)?;
    let finished = archive
        .into_inner()
        .and_then(zstd::Encoder::finish)
        .and_then(|writer| writer.into_inner().map_err(io::IntoInnerError::into_error));
    let file = finished.map_err(at(&temporary.0))?;
    publish(&file, temporary, object)?;
    Ok(Packed::New)
}

/// Brings a finished file under its name, for all time.
pub(super) fn publish(file: &File, temporary: Temporary, target: &Path) -> Result<(), SstateError> {
    file.set_permissions(fs::Permissions::from_mode(0o664)).map_err(at(&temporary.0))?;
    file.sync_all().map_err(at(&temporary.0))?;
    fs::rename(&temporary.0, target).map_err(at(target))?;
    let beside = target.parent().unwrap_or(Path::new("."));
    File::open(beside).and_then(|folder| folder.sync_all()).map_err(at(beside))
}

/// A file that is gone when this is, unless it has got its name.
pub(super) struct Temporary(pub PathBuf);

impl Temporary {
    pub fn beside(target: &Path) -> Temporary {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Names in the cache may have the greatest length, so the temporary one is not made of them.
        let name = format!(".sstate-{}-{}-{number}", host(), std::process::id());
        Temporary(target.with_file_name(name))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone already where it was published.
        let _ = fs::remove_file(&self.0);
    }
}

fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().chars().take(64).collect()
}

fn add_folder<W: Write>(
    archive: &mut Builder<W>,
    folder: &Path,
    name: &Path,
    links: &mut Vec<((u64, u64), PathBuf)>,
) -> Result<(), SstateError> {
    let about = fs::symlink_metadata(folder).map_err(at(folder))?;
    let mut header = header(&about, EntryType::Directory);
    archive.append_data(&mut header, name, io::empty()).map_err(at(folder))?;
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        entries.push(entry.map_err(at(folder))?.file_name());
    }
    entries.sort_unstable();
    for entry in entries {
        let (path, name) = (folder.join(&entry), name.join(&entry));
        let about = fs::symlink_metadata(&path).map_err(at(&path))?;
        if about.is_dir() {
            add_folder(archive, &path, &name, links)?;
        } else {
            add_file(archive, &path, &name, &about, links)?;
        }
    }
    Ok(())
}

fn add_file<W: Write>(
    archive: &mut Builder<W>,
    path: &Path,
    name: &Path,
    about: &fs::Metadata,
    links: &mut Vec<((u64, u64), PathBuf)>,
) -> Result<(), SstateError> {
    if about.is_symlink() {
        let target = fs::read_link(path).map_err(at(path))?;
        let mut header = header(about, EntryType::Symlink);
        return archive.append_link(&mut header, name, target).map_err(at(path));
    }
    if !about.is_file() {
        let reason = io::Error::other(
            "is neither a file nor a folder nor a link; tasks that share their state make no others",
        );
        return Err(at(path)(reason));
    }
    if about.nlink() > 1 {
        let number = (about.dev(), about.ino());
        if let Some((_, first)) = links.iter().find(|(known, _)| *known == number) {
            let mut header = header(about, EntryType::Link);
            return archive.append_link(&mut header, name, first).map_err(at(path));
        }
        links.push((number, name.to_path_buf()));
    }
    let file = File::open(path).map_err(at(path))?;
    let mut header = header(about, EntryType::Regular);
    header.set_size(about.len());
    archive.append_data(&mut header, name, file).map_err(at(path))
}

/// What is kept of a file: its mode, time and owner's number. Access times and names of owners would make equal files differ.
fn header(about: &fs::Metadata, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(about.mode() & 0o7777);
    header.set_mtime(u64::try_from(about.mtime()).unwrap_or(0));
    header.set_uid(u64::from(about.uid()));
    header.set_gid(u64::from(about.gid()));
    header.set_size(0);
    header
}
