//! One image: resolved from its name to a manifest, fetched blob by blob, packed as an archive.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::registry::Registry;
use crate::fetch::checksum::Checksums;
use crate::fetch::error::FetchError;
use crate::fetch::http::{Download, Limits};
use crate::fetch::session::{Job, Session, in_parallel};
use crate::package::oci::OciError;
use crate::package::oci::document::{
    Config, Descriptor, Document, MAX_DOCUMENT, Manifest, Platform, accept, choose,
};
use crate::package::oci::layout::{self, Layout};
use crate::package::oci::reference::{Reference, is_tag};
use crate::verify::{Algorithm, Digest};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The image.
    pub reference: Reference,
    /// The platform.
    pub platform: Platform,
    /// `http` or `https`.
    pub protocol: &'static str,
}

impl Request {
    /// Reads a `docker://` or `oci://` URL with its parameters `protocol` and `platform`.
    ///
    /// # Errors
    /// [`FetchError::Parameter`].
    pub fn parse(url: &str) -> Result<Self, FetchError> {
        let wrong = |reason: String| FetchError::parameter(url, reason);
        let reference = Reference::parse(url).map_err(|error| wrong(error.to_string()))?;
        let mut request = Request { reference, platform: Platform::default(), protocol: "https" };
        for param in url.split(';').skip(1) {
            match param.split_once('=') {
                Some(("protocol", "https")) => request.protocol = "https",
                Some(("protocol", "http")) => request.protocol = "http",
                Some(("protocol", other)) => {
                    return Err(wrong(format!("The protocol '{other}' is neither http nor https")));
                }
                Some(("platform", text)) => {
                    request.platform = text.parse().map_err(|error: OciError| wrong(error.to_string()))?;
                }
                _ => {}
            }
        }
        Ok(request)
    }
}

/// What a name stands for at this moment.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What the name leads to: a manifest, or an index of them. This is what a recipe pins.
    pub top: Digest,
    /// The manifest for the platform.
    pub descriptor: Descriptor,
    manifest: Manifest,
    /// The documents on the way, as they are in the pool.
    documents: BTreeMap<Digest, (PathBuf, u64)>,
}

/// The steps of one image's fetch.
struct Steps<'a> {
    session: Session<'a>,
    registry: Registry<'a>,
    request: &'a Request,
}

