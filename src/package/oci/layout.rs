//! An image in one file: a tar archive of an image layout. Nothing in it counts that its digests do not vouch for.
//!
//! Source: OCI image specification 1.1, "Image Layout".

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde_json::json;

use super::document::{Config, Descriptor, Document, MAX_DOCUMENT, Manifest, Platform, choose};
use super::error::OciError;
use crate::verify::{Digest, Hasher};

/// The file that tells what a folder is, and what it says.
pub const MARKER: (&str, &str) = ("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
/// The file that lists the images.
pub const INDEX: &str = "index.json";
/// Most files in an archive.
const MAX_MEMBERS: usize = 100_000;

/// The place of a blob in a layout.
pub fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

/// The text of `index.json` for one image.
pub fn index_text(manifest: &Descriptor, platform: &Platform, tag: Option<&str>) -> String {
    let mut shown = json!({"os": platform.os, "architecture": platform.architecture});
    if let (Some(variant), Some(shown)) = (&platform.variant, shown.as_object_mut()) {
        shown.insert("variant".into(), json!(variant));
    }
    let mut entry = json!({
        "mediaType": manifest.media_type,
        "digest": manifest.digest.to_string(),
        "size": manifest.size,
        "platform": shown,
    });
    if let (Some(tag), Some(entry)) = (tag, entry.as_object_mut()) {
        entry.insert("annotations".into(), json!({"org.opencontainers.image.ref.name": tag}));
    }
    json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]})
        .to_string()
}

/// Writes an archive: the same image gives the same bytes. `blobs` are files with their digests and sizes, as they were checked.
///
/// # Errors
/// Whatever reading and writing give, and [`io::ErrorKind::InvalidData`] for a blob whose bytes have changed since.
pub fn write(
    to: impl Write,
    index: &str,
    blobs: &BTreeMap<Digest, (std::path::PathBuf, u64)>,
) -> io::Result<()> {
    let mut archive = tar::Builder::new(to);
    let header = |size: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(size);
        header
    };
    for (name, text) in [MARKER, (INDEX, index)] {
        archive.append_data(&mut header(text.len() as u64), name, text.as_bytes())?;
    }
    for (digest, (path, size)) in blobs {
        let mut data = Hashed::new(File::open(path)?.take(*size), digest);
        archive.append_data(&mut header(*size), blob_path(digest), &mut data)?;
        data.finish(digest, *size).map_err(|error| match error {
            OciError::Io(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
        })?;
    }
    archive.into_inner()?.flush()
}

/// A reader that digests what passes.
pub struct Hashed<R> {
    inner: R,
    hasher: Hasher,
    bytes: u64,
}

impl<R: Read> Hashed<R> {
    /// Digests what is read from `inner` by the algorithm of `digest`.
    pub fn new(inner: R, digest: &Digest) -> Self {
        Hashed { inner, hasher: Hasher::new(&[digest.algorithm()]), bytes: 0 }
    }

    /// Reads the rest, and compares all that was read with what was expected.
    ///
    /// # Errors
    /// [`OciError::Damaged`], and whatever reading gives.
    pub fn finish(mut self, wanted: &Digest, expected: u64) -> Result<(), OciError> {
        io::copy(&mut self, &mut io::sink())?;
        let size = self.bytes;
        match self.hasher.finish().pop() {
            Some(found) if found == *wanted && size == expected => Ok(()),
            Some(found) => Err(OciError::Damaged { wanted: wanted.clone(), expected, found, size }),
            None => Err(OciError::Missing(wanted.clone())),
        }
    }

    /// How many bytes passed, and their digest.
    ///
    /// # Errors
    /// Whatever reading the rest gives.
    pub fn into_digest(mut self) -> io::Result<(Option<Digest>, u64)> {
        io::copy(&mut self, &mut io::sink())?;
        Ok((self.hasher.finish().pop(), self.bytes))
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }
}

/// An archive that is open for reading.
#[derive(Debug)]
pub struct Layout {
    file: File,
    members: BTreeMap<String, (u64, u64)>,
}

/// The one image of a layout, with documents that are verified, and layers that are not yet.
#[derive(Clone, Debug)]
pub struct Image {
    /// What the layout's index says of the manifest.
    pub descriptor: Descriptor,
    /// Its manifest.
    pub manifest: Manifest,
    /// Its configuration.
    pub config: Config,
    /// Digests and sizes of what led to the manifest, by which the image was asked for: an index of several platforms, a manifest of
    /// Docker's.
    pub origin: Vec<(Digest, u64)>,
}

impl Image {
    /// All blobs that belong to the image, each once.
    pub fn blobs(&self) -> BTreeMap<Digest, u64> {
        let described = [&self.descriptor, &self.manifest.config].into_iter().chain(&self.manifest.layers);
        let described = described.map(|descriptor| (descriptor.digest.clone(), descriptor.size));
        described.chain(self.origin.clone()).collect()
    }
}

