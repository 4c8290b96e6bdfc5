//! Images of containers: from a registry on the loopback interface, honest and not, to layouts and trees of files.

#[path = "support/registry.rs"]
mod registry;
#[path = "support/session.rs"]
mod session;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use rbake::fetch::oci::{self, Request, Resolved};
use rbake::fetch::{FetchError, FetchEvent, Limits, Network, UnpackLimits, unpack_image};
use registry::{Page, Registry, sha256};
use serde_json::{Value, json};
use session::Setup;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What a layer brings.
enum Entry<'a> {
    Dir(&'a str, u32),
    File(&'a str, &'a str),
    Symlink(&'a str, &'a str),
    Link(&'a str, &'a str),
    Device(&'a str),
}
use Entry::{Device, Dir, File, Link, Symlink};

/// A layer's tar archive; names are written as they are, which the usual writers would not do.
fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        let (kind, name, mode, target, data) = match *entry {
            Dir(name, mode) => (tar::EntryType::Directory, name, mode, "", ""),
            File(name, data) => (tar::EntryType::Regular, name, 0o644, "", data),
            Symlink(name, target) => (tar::EntryType::Symlink, name, 0o777, target, ""),
            Link(name, target) => (tar::EntryType::Link, name, 0o644, target, ""),
            Device(name) => (tar::EntryType::Char, name, 0o600, "", ""),
        };
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(data.len() as u64);
        header.set_mtime(1_700_000_000);
        let raw = header.as_old_mut();
        raw.name[..name.len()].copy_from_slice(name.as_bytes());
        raw.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        archive.append(&header, data.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(data).unwrap();
    packed.finish().unwrap()
}

/// A registry, and a place to fetch to.
struct Stand {
    registry: Registry,
    setup: Setup,
    events: Mutex<Vec<FetchEvent>>,
}

impl Stand {
    fn new() -> Self {
        Stand { registry: Registry::start(), setup: Setup::new(), events: Mutex::default() }
    }

    fn url(&self, image: &str) -> String {
        format!("docker://{}/{image};protocol=http", self.registry.host())
    }

    /// Publishes an image of these layers as `lib/kit:TAG`; its manifest's descriptor.
    fn publish(&self, tag: &str, layers: &[Vec<u8>]) -> Value {
        self.publish_for(tag, "amd64", layers)
    }

    fn publish_for(&self, tag: &str, architecture: &str, layers: &[Vec<u8>]) -> Value {
        let plain: Vec<String> = layers.iter().map(|layer| sha256(layer)).collect();
        let config = json!({
            "os": "linux", "architecture": architecture, "config": {},
            "rootfs": {"type": "layers", "diff_ids": plain},
        });
        let config = self.registry.blob("lib/kit", CONFIG, config.to_string().as_bytes());
        let layers: Vec<Value> = layers
            .iter()
            .enumerate()
            .map(|(number, layer)| match number % 3 {
                0 => self.registry.blob("lib/kit", &format!("{LAYER}+gzip"), &gzip(layer)),
                1 => {
                    let packed = zstd::encode_all(&layer[..], 3).unwrap();
                    self.registry.blob("lib/kit", &format!("{LAYER}+zstd"), &packed)
                }
                _ => self.registry.blob("lib/kit", LAYER, layer),
            })
            .collect();
        let document = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        self.registry.manifest("lib/kit", tag, &document)
    }

    fn fetch_as(&self, image: &str, login: Option<(&str, &str)>) -> Result<(Resolved, PathBuf), FetchError> {
        let request = Request::parse(&self.url(image))?;
        let listener = |event| self.events.lock().unwrap().push(event);
        let target =
            self.setup.downloads().join(request.reference.archive_name(&request.platform.to_string()));
        let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
        let resolved = oci::fetch(&self.setup.session(&listener), &request, login, &target)?;
        Ok((resolved, target))
    }

    fn fetch(&self, image: &str) -> Result<PathBuf, FetchError> {
        self.fetch_as(image, None).map(|(_, path)| path)
    }

    fn refused(&self, image: &str, words: &[&str]) {
        let error = self.fetch(image).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        let archives = fs::read_dir(self.setup.downloads()).into_iter().flatten().count();
        assert_eq!(archives, 0, "something is left behind");
    }

    fn unpack(&self, image: &str, archive: &Path, flat: bool) -> Result<PathBuf, FetchError> {
        let target = tempfile::tempdir_in(self.setup.dir.path()).unwrap().keep();
        let request = Request::parse(&self.url(image))?;
        unpack_image(&request, archive, &target, flat, &UnpackLimits::default())?;
        Ok(target)
    }

    /// The tree of an image of these layers.
    fn tree(&self, layers: &[&[Entry<'_>]]) -> Result<PathBuf, FetchError> {
        let layers: Vec<Vec<u8>> = layers.iter().map(|entries| tar(entries)).collect();
        self.publish("1", &layers);
        let archive = self.fetch("lib/kit:1").unwrap();
        self.unpack("lib/kit:1", &archive, true)
    }
}

/// Every path with its content, link target or `/`.
fn listing(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let kind = entry.file_type().unwrap();
            let shown = if kind.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if kind.is_dir() {
                waiting.push(path.clone());
                "/".into()
            } else {
                String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
            };
            found.insert(path.strip_prefix(root).unwrap().to_string_lossy().into_owned(), shown);
        }
    }
    found
}

fn expected(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, shown)| (name.to_string(), shown.to_string())).collect()
}

