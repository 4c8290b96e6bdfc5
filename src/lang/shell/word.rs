//! Quoting and expansion inside a word: where it ends, what it substitutes, how it reads without quotes.
//!
//! The rules are those of BitBake's scanner, not of POSIX: `$(` ends at the first unquoted `)`, single quotes count
//! inside `${…}` and backquotes, and `$((` is refused.

/// An opened quote or expansion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quote {
    /// `'…'`
    Single,
    /// `"…"`
    Double,
    /// `` `…` ``
    Back,
    /// `$(…)`
    Command,
    /// `${…}`
    Parameter,
}

/// Why a word cannot be read, and where (byte offset).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WordFault {
    /// The quote opened here is never closed.
    Unclosed(Quote, usize),
    /// The text ends with this `$` or backslash.
    Cut(u8, usize),
    /// `$((`
    Arithmetic(usize),
}

/// What happens while a word is read. The offsets are bytes.
pub(super) trait WordSink {
    /// Text that unquoting keeps.
    fn text(&mut self, _from: usize, _to: usize) {}
    /// A backslash and newline: gone before anything else looks at the word.
    fn continuation(&mut self, _at: usize) {}
    /// The inside of a command substitution that stands in the word itself or directly in its double quotes.
    fn substitution(&mut self, _from: usize, _to: usize) {}
}

const IN_DOUBLE: u8 = 1;
const IN_BACK: u8 = 2;
const IN_COMMAND: u8 = 4;
const IN_PARAMETER: u8 = 8;
/// Opens something in a word.
const OPENS: u8 = 16;
/// Not an ordinary character for the lexer outside quotes.
pub(super) const BREAKS: u8 = 32;
const NAME: u8 = 64;
/// A one-character parameter: `$?`, `$1` is a name.
const SPECIAL: u8 = 128;

/// The classes of each byte. Every byte of a multi-byte character is ordinary, so cutting at a classed byte is always
/// at a character's border.
pub(super) static CLASS: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut byte = 0;
    while byte < 256 {
        let class = match byte as u8 {
            b'$' => IN_DOUBLE | IN_BACK | IN_COMMAND | IN_PARAMETER | OPENS | BREAKS | SPECIAL,
            b'\\' | b'`' | b'"' => IN_DOUBLE | IN_BACK | IN_COMMAND | IN_PARAMETER | OPENS | BREAKS,
            b'\'' => IN_BACK | IN_COMMAND | IN_PARAMETER | OPENS | BREAKS,
            b')' => IN_COMMAND | BREAKS,
            b'}' => IN_PARAMETER,
            b'\n' | b' ' | b'\t' | b'&' | b'|' | b';' | b'<' | b'>' | b'(' => BREAKS,
            b'#' => BREAKS | SPECIAL,
            b'@' | b'*' | b'?' | b'-' | b'!' => SPECIAL,
            b'0' => NAME | SPECIAL,
            b'1'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' => NAME,
            _ => 0,
        };
        table[byte] = class;
        byte += 1;
    }
    table
};

/// First byte at or after `from` that belongs to `class`.
#[inline]
pub(super) fn find(bytes: &[u8], from: usize, class: u8) -> Option<usize> {
    bytes.get(from..)?.iter().position(|&byte| CLASS[byte as usize] & class != 0).map(|offset| from + offset)
}

impl Quote {
    /// The bytes that matter inside.
    fn class(self) -> u8 {
        match self {
            Quote::Single => 0,
            Quote::Double => IN_DOUBLE,
            Quote::Back => IN_BACK,
            Quote::Command => IN_COMMAND,
            Quote::Parameter => IN_PARAMETER,
        }
    }

    fn closer(self) -> u8 {
        match self {
            Quote::Single => b'\'',
            Quote::Double => b'"',
            Quote::Back => b'`',
            Quote::Command => b')',
            Quote::Parameter => b'}',
        }
    }

    /// Whether a backslash before `byte` is an escape inside this quote. Otherwise it stands for itself.
    fn escapes(self, byte: u8) -> bool {
        match self {
            Quote::Double => matches!(byte, b'$' | b'\\' | b'`' | b'"'),
            Quote::Back => matches!(byte, b'$' | b'\\' | b'`'),
            Quote::Single => false,
            Quote::Command | Quote::Parameter => true,
        }
    }

    /// Whether unquoting removes the delimiters.
    fn is_removed(self) -> bool {
        matches!(self, Quote::Single | Quote::Double)
    }
}

/// Open quotes with the offset of their first byte. Kept by the caller to reuse its memory.
pub(super) type QuoteStack = Vec<(Quote, usize)>;

/// Reads one quoted or expanding piece that starts at `at` (one of `$ \ ' " `` ` ``) and returns the offset after it.
///
/// Nesting costs memory in `open`, not stack.
pub(super) fn read_quoted<S: WordSink>(
    bytes: &[u8],
    mut at: usize,
    open: &mut QuoteStack,
    sink: &mut S,
) -> Result<usize, WordFault> {
    open.clear();
    loop {
        at = read_opening(bytes, at, open, sink)?;
        // Go on inside the innermost open quote until something opens or the outermost is closed.
        loop {
            let Some(&(quote, opened)) = open.last() else { return Ok(at) };
            let next = find(bytes, at, quote.class()).ok_or(WordFault::Unclosed(quote, opened))?;
            if next > at {
                sink.text(at, next);
            }
            at = next;
            if bytes[at] != quote.closer() {
                break;
            }
            open.pop();
            at += 1;
            if !quote.is_removed() {
                sink.text(next, at);
            }
            let inside = match quote {
                Quote::Command => opened + 2,
                Quote::Back => opened + 1,
                _ => continue,
            };
            if open.is_empty() || (open.len() == 1 && open[0].0 == Quote::Double) {
                sink.substitution(inside, next);
            }
        }
    }
}

