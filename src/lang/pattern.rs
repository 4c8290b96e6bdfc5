//! Regular expressions as metadata writes them: Python's `re` syntax, carried over to the syntax of our engine.
//!
//! BBMASK, BBFILE_PATTERN, PACKAGES_DYNAMIC and ASSUME_PROVIDED are Python regular expressions, and layers use what Python
//! has: OE-core's own PACKAGES_DYNAMIC looks ahead and behind. The two dialects differ in a few places where one would
//! silently match something else (`[[`, `{`, `\Z`, `\<`), so the text is rewritten token by token, never passed through.

use std::fmt::Write as _;

/// A compiled regular expression that answers one question: does it match?
#[derive(Clone, Debug)]
pub struct Pattern {
    source: String,
    regex: fancy_regex::Regex,
}

/// Why a text is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A backslash before a letter that means nothing, or before nothing.
    #[error("bad escape \\{0}")]
    BadEscape(String),
    /// `[` without its `]`.
    #[error("unterminated character set")]
    UnterminatedSet,
    /// A range such as `z-a` or `a-\d`.
    #[error("bad character range {0}")]
    BadRange(String),
    /// `*`, `+`, `?` or `{…}` after nothing that could repeat.
    #[error("nothing to repeat")]
    NothingToRepeat,
    /// Two repeat signs in a row.
    #[error("multiple repeat")]
    MultipleRepeat,
    /// `{3,2}`.
    #[error("min repeat greater than max repeat")]
    BadRepeat,
    /// `(?P<…>` with something that is no name.
    #[error("bad character in group name '{0}'")]
    BadName(String),
    /// `(?` with something unknown behind it.
    #[error("unknown extension (?{0}")]
    UnknownExtension(String),
    /// Whatever else the engine found.
    #[error("{0}")]
    Engine(String),
}

impl Pattern {
    /// A pattern that has to match at the start of the text (`re.match`).
    pub fn matching(source: &str) -> Result<Pattern, PatternError> {
        Pattern::compile(source, true)
    }

    /// A pattern that may match anywhere in the text (`re.search`).
    pub fn searching(source: &str) -> Result<Pattern, PatternError> {
        Pattern::compile(source, false)
    }

    fn compile(source: &str, anchored: bool) -> Result<Pattern, PatternError> {
        let translated = Translator::new(source).run()?;
        let text = if anchored { format!("\\A(?:{translated})") } else { translated };
        let regex =
            fancy_regex::Regex::new(&text).map_err(|error| PatternError::Engine(error.to_string()))?;
        Ok(Pattern { source: source.to_string(), regex })
    }

    /// Whether the pattern matches `text`. A pattern that backtracks beyond all reason (a million steps) does not match.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text).unwrap_or(false)
    }

    /// Replaces the first match by a template (`re.sub` with `count=1`): `\\1` and `\\g<name>` stand for groups. Without a
    /// match the text comes back as it is.
    ///
    /// # Errors
    /// For a backslash in the template before a letter that means nothing, and for a group that does not exist.
    pub fn replace_first(&self, text: &str, template: &str) -> Result<String, PatternError> {
        let Ok(Some(found)) = self.regex.captures(text) else { return Ok(text.to_owned()) };
        let Some(whole) = found.get(0) else { return Ok(text.to_owned()) };
        let mut new = text.get(..whole.start()).unwrap_or_default().to_owned();
        let group = |name: &str| -> Result<&str, PatternError> {
            let known = match name.parse::<usize>() {
                Ok(index) if index < self.regex.captures_len() => found.get(index),
                Err(_) if self.regex.capture_names().flatten().any(|known| known == name) => found.name(name),
                _ => return Err(PatternError::BadName(name.into())),
            };
            Ok(known.map_or("", |part| part.as_str()))
        };
        let mut letters = template.chars().peekable();
        while let Some(letter) = letters.next() {
            if letter != '\\' {
                new.push(letter);
                continue;
            }
            match letters.next() {
                Some('g') if letters.peek() == Some(&'<') => {
                    letters.next();
                    let mut name = String::new();
                    loop {
                        match letters.next() {
                            Some('>') => break,
                            Some(letter) => name.push(letter),
                            None => return Err(PatternError::BadName(name)),
                        }
                    }
                    new.push_str(group(&name)?);
                }
                Some(digit) if digit.is_ascii_digit() && digit != '0' => {
                    let mut name = String::from(digit);
                    if let Some(second) = letters.next_if(char::is_ascii_digit) {
                        name.push(second);
                    }
                    new.push_str(group(&name)?);
                }
                Some('n') => new.push('\n'),
                Some('t') => new.push('\t'),
                Some('r') => new.push('\r'),
                Some(letter) if letter.is_ascii_alphanumeric() => {
                    return Err(PatternError::BadEscape(letter.into()));
                }
                Some('\\') => new.push('\\'),
                Some(other) => new.extend(['\\', other]),
                None => return Err(PatternError::BadEscape(String::new())),
            }
        }
        new.push_str(text.get(whole.end()..).unwrap_or_default());
        Ok(new)
    }

    /// The pattern as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// The text that whatever `source` matches from its start begins with; cheap, and possibly shorter than it could be.
