//! Downloads and unpacking for `bb.fetch2`. Python waits without holding its lock.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use rbake::fetch::apt::{Apt, Archive, Publisher, Request, configured, fetch_listed, read_dsc, trust};
use rbake::fetch::{
    Checksums, Client, Extract, FetchError, FetchEvent, Job, Limits, Network, Pool, Session, Stated,
    UnpackLimits, UnpackOptions, extract, oci, rpm, unpack_image, unpack_source,
};
use rbake::package::deb::sources::{Feed, parse_list, parse_sources};
use rbake::package::rpm::repos;
use rbake::verify::{Algorithm, Fingerprint, Policy};

/// A client, the process it was made in (a forked one has none of its threads), and the environment it was made for.
type Known = (u32, BTreeMap<String, String>, Rc<Client>);

thread_local! {
    static CLIENT: RefCell<Option<Known>> = const { RefCell::new(None) };
}

fn client(environment: &BTreeMap<String, String>) -> Result<Rc<Client>, FetchError> {
    let process = std::process::id();
    let known = CLIENT.with_borrow(|known| match known {
        Some((of, made_for, client)) if *of == process && made_for == environment => Some(Rc::clone(client)),
        _ => None,
    });
    if let Some(client) = known {
        return Ok(client);
    }
    let client = Rc::new(Client::start(environment, Limits::default().connect)?);
    // The old one may belong to the process this one was forked from: its threads can't be ended from here.
    let old = CLIENT.replace(Some((process, environment.clone(), Rc::clone(&client))));
    std::mem::forget(old);
    Ok(client)
}

/// The exception of `bb.fetch2` for an error.
fn raise(py: Python<'_>, error: FetchError) -> PyErr {
    let build = || -> PyResult<PyErr> {
        let errors = py.import("bb.fetch2.errors")?;
        let text = error.to_string();
        let value = match error {
            FetchError::Failed { message, url } => errors.getattr("FetchError")?.call1((message, url))?,
            FetchError::Unauthorized { message, url, .. } => {
                errors.getattr("FetchError")?.call1((message, url))?
            }
            FetchError::Checksum { message, url, found } => {
                errors.getattr("ChecksumError")?.call1((message, url, found))?
            }
            FetchError::NoChecksum(lines) => errors.getattr("NoChecksumError")?.call1((lines,))?,
            FetchError::Unpack { message, url } => errors.getattr("UnpackError")?.call1((message, url))?,
            FetchError::Parameter { message, url } => {
                errors.getattr("ParameterError")?.call1((message, url))?
            }
            FetchError::Malformed(_) => errors.getattr("MalformedUrl")?.call1(("", text))?,
            FetchError::Network { command, url } => errors.getattr("NetworkAccess")?.call1((url, command))?,
            FetchError::Untrusted(url) => errors.getattr("UntrustedUrl")?.call1((url,))?,
            _ => errors.getattr("FetchError")?.call1((text,))?,
        };
        Ok(PyErr::from_value(value))
    };
    build().unwrap_or_else(|failure| failure)
}

/// Checksums by algorithm, as recipes have them.
fn checksums(expected: &BTreeMap<String, String>) -> Checksums {
    let stated = expected.iter().filter_map(|(name, value)| {
        let algorithm: Algorithm = name.parse().ok()?;
        Some(Stated { algorithm, flag: format!("{name}sum"), expected: Some(value.to_lowercase()) })
    });
    Checksums(stated.collect())
}

/// The last part of a URL's path, or more if that tells nothing of a version.
fn file_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    match path.rsplit('/').next() {
        Some(name) if name.contains(|letter: char| letter.is_ascii_digit()) => name.to_owned(),
        _ => url.to_owned(),
    }
}

/// What all downloads need, as Python gives it: `environment`, `pool`, and for archives more.
struct Settings {
    environment: BTreeMap<String, String>,
    pool: PathBuf,
    network: Network,
}

impl Settings {
    fn read(settings: &Bound<'_, PyDict>) -> PyResult<Self> {
        let environment = item(settings, "environment")?.unwrap_or_default();
        let pool = item::<PathBuf>(settings, "pool")?.unwrap_or_default();
        let forbidden = item(settings, "no_network")?.unwrap_or_default();
        let allowed = item::<String>(settings, "allowed_networks")?.unwrap_or_default();
        let network = Network { forbidden, allowed: Network::allowed_from(&allowed) };
        Ok(Settings { environment, pool, network })
    }

