//! Whether Ubuntu's archive or the sample feed is used is found out once: by asking a server of the test's own.

use std::fs;
use std::path::Path;
use std::process::Command;

#[allow(dead_code)]
#[path = "support/gpg.rs"]
mod gpg;
#[allow(dead_code)]
#[path = "support/server.rs"]
mod server;

use gpg::Gpg;
use server::Server;

const RELEASE: &str = "Origin: Ubuntu\nSuite: noble\nCodename: noble\nDate: Mon, 01 Jan 2024 00:00:00 UTC\n";
const INDEX: &str = "/ubuntu/dists/noble/InRelease";

/// The script and the layer's configuration, in which `fingerprint` stands for the keys of Ubuntu's archive.
struct Chooser<'a> {
    gpg: &'a Gpg,
    server: Server,
    project: tempfile::TempDir,
}

impl<'a> Chooser<'a> {
    fn new(gpg: &'a Gpg, fingerprint: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let project = tempfile::tempdir().unwrap();
        for path in ["scripts/choose-feed", "meta-ubuntu/conf/distro/ubuntu-noble.conf"] {
            fs::create_dir_all(project.path().join(path).parent().unwrap()).unwrap();
            fs::copy(root.join(path), project.path().join(path)).unwrap();
        }
        let conf = "meta-ubuntu/conf/distro/include/ubuntu.inc";
        let text = fs::read_to_string(root.join(conf)).unwrap();
        let (before, rest) = text.split_once("DISTRO_KEY_FINGERPRINTS = \"").unwrap();
        let after = rest.split_once('"').unwrap().1;
        fs::create_dir_all(project.path().join(conf).parent().unwrap()).unwrap();
        fs::write(
            project.path().join(conf),
            format!("{before}DISTRO_KEY_FINGERPRINTS = \"{fingerprint}\"{after}"),
        )
        .unwrap();
        Chooser { gpg, server: Server::start(), project }
    }

    /// Serves a text that the key signed.
    fn publish(&self, text: &str, key: &str) {
        let (plain, signed) = (self.gpg.path("Release"), self.gpg.path("InRelease"));
        fs::write(&plain, text).unwrap();
        self.gpg.run(&[
            "--local-user",
            key,
            "--output",
            signed.to_str().unwrap(),
            "--clearsign",
            plain.to_str().unwrap(),
        ]);
        self.server.file(INDEX, fs::read(signed).unwrap());
    }

    fn ask(&self, keyring: &Path) -> String {
        let output = Command::new(self.project.path().join("scripts/choose-feed"))
            .env("RBAKE_UBUNTU_MIRROR", self.server.url("/ubuntu"))
            .env("RBAKE_UBUNTU_KEYRING", keyring)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn only_a_verified_index_of_the_release_chooses_the_archive() {
    let Some(gpg) = Gpg::new() else { return };
    let right = gpg.key("Right <right@localhost>", "rsa3072", &[], "never");
    let other = gpg.key("Other <other@localhost>", "rsa3072", &[], "never");
    let keyring = gpg.keyring(&["right@localhost", "other@localhost"]);
    let chooser = Chooser::new(&gpg, &right);

    assert!(chooser.ask(&keyring).starts_with("sample "), "there is nothing yet");
    chooser.publish(RELEASE, &right);
    assert_eq!(chooser.ask(&keyring), "archive its index was fetched and verified\n");

    chooser.publish(RELEASE, &other);
    let answer = chooser.ask(&keyring);
    assert!(answer.starts_with("sample ") && answer.contains("signed by no key"), "{answer}");

    chooser.publish(&RELEASE.replace("noble", "jammy"), &right);
    let answer = chooser.ask(&keyring);
    assert!(answer.starts_with("sample ") && answer.contains("is not about noble"), "{answer}");

    chooser.server.file(INDEX, RELEASE);
    assert!(chooser.ask(&keyring).starts_with("sample "), "an index without a signature");
}

#[test]
fn nobody_is_asked_whose_answer_could_not_be_checked() {
    let Some(gpg) = Gpg::new() else { return };
    let key = gpg.key("Right <right@localhost>", "rsa3072", &[], "never");
    let chooser = Chooser::new(&gpg, &key);
    chooser.publish(RELEASE, &key);
    let answer = chooser.ask(Path::new("/no/such/keyring.gpg"));
    assert!(answer.starts_with("sample there is no /no/such/keyring.gpg"), "{answer}");
    assert!(chooser.server.log().is_empty());
}
