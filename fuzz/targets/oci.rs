//! Images of containers: the first byte says whether the rest is a name, a demand for a token, a document or an archive.

#![no_main]

use std::io::Write;

use rbake::package::oci::challenge;
use rbake::package::oci::document::{Config, Document, Platform, choose};
use rbake::package::oci::layout::Layout;
use rbake::package::oci::reference::Reference;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    let text = std::str::from_utf8(data);
    match (kind, text) {
        (b'n', Ok(text)) => {
            let Ok(found) = Reference::parse(text) else { return };
            assert!(!found.name.split('/').any(|part| part.is_empty() || part.starts_with('.')));
            let archive = found.archive_name("linux/amd64");
            assert!(!archive.contains('/') && archive.starts_with("oci_"));
            // What is shown reads the same again.
            let again = Reference::parse(&format!("oci://{found}")).expect("its own text");
            assert_eq!(again, found);
        }
        (b'c', Ok(text)) => drop(challenge::parse(text)),
        (b'd', _) => {
            if let Ok(Document::Index(manifests)) = Document::parse(data)
                && let Ok(chosen) = choose(&manifests, &Platform::default())
            {
                assert!(chosen.digest.algorithm().is_strong());
            }
            let _ = Config::parse(data);
        }
        (b'a', _) => archive(data),
        _ => {}
    }
});

fn archive(data: &[u8]) {
    // In memory: only the reader's own interface needs a path.
    let Ok(mut file) = std::fs::File::create(format!("/dev/shm/rbake-fuzz-{}.tar", std::process::id())) else { return };
    let _ = file.write_all(data);
    let path = format!("/dev/shm/rbake-fuzz-{}.tar", std::process::id());
    if let Ok(mut layout) = Layout::open(path.as_ref())
        && let Ok(image) = layout.image(None, &Platform::default())
    {
        for (digest, size) in image.blobs() {
            let _ = layout.check(&digest, size);
        }
    }
}
