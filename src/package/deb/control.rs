//! Control files: stanzas of fields, as `Packages`, `Sources`, `Release` and `.dsc` have them (deb822(5)).

use std::fmt;

/// One stanza. Fields are found without regard to case, and values are slices of the text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stanza<'a> {
    text: &'a str,
    line: usize,
}

/// A flaw in a control file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ControlError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Debug for Stanza<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl<'a> Stanza<'a> {
    /// The only stanza of a text.
    ///
    /// # Errors
    /// If there is none, another one, or a flaw.
    pub fn only(text: &'a str) -> Result<Self, ControlError> {
        let mut all = stanzas(text);
        let stanza =
            all.next().ok_or_else(|| ControlError { line: 1, message: "there is no stanza".into() })?;
        match all.next() {
            Some(second) => {
                Err(ControlError { line: second.line, message: "there is a second stanza".into() })
            }
            None => stanza.check().map(|()| stanza),
        }
    }

    /// The line it begins on, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The fields in their order. A value is trimmed; its further lines keep their leading blanks. Lines that are no
    /// field are passed over: [`Stanza::check`] finds them.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut rest = self.text;
        std::iter::from_fn(move || {
            loop {
                if rest.is_empty() {
                    return None;
                }
                let end = field_end(rest);
                let (field, after) = rest.split_at(end);
                rest = after;
                if let Some((name, value)) = field.split_once(':')
                    && is_name(name)
                {
                    return Some((name, value.trim()));
                }
            }
        })
    }

    /// A field's value.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.fields().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The lines of a field's value without the first, trimmed: how checksums and files are listed.
    pub fn lines(&self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let value = self.get(name).unwrap_or_default();
        value.lines().map(str::trim).filter(|line| !line.is_empty())
    }

    /// Whether every line belongs to a field and no field comes twice: two readers could choose differently.
    ///
    /// # Errors
    /// The first flaw.
    pub fn check(&self) -> Result<(), ControlError> {
        let mut names: Vec<&str> = Vec::new();
        for (index, line) in self.text.lines().enumerate() {
            let flaw = |message: String| Err(ControlError { line: self.line + index, message });
            if line.starts_with('#') {
                continue;
            }
            if line.starts_with([' ', '\t']) {
                if names.is_empty() {
                    return flaw("a continued line before the first field".into());
                }
                continue;
            }
            match line.split_once(':') {
                Some((name, _)) if is_name(name) => {
                    if names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                        return flaw(format!("the field {name} comes twice"));
                    }
                    names.push(name);
                }
                _ => return flaw("neither a field nor a continued line".into()),
            }
        }
        Ok(())
    }
}

/// Printable ASCII without blanks and colon, not beginning with `-` or `#`.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(['-', '#']) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Where the field that begins `text` ends: before the first line that does not begin with a blank.
fn field_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'\n', bytes)
        .find(|&at| !matches!(bytes.get(at + 1), Some(b' ' | b'\t')))
        .map_or(text.len(), |at| at + 1)
}

/// The stanzas of a text; lines with nothing but blanks are between them.
pub fn stanzas(text: &str) -> impl Iterator<Item = Stanza<'_>> {
    let (mut rest, mut line) = (text, 1);
    std::iter::from_fn(move || {
        let (mut start, mut length, mut first, mut lines) = (None, 0, line, 0);
        for piece in rest.split_inclusive('\n') {
            let blank = piece.trim_matches([' ', '\t', '\r', '\n']).is_empty();
            match (start, blank) {
                (Some(_), true) => break,
                (None, false) => {
                    start = Some(length);
                    first = line + lines;
                }
                _ => {}
            }
            length += piece.len();
            lines += 1;
        }
        let (head, tail) = rest.split_at(length);
        rest = tail;
        line += lines;
        Some(Stanza { text: head.get(start?..)?, line: first })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "\n \nPackage: a\nDescription: one\n two\n .\n\tthree\n# remark\nx-y:z:w\n\n\t\nPackage: b\nEmpty:\n";

    #[test]
    fn fields_and_stanzas() {
        let all: Vec<_> = stanzas(TEXT).collect();
        let fields: Vec<_> = all.iter().map(|stanza| stanza.fields().collect::<Vec<_>>()).collect();
        assert_eq!(
            fields,
            [
                vec![("Package", "a"), ("Description", "one\n two\n .\n\tthree"), ("x-y", "z:w")],
                vec![("Package", "b"), ("Empty", "")],
            ]
        );
        assert_eq!(all[0].get("X-Y"), Some("z:w"));
        assert_eq!(all[0].lines("description").collect::<Vec<_>>(), ["one", "two", ".", "three"]);
        assert_eq!((all[1].line, all[1].get("Package2")), (12, None));
        assert!(all.iter().all(|stanza| stanza.check().is_ok()));
    }

    #[test]
    fn flaws_are_told_with_their_line() {
        for (text, line, message) in [
            ("A: 1\nB: 2\na: 3\n", 3, "the field a comes twice"),
            (" A: 1\n", 1, "a continued line before the first field"),
            ("A: 1\nnonsense\n", 2, "neither a field nor a continued line"),
            ("A: 1\n-B: 1\n", 2, "neither a field nor a continued line"),
            ("A: 1\n\nB: 2\n", 3, "there is a second stanza"),
            ("\n\n", 1, "there is no stanza"),
        ] {
            assert_eq!(Stanza::only(text), Err(ControlError { line, message: message.into() }), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text(text in "(\\PC|\n|\t){0,200}") {
            let mut length = 0;
            for stanza in stanzas(&text) {
                let _ = (stanza.check(), stanza.get("a"));
                length += stanza.text.len();
            }
            proptest::prop_assert!(length <= text.len());
        }
    }
}
