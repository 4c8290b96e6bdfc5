//! rpm repositories: a signed one on the loopback interface, honest and forged; and real packages, of every compression, from the
//! folders that RBAKE_TEST_RPMS names (tests/rpms.sh fetches some).

#[path = "support/gpg.rs"]
mod gpg;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "support/server.rs"]
mod server;
#[path = "support/session.rs"]
mod session;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use gpg::Gpg;
use rbake::fetch::rpm::{Request, Rpm, Signed, trust};
use rbake::fetch::{Extract, FetchError, FetchEvent, UnpackLimits, UnpackOptions, extract};
use rbake::package::rpm::repos::Repository;
use rbake::verify::{Algorithm, Digest, Policy};
use server::Server;
use session::Setup;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn sha256(data: &[u8]) -> String {
    Digest::of(Algorithm::Sha256, data).hex()
}

/// A header as rpm lays it out (rpm file format, version 4): index entries, then their data.
fn header(entries: &[(u32, &str)]) -> Vec<u8> {
    const STRING: u32 = 6;
    let (mut index, mut store) = (Vec::new(), Vec::new());
    for (tag, text) in entries {
        for field in [*tag, STRING, store.len() as u32, 1] {
            index.extend(field.to_be_bytes());
        }
        store.extend_from_slice(text.as_bytes());
        store.push(0);
    }
    let mut bytes = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
    bytes.extend((entries.len() as u32).to_be_bytes());
    bytes.extend((store.len() as u32).to_be_bytes());
    [bytes, index, store].concat()
}

