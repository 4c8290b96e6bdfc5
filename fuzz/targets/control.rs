//! Control files, and what is read from them: `.dsc`, `Release`, `Packages`, `Sources`, sources.list.

#![no_main]

use rbake::package::deb::control::stanzas;
use rbake::package::deb::dsc::Dsc;
use rbake::package::deb::index::{find_binary, find_source};
use rbake::package::deb::release::Release;
use rbake::package::deb::sources::{parse_list, parse_sources};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for stanza in stanzas(text) {
        let sound = stanza.check().is_ok();
        for (name, value) in stanza.fields() {
            assert!(!name.is_empty() && value == value.trim());
            // In a sound stanza a name finds its own value.
            assert!(!sound || stanza.get(name) == Some(value));
        }
    }
    if let Ok(dsc) = Dsc::parse(text) {
        assert!(dsc.files.iter().all(|file| !file.name.contains('/') && !file.name.starts_with(['.', '-'])));
    }
    if let Ok(release) = Release::parse(text) {
        assert!(release.files.keys().all(|path| !path.split('/').any(|part| part == "..")));
        let _ = release.check_time(1_700_000_000, Some(1_600_000_000));
    }
    if let Ok(Some(found)) = find_source(text, "kit", None) {
        assert!(!found.directory.split('/').any(|part| part == ".."));
    }
    let _ = find_binary(text, "kit", Some("1"));
    let _ = (parse_list(text), parse_sources(text));
});