///
/// Comparing it first saves compiling patterns that cannot match anyway.
pub fn literal_start(source: &str) -> String {
    let mut start = String::new();
    if source.contains('|') || source.starts_with("(?") {
        return start;
    }
    let source = source.strip_prefix('^').unwrap_or(source);
    let mut rest = source.chars().peekable();
    while let Some(c) = rest.next() {
        let literal = match c {
            '\\' => rest.next_if(|c| c.is_ascii_punctuation()),
            c if c.is_alphanumeric() || "-_/:,=@%~<>!\"'&".contains(c) => Some(c),
            _ => None,
        };
        let Some(literal) = literal else { break };
        if rest.peek().is_some_and(|next| ['*', '?', '{'].contains(next)) {
            break;
        }
        start.push(literal);
    }
    start
}

/// What the token before the current one allows a repeat sign to do.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    /// Start of an alternative, or a position such as `^`: nothing can be repeated.
    Nothing,
    /// Something that may be repeated.
    Item,
    /// A repeat sign, which only `?` (reluctant) or `+` (possessive) may follow.
    Repeat,
}

/// Walks a Python pattern and writes the same pattern for our engine.
struct Translator<'a> {
    rest: std::iter::Peekable<std::str::CharIndices<'a>>,
    source: &'a str,
    out: String,
    before: Before,
}

impl<'a> Translator<'a> {
    fn new(source: &'a str) -> Self {
        Translator {
            rest: source.char_indices().peekable(),
            source,
            out: String::with_capacity(source.len() + 8),
            before: Before::Nothing,
        }
    }

    fn run(mut self) -> Result<String, PatternError> {
        while let Some((at, c)) = self.rest.next() {
            match c {
                '\\' => self.escape()?,
                '[' => {
                    self.set()?;
                    self.before = Before::Item;
                }
                '(' => self.open_group(at)?,
                '|' => self.push(c, Before::Nothing),
                ')' => self.push(c, Before::Item),
                '^' | '$' => self.push(c, Before::Nothing),
                '*' | '+' | '?' => self.repeat_sign(c)?,
                '{' => match self.counted_repeat(at) {
                    Some((text, length)) => {
                        self.may_repeat()?;
                        self.out.push_str(&text?);
                        self.skip(length);
                        self.before = Before::Repeat;
                    }
                    None => self.literal(c),
                },
                '.' => self.push(c, Before::Item),
                // Kept as they are: in verbose patterns they mean something.
                ' ' | '#' | '\n' | '\t' => self.push(c, Before::Item),
                _ => self.literal(c),
            }
        }
        Ok(self.out)
    }

    fn push(&mut self, c: char, before: Before) {
        self.out.push(c);
        self.before = before;
    }

    fn literal(&mut self, c: char) {
        push_literal(&mut self.out, c);
        self.before = Before::Item;
    }

    fn skip(&mut self, characters: usize) {
        for _ in 0..characters {
            self.rest.next();
        }
    }

    fn may_repeat(&self) -> Result<(), PatternError> {
        match self.before {
            Before::Item => Ok(()),
            Before::Nothing => Err(PatternError::NothingToRepeat),
            Before::Repeat => Err(PatternError::MultipleRepeat),
        }
    }

