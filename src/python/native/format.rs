//! `str()`, `repr()`, and the `%` and `{}` formats.

use std::fmt::Write as _;

use super::ops::{self, limited, not_native};
use super::value::{Key, Value};
use super::{Stop, Told};

const MAX_NESTING: u32 = 40;

/// `str(value)`, or not native where CPython's text isn't certain.
pub(super) fn to_str(value: &Value) -> Told<Value> {
    if let Value::Str(_) = value {
        return Ok(value.clone());
    }
    let mut out = String::new();
    write_repr(&mut out, value, MAX_NESTING)?;
    limited(out)
}

/// Writes `str(value)`.
pub(super) fn write_str(out: &mut String, value: &Value) -> Told<()> {
    match value {
        Value::Str(text) => {
            out.push_str(text);
            Ok(())
        }
        other => write_repr(out, other, MAX_NESTING),
    }
}

/// `repr(value)`.
pub(super) fn repr(value: &Value) -> Told<String> {
    let mut out = String::new();
    write_repr(&mut out, value, MAX_NESTING)?;
    Ok(out)
}

fn write_repr(out: &mut String, value: &Value, depth: u32) -> Told<()> {
    let Some(depth) = depth.checked_sub(1) else { return not_native() };
    if out.len() > ops::MAX_SIZE {
        return not_native();
    }
    match value {
        Value::None => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(n) => {
            let _ = write!(out, "{n}");
        }
        Value::Str(text) => write_quoted(out, text)?,
        Value::List(list) => write_all(out, "[", &list.borrow(), "]", depth)?,
        Value::Tuple(items) => write_all(out, "(", items, if items.len() == 1 { ",)" } else { ")" }, depth)?,
        Value::Set(set) => {
            let set = set.borrow();
            let items = set.in_order()?;
            match (set.frozen, items.is_empty()) {
                (false, true) => out.push_str("set()"),
                (true, true) => out.push_str("frozenset()"),
                (false, false) => write_all(out, "{", &items, "}", depth)?,
                (true, false) => write_all(out, "frozenset({", &items, "})", depth)?,
            }
        }
        Value::Dict(dict) => {
            let dict = dict.borrow();
            out.push('{');
            for (n, (key, value)) in dict.keys.iter().zip(dict.values.iter()).enumerate() {
                if n > 0 {
                    out.push_str(", ");
                }
                write_repr(out, &Key::value(key), depth)?;
                out.push_str(": ");
                write_repr(out, value, depth)?;
            }
            out.push('}');
        }
        _ => return not_native(),
    }
    Ok(())
}

fn write_all(out: &mut String, open: &str, items: &[Value], close: &str, depth: u32) -> Told<()> {
    out.push_str(open);
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            out.push_str(", ");
        }
        write_repr(out, item, depth)?;
    }
    out.push_str(close);
    Ok(())
}

/// `repr()` of a text. Which characters beyond ASCII are printable depends on CPython's version.
fn write_quoted(out: &mut String, text: &str) -> Told<()> {
    if !text.is_ascii() {
        return not_native();
    }
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    Ok(())
}

/// A conversion of a `%` format.
struct Conversion<'a> {
    key: Option<&'a str>,
    left: bool,
    zero: bool,
    sign: Option<char>,
    width: usize,
    kind: char,
}

/// `template % arguments`.
pub(super) fn percent(template: &str, arguments: &Value) -> Told<Value> {
    let one = [arguments.clone()];
    let mut positional = match arguments {
        Value::Tuple(items) => items.iter(),
        _ => one.iter(),
    };
    let mut out = String::with_capacity(template.len() + 16);
    let mut rest = template;
    let (mut keyed, mut taken) = (false, false);
    while let Some(at) = memchr::memchr(b'%', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let (conversion, tail) = conversion(&rest[at + 1..])?;
        rest = tail;
        if conversion.kind == '%' {
            // Flags between the signs are ignored by some versions and an error in others.
            if !rest_is_plain(&conversion) {
                return not_native();
            }
            out.push('%');
            continue;
        }
        let looked_up;
        let value = match conversion.key {
            Some(key) => {
                keyed = true;
                let Value::Dict(dict) = arguments else { return not_native() };
                looked_up = dict.borrow().get(&Key::Str(key.into())).cloned().ok_or(Stop::NotNative)?;
                &looked_up
            }
            None => {
                taken = true;
                positional.next().ok_or(Stop::NotNative)?
            }
        };
        convert(&mut out, &conversion, value)?;
        if out.len() > ops::MAX_SIZE {
            return not_native();
        }
    }
    out.push_str(rest);
    // Left-over arguments are an error, except where they could have been looked up.
    let mapping = matches!(arguments, Value::Dict(_) | Value::List(_));
    if (keyed && taken) || (!mapping && positional.next().is_some()) {
        return not_native();
    }
    Ok(Value::str(out))
}

