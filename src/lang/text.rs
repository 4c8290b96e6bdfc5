//! A piece of metadata text.

use std::any::Any;
use std::cell::OnceCell;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use super::expr;
pub use super::repr::text as repr_str;

/// A shared, immutable piece of metadata text that remembers where its references are.
#[derive(Clone)]
pub struct Text(Rc<Inner>);

struct Inner {
    text: Box<str>,
    /// Found on first use: most texts are read often or never.
    vars: OnceCell<Box<[(Range<usize>, Rc<str>)]>>,
    python: OnceCell<Box<[(Range<usize>, Rc<str>)]>>,
    twin: OnceCell<Box<dyn Any>>,
    scan: OnceCell<Rc<dyn Any>>,
}

impl Text {
    /// A text of its own.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Text(Rc::new(Inner {
            text: text.into(),
            vars: OnceCell::new(),
            python: OnceCell::new(),
            twin: OnceCell::new(),
            scan: OnceCell::new(),
        }))
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The `${NAME}` references in it.
    pub fn vars(&self) -> &[(Range<usize>, Rc<str>)] {
        self.0
            .vars
            .get_or_init(|| expr::find_vars(&self.0.text).map(|(range, name)| (range, name.into())).collect())
    }

    /// The `${@ python }` expressions in it: the range of each and its code.
    pub fn python(&self) -> &[(Range<usize>, Rc<str>)] {
        self.0.python.get_or_init(|| {
            expr::find_python(&self.0.text).map(|(range, code)| (range, code.into())).collect()
        })
    }

    /// Whether there may be any of both.
    pub fn has_references(&self) -> bool {
        memchr::memmem::find(self.0.text.as_bytes(), b"${").is_some()
    }

    /// Where a scanner keeps what it found out about the text as code: a body that many recipes share is scanned once.
    pub fn scan(&self) -> &OnceCell<Rc<dyn Any>> {
        &self.0.scan
    }

    /// Where the Python side keeps the same text as an object of its own.
    pub fn twin(&self) -> &OnceCell<Box<dyn Any>> {
        &self.0.twin
    }

    /// True if both are the same allocation: a cheap proof of equality.
    pub fn same(&self, other: &Text) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl std::ops::Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0.text
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.same(other) || self.0.text == other.0.text
    }
}

impl Eq for Text {}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.text.fmt(f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl Default for Text {
    fn default() -> Self {
        Text::new("")
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text::new(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text::new(text)
    }
}
