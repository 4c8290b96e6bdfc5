//! The texts in which BitBake shows where its grammar gave up.

use std::fmt::Write;

use super::token::Tokens;

/// The token at `at` and up to five after it.
pub(super) fn unexpected_token(source: &str, tokens: &Tokens, at: usize) -> String {
    let mut out = String::new();
    write_token(&mut out, source, tokens, at);
    out.push_str("\nfollowed by:\n");
    for next in at + 1..tokens.list.len().min(at + 6) {
        out.push_str("  ");
        write_token(&mut out, source, tokens, next);
        out.push('\n');
    }
    out
}

fn write_token(out: &mut String, source: &str, tokens: &Tokens, index: usize) {
    let _ = write!(out, "LexToken({},", tokens.kind(index).reference_name());
    python_repr(out, tokens.text_at(source, index));
    out.push_str(",0,0)");
}

/// `repr()` of a Python string.
fn python_repr(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character == quote => {
                out.push('\\');
                out.push(quote);
            }
            ' '..='~' => out.push(character),
            _ => {
                let code = u32::from(character);
                let _ = match code {
                    0..0xa1 | 0xad => write!(out, "\\x{code:02x}"),
                    _ if !is_printable(character) && code < 0x1_0000 => write!(out, "\\u{code:04x}"),
                    _ if !is_printable(character) => write!(out, "\\U{code:08x}"),
                    _ => write!(out, "{character}"),
                };
            }
        }
    }
    out.push(quote);
}

/// Close to Python's `str.isprintable`. As the second character, because Rust escapes a combining one only at the start.
fn is_printable(character: char) -> bool {
    format!("a{character}").escape_debug().count() == 2
}