    fn repeat_sign(&mut self, c: char) -> Result<(), PatternError> {
        self.may_repeat()?;
        self.push(c, Before::Repeat);
        self.repeat_suffix();
        Ok(())
    }

    /// Takes the `?` or `+` that makes the repeat just written reluctant or possessive.
    fn repeat_suffix(&mut self) {
        if let Some((_, c @ ('?' | '+'))) = self.rest.peek().copied() {
            self.rest.next();
            self.out.push(c);
        }
    }

    /// `{m}`, `{m,}`, `{,n}` or `{m,n}` at `at`, with a suffix: its text for our engine, and how many characters follow
    /// the brace. `None` if the brace is an ordinary character.
    fn counted_repeat(&self, at: usize) -> Option<(Result<String, PatternError>, usize)> {
        let body = self.source.get(at + 1..)?;
        let inner = &body[..body.find('}')?];
        let (low, high) = match inner.split_once(',') {
            Some((low, high)) => (low, Some(high)),
            None => (inner, None),
        };
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if !digits(low) || !high.is_none_or(digits) || (low.is_empty() && high.is_none()) {
            return None;
        }
        let low = if low.is_empty() { "0" } else { low };
        let number = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
        if high.is_some_and(|high| !high.is_empty() && number(low) > number(high)) {
            return Some((Err(PatternError::BadRepeat), inner.len() + 1));
        }
        let mut text = match high {
            Some(high) => format!("{{{low},{high}}}"),
            None => format!("{{{low}}}"),
        };
        let mut length = inner.len() + 1;
        if let Some(suffix @ ('?' | '+')) = body[inner.len() + 1..].chars().next() {
            text.push(suffix);
            length += 1;
        }
        Some((Ok(text), length))
    }

    fn open_group(&mut self, at: usize) -> Result<(), PatternError> {
        let tail = self.source.get(at + 1..).unwrap_or("");
        self.before = Before::Nothing;
        let Some(extension) = tail.strip_prefix('?') else {
            self.out.push('(');
            return Ok(());
        };
        for known in [":", "=", "!", "<=", "<!", "P<", ">", "("] {
            if extension.starts_with(known) {
                // A condition `(?(1)…)` and a name `(?P<n>…)` end with text that is no pattern: copy it whole.
                let length = match known {
                    "P<" => extension.find('>').map(|end| end + 1),
                    "(" => extension.find(')').map(|end| end + 1),
                    _ => Some(known.len()),
                };
                let length = length.ok_or_else(|| PatternError::UnknownExtension(extension.to_string()))?;
                let text = &extension[..length];
                if let Some(name) = text.strip_prefix("P<").and_then(|rest| rest.strip_suffix('>'))
                    && (!name.starts_with(|c: char| c.is_alphabetic() || c == '_')
                        || name.contains(|c: char| !c.is_alphanumeric() && c != '_'))
                {
                    return Err(PatternError::BadName(name.to_string()));
                }
                self.out.push_str("(?");
                self.out.push_str(text);
                self.skip(1 + text.chars().count());
                return Ok(());
            }
        }
        if let Some(name) = extension.strip_prefix("P=").and_then(|rest| rest.split_once(')')).map(|(n, _)| n)
        {
            let _ = write!(self.out, "\\k<{name}>");
            self.skip(1 + 2 + name.chars().count() + 1);
            self.before = Before::Item;
            return Ok(());
        }
        if let Some(end) = extension.strip_prefix('#').and_then(|rest| rest.find(')')) {
            self.skip(1 + 1 + extension[1..1 + end].chars().count() + 1);
            return Ok(());
        }
        self.flags(extension)
    }

    /// `(?i)`, `(?i-s:…)` and so on. Python's flags for the kind of text (a, u, L) make no difference to names and paths.
    fn flags(&mut self, extension: &str) -> Result<(), PatternError> {
        let unknown = || PatternError::UnknownExtension(extension.chars().take(1).collect());
        let end = extension.find([')', ':']).ok_or_else(unknown)?;
        let letters = &extension[..end];
        if letters.is_empty() || !letters.bytes().all(|b| b"aiLmsux-".contains(&b)) {
            return Err(unknown());
        }
        let kept: String = letters.chars().filter(|c| !"auL".contains(*c)).collect();
        let closes = extension[end..].starts_with(')');
        match (kept.is_empty(), closes) {
            (true, true) => {}
            (true, false) => self.out.push_str("(?:"),
            (false, _) => {
                let _ = write!(self.out, "(?{kept}{}", if closes { ')' } else { ':' });
            }
        }
        self.skip(1 + end + 1);
        Ok(())
    }

