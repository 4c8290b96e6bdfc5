//! Finding `${NAME}` and `${@code}` in a text.
//!
//! BitBake looks for the two forms separately and so do we: names are replaced first, in the whole text, and only then
//! is the result searched for Python. The searches accept exactly what BitBake's two patterns accept (BitBake manual,
//! section "Variable Expansion"), including where the shortest match ends when braces are nested or unbalanced.

use std::ops::Range;

use memchr::{memchr, memchr2, memrchr};

/// A stretch of a text: either literal, or one reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Literal text, never empty.
    Text(&'a str),
    /// The name between `${` and `}`.
    Var(&'a str),
    /// The code between `${@` and `}`, blanks included.
    Python(&'a str),
}

/// Whether `byte` may stand in a variable's name inside `${…}`.
pub const fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'+' | b'.' | b'/' | b'~' | b':')
}

/// All `${NAME}` in `text`: the byte range of the whole reference, and the name.
pub fn find_vars(text: &str) -> Vars<'_> {
    Vars { text, at: 0 }
}

/// All `${@code}` in `text`: the byte range of the whole reference, and the code as written.
pub fn find_python(text: &str) -> Pythons<'_> {
    Pythons { text, at: 0 }
}

/// Whether `text` has at least one `${NAME}`. An expression for which this holds is not evaluated yet.
pub fn has_var(text: &str) -> bool {
    find_vars(text).next().is_some()
}

/// `text` cut into literal text and `${NAME}`.
pub fn var_pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    Pieces { text, at: 0, found: find_vars(text), held: None, wrap: Piece::Var }
}

/// `text` cut into literal text and `${@code}`.
pub fn python_pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    Pieces { text, at: 0, found: find_python(text), held: None, wrap: Piece::Python }
}

/// The first `${` at or after `from`.
fn find_opening(bytes: &[u8], mut from: usize) -> Option<usize> {
    while let Some(found) = memchr(b'$', bytes.get(from..)?) {
        let dollar = from + found;
        if bytes.get(dollar + 1) == Some(&b'{') {
            return Some(dollar);
        }
        from = dollar + 1;
    }
    None
}

/// Iterator of [`find_vars`].
#[derive(Debug, Clone)]
pub struct Vars<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Vars<'a> {
    type Item = (Range<usize>, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        while let Some(start) = find_opening(bytes, self.at) {
            let name = start + 2;
            let end = bytes[name..].iter().position(|&b| !is_name_byte(b)).map_or(bytes.len(), |n| name + n);
            // No name byte is a `$`, so the search goes on behind what was read.
            self.at = end;
            if end > name && bytes.get(end) == Some(&b'}') {
                self.at = end + 1;
                return Some((start..end + 1, &self.text[name..end]));
            }
        }
        self.at = bytes.len();
        None
    }
}

/// Iterator of [`find_python`].
#[derive(Debug, Clone)]
pub struct Pythons<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Pythons<'a> {
    type Item = (Range<usize>, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        while let Some(start) = find_opening(bytes, self.at) {
            self.at = start + 2;
            if bytes.get(start + 2) != Some(&b'@') {
                continue;
            }
            let code = start + 3;
            if let Some(end) = python_end(bytes, code) {
                self.at = end + 1;
                return Some((start..end + 1, &self.text[code..end]));
            }
        }
        self.at = bytes.len();
        None
    }
}