#[test]
fn an_index_leads_to_the_platforms_image() {
    let stand = Stand::new();
    let mut manifests = Vec::new();
    for architecture in ["arm64", "amd64"] {
        let layer = tar(&[File("etc/arch", architecture)]);
        let mut descriptor = stand.publish_for(architecture, architecture, &[layer]);
        descriptor["platform"] = json!({"os": "linux", "architecture": architecture});
        manifests.push(descriptor);
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    let index = stand.registry.manifest("lib/kit", "1", &index);
    let (resolved, archive) = stand.fetch_as("lib/kit:1", None).unwrap();
    assert_eq!(resolved.top.to_string(), index["digest"]);
    assert_eq!(resolved.descriptor.digest.to_string(), manifests[1]["digest"]);
    assert!(stand.registry.log()[0].headers["accept"].contains(INDEX));
    let tree = stand.unpack("lib/kit:1", &archive, true).unwrap();
    assert_eq!(listing(&tree), expected(&[("etc", "/"), ("etc/arch", "amd64")]));

    // Pinned by the index, by the manifest, and for the other platform.
    let pinned = format!("lib/kit@{}", index["digest"].as_str().unwrap());
    let archive = stand.fetch(&pinned).unwrap();
    stand.unpack(&pinned, &archive, false).unwrap();
    let manifest = format!("lib/kit:1@{}", manifests[1]["digest"].as_str().unwrap());
    stand.unpack(&manifest, &stand.fetch(&manifest).unwrap(), true).unwrap();
    let error = stand.unpack("lib/kit:1;platform=linux/arm64", &archive, true).unwrap_err().to_string();
    assert!(error.contains("not there for linux/arm64"), "{error}");
    let url = format!("{};platform=linux/arm64", stand.url("lib/kit:1"));
    let request = Request::parse(&url).unwrap();
    let target = stand.setup.downloads().join("arm.tar");
    let events = |_| ();
    oci::fetch(&stand.setup.session(&events), &request, None, &target).unwrap();
    let tree = stand.setup.dir.path().join("arm");
    unpack_image(&request, &target, &tree, true, &UnpackLimits::default()).unwrap();
    assert_eq!(fs::read_to_string(tree.join("etc/arch")).unwrap(), "arm64");
    let missing = Request::parse(&format!("{};platform=linux/s390x", stand.url("lib/kit:1"))).unwrap();
    let error = oci::fetch(&stand.setup.session(&events), &missing, None, &target).unwrap_err().to_string();
    assert!(
        error.ends_with("the image is not there for linux/s390x, only for linux/arm64, linux/amd64"),
        "{error}"
    );
}

#[test]
fn a_pinned_image_in_the_pool_needs_no_network_and_gives_the_same_bytes() {
    let mut stand = Stand::new();
    let layer = tar(&[File("a", "1")]);
    let manifest = stand.publish("1", &[layer.clone(), layer.clone(), layer]);
    let image = format!("lib/kit@{}", manifest["digest"].as_str().unwrap());
    let first = fs::read(stand.fetch(&image).unwrap()).unwrap();
    let asked = stand.registry.log().len();
    stand.setup.network = Network { forbidden: true, allowed: None };
    let second = fs::read(stand.fetch(&image).unwrap()).unwrap();
    assert!(first == second);
    assert_eq!(stand.registry.log().len(), asked);
    // What a tag stands for today nobody knows without asking.
    assert!(matches!(stand.fetch("lib/kit:1"), Err(FetchError::Network { .. })));
    stand.setup.network = Network { forbidden: false, allowed: Network::allowed_from("other.example") };
    assert!(matches!(stand.fetch("lib/kit:1"), Err(FetchError::Untrusted(_))));
}

#[test]
fn a_cut_layer_goes_on_where_it_was() {
    let stand = Stand::new();
    let layer = tar(&[File("a", &"0123456789".repeat(20_000))]);
    let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [sha256(&layer)]}});
    let config = stand.registry.blob("lib/kit", CONFIG, config.to_string().as_bytes());
    let blob = stand.registry.blob("lib/kit", LAYER, &layer);
    let path = format!("/v2/lib/kit/blobs/{}", blob["digest"].as_str().unwrap());
    stand.registry.page(&path, Page::Cut(layer, 150_000));
    let document = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [blob]});
    stand.registry.manifest("lib/kit", "1", &document);
    stand.fetch("lib/kit:1").unwrap();
    let log = stand.registry.log();
    let ranges: Vec<_> = log.iter().filter_map(|request| request.headers.get("range")).collect();
    assert_eq!(ranges, ["bytes=150000-"]);
}

