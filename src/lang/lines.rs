//! Physical lines to logical lines and function bodies (BitBake manual, "Line Joining" and "Functions").

use std::borrow::Cow;

use super::statement::{self, Head, Located, Problem, Statement, SyntaxError, Warning};
use super::text::repr_str;

/// What a file may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A `.conf` file.
    Config {
        /// Read by the configuration stage itself, so that `addpylib` is allowed.
        base: bool,
    },
    /// A recipe, append, class or include file.
    Recipe,
}

impl FileKind {
    /// The kind of a file by its extension; None if BitBake reads no such files.
    pub fn of(path: &str) -> Option<Self> {
        let base = path.rsplit('/').next().unwrap_or(path);
        match base.rfind('.').filter(|dot| *dot > 0).map(|dot| &base[dot..]) {
            Some(".bb" | ".bbclass" | ".inc") => Some(FileKind::Recipe),
            _ if path.ends_with(".conf") => Some(FileKind::Config { base: false }),
            _ => None,
        }
    }
}

/// A file's statements.
#[derive(Debug, Default)]
pub struct File {
    /// In order.
    pub statements: Vec<Located>,
    /// What is accepted but shouldn't be written so.
    pub warnings: Vec<Warning>,
    /// A function's header ends the file. BitBake complains when all statements are evaluated, and only if none of them read a
    /// recipe or class.
    pub unclosed: Option<SyntaxError>,
}

/// Splits a file into statements. `path` is for messages, `class` the class a `.bbclass` file defines (empty for others).
///
/// # Errors
/// The first line that is no statement, an open continuation or an open function. Nothing of a file with an error is evaluated.
pub fn parse(text: &str, path: &str, class: &str, kind: FileKind) -> Result<File, SyntaxError> {
    let mut file = File::default();
    let done = match kind {
        FileKind::Config { base } => parse_config(text, path, base, &mut file),
        FileKind::Recipe => Reader::new(path, class, &mut file).read(text),
    };
    match done {
        Ok(()) => Ok(file),
        Err(error) => Err(SyntaxError { warnings: file.warnings, ..error }),
    }
}

/// Lines as Python's text files have them: ended by `\n`, `\r\n` or `\r`.
pub fn physical_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let bytes = rest.as_bytes();
        let end = memchr::memchr2(b'\n', b'\r', bytes);
        let (line, next) = match end {
            None => (rest, ""),
            Some(at) if bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n') => {
                (&rest[..at], &rest[at + 2..])
            }
            Some(at) => (&rest[..at], &rest[at + 1..]),
        };
        rest = next;
        Some(line)
    })
}

/// Lines as Python prints a list of them.
fn quoted<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", lines.map(repr_str).collect::<Vec<_>>().join(", "))
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// Python's `rstrip()`.
fn rstrip(line: &str) -> &str {
    line.trim_end_matches(is_space)
}

fn parse_config(text: &str, path: &str, base: bool, file: &mut File) -> Result<(), SyntaxError> {
    let mut lines = physical_lines(text);
    let mut number = 0u32;
    while let Some(line) = lines.next() {
        number += 1;
        let first = number;
        let mut logical = rstrip(line).to_owned();
        if logical.is_empty() {
            continue;
        }
        let mut original = format!("{line}\n");
        while logical.ends_with('\\') {
            let next = lines.next().unwrap_or_default();
            number += 1;
            original.push_str(next);
            original.push('\n');
            let next = rstrip(next);
            if logical.starts_with('#') && !next.starts_with('#') {
                return Err(SyntaxError::fatal(
                    first,
                    Problem::PartialComment,
                    format!(
                        "There is a confusing multiline, partially commented expression starting on line {first} of file \
                         {path}:\n{original}\nPlease clarify whether this is all a comment or should be parsed."
                    ),
                ));
            }
            logical.pop();
            logical.push_str(next);
        }
        if logical.is_empty() || logical.starts_with('#') {
            continue;
        }
        let statement = statement::config(&logical, path, number, base, true, &mut file.warnings)
            .map_err(|error| error.starting(first))?;
        file.statements.push(Located { line: number, first, statement });
    }
    Ok(())
}

/// The state of reading a recipe or class line by line.
struct Reader<'a, 'f> {
    path: &'a str,
    class: &'a str,
    file: &'f mut File,
    open: Open,
    body: Vec<Cow<'a, str>>,
    /// Physical lines that ended in a backslash, without it.
    pending: Vec<&'a str>,
    number: u32,
}

/// What the current line belongs to.
enum Open {
    /// Nothing: it starts or continues a statement.
    Nothing,
    /// A function with a header, up to a closing brace.
    Function { name: Option<String>, python: bool, fakeroot: bool },
    /// A Python `def`, as long as lines are indented.
    Def { name: String },
}

impl<'a, 'f> Reader<'a, 'f> {
    fn new(path: &'a str, class: &'a str, file: &'f mut File) -> Self {
        Reader { path, class, file, open: Open::Nothing, body: Vec::new(), pending: Vec::new(), number: 0 }
    }