    fn escape(&mut self) -> Result<(), PatternError> {
        let Some((_, c)) = self.rest.next() else { return Err(PatternError::BadEscape(String::new())) };
        match c {
            'A' | 'b' | 'B' => {
                self.out.push('\\');
                self.push(c, Before::Nothing);
            }
            'Z' => {
                self.out.push_str("\\z");
                self.before = Before::Nothing;
            }
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => {
                self.out.push('\\');
                self.push(c, Before::Item);
            }
            '1'..='7' if self.octal_follows() => {
                let literal = self.octal(c)?;
                self.literal(literal);
            }
            '1'..='9' => {
                let mut number = c.to_string();
                if let Some((_, next @ '0'..='9')) = self.rest.peek().copied() {
                    number.push(next);
                    self.rest.next();
                }
                // Braced, because a digit of the text may follow.
                let _ = write!(self.out, "(?:\\{number})");
                self.before = Before::Item;
            }
            _ => {
                let literal = self.escaped_character(c)?;
                self.literal(literal);
            }
        }
        Ok(())
    }

    /// The character that `\c…` stands for, inside or outside a set.
    fn escaped_character(&mut self, c: char) -> Result<char, PatternError> {
        Ok(match c {
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'x' => self.digits(c, 16, 2, 2)?,
            'u' => self.digits(c, 16, 4, 4)?,
            'U' => self.digits(c, 16, 8, 8)?,
            '0' => self.digits(c, 8, 0, 2)?,
            c if c.is_ascii_alphanumeric() => return Err(PatternError::BadEscape(c.to_string())),
            c => c,
        })
    }

    /// Whether two more octal digits follow: `\101` is a character, `\10` the tenth group.
    fn octal_follows(&self) -> bool {
        let mut next = self.rest.clone().map(|(_, c)| c.is_digit(8));
        next.next() == Some(true) && next.next() == Some(true)
    }

    /// The character of three octal digits, the first of which is taken.
    fn octal(&mut self, first: char) -> Result<char, PatternError> {
        let low = u32::from(self.digits(first, 8, 2, 2)?);
        match first.to_digit(8).map(|high| high * 64 + low) {
            Some(value) if value < 256 => Ok(char::from_u32(value).unwrap_or_default()),
            _ => Err(PatternError::BadEscape(first.to_string())),
        }
    }

    /// A character written as a number of `least` to `most` digits.
    fn digits(&mut self, c: char, radix: u32, least: usize, most: usize) -> Result<char, PatternError> {
        let mut value = 0;
        let mut count = 0;
        while count < most {
            let Some(digit) = self.rest.peek().and_then(|(_, c)| c.to_digit(radix)) else { break };
            value = value * radix + digit;
            count += 1;
            self.rest.next();
        }
        if count < least {
            return Err(PatternError::BadEscape(c.to_string()));
        }
        char::from_u32(value).ok_or_else(|| PatternError::BadEscape(c.to_string()))
    }