#[test]
fn wrong_bytes_and_sizes() {
    let stand = Stand::new();
    let layer = tar(&[File("a", "1")]);
    let manifest = stand.publish("1", &[layer]);
    let text = stand.registry.manifest("lib/kit", "other", &json!({"schemaVersion": 2}));
    let digest = |descriptor: &Value| descriptor["digest"].as_str().unwrap().to_owned();
    // A manifest that is not the pinned one.
    stand.registry.page(
        &format!("/v2/lib/kit/manifests/{}", digest(&manifest)),
        Page::Data(b"{\"schemaVersion\":2}".to_vec()),
    );
    stand
        .refused(&format!("lib/kit@{}", digest(&manifest)), &["Checksum mismatch!", &digest(&manifest)[7..]]);
    stand.refused(&format!("lib/kit@{}", digest(&text)), &["neither manifests nor layers"]);

    // A layer with other bytes, of another size, and gone.
    let layer = tar(&[File("b", "2")]);
    let config = stand.registry.blob("lib/kit", CONFIG, b"{}");
    let blob = stand.registry.blob("lib/kit", LAYER, &layer);
    let path = format!("/v2/lib/kit/blobs/{}", digest(&blob));
    let document =
        |blob: &Value| json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [blob]});
    stand.registry.manifest("lib/kit", "2", &document(&blob));
    let mut damaged = layer.clone();
    damaged[700] ^= 1;
    stand.registry.page(&path, Page::Data(damaged));
    stand.refused("lib/kit:2", &["Checksum mismatch!", &digest(&blob)[7..]]);
    stand.registry.page(&path, Page::Data(layer[..1000].to_vec()));
    stand.refused("lib/kit:2", &["the server offers 1000 bytes where 2048 were expected"]);
    stand.registry.forget(&path);
    stand.refused("lib/kit:2", &["HTTP status 404"]);
    // A size that the manifest has wrong, of a blob that is in the pool.
    stand.registry.page(&path, Page::Data(layer));
    stand.registry.manifest("lib/kit", "2", &document(&blob));
    fs::remove_file(stand.fetch("lib/kit:2").unwrap()).unwrap();
    let mut wrong = blob.clone();
    wrong["size"] = json!(2047);
    stand.registry.manifest("lib/kit", "3", &document(&wrong));
    stand.refused("lib/kit:3", &["2048 bytes where 2047 were expected"]);
    // What is no image for this platform, and an old kind of manifest.
    stand.publish_for("arm", "arm64", &[tar(&[File("c", "")])]);
    stand.refused("lib/kit:arm", &["not there for linux/amd64, only for linux/arm64"]);
    stand.registry.manifest("lib/kit", "old", &json!({"schemaVersion": 1, "fsLayers": []}));
    stand.refused("lib/kit:old", &["too old to be verified"]);
    // A manifest without end.
    let large = format!("{{\"schemaVersion\":2,\"x\":\"{}\"}}", "y".repeat(5 << 20));
    stand.registry.page("/v2/lib/kit/manifests/large", Page::Data(large.into_bytes()));
    stand.refused("lib/kit:large", &["larger than 4194304 bytes"]);
}

#[test]
fn redirects() {
    let (mut stand, other) = (Stand::new(), Registry::start());
    stand.setup.limits = Limits { redirects: 3, ..stand.setup.limits.clone() };
    let layer = tar(&[File("a", "1")]);
    let blob = stand.registry.blob("lib/kit", LAYER, &layer);
    let digest = blob["digest"].as_str().unwrap().to_owned();
    let config = stand.registry.blob("lib/kit", CONFIG, b"{}");
    let document = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [blob]});
    stand.registry.manifest("lib/kit", "1", &document);
    let path = format!("/v2/lib/kit/blobs/{digest}");
    stand.registry.page(&path, Page::Redirect(format!("http://{}/store/x", other.host())));
    stand.registry.demand("Basic dXNlcjpzZWNyZXQ=", "Basic realm=\"kits\"");
    // The other host demands a token in the name of the registry: it gets nothing.
    let realm = format!("Bearer realm=\"http://{}/token\"", other.host());
    other.demand("Bearer x", &realm);
    other.page("/v2/x", Page::Data(Vec::new()));
    stand.registry.page(&path, Page::Redirect(format!("http://{}/v2/x", other.host())));
    let error = stand.fetch_as("lib/kit:1", Some(("user", "secret"))).unwrap_err().to_string();
    assert!(error.ends_with("The server answers with HTTP status 401"), "{error}");
    other.page("/store/x", Page::Data(layer));
    stand.registry.page(&path, Page::Redirect(format!("http://{}/store/x", other.host())));
    let (_, archive) = stand.fetch_as("lib/kit:1", Some(("user", "secret"))).unwrap();
    assert!(stand.registry.log().iter().any(|request| request.headers.contains_key("authorization")));
    assert!(other.log().iter().all(|request| !request.headers.contains_key("authorization")));
    assert!(other.log().iter().all(|request| !request.path.starts_with("/token")));
    fs::remove_file(archive).unwrap();

    let endless = Stand { setup: Setup::new(), ..stand };
    endless.registry.demand("Basic dXNlcjpzZWNyZXQ=", "Basic realm=\"kits\"");
    endless.registry.page(&path, Page::Redirect(path.clone()));
    let error = endless.fetch_as("lib/kit:1", Some(("user", "secret"))).unwrap_err().to_string();
    assert!(error.ends_with("The server redirects more than 20 times"), "{error}");
    assert!(!format!("{:?}", endless.events.lock().unwrap()).contains("secret"));
    // Without a password there is nothing to answer a demand with.
    let error = endless.fetch("lib/kit:1").unwrap_err().to_string();
    assert!(error.ends_with("The server answers with HTTP status 401"), "{error}");
}