/// One file and the end, as `cpio -H newc` writes them.
fn cpio(name: &str, content: &str) -> Vec<u8> {
    let mut archive = String::new();
    for (name, mode, content) in [(name, 0o100_644, content), ("TRAILER!!!", 0, "")] {
        let fields = [1, mode, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
        archive.push_str("070701");
        for field in fields {
            archive.push_str(&format!("{field:08x}"));
        }
        archive.push_str(name);
        archive.push('\0');
        archive.push_str(&"\0".repeat((4 - archive.len() % 4) % 4));
        archive.push_str(content);
        archive.push_str(&"\0".repeat((4 - archive.len() % 4) % 4));
    }
    archive.into_bytes()
}

fn package(name: &str, version: &str, release: &str) -> Vec<u8> {
    let mut lead = vec![0xed, 0xab, 0xee, 0xdb];
    lead.resize(96, 0);
    let signature = header(&[]);
    let padding = vec![0; (8 - signature.len() % 8) % 8];
    let main = header(&[(1000, name), (1001, version), (1002, release), (1124, "cpio"), (1125, "gzip")]);
    let mut payload = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    payload
        .write_all(&cpio(&format!("./{name}.spec"), &format!("Name: {name}\nVersion: {version}\n")))
        .unwrap();
    [lead, signature, padding, main, payload.finish().unwrap()].concat()
}

/// A small repository with two versions of a source package and a binary one.
struct Stand {
    gpg: Gpg,
    key: String,
    server: Server,
    setup: Setup,
}

impl Stand {
    fn new() -> Option<Self> {
        let gpg = Gpg::new()?;
        let key = gpg.key("repository@example.org", "rsa3072", &[], "never");
        gpg.keyring(&["repository@example.org"]);
        let stand = Stand { gpg, key, server: Server::start(), setup: Setup::new() };
        stand.publish("/r", now(), &stand.key, &["1.9", "1.10"]);
        Some(stand)
    }

    fn publish(&self, root: &str, made: u64, key: &str, versions: &[&str]) {
        let mut primary = format!("<metadata packages=\"{}\">", versions.len() * 2);
        for version in versions {
            for (arch, directory) in [("src", "Source"), ("x86_64", "Packages")] {
                let data = package("kit", version, "3.el9");
                let location = format!("{directory}/kit-{version}-3.el9.{arch}.rpm");
                primary.push_str(&format!(
                    "<package type=\"rpm\"><name>kit</name><arch>{arch}</arch><version epoch=\"0\" ver=\"{version}\" rel=\"3.el9\"/>\
                     <checksum type=\"sha256\" pkgid=\"YES\">{}</checksum><size package=\"{}\"/><location href=\"{location}\"/></package>",
                    sha256(&data),
                    data.len()
                ));
                self.server.file(&format!("{root}/{location}"), data);
            }
        }
        primary.push_str("</metadata>");
        let packed = zstd::encode_all(primary.as_bytes(), 3).unwrap();
        self.server.file(&format!("{root}/repodata/primary.xml.zst"), packed.clone());
        let repomd = format!(
            "<repomd><revision>{made}</revision><data type=\"primary\"><checksum type=\"sha256\">{}</checksum>\
             <location href=\"repodata/primary.xml.zst\"/><timestamp>{made}</timestamp><size>{}</size></data></repomd>",
            sha256(&packed),
            packed.len()
        );
        let file = self.gpg.path("repomd.xml");
        fs::write(&file, &repomd).unwrap();
        let file = file.to_str().unwrap();
        let signature =
            self.gpg.run(&["--local-user", key, "--armor", "--output", "-", "--detach-sign", file]);
        self.server.file(&format!("{root}/repodata/repomd.xml"), repomd);
        self.server.file(&format!("{root}/repodata/repomd.xml.asc"), signature);
    }

    fn repository(&self, id: &str, root: &str, priority: u32) -> Signed {
        let repository = Repository {
            id: id.into(),
            baseurls: vec![self.server.url(root)],
            gpgkeys: vec![format!("file://{}", self.gpg.path("keyring.gpg").display())],
            priority,
        };
        let trust = trust(&repository, &[], &[self.key.parse().unwrap()]);
        Signed { repository, trust }
    }

    fn fetch_from(&self, repositories: Vec<Signed>, url: &str, arch: &str) -> Result<PathBuf, FetchError> {
        let quiet = |_: FetchEvent| {};
        let rpm = Rpm {
            session: self.setup.session(&quiet),
            repositories,
            policy: Policy::at(now()),
            state: self.setup.dir.path().join("state"),
        };
        let request = Request::parse(url, None)?;
        rpm.fetch(&rpm.find(&request, &[arch])?, &self.setup.downloads())
    }

    fn fetch(&self, url: &str) -> Result<PathBuf, FetchError> {
        self.fetch_from(vec![self.repository("r", "/r", 99)], url, "src")
    }

    fn refused(&self, url: &str, words: &[&str]) {
        let error = self.fetch(url).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{error:?} lacks {word:?}");
        }
    }
}

#[test]
fn packages_are_found_and_unpacked() {
    let Some(stand) = Stand::new() else { return };
    for (url, name) in [
        ("srpm://kit", "kit-1.10-3.el9.src.rpm"),
        ("srpm://kit=1.9", "kit-1.9-3.el9.src.rpm"),
        ("srpm://kit=0:1.9-3.el9;repo=r", "kit-1.9-3.el9.src.rpm"),
    ] {
        let path = stand.fetch(url).unwrap();
        assert_eq!(path.file_name().unwrap(), name, "{url}");
    }
    let path = stand.fetch_from(vec![stand.repository("r", "/r", 99)], "rpm://kit", "x86_64").unwrap();
    let root = stand.setup.dir.path().join("root");
    fs::create_dir(&root).unwrap();
    let options = UnpackOptions { root: root.clone(), limits: UnpackLimits::default(), path: String::new() };
    let how = Extract { directory: &root, strip: 0, dos: false, only: None };
    assert!(extract(&path, &how, &options).unwrap());
    assert_eq!(fs::read_to_string(root.join("kit.spec")).unwrap(), "Name: kit\nVersion: 1.10\n");
}

#[test]
fn the_preferred_repository_wins() {
    let Some(stand) = Stand::new() else { return };
    stand.publish("/own", now(), &stand.key, &["1.2"]);
    let both = |own| vec![stand.repository("r", "/r", 99), stand.repository("own", "/own", own)];
    let name = |own| stand.fetch_from(both(own), "srpm://kit", "src").unwrap();
    assert!(name(99).ends_with("kit-1.10-3.el9.src.rpm"));
    assert!(name(1).ends_with("kit-1.2-3.el9.src.rpm"));
}

