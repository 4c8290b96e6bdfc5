//! What to do about an error in metadata.

use crate::host::Finding;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::suggest::did_you_mean;
use crate::recipe::SuspectKind;

/// First words of statements.
const KEYWORDS: [&str; 16] = [
    "include",
    "require",
    "include_all",
    "inherit",
    "inherit_defer",
    "export",
    "unset",
    "addtask",
    "deltask",
    "addhandler",
    "addpylib",
    "addfragments",
    "EXPORT_FUNCTIONS",
    "python",
    "fakeroot",
    "def",
];

/// Adds the column and advice, where the message and the source line tell enough.
pub fn explain(diagnostic: Diagnostic) -> Diagnostic {
    let Some(line) = source_line(&diagnostic) else { return diagnostic };
    let message = diagnostic.message.clone();
    if message.starts_with("unparsed line") {
        let (column, length, help) = unparsed(&line);
        let diagnostic = diagnostic.at(column, length).source(line);
        return match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        };
    }
    if let Some(name) = message.strip_prefix("Could not inherit file ") {
        let class = name.rsplit('/').next().unwrap_or(name).trim_end_matches(".bbclass").to_owned();
        let help = format!(
            "no layer of the configuration has {class}.bbclass in classes-recipe/, classes-global/ or classes/; is a layer missing in \
             BBLAYERS?"
        );
        return mark(diagnostic, line, &class).help(help);
    }
    if let Some(name) = message.strip_prefix("Could not include required file ") {
        let name = name.split(": ").next().unwrap_or(name).to_owned();
        let help = "it is looked for beside this file and along BBPATH; `include` instead of `require` makes it optional";
        return mark(diagnostic, line, &name).help(help);
    }
    if message.starts_with("Empty variable name") {
        return diagnostic.at(1, 1).source(line).help("a name belongs in front of the operator");
    }
    diagnostic
}

/// A likely typo with its source line.
pub fn typo(finding: &Finding) -> Diagnostic {
    let suspect = &finding.0;
    let diagnostic = Diagnostic::warning("typo", finding.to_string(), &suspect.file, suspect.line as usize);
    let word = match suspect.kind {
        SuspectKind::Task => suspect.word.trim_start_matches("do_"),
        _ => &suspect.word,
    };
    match source_line(&diagnostic) {
        Some(line) => mark(diagnostic, line, word),
        None => diagnostic,
    }
}

fn source_line(diagnostic: &Diagnostic) -> Option<String> {
    if let Some(line) = &diagnostic.source {
        return Some(line.clone());
    }
    let text = std::fs::read_to_string(&diagnostic.file).ok()?;
    text.lines().nth(diagnostic.line.checked_sub(1)?).map(str::to_owned)
}

/// Points at `word` in the line.
fn mark(diagnostic: Diagnostic, line: String, word: &str) -> Diagnostic {
    match line.find(word) {
        Some(at) => diagnostic.at(line[..at].chars().count() + 1, word.chars().count()).source(line),
        None => diagnostic,
    }
}

/// Why a line is no statement: column, length and advice.
fn unparsed(line: &str) -> (usize, usize, Option<String>) {
    let length = line.trim().chars().count().max(1);
    let indent = line.chars().take_while(|c| c.is_whitespace()).count();
    if indent > 0 {
        return (1, indent, Some("a statement starts in the first column".into()));
    }
    if line.ends_with('}') && line.contains("() {") {
        let column = line.chars().position(|c| c == '{').unwrap_or(0) + 2;
        return (
            column,
            1,
            Some("the body starts on the next line, and a line with nothing but `}` ends it".into()),
        );
    }
    if line.trim_end().ends_with("()") {
        return (length, 1, Some("the `{` of a function belongs on the same line".into()));
    }
    if let Some(equals) = line.find('=') {
        let name = line[..equals].trim_end_matches([':', '?', '+', '.', ' ', '\t']);
        let value = line[equals + 1..].trim_start_matches(['+', '.', ' ', '\t']);
        let column = line.chars().count() - value.chars().count() + 1;
        let value_length = value.chars().count().max(1);
        if !name.is_empty() && !name.contains(char::is_whitespace) {
            let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
                return (
                    column,
                    value_length,
                    Some(format!("the value stands in quotes: {} \"{value}\"", line[..=equals].trim())),
                );
            };
            let rest = &value[1..];
            if !rest.contains(quote) {
                return (
                    column,
                    value_length,
                    Some(format!("the value has to end with the quote it starts with, {quote}")),
                );
            }
            if let Some(end) = rest.rfind(quote)
                && rest[end + 1..].trim_start().starts_with('#')
            {
                let comment = column + 1 + rest[..end + 1].chars().count();
                return (
                    comment,
                    rest[end + 1..].chars().count(),
                    Some("a comment has a line of its own".into()),
                );
            }
            if !value.ends_with(quote) {
                return (column, value_length, Some(format!("nothing may follow the closing {quote}")));
            }
            let other = if quote == '"' { '\'' } else { '"' };
            return (
                column,
                value_length,
                Some(format!("a value with {quote} inside stands in the other quotes: {other}…{other}")),
            );
        }
    }
    let first = line.split_whitespace().next().unwrap_or_default();
    let help = did_you_mean(first, KEYWORDS).map(|word| format!("did you mean `{word}`?"));
    (1, length, help)
}

#[cfg(test)]
mod tests {
    use super::unparsed;

    #[test]
    fn points_at_the_slip() {
        for (line, column, words) in [
            ("A = 1", 5, "in quotes"),
            ("A = \"abc'", 5, "end with the quote"),
            ("  A = \"1\"", 1, "first column"),
            ("A = \"1\" # c", 8, "line of its own"),
            ("A = \"a\"b\"", 5, "other quotes"),
            ("do_x() { echo; }", 9, "next line"),
            ("do_x()", 6, "same line"),
            ("inherti foo", 1, "`inherit`"),
        ] {
            let (found, _, help) = unparsed(line);
            let help = help.unwrap_or_default();
            assert!(found == column && help.contains(words), "{line}: column {found}, {help}");
        }
    }
}
