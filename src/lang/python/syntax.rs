//! The Ruff parser behind CPython's manners: same texts accepted, same words when not.

use std::fmt;

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{self as ast, Expr, Mod, Suite};
use ruff_python_parser::{
    LexicalErrorType, Mode, ParseError, ParseErrorType, ParseOptions, parse_expression_range, parse_unchecked,
};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::error::PythonSyntaxError;
use super::tokens::{self, TokenError, TokenErrorKind, Unclosed};

/// The Python whose grammar decides what is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum PythonVersion {
    /// Python 3.9.
    V39,
    /// Python 3.10.
    V310,
    /// Python 3.11.
    V311,
    /// Python 3.12.
    V312,
    /// Python 3.13, the most permissive one that is known here and therefore the default.
    #[default]
    V313,
}

impl PythonVersion {
    fn target(self) -> ast::PythonVersion {
        match self {
            PythonVersion::V39 => ast::PythonVersion::PY39,
            PythonVersion::V310 => ast::PythonVersion::PY310,
            PythonVersion::V311 => ast::PythonVersion::PY311,
            PythonVersion::V312 => ast::PythonVersion::PY312,
            PythonVersion::V313 => ast::PythonVersion::PY313,
        }
    }
}

/// Parses statements as `compile(source, …, "exec", PyCF_ONLY_AST)` would.
pub(crate) fn parse_module(source: &str, version: PythonVersion) -> Result<Suite, PythonSyntaxError> {
    match parse(source, Mode::Module, version)? {
        Mod::Module(module) => Ok(module.body),
        Mod::Expression(_) => Ok(Suite::new()),
    }
}

/// Parses one expression as `compile(source, …, "eval", PyCF_ONLY_AST)` would.
pub(crate) fn parse_expression(source: &str, version: PythonVersion) -> Result<Expr, PythonSyntaxError> {
    let source = source.trim_start_matches([' ', '\t']);
    match parse(source, Mode::Expression, version)? {
        Mod::Expression(expression) => match *expression.body {
            // Ruff takes these at the top of an expression, the grammar's `eval` start symbol doesn't.
            Expr::Named(_) | Expr::Yield(_) | Expr::YieldFrom(_) | Expr::Starred(_)
                if !source[..expression.body.start().to_usize()].contains('(') =>
            {
                Err(invalid(source, expression.range.start()))
            }
            Expr::Tuple(ref tuple)
                if !tuple.parenthesized && tuple.elts.iter().any(Expr::is_starred_expr) =>
            {
                Err(invalid(source, expression.range.start()))
            }
            expression => Ok(expression),
        },
        Mod::Module(module) => Err(invalid(source, module.range.start())),
    }
}

fn parse(source: &str, mode: Mode, version: PythonVersion) -> Result<Mod, PythonSyntaxError> {
    // Ruff counts in 32 bits.
    if u32::try_from(source.len()).is_err() {
        return Err(locate("", 0, "MemoryError", String::new()));
    }
    let unclosed = match tokens::check(source) {
        Ok(unclosed) => unclosed,
        Err(error) => {
            let earlier = earlier_error(source, mode, &error);
            return Err(earlier.unwrap_or_else(|| token_error(source, &error, version)));
        }
    };
    let parsed = parse_unchecked(source, ParseOptions::from(mode).with_target_version(version.target()));
    if let Some(error) = parsed.errors().iter().min_by_key(|error| error.location.start()) {
        return Err(grammar_error(source, error, unclosed));
    }
    if let Some(unclosed) = unclosed {
        return Err(never_closed(source, unclosed));
    }
    if let Some(error) = parsed.unsupported_syntax_errors().first() {
        return Err(invalid(source, error.range.start()));
    }
    Ok(parsed.into_syntax())
}

