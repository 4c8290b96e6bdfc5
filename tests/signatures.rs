//! Signatures made by gpg on the spot: what rbake says to each, and that gpgv agrees.

#[path = "support/gpg.rs"]
mod gpg;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use gpg::Gpg;
use rbake::verify::{Fingerprint, Keyring, Policy, Refusal, Trust};

const RELEASE: &str =
    "Origin: Test\nSuite: stable\n- a line with a dash\nDate: Sat, 10 Jun 2023 08:55:10 UTC\n";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Gpg {
    fn sign(&self, how: &str, key: &str, extra: &[&str]) -> Vec<u8> {
        fs::write(self.path("data"), RELEASE).unwrap();
        let data = self.path("data");
        let data = data.to_str().unwrap();
        let key = format!("{key}!");
        self.run(&[extra, &["--local-user", &key, "--output", "-", how, data]].concat())
    }
}

/// Whether gpgv takes the file, judged as apt judges it: by what it says of each signature.
fn gpgv_accepts(gpg: &Gpg, keyring: &Path, data: Option<&[u8]>, signature: &[u8]) -> bool {
    let (signed, plain) = (gpg.path("judge.sig"), gpg.path("judge.data"));
    fs::write(&signed, signature).unwrap();
    let mut command = Command::new("gpgv");
    command.env("GNUPGHOME", gpg.path("")).args(["--status-fd", "1", "--weak-digest", "SHA1", "--keyring"]);
    command.arg(keyring).arg(&signed);
    if let Some(data) = data {
        fs::write(&plain, data).unwrap();
        command.arg(&plain);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = |word: &str| said.lines().any(|line| line.starts_with(&format!("[GNUPG:] {word} ")));
    said("GOODSIG") && said("VALIDSIG") && output.status.success()
}

fn trust(keyring: &Path, pinned: &[&str]) -> Trust {
    let keys = Keyring::read("keyring.gpg", &fs::read(keyring).unwrap()).unwrap();
    Trust { keys, pinned: pinned.iter().map(|print| print.parse().unwrap()).collect() }
}

/// Signs in clear and detached, and expects `verdict` of both; gpgv has to agree with `gpgv`.
fn expect(gpg: &Gpg, key: &str, pinned: &str, extra: &[&str], gpgv: bool, verdict: Result<(), Refusal>) {
    let keyring = gpg.path("keyring.gpg");
    let (trust, policy) = (trust(&keyring, &[pinned]), Policy::at(now()));
    let inline = gpg.sign("--clear-sign", key, extra);
    let found = trust.verify_inline("InRelease", &inline, &policy);
    match (&found, &verdict) {
        (Ok((text, verified)), Ok(())) => {
            assert_eq!(String::from_utf8_lossy(text), RELEASE.trim_end_matches('\n'));
            assert_eq!(verified.signer.to_string(), key);
        }
        (Err(error), Err(reason)) => {
            assert_eq!(error.refusals, std::slice::from_ref(reason), "inline");
            assert!(error.to_string().starts_with("InRelease: "));
        }
        _ => panic!("inline: {found:?}, expected {verdict:?}"),
    }
    assert_eq!(
        gpgv_accepts(gpg, &keyring, None, &inline),
        gpgv,
        "gpgv on {}",
        String::from_utf8_lossy(&inline)
    );
    for armor in [&["--armor"][..], &[]] {
        let detached = gpg.sign("--detach-sign", key, &[extra, armor].concat());
        let found = trust.verify_detached("repomd.xml", RELEASE.as_bytes(), &detached, &policy);
        assert_eq!(
            found.map(|_| ()).map_err(|error| error.refusals),
            verdict.clone().map_err(|reason| vec![reason])
        );
        assert_eq!(gpgv_accepts(gpg, &keyring, Some(RELEASE.as_bytes()), &detached), gpgv);
    }
}

fn print(text: &str) -> Fingerprint {
    text.parse().unwrap()
}

#[test]
fn good_signatures_of_every_usual_kind() {
    let Some(gpg) = Gpg::new() else { return };
    let keys: Vec<String> = ["rsa3072", "ed25519", "nistp256"]
        .iter()
        .map(|kind| gpg.key(&format!("{kind} key"), kind, &[], "never"))
        .collect();
    gpg.keyring(&[]);
    for key in &keys {
        expect(&gpg, key, key, &[], true, Ok(()));
        expect(&gpg, key, key, &["--digest-algo", "SHA512", "--textmode"], true, Ok(()));
    }
}

#[test]
fn wrong_unknown_and_weak() {
    let Some(gpg) = Gpg::new() else { return };
    let ours = gpg.key("ours", "ed25519", &[], "never");
    let other = gpg.key("other", "ed25519", &[], "never");
    let small = gpg.key("small", "rsa1024", &[], "never");
    gpg.keyring(&[]);
    expect(&gpg, &other, &ours, &[], true, Err(Refusal::NotPinned(print(&other))));
    let weak = Refusal::WeakDigest(print(&ours), "SHA1".into());
    expect(&gpg, &ours, &ours, &["--digest-algo", "SHA1"], false, Err(weak));
    expect(
        &gpg,
        &small,
        &small,
        &[],
        true,
        Err(Refusal::WeakKey(print(&small), "RSA with 1024 bits".into())),
    );
    gpg.keyring(&["ours"]);
    expect(&gpg, &other, &ours, &[], false, Err(Refusal::UnknownKey(other.clone())));
}

#[test]
fn times() {
    let Some(gpg) = Gpg::new() else { return };
    let then = ["--faked-system-time", "20200101T000000"];
    let brief = gpg.key("brief", "ed25519", &then, "30d");
    let ours = gpg.key("ours", "ed25519", &then, "never");
    gpg.keyring(&[]);
    let end = 1_577_836_800 + 30 * 86400;
    expect(
        &gpg,
        &brief,
        &brief,
        &then,
        false,
        Err(Refusal::KeyExpired(print(&brief), rbake::verify::Day(end))),
    );
    expect(&gpg, &ours, &ours, &then, true, Ok(()));
    let short = ["--faked-system-time", "20200101T000000", "--default-sig-expire", "10d"];
    let end = rbake::verify::Day(1_577_836_800 + 10 * 86400);
    expect(&gpg, &ours, &ours, &short, false, Err(Refusal::Expired(print(&ours), end)));
    // Whoever stands before the key was made sees an impossible signature.
    let keyring = gpg.path("keyring.gpg");
    let signature = gpg.sign("--detach-sign", &ours, &[]);
    let early = trust(&keyring, &[&ours]).verify_detached(
        "f",
        RELEASE.as_bytes(),
        &signature,
        &Policy::at(1_577_000_000),
    );
    assert!(matches!(early.unwrap_err().refusals[..], [Refusal::WrongTime(..)]));
}

#[test]
fn revoked() {
    let Some(gpg) = Gpg::new() else { return };
    let ours = gpg.key("ours", "ed25519", &[], "never");
    let signature = gpg.sign("--detach-sign", &ours, &[]);
    let certificate = fs::read_to_string(gpg.path(&format!("openpgp-revocs.d/{ours}.rev"))).unwrap();
    let file = gpg.path("revocation");
    fs::write(&file, certificate.replace("\n:-----BEGIN", "\n-----BEGIN")).unwrap();
    gpg.run(&["--import", file.to_str().unwrap()]);
    let keyring = gpg.keyring(&[]);
    let found =
        trust(&keyring, &[&ours]).verify_detached("f", RELEASE.as_bytes(), &signature, &Policy::at(now()));
    assert_eq!(found.unwrap_err().refusals, [Refusal::KeyRevoked(print(&ours))]);
    assert!(!gpgv_accepts(&gpg, &keyring, Some(RELEASE.as_bytes()), &signature));
}

#[test]
fn subkeys() {
    let Some(gpg) = Gpg::new() else { return };
    let primary = gpg.key("ours", "ed25519", &[], "never");
    gpg.run(&["--quick-add-key", &primary, "ed25519", "sign", "never"]);
    let listing = String::from_utf8(gpg.run(&["--list-keys", "--with-colons", "ours"])).unwrap();
    let subkey = listing.lines().rfind(|line| line.starts_with("fpr:")).unwrap().split(':').nth(9).unwrap();
    assert_ne!(primary, subkey);
    let keyring = gpg.keyring(&[]);
    expect(&gpg, subkey, &primary, &[], true, Ok(()));
    expect(&gpg, subkey, subkey, &[], true, Ok(()));
    // A pin on the subkey is no pin on its primary key.
    expect(&gpg, &primary, subkey, &[], true, Err(Refusal::NotPinned(print(&primary))));

    // A subkey grafted onto a key that never signed for it: its packets behind another key's.
    let other = gpg.key("other", "ed25519", &[], "never");
    let (ours, theirs) = (gpg.run(&["--export", "ours"]), gpg.run(&["--export", "other"]));
    let signature = gpg.sign("--detach-sign", subkey, &[]);
    let grafted = [&theirs[..], &ours[subkey_offset(&ours)..]].concat();
    fs::write(&keyring, &grafted).unwrap();
    let found =
        trust(&keyring, &[&other]).verify_detached("f", RELEASE.as_bytes(), &signature, &Policy::at(now()));
    assert_eq!(found.unwrap_err().refusals, [Refusal::NotBound(print(subkey), "no valid binding signature")]);
    assert!(!gpgv_accepts(&gpg, &keyring, Some(RELEASE.as_bytes()), &signature));
}

/// Where the first public-subkey packet (tag 14, old format) begins.
fn subkey_offset(key: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let (tag, long) = ((key[at] >> 2) & 15, key[at] & 3);
        if tag == 14 {
            return at;
        }
        at += match long {
            0 => 2 + usize::from(key[at + 1]),
            _ => 3 + (usize::from(key[at + 1]) << 8 | usize::from(key[at + 2])),
        };
    }
}

