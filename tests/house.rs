//! The order of the floors: a folder of `src/` imports only from those below it (docs/architecture.md).

use std::fs;
use std::path::Path;

/// The floors from the ground up; folders in one row stand beside each other and may not import one another.
const FLOORS: &[&[&str]] = &[
    &["lang", "hashserv", "sstate"],
    &["data"],
    &["python"],
    &["recipe"],
    &["catalog"],
    &["task"],
    &["host"],
    &["verify"],
    &["package"],
    &["fetch"],
    &["run"],
    &["ui"],
    &["cli"],
];

fn files(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_floor_imports_from_a_higher_one() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (level, floor) in FLOORS.iter().enumerate() {
        for folder in *floor {
            let mut sources = Vec::new();
            files(&src.join(folder), &mut sources);
            seen += sources.len();
            for path in sources {
                let text = fs::read_to_string(&path).unwrap();
                for (number, line) in text.lines().enumerate() {
                    let forbidden =
                        FLOORS[level..].iter().flat_map(|row| row.iter()).filter(|name| *name != folder);
                    for name in forbidden {
                        if line.contains(&format!("crate::{name}::")) {
                            wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
                        }
                    }
                }
            }
        }
    }
    assert!(seen > 20, "the floors weren't found");
    assert!(wrong.is_empty(), "imports from a floor above:\n{}", wrong.join("\n"));
}

#[test]
fn every_folder_is_a_floor() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let known: Vec<&str> = FLOORS.iter().flat_map(|row| row.iter().copied()).collect();
    for entry in fs::read_dir(src).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() && fs::read_dir(entry.path()).unwrap().next().is_some() {
            assert!(known.contains(&name.as_str()), "src/{name} has no place among the floors");
        }
    }
}
