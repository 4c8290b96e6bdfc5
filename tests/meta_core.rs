//! meta-core explains itself: every variable and every task it defines has a `[doc]` flag.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("meta-core is beside the tests") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Everything the layer says, in one text.
fn layer() -> String {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("layers/meta-core"), &mut found);
    found.retain(|path| matches!(path.extension().and_then(|e| e.to_str()), Some("conf" | "bbclass")));
    found.retain(|path| !path.ends_with("conf/layer.conf"));
    assert!(found.len() > 5, "only {found:?}");
    found.iter().map(|path| fs::read_to_string(path).expect("UTF-8")).collect()
}

fn matches(text: &str, pattern: &str) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).expect("a valid pattern");
    pattern.captures_iter(text).map(|found| found[1].to_string()).collect()
}

#[test]
fn variables_and_tasks_are_documented() {
    let text = layer();
    let documented = matches(&text, r"(?m)^([A-Za-z0-9_]+)\[doc\] = ");
    let mut defined = matches(&text, r"(?m)^(?:export )?([A-Za-z_]+)(?::[^ =]*)? *(?:[?:+.]|\?\?)?= ");
    defined.extend(matches(&text, r"(?m)^addtask (\w+)").iter().map(|task| format!("do_{task}")));
    assert!(defined.len() > 80, "the patterns find only {}", defined.len());

    let missing: Vec<_> = defined.difference(&documented).collect();
    assert!(missing.is_empty(), "without [doc]: {missing:?}");
}