#[test]
fn tokens() {
    let (stand, realm) = (Stand::new(), Registry::start());
    stand.publish("1", &[tar(&[File("a", "1")])]);
    let challenge = format!(
        "Bearer realm=\"http://{}/token\",service=\"kits\",scope=\"repository:lib/kit:pull\"",
        realm.host()
    );
    stand.registry.demand("Bearer abc.DEF-1", &challenge);
    realm.page("/token", Page::Data(b"{\"token\":\"abc.DEF-1\",\"expires_in\":60}".to_vec()));
    stand.fetch_as("lib/kit:1", Some(("user", "secret"))).unwrap();
    let asked: Vec<_> = realm.log();
    assert_eq!(asked.len(), 1, "one token does for all");
    assert_eq!(asked[0].path, "/token?service=kits&scope=repository%3Alib%2Fkit%3Apull");
    assert_eq!(asked[0].headers["authorization"], "Basic dXNlcjpzZWNyZXQ=");
    let told = format!("{:?}", stand.events.lock().unwrap());
    assert!(!told.contains("secret") && !told.contains("abc.DEF"), "{told}");
    let kept =
        Command::new("grep").args(["-rlE", "abc.DEF|secret"]).arg(stand.setup.dir.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "");
    // Nobody's password is needed, and none is sent.
    stand.fetch("lib/kit:1").unwrap();
    assert!(!realm.log()[1].headers.contains_key("authorization"));

    for (answer, words) in [
        (Page::Data(b"{\"token\":\"a\\r\\nX-Evil: b\"}".to_vec()), "what the answer has is none"),
        (Page::Data(b"{}".to_vec()), "the answer has none"),
        (Page::Data(b"<html>".to_vec()), "the answer can't be read"),
        (Page::Redirect("http://127.0.0.1:1/".into()), "HTTP status 307"),
        (Page::Data(b"{\"access_token\":\"other\"}".to_vec()), "The server answers with HTTP status 401"),
    ] {
        realm.page("/token", answer);
        let error = stand.fetch("lib/kit:1").unwrap_err().to_string();
        assert!(error.ends_with(words), "{error}");
    }
    // A registry that is reached by HTTPS must not have passwords sent in clear; nor must hosts that are not allowed get any.
    let mut stand = stand;
    let allowed = realm.host().split(':').next().map(str::to_owned);
    stand.setup.network = Network { forbidden: false, allowed: Some(allowed.into_iter().collect()) };
    stand.registry.demand("Bearer x", "Bearer realm=\"http://elsewhere.example/token\"");
    assert!(matches!(stand.fetch("lib/kit:1"), Err(FetchError::Untrusted(_))));
    stand.registry.demand("Bearer x", "Bearer realm=\"http://user:pw@127.0.0.1/token\"");
    let error = stand.fetch("lib/kit:1").unwrap_err().to_string();
    assert!(error.contains("it has a password in its URL") && !error.contains("pw@"), "{error}");
    stand.registry.demand("Bearer x", "Bearer realm=\"file:///etc/passwd\"");
    let error = stand.fetch("lib/kit:1").unwrap_err().to_string();
    assert!(error.contains("it is not reached in a secure way"), "{error}");
}