impl Layout {
    /// Opens an archive and lists its files.
    ///
    /// # Errors
    /// [`OciError::Malformed`] for what is no archive of a layout, and whatever reading gives.
    pub fn open(path: &Path) -> Result<Self, OciError> {
        let malformed = |reason: String| OciError::malformed("the archive", reason);
        let mut archive = tar::Archive::new(File::open(path)?);
        let mut members = BTreeMap::new();
        for entry in archive.entries_with_seek()? {
            let entry = entry?;
            let kind = entry.header().entry_type();
            if matches!(kind, tar::EntryType::Directory | tar::EntryType::XGlobalHeader) {
                continue;
            }
            let name = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
            if kind != tar::EntryType::Regular || members.len() >= MAX_MEMBERS {
                return Err(malformed(format!("'{}' is no file of a layout", name.escape_debug())));
            }
            if members.insert(name.clone(), (entry.raw_file_position(), entry.size())).is_some() {
                return Err(malformed(format!("'{}' is there twice", name.escape_debug())));
            }
        }
        Ok(Layout { file: archive.into_inner(), members })
    }

    /// The bytes of a file, unverified; `None` if it is not there.
    fn member(&mut self, name: &str) -> Result<Option<io::Take<&File>>, OciError> {
        let Some((offset, size)) = self.members.get(name).copied() else { return Ok(None) };
        self.file.seek(SeekFrom::Start(offset))?;
        Ok(Some((&self.file).take(size)))
    }

    /// The size of a blob in the archive.
    pub fn size_of(&self, digest: &Digest) -> Option<u64> {
        self.members.get(&blob_path(digest)).map(|(_, size)| *size)
    }

    /// A blob's bytes, to be digested by whoever reads them. Only one can be read at a time.
    ///
    /// # Errors
    /// [`OciError::Missing`], and whatever seeking gives.
    pub fn blob(&mut self, digest: &Digest) -> Result<impl Read, OciError> {
        self.member(&blob_path(digest))?.ok_or_else(|| OciError::Missing(digest.clone()))
    }

    /// Digests a blob without keeping it.
    ///
    /// # Errors
    /// [`OciError::Damaged`], [`OciError::Missing`], and whatever reading gives.
    pub fn check(&mut self, digest: &Digest, size: u64) -> Result<(), OciError> {
        Hashed::new(self.blob(digest)?, digest).finish(digest, size)
    }

    /// A document, verified.
    ///
    /// # Errors
    /// As [`Layout::check`], and [`OciError::Malformed`] for one that is too large.
    pub fn document(&mut self, digest: &Digest, size: u64) -> Result<Vec<u8>, OciError> {
        let mut data = Vec::new();
        let mut blob = Hashed::new(self.blob(digest)?.take(MAX_DOCUMENT + 1), digest);
        blob.read_to_end(&mut data)?;
        if data.len() as u64 > MAX_DOCUMENT {
            return Err(OciError::malformed("a document", "it is too large"));
        }
        blob.finish(digest, size)?;
        Ok(data)
    }

    /// The image in the layout. With `pinned`, the digest of its manifest or of the index that leads to it, nothing else passes.
    ///
    /// # Errors
    /// See [`OciError`].
    pub fn image(&mut self, pinned: Option<&Digest>, platform: &Platform) -> Result<Image, OciError> {
        let mut text = Vec::new();
        let index =
            self.member(INDEX)?.ok_or_else(|| OciError::malformed("the archive", "index.json is missing"))?;
        index.take(MAX_DOCUMENT).read_to_end(&mut text)?;
        let descriptor = match Document::parse(&text)? {
            Document::Index(manifests) => choose(&manifests, platform)?.clone(),
            Document::Manifest(_) => return Err(OciError::malformed("index.json", "it is a manifest")),
        };
        let origin = match pinned {
            Some(pinned) if *pinned != descriptor.digest => self.lead(pinned, &descriptor, platform)?,
            _ => Vec::new(),
        };
        let manifest = match Document::parse(&self.document(&descriptor.digest, descriptor.size)?)? {
            Document::Manifest(manifest) => manifest,
            Document::Index(_) => return Err(OciError::malformed("the manifest", "it is an index")),
        };
        let config = Config::parse(&self.document(&manifest.config.digest, manifest.config.size)?)?;
        config.check(platform)?;
        Ok(Image { descriptor, manifest, config, origin })
    }

    /// How what has the digest `pinned` leads to a manifest: through an index, by a translation, or both.
    fn lead(
        &mut self,
        pinned: &Digest,
        to: &Descriptor,
        platform: &Platform,
    ) -> Result<Vec<(Digest, u64)>, OciError> {
        let other = || OciError::Contradiction(format!("it holds the image {}, not {pinned}", to.digest));
        let size = self.size_of(pinned).ok_or_else(other)?;
        let mut way = vec![(pinned.clone(), size)];
        let mut document = Document::parse(&self.document(pinned, size)?)?;
        if let Document::Index(manifests) = &document {
            let chosen = choose(manifests, platform)?.clone();
            if chosen.digest == to.digest {
                return Ok(way);
            }
            self.size_of(&chosen.digest).ok_or_else(other)?;
            document = Document::parse(&self.document(&chosen.digest, chosen.size)?)?;
            way.push((chosen.digest, chosen.size));
        }
        let Document::Manifest(manifest) = document else { return Err(other()) };
        let translated = manifest.translated().map(|text| Digest::of(to.digest.algorithm(), &text));
        if translated.as_ref() == Some(&to.digest) { Ok(way) } else { Err(other()) }
    }
}
