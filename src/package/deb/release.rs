//! `Release` files: what a suite consists of, and the digests of its indexes.

use std::collections::BTreeMap;

use super::control::Stanza;
use crate::verify::{Algorithm, Day, Digest, parse_date};

/// A file that a `Release` vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its size in bytes.
    pub size: u64,
    /// Its digest, never a weak one.
    pub digest: Digest,
}

/// A `Release` file. Its signature must be checked before it is read.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Release {
    /// Who publishes it.
    pub origin: String,
    /// What it is called.
    pub label: String,
    /// The suite, as `stable`.
    pub suite: String,
    /// The suite's lasting name.
    pub codename: String,
    /// Its version.
    pub version: String,
    /// When it was made, in seconds since 1970.
    pub date: Option<u64>,
    /// Until when it may be used, in seconds since 1970.
    pub valid_until: Option<u64>,
    /// Whether indexes can be had by their digest.
    pub by_hash: bool,
    /// Whether packages for all architectures have an index of their own; else each architecture's index has them too.
    pub separate_all: bool,
    /// Its components.
    pub components: Vec<String>,
    /// Its architectures.
    pub architectures: Vec<String>,
    /// The files, by their path below the suite's directory.
    pub files: BTreeMap<String, Listed>,
}

/// Why a `Release` is refused although its signature counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// It can't be read.
    #[error("the Release file can't be read: {0}")]
    Malformed(String),
    /// It lists no file by a strong digest.
    #[error("the Release file lists no file by SHA-256 or SHA-512")]
    Weak,
    /// `Valid-Until` is over.
    #[error(
        "the Release file expired on {0} (Valid-Until): the mirror is stale, or somebody holds updates back"
    )]
    Expired(Day),
    /// Made in the future.
    #[error("the Release file is dated {0}, which has not come yet")]
    Future(Day),
    /// Older than one seen before.
    #[error(
        "the Release file of {found} is older than the one of {known} that was used before: the index was downgraded"
    )]
    Downgraded {
        /// Date of this one.
        found: Day,
        /// Date of the one before.
        known: Day,
    },
    /// It belongs to another suite.
    #[error("the Release file is for '{found}', not for '{wanted}'")]
    OtherSuite {
        /// Suite and codename it states.
        found: String,
        /// The suite asked for.
        wanted: String,
    },
}

impl Release {
    /// Reads the text that was signed.
    ///
    /// # Errors
    /// [`ReleaseError::Malformed`], [`ReleaseError::Weak`].
    pub fn parse(text: &str) -> Result<Self, ReleaseError> {
        let stanza = Stanza::only(text).map_err(|error| ReleaseError::Malformed(error.to_string()))?;
        let field = |name: &str| stanza.get(name).unwrap_or_default().to_owned();
        let words =
            |name: &str| -> Vec<String> { field(name).split_ascii_whitespace().map(str::to_owned).collect() };
        let date = |name: &str| -> Result<Option<u64>, ReleaseError> {
            stanza
                .get(name)
                .map(|text| {
                    parse_date(text)
                        .ok_or_else(|| ReleaseError::Malformed(format!("{name} is no date: {text}")))
                })
                .transpose()
        };
        let mut files = BTreeMap::new();
        for (name, algorithm) in [("SHA256", Algorithm::Sha256), ("SHA512", Algorithm::Sha512)] {
            for line in stanza.lines(name) {
                let (path, listed) = listed(line, algorithm).ok_or_else(|| {
                    ReleaseError::Malformed(format!("{name} has a line that is no file: {line}"))
                })?;
                // Where both are listed, SHA-256 stays: by-hash directories always have it.
                files.entry(path).or_insert(listed);
            }
        }
        if files.is_empty() {
            return Err(ReleaseError::Weak);
        }
        let (architectures, whole) = (words("Architectures"), words("No-Support-for-Architecture-all"));
        Ok(Release {
            origin: field("Origin"),
            label: field("Label"),
            suite: field("Suite"),
            codename: field("Codename"),
            version: field("Version"),
            date: date("Date")?,
            valid_until: date("Valid-Until")?,
            by_hash: field("Acquire-By-Hash").eq_ignore_ascii_case("yes"),
            separate_all: architectures.iter().any(|name| name == "all")
                && !whole.iter().any(|name| name == "Packages"),
            components: words("Components"),
            architectures,
            files,
        })
    }

