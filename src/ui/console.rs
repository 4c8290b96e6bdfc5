//! The console: every line the program prints goes through here, so that counts are right and progress bars stay whole.
//!
//! As with BitBake, errors go to standard error and all else, warnings too, to standard output.

use std::io::{self, Write};
use std::time::Instant;

use super::diagnostic::{Style, render};
use super::fancy::FancyProgress;
use super::plain::PlainProgress;
use super::progress::Progress;
use super::summary::{Failure, Summary};
use crate::lang::diagnostic::{Diagnostic, Severity};

/// How the console behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsoleOptions {
    /// `-D`, counted.
    pub debug: usize,
    /// `-v`.
    pub verbose: bool,
    /// `-q`, counted.
    pub quiet: usize,
    /// How diagnostics look.
    pub style: Style,
    /// Colours on standard output.
    pub color_out: bool,
    /// Colours on standard error.
    pub color_err: bool,
    /// Width of the terminal for progress bars; `None` where nobody watches.
    pub bar_columns: Option<usize>,
}

impl Default for ConsoleOptions {
    /// BitBake's behaviour into files and pipes.
    fn default() -> ConsoleOptions {
        ConsoleOptions {
            debug: 0,
            verbose: false,
            quiet: 0,
            style: Style::BitBake,
            color_out: false,
            color_err: false,
            bar_columns: None,
        }
    }
}

/// Prints messages and progress, and counts.
///
/// Output that cannot be written (a closed pipe) is dropped; [`Console::is_closed`] tells.
pub struct Console {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    options: ConsoleOptions,
    progress: Box<dyn Progress + Send>,
    /// Title of the operation that progress is shown for.
    operation: Option<String>,
    failures: Vec<Failure>,
    warnings: usize,
    errors: usize,
    closed: bool,
}

impl Console {
    /// A console on standard output and standard error.
    pub fn standard(options: ConsoleOptions) -> Console {
        Console::new(Box::new(io::stdout()), Box::new(io::stderr()), options)
    }