impl Steps<'_> {
    fn fault(&self, error: OciError) -> FetchError {
        FetchError::invalid(self.request.reference.to_string(), error.to_string())
    }

    /// A manifest or an index, by digest or by tag.
    fn document(
        &self,
        name: &str,
        known: Option<(&Digest, Option<u64>)>,
    ) -> Result<(Download, Document), FetchError> {
        let job = Job {
            url: self.registry.url(&format!("manifests/{name}")),
            checksums: known.map(|(digest, _)| Checksums::known(digest)).unwrap_or_default(),
            size: known.and_then(|(_, size)| size),
            accept: Some(accept()),
            ..Job::default()
        };
        let limits = Limits { size: MAX_DOCUMENT, ..self.session.limits.clone() };
        let session = Session { limits: &limits, ..self.session };
        let download = self.registry.fetch(&session, &job)?;
        self.sized(&job, &download)?;
        let data = self.read(&download)?;
        let document = Document::parse(&data).map_err(|error| self.fault(error))?;
        Ok((download, document))
    }

    /// What is in the pool has the right digest; that it also has the promised size must be seen to.
    fn sized(&self, job: &Job, download: &Download) -> Result<(), FetchError> {
        match job.size {
            Some(size) if size != download.bytes => {
                let message = format!("it has {} bytes where {size} were expected", download.bytes);
                Err(FetchError::invalid(&job.url, message))
            }
            _ => Ok(()),
        }
    }

    fn read(&self, download: &Download) -> Result<Vec<u8>, FetchError> {
        if download.bytes > MAX_DOCUMENT {
            return Err(self.fault(OciError::Unsupported("a document is too large".into())));
        }
        fs::read(&download.path).map_err(FetchError::io(&download.path))
    }

    fn resolve(&self) -> Result<Resolved, FetchError> {
        let reference = &self.request.reference;
        let name = match &reference.digest {
            Some(digest) => digest.to_string(),
            None => reference.tag.clone().unwrap_or_default(),
        };
        let (first, document) =
            self.document(&name, reference.digest.as_ref().map(|digest| (digest, None)))?;
        let sha256 = first.digests.iter().find(|digest| digest.algorithm() == Algorithm::Sha256);
        let top = reference.digest.clone().or_else(|| sha256.cloned());
        let top = top.ok_or_else(|| FetchError::plain("a manifest has to be digested by SHA-256"))?;
        let mut documents = BTreeMap::from([(top.clone(), (first.path.clone(), first.bytes))]);
        let (descriptor, manifest) = match document {
            Document::Manifest(manifest) => {
                let media_type = manifest.kind().to_owned();
                let descriptor =
                    Descriptor { media_type, digest: top.clone(), size: first.bytes, platform: None };
                (descriptor, manifest)
            }
            Document::Index(manifests) => {
                let chosen =
                    choose(&manifests, &self.request.platform).map_err(|error| self.fault(error))?.clone();
                let known = Some((&chosen.digest, Some(chosen.size)));
                let (second, document) = self.document(&chosen.digest.to_string(), known)?;
                let Document::Manifest(manifest) = document else {
                    return Err(self.fault(OciError::Unsupported("an index leads to another index".into())));
                };
                documents.insert(chosen.digest.clone(), (second.path, second.bytes));
                (Descriptor { media_type: manifest.kind().to_owned(), ..chosen }, manifest)
            }
        };
        Ok(Resolved { top, descriptor, manifest, documents })
    }

    /// The descriptor of a manifest in the specification's words, and that manifest, put into the pool.
    fn translated(&self, manifest: &Manifest) -> Result<Option<(Descriptor, PathBuf)>, FetchError> {
        let Some(text) = manifest.translated() else { return Ok(None) };
        let digest = Digest::of(Algorithm::Sha256, &text);
        let mut partial = self.session.pool.partial(&format!("translated {digest}"))?;
        partial.restart(None)?;
        partial.append(&text)?;
        let path = self.session.pool.store(partial, std::slice::from_ref(&digest))?;
        let kind = Manifest { media_type: None, ..manifest.clone() }.kind().to_owned();
        Ok(Some((Descriptor { media_type: kind, digest, size: text.len() as u64, platform: None }, path)))
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Download, FetchError> {
        let job = Job {
            url: self.registry.url(&format!("blobs/{}", descriptor.digest)),
            checksums: Checksums::known(&descriptor.digest),
            size: Some(descriptor.size),
            ..Job::default()
        };
        let download = self.registry.fetch(&self.session, &job)?;
        self.sized(&job, &download)?;
        Ok(download)
    }
}

fn steps<'a>(session: &Session<'a>, request: &'a Request, login: Option<(String, String)>) -> Steps<'a> {
    let reference = &request.reference;
    let registry = Registry::new(*session, request.protocol, &reference.registry, &reference.name, login);
    Steps { session: *session, registry, request }
}

/// Finds out what a name stands for. With a digest in it that is in the pool, no network is needed.
///
/// # Errors
/// [`FetchError::Invalid`] for what is no image for the platform, and whatever fetching gives.
pub fn resolve(
    session: &Session<'_>,
    request: &Request,
    login: Option<(String, String)>,
) -> Result<Resolved, FetchError> {
    steps(session, request, login).resolve()
}

