//! Tokens of shell text and the buffer that holds them.

use std::ops::Range;

/// What a token is. Reserved words are recognised wherever they stand alone, in BitBake's grammar even as arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An ordinary word, or the content of a here-document.
    Word,
    Newline,
    /// Digits directly before `<` or `>`.
    IoNumber,
    /// `NAME=VALUE` as the very last word of the text; everywhere else an assignment is a plain word.
    Assignment,
    /// The word after `<<`.
    HereName,
    AndIf,
    OrIf,
    DoubleSemi,
    HereDoc,
    HereDocDash,
    Append,
    LessAnd,
    GreatAnd,
    LessGreat,
    Clobber,
    Less,
    Greater,
    Amp,
    Semi,
    LeftParen,
    RightParen,
    Pipe,
    If,
    Then,
    Else,
    Elif,
    Fi,
    Do,
    Done,
    Case,
    Esac,
    While,
    Until,
    For,
    LeftBrace,
    RightBrace,
    Bang,
    In,
    /// After the last token.
    End,
}

impl Kind {
    /// The kind of a reserved word.
    #[inline]
    pub(super) fn reserved(word: &str) -> Option<Kind> {
        if word.len() > 5 {
            return None;
        }
        Some(match word {
            "if" => Kind::If,
            "then" => Kind::Then,
            "else" => Kind::Else,
            "elif" => Kind::Elif,
            "fi" => Kind::Fi,
            "do" => Kind::Do,
            "done" => Kind::Done,
            "case" => Kind::Case,
            "esac" => Kind::Esac,
            "while" => Kind::While,
            "until" => Kind::Until,
            "for" => Kind::For,
            "{" => Kind::LeftBrace,
            "}" => Kind::RightBrace,
            "!" => Kind::Bang,
            "in" => Kind::In,
            "|" => Kind::Pipe,
            _ => return None,
        })
    }

    /// A word wherever the grammar wants any word: `fi` counts, the other reserved words do not.
    pub(super) fn is_word(self) -> bool {
        matches!(self, Kind::Word | Kind::Fi)
    }

    /// May stand among the arguments of a simple command.
    pub(super) fn is_argument(self) -> bool {
        matches!(
            self,
            Kind::Word
                | Kind::Fi
                | Kind::For
                | Kind::Done
                | Kind::Do
                | Kind::Until
                | Kind::Assignment
                | Kind::If
                | Kind::Then
                | Kind::Bang
        )
    }

    /// Begins a redirection.
    pub(super) fn is_redirect(self) -> bool {
        matches!(self, Kind::IoNumber | Kind::HereDoc | Kind::HereDocDash) || self.is_file_redirect()
    }

    /// A redirection operator that takes a file name or descriptor.
    pub(super) fn is_file_redirect(self) -> bool {
        matches!(
            self,
            Kind::Less
                | Kind::LessAnd
                | Kind::Greater
                | Kind::GreatAnd
                | Kind::Append
                | Kind::LessGreat
                | Kind::Clobber
        )
    }

    /// Begins a compound command.
    pub(super) fn is_compound(self) -> bool {
        matches!(
            self,
            Kind::LeftBrace | Kind::LeftParen | Kind::For | Kind::Case | Kind::If | Kind::While | Kind::Until
        )
    }

    /// May begin a command, with `!` before it or not.
    pub(super) fn begins_command(self) -> bool {
        matches!(self, Kind::Word | Kind::Assignment | Kind::Bang) || self.is_compound() || self.is_redirect()
    }

    /// Ends a list of commands inside a compound command.
    pub(super) fn ends_list(self) -> bool {
        matches!(
            self,
            Kind::RightParen
                | Kind::RightBrace
                | Kind::Then
                | Kind::Do
                | Kind::Done
                | Kind::Elif
                | Kind::Else
                | Kind::Fi
                | Kind::DoubleSemi
                | Kind::Esac
        )
    }

