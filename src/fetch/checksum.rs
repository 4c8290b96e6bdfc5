//! The checksums a recipe states for what it fetches.
//!
//! Source: BitBake manual, section "HTTP/FTP wget fetcher" and `BB_STRICT_CHECKSUM`.

use std::path::Path;

use super::error::FetchError;
use super::url::{Params, Url};
use crate::verify::{Algorithm, Digest, file_digests};

/// Schemes whose checksums may stand in flags of `SRC_URI`.
const FLAG_SCHEMES: [&str; 11] =
    ["http", "https", "ftp", "ftps", "sftp", "s3", "az", "crate", "gs", "gomod", "npm"];

/// What to do if a recipe states no checksum for a file that should have one (`BB_STRICT_CHECKSUM`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Strict {
    /// Warn and go on (any other value).
    #[default]
    Warn,
    /// Say nothing (`ignore`).
    Ignore,
    /// Fail (`1`).
    Error,
}

impl Strict {
    /// Reads the variable's value.
    pub fn from_value(value: &str) -> Self {
        match value {
            "1" => Strict::Error,
            "ignore" => Strict::Ignore,
            _ => Strict::Warn,
        }
    }
}

/// One kind of checksum for one URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The flag of `SRC_URI` where it belongs: `sha256sum` or `NAME.sha256sum`.
    pub flag: String,
    /// The value, if one is given.
    pub expected: Option<String>,
}

/// The order in which BitBake computes and reports them.
const ORDER: [Algorithm; 5] =
    [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha1, Algorithm::Sha384, Algorithm::Sha512];

/// The checksums of one URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checksums(pub Vec<Stated>);

impl Checksums {
    /// Collects what the URL's parameters and the flags of `SRC_URI` (through `flag`) state.
    pub fn collect(url: &Url, flag: impl Fn(&str) -> Option<String>) -> Self {
        let stated = ORDER.map(|algorithm| {
            let plain = format!("{algorithm}sum");
            let named = url.param("name").map_or_else(|| plain.clone(), |name| format!("{name}.{plain}"));
            let (flag, expected) = match (has(&url.params, &named), has(&url.params, &plain)) {
                (Some(value), _) => (named, value),
                (None, Some(value)) => (plain, value),
                (None, None) if FLAG_SCHEMES.contains(&url.scheme.as_str()) => {
                    let value = flag(&named);
                    (named, value)
                }
                (None, None) => (named, None),
            };
            Stated { algorithm, flag, expected: expected.filter(|value| !value.is_empty()) }
        });
        Checksums(stated.to_vec())
    }

    /// One checksum that is known beforehand, as from an index or a lock.
    pub fn known(digest: &Digest) -> Self {
        Checksums(vec![Stated {
            algorithm: digest.algorithm(),
            flag: format!("{}sum", digest.algorithm()),
            expected: Some(digest.hex()),
        }])
    }

    /// Whether any is stated.
    pub fn any(&self) -> bool {
        self.0.iter().any(|stated| stated.expected.is_some())
    }

    /// The strongest stated one, read; `None` if there is none or it is not a digest.
    pub fn strongest(&self) -> Option<Digest> {
        self.0
            .iter()
            .filter_map(|stated| Digest::from_hex(stated.algorithm, stated.expected.as_deref()?))
            .max_by_key(Digest::algorithm)
    }