/// Fetches an image to the archive `target` and returns what its name stands for. `login` is the user's for this registry.
///
/// # Errors
/// As [`resolve`].
pub fn fetch(
    session: &Session<'_>,
    request: &Request,
    login: Option<(String, String)>,
    target: &Path,
) -> Result<Resolved, FetchError> {
    let steps = steps(session, request, login);
    let resolved = steps.resolve()?;
    let config = steps.blob(&resolved.manifest.config)?;
    let parsed = Config::parse(&steps.read(&config)?).map_err(|error| steps.fault(error))?;
    parsed.check(&request.platform).map_err(|error| steps.fault(error))?;
    let mut blobs = resolved.documents.clone();
    blobs.insert(resolved.manifest.config.digest.clone(), (config.path, config.bytes));
    // Two layers may be the same blob.
    let layers: BTreeMap<&Digest, &Descriptor> =
        resolved.manifest.layers.iter().map(|layer| (&layer.digest, layer)).collect();
    let layers: Vec<&Descriptor> = layers.into_values().collect();
    for (layer, download) in layers.iter().zip(in_parallel(&layers, |layer| steps.blob(layer))) {
        let download = download?;
        blobs.insert(layer.digest.clone(), (download.path, download.bytes));
    }
    // Layouts are made of the specification's own kinds; what was there is kept, since digests vouch for it.
    let own = match steps.translated(&resolved.manifest)? {
        Some((own, path)) => {
            blobs.insert(own.digest.clone(), (path, own.size));
            own
        }
        None => resolved.descriptor.clone(),
    };
    let index = layout::index_text(&own, &request.platform, request.reference.tag.as_deref());
    pack(&index, &blobs, target)?;
    Ok(resolved)
}

/// Tags asked for at a time, and how often at most.
const PAGE: usize = 1000;
const PAGES: usize = 100;

/// The tags of the repository, in the registry's order.
///
/// # Errors
/// [`FetchError::Invalid`] for an answer that is no list of tags, and whatever fetching gives.
pub fn tags(
    session: &Session<'_>,
    request: &Request,
    login: Option<(String, String)>,
) -> Result<Vec<String>, FetchError> {
    #[derive(serde::Deserialize)]
    struct Page {
        tags: Option<Vec<String>>,
    }
    let limits = Limits { size: MAX_DOCUMENT, ..session.limits.clone() };
    let small = Session { limits: &limits, ..*session };
    let steps = steps(session, request, login);
    let mut found: Vec<String> = Vec::new();
    for _ in 0..PAGES {
        let last = found.last().map_or_else(String::new, |last| format!("&last={last}"));
        let url = steps.registry.url(&format!("tags/list?n={PAGE}{last}"));
        let download = steps.registry.fetch(&small, &Job { url: url.clone(), ..Job::default() })?;
        let data = steps.read(&download)?;
        let _ = fs::remove_file(&download.path);
        let page: Page = serde_json::from_slice(&data)
            .map_err(|error| FetchError::invalid(&url, format!("it is no list of tags: {error}")))?;
        // What is no tag could lead the next question elsewhere; what was there before, in circles.
        let new: Vec<String> = page.tags.unwrap_or_default().into_iter().filter(|tag| is_tag(tag)).collect();
        let more = new.len() >= PAGE && new.last() != found.last();
        found.extend(new);
        if !more {
            break;
        }
    }
    Ok(found)
}

/// Writes the archive beside its place and then moves it there: nobody sees half of it.
fn pack(index: &str, blobs: &BTreeMap<Digest, (PathBuf, u64)>, target: &Path) -> Result<(), FetchError> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(FetchError::io(parent))?;
    }
    let mut name = target.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let written = || -> std::io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 17, File::create(&temporary)?);
        layout::write(&mut file, index, blobs)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        fs::rename(&temporary, target)
    };
    written().inspect_err(|_| drop(fs::remove_file(&temporary))).map_err(FetchError::io(target))
}

/// Checks every blob of an archive that may come from anywhere: that it holds the image that is asked for.
///
/// # Errors
/// [`FetchError::Invalid`] naming the archive.
pub fn verify(request: &Request, archive: &Path) -> Result<(), FetchError> {
    let verified = || -> Result<(), OciError> {
        let mut layout = Layout::open(archive)?;
        let image = layout.image(request.reference.digest.as_ref(), &request.platform)?;
        image.blobs().iter().try_for_each(|(digest, size)| layout.check(digest, *size))
    };
    verified().map_err(|error| FetchError::invalid(archive.display().to_string(), error.to_string()))
}