#[test]
fn stripped_changed_and_several() {
    let Some(gpg) = Gpg::new() else { return };
    let ours = gpg.key("ours", "ed25519", &[], "never");
    let other = gpg.key("other", "ed25519", &[], "never");
    let keyring = gpg.keyring(&["ours"]);
    let (trust, policy) = (trust(&keyring, &[&ours]), Policy::at(now()));
    let inline = String::from_utf8(gpg.sign("--clear-sign", &ours, &[])).unwrap();

    let stripped = trust.verify_inline("InRelease", RELEASE.as_bytes(), &policy).unwrap_err();
    assert_eq!(stripped.to_string(), "InRelease: it is not signed");
    assert!(!gpgv_accepts(&gpg, &keyring, None, RELEASE.as_bytes()));

    let changed = inline.replace("Suite: stable", "Suite: stabbe");
    let refusals = trust.verify_inline("InRelease", changed.as_bytes(), &policy).unwrap_err().refusals;
    assert_eq!(refusals, [Refusal::Bad(print(&ours))]);
    assert!(!gpgv_accepts(&gpg, &keyring, None, changed.as_bytes()));

    let empty = trust.verify_detached("Release", RELEASE.as_bytes(), b"", &policy).unwrap_err();
    assert_eq!(empty.to_string(), "Release: it is not signed");

    // Two signatures, one of a key we do not have: archives do this while they change keys.
    let two = gpg.sign("--clear-sign", &other, &["--local-user", &ours]);
    assert_eq!(trust.verify_inline("InRelease", &two, &policy).unwrap().1.signer, print(&ours));

    // Trailing blanks are not signed; whoever adds them gains nothing, for the text comes without them.
    let blanks = inline.replace("Suite: stable\n", "Suite: stable \t\n");
    let (text, _) = trust.verify_inline("InRelease", blanks.as_bytes(), &policy).unwrap();
    assert_eq!(String::from_utf8_lossy(&text), RELEASE.trim_end_matches('\n'));
    assert!(gpgv_accepts(&gpg, &keyring, None, blanks.as_bytes()));
}
