//! The grammar: which words are commands.
//!
//! A recursive descent that goes exactly where the LALR automaton of BitBake's scanner does. What follows from that and
//! surprises: `{ a }` needs no semicolon, and at the top level (only there) a complete command may directly follow
//! another, so that `(a) b`, `a b (c)` and `a { b; }` are two commands each.

use super::diagnosis;
use super::error::{Fault, Outcome};
use super::token::{Kind, Token, Tokens};
use super::unexpected;

/// How deep compound commands may nest. BitBake's limit is Python's stack and lies a little below.
pub(super) const MAX_NESTING: usize = 250;

/// A group of words of the finished parse.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    /// A simple command, whose first word is its name; otherwise the items of a `for` or the patterns of a `case`,
    /// which matter only for their command substitutions.
    pub(super) is_simple: bool,
    /// Range in [`Program::words`].
    pub(super) words: (u32, u32),
}

/// A compound command that is not finished.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    /// The token that began it.
    pub(super) token: usize,
    /// What must come next of its own words, after a list of commands perhaps.
    pub(super) wants: Kind,
}

/// What one text consists of, in the order in which BitBake looks at it.
#[derive(Default)]
pub(super) struct Program {
    pub(super) commands: Vec<Command>,
    /// Token indices.
    pub(super) words: Vec<u32>,
    /// Token indices of function names.
    pub(super) functions: Vec<u32>,
    /// The `case` patterns to look at, so far, of the clauses still open.
    patterns: Vec<u32>,
    /// The compound commands still open, outermost first.
    open: Vec<Open>,
}

impl Program {
    fn clear(&mut self) {
        self.commands.clear();
        self.words.clear();
        self.functions.clear();
        self.patterns.clear();
        self.open.clear();
    }
}

struct Parser<'a> {
    source: &'a str,
    tokens: &'a Tokens,
    at: usize,
    program: &'a mut Program,
}

/// Parses all tokens of `source` into `program`.
pub(super) fn parse(source: &str, tokens: &Tokens, program: &mut Program) -> Outcome {
    program.clear();
    Parser { source, tokens, at: 0, program }.run()
}

