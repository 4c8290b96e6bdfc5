//! Constants of Python's syntax tree, and their `str()`.

use std::borrow::Cow;

use ruff_python_ast::{Expr, Number};

/// What CPython's `ast.Constant` holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Constant<'a> {
    Str(&'a str),
    Bytes(Cow<'a, [u8]>),
    /// Decimal digits.
    Int(String),
    Float(f64),
    /// Imaginary part.
    Complex(f64),
    Bool(bool),
    None,
    Ellipsis,
}

impl<'a> Constant<'a> {
    /// The constant that `expr` is, if it is one. A sign or an f-string makes it an expression.
    pub fn of(expr: &'a Expr) -> Option<Self> {
        Some(match expr {
            Expr::StringLiteral(literal) => Constant::Str(literal.value.to_str()),
            Expr::BytesLiteral(literal) => Constant::Bytes(Cow::from(&literal.value)),
            Expr::NumberLiteral(literal) => match &literal.value {
                Number::Int(int) => Constant::Int(int.to_string()),
                Number::Float(float) => Constant::Float(*float),
                Number::Complex { imag, .. } => Constant::Complex(*imag),
            },
            Expr::BooleanLiteral(literal) => Constant::Bool(literal.value),
            Expr::NoneLiteral(_) => Constant::None,
            Expr::EllipsisLiteral(_) => Constant::Ellipsis,
            _ => return None,
        })
    }

    /// Name of the constant's Python type, as error messages give it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Constant::Str(_) => "str",
            Constant::Bytes(_) => "bytes",
            Constant::Int(_) => "int",
            Constant::Float(_) => "float",
            Constant::Complex(_) => "complex",
            Constant::Bool(_) => "bool",
            Constant::None => "None",
            Constant::Ellipsis => "ellipsis",
        }
    }

    /// Python's `str()` of the constant.
    pub fn to_py_str(&self) -> Cow<'a, str> {
        Cow::Owned(match self {
            Constant::Str(text) => return Cow::Borrowed(text),
            Constant::Bytes(bytes) => bytes_repr(bytes),
            Constant::Int(digits) => digits.clone(),
            Constant::Float(float) => float_repr(*float),
            Constant::Complex(imag) => {
                let text = float_repr(*imag);
                format!("{}j", text.strip_suffix(".0").unwrap_or(&text))
            }
            Constant::Bool(true) => "True".to_owned(),
            Constant::Bool(false) => "False".to_owned(),
            Constant::None => "None".to_owned(),
            Constant::Ellipsis => "Ellipsis".to_owned(),
        })
    }
}

/// Python's `repr()` of a bytes object.
pub(super) fn bytes_repr(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut out = String::with_capacity(bytes.len() + 3);
    out.push('b');
    out.push(quote);
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b' '..=b'~' if byte as char == quote => {
                out.push('\\');
                out.push(quote);
            }
            b' '..=b'~' => out.push(byte as char),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push(quote);
    out
}

/// Python's `repr()` of a float: the shortest digits that read back equal, exponents outside 1e-4..1e16.
pub(crate) fn float_repr(float: f64) -> String {
    if float.is_nan() {
        return "nan".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let magnitude = float.abs();
    if magnitude == 0.0 || (1e-4..1e16).contains(&magnitude) {
        let text = format!("{float}");
        return if text.contains('.') { text } else { text + ".0" };
    }
    let text = format!("{float:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, number) = match exponent.strip_prefix('-') {
                Some(number) => ('-', number),
                None => ('+', exponent),
            };
            format!("{digits}e{sign}{number:0>2}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Right-hand sides are CPython's `repr()`.
    #[test]
    fn floats_read_like_pythons() {
        for (float, repr) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (123456789.125, "123456789.125"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(float_repr(float), repr);
        }
    }

    /// Right-hand sides are CPython's `repr()`.
    #[test]
    fn bytes_read_like_pythons() {
        assert_eq!(bytes_repr(b"a\n\x00'\xff"), r#"b"a\n\x00'\xff""#);
        assert_eq!(bytes_repr(b"'\""), r#"b'\'"'"#);
    }
}
