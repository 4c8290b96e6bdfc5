//! Walks the commands of a text and of everything its words substitute, and collects what is called.

use std::borrow::Cow;
use std::collections::HashSet;

use super::error::{Fault, Outcome, ShellSyntaxError};
use super::lexer::{self, Buffers};
use super::parser::{self, Command, Program};
use super::token::{Kind, Token, Tokens};
use super::word::{self, QuoteStack, Substitutions};
use super::{ShellScan, diagnosis};

/// How deep command substitutions and `eval` may nest. BitBake stops at 141.
const MAX_DEPTH: usize = 150;
/// How often the size of the whole text may be read again for nested texts.
const MAX_REREADS: usize = 2 * MAX_DEPTH;

/// Something left to do. Nested texts wait on a stack of their own, so that nesting costs no call stack and the first
/// error is the one that BitBake reports.
enum Job<'a> {
    Text(Text<'a>),
    /// A word that turned out to be invalid after earlier words' substitutions were found.
    Fail(ShellSyntaxError),
}

/// A text to scan.
struct Text<'a> {
    text: Cow<'a, str>,
    /// Where it stands in the whole. If it is not a literal part of the whole, where the word it came from stands.
    origin: usize,
    depth: usize,
}

impl Text<'_> {
    fn place(&self, offset: usize) -> usize {
        match self.text {
            Cow::Borrowed(_) => self.origin + offset,
            Cow::Owned(_) => self.origin,
        }
    }
}

struct Scanner<'a> {
    code: &'a str,
    found: ShellScan,
    tokens: Tokens,
    program: Program,
    buffers: Buffers,
    open: QuoteStack,
    substitutions: Substitutions,
    jobs: Vec<Job<'a>>,
    /// What the text at hand adds to `jobs`, first to be done first.
    new_jobs: Vec<Job<'a>>,
    /// Nested texts already met: scanning them again finds nothing new, and `eval "$(eval …)"` would double the work
    /// with each level.
    seen: HashSet<Cow<'a, str>>,
    /// Bytes of nested text that may still be read.
    budget: usize,
}

pub(super) fn scan(code: &str) -> Result<ShellScan, ShellSyntaxError> {
    if u32::try_from(code.len()).is_err() {
        return Err(Fault::too_deep(0, "the text is larger than 4 GiB; split it").locate(code, 0));
    }
    let mut scanner = Scanner {
        code,
        found: ShellScan::default(),
        tokens: Tokens::for_length(code.len()),
        program: Program::default(),
        buffers: Buffers::default(),
        open: QuoteStack::new(),
        substitutions: Substitutions::default(),
        jobs: vec![Job::Text(Text { text: Cow::Borrowed(code), origin: 0, depth: 0 })],
        new_jobs: Vec::new(),
        seen: HashSet::new(),
        budget: code.len().saturating_mul(MAX_REREADS),
    };
    while let Some(job) = scanner.jobs.pop() {
        match job {
            Job::Fail(error) => return Err(error),
            Job::Text(text) => scanner.scan_text(&text).map_err(|fault| {
                let place = text.place(fault.offset);
                fault.locate(code, place)
            })?,
        }
    }
    let ShellScan { mut execs, all_execs, funcdefs } = scanner.found;
    execs.extend(all_execs.difference(&funcdefs).cloned());
    Ok(ShellScan { execs, all_execs, funcdefs })
}

impl<'a> Scanner<'a> {
    fn scan_text(&mut self, text: &Text<'a>) -> Outcome {
        let source: &str = &text.text;
        lexer::lex(source, &mut self.tokens, &mut self.buffers)?;
        parser::parse(source, &self.tokens, &mut self.program)?;
        for &name in &self.program.functions {
            if let Some(&token) = self.tokens.list.get(name as usize) {
                self.found.add_function(self.tokens.text(source, token));
            }
        }
        for index in 0..self.program.commands.len() {
            let command = self.program.commands[index];
            if let Err(fault) = self.command(text, command) {
                let place = text.place(fault.offset);
                self.new_jobs.push(Job::Fail(fault.locate(self.code, place)));
                break;
            }
        }
        self.jobs.extend(self.new_jobs.drain(..).rev());
        Ok(())
    }

