//! `Packages` and `Sources`: what a suite offers.

use super::control::{Stanza, stanzas};
use super::dsc::{DscError, SourceFile, files};
use super::version;
use crate::verify::{Algorithm, Digest};

/// A source package in an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Where its files are, below the archive's root.
    pub directory: String,
    /// Its files, the `.dsc` among them.
    pub files: Vec<SourceFile>,
}

/// A binary package in an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// Its name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Its architecture, or `all`.
    pub architecture: String,
    /// Where it is, below the archive's root.
    pub filename: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// The source package of that name with the given version, or with the highest. Entries that ought not to be used
/// (`Extra-Source-Only`) count only if the version is given.
///
/// # Errors
/// If the entry itself has a flaw.
pub fn find_source(index: &str, name: &str, version: Option<&str>) -> Result<Option<Source>, DscError> {
    let candidates = named(index, name).filter(|stanza| match version {
        Some(version) => stanza.get("Version") == Some(version),
        None => stanza.get("Extra-Source-Only") != Some("yes"),
    });
    let Some(stanza) = highest(candidates) else { return Ok(None) };
    stanza.check()?;
    let field = |name: &'static str| stanza.get(name).map(str::to_owned).ok_or(DscError::Missing(name));
    let directory = field("Directory")?;
    if !is_inside(&directory) && directory != "." {
        return Err(DscError::File(directory));
    }
    Ok(Some(Source {
        package: field("Package")?,
        version: field("Version")?,
        directory,
        files: files(&stanza)?,
    }))
}

/// The binary package of that name with the given version, or with the highest.
///
/// # Errors
/// If the entry itself has a flaw.
pub fn find_binary(index: &str, name: &str, version: Option<&str>) -> Result<Option<Binary>, DscError> {
    let candidates = named(index, name)
        .filter(|stanza| version.is_none_or(|version| stanza.get("Version") == Some(version)));
    let Some(stanza) = highest(candidates) else { return Ok(None) };
    stanza.check()?;
    let field = |name: &'static str| stanza.get(name).map(str::to_owned).ok_or(DscError::Missing(name));
    let filename = field("Filename")?;
    let filename = filename.strip_prefix("./").unwrap_or(&filename).to_owned();
    if !is_inside(&filename) {
        return Err(DscError::File(filename));
    }
    let sha256 = field("SHA256")?;
    let size = field("Size")?;
    Ok(Some(Binary {
        package: field("Package")?,
        version: field("Version")?,
        architecture: field("Architecture")?,
        filename,
        size: size.parse().map_err(|_| DscError::File(size))?,
        sha256: Digest::from_hex(Algorithm::Sha256, &sha256).ok_or(DscError::File(sha256))?,
    }))
}

/// The stanzas whose `Package` is `name`. Only places where the name stands are looked at: indexes are large.
fn named<'a>(index: &'a str, name: &str) -> impl Iterator<Item = Stanza<'a>> + use<'a> {
    let needle = format!("Package: {name}\n");
    let places: Vec<usize> = memchr::memmem::find_iter(index.as_bytes(), needle.as_bytes())
        .filter(|&at| at == 0 || index.as_bytes().get(at - 1) == Some(&b'\n'))
        .collect();
    places.into_iter().filter_map(move |at| {
        let start = index.get(..at)?.rfind("\n\n").map_or(0, |end| end + 2);
        stanzas(index.get(start..)?).next()
    })
}

fn highest<'a>(candidates: impl Iterator<Item = Stanza<'a>>) -> Option<Stanza<'a>> {
    candidates.max_by(|left, right| {
        version::compare(left.get("Version").unwrap_or_default(), right.get("Version").unwrap_or_default())
    })
}

/// Whether a path stays below the archive's root.
fn is_inside(path: &str) -> bool {
    !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(package: &str, version: &str, directory: &str) -> String {
        let digest = "ab".repeat(32);
        format!(
            "Package: {package}\nVersion: {version}\nDirectory: {directory}\nChecksums-Sha256:\n {digest} 1 {package}.dsc\n\n"
        )
    }

    #[test]
    fn sources() {
        let index = [
            entry("kit", "1.0-1", "pool/k"),
            entry("kit", "1.0-10", "pool/k"),
            entry("kit", "1.0-2", "pool/k"),
            entry("kitten", "9", "pool/k"),
            entry("bad", "1", "../k"),
            entry("kit", "1.0-11", "pool/k").replace("Version", "Extra-Source-Only: yes\nVersion"),
        ]
        .concat();
        let version = |name: &str, version: Option<&str>| {
            find_source(&index, name, version).map(|found| found.map(|source| source.version))
        };
        assert_eq!(version("kit", None), Ok(Some("1.0-10".into())));
        assert_eq!(version("kit", Some("1.0-2")), Ok(Some("1.0-2".into())));
        assert_eq!(version("kit", Some("1.0-11")), Ok(Some("1.0-11".into())));
        assert_eq!(version("kit", Some("3")), Ok(None));
        assert_eq!(version("itten", None), Ok(None));
        assert_eq!(version("bad", None), Err(DscError::File("../k".into())));
    }

    #[test]
    fn binaries() {
        let digest = "cd".repeat(32);
        let index = format!(
            "Package: kit\nVersion: 2\nArchitecture: all\nFilename: ./pool/kit.deb\nSize: 5\nSHA256: {digest}\n\nPackage: old\nVersion: 1\nArchitecture: all\nFilename: pool/old.deb\nSize: 5\nSHA1: {digest}\n"
        );
        let found = find_binary(&index, "kit", None).unwrap().unwrap();
        assert_eq!((found.filename.as_str(), found.size), ("pool/kit.deb", 5));
        assert_eq!(find_binary(&index, "old", None), Err(DscError::Missing("SHA256")));
    }
}
