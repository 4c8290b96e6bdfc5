//! The run file of a shell function: everything it needs, for a shell to read (BitBake manual, "Shell Functions").

use std::collections::BTreeSet;
use std::fmt::Write;
use std::rc::Rc;

use rustc_hash::FxHashSet;

use crate::data::{DataError, Store, Text, Value};
use crate::recipe::basehash::Scanners;

/// What a run file begins with: how it reports a command that failed.
pub const PROLOGUE: &str = include_str!("prologue.sh");

/// The end of a run file.
const EPILOGUE: &str = "\n# cleanup\nret=$?\ntrap '' 0\nexit $ret\n";

/// The whole run file of a shell function: the exported variables, the function with all it calls, and the call itself. `cwd`: the
/// directory to run it in; `trace`: have the shell show every command.
///
/// # Errors
/// Its code can't be scanned, or a flag can't be expanded. A variable that can't be expanded becomes a comment.
pub fn shell_script(
    store: &Store,
    scanners: &dyn Scanners,
    function: &str,
    cwd: Option<&str>,
    trace: bool,
) -> Result<String, DataError> {
    let mut script = PROLOGUE.to_owned();
    script.push_str(&shell_function(store, scanners, function)?);
    if trace {
        script.push_str("set -x\n");
    }
    // Writing to a String can't fail.
    if let Some(cwd) = cwd {
        let _ = writeln!(script, "cd '{cwd}'");
    }
    let _ = writeln!(script, "{function}");
    script.push_str(EPILOGUE);
    Ok(script)
}

/// The exported variables, a shell function, and all functions that it leads to.
///
/// # Errors
/// Code can't be scanned, or a flag can't be expanded.
pub fn shell_function(store: &Store, scanners: &dyn Scanners, function: &str) -> Result<String, DataError> {
    let mut out = String::new();
    let mut names: Vec<Rc<str>> = Vec::new();
    for name in store.keys()? {
        if name.starts_with("__") {
            continue;
        }
        let marked = store.get_flag_raw(&name, "export")?.is_some()
            || store.get_flag_raw(&name, "unexport")?.is_some();
        if marked && !is_set(store, &name, "func")? {
            names.push(name);
        }
    }
    names.sort();
    for name in names {
        out.push_str(&emitted(store, &name)?);
    }
    out.push('\n');
    push_function(&mut out, store, function)?;
    let mut seen: FxHashSet<String> = FxHashSet::default();
    let mut new = called(store, scanners, function)?;
    while !new.is_empty() {
        seen.extend(new.iter().cloned());
        let mut found = BTreeSet::new();
        for name in new {
            if is_set(store, &name, "func")? && !is_set(store, &name, "python")? {
                push_function(&mut out, store, &name)?;
                found.extend(called(store, scanners, &name)?);
            }
        }
        new = found.into_iter().filter(|name| !seen.contains(name)).collect();
    }
    Ok(out)
}

fn is_set(store: &Store, name: &str, flag: &str) -> Result<bool, DataError> {
    Ok(store.get_flag_raw(name, flag)?.is_some_and(|value| value.truth()))
}

/// A variable or function as a shell reads it; nothing for a name that no shell takes.
fn emitted(store: &Store, name: &str) -> Result<String, DataError> {
    let text = store.variable_text(name, false)?;
    let takes_any = text.starts_with("# expansion of ");
    Ok(if !takes_any && name.contains(['-', '.', '{', '}', '+']) { String::new() } else { text })
}

fn push_function(out: &mut String, store: &Store, name: &str) -> Result<(), DataError> {
    let text = emitted(store, name)?;
    out.push_str(&text);
    if text.starts_with("# line: ") || text.contains("\nexport -f ") {
        out.push('\n');
    }
    Ok(())
}

/// What a function calls: the commands in its expanded text, and its flag `vardeps`.
fn called(store: &Store, scanners: &dyn Scanners, function: &str) -> Result<BTreeSet<String>, DataError> {
    let mut names: BTreeSet<String> =
        store.get_flag_str(function, "vardeps")?.split_whitespace().map(str::to_owned).collect();
    if let Some(code) = store.get_var(function)?.filter(|value| *value != Value::None) {
        let commands = scanners.shell(store, function, &Text::new(&*code.to_text()))?;
        names.extend(commands.iter().map(|command| command.to_string()));
    }
    Ok(names)
}