/// An error of the grammar in front of the tokenizer's `error`, if that is what CPython reports.
fn earlier_error(source: &str, mode: Mode, error: &TokenError) -> Option<PythonSyntaxError> {
    let before = source.get(..error.offset).filter(|_| error.kind.yields_to_grammar())?.trim_end();
    // Behind an expression CPython looks further ahead, up to the backslash that is wrong.
    let (before, ahead) =
        before.strip_suffix('\\').map_or((before, false), |before| (before.trim_end(), true));
    if tokens::check(before).is_err() {
        return None;
    }
    let parsed = parse_unchecked(before, ParseOptions::from(mode));
    let first = parsed.errors().iter().min_by_key(|error| error.location.start())?;
    let at = first.location.start().to_usize();
    let expression = before.get(at..).is_some_and(|rest| {
        rest.starts_with(|c: char| {
            c.is_alphanumeric() || matches!(c, '_' | '\'' | '"' | '(' | '[' | '{' | '-' | '+' | '~')
        })
    });
    let inside = at < before.len() && !(ahead && expression);
    inside.then(|| grammar_error(source, first, None))
}

fn invalid(source: &str, at: TextSize) -> PythonSyntaxError {
    locate(source, at.to_usize(), "SyntaxError", "invalid syntax".to_owned())
}

fn never_closed(source: &str, unclosed: Unclosed) -> PythonSyntaxError {
    locate(source, unclosed.offset, "SyntaxError", format!("'{}' was never closed", unclosed.open))
}

/// The error for the place `offset` in `source`.
fn locate(source: &str, offset: usize, class: &'static str, message: String) -> PythonSyntaxError {
    let before = &source.as_bytes()[..offset.min(source.len())];
    let line = 1 + line_ends(before);
    let start = before.iter().rposition(|b| matches!(b, b'\n' | b'\r')).map_or(0, |n| n + 1);
    let column = 1 + String::from_utf8_lossy(&before[start..]).chars().count();
    let rest = source.get(start..).unwrap_or_default();
    let text = rest.split(['\n', '\r']).next().unwrap_or_default().to_owned();
    // Where a line's indentation fits nothing, CPython points to its end.
    let column = if message.starts_with("unindent ") { text.chars().count() + 1 } else { column };
    PythonSyntaxError { class, message, line, column, text }
}

/// Number of line ends, `\r\n` being one.
fn line_ends(bytes: &[u8]) -> usize {
    let mut count = 0;
    let mut previous = 0;
    for &byte in bytes {
        count += usize::from(byte == b'\r' || (byte == b'\n' && previous != b'\r'));
        previous = byte;
    }
    count
}

/// 1-based line of the byte `offset`.
pub(super) fn line_of(source: &str, offset: usize) -> usize {
    1 + line_ends(&source.as_bytes()[..offset.min(source.len())])
}

fn token_error(source: &str, error: &TokenError, version: PythonVersion) -> PythonSyntaxError {
    use TokenErrorKind as K;
    let line = |offset| line_of(source, offset);
    let (class, message) = match &error.kind {
        K::UnterminatedString { triple, formatted, detected } => {
            let triple = if *triple { "triple-quoted " } else { "" };
            // Up to 3.11 an f-string is a string to the tokenizer.
            let kind = if *formatted && version >= PythonVersion::V312 { "f-string" } else { "string" };
            (
                "SyntaxError",
                format!("unterminated {triple}{kind} literal (detected at line {})", line(*detected)),
            )
        }
        K::Unmatched(close) => ("SyntaxError", format!("unmatched '{close}'")),
        K::Mismatch { close, open, opened } => {
            let mut text =
                format!("closing parenthesis '{close}' does not match opening parenthesis '{open}'");
            if line(*opened) != line(error.offset) {
                text.push_str(&format!(" on line {}", line(*opened)));
            }
            ("SyntaxError", text)
        }
        K::TooManyBrackets => ("SyntaxError", "too many nested parentheses".to_owned()),
        K::TooManyFStrings => ("SyntaxError", "too many nested f-strings".to_owned()),
        K::SingleBrace => ("SyntaxError", "f-string: single '}' is not allowed".to_owned()),
        K::UnfinishedReplacement => ("SyntaxError", "f-string: expecting '}'".to_owned()),
        K::Continuation => {
            ("SyntaxError", "unexpected character after line continuation character".to_owned())
        }
        K::EndOfText => ("SyntaxError", "unexpected EOF while parsing".to_owned()),
        K::InconsistentTabs => ("TabError", "inconsistent use of tabs and spaces in indentation".to_owned()),
        K::TooManyIndents => ("IndentationError", "too many levels of indentation".to_owned()),
        K::BadDedent => {
            ("IndentationError", "unindent does not match any outer indentation level".to_owned())
        }
        K::NullByte => ("SyntaxError", "source code string cannot contain null bytes".to_owned()),
        K::InvalidCharacter(c) => ("SyntaxError", invalid_character(*c)),
        K::BadNumber => ("SyntaxError", "invalid decimal literal".to_owned()),
        K::TooDeep => ("RecursionError", "maximum recursion depth exceeded during compilation".to_owned()),
    };
    locate(source, error.offset, class, message)
}

