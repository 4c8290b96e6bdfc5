//! zip archives.

use std::fs::File;
use std::io::{self, Read};

use super::destination::Destination;

/// Longest target of a symbolic link.
const MAX_TARGET: u64 = 4096;

/// Unpacks an archive.
///
/// # Errors
/// For a damaged or encrypted archive, for what [`Destination`] refuses, and whatever reading and writing give.
pub fn unpack(archive: File, to: &mut Destination) -> io::Result<()> {
    let mut archive = zip::ZipArchive::new(archive).map_err(invalid)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(invalid)?;
        let name = entry.name_raw().to_vec();
        let mode = entry.unix_mode();
        if entry.is_symlink() {
            let mut target = Vec::new();
            entry.by_ref().take(MAX_TARGET).read_to_end(&mut target)?;
            to.symlink(&name, &target, None)?;
        } else if entry.is_dir() {
            to.directory(&name, mode.unwrap_or(0o755), None)?;
        } else {
            match mode.unwrap_or_default() & 0o170_000 {
                0 | 0o100_000 => {}
                _ => return Err(to.special(&name)),
            }
            to.file(&name, mode.unwrap_or(0o644) & 0o777, None, &mut entry)?;
        }
    }
    Ok(())
}

fn invalid(error: zip::result::ZipError) -> io::Error {
    match error {
        zip::result::ZipError::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}