    /// A set in brackets, whose opening one is taken already.
    fn set(&mut self) -> Result<(), PatternError> {
        self.out.push('[');
        if self.rest.next_if(|(_, c)| *c == '^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        while let Some(low) = self.set_item(first)? {
            first = false;
            if self.rest.next_if(|(_, c)| *c == '-').is_none() {
                low.write(&mut self.out);
                continue;
            }
            match (self.set_item(false)?, low) {
                (None, low) => {
                    low.write(&mut self.out);
                    push_literal(&mut self.out, '-');
                    break;
                }
                (Some(SetItem::One(high)), SetItem::One(low)) if low <= high => {
                    push_literal(&mut self.out, low);
                    self.out.push('-');
                    push_literal(&mut self.out, high);
                }
                (Some(high), low) => {
                    let mut range = String::new();
                    low.write(&mut range);
                    range.push('-');
                    high.write(&mut range);
                    return Err(PatternError::BadRange(range));
                }
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// The next member of a set, `None` at its closing bracket (which is an ordinary member in first place).
    fn set_item(&mut self, first: bool) -> Result<Option<SetItem>, PatternError> {
        let Some((_, c)) = self.rest.next() else { return Err(PatternError::UnterminatedSet) };
        match c {
            ']' if !first => Ok(None),
            '\\' => {
                let Some((_, c)) = self.rest.next() else { return Err(PatternError::UnterminatedSet) };
                match c {
                    'd' | 'D' | 's' | 'S' | 'w' | 'W' => Ok(Some(SetItem::Class(c))),
                    'b' => Ok(Some(SetItem::One('\x08'))),
                    '1'..='7' => self.octal(c).map(|c| Some(SetItem::One(c))),
                    _ => self.escaped_character(c).map(|c| Some(SetItem::One(c))),
                }
            }
            c => Ok(Some(SetItem::One(c))),
        }
    }
}

/// A member of a set.
enum SetItem {
    One(char),
    Class(char),
}

impl SetItem {
    fn write(&self, out: &mut String) {
        match self {
            SetItem::One(c) => push_literal(out, *c),
            SetItem::Class(c) => {
                out.push('\\');
                out.push(*c);
            }
        }
    }
}

/// Writes `c` so that it stands for itself, inside and outside sets.
fn push_literal(out: &mut String, c: char) {
    if c.is_ascii_alphanumeric() || c == '_' || c == '/' || !c.is_ascii() {
        out.push(c);
    } else {
        let _ = write!(out, "\\x{{{:x}}}", u32::from(c));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of Python 3.11's `re` for patterns chosen to show the differences between the dialects:
    /// pattern, text, match and search as 0, 1, or `-` for "no regular expression".
    #[test]
    fn answers_are_pythons() {
        let table = include_str!("../../tests/data/python-re.tsv");
        let mut rows = 0;
        let mut wrong = Vec::new();
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [pattern, text, matches, searches] = fields[..] else { panic!("bad row {line:?}") };
            let answer = |pattern: Result<Pattern, PatternError>| match pattern {
                Ok(pattern) if pattern.is_match(text) => "1",
                Ok(_) => "0",
                Err(_) => "-",
            };
            let ours = (answer(Pattern::matching(pattern)), answer(Pattern::searching(pattern)));
            if ours != (matches, searches) {
                wrong.push(format!("{line:?} {ours:?}"));
            }
            rows += 1;
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(rows > 300, "only {rows} rows");
    }

    #[test]
    fn literal_starts() {
        for (pattern, start) in [
            ("^recipe-1-locale-.*", "recipe-1-locale-"),
            ("^libstdc\\+\\+-dev", "libstdc++-dev"),
            ("ab*", "a"),
            ("ab+", "ab"),
            ("a{2}", ""),
            ("^a|b", ""),
            ("(?i)a", ""),
            ("a.b", "a"),
            ("a\\db", "a"),
            ("", ""),
        ] {
            assert_eq!(literal_start(pattern), start, "{pattern}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        for (pattern, error) in [
            ("[", "unterminated character set"),
            ("a**", "multiple repeat"),
            ("*a", "nothing to repeat"),
            ("[z-a]", "bad character range z-a"),
            ("\\q", "bad escape \\q"),
        ] {
            assert_eq!(Pattern::searching(pattern).unwrap_err().to_string(), error);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(pattern in "[\\[\\](){}?*+|^$\\\\a-z0-9,<>=!:#P-]{0,16}", text in ".{0,8}") {
            if let Ok(pattern) = Pattern::searching(&pattern) {
                pattern.is_match(&text);
            }
        }

        #[test]
        fn what_matches_has_the_literal_start(pattern in "\\^?[ab\\\\+]{0,3}[*?+]?[ab(|)]{0,3}", text in "[ab+]{0,5}") {
            if Pattern::matching(&pattern).is_ok_and(|compiled| compiled.is_match(&text)) {
                proptest::prop_assert!(text.starts_with(&literal_start(&pattern)));
            }
        }
    }
}
