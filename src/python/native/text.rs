//! Methods of `str`.

use super::format;
use super::ops::{self, limited, not_native, part_of};
use super::value::{PyStr, Value};
use super::{Stop, Told};
use crate::lang::python::is_py_space;

/// A method of `str` that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Split,
    RSplit,
    SplitLines,
    Join,
    Replace,
    Strip,
    LStrip,
    RStrip,
    StartsWith,
    EndsWith,
    RemovePrefix,
    RemoveSuffix,
    Lower,
    Upper,
    Title,
    Capitalize,
    Find,
    RFind,
    Index,
    Count,
    Partition,
    RPartition,
    IsDigit,
    IsAlpha,
    IsAlnum,
    IsLower,
    IsUpper,
    IsSpace,
    ZFill,
    LJust,
    RJust,
    Format,
}

impl Method {
    pub fn of(name: &str) -> Option<Method> {
        Some(match name {
            "split" => Method::Split,
            "rsplit" => Method::RSplit,
            "splitlines" => Method::SplitLines,
            "join" => Method::Join,
            "replace" => Method::Replace,
            "strip" => Method::Strip,
            "lstrip" => Method::LStrip,
            "rstrip" => Method::RStrip,
            "startswith" => Method::StartsWith,
            "endswith" => Method::EndsWith,
            "removeprefix" => Method::RemovePrefix,
            "removesuffix" => Method::RemoveSuffix,
            "lower" => Method::Lower,
            "upper" => Method::Upper,
            "title" => Method::Title,
            "capitalize" => Method::Capitalize,
            "find" => Method::Find,
            "rfind" => Method::RFind,
            "index" => Method::Index,
            "count" => Method::Count,
            "partition" => Method::Partition,
            "rpartition" => Method::RPartition,
            "isdigit" => Method::IsDigit,
            "isalpha" => Method::IsAlpha,
            "isalnum" => Method::IsAlnum,
            "islower" => Method::IsLower,
            "isupper" => Method::IsUpper,
            "isspace" => Method::IsSpace,
            "zfill" => Method::ZFill,
            "ljust" => Method::LJust,
            "rjust" => Method::RJust,
            "format" => Method::Format,
            _ => return None,
        })
    }

    /// Names of its parameters that may be given by keyword.
    fn keywords(self) -> &'static [&'static str] {
        match self {
            Method::Split | Method::RSplit => &["sep", "maxsplit"],
            _ => &[],
        }
    }
}

/// `text.method(*args, **named)`.
pub(super) fn call(text: &PyStr, method: Method, args: &[Value], named: &[(&str, Value)]) -> Told<Value> {
    if method == Method::Format {
        return format::braces(text, args, named);
    }
    let with_named;
    let args = if named.is_empty() {
        args
    } else {
        // The separator's default is None.
        with_named = place_keywords(method.keywords(), Some(&Value::None), args, named)?;
        &with_named
    };
    let string = &**text;
    match (method, args) {
        (Method::Split, args) => split(string, args, false),
        (Method::RSplit, args) => split(string, args, true),
        (Method::SplitLines, []) => Ok(ops::texts(lines(string))),
        (Method::Join, [items]) => match items {
            // The common case needs no copies.
            Value::List(list) => ops::join(string, &list.borrow()),
            other => ops::join(string, &ops::elements(other)?),
        },
        (Method::Replace, [old, new]) => replace(text, old.text()?, new.text()?, None),
        (Method::Replace, [old, new, Value::Int(count)]) => {
            replace(text, old.text()?, new.text()?, usize::try_from(*count).ok())
        }
        (Method::Strip | Method::LStrip | Method::RStrip, [] | [Value::None]) => {
            Ok(strip(text, method, is_py_space))
        }
        (Method::Strip | Method::LStrip | Method::RStrip, [Value::Str(set)]) => {
            Ok(strip(text, method, |c| set.contains(c)))
        }
        (Method::StartsWith, [affix]) => affixes(affix, |affix| string.starts_with(affix)),
        (Method::EndsWith, [affix]) => affixes(affix, |affix| string.ends_with(affix)),
        (Method::RemovePrefix, [affix]) => {
            Ok(part_of(text, string.strip_prefix(&**affix.text()?).unwrap_or(string)))
        }
        (Method::RemoveSuffix, [affix]) => {
            Ok(part_of(text, string.strip_suffix(&**affix.text()?).unwrap_or(string)))
        }
        (Method::Find | Method::RFind | Method::Index, [part]) => {
            let part = &**part.text()?;
            let at = if method == Method::RFind { string.rfind(part) } else { string.find(part) };
            let index = match at {
                Some(at) => i64::try_from(ops::length(&string[..at])).map_err(|_| Stop::NotNative)?,
                None if method == Method::Index => return not_native(),
                None => -1,
            };
            Ok(Value::Int(index))
        }
        (Method::Count, [part]) => {
            let part = &**part.text()?;
            let count = if part.is_empty() { ops::length(string) + 1 } else { string.matches(part).count() };
            i64::try_from(count).map(Value::Int).map_err(|_| Stop::NotNative)
        }
        (Method::Partition | Method::RPartition, [separator]) => partition(text, method, separator.text()?),
        (_, args) => ascii(text, method, args),
    }
}

