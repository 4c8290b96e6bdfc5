//! Files of metadata: from bytes that are text to statements. The first byte says which kind of file.

#![no_main]

use rbake::lang::lines::{self, FileKind};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let (kind, class) = match kind % 4 {
        0 => (FileKind::Config { base: true }, ""),
        1 => (FileKind::Config { base: false }, ""),
        2 => (FileKind::Recipe, "base"),
        _ => (FileKind::Recipe, ""),
    };
    let count = lines::physical_lines(text).count() as u32;
    match lines::parse(text, "/layer/file", class, kind) {
        Ok(file) => {
            let mut last = 0;
            for located in &file.statements {
                assert!(located.first >= last && located.first <= located.line, "{located:?}");
                assert!(located.first <= count + 1, "{located:?} of {count} lines");
                last = located.first;
            }
        }
        Err(error) => {
            // BitBake counts every backslash of an open continuation at the end of a file as a line more.
            // Line 0: an error without a line, as BitBake tells it.
            assert!(!error.message.is_empty() && error.first <= count + 1, "{error:?} of {count} lines");
            assert!(error.line == 0 || error.first <= error.line, "{error:?}");
        }
    }
});