    /// The reserved word itself.
    pub(super) fn keyword(self) -> &'static str {
        match self {
            Kind::Then => "then",
            Kind::Fi => "fi",
            Kind::Do => "do",
            Kind::Done => "done",
            Kind::In => "in",
            Kind::Esac => "esac",
            Kind::RightBrace => "}",
            Kind::RightParen => ")",
            other => other.reference_name(),
        }
    }

    /// The name under which BitBake's error texts show the kind.
    pub(super) fn reference_name(self) -> &'static str {
        match self {
            Kind::Word => "TOKEN",
            Kind::Newline => "NEWLINE",
            Kind::IoNumber => "IO_NUMBER",
            Kind::Assignment => "ASSIGNMENT_WORD",
            Kind::HereName => "HERENAME",
            Kind::AndIf => "AND_IF",
            Kind::OrIf => "OR_IF",
            Kind::DoubleSemi => "DSEMI",
            Kind::HereDoc => "DLESS",
            Kind::HereDocDash => "DLESSDASH",
            Kind::Append => "DGREAT",
            Kind::LessAnd => "LESSAND",
            Kind::GreatAnd => "GREATAND",
            Kind::LessGreat => "LESSGREAT",
            Kind::Clobber => "CLOBBER",
            Kind::Less => "LESS",
            Kind::Greater => "GREATER",
            Kind::Amp => "AMP",
            Kind::Semi => "COMMA",
            Kind::LeftParen => "LPARENS",
            Kind::RightParen => "RPARENS",
            Kind::Pipe => "PIPE",
            Kind::If => "If",
            Kind::Then => "Then",
            Kind::Else => "Else",
            Kind::Elif => "Elif",
            Kind::Fi => "Fi",
            Kind::Do => "Do",
            Kind::Done => "Done",
            Kind::Case => "Case",
            Kind::Esac => "Esac",
            Kind::While => "While",
            Kind::Until => "Until",
            Kind::For => "For",
            Kind::LeftBrace => "Lbrace",
            Kind::RightBrace => "Rbrace",
            Kind::Bang => "Bang",
            Kind::In => "In",
            Kind::End => "$end",
        }
    }
}

/// One token: its kind and where it stands in the text (byte offsets).
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The word has a `$` or a backquote outside single quotes.
    pub(super) expands: bool,
    pub(super) start: u32,
    pub(super) end: u32,
    /// Index of the rewritten text, or `SOURCE` if the token reads as the source does.
    rewritten: u32,
}

const SOURCE: u32 = u32::MAX;

impl Token {
    pub(super) fn new(kind: Kind, range: Range<usize>) -> Token {
        Token { kind, expands: false, start: range.start as u32, end: range.end as u32, rewritten: SOURCE }
    }

    /// Whether the token's text is exactly the source at its place.
    pub(super) fn is_source(&self) -> bool {
        self.rewritten == SOURCE
    }
}

/// The tokens of one text, reused from text to text to save allocations.
pub(super) struct Tokens {
    pub(super) list: Vec<Token>,
    rewritten: Vec<String>,
}

impl Tokens {
    /// A buffer for a text of `length` bytes: a token and the blank after it have about six.
    pub(super) fn for_length(length: usize) -> Tokens {
        Tokens { list: Vec::with_capacity(length / 6 + 4), rewritten: Vec::new() }
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.rewritten.clear();
    }

    /// Gives `token` a text other than the source's.
    pub(super) fn rewrite(&mut self, token: &mut Token, text: String) {
        token.rewritten = self.rewritten.len() as u32;
        self.rewritten.push(text);
    }

    /// The text of a token, without line continuations.
    #[inline]
    pub(super) fn text<'s>(&'s self, source: &'s str, token: Token) -> &'s str {
        if token.rewritten == SOURCE {
            source.get(token.start as usize..token.end as usize).unwrap_or_default()
        } else {
            self.rewritten.get(token.rewritten as usize).map(String::as_str).unwrap_or_default()
        }
    }

    /// The text of the token at `index`, empty past the last.
    pub(super) fn text_at<'s>(&'s self, source: &'s str, index: usize) -> &'s str {
        self.list.get(index).map_or("", |&token| self.text(source, token))
    }

    /// The kind of the token at `index`, `Kind::End` past the last.
    #[inline]
    pub(super) fn kind(&self, index: usize) -> Kind {
        self.list.get(index).map_or(Kind::End, |token| token.kind)
    }
}