impl Parser<'_> {
    #[inline]
    fn peek(&self) -> Kind {
        self.tokens.kind(self.at)
    }

    fn accept(&mut self, kind: Kind) -> bool {
        let found = self.peek() == kind;
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, kind: Kind) -> Outcome {
        if self.accept(kind) { Ok(()) } else { self.unexpected() }
    }

    #[cold]
    fn unexpected<T>(&self) -> Outcome<T> {
        Err(unexpected::token(self.source, self.tokens, self.at, self.program.open.last()))
    }

    fn token(&self, index: usize) -> Token {
        self.tokens.list.get(index).copied().unwrap_or(Token::new(Kind::End, 0..0))
    }

    fn line_break(&mut self) {
        while self.peek() == Kind::Newline {
            self.at += 1;
        }
    }

    fn run(mut self) -> Outcome {
        self.line_break();
        while self.peek() != Kind::End {
            self.and_or()?;
            while matches!(self.peek(), Kind::Semi | Kind::Amp) {
                self.separator_operator();
                if !self.peek().begins_command() {
                    break;
                }
                self.and_or()?;
            }
            self.line_break();
        }
        Ok(())
    }

    /// `;`, `; ;` or `&`; tells whether it was `&`.
    fn separator_operator(&mut self) -> bool {
        if self.accept(Kind::Amp) {
            return true;
        }
        self.at += 1;
        self.accept(Kind::Semi);
        false
    }

    fn and_or(&mut self) -> Outcome {
        self.pipeline()?;
        while matches!(self.peek(), Kind::AndIf | Kind::OrIf) {
            self.at += 1;
            self.line_break();
            self.pipeline()?;
        }
        Ok(())
    }

    fn pipeline(&mut self) -> Outcome {
        self.accept(Kind::Bang);
        self.command()?;
        while self.accept(Kind::Pipe) {
            self.line_break();
            self.command()?;
        }
        Ok(())
    }

    fn command(&mut self) -> Outcome {
        let kind = self.peek();
        if kind == Kind::Word && self.tokens.kind(self.at + 1) == Kind::LeftParen {
            self.function()
        } else if kind.is_compound() {
            self.compound()?;
            self.redirects().map(|_| ())
        } else if matches!(kind, Kind::Word | Kind::Assignment) || kind.is_redirect() {
            self.simple()
        } else {
            self.unexpected()
        }
    }

    fn simple(&mut self) -> Outcome {
        let start = self.program.words.len() as u32;
        if self.peek() == Kind::Word {
            self.word();
        } else {
            loop {
                match self.peek() {
                    Kind::Assignment => self.word(),
                    kind if kind.is_redirect() => self.redirect()?,
                    _ => break,
                }
            }
            if !self.peek().is_word() {
                self.finish(true, start);
                return Ok(());
            }
            self.word();
        }
        loop {
            let kind = self.peek();
            if kind.is_argument() {
                self.word();
            } else if kind.is_redirect() {
                self.redirect()?;
            } else {
                self.finish(true, start);
                return Ok(());
            }
        }
    }

    fn word(&mut self) {
        self.program.words.push(self.at as u32);
        self.at += 1;
    }

    fn finish(&mut self, is_simple: bool, start: u32) {
        let end = self.program.words.len() as u32;
        if end > start {
            self.program.commands.push(Command { is_simple, words: (start, end) });
        }
    }

    /// Any number of redirections; tells whether there was one.
    fn redirects(&mut self) -> Outcome<bool> {
        let start = self.at;
        while self.peek().is_redirect() {
            self.redirect()?;
        }
        Ok(self.at > start)
    }

    fn redirect(&mut self) -> Outcome {
        self.accept(Kind::IoNumber);
        let kind = self.peek();
        if kind.is_file_redirect() {
            self.at += 1;
        } else if matches!(kind, Kind::HereDoc | Kind::HereDocDash) {
            self.at += 1;
            self.expect(Kind::HereName)?;
        } else {
            return self.unexpected();
        }
        self.expect(Kind::Word)
    }

    fn function(&mut self) -> Outcome {
        let name = self.at;
        self.at += 1;
        self.expect(Kind::LeftParen)?;
        self.expect(Kind::RightParen)?;
        self.line_break();
        if !self.peek().is_compound() {
            return self.unexpected();
        }
        self.program.functions.push(name as u32);
        self.compound()?;
        let redirect = self.at;
        if self.redirects()? {
            return Err(diagnosis::function_redirect(self.token(redirect).start as usize));
        }
        Ok(())
    }

    fn compound(&mut self) -> Outcome {
        let opener = self.at;
        if self.program.open.len() >= MAX_NESTING {
            return Err(Fault::too_deep(
                self.token(opener).start as usize,
                format!(
                    "compound commands nest deeper than {MAX_NESTING} levels; move the inner ones into a function"
                ),
            ));
        }
        let kind = self.peek();
        self.program.open.push(Open { token: opener, wants: Kind::In });
        self.at += 1;
        match kind {
            Kind::LeftBrace => self.list_until(Kind::RightBrace)?,
            Kind::LeftParen => self.list_until(Kind::RightParen)?,
            Kind::If => self.if_clause()?,
            Kind::For => self.for_clause()?,
            Kind::Case => self.case_clause()?,
            // `while` and `until`
            _ => {
                self.list_until(Kind::Do)?;
                self.list_until(Kind::Done)?;
            }
        }
        self.program.open.pop();
        Ok(())
    }

    /// The commands inside a compound command. A `&` may stand between commands but not after the last.
    fn list(&mut self) -> Outcome {
        self.line_break();
        self.and_or()?;
        loop {
            let separator = self.at;
            let background = match self.peek() {
                Kind::Semi | Kind::Amp => self.separator_operator(),
                Kind::Newline => false,
                _ => return Ok(()),
            };
            self.line_break();
            let next = self.peek();
            if next.begins_command() {
                self.and_or()?;
            } else if background && next.ends_list() {
                return Err(diagnosis::background_last(self.token(separator).start as usize));
            } else {
                return Ok(());
            }
        }
    }

    /// Notes which word the innermost compound command needs next.
    fn wants(&mut self, kind: Kind) {
        if let Some(open) = self.program.open.last_mut() {
            open.wants = kind;
        }
    }

    fn list_until(&mut self, closer: Kind) -> Outcome {
        self.wants(closer);
        self.list()?;
        self.expect(closer)
    }

    fn if_clause(&mut self) -> Outcome {
        loop {
            self.list_until(Kind::Then)?;
            self.wants(Kind::Fi);
            self.list()?;
            if !self.accept(Kind::Elif) {
                break;
            }
        }
        if self.accept(Kind::Else) {
            self.list()?;
        }
        self.expect(Kind::Fi)
    }

    fn expect_word(&mut self) -> Outcome {
        if !self.peek().is_word() {
            return self.unexpected();
        }
        self.at += 1;
        Ok(())
    }

    fn for_clause(&mut self) -> Outcome {
        let name = self.at;
        self.expect_word()?;
        self.line_break();
        if self.accept(Kind::Do) {
            self.list_until(Kind::Done)?;
            return Err(diagnosis::for_without_in(self.token(name).start as usize));
        }
        self.expect(Kind::In)?;
        self.wants(Kind::Do);
        let items = self.at;
        while self.peek().is_word() {
            self.at += 1;
        }
        let items = items as u32..self.at as u32;
        if !matches!(self.peek(), Kind::Semi | Kind::Newline) {
            return self.unexpected();
        }
        self.accept(Kind::Semi);
        self.line_break();
        self.expect(Kind::Do)?;
        self.list_until(Kind::Done)?;
        let start = self.program.words.len() as u32;
        self.program.words.extend(items);
        self.finish(false, start);
        Ok(())
    }

    fn case_clause(&mut self) -> Outcome {
        self.expect_word()?;
        self.line_break();
        self.expect(Kind::In)?;
        self.wants(Kind::Esac);
        self.line_break();
        let first_pattern = self.program.patterns.len();
        while !self.accept(Kind::Esac) {
            let branch_patterns = self.program.patterns.len();
            let parenthesis = self.accept(Kind::LeftParen);
            // Of the patterns of a branch, BitBake keeps only the first.
            self.program.patterns.push(self.at as u32);
            self.expect_word()?;
            while self.accept(Kind::Pipe) {
                self.expect_word()?;
            }
            self.expect(Kind::RightParen)?;
            self.line_break();
            if !matches!(self.peek(), Kind::DoubleSemi | Kind::Esac) {
                self.list()?;
            }
            if self.accept(Kind::DoubleSemi) {
                self.line_break();
                continue;
            }
            self.expect(Kind::Esac)?;
            if parenthesis {
                // BitBake does not look at the patterns of a last branch that is written `(x) …` without `;;`.
                self.program.patterns.truncate(branch_patterns);
            }
            break;
        }
        let start = self.program.words.len() as u32;
        let Program { words, patterns, .. } = &mut *self.program;
        words.extend(patterns.drain(first_pattern..));
        self.finish(false, start);
        Ok(())
    }
}
