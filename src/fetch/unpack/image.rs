//! Images of containers: as the folder of an image layout, or as the tree of files that the layers make up together.
//!
//! Source: OCI image specification 1.1, "Image Layout" and "Image Layer Filesystem Changeset".

use std::fs;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use super::destination::{Destination, Limits, Modes};
use super::tar::{Selection, hide, unpack as unpack_tar};
use crate::fetch::error::FetchError;
use crate::fetch::oci::Request;
use crate::package::compress::Compression;
use crate::package::oci::OciError;
use crate::package::oci::document::Descriptor;
use crate::package::oci::layout::{Hashed, INDEX, Image, Layout, MARKER, blob_path, index_text};
use crate::verify::Digest;

/// The kinds of layer, without what tells their compression.
const LAYERS: [&str; 4] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
];

/// Unpacks the archive of an image to the directory `target`, which must be new or empty: with `flat` the files of its layers, else
/// the layout. Owners are whoever runs this; devices are left out.
///
/// # Errors
/// [`FetchError::Invalid`] naming the archive and what is wrong with it.
pub fn unpack_image(
    request: &Request,
    archive: &Path,
    target: &Path,
    flat: bool,
    limits: &Limits,
) -> Result<(), FetchError> {
    let invalid = |reason: String| FetchError::invalid(archive.display().to_string(), reason);
    fs::create_dir_all(target).map_err(FetchError::io(target))?;
    if fs::read_dir(target).map_err(FetchError::io(target))?.next().is_some() {
        // What a layer hides would be taken from others.
        return Err(invalid(format!("'{}' has to be an empty directory", target.display())));
    }
    let unpacked = || -> Result<(), OciError> {
        let mut layout = Layout::open(archive)?;
        let image = layout.image(request.reference.digest.as_ref(), &request.platform)?;
        let source = image.blobs().values().fold(0, |sum: u64, size| sum.saturating_add(*size));
        let modes = if flat { Modes::Archived } else { Modes::Masked(super::mask()) };
        let to = Destination::open(target, modes, limits.clone(), source)?;
        match flat {
            true => Flat { layout, image, limits, source }.unpack(to.layered()),
            false => copy(&mut layout, &image, request, to),
        }
    };
    unpacked().map_err(|error| invalid(error.to_string()))
}

/// Writes the layout; only what belongs to the image, and nothing before all of it is verified.
fn copy(layout: &mut Layout, image: &Image, request: &Request, mut to: Destination) -> Result<(), OciError> {
    let blobs = image.blobs();
    blobs.iter().try_for_each(|(digest, size)| layout.check(digest, *size))?;
    let index = index_text(&image.descriptor, &request.platform, request.reference.tag.as_deref());
    for (name, text) in [MARKER, (INDEX, &index)] {
        to.file(name.as_bytes(), 0o644, None, &mut Cursor::new(text))?;
    }
    for (digest, size) in &blobs {
        let mut blob = Hashed::new(layout.blob(digest)?, digest);
        to.file(blob_path(digest).as_bytes(), 0o644, None, &mut blob)?;
        blob.finish(digest, *size)?;
    }
    Ok(to.finish()?)
}

/// The layers of an image, one above the other.
struct Flat<'a> {
    layout: Layout,
    image: Image,
    limits: &'a Limits,
    source: u64,
}

impl Flat<'_> {
    fn unpack(mut self, mut to: Destination) -> Result<(), OciError> {
        let layers = self.image.manifest.layers.clone();
        let plain = self.image.config.diff_ids.clone();
        if !plain.is_empty() && plain.len() != layers.len() {
            let reason = format!(
                "its configuration tells of {} layers, its manifest of {}",
                plain.len(),
                layers.len()
            );
            return Err(OciError::Contradiction(reason));
        }
        for (index, layer) in layers.iter().enumerate() {
            self.layer(layer, plain.get(index), &mut to)?;
        }
        Ok(to.finish()?)
    }

    /// One layer in two passes: the first verifies it and hides what it says of the layers below, the second brings its files.
    fn layer(
        &mut self,
        layer: &Descriptor,
        plain: Option<&Digest>,
        to: &mut Destination,
    ) -> Result<(), OciError> {
        let kind = layer.media_type.split('+').next().unwrap_or_default();
        if !LAYERS.contains(&kind.strip_suffix(".gzip").unwrap_or(kind)) {
            let reason = format!("a layer of the kind '{}' can't be unpacked", layer.media_type);
            return Err(OciError::Unsupported(reason));
        }
        // Nothing is hidden before it is sure whose layer it is.
        self.layout.check(&layer.digest, layer.size)?;
        let most = self.limits.free.max(self.source.saturating_mul(self.limits.ratio)).min(self.limits.bytes);
        let expected = plain.unwrap_or(&layer.digest);
        let mut data = Hashed::new(open(self.layout.blob(&layer.digest)?)?.take(most), expected);
        hide(&mut data, to)?;
        let (found, size) = data.into_digest()?;
        if let (Some(plain), Some(found)) = (plain, found)
            && *plain != found
        {
            let reason = format!(
                "the layer {} has {size} bytes with the digest {found} without compression, but its configuration tells of {plain}",
                layer.digest
            );
            return Err(OciError::Contradiction(reason));
        }
        let selection = Selection { strip: 0, without: None, layer: true };
        Ok(unpack_tar(open(self.layout.blob(&layer.digest)?)?, to, &selection)?)
    }
}

/// A layer's tar archive, by gzip, Zstandard or plain: what it is said to be is not always so.
fn open<'a>(blob: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut blob = BufReader::with_capacity(128 * 1024, blob);
    match Compression::of_magic(blob.fill_buf()?) {
        kind @ (Compression::Gzip | Compression::Zstd) => kind.reader(blob),
        _ => Ok(Box::new(blob)),
    }
}
