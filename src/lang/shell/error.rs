//! What the scanner says about text it cannot read.

use thiserror::Error;

/// Why shell text was refused, in BitBake's three classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShellErrorKind {
    /// The text breaks the grammar (`ShellSyntaxError` in BitBake).
    Syntax,
    /// The text ends inside a quote, an expansion or a comment (`NeedMore`).
    NeedMore,
    /// The construct is known but not supported (`NotImplementedError`).
    NotImplemented,
}

/// Shell text that BitBake's grammar does not accept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{line}:{column}: {message}")]
pub struct ShellSyntaxError {
    /// Line in the scanned text, 1-based.
    pub line: usize,
    /// Column in that line, 1-based, in characters.
    pub column: usize,
    /// What is wrong and what to do about it.
    pub message: String,
    /// BitBake's own text: that of its exception for [`ShellErrorKind::Syntax`], else the exception's name and text.
    pub reference: String,
    /// The class of the error.
    pub kind: ShellErrorKind,
}

/// An error inside one text, before its place in the whole is known.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: ShellErrorKind,
    /// Byte offset in the text.
    pub(super) offset: usize,
    pub(super) message: String,
    pub(super) reference: String,
}

/// Results carry the fault boxed: it is large, rare, and would widen every return value.
pub(super) type Outcome<T = ()> = Result<T, Box<Fault>>;

impl Fault {
    #[cold]
    pub(super) fn syntax(
        offset: usize,
        message: impl Into<String>,
        reference: impl Into<String>,
    ) -> Box<Fault> {
        Box::new(Fault {
            kind: ShellErrorKind::Syntax,
            offset,
            message: message.into(),
            reference: reference.into(),
        })
    }

    #[cold]
    pub(super) fn need_more(offset: usize, message: impl Into<String>) -> Box<Fault> {
        Box::new(Fault {
            kind: ShellErrorKind::NeedMore,
            offset,
            message: message.into(),
            reference: "NeedMore".into(),
        })
    }

    /// `reference` is what BitBake's `NotImplementedError` says, which may be nothing.
    #[cold]
    pub(super) fn not_implemented(offset: usize, message: impl Into<String>, reference: &str) -> Box<Fault> {
        let reference = match reference {
            "" => "NotImplementedError".to_owned(),
            text => format!("NotImplementedError {text}"),
        };
        Box::new(Fault { kind: ShellErrorKind::NotImplemented, offset, message: message.into(), reference })
    }

    /// A limit of this scanner. BitBake has one too, the depth of Python's stack.
    #[cold]
    pub(super) fn too_deep(offset: usize, message: impl Into<String>) -> Box<Fault> {
        Box::new(Fault {
            kind: ShellErrorKind::NotImplemented,
            offset,
            message: message.into(),
            reference: "RecursionError maximum recursion depth exceeded".into(),
        })
    }

    /// Places the fault: `offset` is where in the whole text `code` it is.
    pub(super) fn locate(self, code: &str, offset: usize) -> ShellSyntaxError {
        let mut offset = offset.min(code.len());
        while !code.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &code[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ShellSyntaxError {
            line: before.bytes().filter(|&byte| byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: self.message,
            reference: self.reference,
            kind: self.kind,
        }
    }
}
