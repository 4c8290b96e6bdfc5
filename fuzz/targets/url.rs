//! URLs of `SRC_URI`, and mirror rules applied to them. The first line is the URL, the rest are the rules.

#![no_main]

use rbake::fetch::apt::Request;
use rbake::fetch::{Decoded, Network, Url, candidates, local_file, redact, rules};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (url, mirrors) = text.split_once('\n').unwrap_or((text, ""));
    if let Ok(parsed) = Url::parse(url) {
        assert!(!parsed.host.contains('@'));
        let _ = (parsed.to_string(), parsed.decode().encode());
    }
    let _ = (Decoded::mirror(url), redact(url), Request::parse(url));
    let _ = candidates(url, &rules(mirrors).0, &Network::default(), &local_file);
});
