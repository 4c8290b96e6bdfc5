//! Binary Debian packages: what they install, as `dpkg-deb -x` would unpack it.

use std::fs::File;
use std::io;

use super::destination::Destination;
use super::tar::{Selection, unpack as unpack_tar};
use crate::package::compress::Compression;
use crate::package::deb::ar;

/// Unpacks the data of a package.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] if it has no `data.tar` of a known compression; for a damaged package, for what
/// [`Destination`] refuses, and whatever reading and writing give.
pub fn unpack(mut package: File, to: &mut Destination, selection: &Selection) -> io::Result<()> {
    let members = ar::members(&mut package)?;
    let data = members.iter().find_map(|member| {
        let kind = match member.name.strip_prefix("data.tar")? {
            "" => Compression::None,
            suffix => Compression::of_suffix(suffix.strip_prefix('.')?)?,
        };
        Some((member, kind))
    });
    let (member, kind) = data.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::Unsupported,
            "Unable to unpack deb/ipk package - does not contain supported data.tar* file",
        )
    })?;
    unpack_tar(kind.reader(ar::open(&mut package, member)?)?, to, selection)
}