#[test]
fn tags_come_page_by_page() {
    let stand = Stand::new();
    let all: Vec<String> = (0..2500).map(|number| format!("t{number:04}")).collect();
    stand.registry.tags("lib/kit", &all);
    let request = Request::parse(&stand.url("lib/kit:1")).unwrap();
    let found = |request: &Request| oci::tags(&stand.setup.session(&|_| ()), request, None);
    assert_eq!(found(&request).unwrap(), all);
    assert_eq!(stand.registry.log().len(), 3);
    // A registry that always says the same, and what is no tag.
    let evil: Vec<String> =
        (0..1000).map(|number| format!("t{number:04}&x={number}")).chain(["ok".into()]).collect();
    let page = |tags: &Value| Page::Data(json!({"tags": tags}).to_string().into_bytes());
    stand.registry.page("/v2/lib/kit/tags/list", page(&json!(evil)));
    stand.registry.tags("lib/kit", &[]);
    assert_eq!(found(&request).unwrap(), ["ok"]);
    stand.registry.page("/v2/lib/kit/tags/list", page(&json!(all[..1000])));
    assert!(found(&request).unwrap().len() <= 2000);
    stand.registry.page("/v2/lib/kit/tags/list", Page::Data(b"<html>".to_vec()));
    assert!(found(&request).unwrap_err().to_string().contains("it is no list of tags"));
    // None are left in the pool.
    let kept = Command::new("find").arg(stand.setup.dir.path()).args(["-type", "f"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "");
}

#[test]
fn a_token_that_expires_is_replaced() {
    let stand = Stand::new();
    let layers: Vec<Vec<u8>> = (0..12).map(|number| tar(&[File(&format!("f{number}"), "x")])).collect();
    stand.publish("1", &layers);
    stand.registry.tokens_for_requests(10);
    let archive = stand.fetch("lib/kit:1").unwrap();
    assert_eq!(listing(&stand.unpack("lib/kit:1", &archive, true).unwrap()).len(), 12);
    let tokens = stand.registry.log().iter().filter(|request| request.path.starts_with("/token?")).count();
    assert!((2..=4).contains(&tokens), "{tokens}");
}

#[test]
fn layers_lie_one_above_the_other() {
    let stand = Stand::new();
    let tree = stand
        .tree(&[
            &[
                Dir("./", 0o755),
                Dir("usr/", 0o755),
                Dir("usr/lib/", 0o755),
                File("usr/lib/old", "1"),
                File("usr/lib/kept", "1"),
                Symlink("lib", "usr/lib"),
                Symlink("abs", "/usr"),
                Dir("gone/", 0o755),
                File("gone/deep/file", "1"),
                Dir("opaque/", 0o755),
                File("opaque/lower", "1"),
                Dir("opaque/sub/", 0o700),
                File("opaque/sub/lower", "1"),
                Dir("dir-to-file/", 0o755),
                File("dir-to-file/x", "1"),
                File("file-to-dir", "1"),
                Dir("closed/", 0o555),
                Device("dev/null"),
            ],
            &[
                File("lib/new", "2"),
                File("abs/through", "2"),
                File("usr/lib/.wh.old", ""),
                File(".wh.gone", ""),
                File(".wh.never-there", ""),
                File("no/such/.wh.dir", ""),
                Dir("opaque/", 0o750),
                File("opaque/upper", "2"),
                File("opaque/.wh..wh..opq", ""),
                File("dir-to-file", "2"),
                Dir("file-to-dir/", 0o755),
                File("file-to-dir/x", "2"),
                File("closed/in", "2"),
                File(".wh..wh.plnk", ""),
                Link("hard", "usr/lib/kept"),
            ],
            &[File("opaque/third", "3"), File("usr/lib/.wh.kept", "")],
        ])
        .unwrap();
    assert_eq!(
        listing(&tree),
        expected(&[
            ("abs", "-> /usr"),
            ("closed", "/"),
            ("closed/in", "2"),
            ("dir-to-file", "2"),
            ("file-to-dir", "/"),
            ("file-to-dir/x", "2"),
            ("hard", "1"),
            ("lib", "-> usr/lib"),
            ("opaque", "/"),
            ("opaque/third", "3"),
            ("opaque/upper", "2"),
            ("usr", "/"),
            ("usr/lib", "/"),
            ("usr/lib/new", "2"),
            ("usr/through", "2"),
        ])
    );
    let mode = |name: &str| fs::metadata(tree.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("closed"), mode("opaque"), mode("usr")), (0o555, 0o750, 0o755));
}

#[test]
fn nothing_gets_out_of_the_tree() {
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "safe").unwrap();
    let (there, depth) = (outside.path().to_str().unwrap(), "../".repeat(20));
    let up = format!("{depth}{}", victim.to_str().unwrap().trim_start_matches('/'));
    let hidden = format!("{depth}{}/.wh.victim", there.trim_start_matches('/'));
    let layers: &[(&[&[Entry<'_>]], Option<&str>)] = &[
        (&[&[File(&up, "evil")]], Some("leads out of the directory")),
        (&[&[File(&hidden, "")]], Some("leads out of the directory")),
        (&[&[Link("x", &up)]], Some("leads out of the directory")),
        (&[&[File(".wh...", "")]], Some("hides no file")),
        (&[&[File("a/.wh..", "")]], Some("hides no file")),
        (&[&[Device("tmp/x")]], Some("device node")),
        // Links end in the tree, wherever they point to.
        (&[&[Symlink("x", there), File("x/victim", "evil")]], Some("leads out of the directory")),
        (&[&[Symlink("x", there)], &[File("x/.wh.victim", "")]], None),
        (&[&[Symlink("x", there)], &[File("x/.wh..wh..opq", "")]], None),
        (&[&[Symlink("x", victim.to_str().unwrap())], &[File("x", "own")]], None),
        (&[&[File(victim.to_str().unwrap(), "own")]], None),
    ];
    for (number, (entries, reason)) in layers.iter().enumerate() {
        let result = Stand::new().tree(entries);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "safe", "case {number}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        match (result, reason) {
            (Err(error), Some(reason)) => assert!(error.to_string().contains(reason), "{number}: {error}"),
            (result, None) => drop(result.unwrap()),
            (Ok(_), Some(reason)) => panic!("case {number} passed: {reason}"),
        }
    }
}

#[test]
fn a_layer_that_is_not_what_the_configuration_tells() {
    let stand = Stand::new();
    let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [sha256(b"other")]}});
    let config = stand.registry.blob("lib/kit", CONFIG, config.to_string().as_bytes());
    let publish = |tag: &str, layers: Value| {
        let document = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        stand.registry.manifest("lib/kit", tag, &document);
        let archive = stand.fetch(&format!("lib/kit:{tag}")).unwrap();
        stand.unpack(&format!("lib/kit:{tag}"), &archive, true).unwrap_err().to_string()
    };
    let layer = stand.registry.blob("lib/kit", LAYER, &tar(&[File("a", "1")]));
    let error = publish("1", json!([layer]));
    assert!(error.contains("without compression, but its configuration tells of"), "{error}");
    let error = publish("2", json!([layer, layer]));
    assert!(error.contains("its configuration tells of 1 layers, its manifest of 2"), "{error}");
    let odd = stand.registry.blob("lib/kit", "application/x-odd", b"odd");
    let error = publish("3", json!([odd]));
    assert!(error.contains("a layer of the kind 'application/x-odd' can't be unpacked"), "{error}");
}