fn invalid_character(c: char) -> String {
    // CPython asks str.isprintable(); the invisible characters people really paste are these.
    let invisible = c.is_control()
        || c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    if invisible {
        format!("invalid non-printable character U+{:04X}", c as u32)
    } else {
        format!("invalid character '{c}' (U+{:04X})", c as u32)
    }
}

fn grammar_error(source: &str, error: &ParseError, unclosed: Option<Unclosed>) -> PythonSyntaxError {
    use ParseErrorType as P;
    let at = error.location.start().to_usize();
    if let Some(open) = unclosed {
        // CPython blames the bracket when its grammar ran into the end, or stumbled on a later line.
        let at_end = source.get(at..).is_none_or(|rest| rest.trim().is_empty());
        if at_end || line_of(source, at) > line_of(source, open.offset) {
            return never_closed(source, open);
        }
    }
    let (class, message) = match &error.error {
        P::UnexpectedIndentation => ("IndentationError", "unexpected indent".to_owned()),
        P::OtherError(text) if text.starts_with("Expected an indented block") => {
            ("IndentationError", indented_block(source, at, text))
        }
        P::ExpectedToken { expected: TokenKind::Colon, found: TokenKind::Equal } => {
            ("SyntaxError", "invalid syntax. Maybe you meant '==' or ':=' instead of '='?".to_owned())
        }
        P::ExpectedToken { expected: TokenKind::Colon, .. } => ("SyntaxError", "expected ':'".to_owned()),
        P::ExpectedToken { expected: TokenKind::Comma, found } if starts_operand(*found) => {
            ("SyntaxError", "invalid syntax. Perhaps you forgot a comma?".to_owned())
        }
        P::ExpectedToken { expected: TokenKind::Lpar, .. } => ("SyntaxError", "expected '('".to_owned()),
        P::InvalidAssignmentTarget => ("SyntaxError", assignment_target(source, error.location)),
        P::InvalidAugmentedAssignmentTarget => {
            let kind = expression_kind(source, error.location);
            ("SyntaxError", format!("'{kind}' is an illegal expression for augmented assignment"))
        }
        P::InvalidNamedAssignmentTarget => {
            let kind = expression_kind(source, error.location);
            ("SyntaxError", format!("cannot use assignment expressions with {kind}"))
        }
        P::InvalidDeleteTarget => {
            ("SyntaxError", format!("cannot delete {}", expression_kind(source, error.location)))
        }
        P::PositionalAfterKeywordArgument => {
            ("SyntaxError", "positional argument follows keyword argument".to_owned())
        }
        P::PositionalAfterKeywordUnpacking => {
            ("SyntaxError", "positional argument follows keyword argument unpacking".to_owned())
        }
        P::InvalidArgumentUnpackingOrder => {
            ("SyntaxError", "iterable argument unpacking follows keyword argument unpacking".to_owned())
        }
        P::NonDefaultParamAfterDefaultParam => {
            ("SyntaxError", "parameter without a default follows parameter with a default".to_owned())
        }
        P::ExpectedKeywordParam => ("SyntaxError", "named arguments must follow bare *".to_owned()),
        P::ParamAfterVarKeywordParam => {
            ("SyntaxError", "arguments cannot follow var-keyword argument".to_owned())
        }
        P::EmptyImportNames if ends_line(source, at) => {
            ("SyntaxError", "Expected one or more names after 'import'".to_owned())
        }
        P::OtherError(text) if text.starts_with("Expected an `except`") => {
            ("SyntaxError", "expected 'except' or 'finally' block".to_owned())
        }
        P::OtherError(text) if text.starts_with("Trailing comma") => {
            ("SyntaxError", "trailing comma not allowed without surrounding parentheses".to_owned())
        }
        P::UnparenthesizedGeneratorExpression => {
            ("SyntaxError", "Generator expression must be parenthesized".to_owned())
        }
        P::IterableUnpackingInComprehension => {
            ("SyntaxError", "iterable unpacking cannot be used in comprehension".to_owned())
        }
        P::FStringError(kind) => ("SyntaxError", format!("f-string: {}", fstring_words(kind))),
        P::SimpleStatementsOnSameLine | P::UnexpectedExpressionToken if !is_bad_number(source, at) => {
            ("SyntaxError", python2(source, at))
        }
        P::Lexical(lexical) => lexical_error(source, at, lexical),
        _ if is_bad_number(source, at) => ("SyntaxError", "invalid decimal literal".to_owned()),
        _ => ("SyntaxError", "invalid syntax".to_owned()),
    };
    locate(source, at, class, message)
}

