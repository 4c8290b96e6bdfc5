//! What CPython's tokenizer rejects before its grammar is asked: indentation, brackets, unfinished strings.
//!
//! The Ruff parser is more lenient about tabs and gives other words, and it nests without a limit. This pass over the
//! text runs first; it finds CPython's tokenizer errors with CPython's messages and bounds the nesting, so that
//! dropping the tree, which recurses, cannot exhaust the stack.

/// CPython refuses more open brackets than this.
const MAX_BRACKETS: usize = 200;
/// CPython refuses more indentation levels than this.
const MAX_INDENTS: usize = 100;
/// CPython refuses more f-strings inside each other than this.
const MAX_FSTRINGS: usize = 150;
/// Operators that may stand in one undivided expression. CPython gives up at 3000 levels; this counts operators, of
/// which a level can have several. A level costs 64 bytes of stack when the tree is dropped.
const MAX_CHAIN: u32 = 8000;

/// An error of the tokenizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenError {
    /// Byte offset of the place that CPython reports.
    pub offset: usize,
    pub kind: TokenErrorKind,
}

impl TokenErrorKind {
    /// Whether CPython reports an earlier error of its grammar instead of this one.
    pub fn yields_to_grammar(&self) -> bool {
        use TokenErrorKind::{BadDedent, Continuation, EndOfText, InconsistentTabs, TooManyIndents};
        matches!(self, BadDedent | Continuation | EndOfText | InconsistentTabs | TooManyIndents)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenErrorKind {
    UnterminatedString {
        triple: bool,
        formatted: bool,
        /// Byte offset at which the end of the line or text was met.
        detected: usize,
    },
    Unmatched(char),
    Mismatch {
        close: char,
        open: char,
        opened: usize,
    },
    TooManyBrackets,
    TooManyFStrings,
    SingleBrace,
    UnfinishedReplacement,
    Continuation,
    EndOfText,
    InconsistentTabs,
    TooManyIndents,
    BadDedent,
    NullByte,
    InvalidCharacter(char),
    BadNumber,
    TooDeep,
}

/// A bracket that is still open at the end of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclosed {
    pub offset: usize,
    pub open: char,
}

/// Checks `source` and returns the innermost bracket that is never closed, if any.
pub(super) fn check(source: &str) -> Result<Option<Unclosed>, TokenError> {
    if let Some(offset) = memchr::memchr(0, source.as_bytes()) {
        return Err(TokenError { offset, kind: TokenErrorKind::NullByte });
    }
    if source.starts_with('\u{feff}') {
        return Err(TokenError { offset: 0, kind: TokenErrorKind::InvalidCharacter('\u{feff}') });
    }
    let mut tokenizer = Tokenizer::new(source);
    if let Err(error) = tokenizer.run() {
        return Err(tokenizer.suspect.unwrap_or(error));
    }
    Ok(tokenizer.brackets.last().map(|b| Unclosed { offset: b.offset, open: b.open as char }))
}

struct Bracket {
    open: u8,
    offset: usize,
    chain: u32,
}

struct FString {
    quote: u8,
    triple: bool,
    raw: bool,
    start: usize,
    /// Number of open brackets while in the literal part.
    depth: usize,
    /// Numbers of open brackets that mean "in a format specification".
    specs: Vec<usize>,
}

#[derive(Clone, Copy)]
struct Indent {
    /// Column with tabs to eight.
    column: u32,
    /// Column with tabs counting one.
    narrow: u32,
}

struct Tokenizer<'a> {
    source: &'a str,
    bytes: &'a [u8],
    at: usize,
    brackets: Vec<Bracket>,
    fstrings: Vec<FString>,
    indents: Vec<Indent>,
    /// Operators since the last comma or statement start, here and in the enclosing brackets.
    chain: u32,
    /// Something that looks wrong. It is for the parser to judge, but when there is a later error, this one comes first.
    suspect: Option<TokenError>,
}