    fn read(mut self, text: &'a str) -> Result<(), SyntaxError> {
        for line in physical_lines(text) {
            self.number += 1;
            self.line(rstrip(line))?;
        }
        self.number += 1;
        if let Open::Def { .. } = self.open {
            self.close_def();
        }
        if !self.pending.is_empty() {
            let message = format!("Unparsed lines {}: {}", self.path, quoted(self.pending.iter().copied()));
            return Err(SyntaxError::new(self.number, Problem::OpenContinuation, message));
        }
        if !self.body.is_empty() {
            let message = format!(
                "Unparsed lines from unclosed function {}: {}",
                self.path,
                quoted(self.body.iter().map(|line| &**line))
            );
            return Err(SyntaxError::new(self.number, Problem::OpenFunction, message));
        }
        if let Open::Function { name, .. } = &self.open {
            let name = name.as_deref().unwrap_or("__anonymous");
            let message = format!("Shell function {name} is never closed");
            // The header is the last line.
            self.file.unclosed = Some(SyntaxError::new(self.number - 1, Problem::OpenFunction, message));
        }
        Ok(())
    }

    fn line(&mut self, line: &'a str) -> Result<(), SyntaxError> {
        match &self.open {
            Open::Function { name, python, .. } => {
                if *python || name.is_none() {
                    self.check_tabs(line);
                }
                if line == "}" {
                    self.close_function();
                } else {
                    self.body.push(Cow::Borrowed(line));
                }
                return Ok(());
            }
            Open::Def { .. } => {
                self.check_tabs(line);
                if line.is_empty() || line.starts_with('#') || line.starts_with(is_space) {
                    self.body.push(Cow::Borrowed(line));
                    return Ok(());
                }
                self.close_def();
            }
            Open::Nothing => {}
        }

        let path = self.path;
        let open_comment = self.pending.first().map(|first| first.starts_with('#'));
        if line.starts_with('#') && open_comment == Some(false) {
            return Err(SyntaxError::fatal(
                self.number,
                Problem::CommentInExpression,
                format!(
                    "There is a comment on line {} of file {path}:\n'''\n{line}\n'''\nwhich is in the middle of a multiline \
                     expression. This syntax is invalid, please correct it.",
                    self.number
                ),
            ));
        }
        if open_comment == Some(true) && !line.starts_with('#') {
            let first = self.number - self.pending.len() as u32;
            return Err(SyntaxError::fatal(
                first,
                Problem::PartialComment,
                format!(
                    "There is a confusing multiline partially commented expression on line {first} of file {path}:\n{}\nPlease \
                     clarify whether this is all a comment or should be parsed.",
                    self.pending.join("\n")
                ),
            ));
        }
        if let Some(part) = line.strip_suffix('\\') {
            self.pending.push(part);
            return Ok(());
        }
        let first = self.number - self.pending.len() as u32;
        let logical = if self.pending.is_empty() {
            Cow::Borrowed(line)
        } else {
            let mut joined = self.pending.concat();
            joined.push_str(line);
            self.pending.clear();
            Cow::Owned(joined)
        };
        self.statement(logical, first)
    }

    fn statement(&mut self, logical: Cow<'a, str>, first: u32) -> Result<(), SyntaxError> {
        if logical.is_empty() || logical.starts_with('#') {
            return Ok(());
        }
        let head = statement::recipe(&logical, self.path, self.class, self.number, &mut self.file.warnings)
            .map_err(|error| error.starting(first))?;
        match head {
            Head::Statement(statement) => {
                self.file.statements.push(Located { line: self.number, first, statement });
            }
            Head::Function { name, python, fakeroot } => {
                self.open = Open::Function { name, python, fakeroot }
            }
            Head::Def { name } => {
                self.body.push(logical);
                self.open = Open::Def { name };
            }
        }
        Ok(())
    }

    fn check_tabs(&mut self, line: &str) {
        if line.trim_start_matches(' ').starts_with('\t') {
            let base = self.path.rsplit('/').next().unwrap_or(self.path);
            self.file.warnings.push(Warning {
                line: self.number,
                text: format!(
                    "python should use 4 spaces indentation, but found tabs in {base}, line {}",
                    self.number
                ),
            });
        }
    }

    fn close_function(&mut self) {
        let Open::Function { name, python, fakeroot } = std::mem::replace(&mut self.open, Open::Nothing)
        else {
            return;
        };
        let header = self.number - self.body.len() as u32 - 1;
        let mut body = self.body.join("\n");
        if !self.body.is_empty() {
            body.push('\n');
        }
        self.body.clear();
        let statement =
            Statement::Function { name: name.map(Into::into), python, fakeroot, body: body.into(), header };
        self.file.statements.push(Located { line: self.number, first: header, statement });
    }

    fn close_def(&mut self) {
        let Open::Def { name } = std::mem::replace(&mut self.open, Open::Nothing) else { return };
        let start = self.number - self.body.len() as u32;
        let statement =
            Statement::Def { name: name.into(), text: self.body.join("\n").into(), before: start - 1 };
        self.body.clear();
        self.file.statements.push(Located { line: self.number, first: start, statement });
    }
}
