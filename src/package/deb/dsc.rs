//! Source packages: `.dsc` files and the files they list (dsc(5)).

use super::control::{ControlError, Stanza};
use crate::verify::{Algorithm, Digest};

/// One file of a source package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name: never a path.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// A source package's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dsc {
    /// `1.0`, `3.0 (native)`, `3.0 (quilt)`.
    pub format: String,
    /// The package's name.
    pub source: String,
    /// Its version.
    pub version: String,
    /// Its files.
    pub files: Vec<SourceFile>,
}

/// Why a description can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DscError {
    /// Not a control file.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// A field that has to be there is not.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// A line of a list of files that is none.
    #[error("'{0}' is no file with size and SHA-256")]
    File(String),
    /// A file that is listed by name only, or with two sizes.
    #[error("Files and Checksums-Sha256 do not agree on '{0}'")]
    Disagree(String),
    /// A name or version with letters that may not be in it.
    #[error("'{0}' is no name or version of a package")]
    Name(String),
}

impl Dsc {
    /// Reads a description: signed in clear, whose signature is not looked at here, or plain.
    ///
    /// # Errors
    /// See [`DscError`].
    pub fn parse(text: &str) -> Result<Self, DscError> {
        let stanza = Stanza::only(strip_signature(text))?;
        let field = |name: &'static str| stanza.get(name).ok_or(DscError::Missing(name));
        let source = field("Source")?.to_owned();
        let version = field("Version")?.to_owned();
        for (text, more) in [(&source, "+-."), (&version, "+-.:~")] {
            let valid = |letter: char| letter.is_ascii_alphanumeric() || more.contains(letter);
            if !text.starts_with(|letter: char| letter.is_ascii_alphanumeric()) || !text.chars().all(valid) {
                return Err(DscError::Name(text.clone()));
            }
        }
        let files = files(&stanza)?;
        let format = stanza.get("Format").unwrap_or("1.0").to_owned();
        Ok(Dsc { format, source, version, files })
    }

    /// The version without epoch.
    pub fn version_without_epoch(&self) -> &str {
        self.version.split_once(':').map_or(self.version.as_str(), |(_, rest)| rest)
    }

    /// The upstream version: without epoch and revision.
    pub fn upstream_version(&self) -> &str {
        let version = self.version_without_epoch();
        version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
    }
}

/// The files of a `.dsc` or of a stanza of `Sources`: those with SHA-256; `Files` must not say otherwise.
///
/// # Errors
/// See [`DscError`].
pub fn files(stanza: &Stanza<'_>) -> Result<Vec<SourceFile>, DscError> {
    let mut files: Vec<SourceFile> = Vec::new();
    for line in stanza.lines("Checksums-Sha256") {
        let (digest, size, name) = entry(line)?;
        let sha256 =
            Digest::from_hex(Algorithm::Sha256, digest).ok_or_else(|| DscError::File(line.into()))?;
        if files.iter().any(|file| file.name == name) {
            return Err(DscError::Disagree(name.into()));
        }
        files.push(SourceFile { name: name.into(), size, sha256 });
    }
    if files.is_empty() {
        return Err(DscError::Missing("Checksums-Sha256"));
    }
    for line in stanza.lines("Files") {
        let (_, size, name) = entry(line)?;
        if !files.iter().any(|file| file.name == name && file.size == size) {
            return Err(DscError::Disagree(name.into()));
        }
    }
    Ok(files)
}

/// Reads `digest size name`; a name is one part of a path, and no option.
fn entry(line: &str) -> Result<(&str, u64, &str), DscError> {
    let mut words = line.split_ascii_whitespace();
    let parts = (words.next(), words.next().and_then(|size| size.parse().ok()), words.next(), words.next());
    match parts {
        (Some(digest), Some(size), Some(name), None) if is_file_name(name) => Ok((digest, size, name)),
        _ => Err(DscError::File(line.into())),
    }
}

/// Whether a text can stand as the name of a downloaded file.
pub(crate) fn is_file_name(name: &str) -> bool {
    !name.starts_with(['.', '-']) && !name.is_empty() && !name.contains(['/', '\0', '\\'])
}

/// The text between header and signature of a message signed in clear; other text as it is.
fn strip_signature(text: &str) -> &str {
    let Some(rest) = text.strip_prefix("-----BEGIN PGP SIGNED MESSAGE-----") else { return text };
    let body = rest.find("\n\n").and_then(|at| rest.get(at + 2..)).unwrap_or_default();
    body.find("-----BEGIN PGP SIGNATURE-----").and_then(|at| body.get(..at)).unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dsc(name: &str) -> String {
        let digest = "ab".repeat(32);
        format!(
            "Format: 3.0 (quilt)\nSource: kit\nVersion: 1:2.0-3\nChecksums-Sha256:\n {digest} 10 {name}\nFiles:\n d41d8cd98f00b204e9800998ecf8427e 10 {name}\n"
        )
    }

    #[test]
    fn plain_and_signed() {
        let plain = dsc("kit_2.0.orig.tar.gz");
        let signed = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{plain}\n-----BEGIN PGP SIGNATURE-----\n\nxx\n-----END PGP SIGNATURE-----\n"
        );
        for text in [&plain, &signed] {
            let found = Dsc::parse(text).unwrap();
            assert_eq!((found.format.as_str(), found.source.as_str()), ("3.0 (quilt)", "kit"));
            assert_eq!((found.version_without_epoch(), found.upstream_version()), ("2.0-3", "2.0"));
            assert_eq!((found.files[0].name.as_str(), found.files[0].size), ("kit_2.0.orig.tar.gz", 10));
        }
    }

    #[test]
    fn refused() {
        for name in ["../x", "/etc/passwd", ".bashrc", "-rf", "a/b", "a\\b"] {
            assert!(matches!(Dsc::parse(&dsc(name)), Err(DscError::File(_))), "{name}");
        }
        let good = dsc("kit.tar.gz");
        for (from, to) in [
            ("Source: kit", "Source: ../kit"),
            ("Version: 1:2.0-3", "Version: 1;rm"),
            ("\n d41d8cd98f00b204e9800998ecf8427e 10", "\n d41d8cd98f00b204e9800998ecf8427e 11"),
            ("Checksums-Sha256", "Checksums-Md5"),
            ("Source: kit\n", ""),
            ("abab", "xyxy"),
        ] {
            assert!(Dsc::parse(&good.replacen(from, to, 1)).is_err(), "{to}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text(text in "(\\PC|\n){0,200}") {
            let _ = Dsc::parse(&text);
            let _ = Dsc::parse(&format!("-----BEGIN PGP SIGNED MESSAGE-----{text}"));
        }
    }
}
