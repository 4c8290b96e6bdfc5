//! The command line of `rbake-sstate`.

use std::path::PathBuf;
use std::time::Duration;

use super::Exit;
use super::spec::{Arity, Opt, Positional, Spec, Takes};

/// What to do with the shared state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SstateCommand {
    /// Make an object of a folder.
    Pack {
        /// The folder.
        folder: PathBuf,
        /// The object.
        object: PathBuf,
        /// zstd's level.
        level: i32,
    },
    /// Unpack an object into a folder that is not there.
    Restore {
        /// The object.
        object: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// See whether objects could be restored.
    Check {
        /// The objects.
        objects: Vec<PathBuf>,
    },
    /// Take old objects out of a cache.
    Prune {
        /// The cache.
        cache: PathBuf,
        /// What is unused for longer goes.
        age: Option<Duration>,
        /// How many bytes may stay.
        bytes: Option<u64>,
        /// Whether to say only what would go.
        pretend: bool,
    },
}

const NAMES: [&str; 4] = ["pack", "restore", "check", "prune"];

/// Reads the words after the program's name.
pub(super) fn parse(prog: &str, words: &[String], columns: usize) -> Result<SstateCommand, Exit> {
    let tool = spec(
        prog.to_string(),
        "Packs results of tasks into the shared state, restores them, and takes old ones out.",
        vec![],
        vec![Positional::new("command", Arity::Subcommand(NAMES.to_vec()), "what to do")],
    );
    let mut words = tool.parse(words, columns)?.positional("command").into_iter();
    let name = words.next().unwrap_or_default();
    let words: Vec<String> = words.collect();
    let prog = format!("{prog} {name}");
    let object = || Positional::new("object", Arity::One, "archive in the shared state");
    let folder = |help| Positional::new("folder", Arity::One, help);
    let spec = match name.as_str() {
        "pack" => spec(
            prog,
            "Makes an object of everything in a folder, unless the object is there.",
            vec![Opt::new(&["--level"], Takes::Number, "LEVEL", "how hard zstd tries (default 8)")],
            vec![folder("what to pack"), object()],
        ),
        "restore" => spec(
            prog,
            "Unpacks an object. A damaged or hostile one leaves nothing behind.",
            vec![],
            vec![object(), folder("where to; it must not be there")],
        ),
        "check" => spec(
            prog,
            "Reads objects to their ends and says which could be restored.",
            vec![],
            vec![Positional::new("object", Arity::Some, "archive in the shared state")],
        ),
        _ => spec(
            prog,
            "Takes objects out of a cache, the longest unused first.",
            vec![
                Opt::value(&["--age"], "AGE", "those unused for longer: 30d, 12h or seconds"),
                Opt::value(&["--size"], "SIZE", "more than this may not stay: 100G, 500M or bytes"),
                Opt::flag(&["-n", "--dry-run"], "only say what would go"),
            ],
            vec![Positional::new("cache", Arity::One, "SSTATE_DIR")],
        ),
    };
    let mut parsed = spec.parse(&words, columns)?;
    let mut path = |name: &str| PathBuf::from(parsed.positional(name).pop().unwrap_or_default());
    Ok(match name.as_str() {
        "pack" => {
            let (folder, object) = (path("folder"), path("object"));
            let level = parsed.value("--level").and_then(|level| level.parse().ok()).unwrap_or(8);
            SstateCommand::Pack { folder, object, level }
        }
        "restore" => SstateCommand::Restore { object: path("object"), folder: path("folder") },
        "check" => SstateCommand::Check {
            objects: parsed.positional("object").into_iter().map(PathBuf::from).collect(),
        },
        _ => {
            let cache = path("cache");
            let mut measured = |option: &str, units: &[(char, u64)]| match parsed.value(option) {
                None => Ok(None),
                Some(text) => match measure(&text, units) {
                    Some(number) => Ok(Some(number)),
                    None => Err(spec.error(&format!("argument {option}: what is '{text}'?"), columns)),
                },
            };
            let age = measured("--age", &[('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)])?;
            let bytes =
                measured("--size", &[('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30), ('T', 1 << 40)])?;
            if age.is_none() && bytes.is_none() {
                return Err(spec.error("say what may stay: --age, --size or both", columns));
            }
            SstateCommand::Prune {
                cache,
                age: age.map(Duration::from_secs),
                bytes,
                pretend: parsed.has("-n"),
            }
        }
    })
}

/// A number with a unit behind it, or without.
fn measure(text: &str, units: &[(char, u64)]) -> Option<u64> {
    let unit = units.iter().find(|(letter, _)| text.ends_with(*letter));
    let (number, factor) = match unit {
        Some((letter, factor)) => (text.strip_suffix(*letter)?, *factor),
        None => (text, 1),
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn spec(
    prog: String,
    description: &'static str,
    mut options: Vec<Opt>,
    positionals: Vec<Positional>,
) -> Spec {
    options.insert(0, Opt::help());
    Spec { prog, description, options, positionals, abbreviations: true, intermixed: false }
}