/// Methods that look at the kind of characters. CPython's Unicode tables differ between its versions.
fn ascii(text: &PyStr, method: Method, args: &[Value]) -> Told<Value> {
    let string = &**text;
    if !string.is_ascii() {
        return not_native();
    }
    let all =
        |wanted: fn(&u8) -> bool| Ok(Value::Bool(!string.is_empty() && string.bytes().all(|b| wanted(&b))));
    let cased = |unwanted: fn(&u8) -> bool| {
        let letters = string.bytes().any(|b| b.is_ascii_alphabetic());
        Ok(Value::Bool(letters && !string.bytes().any(|b| unwanted(&b))))
    };
    match (method, args) {
        (Method::Lower, []) => Ok(changed(text, string.to_ascii_lowercase())),
        (Method::Upper, []) => Ok(changed(text, string.to_ascii_uppercase())),
        (Method::Capitalize, []) => {
            let mut out = string.to_ascii_lowercase();
            if let Some(first) = out.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            Ok(Value::str(out))
        }
        (Method::Title, []) => {
            let mut after_letter = false;
            let title = |c: char| {
                let cased = if after_letter { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
                after_letter = c.is_ascii_alphabetic();
                cased
            };
            Ok(Value::str(string.chars().map(title).collect::<String>()))
        }
        (Method::IsDigit, []) => all(u8::is_ascii_digit),
        (Method::IsAlpha, []) => all(u8::is_ascii_alphabetic),
        (Method::IsAlnum, []) => all(u8::is_ascii_alphanumeric),
        (Method::IsSpace, []) => Ok(Value::Bool(!string.is_empty() && string.chars().all(is_py_space))),
        (Method::IsLower, []) => cased(u8::is_ascii_uppercase),
        (Method::IsUpper, []) => cased(u8::is_ascii_lowercase),
        (Method::ZFill | Method::LJust | Method::RJust, [Value::Int(width)]) => {
            let width = usize::try_from(*width).unwrap_or(0);
            if width > ops::MAX_SIZE {
                return not_native();
            }
            let padding = width.saturating_sub(string.len());
            limited(match method {
                Method::LJust => format!("{string}{}", " ".repeat(padding)),
                Method::RJust => format!("{}{string}", " ".repeat(padding)),
                _ => {
                    let digits = string.strip_prefix(['+', '-']).unwrap_or(string);
                    let sign = &string[..string.len() - digits.len()];
                    format!("{sign}{}{digits}", "0".repeat(padding))
                }
            })
        }
        _ => not_native(),
    }
}

/// Puts keyword arguments behind the positional ones, in their places. Gaps get `default`, if there is one for all.
pub(super) fn place_keywords(
    names: &[&str],
    default: Option<&Value>,
    args: &[Value],
    named: &[(&str, Value)],
) -> Told<Vec<Value>> {
    let mut placed = args.to_vec();
    let mut used = 0;
    for name in names.iter().skip(args.len()) {
        if used == named.len() {
            break;
        }
        let value = match named.iter().find(|(given, _)| given == name) {
            Some((_, value)) => {
                used += 1;
                value
            }
            None => default.ok_or(Stop::NotNative)?,
        };
        placed.push(value.clone());
    }
    if used == named.len() { Ok(placed) } else { not_native() }
}

fn changed(text: &PyStr, new: String) -> Value {
    if *new == **text { Value::Str(text.clone()) } else { Value::str(new) }
}

fn affixes(affix: &Value, holds: impl Fn(&str) -> bool) -> Told<Value> {
    match affix {
        Value::Str(affix) => Ok(Value::Bool(holds(affix))),
        Value::Tuple(affixes) => {
            let mut any = false;
            // CPython stops at the first that holds; what comes behind may then be anything.
            for affix in affixes.iter() {
                any = holds(affix.text()?);
                if any {
                    break;
                }
            }
            Ok(Value::Bool(any))
        }
        _ => not_native(),
    }
}

fn strip(text: &PyStr, method: Method, unwanted: impl Fn(char) -> bool + Copy) -> Value {
    let mut part = &**text;
    if method != Method::RStrip {
        part = part.trim_start_matches(unwanted);
    }
    if method != Method::LStrip {
        part = part.trim_end_matches(unwanted);
    }
    part_of(text, part)
}

fn replace(text: &PyStr, old: &str, new: &str, count: Option<usize>) -> Told<Value> {
    if old.is_empty() {
        // Puts the new text between all characters: nobody means that.
        return not_native();
    }
    let string = &**text;
    let found = string.matches(old).count().min(count.unwrap_or(usize::MAX));
    if found == 0 {
        return Ok(Value::Str(text.clone()));
    }
    if string.len().saturating_add(found.saturating_mul(new.len())) > ops::MAX_SIZE {
        return not_native();
    }
    Ok(Value::str(string.replacen(old, new, found)))
}

fn partition(text: &PyStr, method: Method, separator: &str) -> Told<Value> {
    if separator.is_empty() {
        return not_native();
    }
    let last = method == Method::RPartition;
    let found = if last { text.rsplit_once(separator) } else { text.split_once(separator) };
    let empty = || Value::str("");
    Ok(Value::tuple(match found {
        Some((before, after)) => vec![Value::str(before), Value::str(separator), Value::str(after)],
        None if last => vec![empty(), empty(), Value::Str(text.clone())],
        None => vec![Value::Str(text.clone()), empty(), empty()],
    }))
}

/// The words of a text: what `split()` gives.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_py_space).filter(|word| !word.is_empty())
}