/// The offset of the `}` that ends the code starting at `code`.
///
/// The pattern is "one or more of (`{`, anything, `}`) or (any character), as few as possible, then `}`", none of it
/// across a newline. Any tail of the line that still has a `}` can match, and a tail without one cannot; that
/// turns the pattern's backtracking into the question whether a `}` is the last one of its line.
fn python_end(bytes: &[u8], code: usize) -> Option<usize> {
    let rest = bytes.get(code..)?;
    let line = &rest[..memchr(b'\n', rest).unwrap_or(rest.len())];
    let last = memrchr(b'}', line)?;
    // The first element is mandatory: a `}` there is a character of the code.
    let mut at = if line[0] == b'{' { 0 } else { 1 };
    loop {
        let special = at + memchr2(b'{', b'}', line.get(at..)?)?;
        if line[special] == b'}' {
            return Some(code + special);
        }
        let close = special + memchr(b'}', &line[special..])?;
        if close == last {
            // The group would swallow the only `}` left, so its `{` counts as a character, and so do all behind it.
            // A lone mandatory first element is satisfied by that `{`.
            return Some(code + last);
        }
        at = close + 1;
    }
}

struct Pieces<'a, I> {
    text: &'a str,
    at: usize,
    found: I,
    held: Option<Piece<'a>>,
    wrap: fn(&'a str) -> Piece<'a>,
}

impl<'a, I: Iterator<Item = (Range<usize>, &'a str)>> Iterator for Pieces<'a, I> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if let Some(piece) = self.held.take() {
            return Some(piece);
        }
        let (range, inner) = match self.found.next() {
            Some((range, inner)) => (range, Some(inner)),
            None => (self.text.len()..self.text.len(), None),
        };
        let before = &self.text[self.at..range.start];
        self.at = range.end;
        let reference = inner.map(self.wrap);
        if before.is_empty() {
            return reference;
        }
        self.held = reference;
        Some(Piece::Text(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges<'a>(found: impl Iterator<Item = (Range<usize>, &'a str)>) -> Vec<(usize, usize)> {
        found.map(|(range, _)| (range.start, range.end)).collect()
    }

    /// Texts with the matches that Python's `re` reports for BitBake's two patterns, as byte ranges.
    #[test]
    fn agrees_with_pythons_regular_expressions() {
        type Row = (String, Vec<(usize, usize)>, Vec<(usize, usize)>);
        for line in include_str!("../../tests/data/python/references.jsonl").lines() {
            let (text, vars, pythons): Row = serde_json::from_str(line).unwrap();
            assert_eq!(ranges(find_vars(&text)), vars, "names in {text:?}");
            assert_eq!(ranges(find_python(&text)), pythons, "code in {text:?}");
        }
    }

    #[test]
    fn gives_the_inner_text() {
        let found: Vec<_> = find_vars("a ${B} ${C:d-e}").map(|(_, name)| name).collect();
        assert_eq!(found, ["B", "C:d-e"]);
        let found: Vec<_> = find_python("${@ {'a': 1}['a'] } ${@x}").map(|(_, code)| code).collect();
        assert_eq!(found, [" {'a': 1}['a'] ", "x"]);
    }

    #[test]
    fn cuts_into_pieces() {
        use Piece::{Python, Text, Var};
        let pieces: Vec<_> = var_pieces("${A}b${@c}${D}").collect();
        assert_eq!(pieces, [Var("A"), Text("b${@c}"), Var("D")]);
        let pieces: Vec<_> = python_pieces("x${@c}${@d}${E}").collect();
        assert_eq!(pieces, [Text("x"), Python("c"), Python("d"), Text("${E}")]);
        assert_eq!(var_pieces("").count(), 0);
    }

    proptest! {
        #[test]
        fn pieces_join_to_the_text(text in "(\\$\\{@|\\$\\{|[${}@a:é\\n])*") {
            let joined: String = var_pieces(&text).map(|piece| match piece {
                Piece::Text(t) => t.to_owned(),
                Piece::Var(name) => format!("${{{name}}}"),
                Piece::Python(_) => unreachable!("not asked for"),
            }).collect();
            prop_assert_eq!(&joined, &text);
            let joined: String = python_pieces(&text).map(|piece| match piece {
                Piece::Text(t) => t.to_owned(),
                Piece::Python(code) => format!("${{@{code}}}"),
                Piece::Var(_) => unreachable!("not asked for"),
            }).collect();
            prop_assert_eq!(&joined, &text);
        }
    }
}