#[test]
fn an_archive_from_elsewhere_has_to_hold_the_image() {
    let stand = Stand::new();
    let pinned = |descriptor: &Value| format!("lib/kit@{}", descriptor["digest"].as_str().unwrap());
    let first = pinned(&stand.publish("1", &[tar(&[File("a", "1")])]));
    let second = pinned(&stand.publish("2", &[tar(&[File("a", "2")])]));
    let archive = stand.fetch(&first).unwrap();
    let verify = |image: &str, path: &Path| oci::verify(&Request::parse(&stand.url(image)).unwrap(), path);
    verify(&first, &archive).unwrap();
    let error = verify(&second, &archive).unwrap_err().to_string();
    assert!(error.contains("it holds the image sha256:"), "{error}");
    let whole = fs::read(&archive).unwrap();
    let damaged = stand.setup.dir.path().join("damaged.tar");
    // Wherever a bit is another, nothing of it is used: not in the documents, the layers, nor the names.
    let mut refused = 0;
    for at in (0..whole.len()).step_by(37) {
        let mut data = whole.clone();
        data[at] ^= 0x10;
        fs::write(&damaged, data).unwrap();
        for flat in [false, true] {
            match stand.unpack(&first, &damaged, flat) {
                Err(_) => refused += 1,
                // Only what tar does not need for reading, and the index's notes, may differ.
                Ok(tree) if flat => {
                    assert_eq!(listing(&tree), expected(&[("a", "1")]), "bit at {at}");
                }
                Ok(_) => {}
            }
        }
    }
    assert!(refused > 50, "{refused}");
    for cut in [0, 100, 512, whole.len() / 2] {
        fs::write(&damaged, &whole[..cut]).unwrap();
        assert!(verify(&first, &damaged).is_err(), "cut at {cut}");
    }
}

/// Docker's own kinds become the specification's, whose digests still lead back to what was asked for.
#[test]
fn a_manifest_of_dockers() {
    let stand = Stand::new();
    let layer = tar(&[File("a", "1")]);
    let publish = |tag: &str, architecture: &str| {
        let config =
            json!({"os": "linux", "architecture": architecture, "rootfs": {"diff_ids": [sha256(&layer)]}});
        let config = stand.registry.blob(
            "lib/kit",
            "application/vnd.docker.container.image.v1+json",
            config.to_string().as_bytes(),
        );
        let layer = stand.registry.blob(
            "lib/kit",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            &gzip(&layer),
        );
        let document = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": config, "layers": [layer],
        });
        let mut manifest = stand.registry.manifest("lib/kit", tag, &document);
        manifest["platform"] = json!({"os": "linux", "architecture": architecture});
        manifest
    };
    let manifests = [publish("amd", "amd64"), publish("arm", "arm64")];
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
        "manifests": manifests,
    });
    let index = stand.registry.manifest("lib/kit", "1", &index);
    let pinned = |descriptor: &Value| format!("lib/kit:1@{}", descriptor["digest"].as_str().unwrap());
    for image in ["lib/kit:1".to_owned(), pinned(&manifests[0]), pinned(&index)] {
        let archive = stand.fetch(&image).unwrap();
        let tree = stand.unpack(&image, &archive, true).unwrap();
        assert_eq!(listing(&tree), expected(&[("a", "1")]), "{image}");
        let folder = stand.unpack(&image, &archive, false).unwrap();
        let listed: Value = serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
        assert_eq!(listed["manifests"][0]["mediaType"], MANIFEST);
        let digest = listed["manifests"][0]["digest"].as_str().unwrap().replace(':', "/");
        let own: Value =
            serde_json::from_slice(&fs::read(folder.join("blobs").join(digest)).unwrap()).unwrap();
        assert_eq!(
            (&own["config"]["mediaType"], &own["layers"][0]["mediaType"]),
            (&json!(CONFIG), &json!(format!("{LAYER}+gzip")))
        );
        skopeo(&stand, &archive, &folder);
        // The other image's digest is not led to by this one's.
        let request = Request::parse(&stand.url(&pinned(&manifests[1]))).unwrap();
        let error = oci::verify(&request, &archive).unwrap_err().to_string();
        assert!(error.contains("it holds the image"), "{error}");
    }
}

