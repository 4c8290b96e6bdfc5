//! rpm packages: their payload, as `rpm2cpio | cpio -id` would unpack it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};

use super::destination::{Destination, clean};
use crate::package::compress::detect;
use crate::package::rpm::cpio::{Entry, Reader};
use crate::package::rpm::header::{Package, tag};

/// Unpacks a package, or of it only the file named `only`.
///
/// # Errors
/// For a damaged package, for what [`Destination`] refuses, and whatever reading and writing give.
pub fn unpack(package: File, to: &mut Destination, only: Option<&str>) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(128 * 1024, package);
    let package = Package::read(&mut reader)?;
    match package.header.text(tag::PAYLOADFORMAT) {
        None | Some("cpio") => {}
        Some(other) => {
            let reason = format!("its payload is in the format '{other}', which can't be read");
            return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
        }
    }
    let mut archive = Reader::payload(detect(reader)?, &package.header);
    // Of a file with several names only the last one carries the data.
    let mut waiting: HashMap<(u64, u64, u64), Vec<(Vec<u8>, Entry)>> = HashMap::new();
    while let Some(entry) = archive.next_entry()? {
        let path = entry.path.clone().into_bytes();
        if only.is_some_and(|only| clean(&path).ok() != clean(only.as_bytes()).ok()) {
            continue;
        }
        match entry.mode & 0o170_000 {
            0o040_000 => to.directory(&path, entry.mode, None)?,
            0o120_000 => {
                let mut target = Vec::new();
                (&mut archive).take(4096).read_to_end(&mut target)?;
                to.symlink(&path, &target, None)?;
            }
            0o100_000 if entry.links > 1 && entry.size == 0 => {
                waiting.entry(entry.inode).or_default().push((path, entry));
            }
            0o100_000 => {
                to.file(&path, entry.mode, None, &mut archive)?;
                for (name, _) in waiting.remove(&entry.inode).unwrap_or_default() {
                    to.hard_link(&name, &path)?;
                }
            }
            _ => return Err(to.special(&path)),
        }
    }
    // Files without data have no name that brings any.
    for (_, names) in waiting {
        let mut names = names.into_iter();
        let Some((first, entry)) = names.next() else { continue };
        to.file(&first, entry.mode, None, &mut io::empty())?;
        for (name, _) in names {
            to.hard_link(&name, &first)?;
        }
    }
    Ok(())
}