    /// A console on any two streams.
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, options: ConsoleOptions) -> Console {
        let progress: Box<dyn Progress + Send> = match options.bar_columns {
            Some(columns) => Box::new(FancyProgress::new(columns)),
            None => Box::<PlainProgress>::default(),
        };
        Console {
            out,
            err,
            options,
            progress,
            operation: None,
            failures: Vec::new(),
            warnings: 0,
            errors: 0,
            closed: false,
        }
    }

    /// Prints and counts a message.
    pub fn message(&mut self, severity: Severity, text: &str) {
        self.count(severity);
        self.show(severity, text);
    }

    /// Prints a message that does not count, such as an error a `universe` build goes on after.
    pub fn show(&mut self, severity: Severity, text: &str) {
        if self.shows(severity) {
            let color =
                if severity == Severity::Error { self.options.color_err } else { self.options.color_out };
            self.line(severity, &labelled(severity, text, color));
        }
    }

    /// Prints a line to standard error as it is.
    pub fn raw_error(&mut self, text: &str) {
        self.line(Severity::Error, text);
    }

    /// Prints debugging output of a level from 1 to 3.
    pub fn debug(&mut self, level: usize, text: &str) {
        if level <= self.options.debug {
            self.show(Severity::Debug, text);
        }
    }

    /// Prints the answer to what was asked.
    pub fn plain(&mut self, text: &str) {
        self.show(Severity::Plain, text);
    }

    /// Prints and counts a message about a place in the metadata.
    pub fn diagnostic(&mut self, diagnostic: &Diagnostic) {
        let severity = diagnostic.severity;
        match self.options.style {
            Style::BitBake => self.message(severity, &render(diagnostic, Style::BitBake)),
            style => {
                self.count(severity);
                if self.shows(severity) {
                    let text = render(diagnostic, style);
                    self.line(severity, &text);
                }
            }
        }
    }

    /// Notes a failed task for the summary; one noted before only gets its log.
    pub fn task_failed(&mut self, task: &str, log: Option<&str>) {
        let log = log.map(String::from);
        match self.failures.iter_mut().find(|failure| failure.task == task) {
            Some(known) => known.log = log.or(known.log.take()),
            None => self.failures.push(Failure { task: task.to_string(), log }),
        }
    }

    /// Begins to show progress, after ending what was shown before. Nothing is shown for an operation without steps.
    pub fn start(&mut self, title: &str, total: u64) {
        self.finish();
        if self.options.quiet <= 1 && total > 0 {
            self.operation = Some(title.to_string());
            let result = self.progress.start(&mut self.out, title, total, Instant::now());
            self.note(result);
        }
    }

    /// `current` steps of the operation are done.
    pub fn update(&mut self, current: u64) {
        if self.operation.is_some() {
            let result = self.progress.update(&mut self.out, current, Instant::now());
            self.note(result);
        }
    }

    /// The operation is over.
    pub fn finish(&mut self) {
        if self.operation.take().is_some() {
            let result = self.progress.finish(&mut self.out, Instant::now());
            self.note(result);
        }
    }

    /// Whether a message of this severity is shown at all.
    pub fn shows(&self, severity: Severity) -> bool {
        let ConsoleOptions { debug, verbose, quiet, .. } = self.options;
        let least = match quiet {
            _ if severity == Severity::Error => return true,
            0 if debug > 0 => Severity::Debug,
            0 if verbose => Severity::Verbose,
            0 => Severity::Note,
            1 | 2 => Severity::Warning,
            _ => return false,
        };
        severity >= least
    }

    /// How many errors were counted; the run's exit code is not zero if there were any.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Whether an output stream has gone away.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Prints the last words, unless the user wants it quiet. `failed`: the exit code will not be zero.
    pub fn summary(&mut self, failed: bool) {
        self.finish();
        let summary = Summary {
            failures: std::mem::take(&mut self.failures),
            warnings: self.warnings,
            errors: self.errors,
            failed,
            hyperlinks: self.options.color_out,
        };
        if self.options.quiet == 0 && !summary.is_empty() {
            self.line(Severity::Plain, &summary.to_string());
        }
    }

    fn count(&mut self, severity: Severity) {
        match severity {
            Severity::Warning => self.warnings += 1,
            Severity::Error => self.errors += 1,
            _ => {}
        }
    }

    fn line(&mut self, severity: Severity, text: &str) {
        let result = self.write_line(severity, text);
        self.note(result);
    }

    fn write_line(&mut self, severity: Severity, text: &str) -> io::Result<()> {
        if self.operation.is_some() {
            self.progress.clear(&mut self.out)?;
            self.out.flush()?;
        }
        let stream = if severity == Severity::Error { &mut self.err } else { &mut self.out };
        stream.write_all(format!("{text}\n").as_bytes())?;
        stream.flush()?;
        if self.operation.is_some() {
            self.progress.redraw(&mut self.out, Instant::now())?;
        }
        Ok(())
    }

    fn note(&mut self, result: io::Result<()>) {
        self.closed |= result.is_err();
    }
}

