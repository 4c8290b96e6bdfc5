//! Downloads over the loopback interface: what arrives, what is sent, and what is left behind when things go wrong.

#[path = "support/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rbake::fetch::{
    Checksums, Client, Credentials, Download, FetchError, FetchEvent, Limits, Pool, Transfer, Wanted,
};
use rbake::verify::{Algorithm, Digest};
use server::{Fault, Page, Server};

fn limits() -> Limits {
    Limits {
        attempts: 12,
        stall: Duration::from_millis(1000),
        backoff: Duration::from_millis(5),
        longest_wait: Duration::from_millis(50),
        ..Limits::default()
    }
}

struct Setup {
    server: Server,
    client: Client,
    pool: Pool,
    dir: tempfile::TempDir,
    events: Mutex<Vec<FetchEvent>>,
    limits: Limits,
}

impl Setup {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Setup {
            server: Server::start(),
            client: Client::start(&BTreeMap::new(), Duration::from_secs(5)).unwrap(),
            pool: Pool::open(dir.path().join("pool")).unwrap(),
            dir,
            events: Mutex::default(),
            limits: limits(),
        }
    }

    fn fetch(&self, url: &str, checksums: &Checksums) -> Result<Download, FetchError> {
        self.fetch_as(url, checksums, None, None)
    }

    fn fetch_as(
        &self,
        url: &str,
        checksums: &Checksums,
        size: Option<u64>,
        credentials: Option<(&str, &str)>,
    ) -> Result<Download, FetchError> {
        let credentials =
            credentials.map(|(user, password)| Credentials::Basic(user.to_owned(), password.to_owned()));
        let listener = |event| self.events.lock().unwrap().push(event);
        Transfer { client: &self.client, pool: &self.pool, limits: &self.limits, listener: &listener }
            .fetch(&Wanted { url, checksums, size, name: None, credentials, accept: None })
    }
}

fn known(data: &[u8]) -> Checksums {
    Checksums::known(&Digest::of(Algorithm::Sha256, data))
}

/// Bytes that differ from file to file.
fn content(seed: usize, length: usize) -> Vec<u8> {
    let mut state = (seed as u32).wrapping_mul(2_654_435_761) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        })
        .collect()
}

fn pool_files(root: &Path) -> Vec<fs::DirEntry> {
    let subdirs = fs::read_dir(root.join("sha256")).unwrap().map(|entry| entry.unwrap().path());
    subdirs.flat_map(|dir| fs::read_dir(dir).unwrap().map(Result::unwrap)).collect()
}

