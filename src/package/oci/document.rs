//! Manifests, indexes of manifests, and configurations.
//!
//! Source: OCI image specification 1.1, "Image Manifest", "Image Index", "Image Configuration"; "Image Manifest V 2, Schema 2".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::OciError;
use super::reference::read_digest;
use crate::verify::Digest;

/// Largest manifest, index and configuration, in bytes. Registries have to take manifests of 4 MiB.
pub const MAX_DOCUMENT: u64 = 4 << 20;
/// Most layers.
const MAX_LAYERS: usize = 4096;

/// The kinds of index.
const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
/// The kinds of manifest.
const MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// What is said to be understood when a manifest is asked for.
pub fn accept() -> String {
    [INDEXES, MANIFESTS].concat().join(", ")
}

/// Operating system, architecture and its variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// The operating system in Go's spelling: `linux`.
    pub os: String,
    /// The architecture in Go's spelling: `amd64`.
    pub architecture: String,
    /// Its variant, as `v7` of `arm`.
    pub variant: Option<String>,
}

impl Default for Platform {
    fn default() -> Self {
        Platform { os: "linux".into(), architecture: "amd64".into(), variant: None }
    }
}

impl FromStr for Platform {
    type Err = OciError;

    fn from_str(text: &str) -> Result<Self, OciError> {
        let parts: Vec<&str> = text.split('/').collect();
        let is_word = |part: &&str| {
            !part.is_empty()
                && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
        };
        match parts.as_slice() {
            [os, architecture, variant @ ..] if variant.len() < 2 && parts.iter().all(is_word) => {
                Ok(Platform {
                    os: os.to_string(),
                    architecture: architecture.to_string(),
                    variant: variant.first().map(ToString::to_string),
                })
            }
            _ => Err(OciError::Platform(text.into())),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

/// What points to a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// What kind of thing it is.
    pub media_type: String,
    /// Its digest, never a weak one.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Which platform it is for, if that is told.
    pub platform: Option<Platform>,
}

/// A manifest: one image for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// What kind it says it is of.
    pub media_type: Option<String>,
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers, the lowest first.
    pub layers: Vec<Descriptor>,
}

/// What a registry has under a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// One image for several platforms.
    Index(Vec<Descriptor>),
    /// One image for one platform.
    Manifest(Manifest),
}

#[derive(Deserialize)]
struct RawPlatform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<RawPlatform>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDocument {
    schema_version: u64,
    media_type: Option<String>,
    manifests: Option<Vec<RawDescriptor>>,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
}

impl RawDescriptor {
    fn read(self) -> Result<Descriptor, OciError> {
        let variant = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Descriptor {
            media_type: self.media_type,
            digest: read_digest(&self.digest)?,
            size: self.size,
            platform: self.platform.map(|platform| Platform {
                os: platform.os,
                architecture: platform.architecture,
                variant: variant(platform.variant),
            }),
        })
    }
}

impl Document {
    /// Reads a manifest or an index. Which of the two it is must not be open to doubt.
    ///
    /// # Errors
    /// [`OciError::Malformed`], [`OciError::Unsupported`] and [`OciError::Digest`].
    pub fn parse(data: &[u8]) -> Result<Self, OciError> {
        let wrong = |reason: &str| OciError::malformed("the manifest", reason);
        let raw: RawDocument =
            serde_json::from_slice(data).map_err(|error| OciError::malformed("the manifest", error))?;
        if raw.schema_version != 2 {
            let reason = format!("a manifest of schema {} is too old to be verified", raw.schema_version);
            return Err(OciError::Unsupported(reason));
        }
        let said = |kinds: &[&str]| raw.media_type.as_deref().is_none_or(|kind| kinds.contains(&kind));
        let read = |list: Vec<RawDescriptor>| {
            list.into_iter().map(RawDescriptor::read).collect::<Result<Vec<_>, _>>()
        };
        match (raw.manifests, raw.config, raw.layers) {
            (Some(manifests), None, None) if said(&INDEXES) => Ok(Document::Index(read(manifests)?)),
            (None, Some(config), Some(layers)) if said(&MANIFESTS) => {
                if layers.len() > MAX_LAYERS {
                    return Err(wrong("it has too many layers"));
                }
                let (media_type, layers) = (raw.media_type, read(layers)?);
                Ok(Document::Manifest(Manifest { media_type, config: config.read()?, layers }))
            }
            (None, None, None) => Err(wrong("it lists neither manifests nor layers")),
            _ => Err(wrong("it is neither surely a manifest nor surely an index")),
        }
    }
}