#[test]
fn skopeo_takes_the_layout() {
    let stand = Stand::new();
    stand.publish("1", &[tar(&[File("a", "1")]), tar(&[File("b", "2")]), tar(&[File("c", "3")])]);
    let archive = stand.fetch("lib/kit:1").unwrap();
    let folder = stand.unpack("lib/kit:1", &archive, false).unwrap();
    let names: Vec<_> = listing(&folder).into_keys().filter(|name| !name.contains('/')).collect();
    assert_eq!(names, ["blobs", "index.json", "oci-layout"]);
    skopeo(&stand, &archive, &folder);
}

/// Whether skopeo, where it is there, finds the image `1` in both.
fn skopeo(stand: &Stand, archive: &Path, folder: &Path) {
    if Command::new("skopeo").arg("--version").output().is_err() {
        eprintln!("SKIPPED: skopeo is not there");
        return;
    }
    let policy = stand.setup.dir.path().join("policy.json");
    fs::write(&policy, "{\"default\":[{\"type\":\"insecureAcceptAnything\"}]}").unwrap();
    for source in [format!("oci-archive:{}:1", archive.display()), format!("oci:{}:1", folder.display())] {
        let to = tempfile::tempdir_in(stand.setup.dir.path()).unwrap();
        let done = Command::new("skopeo")
            .arg("--policy")
            .arg(&policy)
            .args(["copy", &source, &format!("dir:{}", to.path().display())])
            .output()
            .unwrap();
        assert!(done.status.success(), "{source}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

/// What recipes see: run by Python with rbake's `bb`, against the registry whose port stands in it.
const RECIPES: &str = r#"
import hashlib, logging, os, shutil, sys
import bb.data_smart, bb.event, bb.fetch2
from bb.fetch2 import Fetch

class Kept(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())

said = []
logging.getLogger("BitBake").addHandler(Kept())
logging.getLogger("BitBake").setLevel(logging.DEBUG)
events = []
bb.event.fire = lambda event, d: events.append(event)
host, top, digest, work = sys.argv[1:]
image = "docker://%s/lib/kit:1" % host
pinned = "%s@%s;protocol=http" % (image, digest)

def store(name, **variables):
    d = bb.data_smart.DataSmart()
    d.setVar("DL_DIR", "%s/%s" % (work, name))
    d.setVar("PATH", os.environ["PATH"])
    os.makedirs(d.getVar("DL_DIR"), exist_ok=True)
    for key, value in variables.items():
        d.setVar(key, value)
    return d

def fails(kind, call, words):
    try:
        call()
    except kind as exc:
        text = "\n".join([str(exc)] + said)
        assert words in text, text
    else:
        raise AssertionError("nothing was raised")

# Pinned: quietly there, unpacked in either form, not fetched again.
d = store("one")
fetch = Fetch([pinned], d)
fetch.download()
assert not events and not any("consider adding" in line for line in said), said
fetch.unpack(work + "/root")
assert os.path.exists(work + "/root/kit/index.json")
flat = Fetch([pinned + ";rootfs=1;subdir=tree"], d)
flat.download()
flat.unpack(work + "/root")
assert open(work + "/root/tree/a").read() == "1"
archive = fetch.localpath(pinned)
fails(bb.fetch2.UnpackError, lambda: Fetch([pinned + ";subdir=."], d).unpack(work + "/root"), "isn't a subdirectory")
assert os.path.exists(work + "/root/tree/a")
d.setVar("BB_NO_NETWORK", "1")
Fetch([pinned], d).download()

# Without a digest: what BB_STRICT_CHECKSUM says.
tagged = image + ";protocol=http"
line = "%s@%s" % (image, digest)
d = store("two")
Fetch([tagged], d).download()
assert any("Missing checksum for" in text and line in text for text in said), said
assert [event.checksums["sha256sum"] for event in events] == [digest.partition(":")[2]]
assert Fetch([tagged], d).checkstatus() is None
# The next time as well.
said.clear()
Fetch([tagged], store("two")).download()
assert sum("Missing checksum for" in text and line in text for text in said) == 1, said
fails(bb.fetch2.BBFetchException, lambda: Fetch([tagged], store("two", BB_STRICT_CHECKSUM="1")).download(), line)
said.clear()
Fetch([tagged], store("three", BB_STRICT_CHECKSUM="ignore")).download()
assert not any("Missing checksum" in text for text in said), said
d = store("four", BB_STRICT_CHECKSUM="1")
fails(bb.fetch2.BBFetchException, lambda: Fetch([tagged], d).download(), line)
assert not [name for name in os.listdir(d.getVar("DL_DIR")) if name.endswith(".tar")]

# Networks.
fails(bb.fetch2.BBFetchException, lambda: Fetch([pinned], store("five", BB_NO_NETWORK="1")).download(), "BB_NO_NETWORK")
fails(bb.fetch2.BBFetchException, lambda: Fetch([pinned], store("six", BB_ALLOWED_NETWORKS="no.example")).download(), "")

# A registry and a server of files stand in for one that is gone; what they have is verified.
gone = "docker://gone.invalid/lib/kit@%s;protocol=http" % digest
d = store("seven", PREMIRRORS="docker://.*/.* docker://%s/PATH" % host)
Fetch([gone], d).download()
files = work + "/files"
os.makedirs(files)
name = os.path.basename(Fetch([gone], d).localpath(gone))
shutil.copy(archive, files + "/" + name)
d = store("eight", PREMIRRORS="docker://.*/.* file://%s/" % files, BB_FETCH_PREMIRRORONLY="1")
fetch = Fetch([gone], d)
fetch.download()
fetch.unpack(work + "/mirrored")
assert os.path.exists(work + "/mirrored/kit/oci-layout")
with open(files + "/" + name, "r+b") as file:
    file.seek(-3000, os.SEEK_END)
    file.write(b"x" * 1500)
rule = "docker://.*/.* file://%s/" % files
d = store("nine", PREMIRRORS=rule, MIRRORS="docker://.*/.* docker://%s/PATH" % host)
Fetch([gone], d).download()
assert any("Checksum failure encountered with premirror download" in text for text in said), said
d = store("ten", PREMIRRORS=rule, BB_FETCH_PREMIRRORONLY="1")
fails(bb.fetch2.BBFetchException, lambda: Fetch([gone], d).download(), "")
assert not [name for name in os.listdir(d.getVar("DL_DIR")) if name.endswith(".tar")]
fails(bb.fetch2.ParameterError, lambda: Fetch(["docker://h/A;protocol=http"], d), "does not name an image")
fails(bb.fetch2.ParameterError, lambda: Fetch([pinned + ";rootfs=x"], d), "rootfs has to be")

# The newest version.
d = store("twelve")
ud = Fetch([tagged], d).ud[tagged]
assert ud.method.latest_versionstring(ud, d) == ("1.10.1", "")
assert ud.method.latest_versionstring(ud, d, r"1\.9") == ("1.9", "")
d.setVar("UPSTREAM_CHECK_REGEX", r"(?P<pver>[0-9.]+)-slim")
assert ud.method.latest_versionstring(ud, d) == ("1.11", "")

# Passwords that other programs keep.
from bb.fetch2.oci import login
home = work + "/home"
for name in ("", "/.docker", "/.config/containers"):
    os.makedirs(home + name, exist_ok=True)
assert login("h:5000/a/b:1", home) is None
with open(home + "/.docker/config.json", "w") as file:
    file.write('{"auths": {"https://h:5000/v1/": {"auth": "dTpwOnE="}, "h:5000/a": {"auth": "YTpi"}, "other": {}}, "credsStore": "x"}')
assert login("h:5000/c:1@sha256:x", home) == ("u", "p:q")
assert login("h:5000/a/b:1", home) == ("a", "b")
assert login("h:5000/ab:1", home) == ("u", "p:q")
assert login("other/a:1", home) is None and login("h/a:1", home) is None
for text in ('{"auths": {"h:5000/a/b": {"auth": "secret!"}}}', "[]", "{", '{"auths": {"h": 1}}'):
    said.clear()
    with open(home + "/.config/containers/auth.json", "w") as file:
        file.write(text)
    assert login("h:5000/a/b:1", home) == ("a", "b"), text
    assert ["auth.json can't be read" in text and "secret" not in text for text in said] == [True], said
os.environ["HOME"] = home
with open(home + "/.docker/config.json", "w") as file:
    file.write('{"auths": {"%s": {"auth": "dXNlcjpzZWNyZXQ="}}}' % host)
os.unlink(home + "/.config/containers/auth.json")
d = store("eleven", HOME=home)
print("locked", flush=True)
sys.stdin.readline()
Fetch([pinned], d).download()
assert not any("secret" in text for text in said), said
print("all is well")
"#;

#[test]
fn what_recipes_see() {
    let engine = Path::new(env!("CARGO_BIN_EXE_rbake")).with_file_name("librbake_engine.so");
    if !engine.exists() {
        eprintln!("SKIPPED: {} is not built", engine.display());
        return;
    }
    let stand = Stand::new();
    let manifest = stand.publish("1", &[tar(&[File("a", "1")])]);
    let digest = manifest["digest"].as_str().unwrap();
    let tags =
        json!({"name": "lib/kit", "tags": ["1.9", "v1.10.1", "1.10", "1.11-slim", "1.12-rc1", "latest"]});
    stand.registry.page("/v2/lib/kit/tags/list", Page::Data(tags.to_string().into_bytes()));
    let mut child = Command::new("python3")
        .args(["-c", RECIPES, &stand.registry.host(), "lib/kit", digest])
        .arg(stand.setup.dir.path())
        .env("PYTHONPATH", Path::new(env!("CARGO_MANIFEST_DIR")).join("python"))
        .env("RBAKE_ENGINE", engine)
        .env_remove("http_proxy")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The last part needs a password: what came before must not have been asked for one.
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    stand.registry.demand("Basic dXNlcjpzZWNyZXQ=", "Basic realm=\"kits\"");
    let _ = child.stdin.take().unwrap().write_all(b"\n");
    std::io::Read::read_to_string(&mut stdout, &mut line).unwrap();
    let done = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && line.ends_with("all is well\n"), "{line}{error}");
}