impl<'a> Tokenizer<'a> {
    fn new(source: &'a str) -> Self {
        let bytes = source.as_bytes();
        let indents = vec![Indent { column: 0, narrow: 0 }];
        let (brackets, fstrings) = (Vec::new(), Vec::new());
        Tokenizer { source, bytes, at: 0, brackets, fstrings, indents, chain: 0, suspect: None }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn fail<T>(&self, offset: usize, kind: TokenErrorKind) -> Result<T, TokenError> {
        Err(TokenError { offset, kind })
    }

    fn run(&mut self) -> Result<(), TokenError> {
        self.line_start()?;
        loop {
            if self.in_literal_part() {
                self.fstring_literal()?;
                continue;
            }
            let Some(byte) = self.peek(0) else { break };
            match byte {
                b' ' | b'\t' | b'\x0c' => self.at += 1,
                b'\n' | b'\r' => {
                    self.newline();
                    if self.brackets.is_empty() {
                        self.divide();
                        self.line_start()?;
                    }
                }
                b'#' => self.skip_comment(),
                b'\\' => self.continuation()?,
                b'"' | b'\'' => self.string(self.at, false, false)?,
                b'0'..=b'9' => self.number(),
                b'(' | b'[' | b'{' => self.open(byte)?,
                b')' | b']' | b'}' => self.close(byte)?,
                b',' | b';' => {
                    self.at += 1;
                    self.divide();
                }
                b':' => self.colon(),
                b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => self.name()?,
                _ => self.operator()?,
            }
        }
        match self.fstrings.last() {
            Some(f) => self.fail(f.start, TokenErrorKind::UnfinishedReplacement),
            None => Ok(()),
        }
    }

    /// Steps over one line end.
    fn newline(&mut self) {
        self.at += if self.peek(0) == Some(b'\r') && self.peek(1) == Some(b'\n') { 2 } else { 1 };
    }

    fn at_newline(&self) -> bool {
        matches!(self.peek(0), Some(b'\n' | b'\r'))
    }

    fn skip_comment(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
    }

    /// Measures and judges the indentation of the logical line that starts here, skipping blank lines.
    fn line_start(&mut self) -> Result<(), TokenError> {
        loop {
            let (mut column, mut narrow) = (0u32, 0u32);
            let mut continued = None;
            loop {
                match self.peek(0) {
                    Some(b' ') => (column, narrow) = (column + 1, narrow + 1),
                    Some(b'\t') => (column, narrow) = ((column / 8 + 1) * 8, narrow + 1),
                    Some(b'\x0c') => (column, narrow) = (0, 0),
                    Some(b'\\') => {
                        // Only the first line of a split indentation counts, and only if it is not empty.
                        continued = continued.filter(|&c| c > 0).or(Some(column));
                        self.continuation()?;
                        continue;
                    }
                    _ => break,
                }
                self.at += 1;
            }
            match self.peek(0) {
                Some(b'#') => {
                    self.skip_comment();
                    self.newline();
                    continue;
                }
                Some(b'\n' | b'\r') => {
                    self.newline();
                    continue;
                }
                None => return Ok(()),
                Some(_) => {}
            }
            let split = continued.filter(|&c| c > 0);
            let here = Indent { column: split.unwrap_or(column), narrow: split.unwrap_or(narrow) };
            return self.indent(here);
        }
    }

    fn indent(&mut self, here: Indent) -> Result<(), TokenError> {
        use TokenErrorKind::{BadDedent, InconsistentTabs, TooManyIndents};
        let top = self.top_indent();
        if here.column > top.column {
            if self.indents.len() >= MAX_INDENTS {
                return self.fail(self.at, TooManyIndents);
            }
            if here.narrow <= top.narrow {
                return self.fail(self.at, InconsistentTabs);
            }
            self.indents.push(here);
            return Ok(());
        }
        while self.indents.len() > 1 && here.column < self.top_indent().column {
            self.indents.pop();
        }
        let top = self.top_indent();
        if here.column != top.column {
            return self.fail(self.at, BadDedent);
        }
        if here.narrow != top.narrow {
            return self.fail(self.at, InconsistentTabs);
        }
        Ok(())
    }

    fn top_indent(&self) -> Indent {
        self.indents.last().copied().unwrap_or(Indent { column: 0, narrow: 0 })
    }

    /// A backslash: must be followed by a line end and more text.
    fn continuation(&mut self) -> Result<(), TokenError> {
        self.at += 1;
        if self.peek(0).is_some() && !self.at_newline() {
            return self.fail(self.at, TokenErrorKind::Continuation);
        }
        if self.peek(0).is_some() {
            self.newline();
        }
        if self.peek(0).is_none() {
            return self.fail(self.at, TokenErrorKind::EndOfText);
        }
        Ok(())
    }

    /// A comma or statement end: what follows nests no deeper for what came before.
    fn divide(&mut self) {
        self.chain = self.brackets.last().map_or(0, |b| b.chain);
    }

    fn link(&mut self) -> Result<(), TokenError> {
        self.chain += 1;
        if self.chain > MAX_CHAIN {
            return self.fail(self.at, TokenErrorKind::TooDeep);
        }
        Ok(())
    }

    fn open(&mut self, open: u8) -> Result<(), TokenError> {
        if self.brackets.len() >= MAX_BRACKETS {
            return self.fail(self.at, TokenErrorKind::TooManyBrackets);
        }
        self.link()?;
        self.brackets.push(Bracket { open, offset: self.at, chain: self.chain });
        self.at += 1;
        Ok(())
    }

    fn close(&mut self, close: u8) -> Result<(), TokenError> {
        let Some(bracket) = self.brackets.last() else {
            return self.fail(self.at, TokenErrorKind::Unmatched(close as char));
        };
        if !matches!((bracket.open, close), (b'(', b')') | (b'[', b']') | (b'{', b'}')) {
            let (open, opened) = (bracket.open as char, bracket.offset);
            return self.fail(self.at, TokenErrorKind::Mismatch { close: close as char, open, opened });
        }
        self.chain = bracket.chain;
        self.brackets.pop();
        self.at += 1;
        Ok(())
    }

    fn colon(&mut self) {
        self.at += 1;
        let depth = self.brackets.len();
        if let Some(f) = self.fstrings.last_mut()
            && depth == f.specs.last().copied().unwrap_or(f.depth) + 1
        {
            f.specs.push(depth);
        }
    }

    fn operator(&mut self) -> Result<(), TokenError> {
        self.at += 1;
        self.link()
    }

    fn number(&mut self) {
        let start = self.at;
        let radix = self.peek(0) == Some(b'0')
            && matches!(self.peek(1), Some(b'x' | b'X' | b'o' | b'O' | b'b' | b'B'));
        if radix {
            self.at += 2;
            self.skip_while(|b| b.is_ascii_hexdigit() || b == b'_');
            return;
        }
        let digit = |b: u8| b.is_ascii_digit() || b == b'_';
        self.skip_while(digit);
        if self.peek(0) == Some(b'.') {
            self.at += 1;
            self.skip_while(digit);
        }
        if matches!(self.peek(0), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
            if self.peek(1 + sign).is_some_and(|b| b.is_ascii_digit()) {
                self.at += 1 + sign;
                self.skip_while(digit);
            }
        }
        if matches!(self.peek(0), Some(b'j' | b'J')) {
            self.at += 1;
        }
        // A keyword may follow without a blank, a name may not.
        let rest = &self.bytes[self.at..];
        let word =
            &rest[..rest.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_').unwrap_or(rest.len())];
        let keyword = [&b"and"[..], b"else", b"for", b"if", b"in", b"is", b"or", b"not"]
            .iter()
            .any(|k| word.starts_with(k));
        if self.bytes[self.at - 1] == b'_' || !(word.is_empty() || keyword) {
            self.suspect.get_or_insert(TokenError { offset: start, kind: TokenErrorKind::BadNumber });
        }
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn name(&mut self) -> Result<(), TokenError> {
        let start = self.at;
        self.skip_while(|b| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80);
        let word = &self.bytes[start..self.at];
        if self.suspect.is_none()
            && let Some(text) = self.source.get(start..self.at)
            && let Some((n, c)) = text.char_indices().find(|&(_, c)| c != '_' && !c.is_alphanumeric())
        {
            self.suspect = Some(TokenError { offset: start + n, kind: TokenErrorKind::InvalidCharacter(c) });
        }
        if matches!(self.peek(0), Some(b'"' | b'\''))
            && let Some((formatted, raw)) = string_prefix(word)
        {
            return self.string(start, formatted, raw);
        }
        match word {
            b"not" | b"lambda" | b"else" | b"await" | b"yield" | b"and" | b"or" | b"in" | b"is" | b"for" => {
                self.link()
            }
            _ => Ok(()),
        }
    }

    /// A string whose quote is at the current position and whose prefix began at `start`.
    fn string(&mut self, start: usize, formatted: bool, raw: bool) -> Result<(), TokenError> {
        let Some(quote) = self.peek(0) else { return Ok(()) };
        let triple = self.peek(1) == Some(quote) && self.peek(2) == Some(quote);
        self.at += if triple { 3 } else { 1 };
        if formatted {
            if self.fstrings.len() >= MAX_FSTRINGS {
                return self.fail(start, TokenErrorKind::TooManyFStrings);
            }
            let depth = self.brackets.len();
            self.fstrings.push(FString { quote, triple, raw, start, depth, specs: Vec::new() });
            return Ok(());
        }
        loop {
            match self.peek(0) {
                Some(b) if b == quote => {
                    if !triple {
                        self.at += 1;
                        return Ok(());
                    }
                    if self.peek(1) == Some(quote) && self.peek(2) == Some(quote) {
                        self.at += 3;
                        return Ok(());
                    }
                    self.at += 1;
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.step();
                }
                Some(b'\n' | b'\r') if !triple => return self.unterminated(start, triple, false),
                Some(_) => self.at += 1,
                None => return self.unterminated(start, triple, false),
            }
        }
    }

    fn unterminated(&self, start: usize, triple: bool, formatted: bool) -> Result<(), TokenError> {
        let kind = TokenErrorKind::UnterminatedString { triple, formatted, detected: self.at };
        self.fail(start, kind)
    }

    /// Steps over one character of a string, a line end being one character.
    fn step(&mut self) {
        if self.at_newline() {
            self.newline();
        } else if self.at < self.bytes.len() {
            self.at += 1;
        }
    }

    fn in_literal_part(&self) -> bool {
        let depth = self.brackets.len();
        self.fstrings.last().is_some_and(|f| f.specs.last().copied().unwrap_or(f.depth) == depth)
    }

    /// Reads the literal part of the innermost f-string up to the next `{`, `}` that ends a specification, or its end.
    fn fstring_literal(&mut self) -> Result<(), TokenError> {
        let Some(f) = self.fstrings.last_mut() else { return Ok(()) };
        let (quote, triple, raw, start) = (f.quote, f.triple, f.raw, f.start);
        let in_spec = !f.specs.is_empty();
        loop {
            match self.peek(0) {
                None => return self.unterminated(start, triple, true),
                Some(b'\n' | b'\r') if !triple && in_spec => {
                    // The line end ends the specification, not the replacement.
                    if let Some(f) = self.fstrings.last_mut() {
                        f.specs.pop();
                    }
                    return Ok(());
                }
                Some(b'\n' | b'\r') if !triple => return self.unterminated(start, triple, true),
                Some(b) if b == quote => {
                    if triple && !(self.peek(1) == Some(quote) && self.peek(2) == Some(quote)) {
                        self.at += 1;
                        continue;
                    }
                    if in_spec {
                        return self.fail(start, TokenErrorKind::UnfinishedReplacement);
                    }
                    self.at += if triple { 3 } else { 1 };
                    self.fstrings.pop();
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    if matches!(self.peek(0), Some(b'{' | b'}')) {
                        continue;
                    }
                    if !raw && self.peek(0) == Some(b'N') && self.peek(1) == Some(b'{') {
                        self.at += 2;
                        while self.peek(0).is_some_and(|b| b != b'}' && b != quote && b != b'\n') {
                            self.at += 1;
                        }
                        if self.peek(0) == Some(b'}') {
                            self.at += 1;
                        }
                        continue;
                    }
                    self.step();
                }
                Some(b'{') => {
                    if self.peek(1) == Some(b'{') && !in_spec {
                        self.at += 2;
                        continue;
                    }
                    return self.open(b'{');
                }
                Some(b'}') => {
                    if in_spec {
                        if let Some(f) = self.fstrings.last_mut() {
                            f.specs.pop();
                        }
                        return self.close(b'}');
                    }
                    if self.peek(1) != Some(b'}') {
                        return self.fail(self.at, TokenErrorKind::SingleBrace);
                    }
                    self.at += 2;
                }
                Some(_) => self.at += 1,
            }
        }
    }
}

/// Whether `word` is a string prefix, and then whether it means formatted and raw.
fn string_prefix(word: &[u8]) -> Option<(bool, bool)> {
    let mut lower = [0u8; 2];
    let lower = lower.get_mut(..word.len())?;
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    match &*lower {
        b"f" => Some((true, false)),
        b"fr" | b"rf" => Some((true, true)),
        b"b" | b"u" => Some((false, false)),
        b"r" | b"br" | b"rb" => Some((false, true)),
        _ => None,
    }
}