#[test]
fn a_place_that_does_not_answer_is_passed_over() {
    let Some(stand) = Stand::new() else { return };
    let mut signed = stand.repository("r", "/r", 99);
    signed.repository.baseurls.insert(0, stand.server.url("/gone"));
    assert!(stand.fetch_from(vec![signed], "srpm://kit", "src").is_ok());
}

#[test]
fn what_is_not_there() {
    let Some(stand) = Stand::new() else { return };
    stand.refused("srpm://kat", &["no repository offers the package kat"]);
    stand.refused("srpm://kit=2", &["no repository offers the package kit 2"]);
    for url in ["srpm://", "srpm://a/b", "srpm://-a", "srpm://kit=", "srpm://k$t"] {
        assert!(matches!(Request::parse(url, None), Err(FetchError::Malformed { .. })), "{url}");
    }
}

#[test]
fn without_a_good_signature_nothing_counts() {
    let Some(stand) = Stand::new() else { return };
    let signature = "/r/repodata/repomd.xml.asc";
    stand.server.file(signature, "");
    stand.refused("srpm://kit", &["repomd.xml"]);
    let other = stand.gpg.key("other@example.org", "ed25519", &[], "never");
    stand.gpg.keyring(&[]);
    stand.publish("/r", now(), &other, &["1.9"]);
    stand.refused("srpm://kit", &["repomd.xml"]);
    // Signed once, changed since.
    stand.publish("/r", now(), &stand.key, &["1.9"]);
    assert!(stand.fetch("srpm://kit").is_ok());
    stand.server.file("/r/repodata/repomd.xml", "<repomd><data type=\"primary\"/></repomd>");
    stand.refused("srpm://kit", &["repomd.xml"]);
}

#[test]
fn an_unsigned_repository_is_told_of() {
    let Some(stand) = Stand::new() else { return };
    stand.server.file("/u/repodata/repomd.xml", "<repomd/>");
    let error = stand.fetch_from(vec![stand.repository("u", "/u", 1)], "srpm://kit", "src").unwrap_err();
    assert!(error.to_string().contains("there is no signature for it"), "{error}");
}

#[test]
fn an_older_index_is_refused() {
    let Some(stand) = Stand::new() else { return };
    stand.fetch("srpm://kit").unwrap();
    stand.publish("/r", now() - 100_000, &stand.key, &["1.8"]);
    stand.refused("srpm://kit", &["repomd.xml", "was seen before"]);
}

#[test]
fn swapped_files_are_refused() {
    let Some(stand) = Stand::new() else { return };
    let place = "/r/Source/kit-1.10-3.el9.src.rpm";
    stand.server.file(place, package("kit", "1.10", "4.el9"));
    stand.refused("srpm://kit", &["kit-1.10-3.el9.src.rpm"]);
    stand.server.file("/r/repodata/primary.xml.zst", "other");
    let error = stand.fetch("srpm://kit=1.9").map(drop);
    // The index is in the pool by its digest; a new session's pool must refuse the other one.
    assert!(error.is_ok());
    let fresh = Stand { setup: Setup::new(), ..stand };
    fresh.refused("srpm://kit=1.9", &["primary.xml.zst"]);
}

