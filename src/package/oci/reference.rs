//! The name of an image: registry, repository, tag, digest.
//!
//! Source: OCI distribution specification 1.1, section "Pulling manifests".

use std::fmt;

use super::error::OciError;
use crate::verify::{Algorithm, Digest};

/// Longest repository name and tag, in bytes.
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

/// An image's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The registry: host, and port if it is not the usual one.
    pub registry: String,
    /// The repository in the registry.
    pub name: String,
    /// The tag; `latest` if there is neither tag nor digest.
    pub tag: Option<String>,
    /// The digest of the manifest, or of the index of manifests.
    pub digest: Option<Digest>,
}

impl Reference {
    /// Reads a `docker://` or `oci://` URL, whose parameters are not looked at.
    ///
    /// # Errors
    /// [`OciError::Reference`] and [`OciError::Digest`].
    pub fn parse(url: &str) -> Result<Self, OciError> {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let rest = rest.split(';').next().unwrap_or_default();
        let (registry, rest_of) = rest.split_once('/').unwrap_or((rest, ""));
        // User and password belong to the URL, not to the name, and are not shown.
        let registry = registry.rsplit_once('@').map_or(registry, |(_, host)| host);
        let wrong = || OciError::Reference(format!("{registry}/{rest_of}"));
        // Mirror rules leave URLs in this form.
        let decoded = rest_of.replace("%40", "@").replace("%3A", ":").replace("%3a", ":");
        let (named, digest) = match decoded.split_once('@') {
            Some((named, digest)) => (named, Some(read_digest(digest)?)),
            None => (decoded.as_str(), None),
        };
        let (name, tag) = match named.rsplit_once(':') {
            Some((name, tag)) => (name, Some(tag)),
            None => (named, None),
        };
        if !is_host(registry) || !is_name(name) || !tag.is_none_or(is_tag) {
            return Err(wrong());
        }
        let tag = match (tag, &digest) {
            (None, None) => Some("latest".to_owned()),
            (tag, _) => tag.map(str::to_owned),
        };
        Ok(Reference { registry: registry.to_ascii_lowercase(), name: name.to_owned(), tag, digest })
    }

    /// The last part of the repository's name.
    pub fn basename(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// The name of the archive that holds the image for a platform: one part of a path, and another one for another image.
    pub fn archive_name(&self, platform: &str) -> String {
        let version = match &self.digest {
            Some(digest) => format!("{}-{}", digest.algorithm(), digest.hex()),
            None => self.tag.clone().unwrap_or_default(),
        };
        // No name or tag has a plus sign, and no host an underscore.
        let (registry, name) = (self.registry.replace([':', '[', ']'], "."), self.name.replace('/', "+"));
        format!("oci_{registry}_{name}+{version}+{}.tar", platform.replace('/', "-"))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.name)?;
        self.tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))?;
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

/// Reads `sha256:…`; weak algorithms are refused.
///
/// # Errors
/// [`OciError::Digest`].
pub fn read_digest(text: &str) -> Result<Digest, OciError> {
    let known = [Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];
    let found = text.split_once(':').and_then(|(name, hex)| {
        let algorithm = known.into_iter().find(|algorithm| algorithm.name() == name)?;
        Digest::from_hex(algorithm, hex).filter(|digest| digest.hex() == hex)
    });
    found.ok_or_else(|| OciError::Digest(text.chars().take(200).collect()))
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or("?"))),
            None => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-.".contains(letter);
    let host_is = match text.starts_with('[') {
        true => host.parse::<std::net::Ipv6Addr>().is_ok(),
        false => host.starts_with(|first: char| first.is_ascii_alphanumeric()) && host.chars().all(allowed),
    };
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    host_is && port.is_none_or(|port| digits(port) && port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Parts of lower-case letters and digits, joined by a dot, one or two underscores, or dashes.
fn is_name(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_part = |part: &str| {
        let ends = [part.bytes().next(), part.bytes().next_back()];
        let mut joints = part.split(|letter: char| letter.is_ascii() && is_word(letter as u8));
        ends.into_iter().all(|end| end.is_some_and(is_word))
            && joints
                .all(|joint| matches!(joint, "" | "." | "_" | "__") || joint.bytes().all(|byte| byte == b'-'))
    };
    text.len() <= MAX_NAME && text.split('/').all(is_part)
}

/// Whether a text can be a tag.
pub fn is_tag(text: &str) -> bool {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.len() <= MAX_TAG
        && text.starts_with(is_word)
        && text.chars().all(|letter| is_word(letter) || ".-".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The grammar of the distribution specification.
    #[test]
    fn names() {
        let hex = "0123456789abcdef".repeat(4);
        for (url, shown) in [
            ("docker://h/a", "h/a:latest"),
            (
                "docker://H.example:5000/a/b-c--d_e__f.g/x1:V1.0-a_b;protocol=http",
                "h.example:5000/a/b-c--d_e__f.g/x1:V1.0-a_b",
            ),
            ("oci://user:secret@h/a:1", "h/a:1"),
            ("oci://[::1]:80/a:1", "[::1]:80/a:1"),
        ] {
            assert_eq!(Reference::parse(url).unwrap().to_string(), shown);
        }
        for (url, tag) in [
            ("docker://h/a@sha256:", None),
            ("docker://h/a:1@sha256:", Some("1")),
            ("docker://h/a%3A1%40sha256%3a", Some("1")),
        ] {
            let found = Reference::parse(&format!("{url}{hex}")).unwrap();
            assert_eq!((found.tag.as_deref(), found.digest.unwrap().hex()), (tag, hex.clone()));
        }
        for url in [
            "docker://h",
            "docker://h/",
            "docker:///a",
            "docker://h/A",
            "docker://h/a//b",
            "docker://h/../b",
            "docker://h/a.",
            "docker://h/a___b",
            "docker://h/a._b",
            "docker://h/a:",
            "docker://h/a:-x",
            "docker://h/a:1:2",
            "docker://h:x/a",
            "docker://h:99999/a",
            "docker://h:/a",
            "docker://-h/a",
            "docker://[::1/a",
            "docker://[x]/a",
            "docker://h/a?x",
            "docker://h/ä",
            "docker://user:secret@h/A",
        ] {
            let error = Reference::parse(url).unwrap_err();
            assert!(
                matches!(error, OciError::Reference(_)) && !error.to_string().contains("secret"),
                "{url}"
            );
        }
        for digest in ["sha256:12", "md5:0123456789abcdef0123456789abcdef", "", "sha256"] {
            assert!(matches!(Reference::parse(&format!("docker://h/a@{digest}")), Err(OciError::Digest(_))));
        }
        assert!(read_digest(&format!("sha256:{}", hex.to_uppercase())).is_err());
    }

    #[test]
    fn archive_names_are_file_names() {
        let name = |url: &str| Reference::parse(url).unwrap().archive_name("linux/amd64");
        assert_eq!(name("docker://h:5000/a/b:1.0"), "oci_h.5000_a+b+1.0+linux-amd64.tar");
        assert_ne!(name("docker://h/a/b:1"), name("docker://h/a.b:1"));
        let pinned = name(&format!("docker://h/a:1@sha256:{}", "a".repeat(64)));
        assert_eq!(pinned, format!("oci_h_a+sha256-{}+linux-amd64.tar", "a".repeat(64)));
    }
}
