//! Random metadata through rbake and the real BitBake side by side: values, flags, dependencies, history and errors agree.
//!
//! `RBAKE_RANDOM_CASES` is the number of cases (2000), `RBAKE_RANDOM_SEED` the seed (else a fresh one, printed),
//! `RBAKE_RANDOM_FAILURES` the number of failures to collect before stopping (1). `RBAKE_ORACLE` replaces rbake by another
//! command, and `RBAKE_ORACLE="python3 tests/conformance/oracle.py"` shows that the reference agrees with itself.

#[path = "support/difference.rs"]
mod difference;
#[path = "support/metadata_gen.rs"]
mod metadata_gen;
#[path = "support/oracle.rs"]
mod oracle;

use difference::Difference;
use oracle::Oracle;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;
use std::env;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Further references that are asked, under other string hash seeds, before a difference counts.
const WITNESSES: u32 = 5;

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Prints past the test harness, which keeps the output of tests that pass to itself.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Both sides.
struct Sides {
    ours: Oracle,
    reference: Oracle,
    /// The same reference under other hash seeds, started when the first difference turns up.
    witnesses: Vec<Oracle>,
    reference_command: Vec<String>,
}

impl Sides {
    fn start() -> Result<Sides, String> {
        let root = env!("CARGO_MANIFEST_DIR");
        let reference_command = vec!["python3".to_string(), format!("{root}/tests/conformance/oracle.py")];
        let ours = match env::var("RBAKE_ORACLE") {
            Ok(command) => command.split_whitespace().map(str::to_string).collect(),
            // The extension module that was built together with this test.
            Err(_) => {
                let engine = Path::new(env!("CARGO_BIN_EXE_rbake")).with_file_name("librbake_engine.so");
                let mut command = vec!["env".to_string(), format!("RBAKE_ENGINE={}", engine.display())];
                command.extend(reference_command.clone());
                command.push("--ours".to_string());
                command
            }
        };
        let reference = Oracle::start(reference_command.clone(), 0)?;
        // Another seed than any reference has, so that nothing agrees by the luck of the same set order.
        let ours = Oracle::start(ours, 1000).unwrap_or_else(|reason| panic!("our side: {reason}"));
        Ok(Sides { ours, reference, witnesses: Vec::new(), reference_command })
    }

    /// What both sides answer differently, without what the reference itself answers in one way or another.
    fn differences(&mut self, question: &Value) -> Vec<Difference> {
        let (reference, ours) = (&mut self.reference, &mut self.ours);
        let (expected, got) = thread::scope(|scope| {
            let expected = scope.spawn(|| reference.ask(question));
            let got = ours.ask(question);
            (expected.join().expect("asking does not panic"), got)
        });
        let mut found = difference::between(&expected, &got);
        if !found.is_empty() && self.witnesses.is_empty() {
            self.witnesses = (1..=WITNESSES)
                .filter_map(|seed| Oracle::start(self.reference_command.clone(), seed).ok())
                .collect();
        }
        for witness in &mut self.witnesses {
            if found.is_empty() {
                break;
            }
            let unstable = difference::between(&expected, &witness.ask(question));
            found.retain(|one| !unstable.iter().any(|other| one.concerns(other)));
        }
        found
    }
}

/// Makes a failing case as small as it can be and still fail.
fn shrink<T: ValueTree>(tree: &mut T, mut fails: impl FnMut(&T::Value) -> bool) {
    let mut steps = 0;
    let mut more = tree.simplify();
    while more && steps < 3000 {
        steps += 1;
        more = if fails(&tree.current()) { tree.simplify() } else { tree.complicate() };
    }
    // The last step may have gone too far.
    while !fails(&tree.current()) && tree.complicate() {}
}

#[test]
fn random_metadata_agrees() {
    let mut sides = match Sides::start() {
        Ok(sides) => sides,
        Err(reason) => {
            say(&format!("skipped: random metadata against the real BitBake ({reason})"));
            assert!(
                env::var("RBAKE_REQUIRE_REFERENCE").as_deref() != Ok("1"),
                "the reference is required: {reason}"
            );
            return;
        }
    };
    let fresh = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    let seed = setting("RBAKE_RANDOM_SEED", fresh);
    let cases = setting("RBAKE_RANDOM_CASES", 2000);
    let wanted = setting("RBAKE_RANDOM_FAILURES", 1);
    say(&format!("random metadata: {cases} cases, RBAKE_RANDOM_SEED={seed}"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let strategy = metadata_gen::case();

    let started = Instant::now();
    let mut failures = 0;
    for number in 0..cases {
        let mut tree = strategy.new_tree(&mut runner).expect("the strategies reject nothing");
        // A busy machine can make either side too late once.
        let differs = |sides: &mut Sides| !sides.differences(&tree.current().question()).is_empty();
        if !differs(&mut sides) || !differs(&mut sides) {
            continue;
        }
        failures += 1;
        shrink(&mut tree, |case| !sides.differences(&case.question()).is_empty());
        let case = tree.current();
        say(&format!("case {number} differs:\n{case:?}"));
        for one in sides.differences(&case.question()) {
            say(&one.to_string());
        }
        if failures >= wanted {
            break;
        }
    }
    say(&format!("random metadata: {:.0} s", started.elapsed().as_secs_f64()));
    assert_eq!(failures, 0, "rbake and BitBake differ, RBAKE_RANDOM_SEED={seed}");
}