    /// Finds what one simple command (or list of words) calls.
    fn command(&mut self, text: &Text<'a>, command: Command) -> Outcome {
        let words = command.words.0 as usize..command.words.1 as usize;
        let Some(head) = self.word(words.start) else { return Ok(()) };
        if command.is_simple && head.kind == Kind::Assignment {
            return self.assignment(text, head);
        }
        let mut index = words.start;
        while index < words.end {
            let substitutes = match self.word(index) {
                Some(token) if token.expands => self.substitutions_of(text, token, 0)?,
                _ => false,
            };
            index += 1;
            if substitutes && command.is_simple && index == words.start + 1 {
                // BitBake drops such a name from the list it walks over: it misses the word after it, and the name.
                index += 1;
                while index < words.end {
                    if let Some(token) = self.word(index).filter(|token| token.expands) {
                        self.substitutions_of(text, token, 0)?;
                    }
                    index += 1;
                }
                return Ok(());
            }
        }
        if !command.is_simple {
            return Ok(());
        }
        // Assignments before the name are ordinary words for the grammar.
        let is_name = |token: &Token| !self.tokens.text(&text.text, *token).contains('=');
        let Some(name) = words.clone().filter_map(|index| self.word(index)).find(is_name) else {
            return Ok(());
        };
        let value = self.tokens.text(&text.text, name);
        if value != "eval" {
            self.found.add_command(value);
            return Ok(());
        }
        // All words but the first, even if the first is not the `eval`.
        let arguments: Vec<&str> = words
            .skip(1)
            .filter_map(|index| self.word(index))
            .map(|token| self.tokens.text(&text.text, token))
            .collect();
        let code = Cow::Owned(arguments.join(" "));
        self.add_text(text, name.start as usize, code)
    }

    /// A command that is only `NAME=VALUE`. BitBake confuses the names `cmd_name` and `cmd_word` with its own marks for
    /// a command's name, so that `cmd_name=foo` calls `foo`.
    fn assignment(&mut self, text: &Text<'a>, token: Token) -> Outcome {
        let word = self.tokens.text(&text.text, token);
        let name = word.split('=').next().unwrap_or_default();
        let value_at = name.len() + 1;
        let calls_value = matches!(name, "cmd_name" | "cmd_word");
        if token.expands && self.substitutions_of(text, token, value_at)? {
            return Ok(());
        }
        let value = self.tokens.text(&text.text, token).get(value_at..).unwrap_or_default();
        if calls_value && !value.contains('=') && value != "eval" {
            self.found.add_command(value);
        }
        Ok(())
    }

    /// The token of the word at `index` in the program's list of words.
    fn word(&self, index: usize) -> Option<Token> {
        self.tokens.list.get(*self.program.words.get(index)? as usize).copied()
    }

    /// Adds the command substitutions of a word, from its byte `skip` on, to the jobs; tells whether there were any.
    fn substitutions_of(&mut self, text: &Text<'a>, token: Token, skip: usize) -> Outcome<bool> {
        let start = token.start as usize;
        let mut found = std::mem::take(&mut self.substitutions);
        found.clear();
        let value = self.tokens.text(&text.text, token).get(skip..).unwrap_or_default();
        word::read_word(value, &mut self.open, &mut found)
            .map_err(|fault| diagnosis::invalid_word(fault, start + skip, value))?;
        for &(from, to) in &found.inside {
            let value = self.tokens.text(&text.text, token).get(skip..).unwrap_or_default();
            let offset = if token.is_source() { start + skip + from } else { start };
            let code = match word::without_continuations(value, from, to, &found.continuations) {
                Some(code) => Cow::Owned(code),
                None => match &text.text {
                    Cow::Borrowed(source) if token.is_source() => {
                        Cow::Borrowed(source.get(offset..offset + (to - from)).unwrap_or_default())
                    }
                    _ => Cow::Owned(value.get(from..to).unwrap_or_default().to_owned()),
                },
            };
            self.add_text(text, offset, code)?;
        }
        let any = !found.inside.is_empty();
        self.substitutions = found;
        Ok(any)
    }

    /// Adds `code`, which stands at `offset` in `text`, to the jobs.
    fn add_text(&mut self, text: &Text<'a>, offset: usize, code: Cow<'a, str>) -> Outcome {
        if text.depth == MAX_DEPTH {
            return Err(Fault::too_deep(
                offset,
                format!(
                    "command substitutions nest deeper than {MAX_DEPTH} levels; assign the inner ones to variables"
                ),
            ));
        }
        let Some(budget) = self.budget.checked_sub(code.len()) else {
            return Err(Fault::too_deep(
                offset,
                "command substitutions and eval repeat too much text; assign the inner ones to variables",
            ));
        };
        if !code.is_empty() && !self.seen.contains(&code) {
            self.seen.insert(code.clone());
            self.budget = budget;
            let job = Text { text: code, origin: text.place(offset), depth: text.depth + 1 };
            self.new_jobs.push(Job::Text(job));
        }
        Ok(())
    }
}

impl ShellScan {
    /// Adds a command by the word that names it. What a variable names is unknown and ignored.
    fn add_command(&mut self, name: &str) {
        if !name.starts_with('$') && !self.all_execs.contains(name) {
            self.all_execs.insert(name.to_owned());
        }
    }

    fn add_function(&mut self, name: &str) {
        if !self.funcdefs.contains(name) {
            self.funcdefs.insert(name.to_owned());
        }
    }
}