    /// Runs `work` with a session, without holding Python's lock; what happens meanwhile goes to `listener`.
    fn run<T: Send>(
        &self,
        py: Python<'_>,
        listener: Option<&Py<PyAny>>,
        work: impl FnOnce(&Session<'_>) -> Result<T, FetchError> + Send,
    ) -> PyResult<T> {
        let client = client(&self.environment).map_err(|error| raise(py, error))?;
        let (client, limits) = (&*client, Limits { stall: Duration::from_secs(100), ..Limits::default() });
        let tell = |event: FetchEvent| {
            let Some(listener) = listener else { return };
            // What Python says to an event does not change what happens.
            let _ = Python::attach(|py| -> PyResult<()> {
                match event {
                    FetchEvent::Progress { bytes, size, rate, .. } => {
                        listener.call1(py, ("progress", (bytes, size, rate)))?;
                    }
                    FetchEvent::Retrying { url, reason, after } => {
                        let text = format!("{url}: {reason}; trying again in {:.1} s", after.as_secs_f32());
                        listener.call1(py, ("note", text))?;
                    }
                    FetchEvent::Warning(text) => drop(listener.call1(py, ("warning", text))?),
                    FetchEvent::Debug(text) => drop(listener.call1(py, ("debug", text))?),
                    FetchEvent::Started { .. } | FetchEvent::Finished { .. } => {}
                }
                Ok(())
            });
        };
        let result = py.detach(|| {
            let pool = Pool::open(&self.pool)?;
            let network = &self.network;
            work(&Session { client, pool: &pool, limits: &limits, network, listener: &tell })
        });
        result.map_err(|error| raise(py, error))
    }
}

fn item<'py, T: for<'a> FromPyObject<'a, 'py>>(
    settings: &Bound<'py, PyDict>,
    name: &str,
) -> PyResult<Option<T>> {
    match settings.get_item(name)? {
        Some(value) if !value.is_none() => value.extract().map(Some).map_err(Into::into),
        _ => Ok(None),
    }
}

/// Fetches `url` to the file `target`, checked by `expected` (checksums by algorithm).
#[pyfunction]
#[pyo3(signature = (url, target, expected, settings, credentials=None, listener=None))]
fn fetch_file(
    py: Python<'_>,
    url: String,
    target: PathBuf,
    expected: BTreeMap<String, String>,
    settings: &Bound<'_, PyDict>,
    credentials: Option<(String, String)>,
    listener: Option<Py<PyAny>>,
) -> PyResult<()> {
    let name = Some(file_name(&url));
    let job = Job { url, checksums: checksums(&expected), name, ..Job::default() };
    Settings::read(settings)?.run(py, listener.as_ref(), |session| {
        let download = session.fetch(&job, credentials.map(Into::into))?;
        session.pool.place(&download.path, &target)
    })
}

/// Fetches several files into the pool at a time, as far as that works: who needs one asks for it again.
#[pyfunction]
fn fetch_ahead(
    py: Python<'_>,
    files: Vec<(String, BTreeMap<String, String>)>,
    settings: &Bound<'_, PyDict>,
) -> PyResult<usize> {
    let jobs: Vec<Job> = files
        .into_iter()
        .map(|(url, expected)| Job {
            name: Some(file_name(&url)),
            url,
            checksums: checksums(&expected),
            ..Job::default()
        })
        .collect();
    Settings::read(settings)?
        .run(py, None, |session| Ok(session.fetch_all(&jobs).into_iter().filter(Result::is_ok).count()))
}

/// Unpacks an archive by its name's suffix; false if it is none. `how` is what the parameters striplevel, dos and
/// extract say.
#[pyfunction]
fn unpack_file(
    py: Python<'_>,
    path: PathBuf,
    directory: PathBuf,
    root: PathBuf,
    how: (usize, bool, Option<String>),
    search: &str,
) -> PyResult<bool> {
    let (strip, dos, only) = how;
    let options = UnpackOptions { root, limits: UnpackLimits::default(), path: search.to_owned() };
    let how = Extract { directory: &directory, strip, dos, only: only.as_deref() };
    let done = py.detach(|| extract(&path, &how, &options));
    done.map_err(|reason| raise(py, FetchError::unpack(&path.display().to_string(), reason)))
}

fn apt<'a>(session: &Session<'a>, settings: &AptSettings) -> Result<Apt<'a>, FetchError> {
    let fingerprints: Vec<Fingerprint> =
        settings.fingerprints.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let archives: Vec<Archive> = match &settings.sources {
        None => configured(&settings.etc, &fingerprints)?,
        Some(text) => {
            let feeds = match text.contains("URIs:") {
                true => parse_sources(text),
                false => parse_list(text),
            };
            let feeds: Vec<Feed> =
                feeds.map_err(|error| FetchError::plain(format!("APT_SOURCES: {error}")))?;
            let signed_by = |feed: &Feed| [feed.signed_by.clone(), settings.keyrings.clone()].concat();
            let archive = |feed: Feed| {
                let trust = trust(&settings.etc, &signed_by(&feed), &fingerprints);
                Archive { feed, trust }
            };
            feeds.into_iter().map(archive).collect()
        }
    };
    let publisher = Publisher { origin: settings.origin.clone(), labels: settings.labels.clone() };
    let state = settings.state.clone();
    Ok(Apt::new(*session, archives, publisher, Policy::at(settings.now), state))
}