/// Reads what begins at `at`: all of it if it is simple (`\x`, `$name`, `'…'`), else its opening, pushed on `open`.
fn read_opening<S: WordSink>(
    bytes: &[u8],
    at: usize,
    open: &mut QuoteStack,
    sink: &mut S,
) -> Result<usize, WordFault> {
    match bytes[at] {
        b'\'' => {
            let inside = at + 1;
            let end = memchr::memchr(b'\'', &bytes[inside..])
                .ok_or(WordFault::Unclosed(Quote::Single, at))?
                + inside;
            sink.text(inside, end);
            Ok(end + 1)
        }
        b'"' => {
            open.push((Quote::Double, at));
            Ok(at + 1)
        }
        b'`' => {
            open.push((Quote::Back, at));
            sink.text(at, at + 1);
            Ok(at + 1)
        }
        b'\\' => {
            let escaped = *bytes.get(at + 1).ok_or(WordFault::Cut(b'\\', at))?;
            let end = at + 1 + character_length(escaped);
            if escaped == b'\n' {
                sink.continuation(at);
            } else if open.last().is_none_or(|(quote, _)| quote.escapes(escaped)) {
                sink.text(at + 1, end);
            } else {
                sink.text(at, end);
            }
            Ok(end)
        }
        // Only `$` is left: the caller stops at nothing else.
        _ => read_dollar(bytes, at, open, sink),
    }
}

fn read_dollar<S: WordSink>(
    bytes: &[u8],
    at: usize,
    open: &mut QuoteStack,
    sink: &mut S,
) -> Result<usize, WordFault> {
    let end = match *bytes.get(at + 1).ok_or(WordFault::Cut(b'$', at))? {
        b'(' => match bytes.get(at + 2) {
            Some(b'(') => return Err(WordFault::Arithmetic(at)),
            _ => {
                open.push((Quote::Command, at));
                at + 2
            }
        },
        b'{' => {
            open.push((Quote::Parameter, at));
            at + 2
        }
        byte if CLASS[byte as usize] & SPECIAL != 0 => at + 2,
        _ => {
            let name = &bytes[at + 1..];
            at + 1 + name.iter().take_while(|&&byte| CLASS[byte as usize] & NAME != 0).count()
        }
    };
    sink.text(at, end);
    Ok(end)
}

/// Reads a whole word, quoted and plain pieces alike.
pub(super) fn read_word<S: WordSink>(
    word: &str,
    open: &mut QuoteStack,
    sink: &mut S,
) -> Result<(), WordFault> {
    let bytes = word.as_bytes();
    let mut at = 0;
    while let Some(next) = find(bytes, at, OPENS) {
        if next > at {
            sink.text(at, next);
        }
        at = read_quoted(bytes, next, open, sink)?;
    }
    if at < bytes.len() {
        sink.text(at, bytes.len());
    }
    Ok(())
}

/// Length in bytes of the UTF-8 character that starts with `lead`.
fn character_length(lead: u8) -> usize {
    match lead {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

/// `word` without its quotes, as the delimiter of a here-document is compared.
pub(super) fn unquote(word: &str, open: &mut QuoteStack) -> Result<String, WordFault> {
    struct Unquote<'s>(&'s str, String);
    impl WordSink for Unquote<'_> {
        fn text(&mut self, from: usize, to: usize) {
            self.1.push_str(self.0.get(from..to).unwrap_or_default());
        }
    }
    let mut sink = Unquote(word, String::with_capacity(word.len()));
    read_word(word, open, &mut sink)?;
    Ok(sink.1)
}

/// The command substitutions of a word and the continuations still in it.
#[derive(Default)]
pub(super) struct Substitutions {
    pub(super) inside: Vec<(usize, usize)>,
    pub(super) continuations: Vec<usize>,
}

impl Substitutions {
    pub(super) fn clear(&mut self) {
        self.inside.clear();
        self.continuations.clear();
    }
}

impl WordSink for Substitutions {
    fn continuation(&mut self, at: usize) {
        self.continuations.push(at);
    }
    fn substitution(&mut self, from: usize, to: usize) {
        self.inside.push((from, to));
    }
}

/// `source[from..to]` without the continuations (offsets in `source`, ascending), or `None` if there are none in it.
pub(super) fn without_continuations(
    source: &str,
    from: usize,
    to: usize,
    continuations: &[usize],
) -> Option<String> {
    let first = continuations.partition_point(|&at| at < from);
    let within = &continuations[first..];
    let within = &within[..within.partition_point(|&at| at < to)];
    if within.is_empty() {
        return None;
    }
    let mut text = String::with_capacity(to - from);
    let mut copied = from;
    for &at in within {
        text.push_str(source.get(copied..at).unwrap_or_default());
        copied = at + 2;
    }
    text.push_str(source.get(copied..to).unwrap_or_default());
    Some(text)
}
