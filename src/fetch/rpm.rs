//! rpm repositories: from a signed `repomd.xml` down to one package's file, each step by digest.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::checksum::Checksums;
use super::error::FetchError;
use super::event::FetchEvent;
use super::session::{Job, Session};
use crate::package::compress::Compression;
use crate::package::rpm::header::{Package as Header, tag};
use crate::package::rpm::repomd::{Package, Repomd, packages};
use crate::package::rpm::repos::Repository;
use crate::package::rpm::version::Evr;
use crate::verify::{Algorithm, Digest, Fingerprint, Keyring, Policy, Trust};

/// Largest `repomd.xml`, and largest `primary.xml` after unpacking, in bytes.
const MAX_REPOMD: u64 = 16 << 20;
const MAX_PRIMARY: u64 = 4 << 30;

/// A repository and whose signature counts for it.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Where it is.
    pub repository: Repository,
    /// Whose signature counts.
    pub trust: Trust,
}

/// What is asked for: `srpm://NAME[=[EPOCH:]VERSION[-RELEASE]]`, or the same with `rpm://`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The package.
    pub name: String,
    /// Its version; the highest if `None`.
    pub evr: Option<Evr>,
    /// The repository's name; all if `None`.
    pub repository: Option<String>,
}

impl Request {
    /// Reads a URL; what follows the first semicolon is not looked at.
    ///
    /// # Errors
    /// [`FetchError::Malformed`] if there is no package's name in it.
    pub fn parse(url: &str, repository: Option<&str>) -> Result<Self, FetchError> {
        let malformed = || FetchError::malformed(url);
        let (_, rest) = url.split_once("://").ok_or_else(malformed)?;
        let rest = rest.split(';').next().unwrap_or_default().trim_end_matches('/');
        let (name, evr) = match rest.split_once('=') {
            Some((name, evr)) if !evr.is_empty() => (name, Some(Evr::parse(evr))),
            Some(_) => return Err(malformed()),
            None => (rest, None),
        };
        let valid = |letter: char| letter.is_ascii_alphanumeric() || "+-._".contains(letter);
        if !name.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_')
            || !name.chars().all(valid)
        {
            return Err(malformed());
        }
        Ok(Request { name: name.into(), evr, repository: repository.map(Into::into) })
    }
}

/// The repositories that packages are looked for in.
pub struct Rpm<'a> {
    /// How files are fetched.
    pub session: Session<'a>,
    /// The repositories.
    pub repositories: Vec<Signed>,
    /// The rules for signatures, and the present.
    pub policy: Policy,
    /// Where the time of each `repomd.xml` is kept, so that none is replaced by an older one.
    pub state: PathBuf,
}

/// A package, and the place it was found at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The repository's root.
    pub uri: String,
    /// The package.
    pub package: Package,
}

