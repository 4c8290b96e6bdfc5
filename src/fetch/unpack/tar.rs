//! tar archives.

use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

use tar::EntryType;

use super::destination::{Destination, strip};

/// Which entries are taken, and under which name.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Leading parts of the names that are dropped (`--strip-components`).
    pub strip: usize,
    /// Entries with this last or first part anywhere are left out, with all below.
    pub without: Option<&'static str>,
    /// Whether this is a layer of an image: its marks for what lower layers brought are no files, and devices are not made, which
    /// whoever runs the image brings.
    pub layer: bool,
}

/// Unpacks an archive.
///
/// # Errors
/// For a damaged archive, for what [`Destination`] refuses, and whatever reading and writing give.
pub fn unpack(archive: impl Read, to: &mut Destination, selection: &Selection) -> io::Result<()> {
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader) {
            continue;
        }
        let path = entry.path_bytes().into_owned();
        let Some(name) = strip(&path, selection.strip) else { continue };
        let name = name.as_bytes();
        if selection.without.is_some_and(|unwanted| is_below(name, unwanted.as_bytes())) {
            continue;
        }
        if selection.layer && is_mark(name) {
            continue;
        }
        // A name with `..` must not pass because its dots were among the parts that are dropped.
        super::destination::clean(&path)?;
        let mode = entry.header().mode()?;
        let mtime = i64::try_from(entry.header().mtime()?).ok();
        let link = entry.link_name_bytes().map(|target| target.into_owned());
        match kind {
            EntryType::Directory => to.directory(name, mode, mtime)?,
            EntryType::Symlink => to.symlink(name, &link.unwrap_or_default(), mtime)?,
            EntryType::Link => {
                let target = link.unwrap_or_default();
                super::destination::clean(&target)?;
                let Some(target) = strip(&target, selection.strip) else { continue };
                to.hard_link(name, target.as_bytes())?;
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo
                if selection.layer && name.starts_with(b"dev/") => {}
            EntryType::Char | EntryType::Block | EntryType::Fifo => return Err(to.special(name)),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                // Old archives mark directories by a slash only.
                if path.ends_with(b"/") {
                    to.directory(name, mode, mtime)?;
                    continue;
                }
                if is_new_sparse(&mut entry)? {
                    return Err(io::Error::new(
                        io::ErrorKind::Unsupported,
                        format!(
                            "'{}' is a sparse file in a form that can't be read",
                            String::from_utf8_lossy(name)
                        ),
                    ));
                }
                to.file(name, mode, mtime, &mut entry)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// What the name of a mark for lower layers begins with, and the mark that hides all they have in a directory.
const MARK: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

fn last_part(name: &[u8]) -> &[u8] {
    name.rsplit(|&byte| byte == b'/').next().unwrap_or(name)
}

fn is_mark(name: &[u8]) -> bool {
    last_part(name).starts_with(MARK)
}

/// Removes what a layer hides of those below it. Source: OCI image specification 1.1, "Representing Changes".
///
/// # Errors
/// As [`unpack`].
pub fn hide(archive: impl Read, to: &mut Destination) -> io::Result<()> {
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries()? {
        let entry = entry?;
        let path = super::destination::clean(&entry.path_bytes())?;
        let name = last_part(&path);
        let directory = path.get(..path.len() - name.len()).unwrap_or_default();
        match name.strip_prefix(MARK) {
            None => {}
            Some(_) if name == OPAQUE => to.empty(directory)?,
            // Notes of a file system that no longer exists.
            Some(hidden) if hidden.starts_with(MARK) => {}
            Some(b"" | b"." | b"..") => {
                let reason = format!("'{}' hides no file", String::from_utf8_lossy(&path).escape_debug());
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
            Some(hidden) => to.hide(&[directory, hidden].concat())?,
        }
    }
    Ok(())
}

/// Sparse files as extended headers tell of them: their data begins with a map, which would be taken for content.
fn is_new_sparse<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<bool> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(false) };
    Ok(extensions.filter_map(Result::ok).any(|extension| extension.key_bytes().starts_with(b"GNU.sparse.")))
}

/// Whether the name, or its part after the first, begins with `unwanted` as a whole part.
fn is_below(name: &[u8], unwanted: &[u8]) -> bool {
    name.split(|&byte| byte == b'/').take(2).any(|part| part == unwanted)
}