/// Whether nothing but blanks follows on the line.
fn ends_line(source: &str, at: usize) -> bool {
    let rest = source.get(at..).unwrap_or_default().trim_start_matches([' ', '\t']);
    rest.is_empty() || rest.starts_with(['\n', '\r'])
}

/// Whether a token starts an operand and can't continue one.
fn starts_operand(token: TokenKind) -> bool {
    use TokenKind as T;
    matches!(
        token,
        T::Name | T::Int | T::Float | T::Complex | T::String | T::FStringStart | T::True | T::False | T::None
    )
}

/// Whether the place is in a word that starts with a digit and isn't a number, like `1st`.
fn is_bad_number(source: &str, at: usize) -> bool {
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let bytes = source.as_bytes();
    let start = at - bytes[..at.min(bytes.len())].iter().rev().take_while(|b| is_word(b)).count();
    let word: Vec<u8> = bytes[start..].iter().copied().take_while(is_word).collect();
    word.first().is_some_and(u8::is_ascii_digit)
        && word.iter().any(u8::is_ascii_alphabetic)
        && !word.starts_with(b"0")
}

fn fstring_words(kind: &impl fmt::Display) -> String {
    // Ruff quotes with backticks.
    let text = kind.to_string().replace('`', "'");
    if text.starts_with("lambda") || text.starts_with("conversion type") {
        "invalid syntax".to_owned()
    } else {
        text
    }
}

