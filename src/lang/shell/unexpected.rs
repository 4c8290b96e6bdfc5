//! Explains a token that the grammar does not allow: what it means there, and what to write instead.

use super::diagnosis::{FOR_WITHOUT_IN, quoted};
use super::error::Fault;
use super::parser::Open;
use super::reference;
use super::token::{Kind, Tokens};

const ARRAY: &str = "arrays are not POSIX sh; use a plain list in one variable, or set -- and \"$@\"";
const FUNCTION: &str = "`function` is not POSIX sh; write name() { commands; }";
const SELECT: &str = "`select` is not POSIX sh; print the choices and read the answer in a loop";

/// The grammar does not allow the token at `at`, or the end of the text there. `open` is the innermost compound command
/// still open.
#[cold]
pub(super) fn token(source: &str, tokens: &Tokens, at: usize, open: Option<&Open>) -> Box<Fault> {
    let refusal = Refusal { source, tokens, at, open: open.copied() };
    if tokens.kind(at) != Kind::End {
        let reference = reference::unexpected_token(source, tokens, at);
        return Fault::syntax(refusal.start(at), refusal.explain(), reference);
    }
    // The place to look at is the construct that lacks its end.
    let place = open.map_or(source.trim_end().len(), |open| refusal.start(open.token));
    Fault::syntax(place, refusal.explain_end(), "Unexpected EOF")
}

struct Refusal<'a> {
    source: &'a str,
    tokens: &'a Tokens,
    at: usize,
    open: Option<Open>,
}