    /// Checks the time, with five minutes for clocks that differ. `known` is the date of the `Release` used before.
    ///
    /// # Errors
    /// [`ReleaseError::Expired`], [`ReleaseError::Future`], [`ReleaseError::Downgraded`].
    pub fn check_time(&self, now: u64, known: Option<u64>) -> Result<(), ReleaseError> {
        if let Some(end) = self.valid_until.filter(|&end| end < now) {
            return Err(ReleaseError::Expired(Day(end)));
        }
        let date = self.date.unwrap_or_default();
        if date > now + 300 {
            return Err(ReleaseError::Future(Day(date)));
        }
        match known {
            Some(known) if date < known => {
                Err(ReleaseError::Downgraded { found: Day(date), known: Day(known) })
            }
            _ => Ok(()),
        }
    }

    /// Whether it is for the suite that was asked for, by suite or codename. A suite with a slash, as
    /// `stable/updates`, may state the part before or after it, or both with `-`.
    ///
    /// # Errors
    /// [`ReleaseError::OtherSuite`].
    pub fn check_suite(&self, wanted: &str) -> Result<(), ReleaseError> {
        let names = [&self.suite, &self.codename];
        let matches = |name: &str| names.iter().any(|known| *known == name);
        let plain = wanted.split('/').next().unwrap_or(wanted);
        if matches(wanted) || matches(&wanted.replace('/', "-")) || matches(plain) || wanted == "/" {
            return Ok(());
        }
        let found = names.iter().filter(|name| !name.is_empty()).map(|name| name.as_str());
        Err(ReleaseError::OtherSuite {
            found: found.collect::<Vec<_>>().join("' / '"),
            wanted: wanted.to_owned(),
        })
    }
}

/// Reads `digest size path`. A path that leaves the suite's directory is none.
fn listed(line: &str, algorithm: Algorithm) -> Option<(String, Listed)> {
    let mut words = line.split_ascii_whitespace();
    let (digest, size, path) = (words.next()?, words.next()?, words.next()?);
    let inside = !path.starts_with('/') && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if words.next().is_some() || !inside {
        return None;
    }
    let digest = Digest::from_hex(algorithm, digest)?;
    Some((path.to_owned(), Listed { size: size.parse().ok()?, digest }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(more: &str) -> String {
        let digest = "ab".repeat(32);
        format!(
            "Origin: Test\nSuite: stable\nCodename: wood\nDate: Sat, 10 Jun 2023 08:55:10 UTC\nAcquire-By-Hash: yes\nComponents: main extra\n{more}SHA256:\n {digest} 12 main/source/Sources.xz\n"
        )
    }

    const DATE: u64 = 1_686_387_310;

    #[test]
    fn fields() {
        let found = Release::parse(&release("Valid-Until: Sun, 11 Jun 2023 08:55:10 UTC\n")).unwrap();
        assert_eq!((found.date, found.valid_until, found.by_hash), (Some(DATE), Some(DATE + 86400), true));
        assert_eq!(found.components, ["main", "extra"]);
        for (more, separate) in [
            ("", false),
            ("Architectures: all amd64\n", true),
            ("Architectures: all amd64\nNo-Support-for-Architecture-all: Packages\n", false),
        ] {
            assert_eq!(Release::parse(&release(more)).unwrap().separate_all, separate, "{more}");
        }
        assert_eq!(found.files["main/source/Sources.xz"].size, 12);
        assert_eq!(found.check_time(DATE + 86400, Some(DATE)), Ok(()));
        assert_eq!(found.check_time(DATE + 86401, None), Err(ReleaseError::Expired(Day(DATE + 86400))));
        assert_eq!(found.check_time(DATE - 301, None), Err(ReleaseError::Future(Day(DATE))));
        let downgraded = ReleaseError::Downgraded { found: Day(DATE), known: Day(DATE + 1) };
        assert_eq!(found.check_time(DATE + 9, Some(DATE + 1)), Err(downgraded));
        for suite in ["stable", "wood", "wood/updates"] {
            assert_eq!(found.check_suite(suite), Ok(()));
        }
        assert_eq!(
            found.check_suite("testing").unwrap_err().to_string(),
            "the Release file is for 'stable' / 'wood', not for 'testing'"
        );
    }

    #[test]
    fn refused() {
        let weak = "Suite: x\nMD5Sum:\n d41d8cd98f00b204e9800998ecf8427e 0 main/a\nSHA1:\n da39a3ee5e6b4b0d3255bfef95601890afd80709 0 main/a\n";
        assert_eq!(Release::parse(weak), Err(ReleaseError::Weak));
        for bad in [
            release("Date: Sun, 11 Jun 2023 08:55:10 UTC\n"),
            release("Valid-Until: some day\n"),
            release("").replace("main/source", "../source"),
            release("").replace(" 12 ", " x "),
            release("").replace("abab", "ab"),
        ] {
            assert!(matches!(Release::parse(&bad), Err(ReleaseError::Malformed(_))), "{bad}");
        }
    }
}