/// Docker's kinds of blob, and what the specification calls them.
const TRANSLATED: [(&str, &str); 5] = [
    ("application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"),
    ("application/vnd.docker.image.rootfs.diff.tar", "application/vnd.oci.image.layer.v1.tar"),
    ("application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
    (
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
    ),
    (
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ),
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    schema_version: u64,
    media_type: &'static str,
    config: WrittenDescriptor,
    layers: Vec<WrittenDescriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenDescriptor {
    media_type: String,
    digest: String,
    size: u64,
}

impl Manifest {
    /// The kind of manifest, by what it says; without a word it is of the specification's own.
    pub fn kind(&self) -> &str {
        let [own, _] = MANIFESTS;
        self.media_type.as_deref().unwrap_or(own)
    }

    /// A manifest of Docker's in the specification's words, which is what layouts are made of: the same blobs by other names, always
    /// the same bytes. `None` if it has them already.
    pub fn translated(&self) -> Option<Vec<u8>> {
        let [own, docker] = MANIFESTS;
        if self.kind() != docker {
            return None;
        }
        let write = |descriptor: &Descriptor| {
            let kind = descriptor.media_type.as_str();
            let known = TRANSLATED.iter().find(|(from, _)| *from == kind).map_or(kind, |(_, to)| to);
            WrittenDescriptor {
                media_type: known.to_owned(),
                digest: descriptor.digest.to_string(),
                size: descriptor.size,
            }
        };
        let written = Written {
            schema_version: 2,
            media_type: own,
            config: write(&self.config),
            layers: self.layers.iter().map(write).collect(),
        };
        serde_json::to_vec(&written).ok()
    }
}

/// The manifest for a platform among those of an index. Without a variant in `wanted`, one without variant comes first.
///
/// # Errors
/// [`OciError::NoPlatform`].
pub fn choose<'a>(manifests: &'a [Descriptor], wanted: &Platform) -> Result<&'a Descriptor, OciError> {
    let fits = |descriptor: &&Descriptor| {
        descriptor.platform.as_ref().is_some_and(|platform| {
            (&platform.os, &platform.architecture) == (&wanted.os, &wanted.architecture)
                && (wanted.variant.is_none() || platform.variant == wanted.variant)
        })
    };
    let plain = |descriptor: &&Descriptor| {
        descriptor.platform.as_ref().is_some_and(|platform| platform.variant == wanted.variant)
    };
    // Without any platform there is nothing to choose, if there is only one.
    let only = match manifests {
        [only] if only.platform.is_none() => Some(only),
        _ => None,
    };
    let found = manifests.iter().filter(fits).find(plain).or_else(|| manifests.iter().find(fits)).or(only);
    found.ok_or_else(|| {
        let mut names: Vec<String> = manifests
            .iter()
            .map(|descriptor| descriptor.platform.as_ref().map_or("none".into(), ToString::to_string))
            .filter(|name| name != "unknown/unknown")
            .collect();
        names.dedup();
        let found = if names.is_empty() { "none".into() } else { names.join(", ") };
        OciError::NoPlatform { wanted: wanted.to_string(), found }
    })
}

/// What a configuration says of the layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The platform, if told.
    pub platform: Option<Platform>,
    /// The digests of the layers without compression; empty if it tells none.
    pub diff_ids: Vec<Digest>,
}

#[derive(Deserialize)]
struct RawConfig {
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
    rootfs: Option<RawRoot>,
}

#[derive(Deserialize)]
struct RawRoot {
    #[serde(default)]
    diff_ids: Vec<String>,
}

impl Config {
    /// Reads a configuration. What is no image's, as of artifacts, may lack everything.
    ///
    /// # Errors
    /// [`OciError::Malformed`] and [`OciError::Digest`].
    pub fn parse(data: &[u8]) -> Result<Self, OciError> {
        let raw: RawConfig =
            serde_json::from_slice(data).map_err(|error| OciError::malformed("the configuration", error))?;
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        let platform = match (text(raw.os), text(raw.architecture)) {
            (Some(os), Some(architecture)) => Some(Platform { os, architecture, variant: text(raw.variant) }),
            _ => None,
        };
        let diff_ids = raw.rootfs.map(|root| root.diff_ids).unwrap_or_default();
        let diff_ids = diff_ids.iter().map(|text| read_digest(text)).collect::<Result<_, _>>()?;
        Ok(Config { platform, diff_ids })
    }