impl Refusal<'_> {
    fn start(&self, index: usize) -> usize {
        self.tokens.list.get(index).map_or(self.source.len(), |token| token.start as usize)
    }

    fn text(&self, index: usize) -> &str {
        self.tokens.text_at(self.source, index)
    }

    /// The index of the token `back` places before the refused one.
    fn before(&self, back: usize) -> Option<usize> {
        self.at.checked_sub(back)
    }

    fn kind_before(&self, back: usize) -> Kind {
        self.before(back).map_or(Kind::Newline, |index| self.tokens.kind(index))
    }

    fn text_before(&self, back: usize) -> &str {
        self.before(back).map_or("", |index| self.text(index))
    }

    /// Whether the refused token begins right where the one before it ends.
    fn is_glued(&self) -> bool {
        let end =
            self.before(1).and_then(|index| self.tokens.list.get(index)).map(|token| token.end as usize);
        end == Some(self.start(self.at))
    }

    /// The last token before the refused one that is no newline.
    fn last_before(&self) -> Option<usize> {
        (0..self.at).rev().find(|&index| self.tokens.kind(index) != Kind::Newline)
    }

    fn explain(&self) -> String {
        let kind = self.tokens.kind(self.at);
        let before = self.kind_before(1);
        let found = quoted(self.text(self.at));
        if let Some(text) = self.foreign_syntax(kind, before) {
            return text.to_owned();
        }
        if before == Kind::HereName {
            return "this here-document is empty, which cannot be scanned; write `: > file` or `< /dev/null`"
                .into();
        }
        if before.is_file_redirect() {
            let operator = self.text_before(1);
            return format!(
                "a file name belongs after `{operator}`, but {found} follows; quote a reserved word to use it as one"
            );
        }
        if let Some(keyword) = self.empty_list(kind) {
            return format!(
                "there is no command between `{keyword}` and {found}; write `:` there to do nothing"
            );
        }
        if let Some(operator) = self.needs_command() {
            return format!("a command belongs after `{operator}`, but {found} follows");
        }
        if self.is_function_head() {
            return "the body of a function belongs here; write name() { commands; }".into();
        }
        match kind {
            Kind::DoubleSemi => {
                "`;;` ends a branch of a `case`, but no branch is open here; write `;`".into()
            }
            Kind::RightParen if self.open.is_none_or(|open| open.wants != Kind::RightParen) => {
                let early = match self.source.get(..self.start(self.at)) {
                    Some(before) if before.contains("$(") => {
                        "; note that `$(` ends at its first unquoted `)`"
                    }
                    _ => "",
                };
                format!("this `)` closes nothing; add its `(`, or quote it to use it as an argument{early}")
            }
            Kind::Semi | Kind::Amp => {
                format!("a command belongs before {found}; remove one of the separators")
            }
            Kind::In => "`in` belongs behind the name after `for` or `case`, on the same line; \
                         quote it to use it as an argument"
                .into(),
            Kind::LeftBrace | Kind::Case | Kind::While if before.is_argument() => format!(
                "{found} begins a compound command here; put `;` or a newline before it, \
                 or quote it to use it as an argument"
            ),
            Kind::LeftParen => "this `(` is not allowed here; quote it to use it as an argument".into(),
            _ => self.explain_place(kind, &found),
        }
    }

    /// A token that would be fine elsewhere.
    fn explain_place(&self, kind: Kind, found: &str) -> String {
        let is_reserved = kind.ends_list();
        let hint = match self.kind_before(1).is_argument() {
            true if is_reserved => "; quote it to use it as an argument",
            _ => "",
        };
        let Some(open) = self.open else {
            return match is_reserved {
                true => format!("{found} belongs to nothing here{hint}"),
                false => format!("{found} is not expected here; put `;` or a newline before it"),
            };
        };
        let (opener, wanted) = (self.text(open.token), open.wants.keyword());
        match (self.tokens.kind(open.token), open.wants) {
            (Kind::Case, Kind::Esac) => {
                format!("{found} does not fit in this `case`; a branch is written pattern) commands ;;{hint}")
            }
            (Kind::For | Kind::Case, Kind::In) => {
                format!("{found} does not fit here: `{opener} name in` must stand on one line")
            }
            (Kind::For, Kind::Do) if kind == Kind::Do => {
                format!("{found} stands among the words of this `for`; put `;` or a newline before it")
            }
            (Kind::For, Kind::Do) => {
                format!("{found} does not fit here; write for NAME in words; do commands; done")
            }
            (_, Kind::Then | Kind::Do) if is_reserved => format!(
                "{found} does not fit here: `{opener}` still lacks its `{wanted}`; \
                 put `;` or a newline before the `{wanted}`"
            ),
            _ => format!("{found} does not fit here: `{opener}` is open and needs `{wanted}`{hint}"),
        }
    }

    fn explain_end(&self) -> String {
        if let Some(open) = self.open {
            let (opener, wanted) = (self.text(open.token), open.wants.keyword());
            return format!("this `{opener}` is never finished; add its `{wanted}`");
        }
        if let Some(operator) = self.needs_command() {
            return format!("the text ends after `{operator}`; add the command that belongs there");
        }
        if self.kind_before(1).is_file_redirect() {
            return format!("the text ends after `{}`; add the file name", self.text_before(1));
        }
        if self.is_function_head() {
            return "the text ends before the body of a function; add { commands; }".into();
        }
        "the text ends in the middle of a command; finish it".into()
    }

    /// The keyword after which a list of commands ends at once.
    fn empty_list(&self, kind: Kind) -> Option<&str> {
        let keyword = self.last_before()?;
        let begins_list = match self.tokens.kind(keyword) {
            Kind::Then | Kind::Else | Kind::Elif | Kind::Do => true,
            Kind::LeftBrace | Kind::LeftParen | Kind::If | Kind::While | Kind::Until => {
                self.open.is_some_and(|open| open.token == keyword)
            }
            _ => false,
        };
        (kind.ends_list() && begins_list).then(|| self.text(keyword))
    }

    /// The operator that a command must follow, if one stands before.
    fn needs_command(&self) -> Option<&str> {
        let operator = self.last_before()?;
        let needs = match self.tokens.kind(operator) {
            Kind::AndIf | Kind::OrIf | Kind::Pipe => true,
            // `!` is also an ordinary argument.
            Kind::Bang => operator == 0 || !self.tokens.kind(operator - 1).is_argument(),
            _ => false,
        };
        needs.then(|| self.text(operator))
    }

    /// Whether `name()` stands before.
    fn is_function_head(&self) -> bool {
        self.last_before().is_some_and(|index| {
            index > 0
                && self.tokens.kind(index) == Kind::RightParen
                && self.tokens.kind(index - 1) == Kind::LeftParen
        })
    }

    /// Constructs of other shells, and what to write instead.
    fn foreign_syntax(&self, kind: Kind, before: Kind) -> Option<&'static str> {
        let glued = self.is_glued();
        if before == Kind::LeftParen && self.kind_before(2) == Kind::Word {
            // `a=(1 2)` reads as the start of a function `a=`.
            return Some(if self.text_before(2).ends_with('=') {
                ARRAY
            } else if self.text_before(3) == "function" {
                FUNCTION
            } else {
                "a `(` after a command name begins a function definition, `name()`; \
                 quote it to use it as an argument"
            });
        }
        match kind {
            Kind::LeftParen if before.is_file_redirect() => {
                Some("process substitution `<(…)` is not POSIX sh; use a pipe or a temporary file")
            }
            Kind::LeftParen if glued && self.text_before(1).ends_with('=') => Some(ARRAY),
            Kind::LeftParen if before == Kind::For => Some(
                "`for ((…))` is not POSIX sh; write for NAME in words, or a `while` loop with test and expr",
            ),
            Kind::LeftParen | Kind::LeftBrace if self.text_before(2) == "function" => Some(FUNCTION),
            Kind::Amp if before == Kind::Pipe && glued => Some("`|&` is not POSIX sh; write 2>&1 |"),
            Kind::Amp if matches!(before, Kind::Semi | Kind::DoubleSemi) && glued => {
                Some("`;&` and `;;&` are not POSIX sh; end the branch with `;;`")
            }
            Kind::Semi if self.kind_before(2) == Kind::For => Some(FOR_WITHOUT_IN),
            Kind::Do | Kind::In if self.line_begins_with("select") => Some(SELECT),
            _ => None,
        }
    }

    /// Whether the line of the refused token, or the command before a `;`, begins with `word`.
    fn line_begins_with(&self, word: &str) -> bool {
        let line = (0..self.at).rev().take_while(|&index| self.tokens.kind(index) != Kind::Newline).last();
        line.is_some_and(|start| self.text(start) == word)
    }
}
