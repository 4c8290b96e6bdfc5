//! Turns refusals into sentences: what is wrong, where, and what to write instead.
//!
//! Everything here runs only after something failed. What the grammar refuses is explained in `unexpected`.

use super::error::Fault;
use super::word::{Quote, WordFault};

pub(super) const FOR_WITHOUT_IN: &str = "`for` without `in` cannot be scanned; write for NAME in \"$@\"; do";

/// A word that the text ends in, or an expansion that the grammar lacks.
#[cold]
pub(super) fn unfinished_word(fault: WordFault) -> Box<Fault> {
    match fault {
        WordFault::Arithmetic(at) => arithmetic(at),
        WordFault::Cut(byte, at) => {
            let what = if byte == b'$' { "`$`" } else { "a backslash" };
            Fault::need_more(at, format!("the text ends with {what}; quote it or remove it"))
        }
        WordFault::Unclosed(quote, at) => Fault::need_more(
            at,
            match quote {
                Quote::Single => "this single quote is never closed; add the closing `'`",
                Quote::Double => "this double quote is never closed; add the closing `\"`",
                Quote::Back => "this backquote is never closed; add the closing one, or write $(command)",
                Quote::Command => "this `$(` is never closed; add the closing `)`",
                Quote::Parameter => "this `${` is never closed; add the closing `}`",
            },
        ),
    }
}

/// A finished word that cannot be read when its expansions are looked at. The fault's offset counts from the word's
/// start; `start` is where the word stands.
#[cold]
pub(super) fn invalid_word(fault: WordFault, start: usize, word: &str) -> Box<Fault> {
    match fault {
        WordFault::Arithmetic(at) => arithmetic(start + at),
        WordFault::Cut(_, at) | WordFault::Unclosed(_, at) => Fault::syntax(
            start + at,
            format!("the word {} ends in an unfinished `$`; write `\\$` for a dollar sign", quoted(word)),
            // Not filled in by BitBake either.
            "Invalid token \"%s\"",
        ),
    }
}

fn arithmetic(at: usize) -> Box<Fault> {
    Fault::not_implemented(
        at,
        "arithmetic `$((…))` cannot be scanned; write $(expr 1 + 2), or put a space between the parentheses \
         if a subshell is meant",
        "$((",
    )
}

#[cold]
pub(super) fn comment_without_newline(at: usize) -> Box<Fault> {
    Fault::need_more(at, "a comment must not be the end of the text; put a newline after it")
}

#[cold]
pub(super) fn here_document_missing(operator: usize) -> Box<Fault> {
    Fault::syntax(
        operator,
        "the text ends before this here-document begins; put its lines and its delimiter after this line",
        "missing here-document delimiter",
    )
}

/// The line with the operator is the last of the text.
#[cold]
pub(super) fn here_document_cut(operator: usize) -> Box<Fault> {
    Fault::syntax(
        operator,
        "the text ends where this here-document begins; put its lines and its delimiter after this line",
        // BitBake stumbles over this case.
        "cannot access local variable 'input' where it is not associated with a value",
    )
}

#[cold]
pub(super) fn here_document_empty_name(operator: usize) -> Box<Fault> {
    Fault::syntax(
        operator,
        "a here-document needs a delimiter that is not empty; write for example <<EOF",
        "invalid here document delimiter ",
    )
}

/// `found` stands at `at`, where the delimiter of a here-document belongs.
#[cold]
pub(super) fn here_document_name(source: &str, at: usize, found: &str) -> Box<Fault> {
    let here_string = found.starts_with('<') && source.get(..at).is_some_and(|before| before.ends_with("<<"));
    let message = if here_string {
        "here-strings `<<<` are not POSIX sh; write printf '%s\\n' \"text\" | command, or use a here-document"
            .to_owned()
    } else {
        format!("`<<` needs a delimiter word after it, but {} follows", quoted(found))
    };
    Fault::syntax(at, message, format!("expecting here-document name, got '{found}'"))
}

#[cold]
pub(super) fn background_last(at: usize) -> Box<Fault> {
    Fault::not_implemented(
        at,
        "`&` cannot end the last command inside a compound command; put a command such as `wait` or `:` after it",
        "",
    )
}

#[cold]
pub(super) fn for_without_in(at: usize) -> Box<Fault> {
    Fault::not_implemented(at, FOR_WITHOUT_IN, "\"in\" omission is not implemented")
}

#[cold]
pub(super) fn function_redirect(at: usize) -> Box<Fault> {
    Fault::not_implemented(
        at,
        "a redirection of a whole function cannot be scanned; put it on the commands inside or on the calls",
        "functions redirections lists are not implemented",
    )
}

/// A token as messages show it: short, on one line, in backquotes.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut shown = String::from("`");
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST {
            shown.push('…');
            break;
        }
        match character {
            '\n' if text.len() == 1 => return "the end of the line".into(),
            control if control.is_control() => shown.extend(control.escape_default()),
            plain => shown.push(plain),
        }
    }
    shown.push('`');
    shown
}
