//! Repository metadata: `repomd.xml`, which is signed, and `primary.xml`, which it vouches for.

use std::collections::BTreeMap;
use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::version::Evr;
use crate::verify::{Algorithm, Digest};

/// A file of metadata that `repomd.xml` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it is, below the repository's root.
    pub location: String,
    /// Its size in bytes, if told.
    pub size: Option<u64>,
    /// Its digest, never a weak one.
    pub digest: Digest,
    /// When it was made, in seconds since 1970.
    pub timestamp: u64,
}

/// The content of `repomd.xml`. Its signature must be checked before it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repomd {
    /// The revision, often a time in seconds since 1970.
    pub revision: String,
    /// The files, by kind: `primary`, `filelists`, …
    pub data: BTreeMap<String, Listed>,
}

/// A package in `primary.xml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its architecture, `src` for a source package.
    pub arch: String,
    /// Its version.
    pub evr: Evr,
    /// Where it is, below the repository's root.
    pub location: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest, never a weak one.
    pub digest: Digest,
}

/// Why metadata can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepomdError {
    /// Not XML, or not this kind.
    #[error("it can't be read: {0}")]
    Malformed(String),
    /// No digest, or only a weak one.
    #[error("'{0}' has no SHA-256 or stronger checksum")]
    Weak(String),
    /// A path that leaves the repository.
    #[error("'{0}' is no path inside the repository")]
    Outside(String),
}

/// Longest text of one element that is kept.
const MAX_TEXT: usize = 1 << 16;