struct AptSettings {
    sources: Option<String>,
    etc: PathBuf,
    keyrings: Vec<String>,
    fingerprints: Vec<String>,
    origin: String,
    labels: Vec<String>,
    architecture: String,
    state: PathBuf,
    now: u64,
}

impl AptSettings {
    fn read(settings: &Bound<'_, PyDict>, state: PathBuf) -> PyResult<Self> {
        Ok(AptSettings {
            sources: item(settings, "sources")?,
            etc: item(settings, "etc")?.unwrap_or_else(|| PathBuf::from("/etc/apt")),
            keyrings: item(settings, "keyrings")?.unwrap_or_default(),
            fingerprints: item(settings, "fingerprints")?.unwrap_or_default(),
            origin: item(settings, "origin")?.unwrap_or_default(),
            labels: item(settings, "labels")?.unwrap_or_default(),
            architecture: item(settings, "architecture")?.unwrap_or_default(),
            state,
            now: now(),
        })
    }
}

/// Fetches the package of an `apt://` or `deb://` URL into `directory`; the path of its `.dsc` or `.deb`.
#[pyfunction]
#[pyo3(signature = (url, directory, settings, listener=None))]
fn fetch_package(
    py: Python<'_>,
    url: String,
    directory: PathBuf,
    settings: &Bound<'_, PyDict>,
    listener: Option<Py<PyAny>>,
) -> PyResult<PathBuf> {
    let base = Settings::read(settings)?;
    let more = AptSettings::read(settings, base.pool.join("releases"))?;
    base.run(py, listener.as_ref(), |session| {
        let (apt, request) = (apt(session, &more)?, Request::parse(&url)?);
        if url.starts_with("deb:") {
            return apt.fetch_binary(&apt.binary(&request, &more.architecture)?, &directory);
        }
        apt.fetch_source(&apt.source(&request)?, &directory)
    })
}

/// Fetches the package of an `srpm://` or `rpm://` URL into `directory`; the path of its file.
#[pyfunction]
#[pyo3(signature = (url, repository, directory, settings, listener=None))]
fn fetch_rpm(
    py: Python<'_>,
    url: String,
    repository: Option<String>,
    directory: PathBuf,
    settings: &Bound<'_, PyDict>,
    listener: Option<Py<PyAny>>,
) -> PyResult<PathBuf> {
    let base = Settings::read(settings)?;
    let texts: Vec<String> = item(settings, "repositories")?.unwrap_or_default();
    let variables: BTreeMap<String, String> = item(settings, "variables")?.unwrap_or_default();
    let keyrings: Vec<PathBuf> = item(settings, "keyrings")?.unwrap_or_default();
    let fingerprints: Vec<String> = item(settings, "fingerprints")?.unwrap_or_default();
    let architecture = variables.get("basearch").cloned().unwrap_or_default();
    let state = base.pool.join("repomds");
    base.run(py, listener.as_ref(), |session| {
        let pinned: Vec<Fingerprint> =
            fingerprints.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        let mut repositories = Vec::new();
        for text in &texts {
            let found = repos::parse(text, &variables)
                .map_err(|error| FetchError::plain(format!("RPM_REPOS: {error}")))?;
            repositories.extend(found.into_iter().map(|repository| rpm::Signed {
                trust: rpm::trust(&repository, &keyrings, &pinned),
                repository,
            }));
        }
        let rpm = rpm::Rpm { session: *session, repositories, policy: Policy::at(now()), state };
        let request = rpm::Request::parse(&url, repository.as_deref())?;
        let architectures = match url.starts_with("srpm:") {
            true => vec!["src", "nosrc"],
            false => vec![architecture.as_str(), "noarch"],
        };
        rpm.fetch(&rpm.find(&request, &architectures)?, &directory)
    })
}

/// What a `docker://` or `oci://` URL names: the image as text, the digest if there is one in it, the archive's name.
#[pyfunction]
fn image_info(py: Python<'_>, url: &str) -> PyResult<(String, Option<String>, String)> {
    let request = oci::Request::parse(url).map_err(|error| raise(py, error))?;
    let digest = request.reference.digest.as_ref().map(ToString::to_string);
    let archive = request.reference.archive_name(&request.platform.to_string());
    Ok((request.reference.to_string(), digest, archive))
}