fn lexical_error(source: &str, at: usize, error: &LexicalErrorType) -> (&'static str, String) {
    let message = match error {
        LexicalErrorType::IndentationError => {
            return ("IndentationError", "unindent does not match any outer indentation level".to_owned());
        }
        LexicalErrorType::UnicodeError
        | LexicalErrorType::MissingUnicodeLbrace
        | LexicalErrorType::MissingUnicodeRbrace => {
            "(unicode error) 'unicodeescape' codec can't decode bytes".to_owned()
        }
        LexicalErrorType::InvalidByteLiteral => "bytes can only contain ASCII literal characters".to_owned(),
        LexicalErrorType::LineContinuationError => {
            "unexpected character after line continuation character".to_owned()
        }
        LexicalErrorType::UnrecognizedToken { tok } if !tok.is_ascii() => invalid_character(*tok),
        LexicalErrorType::OtherError(_) => {
            let digits = source.get(at..).unwrap_or_default().bytes().take_while(u8::is_ascii_digit).count();
            if digits > 1 && source[at..].starts_with('0') {
                "leading zeros in decimal integer literals are not permitted; use an 0o prefix for octal integers"
                    .to_owned()
            } else {
                "invalid decimal literal".to_owned()
            }
        }
        _ => "invalid syntax".to_owned(),
    };
    ("SyntaxError", message)
}

/// `Expected an indented block after …`, with CPython's line number of the statement it belongs to.
fn indented_block(source: &str, at: usize, text: &str) -> String {
    let tail = text.strip_prefix("Expected an indented block").unwrap_or_default().replace('`', "'");
    // The header is the last line with text above the place.
    let before = source.get(..at).unwrap_or(source);
    let header = before.trim_end_matches([' ', '\t', '\n', '\r']);
    format!("expected an indented block{tail} on line {}", line_of(source, header.len()))
}

/// Two expressions side by side: often a Python 2 statement.
fn python2(source: &str, at: usize) -> String {
    let before = source.get(..at).unwrap_or_default().trim_end();
    for (word, call) in [("print", "print(...)"), ("exec", "exec(...)")] {
        if let Some(rest) = before.strip_suffix(word)
            && !rest.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.')
        {
            return format!("Missing parentheses in call to '{word}'. Did you mean {call}?");
        }
    }
    "invalid syntax".to_owned()
}

fn assignment_target(source: &str, range: TextRange) -> String {
    let kind = expression_kind(source, range);
    let behind = source.get(range.end().to_usize()..).unwrap_or_default().trim_start();
    let hint = match kind {
        "True" | "False" | "None" | "ellipsis" => "",
        _ if behind.starts_with('=') => " here. Maybe you meant '==' instead of '='?",
        _ => "",
    };
    format!("cannot assign to {kind}{hint}")
}

/// CPython's name for the kind of expression that stands at `range`.
fn expression_kind(source: &str, range: TextRange) -> &'static str {
    let Ok(parsed) = parse_expression_range(source, range) else { return "expression" };
    match parsed.expr() {
        Expr::Attribute(_) => "attribute",
        Expr::Subscript(_) => "subscript",
        Expr::Starred(_) => "starred",
        Expr::Name(_) => "name",
        Expr::List(_) => "list",
        Expr::Tuple(_) => "tuple",
        Expr::Lambda(_) => "lambda",
        Expr::Call(_) => "function call",
        Expr::BoolOp(_) | Expr::BinOp(_) | Expr::UnaryOp(_) => "expression",
        Expr::Generator(_) => "generator expression",
        Expr::Yield(_) | Expr::YieldFrom(_) => "yield expression",
        Expr::Await(_) => "await expression",
        Expr::ListComp(_) => "list comprehension",
        Expr::SetComp(_) => "set comprehension",
        Expr::DictComp(_) => "dict comprehension",
        Expr::Dict(_) => "dict literal",
        Expr::Set(_) => "set display",
        Expr::FString(_) => "f-string expression",
        Expr::StringLiteral(_) | Expr::BytesLiteral(_) | Expr::NumberLiteral(_) => "literal",
        Expr::BooleanLiteral(b) if b.value => "True",
        Expr::BooleanLiteral(_) => "False",
        Expr::NoneLiteral(_) => "None",
        Expr::EllipsisLiteral(_) => "ellipsis",
        Expr::Compare(_) => "comparison",
        Expr::If(_) => "conditional expression",
        Expr::Named(_) => "named expression",
        _ => "expression",
    }
}