#[test]
fn a_package_that_is_another_inside_is_refused() {
    let Some(stand) = Stand::new() else { return };
    let data = package("kat", "1.10", "3.el9");
    let primary = format!(
        "<metadata><package><name>kit</name><arch>src</arch><version epoch=\"0\" ver=\"1.10\" rel=\"3.el9\"/>\
         <checksum type=\"sha256\">{}</checksum><size package=\"{}\"/><location href=\"Source/x.src.rpm\"/></package></metadata>",
        sha256(&data),
        data.len()
    );
    stand.server.file("/r/Source/x.src.rpm", data);
    stand.server.file("/r/repodata/p.xml", primary.clone());
    let repomd = format!(
        "<repomd><data type=\"primary\"><checksum type=\"sha256\">{}</checksum><location href=\"repodata/p.xml\"/>\
         <timestamp>{}</timestamp></data></repomd>",
        sha256(primary.as_bytes()),
        now()
    );
    let file = stand.gpg.path("repomd.xml");
    fs::write(&file, &repomd).unwrap();
    let signature = stand.gpg.run(&[
        "--local-user",
        &stand.key,
        "--output",
        "-",
        "--detach-sign",
        file.to_str().unwrap(),
    ]);
    stand.server.file("/r/repodata/repomd.xml", repomd);
    stand.server.file("/r/repodata/repomd.xml.asc", signature);
    stand.refused(
        "srpm://kit",
        &["x.src.rpm", "it is kat 1.10-3.el9, but the index lists it as kit 1.10-3.el9"],
    );
}

/// Every path below a folder, with its kind, permissions and content.
fn listing(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            let about = fs::symlink_metadata(&path).unwrap();
            let content = if about.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if about.is_dir() {
                open.push(path.clone());
                Vec::new()
            } else {
                fs::read(&path).unwrap()
            };
            found.insert(
                path.strip_prefix(folder).unwrap().to_path_buf(),
                (about.permissions().mode(), content),
            );
        }
    }
    found
}

#[test]
fn real_packages() {
    let Ok(folders) = std::env::var("RBAKE_TEST_RPMS") else {
        eprintln!("skipped: real rpm packages (RBAKE_TEST_RPMS is not set)");
        return;
    };
    let mut packages = Vec::new();
    for folder in folders.split(':') {
        let paths = listing(Path::new(folder))
            .into_keys()
            .filter(|path| path.extension().is_some_and(|end| end == "rpm"));
        packages.extend(paths.map(|path| Path::new(folder).join(path)));
    }
    assert!(!packages.is_empty(), "there are no packages in {folders}");
    let place = tempfile::tempdir().unwrap();
    // What today's rpm2cpio refuses, all of version 6, its sibling for tar archives reads.
    let (mut same, mut same_as_archive) = (0, 0);
    for (number, package) in packages.iter().enumerate() {
        let own = place.path().join(format!("{number}-own"));
        let reference = place.path().join(format!("{number}-reference"));
        fs::create_dir(&own).unwrap();
        fs::create_dir(&reference).unwrap();
        let unpack_with = |pipe: &str| {
            Command::new("bash")
                .args(["-c", &format!("umask 022; set -eo pipefail; {pipe}")])
                .arg(package)
                .current_dir(&reference)
                .output()
                .unwrap()
        };
        let as_cpio =
            unpack_with("rpm2cpio \"$0\" | cpio -idm --quiet --no-absolute-filenames").status.success();
        if !as_cpio {
            let unpacked = unpack_with("rpm2archive -n - < \"$0\" | tar -xp --no-same-owner");
            assert!(unpacked.status.success(), "{}: {unpacked:?}", package.display());
        }
        let options =
            UnpackOptions { root: own.clone(), limits: UnpackLimits::default(), path: String::new() };
        let how = Extract { directory: &own, strip: 0, dos: false, only: None };
        let result = extract(package, &how, &options);
        // Device nodes are none of a recipe's business.
        if package.display().to_string().contains("special-files")
            && !package.display().to_string().contains(".src.rpm")
        {
            let error = result.unwrap_err().to_string();
            assert!(error.contains("is a device node, pipe or socket"), "{error}");
            continue;
        }
        assert!(result.as_ref().is_ok_and(|known| *known), "{}: {result:?}", package.display());
        assert!(listing(&own) == listing(&reference), "{} differs", package.display());
        *(if as_cpio { &mut same } else { &mut same_as_archive }) += 1;
    }
    println!(
        "{same} packages unpack as with rpm2cpio and cpio, {same_as_archive} as with rpm2archive and tar"
    );
    assert!(same > 0);
}
