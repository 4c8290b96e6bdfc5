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
        let mtime = changed(&entry);
        if entry.is_symlink() {
            let mut target = Vec::new();
            entry.by_ref().take(MAX_TARGET).read_to_end(&mut target)?;
            to.symlink(&name, &target, mtime)?;
        } else if entry.is_dir() {
            to.directory(&name, mode.unwrap_or(0o755), mtime)?;
        } else {
            match mode.unwrap_or_default() & 0o170_000 {
                0 | 0o100_000 => {}
                _ => return Err(to.special(&name)),
            }
            to.file(&name, mode.unwrap_or(0o644) & 0o777, mtime, &mut entry)?;
        }
    }
    Ok(())
}

/// When an entry was last changed, in seconds since 1970. The old format has no time zone; it is taken as UTC.
fn changed<R: Read>(entry: &zip::read::ZipFile<'_, R>) -> Option<i64> {
    let exact = entry.extra_data_fields().find_map(|field| match field {
        zip::ExtraField::ExtendedTimestamp(times) => times.mod_time(),
        _ => None,
    });
    if let Some(seconds) = exact {
        return Some(seconds.into());
    }
    let time = entry.last_modified()?;
    let (year, month) = (i64::from(time.year()), i64::from(time.month()));
    // Days of the Gregorian calendar, with years that begin in March so that the odd month comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + i64::from(time.day())
            - 719_469;
    let clock = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    Some(days * 86400 + clock)
}

fn invalid(error: zip::result::ZipError) -> io::Error {
    match error {
        zip::result::ZipError::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}
