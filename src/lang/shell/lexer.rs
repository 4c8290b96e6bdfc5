//! Cuts shell text into tokens.
//!
//! BitBake's lexer differs from a shell's in ways that decide which commands are found: a reserved word is reserved
//! wherever it stands alone, `NAME=VALUE` is an assignment only as the last word of the text, `in` is reserved only as
//! the second token after `for` or `case`, and a comment must end with a newline.

use super::diagnosis;
use super::error::Outcome;
use super::token::{Kind, Token, Tokens};
use super::word::{self, BREAKS, QuoteStack, WordSink};

/// What follows a word: it decides whether digits are a descriptor and `A=b` an assignment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Follow {
    /// The end of the text.
    End,
    /// `<` or `>`.
    Angle,
    Other,
}

/// A token before its kind is decided, as tokens wait behind a here-document operator.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Raw {
    Word(Follow),
    Operator(Kind),
    Newline,
    Comment,
}

/// A here-document operator that waits for its name, or for the end of its line with its name read.
struct HereDoc {
    operator: usize,
    strips_tabs: bool,
    name: Option<String>,
}

/// Buffers that outlive one text.
#[derive(Default)]
pub(super) struct Buffers {
    open: QuoteStack,
    continuations: Vec<usize>,
}

struct Lexer<'a> {
    source: &'a str,
    bytes: &'a [u8],
    at: usize,
    tokens: &'a mut Tokens,
    open: &'a mut QuoteStack,
    /// Where continuations were dropped inside the current word.
    continuations: &'a mut Vec<usize>,
    /// The current word, if it has any text yet.
    word: Option<(usize, usize)>,
    expands: bool,
    here: Option<HereDoc>,
    /// What follows a here-document's name on its line: the content comes between, so these wait.
    waiting: Vec<(Raw, Token)>,
    /// Tokens since `for` or `case`, counting up to the third.
    since_for: Option<u8>,
}

/// Notes what the lexer must know about a quoted piece.
struct Piece<'a> {
    continuations: &'a mut Vec<usize>,
}

impl WordSink for Piece<'_> {
    fn continuation(&mut self, at: usize) {
        self.continuations.push(at);
    }
}

/// Cuts all of `source` into `tokens`.
pub(super) fn lex(source: &str, tokens: &mut Tokens, buffers: &mut Buffers) -> Outcome {
    tokens.clear();
    buffers.continuations.clear();
    let mut lexer = Lexer {
        source,
        bytes: source.as_bytes(),
        at: 0,
        tokens,
        open: &mut buffers.open,
        continuations: &mut buffers.continuations,
        word: None,
        expands: false,
        here: None,
        waiting: Vec::new(),
        since_for: None,
    };
    lexer.run()
}