impl Rpm<'_> {
    /// The package that is asked for, of one of these architectures (`src` for a source package): from the most preferred repository
    /// that has it, there the highest version.
    ///
    /// # Errors
    /// [`FetchError::Failed`] if no repository has it, with what was wrong with those that could not be asked.
    pub fn find(&self, request: &Request, architectures: &[&str]) -> Result<Found, FetchError> {
        let mut best: Option<(u32, Found)> = None;
        let mut reasons = Vec::new();
        let meant = |signed: &&Signed| {
            request.repository.as_ref().is_none_or(|wanted| *wanted == signed.repository.id)
        };
        for signed in self.repositories.iter().filter(meant) {
            let priority = signed.repository.priority;
            if best.as_ref().is_some_and(|(known, _)| *known < priority) {
                continue;
            }
            // A repository that can't be trusted offers nothing; others may have the package.
            let (uri, candidates) = match self.ask(signed, request, architectures) {
                Ok(answer) => answer,
                Err(error) => {
                    (self.session.listener)(FetchEvent::Warning(error.to_string()));
                    reasons.push(error.to_string());
                    continue;
                }
            };
            for package in candidates {
                let better = best.as_ref().is_none_or(|(known, best)| {
                    priority < *known || package.evr.compare(&best.package.evr).is_gt()
                });
                if better {
                    best = Some((priority, Found { uri: uri.clone(), package }));
                }
            }
        }
        best.map(|(_, found)| found).ok_or_else(|| {
            let wanted = request.evr.as_ref().map_or_else(String::new, |evr| format!(" {evr}"));
            let place =
                request.repository.as_ref().map_or_else(String::new, |id| format!(" in repository {id}"));
            let mut message = format!("no repository offers the package {}{wanted}{place}", request.name);
            for reason in reasons {
                message.push_str(&format!("\n{reason}"));
            }
            FetchError::plain(message)
        })
    }

    /// What a repository has of what is asked for, from the first of its places that answers.
    fn ask(
        &self,
        signed: &Signed,
        request: &Request,
        architectures: &[&str],
    ) -> Result<(String, Vec<Package>), FetchError> {
        let mut first = None;
        for uri in &signed.repository.baseurls {
            match self.search(signed, uri, request, architectures) {
                Ok(found) => return Ok((uri.clone(), found)),
                Err(error) => drop(first.get_or_insert(error)),
            }
        }
        Err(first.unwrap_or_else(|| FetchError::plain(format!("{} has no place", signed.repository.id))))
    }

    fn search(
        &self,
        signed: &Signed,
        uri: &str,
        request: &Request,
        architectures: &[&str],
    ) -> Result<Vec<Package>, FetchError> {
        let repomd = self.repomd(signed, uri)?;
        let url = format!("{uri}/repodata/repomd.xml");
        let primary =
            repomd.data.get("primary").ok_or_else(|| FetchError::invalid(&url, "it lists no primary"))?;
        let job = Job {
            url: format!("{uri}/{}", primary.location),
            checksums: Checksums::known(&primary.digest),
            size: primary.size,
            ..Job::default()
        };
        let download = self.session.fetch(&job, None)?;
        let invalid = |message: &dyn std::fmt::Display| FetchError::invalid(&job.url, message.to_string());
        let file = std::fs::File::open(&download.path).map_err(FetchError::io(&download.path))?;
        let suffix = primary.location.rsplit('.').next().unwrap_or_default();
        let kind = Compression::of_suffix(suffix).unwrap_or(Compression::None);
        let reader = kind.reader(file).map_err(|error| invalid(&error))?;
        let wanted = |name: &str, arch: &str| name == request.name && architectures.contains(&arch);
        let mut found = packages(BufReader::with_capacity(1 << 16, reader.take(MAX_PRIMARY)), wanted)
            .map_err(|error| invalid(&error))?;
        found.retain(|package| request.evr.as_ref().is_none_or(|evr| package.evr.satisfies(evr)));
        Ok(found)
    }

    /// The repository's `repomd.xml`: signed by a key that counts, and not older than the one before.
    ///
    /// # Errors
    /// [`FetchError::Signature`] or [`FetchError::Invalid`], naming the file.
    pub fn repomd(&self, signed: &Signed, uri: &str) -> Result<Repomd, FetchError> {
        let url = format!("{uri}/repodata/repomd.xml");
        let data = self.session.read_once(&url, MAX_REPOMD)?;
        let signature = self.session.read_once(&format!("{url}.asc"), MAX_REPOMD).map_err(|error| {
            FetchError::invalid(
                &url,
                format!("there is no signature for it, so nothing in it counts ({error})"),
            )
        })?;
        signed.trust.verify_detached(&url, &data, &signature, &self.policy)?;
        let repomd = Repomd::parse(&data).map_err(|error| FetchError::invalid(&url, error.to_string()))?;
        let made = repomd.data.values().map(|listed| listed.timestamp).max().unwrap_or(0);
        // Places of one repository have the same history.
        let note = self.state.join(Digest::of(Algorithm::Sha256, signed.repository.id.as_bytes()).hex());
        let before: u64 =
            std::fs::read_to_string(&note).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        if made < before {
            let message = format!(
                "it was made at {made}, but one of {before} was seen before (seconds since 1970): a mirror that lags behind, or \
                 somebody who wants old packages to be used"
            );
            return Err(FetchError::invalid(&url, message));
        }
        if made > before {
            std::fs::create_dir_all(&self.state).map_err(FetchError::io(&self.state))?;
            let temporary = note.with_extension(std::process::id().to_string());
            std::fs::write(&temporary, made.to_string()).map_err(FetchError::io(&temporary))?;
            std::fs::rename(&temporary, &note).map_err(FetchError::io(&note))?;
        }
        Ok(repomd)
    }

    /// Fetches a package to `directory` and checks that it is the one the index tells of.
    ///
    /// # Errors
    /// Whatever fetching gives, and [`FetchError::Invalid`] for a package with another name or version inside.
    pub fn fetch(&self, found: &Found, directory: &Path) -> Result<PathBuf, FetchError> {
        let package = &found.package;
        let name = package.location.rsplit('/').next().unwrap_or(&package.location);
        let job = Job {
            url: format!("{}/{}", found.uri, package.location),
            checksums: Checksums::known(&package.digest),
            size: Some(package.size),
            ..Job::default()
        };
        let download = self.session.fetch(&job, None)?;
        let file = std::fs::File::open(&download.path).map_err(FetchError::io(&download.path))?;
        let header = Header::read(&mut BufReader::new(file))
            .map_err(|error| FetchError::invalid(&job.url, error.to_string()))?;
        let header = &header.header;
        let text = |tag| header.text(tag).unwrap_or_default();
        let epoch = header.numbers(tag::EPOCH).first().copied().unwrap_or(0);
        let evr = Evr { epoch, version: text(tag::VERSION).into(), release: text(tag::RELEASE).into() };
        if text(tag::NAME) != package.name || evr != package.evr {
            let message = format!(
                "it is {} {evr}, but the index lists it as {} {}",
                text(tag::NAME),
                package.name,
                package.evr
            );
            return Err(FetchError::invalid(&job.url, message));
        }
        let target = directory.join(name);
        self.session.pool.place(&download.path, &target)?;
        Ok(target)
    }
}

/// Whose signature counts for a repository: the keys in its `gpgkey` files that can be read on this machine, and in `keyrings`.
/// `pinned` narrows these down, unless it is empty.
pub fn trust(repository: &Repository, keyrings: &[PathBuf], pinned: &[Fingerprint]) -> Trust {
    let mut keys = Keyring::default();
    let local =
        repository.gpgkeys.iter().map(|key| PathBuf::from(key.strip_prefix("file://").unwrap_or(key)));
    for path in local.chain(keyrings.iter().cloned()).filter(|path| path.is_absolute()) {
        if let Ok(data) = std::fs::read(&path)
            && let Ok(more) = Keyring::read(&path.display().to_string(), &data)
        {
            keys.extend(more);
        }
    }
    let mut trust = Trust::all_of(keys);
    if !pinned.is_empty() {
        trust.pinned = pinned.to_vec();
    }
    trust
}