/// The frames of a backtrace that a failing run file printed, with the places in the metadata where the functions were defined. The
/// last frame, the call at the end of the run file, is left out. Empty if there is no backtrace.
pub fn metadata_backtrace(output: &str, run_file: &str, script: &str) -> Vec<String> {
    let marker = "WARNING: Backtrace (BB generated script)";
    let lines: Vec<&str> = output.split('\n').collect();
    let Some(start) = lines.iter().rposition(|line| line.contains(marker)) else { return Vec::new() };
    let frames: Vec<Frame<'_>> = lines.iter().skip(start + 1).filter_map(|line| Frame::parse(line)).collect();
    let script: Vec<&str> = script.lines().map(str::trim_end).collect();
    let Some((_, inner)) = frames.split_last() else { return Vec::new() };
    let mut shown = Vec::new();
    for frame in inner {
        if !same_file(frame.file, run_file) {
            shown.push(format!("#{}: {}, {}, line {}", frame.number, frame.function, frame.file, frame.line));
            continue;
        }
        let before = script.get(..frame.line.min(script.len())).unwrap_or_default();
        let place = before.iter().enumerate().rev().find_map(|(at, line)| {
            let (defined, file) = line.strip_prefix("# line: ")?.split_once(", file: ")?;
            Some((at, defined.parse::<usize>().ok()?, file))
        });
        if let Some((at, defined, file)) = place {
            // The comment is followed by the line with the name; the body's first line is the one after the header.
            let line = (frame.line + defined).saturating_sub(at + 2);
            shown.push(format!("#{}: {}, {file}, line {line}", frame.number, frame.function));
        }
    }
    shown
}

/// One line of a backtrace.
struct Frame<'a> {
    number: usize,
    function: &'a str,
    file: &'a str,
    line: usize,
}

impl<'a> Frame<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (_, rest) = line.split_once('#')?;
        let (number, rest) = rest.split_once(": ")?;
        let (function, rest) = rest.split_once(", ")?;
        let (file, line) = rest.rsplit_once(", line ")?;
        let digits = line.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        Some(Frame { number: number.parse().ok()?, function, file, line: digits.parse().ok()? })
    }
}

fn same_file(a: &str, b: &str) -> bool {
    use std::os::unix::fs::MetadataExt;
    if a == b {
        return true;
    }
    let inode = |path: &str| std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
    inode(a).is_some_and(|a| inode(b) == Some(a))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// The first line of the body in the run file, for the prologue above it.
    fn run_under(shell: &str, body: &str) -> (String, i32, String, String) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("run.do_x.1").to_str().unwrap().to_owned();
        let script = format!(
            "{PROLOGUE}\n# line: 10, file: /l/a.bb\ndo_x() {{\n{body}\n}}\n\n# line: 20, file: /l/b.bbclass\ninner() {{\n\ttrue\n\tfalse\n}}\n\ndo_x\n{EPILOGUE}"
        );
        std::fs::write(&file, &script).unwrap();
        let output = Command::new(shell).arg(&file).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (text, output.status.code().unwrap(), file, script)
    }

    #[test]
    fn a_posix_shell_says_that_a_command_failed() {
        let (text, code, ..) = run_under("dash", "\techo hello\n\t(exit 3)");
        assert_eq!(text, "hello\nWARNING: exit code 3 from a shell command.\n");
        assert_eq!(code, 3);
    }

    #[test]
    fn a_run_file_that_succeeds_adds_nothing() {
        for shell in ["dash", "bash"] {
            let (text, code, ..) = run_under(shell, "\techo hello");
            assert_eq!((text.as_str(), code), ("hello\n", 0), "{shell}");
        }
    }

    #[test]
    fn bash_says_where() {
        let (text, code, file, script) = run_under("bash", "\techo hello\n\tinner");
        assert_eq!(code, 1);
        let line = |wanted: &str| script.lines().position(|line| line == wanted).unwrap() + 1;
        let (false_at, inner_at) = (line("\tfalse"), line("\tinner"));
        let call_at = line("do_x");
        assert_eq!(
            text,
            format!(
                "hello\nWARNING: {file}:{false_at} exit 1 from 'false'\nWARNING: Backtrace (BB generated script): \n\
                 \t#1: inner, {file}, line {false_at}\n\t#2: do_x, {file}, line {inner_at}\n\t#3: main, {file}, line {call_at}\n"
            )
        );
        // Line 20 is the header of `inner`, so its second line is 22.
        assert_eq!(
            metadata_backtrace(&text, &file, &script),
            ["#1: inner, /l/b.bbclass, line 22", "#2: do_x, /l/a.bb, line 12"]
        );
    }

    #[test]
    fn a_log_without_backtrace_has_no_frames() {
        assert!(
            metadata_backtrace("WARNING: exit code 1 from a shell command.\n", "/t/run.x", "").is_empty()
        );
        assert!(
            metadata_backtrace("WARNING: Backtrace (BB generated script): \n#nonsense", "/t/run.x", "")
                .is_empty()
        );
    }
}
