//! A message about a place in the metadata, as text: with the source line and a caret, or in BitBake's form.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::lang::diagnostic::{Diagnostic, Severity};

/// How messages about metadata look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `ParseError at FILE:LINE: MESSAGE`, for tools that read BitBake's output.
    BitBake,
    /// The message, the line it is about with a caret, notes and advice.
    Source {
        /// With colours.
        color: bool,
        /// Width of the terminal.
        columns: usize,
    },
}

/// The text of a diagnostic, without a line break at its end.
///
/// In BitBake's form the severity is left to whoever prints it; the other form starts with it.
pub fn render(diagnostic: &Diagnostic, style: Style) -> String {
    match style {
        Style::BitBake => diagnostic.to_string(),
        Style::Source { color, columns } => {
            let renderer = if color { Renderer::styled() } else { Renderer::plain() };
            let read;
            let source = match &diagnostic.source {
                Some(line) => Some(line.as_str()),
                None => {
                    read = source_line(&diagnostic.file, diagnostic.line);
                    read.as_deref()
                }
            };
            let group = group(diagnostic, source);
            renderer.term_width(columns).render(&[group])
        }
    }
}

fn group<'d>(diagnostic: &'d Diagnostic, source: Option<&'d str>) -> Group<'d> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note | Severity::Verbose | Severity::Plain => Level::NOTE,
        Severity::Debug => Level::NOTE.with_name("debug"),
    };
    let mut title = level.primary_title(diagnostic.message.as_str());
    if !diagnostic.kind.is_empty() {
        title = title.id(&*diagnostic.kind);
    }
    let file = diagnostic.file.as_str();
    let mut group = match source.filter(|line| diagnostic.line > 0 && !line.trim().is_empty()) {
        Some(line) => {
            let span = AnnotationKind::Primary.span(span(diagnostic, line));
            title.element(Snippet::source(line).line_start(diagnostic.line).path(file).annotation(span))
        }
        None if file.is_empty() => Group::with_title(title),
        None if diagnostic.line > 0 => title.element(Origin::path(file).line(diagnostic.line)),
        None => title.element(Origin::path(file)),
    };
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    group
}

/// The bytes of `line` that are meant: those given, else all but the blanks around it.
fn span(diagnostic: &Diagnostic, line: &str) -> std::ops::Range<usize> {
    let byte = |character: usize| line.char_indices().nth(character).map_or(line.len(), |(i, _)| i);
    match diagnostic.column {
        Some(column) => {
            let start = column.saturating_sub(1);
            byte(start)..byte(start.saturating_add(diagnostic.length.unwrap_or(1)))
        }
        None => {
            let end = line.trim_end().len();
            (end - line.trim().len())..end
        }
    }
}

/// Line `number` of a file, counted from 1.
fn source_line(file: &str, number: usize) -> Option<String> {
    let text = std::fs::read(file).ok()?;
    let line = text.split(|b| *b == b'\n').nth(number.checked_sub(1)?)?;
    Some(String::from_utf8_lossy(line).trim_end_matches('\r').to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style::Source { color: false, columns: 100 };

    #[test]
    fn a_caret_under_what_is_meant() {
        let wrong = Diagnostic::error("ParseError", "unparsed line: 'FOO:apend = 1'", "/l/x_1.0.bb", 7)
            .source("  FOO:apend = 1")
            .at(7, 5)
            .note("a value must be in quotes")
            .help("did you mean `append`?");
        assert_eq!(
            render(&wrong, PLAIN),
            "\
error[ParseError]: unparsed line: 'FOO:apend = 1'
 --> /l/x_1.0.bb:7:7
  |
7 |   FOO:apend = 1
  |       ^^^^^
  |
  = note: a value must be in quotes
  = help: did you mean `append`?"
        );
        assert_eq!(
            render(&wrong, Style::BitBake),
            "ParseError at /l/x_1.0.bb:7: unparsed line: 'FOO:apend = 1'"
        );
    }

    #[test]
    fn without_a_column_the_whole_line_is_meant() {
        let warning = Diagnostic::warning("", "lack of whitespace", "/l/x.bb", 12).source("  A=\"ä\"");
        assert_eq!(
            render(&warning, PLAIN),
            "\
warning: lack of whitespace
  --> /l/x.bb:12:3
   |
12 |   A=\"ä\"
   |   ^^^^^"
        );
    }

    #[test]
    fn the_line_is_read_from_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.bb");
        std::fs::write(&path, "A = \"1\"\r\nthis is junk\r\n").unwrap();
        let file = path.to_str().unwrap();
        let text = render(&Diagnostic::error("ParseError", "unparsed line", file, 2), PLAIN);
        assert!(text.contains("2 | this is junk\n  | ^^^^^^^^^^^^"), "{text}");
        for line in [0, 3, 4, usize::MAX] {
            let text = render(&Diagnostic::error("ParseError", "unparsed line", file, line), PLAIN);
            assert!(text.starts_with(&format!("error[ParseError]: unparsed line\n--> {file}")), "{text}");
        }
    }

    #[test]
    fn nothing_known_but_the_message() {
        let text = render(&Diagnostic::error("", "no layers", "", 0), PLAIN);
        assert_eq!(text, "error: no layers");
        let text = render(&Diagnostic::error("ParseError", "gone", "/nowhere/x.bb", 3), PLAIN);
        assert_eq!(text, "error[ParseError]: gone\n--> /nowhere/x.bb:3");
    }

    #[test]
    fn colours_only_where_wanted() {
        let wrong = Diagnostic::error("ParseError", "x", "/l/x.bb", 1).source("junk");
        assert!(!render(&wrong, PLAIN).contains('\x1b'));
        assert!(render(&wrong, Style::Source { color: true, columns: 100 }).contains('\x1b'));
    }

    proptest::proptest! {
        #[test]
        fn no_position_makes_it_panic(line in ".{0,20}", column in 0usize..30, length in 0usize..30, number in 0usize..9) {
            let wrong = Diagnostic::error("E", "m", "f", number).source(line).at(column, length);
            render(&wrong, PLAIN);
        }
    }
}
