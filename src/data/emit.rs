//! A store as text: what `bitbake -e` and `bitbake-getvar` show.

use std::fmt::Write;

use super::error::DataError;
use super::store::Store;
use super::value::Value;

impl Store {
    /// The history of a variable as comment lines. `raw` is its value before expansion.
    pub fn history_text(&self, name: &str, raw: Option<&Value>) -> String {
        let mut events: Vec<(String, super::Event)> =
            self.history(name).into_iter().map(|event| (event.op.to_string(), event)).collect();
        for (variant, suffix) in self.variants(name) {
            for event in self.history(&variant) {
                if event.flag.as_deref().is_some_and(|flag| !flag.starts_with(['_', ':'])) {
                    continue;
                }
                events.push((format!("override[{suffix}]:{}", event.op), event));
            }
        }
        let raw = raw.map_or_else(|| "None".into(), Value::to_text).replace('\n', "\n#");
        let mut out = String::new();
        // Writing to a String can't fail.
        if events.is_empty() {
            let _ = write!(out, "#\n# ${name}\n#   [no history recorded]\n#\n#   \"{raw}\"\n");
            return out;
        }
        let _ = match events.len() {
            1 => writeln!(out, "#\n# ${name}"),
            n => writeln!(out, "#\n# ${name} [{n} operations]"),
        };
        for (op, event) in &events {
            let (file, function) = match &event.function {
                Some(function) => {
                    (event.file.rsplit('/').next().unwrap_or_default(), format!(" [{function}]"))
                }
                None => (&*event.file, String::new()),
            };
            let flag = event.flag.as_ref().map(|flag| format!("[{flag}] ")).unwrap_or_default();
            let detail = event.detail.replace('\n', "\n#     ");
            let _ = write!(out, "#   {op} {file}:{}{function}\n#     {flag}\"{detail}\"\n", event.line);
        }
        if events.len() > 1 {
            let _ = write!(out, "# pre-expansion value:\n#   \"{raw}\"\n");
        }
        out
    }

    /// A variable with its history, or a shell function, as lines a shell could read. Empty for Python functions.
    pub fn variable_text(&self, name: &str, with_history: bool) -> Result<String, DataError> {
        let function = self.get_flag_raw(name, "func")?.is_some_and(|flag| flag.truth());
        if function && self.get_flag_raw(name, "python")?.is_some_and(|flag| flag.truth()) {
            return Ok(String::new());
        }
        let export = self.flag_is_true(name, "export")?;
        let unexport = self.flag_is_true(name, "unexport")?;
        let mut out = String::new();
        let raw = match with_history.then(|| self.get_raw(name)).transpose() {
            Ok(raw) => raw.flatten(),
            Err(error) => return threw(name, error),
        };
        let value = match self.get_var(name) {
            Ok(value) => value.filter(|value| *value != Value::None),
            Err(error) => return threw(name, error),
        };
        if with_history {
            out.push_str(&self.history_text(name, raw.as_ref()));
        } else if !export && !unexport && !function {
            return Ok(out);
        }
        if !with_history && name.contains(['-', '.', '{', '}', '+']) {
            // No name for a shell.
            return Ok(out);
        }
        let shown = self.expand(name, None)?;
        // Writing to a String can't fail.
        if unexport {
            let _ = writeln!(out, "unset {shown}");
            return Ok(out);
        }
        let Some(value) = value else { return Ok(out) };
        let value = value.to_text();
        if let Some(bash) = shown.strip_prefix("BASH_FUNC_") {
            let bash = bash.get(..bash.len().saturating_sub(2)).unwrap_or(bash);
            let body = value.get(3..).unwrap_or_default();
            let _ = write!(out, "{bash}() {body}\nexport -f {bash}\n");
        } else if function {
            let place = |flag: &str| -> Result<String, DataError> {
                Ok(self.get_flag_raw(name, flag)?.map_or_else(|| "None".into(), |value| value.to_text()))
            };
            let _ = writeln!(out, "# line: {}, file: {}", place("lineno")?, place("filename")?);
            let _ = write!(out, "{shown}() {{\n{}\n}}\n", value.trim_end_matches('\n'));
        } else {
            let escaped =
                value.replace('"', "\\\"").replace('`', "\\`").replace('\n', " \\\n").replace('$', "\\$");
            let _ = writeln!(out, "{}{shown}=\"{escaped}\"", if export { "export " } else { "" });
        }
        Ok(out)
    }

    /// The whole store as `-e` shows it. The tree of included files is that of `configuration`, as with BitBake.
    pub fn environment_text(&self, configuration: &Store) -> Result<String, DataError> {
        let is_true = |value: Option<Value>| value.is_some_and(|value| value.truth());
        let mut variables = Vec::new();
        let mut functions = Vec::new();
        let mut python = Vec::new();
        for name in self.keys()? {
            let function = is_true(self.get_flag_raw(&name, "func")?);
            if function && is_true(self.get_flag_raw(&name, "python")?) {
                python.push(name.clone());
            }
            if name.starts_with("__") {
                continue;
            }
            if function { functions.push(name) } else { variables.push(name) }
        }
        variables.sort();
        functions.sort();
        python.sort();
        let mut out = configuration.include_text();
        out.push('\n');
        for name in &variables {
            out.push_str(&self.variable_text(name, true)?);
        }
        for name in &functions {
            let text = self.variable_text(name, false)?;
            if text.ends_with("}\n") {
                out.push_str(&text);
                out.push('\n');
            } else {
                out.push_str(&text);
            }
        }
        out.push('\n');
        for name in &python {
            let body = self.get_raw(name)?.map_or_else(|| "None".into(), |body| body.to_text());
            let _ = write!(out, "\npython {name} () {{\n{body}}}\n\n");
        }
        Ok(out)
    }
}

/// What stands in place of a variable that can't be expanded.
fn threw(name: &str, error: DataError) -> Result<String, DataError> {
    match error {
        DataError::NeedsPython(_) => Err(error),
        error => {
            let (class, text) = error.class_and_text();
            Ok(format!("# expansion of {name} threw {class}: {text}\n"))
        }
    }
}
