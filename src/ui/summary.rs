//! The last words of a run: which tasks failed, how many warnings and errors there were.

use std::fmt;

/// What happened, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Failed tasks in order, with their logs.
    pub failures: Vec<Failure>,
    /// Messages of severity WARNING.
    pub warnings: usize,
    /// Messages of severity ERROR.
    pub errors: usize,
    /// The run's exit code is not zero.
    pub failed: bool,
    /// Log paths as links, for terminals.
    pub hyperlinks: bool,
}

/// A task that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `FILE:do_task`.
    pub task: String,
    /// Path of its log, if it has one.
    pub log: Option<String>,
}

impl Summary {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.failures.is_empty() && self.warnings == 0 && (self.errors == 0 || !self.failed)
    }
}

/// BitBake's words, an empty line first; nothing if there is nothing to say.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.failures.len() {
            0 => {}
            1 => f.write_str("\nSummary: 1 task failed:")?,
            n => write!(f, "\nSummary: {n} tasks failed:")?,
        }
        for failure in &self.failures {
            write!(f, "\n  {}", failure.task)?;
            match &failure.log {
                Some(log) if self.hyperlinks => {
                    write!(f, "\n    log: \x1b]8;;file://{log}\x1b\\{log}\x1b]8;;\x1b\\")?;
                }
                Some(log) => write!(f, "\n    log: {log}")?,
                None => {}
            }
        }
        match self.warnings {
            0 => {}
            1 => f.write_str("\nSummary: There was 1 WARNING message.")?,
            n => write!(f, "\nSummary: There were {n} WARNING messages.")?,
        }
        match (self.failed, self.errors) {
            (false, _) | (_, 0) => Ok(()),
            (_, 1) => f.write_str("\nSummary: There was 1 ERROR message, returning a non-zero exit code."),
            (_, n) => {
                write!(f, "\nSummary: There were {n} ERROR messages, returning a non-zero exit code.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_bitbakes() {
        let nothing = Summary::default();
        assert!(nothing.is_empty());
        assert_eq!(nothing.to_string(), "");
        let failure =
            |task: &str, log: Option<&str>| Failure { task: task.into(), log: log.map(String::from) };
        let one = Summary {
            failures: vec![failure(
                "…/exp/recipes/fail_1.0.bb:do_compile",
                Some("…/temp/log.do_compile.31412"),
            )],
            warnings: 1,
            errors: 1,
            failed: true,
            hyperlinks: false,
        };
        assert_eq!(
            one.to_string(),
            "\nSummary: 1 task failed:\n  …/exp/recipes/fail_1.0.bb:do_compile\n    log: …/temp/log.do_compile.31412\n\
             Summary: There was 1 WARNING message.\n\
             Summary: There was 1 ERROR message, returning a non-zero exit code."
        );
        let two = Summary { warnings: 2, errors: 2, failed: true, ..Summary::default() };
        assert_eq!(
            two.to_string(),
            "\nSummary: There were 2 WARNING messages.\n\
             Summary: There were 2 ERROR messages, returning a non-zero exit code."
        );
        assert!(Summary { errors: 2, ..Summary::default() }.is_empty());
        let linked = Summary { hyperlinks: true, ..one };
        assert!(linked.to_string().contains("\x1b]8;;file://…/temp/log.do_compile.31412\x1b\\…/temp"));
    }
}