#[test]
fn five_hundred_files_with_faults_on_three_of_ten_requests() {
    let setup = Setup::new();
    // Every tenth file has the bytes of another.
    let files: Vec<Vec<u8>> = (0..500)
        .map(|number| {
            content(if number % 10 == 9 { number - 9 } else { number }, 2000 + (number / 10 * 10) * 97)
        })
        .collect();
    let urls: Vec<String> = files
        .iter()
        .enumerate()
        .map(|(number, data)| setup.server.file(&format!("/f{number}"), data.clone()))
        .collect();
    setup.server.misbehave(30);
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(url) = urls.get(number) else { return };
                    let download = setup.fetch(url, &known(&files[number])).unwrap();
                    assert!(fs::read(&download.path).unwrap() == files[number], "file {number}");
                    let target = setup.dir.path().join(format!("downloads/f{number}"));
                    setup.pool.place(&download.path, &target).unwrap();
                }
            });
        }
        // Whatever has a name is whole, at every moment.
        scope.spawn(|| {
            while next.load(std::sync::atomic::Ordering::Relaxed) < urls.len() {
                for entry in pool_files(&setup.dir.path().join("pool")) {
                    let digest = Digest::of_file(Algorithm::Sha256, &entry.path()).unwrap();
                    assert_eq!(digest.hex(), entry.file_name().to_string_lossy());
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
    });
    assert!(setup.server.faults() > 150, "only {} faults", setup.server.faults());
    let stored = pool_files(&setup.dir.path().join("pool"));
    let distinct: std::collections::BTreeSet<&Vec<u8>> = files.iter().collect();
    assert_eq!(stored.len(), distinct.len());
    let links: u64 = stored.iter().map(|entry| entry.metadata().unwrap().nlink() - 1).sum();
    assert_eq!(links, 500);
    assert_eq!(fs::read_dir(setup.dir.path().join("pool/partial")).unwrap().count(), 0);
    // One pool of connections: far fewer than requests, though faults end many.
    assert!(setup.server.connections() < setup.server.log().len() as u64);
    eprintln!(
        "{} requests, {} faults, {} connections",
        setup.server.log().len(),
        setup.server.faults(),
        setup.server.connections()
    );
}

#[test]
fn a_cut_download_goes_on_where_it_was() {
    let setup = Setup::new();
    let data = content(1, 300_000);
    let url = setup.server.file("/x", data.clone());
    setup.server.plan("/x", &[Fault::Cut, Fault::Cut]);
    let download = setup.fetch(&url, &known(&data)).unwrap();
    assert_eq!(download.bytes, 300_000);
    let ranges: Vec<_> =
        setup.server.log().iter().map(|request| request.headers.get("range").cloned()).collect();
    assert_eq!(ranges, [None, Some("bytes=200000-".into()), Some("bytes=266666-".into())]);
    assert!(setup.server.log()[1].headers.contains_key("if-range"));
    // The second time nothing is asked for.
    assert!(setup.fetch(&url, &known(&data)).unwrap().cached);
    assert_eq!(setup.server.log().len(), 3);
}

#[test]
fn a_changed_file_is_not_mixed_with_the_old_one() {
    let setup = Setup::new();
    let (old, new) = (content(1, 90_000), content(2, 80_000));
    let url = setup.server.file("/x", old);
    setup.server.plan("/x", &[Fault::Cut]);
    let patient = Setup { limits: Limits { attempts: 1, ..limits() }, ..setup };
    patient.fetch(&url, &Checksums::default()).unwrap_err();
    patient.server.file("/x", new.clone());
    let download = patient.fetch(&url, &Checksums::default()).unwrap();
    assert!(fs::read(&download.path).unwrap() == new);
}

#[test]
fn wrong_bytes_are_fetched_again_but_not_for_ever() {
    let setup = Setup::new();
    let data = content(3, 5000);
    let url = setup.server.file("/x", data.clone());
    setup.server.plan("/x", &[Fault::WrongBytes, Fault::WrongBytes, Fault::TooShort]);
    setup.fetch(&url, &known(&data)).unwrap();
    assert_eq!(setup.server.log().len(), 4);

    let wanted = known(b"something else");
    let error = setup.fetch(&url, &wanted).unwrap_err();
    assert!(matches!(error, FetchError::Checksum { .. }), "{error}");
    assert_eq!(setup.server.log().len(), 6, "the same wrong bytes twice are enough");
    assert_eq!(pool_files(&setup.dir.path().join("pool")).len(), 1);
}

#[test]
fn sizes_and_ends() {
    let setup = Setup::new();
    let data = content(4, 5000);
    let url = setup.server.file("/x", data.clone());
    let error = setup.fetch_as(&url, &Checksums::default(), Some(4000), None).unwrap_err();
    assert!(error.to_string().ends_with("the server offers 5000 bytes where 4000 were expected"), "{error}");
    let empty = setup.server.file("/empty", "");
    let error = setup.fetch(&empty, &Checksums::default()).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "Fetcher failure for URL: '{empty}'. The fetch of {empty} resulted in a zero size file?! Deleting and failing since this isn't right."
        )
    );
    let endless = setup.server.page("/endless", Page::Endless);
    let small = Setup { limits: Limits { size: 1_000_000, ..limits() }, ..setup };
    let error = small.fetch(&endless, &Checksums::default()).unwrap_err().to_string();
    assert!(error.ends_with("The file is larger than 1000000 bytes"), "{error}");
    let missing = small.server.url("/missing");
    let before = small.server.log().len();
    let error = small.fetch(&missing, &Checksums::default()).unwrap_err().to_string();
    assert!(error.ends_with("The server answers with HTTP status 404"), "{error}");
    assert_eq!(small.server.log().len(), before + 1, "a definite answer is not asked for again");
    let stalled = small.server.file("/stalled", data);
    small.server.plan("/stalled", &[Fault::Stall; 3]);
    let hasty = Setup { limits: Limits { attempts: 2, ..limits() }, ..small };
    let begun = Instant::now();
    let error = hasty.fetch(&stalled, &Checksums::default()).unwrap_err().to_string();
    assert!(error.ends_with("After 2 attempts: nothing arrived for 1 seconds"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn redirects_and_credentials() {
    let (setup, other) = (Setup::new(), Server::start());
    let data = content(5, 1000);
    other.file("/there", data.clone());
    setup.server.page("/away", Page::Redirect(302, other.url("/there")));
    let near = setup.server.page("/near", Page::Redirect(307, "/away".into()));
    setup.server.demand_password("Basic dXNlcjpzZWNyZXQ=");
    setup.fetch_as(&near, &known(&data), None, Some(("user", "secret"))).unwrap();
    assert!(setup.server.log().iter().all(|request| request.headers.contains_key("authorization")));
    assert!(other.log().iter().all(|request| !request.headers.contains_key("authorization")));
    let shown = format!("{:?}", setup.events.lock().unwrap());
    assert!(!shown.contains("secret"));

    let round = other.page("/round", Page::Redirect(301, "/round".into()));
    let error = setup.fetch(&round, &Checksums::default()).unwrap_err().to_string();
    assert!(error.ends_with("The server redirects more than 20 times"), "{error}");
    let denied = other.page("/denied", Page::Status(403));
    let error = setup.fetch(&denied, &Checksums::default()).unwrap_err().to_string();
    assert!(error.ends_with("The server answers with HTTP status 403"), "{error}");
    let file = other.page("/file", Page::Redirect(301, "file:///etc/passwd".into()));
    let error = setup.fetch(&file, &Checksums::default()).unwrap_err().to_string();
    assert!(error.ends_with("The server redirects to something that is not HTTP"), "{error}");
}

#[test]
fn proxies() {
    let (proxy, origin) = (Server::start(), Server::start());
    let data = content(6, 1000);
    proxy.file("/x", data.clone());
    origin.file("/x", data.clone());
    let environment = BTreeMap::from([
        ("http_proxy".to_owned(), proxy.url("")),
        ("no_proxy".to_owned(), "127.0.0.1".to_owned()),
    ]);
    let client = Client::start(&environment, Duration::from_secs(5)).unwrap();
    let setup = Setup { client, ..Setup::new() };
    setup.fetch("http://archive.invalid/x", &Checksums::default()).unwrap();
    assert_eq!(proxy.log()[0].path, "http://archive.invalid/x");
    setup.fetch(&origin.url("/x"), &Checksums::default()).unwrap();
    assert_eq!((proxy.log().len(), origin.log().len()), (1, 1));
}

#[test]
fn two_at_once_fetch_once() {
    let setup = Setup::new();
    let data = content(7, 400_000);
    let url = setup.server.file("/x", data.clone());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| setup.fetch(&url, &known(&data)).unwrap());
        }
    });
    assert_eq!(setup.server.log().len(), 1);
}

