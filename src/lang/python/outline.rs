//! Where the functions and classes of a Python file begin and end.

use ruff_python_ast::{Decorator, ExceptHandler, Identifier, Stmt};
use ruff_text_size::{Ranged, TextSize};

use super::error::PythonSyntaxError;
use super::syntax::{PythonVersion, parse_module};

/// A function or class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its name, behind those of the classes and functions it is in, joined with dots.
    pub name: String,
    /// A class, not a function.
    pub is_class: bool,
    /// First line, from 1; that of the first decorator if there are any.
    pub first: usize,
    /// Last line of the last statement.
    pub last: usize,
    /// Characters in front of the body's first line; None if the body stands on the line of the header.
    pub indent: Option<usize>,
}

/// The functions and classes of a file, those inside others included.
///
/// # Errors
/// The text is not Python.
pub fn outline(source: &str) -> Result<Vec<Definition>, PythonSyntaxError> {
    let body = parse_module(source, PythonVersion::default())?;
    let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', source.as_bytes()).map(|end| end + 1));
    let mut outline = Outline { source, starts: starts.collect(), found: Vec::new() };
    outline.statements(&body, "");
    Ok(outline.found)
}

struct Outline<'a> {
    source: &'a str,
    /// Offset of every line.
    starts: Vec<usize>,
    found: Vec<Definition>,
}

impl Outline<'_> {
    fn statements(&mut self, statements: &[Stmt], inside: &str) {
        for statement in statements {
            self.statement(statement, inside);
        }
    }

    fn statement(&mut self, statement: &Stmt, inside: &str) {
        match statement {
            Stmt::FunctionDef(function) => {
                self.definition(statement, &function.name, &function.decorator_list, &function.body, inside);
            }
            Stmt::ClassDef(class) => {
                self.definition(statement, &class.name, &class.decorator_list, &class.body, inside);
            }
            Stmt::If(branch) => {
                self.statements(&branch.body, inside);
                for clause in &branch.elif_else_clauses {
                    self.statements(&clause.body, inside);
                }
            }
            Stmt::Try(attempt) => {
                self.statements(&attempt.body, inside);
                for ExceptHandler::ExceptHandler(handler) in &attempt.handlers {
                    self.statements(&handler.body, inside);
                }
                self.statements(&attempt.orelse, inside);
                self.statements(&attempt.finalbody, inside);
            }
            Stmt::For(repeat) => {
                self.statements(&repeat.body, inside);
                self.statements(&repeat.orelse, inside);
            }
            Stmt::While(repeat) => {
                self.statements(&repeat.body, inside);
                self.statements(&repeat.orelse, inside);
            }
            Stmt::With(with) => self.statements(&with.body, inside),
            Stmt::Match(choice) => choice.cases.iter().for_each(|case| self.statements(&case.body, inside)),
            _ => {}
        }
    }

    fn definition(
        &mut self,
        statement: &Stmt,
        name: &Identifier,
        decorators: &[Decorator],
        body: &[Stmt],
        inside: &str,
    ) {
        let name = if inside.is_empty() { name.to_string() } else { format!("{inside}.{name}") };
        let start = decorators.first().map_or(statement.start(), Ranged::start);
        // A decorator of the first statement in the body stands in front of it, at the same column.
        let indent = body.first().and_then(|first| {
            let offset = first.start().to_usize();
            let line = self.starts.get(self.line(first.start()) - 1).copied().unwrap_or_default();
            let before = self.source.get(line..offset).unwrap_or_default();
            before.chars().all(char::is_whitespace).then(|| before.chars().count())
        });
        self.found.push(Definition {
            is_class: statement.is_class_def_stmt(),
            first: self.line(start),
            last: self.line(statement.end()),
            indent,
            name: name.clone(),
        });
        self.statements(body, &name);
    }

    /// The line of an offset, from 1.
    fn line(&self, offset: TextSize) -> usize {
        self.starts.partition_point(|start| *start <= offset.to_usize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cpython_says() {
        // First and last lines as `ast` has them (decorators counted), column of the first statement of the body.
        let source = "import x\n\n@a\n@b(1,\n   2)\ndef f(p,\n      q):\n    '''doc\n    '''\n    def g(): return 1\n\nclass C:\n\tasync def \
                      m(self):\n\t\tpass\nif x:\n  def h():\n     @c\n     class D: pass\n";
        let found = outline(source).unwrap().into_iter();
        let found: Vec<_> = found.map(|d| (d.name, d.is_class, d.first, d.last, d.indent)).collect();
        let expected = [
            ("f", false, 3, 10, Some(4)),
            ("f.g", false, 10, 10, None),
            ("C", true, 12, 14, Some(1)),
            ("C.m", false, 13, 14, Some(2)),
            ("h", false, 16, 18, Some(5)),
            ("h.D", true, 17, 18, None),
        ];
        assert_eq!(
            found,
            expected.map(|(name, class, first, last, indent)| (name.to_owned(), class, first, last, indent))
        );
    }
}
