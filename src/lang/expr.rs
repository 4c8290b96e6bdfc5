//! The syntax of expansions: where `${NAME}` and `${@ python }` stand in a text.
//!
//! BitBake finds both with regular expressions (BitBake manual, section "Basic Syntax"); what those accept decides task hashes,
//! so the finders below reproduce them exactly, in linear time.

use std::ops::Range;

/// True for the bytes a `${NAME}` reference may be made of.
pub fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'.' | b'/' | b'~' | b':')
}

/// The `${NAME}` references of a text, in order.
pub fn find_vars(text: &str) -> Vars<'_> {
    Vars { text, at: 0 }
}

/// Iterator of [`find_vars`]: the range of the whole reference and the name in it.
pub struct Vars<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Vars<'a> {
    type Item = (Range<usize>, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        while let Some(found) = memchr::memmem::find(&bytes[self.at..], b"${") {
            let start = self.at + found;
            let name = start + 2;
            let end = name + bytes[name..].iter().take_while(|b| is_name_byte(**b)).count();
            if end > name && bytes.get(end) == Some(&b'}') {
                self.at = end + 1;
                return Some((start..end + 1, &self.text[name..end]));
            }
            self.at = start + 2;
        }
        self.at = bytes.len();
        None
    }
}

/// The `${@ python }` expressions of a text, in order.
pub fn find_python(text: &str) -> Pythons<'_> {
    Pythons { text, at: 0 }
}

/// Iterator of [`find_python`]: the range of the whole expression and the code in it.
pub struct Pythons<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Pythons<'a> {
    type Item = (Range<usize>, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(found) = memchr::memmem::find(&self.text.as_bytes()[self.at..], b"${@") {
            let start = self.at + found;
            if let Some(close) = python_end(self.text, start + 3) {
                self.at = close + 1;
                return Some((start..close + 1, &self.text[start + 3..close]));
            }
            self.at = start + 3;
        }
        self.at = self.text.len();
        None
    }
}

/// Where the closing brace of the expression whose code starts at `code` stands.
///
/// The expression ends at the first `}` that isn't the end of a `{…}` pair (one level deep), holds at least one character and no
/// newline. A `{` whose `}` is the last one of the line counts as an ordinary character.
fn python_end(text: &str, code: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let line = memchr::memchr(b'\n', &bytes[code..]).map_or(bytes.len(), |n| code + n);
    let last = code + memchr::memrchr(b'}', &bytes[code..line])?;
    if last == code {
        return None;
    }
    let mut at = code;
    let mut first = true;
    while at <= last {
        match bytes[at] {
            b'}' if !first => return Some(at),
            b'{' => {
                let pair = at + 1 + memchr::memchr(b'}', &bytes[at + 1..=last])?;
                at = if pair < last { pair + 1 } else { at + 1 };
            }
            _ => at += 1,
        }
        first = false;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(text: &str) -> Vec<&str> {
        find_vars(text).map(|(_, name)| name).collect()
    }

    fn pythons(text: &str) -> Vec<&str> {
        find_python(text).map(|(_, code)| code).collect()
    }

    #[test]
    fn names() {
        assert_eq!(vars("${A} ${a@b} ${A B} ${} $A $$ ${A:-x} ${A-x} ${#A}"), ["A", "A:-x", "A-x"]);
        assert_eq!(vars("${${A}}"), ["A"]);
        assert_eq!(vars("${A${X}}"), ["X"]);
    }

    #[test]
    fn expressions() {
        assert_eq!(pythons("${@{'a':1}['a']} ${@'}'}"), ["{'a':1}['a']", "'"]);
        assert_eq!(pythons("${@ {1:{2:3}}[1][2] }"), [" {1:{2:3}"]);
        assert_eq!(pythons("${@{a}"), ["{a"]);
        assert_eq!(pythons("${@}} ${@}"), ["}"]);
        assert_eq!(pythons("${@a\n} ${@b}"), ["b"]);
    }
}