/// Fetches an image to the archive `target`, or without one only finds out what its name stands for; the digest of that.
#[pyfunction]
#[pyo3(signature = (url, target, settings, credentials=None, listener=None))]
fn fetch_image(
    py: Python<'_>,
    url: &str,
    target: Option<PathBuf>,
    settings: &Bound<'_, PyDict>,
    credentials: Option<(String, String)>,
    listener: Option<Py<PyAny>>,
) -> PyResult<String> {
    let request = oci::Request::parse(url).map_err(|error| raise(py, error))?;
    Settings::read(settings)?.run(py, listener.as_ref(), |session| {
        let resolved = match &target {
            Some(target) => oci::fetch(session, &request, credentials, target)?,
            None => oci::resolve(session, &request, credentials)?,
        };
        Ok(resolved.top.to_string())
    })
}

/// The tags of an image's repository.
#[pyfunction]
#[pyo3(signature = (url, settings, credentials=None, listener=None))]
fn image_tags(
    py: Python<'_>,
    url: &str,
    settings: &Bound<'_, PyDict>,
    credentials: Option<(String, String)>,
    listener: Option<Py<PyAny>>,
) -> PyResult<Vec<String>> {
    let request = oci::Request::parse(url).map_err(|error| raise(py, error))?;
    Settings::read(settings)?.run(py, listener.as_ref(), |session| oci::tags(session, &request, credentials))
}

/// Checks that an archive holds the image that a URL names.
#[pyfunction]
fn verify_image(py: Python<'_>, url: &str, archive: PathBuf) -> PyResult<()> {
    let verified = py.detach(|| oci::verify(&oci::Request::parse(url)?, &archive));
    verified.map_err(|error| raise(py, error))
}

/// Unpacks an image's archive to the new directory `target`, as a layout or as the files of its layers.
#[pyfunction]
#[pyo3(name = "unpack_image")]
fn unpack_archive(py: Python<'_>, url: &str, archive: PathBuf, target: PathBuf, flat: bool) -> PyResult<()> {
    let limits = UnpackLimits::default();
    let unpacked = py.detach(|| unpack_image(&oci::Request::parse(url)?, &archive, &target, flat, &limits));
    unpacked.map_err(|error| raise(py, error))
}

/// Seconds since 1970.
fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map(|time| time.as_secs()).unwrap_or_default()
}

/// Fetches the files that the `.dsc` at `path`, which came from `url`, lists.
#[pyfunction]
#[pyo3(signature = (url, path, settings, listener=None))]
fn fetch_dsc_files(
    py: Python<'_>,
    url: String,
    path: PathBuf,
    settings: &Bound<'_, PyDict>,
    listener: Option<Py<PyAny>>,
) -> PyResult<()> {
    Settings::read(settings)?
        .run(py, listener.as_ref(), |session| fetch_listed(session, &url, &path).map(drop))
}

/// What a `.dsc` says: source, version, format, and the names of its files.
#[pyfunction]
fn dsc_info(py: Python<'_>, path: PathBuf) -> PyResult<(String, String, String, Vec<String>)> {
    let dsc = read_dsc(&path).map_err(|error| raise(py, error))?;
    let files = dsc.files.into_iter().map(|file| file.name).collect();
    Ok((dsc.source, dsc.version, dsc.format, files))
}

/// Unpacks the Debian source package of the `.dsc` at `path` to the new directory `target`.
#[pyfunction]
fn unpack_dsc(py: Python<'_>, path: PathBuf, target: PathBuf, search: &str) -> PyResult<()> {
    let unpacked = py.detach(|| {
        let dsc = read_dsc(&path)?;
        let files = path.parent().unwrap_or(std::path::Path::new("."));
        unpack_source(&dsc, files, &target, &UnpackLimits::default(), search)
    });
    unpacked.map_err(|error| raise(py, error))
}

/// Adds this module's functions.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(fetch_file, module)?)?;
    module.add_function(wrap_pyfunction!(fetch_ahead, module)?)?;
    module.add_function(wrap_pyfunction!(unpack_file, module)?)?;
    module.add_function(wrap_pyfunction!(fetch_package, module)?)?;
    module.add_function(wrap_pyfunction!(fetch_rpm, module)?)?;
    module.add_function(wrap_pyfunction!(image_info, module)?)?;
    module.add_function(wrap_pyfunction!(fetch_image, module)?)?;
    module.add_function(wrap_pyfunction!(image_tags, module)?)?;
    module.add_function(wrap_pyfunction!(verify_image, module)?)?;
    module.add_function(wrap_pyfunction!(unpack_archive, module)?)?;
    module.add_function(wrap_pyfunction!(fetch_dsc_files, module)?)?;
    module.add_function(wrap_pyfunction!(dsc_info, module)?)?;
    module.add_function(wrap_pyfunction!(unpack_dsc, module)?)
}