#[test]
fn unreachable() {
    let setup = Setup { limits: Limits { attempts: 2, ..limits() }, ..Setup::new() };
    let port = { Server::start().port() };
    std::thread::sleep(Duration::from_millis(100));
    let url = format!("http://user:secret@127.0.0.1:{port}/x");
    let error = setup.fetch(&url, &Checksums::default()).unwrap_err().to_string();
    assert!(error.contains("After 2 attempts: can't connect: Connection refused"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn a_checksum_that_was_left_behind_is_told() {
    let setup = Setup::new();
    let (old, new) = (content(8, 1000), content(9, 1000));
    let urls = [setup.server.file("/kit-1.tgz", old.clone()), setup.server.file("/kit-2.tgz", new)];
    let fetch = |url: &str, name| {
        let transfer =
            Transfer { client: &setup.client, pool: &setup.pool, limits: &setup.limits, listener: &|_| {} };
        let checksums = known(&old);
        transfer.fetch(&Wanted {
            url,
            checksums: &checksums,
            size: None,
            name: Some(name),
            credentials: None,
            accept: None,
        })
    };
    assert!(!fetch(&urls[0], "kit-1.tgz").unwrap().cached);
    assert!(fetch(&urls[0], "kit-1.tgz").unwrap().cached);
    assert!(matches!(fetch(&urls[1], "kit-2.tgz"), Err(FetchError::Checksum { .. })));
    // Where no name is given, the digest alone says which file is meant.
    assert!(setup.fetch(&urls[1], &known(&old)).unwrap().cached);
}