/// `LABEL: text`, in BitBake's colours if wanted; plain output stays as it is.
fn labelled(severity: Severity, text: &str, color: bool) -> String {
    let label = severity.label();
    if label.is_empty() {
        return text.to_string();
    }
    let code = match severity {
        Severity::Error => 31,
        Severity::Warning => 33,
        Severity::Debug => 36,
        Severity::Plain | Severity::Note | Severity::Verbose => 29,
    };
    match color {
        true => format!("\x1b[1;{code}m{label}\x1b[0m: \x1b[{code}m{text}\x1b[0m"),
        false => format!("{label}: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// A stream whose contents can be looked at.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        fn text(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
        }
    }

    fn console(options: ConsoleOptions) -> (Console, Paper, Paper) {
        let (out, err) = (Paper::default(), Paper::default());
        (Console::new(Box::new(out.clone()), Box::new(err.clone()), options), out, err)
    }

    #[test]
    fn errors_go_to_standard_error_only() {
        let (mut console, out, err) = console(ConsoleOptions::default());
        console.message(Severity::Warning, "versions of foo available: 1.0 2.0");
        console.message(Severity::Error, "Nothing PROVIDES 'foo'");
        console.message(Severity::Note, "Executing Tasks");
        console.message(Severity::Verbose, "only with -v");
        console.debug(1, "only with -D");
        console.plain("foo :1.0-r0");
        console.summary(true);
        assert_eq!(
            out.text(),
            "WARNING: versions of foo available: 1.0 2.0\nNOTE: Executing Tasks\nfoo :1.0-r0\n\n\
             Summary: There was 1 WARNING message.\n\
             Summary: There was 1 ERROR message, returning a non-zero exit code.\n"
        );
        assert_eq!(err.text(), "ERROR: Nothing PROVIDES 'foo'\n");
        assert_eq!(console.errors(), 1);
    }

    #[test]
    fn quiet_and_loud() {
        let shown = |options: ConsoleOptions| {
            let (mut console, out, err) = console(options);
            for severity in [
                Severity::Debug,
                Severity::Verbose,
                Severity::Note,
                Severity::Plain,
                Severity::Warning,
                Severity::Error,
            ] {
                console.show(severity, "x");
            }
            out.text() + &err.text()
        };
        let default = ConsoleOptions::default();
        assert_eq!(shown(default), "NOTE: x\nx\nWARNING: x\nERROR: x\n");
        let loud = "NOTE: x\nNOTE: x\nx\nWARNING: x\nERROR: x\n";
        assert_eq!(shown(ConsoleOptions { verbose: true, ..default }), loud);
        assert_eq!(shown(ConsoleOptions { debug: 1, ..default }), format!("DEBUG: x\n{loud}"));
        assert_eq!(shown(ConsoleOptions { quiet: 1, ..default }), "WARNING: x\nERROR: x\n");
        assert_eq!(shown(ConsoleOptions { quiet: 3, ..default }), "ERROR: x\n");
    }

    /// As BitBake prints it into a pipe, messages in the middle of the line included.
    #[test]
    fn progress_where_nobody_watches() {
        let (mut console, out, _) = console(ConsoleOptions::default());
        console.start("Loading cache", 0);
        console.start("Parsing recipes", 4);
        console.update(2);
        console.message(Severity::Warning, "no blanks");
        console.finish();
        console.plain("Parsing of 4 .bb files complete");
        assert_eq!(
            out.text(),
            "Parsing recipes...WARNING: no blanks\ndone.\nParsing of 4 .bb files complete\n"
        );
        let (mut quiet, out, _) = self::console(ConsoleOptions { quiet: 2, ..ConsoleOptions::default() });
        quiet.start("Parsing recipes", 4);
        quiet.finish();
        quiet.summary(false);
        assert_eq!(out.text(), "");
    }

    #[test]
    fn a_bar_makes_room_for_messages() {
        let options = ConsoleOptions { bar_columns: Some(60), ..ConsoleOptions::default() };
        let (mut console, out, _) = console(options);
        console.start("Parsing recipes", 4);
        out.text();
        console.message(Severity::Warning, "no blanks");
        let text = out.text();
        assert!(text.starts_with("\r\x1b[KWARNING: no blanks\n\r\x1b[KParsing recipes:   0% |"), "{text:?}");
    }

    #[test]
    fn colours_are_bitbakes() {
        let options = ConsoleOptions { color_out: true, ..ConsoleOptions::default() };
        let (mut console, out, err) = console(options);
        console.show(Severity::Warning, "x");
        console.show(Severity::Note, "y");
        console.show(Severity::Error, "z");
        console.plain("p");
        assert_eq!(
            out.text(),
            "\x1b[1;33mWARNING\x1b[0m: \x1b[33mx\x1b[0m\n\x1b[1;29mNOTE\x1b[0m: \x1b[29my\x1b[0m\np\n"
        );
        assert_eq!(err.text(), "ERROR: z\n");
    }

    #[test]
    fn diagnostics_in_both_manners() {
        let wrong = Diagnostic::error("ParseError", "unparsed line: 'A = 1'", "/l/x.bb", 1).source("A = 1");
        let (mut plain, _, err) = console(ConsoleOptions::default());
        plain.diagnostic(&wrong);
        assert_eq!(err.text(), "ERROR: ParseError at /l/x.bb:1: unparsed line: 'A = 1'\n");
        let style = Style::Source { color: false, columns: 80 };
        let (mut fancy, _, err) = console(ConsoleOptions { style, ..ConsoleOptions::default() });
        fancy.diagnostic(&wrong);
        assert!(err.text().starts_with("error[ParseError]: unparsed line: 'A = 1'\n --> /l/x.bb:1:1\n"));
        assert_eq!((plain.errors(), fancy.errors()), (1, 1));
    }

    #[test]
    fn failures_are_told_once_with_their_log() {
        let (mut console, out, _) = console(ConsoleOptions::default());
        console.task_failed("/l/fail_1.0.bb:do_compile", Some("/t/log.do_compile"));
        console.task_failed("/l/fail_1.0.bb:do_compile", None);
        console.summary(true);
        assert_eq!(
            out.text(),
            "\nSummary: 1 task failed:\n  /l/fail_1.0.bb:do_compile\n    log: /t/log.do_compile\n"
        );
    }
}
