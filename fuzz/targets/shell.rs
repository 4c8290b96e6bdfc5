//! The shell scanner: text after expansion, as a function's body has it.

#![no_main]

use rbake::lang::shell;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(code) = std::str::from_utf8(data) else { return };
    match shell::scan(code) {
        Ok(found) => {
            assert!(found.execs.is_subset(&found.all_execs) && found.execs.is_disjoint(&found.funcdefs));
            // A name may be empty: that is what BitBake takes `name=` with nothing behind it for.
            assert!(found.all_execs.iter().all(|name| !name.starts_with('$')));
        }
        Err(error) => {
            // The place lies in the text, at most one past a line's end, and there is something to say.
            let line = code.split('\n').nth(error.line - 1).expect("a line of the text");
            assert!((1..=line.chars().count() + 1).contains(&error.column), "{error:?}");
            assert!(!error.message.is_empty() && !error.reference.is_empty(), "{error:?}");
        }
    }
});
