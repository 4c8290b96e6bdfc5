//! Expansion: replacing `${NAME}` and `${@ python }` by values, and noting what was referred to.

use std::rc::Rc;

use super::error::{DataError, ExpansionError};
use super::host::Code;
use super::store::Store;
use super::value::{Text, Value};
use crate::lang::expr;

/// An expanded value and what was met on the way.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// The expanded value.
    pub value: Option<Value>,
    /// The value before expansion.
    pub unexpanded: Option<Value>,
    /// Names referred to, set or not, in order of first use.
    pub references: Vec<Rc<str>>,
    /// Functions called in expressions.
    pub execs: Vec<Rc<str>>,
    /// Variables asked for single words, with the words.
    pub contains: Vec<(Rc<str>, Vec<Rc<str>>)>,
    /// The texts of the `:remove` operations that deleted a word.
    pub removes: Option<Vec<Text>>,
}

impl Parsed {
    fn plain(value: Option<Value>) -> Self {
        Parsed { unexpanded: value.clone(), value, ..Parsed::default() }
    }

    /// The expanded text, if the value is text.
    pub fn text(&self) -> Option<&Text> {
        self.value.as_ref().and_then(Value::as_text)
    }

    fn refer(&mut self, name: &Rc<str>) {
        if !self.references.iter().any(|known| known == name) {
            self.references.push(name.clone());
        }
    }

    fn note(&mut self, code: &Code, store: &Store, variable: Option<&str>) -> Result<(), DataError> {
        let scan = code.scan(store, variable)?;
        for name in &scan.references {
            self.refer(name);
        }
        for name in &scan.execs {
            if !self.execs.contains(name) {
                self.execs.push(name.clone());
            }
        }
        for (name, words) in &scan.contains {
            match self.contains.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => {
                    for word in words {
                        if !known.contains(word) {
                            known.push(word.clone());
                        }
                    }
                }
                None => self.contains.push((name.clone(), words.clone())),
            }
        }
        Ok(())
    }
}

/// How deep variables may refer to each other before rbake takes it for a loop. CPython stops at a recursion depth of 1,000 frames,
/// of which an expansion takes several.
const MAX_DEPTH: usize = 150;

thread_local! {
    static DEPTH: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Less of the stack than this, in bytes, is left to whoever reports that variables refer to each other too deeply.
const RESERVE: usize = 512 << 10;

/// Counts nested expansions for as long as it lives.
pub(super) struct Depth;

impl Depth {
    pub(super) fn enter() -> Option<Self> {
        // Python between two expansions takes much of it, too, and how much is its matter.
        let room = stacker::remaining_stack().is_none_or(|left| left > RESERVE);
        DEPTH.with(|depth| {
            (room && depth.get() < MAX_DEPTH).then(|| {
                depth.set(depth.get() + 1);
                Depth
            })
        })
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(depth.get() - 1));
    }
}

impl Store {
    /// Expands a text (BitBake's `d.expand`). `variable` is the name it is the value of, for messages and to detect self reference.
    pub fn expand(&self, text: &str, variable: Option<&str>) -> Result<String, DataError> {
        if !text.contains("${") {
            return Ok(text.to_owned());
        }
        let parsed = self.expand_with_refs(&Value::str(text), variable)?;
        Ok(parsed.value.map(|value| value.to_text()).unwrap_or_default())
    }

    /// Expands a value and tells what it refers to. Anything but text is its own expansion.
    pub fn expand_with_refs(&self, value: &Value, variable: Option<&str>) -> Result<Parsed, DataError> {
        let Value::Str(text) = value else {
            return Ok(Parsed::plain(Some(value.clone())));
        };
        let mut parsed = Parsed::plain(Some(value.clone()));
        if memchr::memmem::find(text.as_bytes(), b"${").is_none() {
            return Ok(parsed);
        }
        let mut current = text.clone();
        loop {
            match self.expand_once(&current, variable, &mut parsed) {
                Ok(None) => break,
                Ok(Some(next)) => {
                    let done = memchr::memmem::find(next.as_bytes(), b"${").is_none() || *next == *current;
                    current = next;
                    if done {
                        break;
                    }
                }
                Err(Failure { text, error }) => {
                    return Err(match error {
                        DataError::Expansion(mut inner) => {
                            inner.add_variable(variable);
                            DataError::Expansion(inner)
                        }
                        DataError::Raised { ref class, .. } if is_exit(class) => error,
                        DataError::Raised { .. } | DataError::Syntax(_) | DataError::Parse { .. } => {
                            DataError::Expansion(Box::new(ExpansionError::new(variable, &text, error)))
                        }
                        DataError::Skip(_) | DataError::Handled | DataError::NeedsPython(_) => error,
                    });
                }
            }
        }
        parsed.value = Some(Value::Str(current));
        Ok(parsed)
    }