fn rest_is_plain(conversion: &Conversion<'_>) -> bool {
    conversion.key.is_none()
        && !conversion.left
        && !conversion.zero
        && conversion.width == 0
        && conversion.sign.is_none()
}

fn conversion(text: &str) -> Told<(Conversion<'_>, &str)> {
    let mut found = Conversion { key: None, left: false, zero: false, sign: None, width: 0, kind: '%' };
    let mut rest = text;
    if let Some(inner) = rest.strip_prefix('(') {
        let end = inner.find([')', '(']).ok_or(Stop::NotNative)?;
        found.key = Some(&inner[..end]);
        rest = inner[end..].strip_prefix(')').ok_or(Stop::NotNative)?;
    }
    loop {
        let mut chars = rest.chars();
        match chars.next().ok_or(Stop::NotNative)? {
            '-' => found.left = true,
            '0' => found.zero = true,
            c @ ('+' | ' ') if found.sign.is_none() => found.sign = Some(c),
            '1'..='9' => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                found.width = rest[..digits].parse().ok().filter(|w| *w < 10_000).ok_or(Stop::NotNative)?;
                rest = &rest[digits..];
                let kind = rest.chars().next().ok_or(Stop::NotNative)?;
                found.kind = kind;
                return Ok((found, &rest[kind.len_utf8()..]));
            }
            kind => {
                found.kind = kind;
                return Ok((found, chars.as_str()));
            }
        }
        rest = chars.as_str();
    }
}

fn convert(out: &mut String, conversion: &Conversion<'_>, value: &Value) -> Told<()> {
    let mut text = String::new();
    match conversion.kind {
        's' => write_str(&mut text, value)?,
        'r' => text = repr(value)?,
        'd' | 'i' | 'u' => {
            let n = value.as_int().ok_or(Stop::NotNative)?;
            if let Some(sign) = conversion.sign.filter(|_| n >= 0) {
                text.push(sign);
            }
            let _ = write!(text, "{n}");
        }
        'x' if conversion.sign.is_none() => {
            let n = value.as_int().filter(|n| *n >= 0).ok_or(Stop::NotNative)?;
            let _ = write!(text, "{n:x}");
        }
        _ => return not_native(),
    }
    let padding = conversion.width.saturating_sub(ops::length(&text));
    if padding == 0 {
        out.push_str(&text);
    } else if conversion.left {
        out.push_str(&text);
        out.extend(std::iter::repeat_n(' ', padding));
    } else if conversion.zero && !matches!(conversion.kind, 's' | 'r') {
        let digits = text.trim_start_matches(['-', '+', ' ']);
        out.push_str(&text[..text.len() - digits.len()]);
        out.extend(std::iter::repeat_n('0', padding));
        out.push_str(digits);
    } else {
        out.extend(std::iter::repeat_n(' ', padding));
        out.push_str(&text);
    }
    Ok(())
}

/// `template.format(*positional, **named)`, for fields without format or attribute.
pub(super) fn braces(template: &str, positional: &[Value], named: &[(&str, Value)]) -> Told<Value> {
    let mut out = String::with_capacity(template.len() + 16);
    let mut rest = template;
    let mut automatic = 0;
    let mut numbered = false;
    while let Some(at) = memchr::memchr2(b'{', b'}', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let (brace, tail) = rest[at..].split_at(1);
        if let Some(after) = tail.strip_prefix(brace) {
            out.push_str(brace);
            rest = after;
            continue;
        }
        let end = tail.find(['}', '{', '!', ':', '.', '[']).ok_or(Stop::NotNative)?;
        if brace == "}" || !tail[end..].starts_with('}') {
            return not_native();
        }
        let field = &tail[..end];
        rest = &tail[end + 1..];
        let value = if field.is_empty() {
            automatic += 1;
            positional.get(automatic - 1)
        } else if field.bytes().all(|b| b.is_ascii_digit()) {
            numbered = true;
            field.parse::<usize>().ok().and_then(|n| positional.get(n))
        } else {
            named.iter().find(|(name, _)| *name == field).map(|(_, value)| value)
        };
        write_str(&mut out, value.ok_or(Stop::NotNative)?)?;
        if (numbered && automatic > 0) || out.len() > ops::MAX_SIZE {
            return not_native();
        }
    }
    out.push_str(rest);
    Ok(Value::str(out))
}
