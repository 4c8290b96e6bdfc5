//! Debian archives: a signed one on the loopback interface, honest and forged; and, if RBAKE_TEST_ARCHIVE is set, the
//! one that this machine's apt is configured for.

#[path = "support/gpg.rs"]
mod gpg;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "support/server.rs"]
mod server;
#[path = "support/session.rs"]
mod session;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use gpg::Gpg;
use rbake::fetch::apt::{Apt, Archive, Publisher, Request, configured, fetch_listed, read_dsc, trust};
use rbake::fetch::{FetchError, FetchEvent, Job, UnpackLimits, unpack_source};
use rbake::package::deb::sources::Feed;
use rbake::verify::{Algorithm, Digest, Policy};
use server::{Fault, Page, Server};
use session::Setup;

const DAY: u64 = 86400;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn date(time: u64) -> String {
    let output = Command::new("date")
        .env("LC_ALL", "C")
        .args(["-u", "-d", &format!("@{time}"), "+%a, %d %b %Y %H:%M:%S UTC"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn sha256(data: &[u8]) -> String {
    Digest::of(Algorithm::Sha256, data).hex()
}

impl Setup {
    fn apt<'a>(&'a self, archives: Vec<Archive>, listener: &'a (dyn Fn(FetchEvent) + Sync)) -> Apt<'a> {
        let state = self.dir.path().join("state");
        Apt::new(self.session(listener), archives, Publisher::default(), Policy::at(now()), state)
    }
}

/// A small archive with two versions of a source package and one binary package.
struct Stand {
    gpg: Gpg,
    key: String,
    server: Server,
    setup: Setup,
}

const TARBALL: &[u8] = b"not really compressed";

impl Stand {
    fn new() -> Option<Self> {
        let gpg = Gpg::new()?;
        let key = gpg.key("archive@example.org", "rsa3072", &[], "never");
        gpg.keyring(&["archive@example.org"]);
        let stand = Stand { gpg, key, server: Server::start(), setup: Setup::new() };
        stand.publish("", now() - DAY, &stand.key);
        Some(stand)
    }

    fn dsc(version: &str) -> String {
        let (digest, size) = (sha256(TARBALL), TARBALL.len());
        format!(
            "Format: 3.0 (native)\nSource: kit\nVersion: {version}\nChecksums-Sha256:\n {digest} {size} kit_{version}.tar.gz\n"
        )
    }

    fn release(&self, more: &str, made: u64) -> String {
        let mut sources = String::new();
        for version in ["1.9", "1.10"] {
            let dsc = Self::dsc(version);
            let files = format!(
                " {} {} kit_{version}.dsc\n {} {} kit_{version}.tar.gz\n",
                sha256(dsc.as_bytes()),
                dsc.len(),
                sha256(TARBALL),
                TARBALL.len()
            );
            sources.push_str(&format!(
                "Package: kit\nVersion: {version}\nDirectory: pool/k\nChecksums-Sha256:\n{files}\n"
            ));
            self.server.file(&format!("/d/pool/k/kit_{version}.dsc"), dsc);
            self.server.file(&format!("/d/pool/k/kit_{version}.tar.gz"), TARBALL);
        }
        let packages = format!(
            "Package: kit\nVersion: 3\nArchitecture: amd64\nFilename: pool/k/kit_3_amd64.deb\nSize: 3\nSHA256: {}\n",
            sha256(b"deb")
        );
        self.server.file("/d/pool/k/kit_3_amd64.deb", "deb");
        let mut listed = String::new();
        for (path, text) in [("main/source/Sources", sources), ("main/binary-amd64/Packages", packages)] {
            let (digest, size) = (sha256(text.as_bytes()), text.len());
            let directory = path.rsplit_once('/').unwrap().0;
            self.server.file(&format!("/d/dists/wood/{directory}/by-hash/SHA256/{digest}"), text);
            listed.push_str(&format!(" {digest} {size} {path}\n"));
        }
        format!(
            "Origin: Test\nSuite: stable\nCodename: wood\nDate: {}\n{more}Acquire-By-Hash: yes\nSHA256:\n{listed}",
            date(made)
        )
    }

    fn publish(&self, more: &str, made: u64, key: &str) {
        let file = self.gpg.path("Release");
        fs::write(&file, self.release(more, made)).unwrap();
        let file = file.to_str().unwrap();
        let signed = self.gpg.run(&["--local-user", key, "--output", "-", "--clear-sign", file]);
        self.server.file("/d/dists/wood/InRelease", signed);
    }

    fn archives(&self) -> Vec<Archive> {
        let signed_by = vec![self.gpg.path("keyring.gpg").to_str().unwrap().to_owned()];
        let trust = trust(Path::new("/nowhere"), &signed_by, &[self.key.parse().unwrap()]);
        let (uri, suite) = (self.server.url("/d"), "wood".to_owned());
        vec![Archive { feed: Feed { uri, suite, components: vec!["main".into()], signed_by }, trust }]
    }

    fn source(&self, url: &str) -> Result<PathBuf, FetchError> {
        let apt = self.setup.apt(self.archives(), &|_| {});
        apt.fetch_source(&apt.source(&Request::parse(url)?)?, &self.setup.downloads())
    }

    /// Expects the package to be refused, by a message that names the file and the reason.
    fn refused(&self, file: &str, reason: &str) {
        let error = self.source("apt://kit").unwrap_err().to_string();
        assert!(error.contains(file) && error.contains(reason), "{error}\nlacks {file}: {reason}");
        assert!(!self.setup.downloads().join("kit_1.10.dsc").exists());
    }
}

#[test]
fn packages_of_a_signed_archive() {
    let Some(stand) = Stand::new() else { return };
    for (url, version) in [
        ("apt://kit", "1.10"),
        ("apt://kit=1.9", "1.9"),
        ("apt://kit/wood", "1.10"),
        ("apt://kit=1.9/wood;x=y", "1.9"),
    ] {
        let dsc = stand.source(url).unwrap();
        assert_eq!(dsc, stand.setup.downloads().join(format!("kit_{version}.dsc")), "{url}");
        assert_eq!(fs::read(dsc.with_file_name(format!("kit_{version}.tar.gz"))).unwrap(), TARBALL);
    }
    let error = stand.source("apt://kit=2/wood").unwrap_err().to_string();
    assert_eq!(error, "Fetcher failure: no archive offers the package kit 2 in suite wood");
    let error = stand.source("apt://kit/other").unwrap_err().to_string();
    assert_eq!(error, "Fetcher failure: no archive offers the package kit in suite other");
    assert!(matches!(stand.source("apt://../x"), Err(FetchError::Malformed(_))));

    let apt = stand.setup.apt(stand.archives(), &|_| {});
    let found = apt.binary(&Request::parse("deb://kit").unwrap(), "amd64").unwrap();
    let deb = apt.fetch_binary(&found, &stand.setup.downloads()).unwrap();
    assert_eq!(fs::read(deb).unwrap(), b"deb");

    // Another publisher's archive is not meant, however well it is signed.
    let mut other = stand.setup.apt(stand.archives(), &|_| {});
    other.publisher = Publisher { origin: "Debian".into(), labels: Vec::new() };
    assert!(other.source(&Request::parse("apt://kit").unwrap()).is_err());
}

#[test]
fn a_description_brings_its_files() {
    let Some(stand) = Stand::new() else { return };
    let url = stand.server.url("/d/pool/k/kit_1.9.dsc");
    let session = stand.setup.session(&|_| {});
    let job = Job { url: url.clone(), ..Job::default() };
    let target = stand.setup.downloads().join("kit_1.9.dsc");
    stand.setup.pool.place(&session.fetch(&job, None).unwrap().path, &target).unwrap();
    let dsc = fetch_listed(&session, &format!("{url};name=x"), &target).unwrap();
    assert_eq!(dsc.version, "1.9");
    assert_eq!(fs::read(stand.setup.downloads().join("kit_1.9.tar.gz")).unwrap(), TARBALL);
}

#[test]
fn forged_archives() {
    let Some(stand) = Stand::new() else { return };
    let other = stand.gpg.key("other@example.org", "rsa3072", &[], "never");
    let honest = |stand: &Stand| stand.publish("", now() - DAY, &stand.key);

    stand.publish("", now() - DAY, &other);
    stand.refused("dists/wood/InRelease", "signed by a key that is not in the keyring");
    // Having the key is not enough: it must be pinned.
    stand.gpg.keyring(&["archive@example.org", "other@example.org"]);
    stand.refused("dists/wood/InRelease", "which is not a pinned key");

    stand.server.file("/d/dists/wood/InRelease", stand.release("", now() - DAY));
    stand.refused("dists/wood/InRelease", "it is not signed");
    stand.server.page("/d/dists/wood/InRelease", Page::Status(404));
    stand.server.file("/d/dists/wood/Release", stand.release("", now() - DAY));
    stand.refused("dists/wood/Release", "404");

    stand.publish(&format!("Valid-Until: {}\n", date(now() - 60)), now() - DAY, &stand.key);
    stand.refused("dists/wood/Release", "expired on");
    stand.publish("", now() + DAY, &stand.key);
    stand.refused("dists/wood/Release", "has not come yet");

    honest(&stand);
    let index = format!("/d/dists/wood/main/source/by-hash/SHA256/{}", {
        let release = stand.release("", now());
        let line = release.lines().find(|line| line.ends_with("main/source/Sources")).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    });
    stand.server.file(&index, "Package: kit\nVersion: 666\n");
    stand.refused("dists/wood/main/source/Sources", "");
    honest(&stand);
    stand.server.file("/d/pool/k/kit_1.10.dsc", Stand::dsc("1.10").replace("Source: kit", "Source: kid"));
    stand.refused("pool/k/kit_1.10.dsc", "Checksum mismatch!");

    honest(&stand);
    stand.source("apt://kit=1.9").unwrap();
    stand.publish("", now() - 2 * DAY, &stand.key);
    stand.refused("dists/wood/Release", "the index was downgraded");
}

#[test]
fn bad_networks() {
    let Some(stand) = Stand::new() else { return };
    stand.server.plan("/d/dists/wood/InRelease", &[Fault::Cut]);
    stand.server.plan("/d/pool/k/kit_1.10.tar.gz", &[Fault::WrongBytes, Fault::Busy]);
    stand.source("apt://kit").unwrap();
    let mut offline = stand;
    offline.setup.network.forbidden = true;
    offline.refused_offline();
}

impl Stand {
    fn refused_offline(&self) {
        fs::remove_dir_all(self.setup.downloads()).unwrap();
        self.refused("dists/wood/InRelease", "Network access disabled through BB_NO_NETWORK");
    }
}

/// Path, kind and mode, and content or target of everything below a directory.
fn tree(root: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let data = fs::symlink_metadata(&path).unwrap();
            let content = if data.is_dir() {
                waiting.push(path.clone());
                Vec::new()
            } else if data.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            let mode = if data.is_symlink() { data.mode() & 0o170_000 } else { data.permissions().mode() };
            found.insert(path.strip_prefix(root).unwrap().to_path_buf(), (mode, content));
        }
    }
    found
}

/// Source packages of every format and compression, with one and with several upstream archives.
const REAL: [&str; 28] = [
    "libxcb",
    "make-dfsg",
    "pcre2",
    "python3-defaults",
    "wayland",
    "xft",
    "base-files",
    "hostname",
    "debconf",
    "ca-certificates",
    "init-system-helpers",
    "tasksel",
    "po-debconf",
    "ucf",
    "usrmerge",
    "gpx",
    "brotli",
    "diffutils",
    "gzip",
    "libbsd",
    "libedit",
    "numactl",
    "rtmpdump",
    "jq",
    "libalgorithm-diff-xs-perl",
    "plexus-utils2",
    "python-xmltodict",
    "liblocale-gettext-perl",
];

/// Needs the network and dpkg-source, so it only runs where RBAKE_TEST_ARCHIVE says so (tests/archive.sh).
#[test]
fn real_packages_unpack_as_dpkg_source_does() {
    if std::env::var_os("RBAKE_TEST_ARCHIVE").is_none() {
        eprintln!("SKIPPED: RBAKE_TEST_ARCHIVE is not set");
        return;
    }
    let archives = configured(Path::new("/etc/apt"), &[]).unwrap();
    let setup = Setup::new();
    let mut formats: BTreeMap<String, usize> = BTreeMap::new();
    let mut apt = setup.apt(archives, &|_| {});
    apt.publisher = Publisher { origin: "Debian".into(), labels: vec!["Debian".into()] };
    for name in REAL {
        let found = apt.source(&Request::parse(&format!("apt://{name}")).unwrap()).unwrap();
        let path = match apt.fetch_source(&found, &setup.downloads()) {
            // A mirror need not have every source.
            Err(error) if error.to_string().contains("404") => {
                eprintln!("{name}: {error}");
                continue;
            }
            other => other.unwrap(),
        };
        let dsc = read_dsc(&path).unwrap();
        *formats.entry(dsc.format.clone()).or_default() += 1;
        let [ours, theirs] = ["ours", "theirs"].map(|side| setup.dir.path().join(format!("{name}-{side}")));
        let search = std::env::var("PATH").unwrap();
        unpack_source(&dsc, &setup.downloads(), &ours, &UnpackLimits::default(), &search).unwrap();
        let output =
            Command::new("dpkg-source").args(["--no-check", "-x"]).arg(&path).arg(&theirs).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let (ours, theirs) = (tree(&ours), tree(&theirs));
        let differing: Vec<_> =
            ours.keys().chain(theirs.keys()).filter(|path| ours.get(*path) != theirs.get(*path)).collect();
        assert!(differing.is_empty(), "{name}: {differing:?}");
        eprintln!("{name} {} ({}): {} paths equal", dsc.version, dsc.format, ours.len());
    }
    assert!(formats.len() == 3 && formats.values().sum::<usize>() >= 25, "{formats:?}");
}