    /// One round: all references, then all expressions of what came of it. None if there was nothing to replace.
    fn expand_once(
        &self,
        text: &Text,
        variable: Option<&str>,
        parsed: &mut Parsed,
    ) -> Result<Option<Text>, Failure> {
        let after_vars = self
            .replace_vars(text, variable, parsed)
            .map_err(|error| Failure { text: text.clone(), error })?;
        let current = after_vars.as_ref().unwrap_or(text);
        match self.replace_python(current, variable, parsed) {
            Ok(Some(new)) => Ok(Some(new)),
            Ok(None) => Ok(after_vars),
            Err(DataError::Raised { syntax: Some(message), .. })
                if message == "EOL while scanning string literal"
                    || message.starts_with("unterminated string literal") =>
            {
                // Most likely the `}` that ended the expression belongs to the string: leave it as it is.
                Ok(after_vars)
            }
            Err(error) => Err(Failure { text: current.clone(), error }),
        }
    }

    fn replace_vars(
        &self,
        text: &Text,
        variable: Option<&str>,
        parsed: &mut Parsed,
    ) -> Result<Option<Text>, DataError> {
        let found = text.vars();
        if found.is_empty() {
            return Ok(None);
        }
        let Some(_depth) = Depth::enter() else {
            return Err(DataError::raised("RecursionError", "maximum recursion depth exceeded"));
        };
        let mut out = String::with_capacity(text.len() + 64);
        let mut at = 0;
        let mut changed = false;
        // BitBake joins the pieces when all have been read and then complains about the first that is no text, by its number.
        let (mut pieces, mut end, mut wrong) = (0, 0, None);
        for (range, name) in found {
            pieces += usize::from(range.start > end);
            end = range.end;
            if variable == Some(name) {
                return Err(DataError::raised("Exception", format!("variable {name} references itself!")));
            }
            let value = self.get_var(name)?;
            parsed.refer(name);
            if let Some(value) = value {
                out.push_str(&text[at..range.start]);
                match &value {
                    Value::Str(value) => out.push_str(value),
                    Value::None => {
                        out.push_str(&text[range.clone()]);
                    }
                    other => wrong = wrong.or(Some((pieces, other.type_name()))),
                }
                at = range.end;
                changed = true;
            }
            pieces += 1;
        }
        if let Some((piece, kind)) = wrong {
            let message = format!("sequence item {piece}: expected str instance, {kind} found");
            return Err(DataError::raised("TypeError", message));
        }
        if !changed {
            return Ok(None);
        }
        out.push_str(&text[at..]);
        Ok(Some(Text::from(out)))
    }

    fn replace_python(
        &self,
        text: &Text,
        variable: Option<&str>,
        parsed: &mut Parsed,
    ) -> Result<Option<Text>, DataError> {
        let found = text.python();
        if found.is_empty() {
            return Ok(None);
        }
        let mut out = String::with_capacity(text.len() + 64);
        let mut at = 0;
        for (range, code) in found {
            // Code that still holds a reference to something unset is left for a store that knows it.
            if expr::find_vars(code).next().is_some() {
                continue;
            }
            let Some(_depth) = Depth::enter() else {
                return Err(DataError::raised("RecursionError", "maximum recursion depth exceeded"));
            };
            let code = self.context().code(code);
            parsed.note(&code, self, variable)?;
            // BitBake reads this flag here, and fails where it can't be read.
            if let Some(variable) = variable
                && self
                    .get_flag_raw(variable, "vardeps")?
                    .is_some_and(|value| value.as_text().is_some_and(Text::has_references))
            {
                self.get_flag(variable, "vardeps")?;
            }
            let value = self.host().evaluate(self, variable, &code)?;
            out.push_str(&text[at..range.start]);
            out.push_str(&value);
            at = range.end;
        }
        if at == 0 {
            return Ok(None);
        }
        out.push_str(&text[at..]);
        Ok(Some(Text::from(out)))
    }
}

/// An error and the text at that moment, which the message quotes.
struct Failure {
    text: Text,
    error: DataError,
}

/// True for what ends a program and is no `Exception` in Python.
fn is_exit(class: &str) -> bool {
    matches!(class, "KeyboardInterrupt" | "SystemExit" | "GeneratorExit")
}
