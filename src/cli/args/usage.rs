//! The usage and help texts of a command line.
//!
//! Usage is what tools compare, so it is broken into lines exactly as Python's argparse does; the help has the same
//! sections, and the words are our own.

use super::spec::{Arity, OPTIONS, Spec};

const PREFIX: &str = "usage: ";
/// Column at which explanations start.
const HELP_COLUMN: usize = 24;

/// `usage: PROG …`, with a line break at its end. `columns` is the width of the terminal.
pub(super) fn usage(spec: &Spec, columns: usize) -> String {
    let width = columns.saturating_sub(2).max(11);
    let options: Vec<String> =
        spec.options.iter().map(|option| format!("[{}]", option.spelled(option.names[0]))).collect();
    let positionals: Vec<String> = spec
        .positionals
        .iter()
        .flat_map(|positional| match positional.arity {
            Arity::Any => vec![positional.spelled()],
            _ => positional.spelled().split(' ').map(String::from).collect(),
        })
        .collect();
    // `name [name ...]` breaks after the name only.
    let positionals = rejoin_brackets(positionals);
    let all = [std::slice::from_ref(&spec.prog), &options, &positionals].concat().join(" ");
    if PREFIX.len() + all.chars().count() <= width {
        return format!("{PREFIX}{all}\n");
    }
    let lines = if (PREFIX.len() + spec.prog.chars().count()) * 4 <= width * 3 {
        let indent = PREFIX.len() + spec.prog.chars().count() + 1;
        let with_prog = |parts: &[String]| {
            let parts = [std::slice::from_ref(&spec.prog), parts].concat();
            let mut lines = fill(&parts, indent, PREFIX.len(), width);
            if let Some(first) = lines.first_mut() {
                *first = first.trim_start().to_string();
            }
            lines
        };
        if options.is_empty() {
            with_prog(&positionals)
        } else {
            [with_prog(&options), fill(&positionals, indent, indent, width)].concat()
        }
    } else {
        let indent = PREFIX.len();
        let parts = [options.as_slice(), &positionals].concat();
        let mut lines = fill(&parts, indent, indent, width);
        if lines.len() > 1 {
            lines =
                [fill(&options, indent, indent, width), fill(&positionals, indent, indent, width)].concat();
        }
        lines.insert(0, spec.prog.clone());
        lines
    };
    format!("{PREFIX}{}\n", lines.join("\n"))
}

/// Puts the words of a part in brackets together again.
fn rejoin_brackets(words: Vec<String>) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut open = false;
    for word in words {
        let closes = word.ends_with(']');
        match parts.last_mut().filter(|_| open) {
            Some(part) => {
                part.push(' ');
                part.push_str(&word);
            }
            None => {
                open = word.starts_with('[');
                parts.push(word);
            }
        }
        open &= !closes;
    }
    parts
}

/// Lines of `parts`, each indented; the first one has `used` characters taken already.
fn fill(parts: &[String], indent: usize, used: usize, width: usize) -> Vec<String> {
    let spaces = " ".repeat(indent);
    let mut lines = Vec::new();
    let mut line: Vec<&str> = Vec::new();
    let mut length = used.saturating_sub(1);
    for part in parts {
        let part_length = part.chars().count();
        if length + 1 + part_length > width && !line.is_empty() {
            lines.push(format!("{spaces}{}", line.join(" ")));
            line.clear();
            length = indent.saturating_sub(1);
        }
        line.push(part);
        length += part_length + 1;
    }
    if !line.is_empty() {
        lines.push(format!("{spaces}{}", line.join(" ")));
    }
    lines
}

/// The whole help.
pub(super) fn help(spec: &Spec, columns: usize) -> String {
    let width = columns.saturating_sub(2).max(HELP_COLUMN + 20);
    let mut text = usage(spec, columns);
    text.push('\n');
    for line in wrap(spec.description, width) {
        text.push_str(&line);
        text.push('\n');
    }
    let mut sections: Vec<(&str, Vec<(String, &str)>)> = Vec::new();
    let mut add =
        |heading, left: String, right| match sections.iter_mut().find(|(known, _)| *known == heading) {
            Some((_, rows)) => rows.push((left, right)),
            None => sections.push((heading, vec![(left, right)])),
        };
    let first = spec.options.first().map_or(OPTIONS, |option| option.group);
    for positional in &spec.positionals {
        let heading = if first == OPTIONS { "positional arguments" } else { first };
        add(heading, positional.name.to_string(), positional.help);
    }
    for option in &spec.options {
        let names: Vec<String> = option.names.iter().map(|name| option.spelled(name)).collect();
        add(option.group, names.join(", "), option.help);
    }
    for (heading, rows) in sections {
        text.push_str(&format!("\n{heading}:\n"));
        for (left, right) in rows {
            let mut lines = wrap(right, width - HELP_COLUMN).into_iter();
            let start = format!("  {left}");
            match lines.next() {
                Some(line) if start.chars().count() + 2 <= HELP_COLUMN => {
                    text.push_str(&format!("{start:HELP_COLUMN$}{line}\n"));
                }
                Some(line) => text.push_str(&format!("{start}\n{:HELP_COLUMN$}{line}\n", "")),
                None => text.push_str(&format!("{start}\n")),
            }
            for line in lines {
                text.push_str(&format!("{:HELP_COLUMN$}{line}\n", ""));
            }
        }
    }
    text
}

/// `text` in lines of at most `width` characters, broken at blanks. Line breaks in it stay.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}