impl Repomd {
    /// Reads `repomd.xml`.
    ///
    /// # Errors
    /// See [`RepomdError`].
    pub fn parse(data: &[u8]) -> Result<Self, RepomdError> {
        let mut found = Repomd::default();
        let mut entry: Option<(String, Partly)> = None;
        walk(data, |path, element| {
            match (path, element) {
                (["repomd", "data"], Element::Start(tag)) => {
                    entry = Some((attribute(tag, "type")?.unwrap_or_default(), Partly::default()));
                }
                (["repomd", "data", field], Element::Start(tag)) => {
                    if let Some((_, partly)) = &mut entry {
                        partly.start(field, tag)?;
                    }
                }
                (["repomd", "revision"], Element::Text(text)) => text.clone_into(&mut found.revision),
                (["repomd", "data", field], Element::Text(text)) => {
                    if let Some((_, partly)) = &mut entry {
                        partly.text(field, text);
                    }
                }
                (["repomd", "data"], Element::End) => {
                    if let Some((kind, partly)) = entry.take() {
                        let (location, digest) = partly.finish()?;
                        let timestamp = partly.timestamp;
                        let listed = Listed { location, size: partly.size, digest, timestamp };
                        found.data.insert(kind, listed);
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(found)
    }
}

/// What is known of a file so far.
#[derive(Default)]
struct Partly {
    name: String,
    arch: String,
    evr: Evr,
    location: String,
    algorithm: Option<Algorithm>,
    digest: String,
    size: Option<u64>,
    timestamp: u64,
}

impl Partly {
    fn start(&mut self, field: &str, tag: &BytesStart<'_>) -> Result<(), RepomdError> {
        match field {
            "location" => self.location = attribute(tag, "href")?.unwrap_or_default(),
            "checksum" => {
                self.algorithm = attribute(tag, "type")?.and_then(|name| name.parse().ok());
            }
            "version" => {
                let value = |name: &str| attribute(tag, name).map(Option::unwrap_or_default);
                self.evr = Evr {
                    epoch: value("epoch")?.parse().unwrap_or(0),
                    version: value("ver")?,
                    release: value("rel")?,
                };
            }
            "size" => self.size = attribute(tag, "package")?.and_then(|size| size.parse().ok()),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, field: &str, text: &str) {
        match field {
            "checksum" => text.clone_into(&mut self.digest),
            "name" => text.clone_into(&mut self.name),
            "arch" => text.clone_into(&mut self.arch),
            "size" => self.size = text.parse().ok(),
            "timestamp" => self.timestamp = text.split('.').next().unwrap_or_default().parse().unwrap_or(0),
            _ => {}
        }
    }

    fn finish(&self) -> Result<(String, Digest), RepomdError> {
        let inside = self.location.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !inside || self.location.contains("://") {
            return Err(RepomdError::Outside(self.location.clone()));
        }
        let digest = self
            .algorithm
            .filter(|algorithm| algorithm.is_strong())
            .and_then(|algorithm| Digest::from_hex(algorithm, &self.digest));
        Ok((self.location.clone(), digest.ok_or_else(|| RepomdError::Weak(self.location.clone()))?))
    }
}

/// The packages in `primary.xml` that `wanted` chooses by name and architecture. The rest is only read over.
///
/// # Errors
/// See [`RepomdError`].
pub fn packages(
    primary: impl BufRead,
    wanted: impl Fn(&str, &str) -> bool,
) -> Result<Vec<Package>, RepomdError> {
    let mut found = Vec::new();
    let mut partly = Partly::default();
    walk(primary, |path, element| {
        match (path, element) {
            (["metadata", "package"], Element::Start(_)) => partly = Partly::default(),
            (["metadata", "package", field], Element::Start(tag)) => partly.start(field, tag)?,
            (["metadata", "package", field], Element::Text(text)) if *field != "size" => {
                partly.text(field, text)
            }
            (["metadata", "package"], Element::End) if wanted(&partly.name, &partly.arch) => {
                let (location, digest) = partly.finish()?;
                let size =
                    partly.size.ok_or_else(|| RepomdError::Malformed(format!("'{location}' has no size")))?;
                let Partly { name, arch, evr, .. } = std::mem::take(&mut partly);
                found.push(Package { name, arch, evr, location, size, digest });
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}

enum Element<'a, 'b> {
    Start(&'a BytesStart<'b>),
    Text(&'a str),
    End,
}

/// Walks through a document, telling the path of local names at each element.
fn walk(
    data: impl BufRead,
    mut visit: impl FnMut(&[&str], Element<'_, '_>) -> Result<(), RepomdError>,
) -> Result<(), RepomdError> {
    let malformed = |error: &dyn std::fmt::Display| RepomdError::Malformed(error.to_string());
    let mut reader = Reader::from_reader(data);
    let (mut buffer, mut path, mut text) = (Vec::new(), Vec::<String>::new(), String::new());
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer).map_err(|error| malformed(&error))?;
        let names: Vec<&str>;
        match event {
            Event::Start(tag) => {
                if path.len() > 32 {
                    return Err(RepomdError::Malformed("elements lie too deep".into()));
                }
                path.push(tag.local_name().as_ref().to_owned());
                text.clear();
                names = path.iter().map(String::as_str).collect();
                visit(&names, Element::Start(&tag))?;
            }
            Event::Empty(tag) => {
                path.push(tag.local_name().as_ref().to_owned());
                names = path.iter().map(String::as_str).collect();
                visit(&names, Element::Start(&tag))?;
                visit(&names, Element::End)?;
                path.pop();
                text.clear();
            }
            Event::Text(part) if text.len() + part.len() <= MAX_TEXT => text.push_str(&part),
            Event::GeneralRef(part) => {
                let name: &str = &part;
                if let Some(letter) = part.resolve_char_ref().map_err(|error| malformed(&error))? {
                    text.push(letter);
                } else if let Some(known) = quick_xml::escape::resolve_xml_entity(name) {
                    text.push_str(known);
                } else {
                    return Err(RepomdError::Malformed(format!("unknown entity {name}")));
                }
            }
            Event::End(_) => {
                names = path.iter().map(String::as_str).collect();
                visit(&names, Element::Text(text.trim()))?;
                visit(&names, Element::End)?;
                path.pop();
                text.clear();
            }
            Event::Eof if path.is_empty() => return Ok(()),
            Event::Eof => return Err(RepomdError::Malformed("it ends too early".into())),
            Event::DocType(_) => return Err(RepomdError::Malformed("it has a document type".into())),
            _ => {}
        }
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, RepomdError> {
    let malformed = |error: &dyn std::fmt::Display| RepomdError::Malformed(error.to_string());
    let Some(found) = tag.try_get_attribute(name).map_err(|error| malformed(&error))? else {
        return Ok(None);
    };
    quick_xml::escape::unescape(&found.value)
        .map(|text| Some(text.into_owned()))
        .map_err(|error| malformed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repomd(kind: &str, digest: &str, location: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\"><revision>1700000000</revision>\
            <data type=\"primary\"><checksum type=\"{kind}\">{digest}</checksum><open-checksum type=\"sha256\">00</open-checksum>\
            <location href=\"{location}\"/><timestamp>1700000001.5</timestamp><size>10</size><open-size>99</open-size></data></repomd>"
        )
    }

    #[test]
    fn repomd_files() {
        let digest = "ab".repeat(32);
        let found = Repomd::parse(repomd("sha256", &digest, "repodata/p.xml.gz").as_bytes()).unwrap();
        let primary = &found.data["primary"];
        assert_eq!(
            (found.revision.as_str(), primary.size, primary.timestamp),
            ("1700000000", Some(10), 1_700_000_001)
        );
        assert_eq!((primary.location.as_str(), primary.digest.hex()), ("repodata/p.xml.gz", digest.clone()));
        let error = |kind, location| Repomd::parse(repomd(kind, &digest, location).as_bytes()).unwrap_err();
        assert_eq!(error("sha", "a"), RepomdError::Weak("a".into()));
        for outside in ["../a", "/etc/passwd", "http://x/y", "a/../../b"] {
            assert_eq!(error("sha256", outside), RepomdError::Outside(outside.into()));
        }
        for bad in
            ["", "<a", "<repomd><data></repomd>", "<!DOCTYPE x [<!ENTITY a 'b'>]><repomd/>", "<a>&x;</a>"]
        {
            assert!(
                matches!(Repomd::parse(bad.as_bytes()), Err(RepomdError::Malformed(_))) || bad.is_empty(),
                "{bad}"
            );
        }
    }

    #[test]
    fn primary_packages() {
        let digest = "cd".repeat(32);
        let package = |name: &str, arch: &str, ver: &str| {
            format!(
                "<package type=\"rpm\"><name>{name}</name><arch>{arch}</arch><version epoch=\"1\" ver=\"{ver}\" rel=\"2.el9\"/>\
                <checksum type=\"sha256\" pkgid=\"YES\">{digest}</checksum><summary>a &amp; b</summary><size package=\"7\" installed=\"8\" archive=\"9\"/>\
                <location href=\"Packages/{name}.rpm\"/><format><rpm:license>X</rpm:license><file>/usr/x</file></format></package>"
            )
        };
        let text = format!(
            "<metadata packages=\"3\">{}{}{}</metadata>",
            package("kit", "src", "1.0"),
            package("kit", "x86_64", "1.0"),
            package("other", "src", "3")
        );
        let found = packages(text.as_bytes(), |name, arch| name == "kit" && arch == "src").unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].evr.to_string().as_str(), found[0].size), ("1:1.0-2.el9", 7));
        assert_eq!((found[0].location.as_str(), found[0].digest.hex()), ("Packages/kit.rpm", digest));
    }

    proptest::proptest! {
        #[test]
        fn any_text(text in "(<|>|/|repomd|data| type=|\"|&|;|\\PC){0,60}") {
            let _ = Repomd::parse(text.as_bytes());
            let _ = packages(text.as_bytes(), |_, _| true);
        }
    }
}
