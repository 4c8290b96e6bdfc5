//! The metadata of rpm repositories: `repomd.xml` and `primary.xml`.

#![no_main]

use rbake::package::rpm::repomd::{Repomd, packages};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let inside = |path: &str| !path.starts_with('/') && !path.split('/').any(|part| part == "..");
    if let Ok(found) = Repomd::parse(data) {
        assert!(found.data.values().all(|listed| inside(&listed.location) && listed.digest.algorithm().is_strong()));
    }
    if let Ok(found) = packages(data, |_, _| true) {
        assert!(found.iter().all(|package| inside(&package.location)));
    }
});
