//! The Python scanner: bodies of functions and inline expressions.

#![no_main]

use rbake::lang::python::{NoHooks, ScanError, scan, scan_expression};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(code) = std::str::from_utf8(data) else { return };
    for result in [scan(code, &NoHooks), scan_expression(code, &NoHooks)] {
        match result {
            Ok(found) => {
                assert!(found.var_execs.is_subset(&found.execs), "{found:?}");
                assert!(found.contains.values().all(|words| !words.is_empty()), "{found:?}");
            }
            Err(ScanError::Syntax(error)) => {
                assert!(error.line >= 1 && !error.message.is_empty(), "{error:?}");
            }
            Err(ScanError::Call { message, class, .. }) => {
                assert!(!message.is_empty() && !class.is_empty());
            }
        }
    }
});