impl Lexer<'_> {
    fn run(&mut self) -> Outcome {
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'\n' => self.newline()?,
                b' ' | b'\t' => {
                    self.end_word(Follow::Other)?;
                    self.at += 1;
                }
                b'\\' | b'\'' | b'"' | b'`' | b'$' => self.quoted()?,
                b'&' | b'|' | b';' | b'<' | b'>' | b'(' | b')' => self.operator(byte)?,
                b'#' if self.word.is_none() => self.comment()?,
                _ => {
                    let end = word::find(self.bytes, self.at + 1, BREAKS).unwrap_or(self.bytes.len());
                    self.extend(end);
                }
            }
        }
        self.end_word(Follow::End)?;
        match &self.here {
            None => Ok(()),
            Some(here) => Err(diagnosis::here_document_missing(here.operator)),
        }
    }

    /// Makes everything up to `end` part of the current word.
    fn extend(&mut self, end: usize) {
        match &mut self.word {
            Some((_, to)) => *to = end,
            None => self.word = Some((self.at, end)),
        }
        self.at = end;
    }

    fn quoted(&mut self) -> Outcome {
        let start = self.at;
        if self.bytes[start] == b'\\' && self.bytes.get(start + 1) == Some(&b'\n') {
            if self.word.is_some() {
                self.continuations.push(start);
            }
            self.at = start + 2;
            return Ok(());
        }
        let mut piece = Piece { continuations: self.continuations };
        let end = word::read_quoted(self.bytes, start, self.open, &mut piece)
            .map_err(diagnosis::unfinished_word)?;
        self.expands |= match self.bytes[start] {
            b'$' | b'`' => true,
            b'"' => memchr::memchr2(b'$', b'`', &self.bytes[start..end]).is_some(),
            _ => false,
        };
        self.extend(end);
        Ok(())
    }

    /// Finishes the current word, if there is one.
    #[inline]
    fn end_word(&mut self, follow: Follow) -> Outcome {
        let Some((start, end)) = self.word.take() else { return Ok(()) };
        let mut token = Token::new(Kind::Word, start..end);
        token.expands = std::mem::take(&mut self.expands);
        if !self.continuations.is_empty() {
            if let Some(text) = word::without_continuations(self.source, start, end, self.continuations) {
                self.tokens.rewrite(&mut token, text);
            }
            self.continuations.clear();
        }
        self.push(Raw::Word(follow), token)
    }

    fn newline(&mut self) -> Outcome {
        self.end_word(Follow::Other)?;
        let at = self.at;
        self.at += 1;
        self.push(Raw::Newline, Token::new(Kind::Newline, at..at + 1))?;
        if self.here.as_ref().is_some_and(|here| here.name.is_some()) {
            self.here_documents()?;
        }
        Ok(())
    }

    fn comment(&mut self) -> Outcome {
        let text = self.at + 1;
        if text == self.bytes.len() {
            // A bare `#` as the very last character passes.
            self.at = text;
            return Ok(());
        }
        let Some(length) = memchr::memchr(b'\n', &self.bytes[text..]) else {
            return Err(diagnosis::comment_without_newline(self.at));
        };
        self.at = text + length;
        if length == 0 {
            return Ok(());
        }
        self.push(Raw::Comment, Token::new(Kind::Word, text..text + length))
    }

    fn operator(&mut self, first: u8) -> Outcome {
        self.end_word(if matches!(first, b'<' | b'>') { Follow::Angle } else { Follow::Other })?;
        let start = self.at;
        let next = self.bytes.get(start + 1).copied().unwrap_or(0);
        let (length, kind) = match (first, next) {
            (b'&', b'&') => (2, Kind::AndIf),
            (b'&', _) => (1, Kind::Amp),
            (b'|', b'|') => (2, Kind::OrIf),
            (b'|', _) => (1, Kind::Pipe),
            (b';', b';') => (2, Kind::DoubleSemi),
            (b';', _) => (1, Kind::Semi),
            (b'<', b'<') if self.bytes.get(start + 2) == Some(&b'-') => (3, Kind::HereDocDash),
            (b'<', b'<') => (2, Kind::HereDoc),
            (b'<', b'&') => (2, Kind::LessAnd),
            (b'<', b'>') => (2, Kind::LessGreat),
            (b'<', _) => (1, Kind::Less),
            (b'>', b'>') => (2, Kind::Append),
            (b'>', b'&') => (2, Kind::GreatAnd),
            (b'>', b'|') => (2, Kind::Clobber),
            (b'>', _) => (1, Kind::Greater),
            (b'(', _) => (1, Kind::LeftParen),
            _ => (1, Kind::RightParen),
        };
        self.at = start + length;
        self.push(Raw::Operator(kind), Token::new(kind, start..start + length))
    }

    /// Takes a token: as a here-document's name, onto the waiting list behind one, or into the result.
    #[inline]
    fn push(&mut self, raw: Raw, token: Token) -> Outcome {
        match &self.here {
            None => self.emit(raw, token),
            Some(HereDoc { name: Some(_), .. }) => {
                self.waiting.push((raw, token));
                Ok(())
            }
            Some(_) => self.here_document_name(raw, token),
        }
    }

    fn here_document_name(&mut self, raw: Raw, mut token: Token) -> Outcome {
        let text = self.tokens.text(self.source, token);
        if !matches!(raw, Raw::Word(_)) {
            return Err(diagnosis::here_document_name(self.source, token.start as usize, text));
        }
        let name = word::unquote(text, self.open)
            .map_err(|fault| diagnosis::invalid_word(fault, token.start as usize, text))?;
        if let Some(here) = &mut self.here {
            here.name = Some(name);
        }
        token.kind = Kind::HereName;
        self.tokens.list.push(token);
        self.count();
        Ok(())
    }

    /// Decides the token's kind and puts it into the result.
    #[inline]
    fn emit(&mut self, raw: Raw, mut token: Token) -> Outcome {
        match raw {
            Raw::Comment => return Ok(()),
            Raw::Newline => {}
            Raw::Operator(kind) => {
                if matches!(kind, Kind::HereDoc | Kind::HereDocDash) {
                    self.here = Some(HereDoc {
                        operator: token.start as usize,
                        strips_tabs: kind == Kind::HereDocDash,
                        name: None,
                    });
                }
            }
            Raw::Word(follow) => {
                let text = self.tokens.text(self.source, token);
                token.kind = if follow == Follow::End && text.contains('=') {
                    if begins_assignment(text) { Kind::Assignment } else { Kind::Word }
                } else {
                    self.classify(text, follow)
                };
                if matches!(token.kind, Kind::For | Kind::Case) {
                    self.since_for = Some(0);
                }
            }
        }
        self.tokens.list.push(token);
        self.count();
        Ok(())
    }

    #[inline]
    fn classify(&self, text: &str, follow: Follow) -> Kind {
        match Kind::reserved(text) {
            Some(Kind::In) if self.since_for != Some(2) => Kind::Word,
            Some(kind) => kind,
            None if follow == Follow::Angle && are_digits(text) => Kind::IoNumber,
            None => Kind::Word,
        }
    }

    #[inline]
    fn count(&mut self) {
        if let Some(count) = self.since_for {
            self.since_for = if count >= 2 { None } else { Some(count + 1) };
        }
    }

    /// Reads the contents of the here-documents of a finished line and releases what waited behind them.
    fn here_documents(&mut self) -> Outcome {
        let waiting = std::mem::take(&mut self.waiting);
        let mut rest = waiting.into_iter();
        while let Some(here) = self.here.take() {
            self.here_document_content(&here)?;
            for (raw, token) in rest.by_ref() {
                match &self.here {
                    None => self.emit(raw, token)?,
                    // Another here-document on the same line: its name is next, the rest goes on waiting.
                    Some(_) => {
                        self.here_document_name(raw, token)?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads lines up to the delimiter or the end of the text. A line ends at a newline without a backslash before it,
    /// even if the delimiter was quoted.
    fn here_document_content(&mut self, here: &HereDoc) -> Outcome {
        let name = here.name.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err(diagnosis::here_document_empty_name(here.operator));
        }
        let start = self.at;
        if start == self.bytes.len() {
            return Err(diagnosis::here_document_cut(here.operator));
        }
        let mut stripped: Option<String> = None;
        let mut end = start;
        loop {
            let line_start = self.at;
            let newline = self.logical_line_end(line_start);
            let line_end = newline.unwrap_or(self.bytes.len());
            let raw_line = self.source.get(line_start..line_end).unwrap_or_default();
            let line = if here.strips_tabs { raw_line.trim_start_matches('\t') } else { raw_line };
            self.at = newline.map_or(line_end, |newline| newline + 1);
            if line == name {
                break;
            }
            if line.len() != raw_line.len() && stripped.is_none() {
                stripped = Some(self.source.get(start..line_start).unwrap_or_default().to_owned());
            }
            if let Some(text) = &mut stripped {
                text.push_str(line);
                text.push_str(self.source.get(line_end..self.at).unwrap_or_default());
            }
            end = self.at;
            if newline.is_none() {
                break;
            }
        }
        let mut token = Token::new(Kind::Word, start..end);
        if let Some(text) = stripped {
            self.tokens.rewrite(&mut token, text);
        }
        let text = self.tokens.text(self.source, token);
        if text.is_empty() {
            return Ok(());
        }
        // A last line without newline can look like a token of its own.
        let follow = if matches!(name, "<" | ">") { Follow::Angle } else { Follow::Other };
        token.kind = match text {
            ";" => Kind::Semi,
            "&" => Kind::Amp,
            digits if follow == Follow::Angle && digits.strip_suffix('\n').is_some_and(are_digits) => {
                Kind::IoNumber
            }
            _ => self.classify(text, follow),
        };
        if matches!(token.kind, Kind::For | Kind::Case) {
            self.since_for = Some(0);
        }
        self.tokens.list.push(token);
        self.count();
        Ok(())
    }

    /// The first newline at or after `from` that no backslash escapes.
    fn logical_line_end(&self, from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            at += memchr::memchr2(b'\n', b'\\', self.bytes.get(at..)?)?;
            if self.bytes[at] == b'\n' {
                return Some(at);
            }
            at += 2;
        }
    }
}

/// `NAME=…`; a name may begin with a digit.
fn begins_assignment(text: &str) -> bool {
    let name = text.split('=').next().unwrap_or_default();
    !name.is_empty() && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

/// Only decimal digits, of any script as Python counts them.
fn are_digits(text: &str) -> bool {
    if text.is_ascii() {
        return !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    }
    static DIGITS: std::sync::LazyLock<Option<regex::Regex>> =
        std::sync::LazyLock::new(|| regex::Regex::new(r"\A\d+\z").ok());
    DIGITS.as_ref().is_some_and(|digits| digits.is_match(text))
}