    /// Whether the image is for a platform, as far as it tells.
    ///
    /// # Errors
    /// [`OciError::NoPlatform`].
    pub fn check(&self, wanted: &Platform) -> Result<(), OciError> {
        let Some(own) = &self.platform else { return Ok(()) };
        let same = (&own.os, &own.architecture) == (&wanted.os, &wanted.architecture);
        let variant = wanted.variant.is_none() || own.variant.is_none() || own.variant == wanted.variant;
        if same && variant {
            return Ok(());
        }
        Err(OciError::NoPlatform { wanted: wanted.to_string(), found: own.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(letter: char) -> String {
        format!("sha256:{}", letter.to_string().repeat(64))
    }

    fn entry(letter: char, platform: &str) -> String {
        let platform = match platform.split('/').collect::<Vec<_>>().as_slice() {
            [os, arch] => format!(",\"platform\":{{\"os\":\"{os}\",\"architecture\":\"{arch}\"}}"),
            [os, arch, variant] => {
                format!(
                    ",\"platform\":{{\"os\":\"{os}\",\"architecture\":\"{arch}\",\"variant\":\"{variant}\"}}"
                )
            }
            _ => String::new(),
        };
        format!("{{\"mediaType\":\"x\",\"digest\":\"{}\",\"size\":1{platform}}}", digest(letter))
    }

    /// The rules of the image specification.
    #[test]
    fn platforms() {
        let entries = [
            entry('1', "unknown/unknown"),
            entry('2', "linux/arm/v6"),
            entry('3', "linux/arm/v7"),
            entry('4', "linux/amd64"),
            entry('5', "linux/arm64/v8"),
        ];
        let text = format!("{{\"schemaVersion\":2,\"manifests\":[{}]}}", entries.join(","));
        let Document::Index(found) = Document::parse(text.as_bytes()).unwrap() else { panic!("an index") };
        for (wanted, expected) in [
            ("linux/amd64", Some('4')),
            ("linux/arm/v7", Some('3')),
            ("linux/arm", Some('2')),
            ("linux/arm64", Some('5')),
            ("windows/amd64", None),
            ("linux/arm/v5", None),
        ] {
            let chosen = choose(&found, &wanted.parse().unwrap()).map(|found| found.digest.to_string());
            assert_eq!(chosen.ok(), expected.map(digest), "{wanted}");
        }
        let error = choose(&found, &"windows/amd64".parse().unwrap()).unwrap_err().to_string();
        assert_eq!(
            error,
            "the image is not there for windows/amd64, only for linux/arm/v6, linux/arm/v7, linux/amd64, linux/arm64/v8"
        );
        for wrong in ["", "linux", "linux/", "a/b/c/d", "a/b c"] {
            assert!(wrong.parse::<Platform>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_open_to_doubt_is_refused() {
        let one = entry('1', "");
        for (text, expected) in [
            ("{}".to_owned(), "missing field `schemaVersion`"),
            ("{\"schemaVersion\":1}".to_owned(), "too old"),
            ("{\"schemaVersion\":2}".to_owned(), "neither manifests nor layers"),
            (
                format!("{{\"schemaVersion\":2,\"manifests\":[],\"config\":{one},\"layers\":[]}}"),
                "neither surely",
            ),
            (
                format!(
                    "{{\"schemaVersion\":2,\"mediaType\":\"{}\",\"config\":{one},\"layers\":[]}}",
                    INDEXES[0]
                ),
                "neither surely",
            ),
            (format!("{{\"schemaVersion\":2,\"config\":{one},\"config\":{one},\"layers\":[]}}"), "duplicate"),
            (
                "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"x\",\"digest\":\"md5:1\",\"size\":1}]}"
                    .to_owned(),
                "no SHA-256",
            ),
            (
                "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"x\",\"digest\":\"x\",\"size\":-1}]}"
                    .to_owned(),
                "invalid value",
            ),
        ] {
            let error = Document::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn configurations() {
        let wanted = Platform::default();
        for (text, fits) in [
            ("{}", true),
            (
                "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}",
                true,
            ),
            ("{\"os\":\"linux\",\"architecture\":\"arm64\"}", false),
        ] {
            assert_eq!(Config::parse(text.as_bytes()).unwrap().check(&wanted).is_ok(), fits, "{text}");
        }
        assert!(Config::parse(b"{\"rootfs\":{\"diff_ids\":[\"x\"]}}").is_err());
    }
}