    /// The algorithms that a file has to be digested by: the stated ones, and SHA-256.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let stated = |algorithm| {
            self.0.iter().any(|stated| stated.algorithm == algorithm && stated.expected.is_some())
        };
        ORDER.into_iter().filter(|&algorithm| algorithm == Algorithm::Sha256 || stated(algorithm)).collect()
    }

    /// Compares what was found with what is stated.
    ///
    /// # Errors
    /// [`FetchError::Checksum`] naming every difference. An algorithm that is stated but not among `found` is
    /// a difference too.
    pub fn compare(&self, url: &str, file: &Path, found: &[Digest]) -> Result<(), FetchError> {
        let value = |algorithm| {
            found.iter().find(|digest| digest.algorithm() == algorithm).map(Digest::hex).unwrap_or_default()
        };
        let mut lines = vec!["Checksum mismatch!".to_owned()];
        let mut bad = None;
        for stated in &self.0 {
            let found = value(stated.algorithm);
            match &stated.expected {
                Some(expected) if *expected != found => {
                    lines.push(format!(
                        "File: '{}' has {} checksum '{found}' when '{expected}' was expected",
                        file.display(),
                        stated.algorithm
                    ));
                    bad = Some(found);
                }
                _ => {}
            }
        }
        let Some(found_last) = bad else { return Ok(()) };
        lines.push(
            "If this change is expected (e.g. you have upgraded to a new version without updating the checksums) then you can use these lines within the recipe:"
                .into(),
        );
        lines.push(self.recipe_line(&value(Algorithm::Sha256)));
        lines.push(
            "Otherwise you should retry the download and/or check with upstream to determine if the file has become corrupted or otherwise unexpectedly modified."
                .into(),
        );
        Err(FetchError::Checksum {
            message: lines.join("\n"),
            url: super::url::redact(url),
            found: found_last,
        })
    }

    /// The line that a recipe without checksum should have.
    pub fn recipe_line(&self, sha256: &str) -> String {
        let flag = self.0.iter().find(|stated| stated.algorithm == Algorithm::Sha256);
        format!("SRC_URI[{}] = \"{sha256}\"", flag.map_or("sha256sum", |stated| stated.flag.as_str()))
    }

    /// Says what `BB_STRICT_CHECKSUM` wants said if none is stated: a warning, or an error.
    ///
    /// # Errors
    /// [`FetchError::NoChecksum`] under [`Strict::Error`].
    pub fn demand(&self, strict: Strict, file: &Path, sha256: &str) -> Result<Option<String>, FetchError> {
        if self.any() {
            return Ok(None);
        }
        let line = self.recipe_line(sha256);
        match strict {
            Strict::Error => Err(FetchError::NoChecksum(line)),
            Strict::Ignore => Ok(None),
            Strict::Warn => Ok(Some(format!(
                "Missing checksum for '{}', consider adding at least one to the recipe:\n{line}",
                file.display()
            ))),
        }
    }

    /// Digests a file by what is stated and compares.
    ///
    /// # Errors
    /// As [`Checksums::compare`], and for reading.
    pub fn verify_file(&self, url: &str, file: &Path) -> Result<Vec<Digest>, FetchError> {
        let found = file_digests(file, &self.algorithms()).map_err(FetchError::io(file))?;
        self.compare(url, file, &found)?;
        Ok(found)
    }
}

/// A parameter's value, told apart from its absence.
fn has(params: &Params, name: &str) -> Option<Option<String>> {
    params.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(url: &str, flags: &[(&str, &str)]) -> Vec<(String, String)> {
        let flag =
            |name: &str| flags.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
        let checksums = Checksums::collect(&Url::parse(url).unwrap(), flag);
        checksums.0.into_iter().filter_map(|stated| Some((stated.flag, stated.expected?))).collect()
    }

    /// The rules of BitBake manual, "SRC_URI" flags.
    #[test]
    fn where_checksums_come_from() {
        let flags = [("sha256sum", "a"), ("x.sha256sum", "b"), ("x.md5sum", ""), ("md5sum", "c")];
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(collect("http://h/f", &flags), [pair("md5sum", "c"), pair("sha256sum", "a")]);
        assert_eq!(collect("http://h/f;name=x", &flags), [pair("x.sha256sum", "b")]);
        assert_eq!(collect("http://h/f;name=x;sha256sum=z", &flags), [pair("sha256sum", "z")]);
        assert_eq!(
            collect("http://h/f;name=x;x.sha256sum=y;sha256sum=z", &flags),
            [pair("x.sha256sum", "y")]
        );
        assert_eq!(collect("git://h/f;name=x", &flags), []);
        assert_eq!(collect("git://h/f;sha1sum=q", &flags), [pair("sha1sum", "q")]);
    }

    #[test]
    fn texts() {
        let url = Url::parse("http://h/f;name=n").unwrap();
        let expected = "0".repeat(64);
        let stated = Checksums::collect(&url, |flag| (flag == "n.sha256sum").then(|| expected.clone()));
        let found = [Digest::of(Algorithm::Sha256, b"abc")];
        let hex = found[0].hex();
        let error = stated.compare("http://h/f", Path::new("/d/f"), &found).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "Fetcher failure for URL: 'http://h/f'. Checksum mismatch!\nFile: '/d/f' has sha256 checksum '{hex}' when '{expected}' was expected\n\
                If this change is expected (e.g. you have upgraded to a new version without updating the checksums) then you can use these lines within the recipe:\n\
                SRC_URI[n.sha256sum] = \"{hex}\"\n\
                Otherwise you should retry the download and/or check with upstream to determine if the file has become corrupted or otherwise unexpectedly modified."
            )
        );
        let none = Checksums::collect(&url, |_| None);
        assert_eq!(
            none.demand(Strict::Warn, Path::new("/d/f"), "12").unwrap().unwrap(),
            "Missing checksum for '/d/f', consider adding at least one to the recipe:\nSRC_URI[n.sha256sum] = \"12\""
        );
        assert_eq!(none.demand(Strict::Ignore, Path::new("/d/f"), "12").unwrap(), None);
        let error = none.demand(Strict::Error, Path::new("/d/f"), "12").unwrap_err();
        assert_eq!(error.to_string(), "Fetcher failure: SRC_URI[n.sha256sum] = \"12\"");
    }
}
