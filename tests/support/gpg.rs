//! GnuPG with a home of its own, for keys and signatures made on the spot.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A GnuPG home of its own.
pub struct Gpg {
    home: tempfile::TempDir,
}

impl Gpg {
    /// `None`, and a loud word, if the machine has no gpg.
    pub fn new() -> Option<Self> {
        let tools = ["gpg", "gpgv"].map(|tool| Command::new(tool).arg("--version").output());
        if tools.iter().any(Result::is_err) {
            eprintln!("SKIPPED: gpg and gpgv are needed to make and compare signatures");
            return None;
        }
        // Socket paths are short; the default place for temporary files may be deep.
        let home = tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp").unwrap();
        Some(Gpg { home })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn run(&self, args: &[&str]) -> Vec<u8> {
        let output = Command::new("gpg")
            .env("GNUPGHOME", self.home.path())
            .args(["--batch", "--quiet", "--no-tty", "--yes", "--pinentry-mode=loopback", "--passphrase", ""])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "gpg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Makes a key and returns its fingerprint; `extra` goes before the command.
    pub fn key(&self, name: &str, kind: &str, extra: &[&str], expire: &str) -> String {
        self.run(&[extra, &["--quick-generate-key", name, kind, "sign", expire]].concat());
        let listing = String::from_utf8(self.run(&["--list-keys", "--with-colons", name])).unwrap();
        let line = listing.lines().find(|line| line.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    pub fn keyring(&self, names: &[&str]) -> PathBuf {
        let file = self.path("keyring.gpg");
        fs::write(&file, self.run(&[&["--export"], names].concat())).unwrap();
        file
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").env("GNUPGHOME", self.home.path()).args(["--kill", "all"]).output();
    }
}
