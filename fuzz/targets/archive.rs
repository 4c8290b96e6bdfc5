//! Containers of packages: `ar` members, rpm headers with their cpio payload, and tar behind every compression.

#![no_main]

use std::io::{Cursor, Read};

use rbake::package::compress::detect;
use rbake::package::deb::ar;
use rbake::package::rpm::cpio::Reader;
use rbake::package::rpm::header::Package;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(members) = ar::members(&mut Cursor::new(data)) {
        for member in members {
            assert!(member.offset + member.size <= data.len() as u64 && !member.name.is_empty());
        }
    }
    let mut rest = data;
    if let Ok(package) = Package::read(&mut rest)
        && let Ok(payload) = detect(rest)
    {
        entries(Reader::payload(payload.take(1 << 20), &package.header));
    }
    entries(Reader::new(data));
    if let Ok(unpacked) = detect(data) {
        let _ = unpacked.take(1 << 20).read_to_end(&mut Vec::new());
    }
});

fn entries<R: Read>(mut archive: Reader<R>) {
    for _ in 0..1000 {
        match archive.next_entry() {
            Ok(Some(_)) => {
                let _ = (&mut archive).take(1 << 16).read_to_end(&mut Vec::new());
            }
            _ => return,
        }
    }
}