fn split(text: &str, args: &[Value], from_end: bool) -> Told<Value> {
    let (separator, limit) = match args {
        [] | [Value::None] => (None, None),
        [separator] => (Some(separator.text()?), None),
        [separator, limit] => {
            let limit = limit.as_int().ok_or(Stop::NotNative)?;
            let separator = if let Value::None = separator { None } else { Some(separator.text()?) };
            (separator, usize::try_from(limit).ok())
        }
        _ => return not_native(),
    };
    Ok(match (separator, limit) {
        (None, None) => ops::texts(words(text)),
        (None, Some(limit)) => ops::texts(limited_words(text, limit, from_end)),
        (Some(separator), _) if separator.is_empty() => return not_native(),
        (Some(separator), None) => ops::texts(text.split(&**separator)),
        (Some(separator), Some(limit)) => {
            let pieces = limit.saturating_add(1);
            if from_end {
                let mut pieces: Vec<&str> = text.rsplitn(pieces, &**separator).collect();
                pieces.reverse();
                ops::texts(pieces)
            } else {
                ops::texts(text.splitn(pieces, &**separator))
            }
        }
    })
}

/// At most `limit` words, and what is left.
fn limited_words(text: &str, limit: usize, from_end: bool) -> Vec<&str> {
    let trim = |text| -> &str {
        let text: &str = text;
        if from_end { text.trim_end_matches(is_py_space) } else { text.trim_start_matches(is_py_space) }
    };
    let mut pieces = Vec::new();
    let mut rest = trim(text);
    while pieces.len() < limit && !rest.is_empty() {
        let cut = if from_end {
            rest.rfind(is_py_space).map(|at| at + rest[at..].chars().next().map_or(1, char::len_utf8))
        } else {
            rest.find(is_py_space)
        };
        let (word, left) = match (cut, from_end) {
            (Some(at), false) => rest.split_at(at),
            (Some(at), true) => (&rest[at..], &rest[..at]),
            (None, _) => (rest, ""),
        };
        pieces.push(word);
        rest = trim(left);
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    if from_end {
        pieces.reverse();
    }
    pieces
}

/// The lines of a text by all of Python's line ends.
fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    let is_end = |c: char| {
        matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
    };
    while let Some((at, end)) = rest.char_indices().find(|&(_, c)| is_end(c)) {
        lines.push(&rest[..at]);
        let mut next = at + end.len_utf8();
        if end == '\r' && rest[next..].starts_with('\n') {
            next += 1;
        }
        rest = &rest[next..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}
