//! Editing the text of bblayers.conf: layers go into BBLAYERS or out of it, everything else stays as it was.

use crate::lang::fnmatch;

/// What an edit made of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BbLayersEdit {
    /// The new text; the old one if nothing changed.
    pub text: String,
    /// Layers to add that were there already.
    pub not_added: Vec<String>,
    /// Layers to remove that were not there.
    pub not_removed: Vec<String>,
}

/// The file does not set BBLAYERS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Unable to find BBLAYERS in {0}")]
pub struct NoBbLayers(pub String);

/// Adds and removes layers in the text of bblayers.conf.
///
/// New layers join the first assignment, or get one each if the file has several `+=`. A layer to remove may have wildcards and
/// takes out the first that fits in each assignment. `~` at the start of a path is `home`. `file` is only named in the error.
pub fn edit_bblayers_conf(
    text: &str,
    file: &str,
    add: &[String],
    remove: &[String],
    home: Option<&str>,
) -> Result<BbLayersEdit, NoBbLayers> {
    let statements = statements(text);
    let values: Vec<&Assignment> = statements
        .iter()
        .filter_map(|statement| match statement {
            Statement::BbLayers(assignment) => Some(assignment),
            Statement::Other(_) => None,
        })
        .collect();
    if values.is_empty() {
        return Err(NoBbLayers(file.to_string()));
    }
    let one_each = values.iter().filter(|assignment| assignment.operator == "+=").count() > 1;
    let canonical = |path: &str| canonical(path, home);
    let mut present: Vec<String> = Vec::new();
    for assignment in values {
        if assignment.operator == "=" {
            present.clear();
        }
        present.extend(assignment.value.split_whitespace().map(canonical));
    }
    let remove: Vec<&str> = remove.iter().map(|path| without_slash(path)).collect();
    let (not_added, mut to_add): (Vec<&str>, Vec<&str>) =
        add.iter().map(|path| without_slash(path)).partition(|path| {
            let path = canonical(path);
            present.contains(&path) && !remove.iter().any(|removed| canonical(removed) == path)
        });
    // A second spelling of a layer that is there counts as that layer.
    let there: Vec<String> = not_added.iter().map(|path| canonical(path)).collect();
    to_add.retain(|path| !there.contains(&canonical(path)));

    let mut removed: Vec<&str> = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    let mut just_changed = false;
    for statement in &statements {
        match statement {
            Statement::Other(line) => {
                let doubled = *line == "\n" && lines.last().is_some_and(|last| last == "\n");
                if !(just_changed && doubled) {
                    lines.push(line.to_string());
                }
                just_changed = false;
            }
            Statement::BbLayers(assignment) => {
                let mut layers: Vec<&str> = assignment.value.split_whitespace().map(without_slash).collect();
                let before = layers.len();
                for wanted in &remove {
                    let fits = |layer: &&str| fnmatch::matches(&canonical(wanted), &canonical(layer));
                    if let Some(place) = layers.iter().position(fits) {
                        layers.remove(place);
                        removed.push(wanted);
                    }
                }
                let mut changed = layers.len() < before;
                if !one_each {
                    for layer in std::mem::take(&mut to_add) {
                        if !layers.contains(&layer) {
                            layers.push(layer);
                            changed = true;
                        }
                    }
                }
                if changed {
                    lines.extend(assignment.with_layers(&layers));
                    just_changed = true;
                } else {
                    lines.extend(assignment.lines.iter().map(|line| line.to_string()));
                }
            }
        }
    }
    lines.extend(to_add.iter().map(|layer| format!("BBLAYERS += \"{layer}\"\n")));
    Ok(BbLayersEdit {
        text: lines.concat(),
        not_added: not_added.into_iter().map(String::from).collect(),
        not_removed: remove.into_iter().filter(|path| !removed.contains(path)).map(String::from).collect(),
    })
}

fn without_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

/// The path without a slash at its end and with `~` spelled out.
fn canonical(path: &str, home: Option<&str>) -> String {
    let path = without_slash(path);
    match (path.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            format!("{}{rest}", without_slash(home))
        }
        _ => path.to_string(),
    }
}

/// A line of the file, or an assignment to BBLAYERS with all its lines.
enum Statement<'t> {
    Other(&'t str),
    BbLayers(Assignment<'t>),
}

struct Assignment<'t> {
    /// Its lines as they are.
    lines: Vec<&'t str>,
    /// What stands before the opening quote: `BBLAYERS ?=`.
    start: &'t str,
    operator: &'t str,
    /// Everything between the quotes, continuations joined.
    value: String,
}

impl Assignment<'_> {
    /// The assignment with these layers, one in a line; nothing is left of a `+=` without any.
    fn with_layers(&self, layers: &[&str]) -> Vec<String> {
        let start = self.start;
        match (layers, self.operator) {
            ([], "+=") => Vec::new(),
            ([], _) => vec![format!("{start} \"\"\n")],
            (layers, _) => {
                let mut lines = vec![format!("{start} \" \\\n")];
                lines.extend(layers.iter().map(|layer| format!("  {layer} \\\n")));
                lines.push("  \"\n".to_string());
                lines
            }
        }
    }
}

/// Cuts the text into its statements. The lines of an assignment that never ends are just lines.
fn statements(text: &str) -> Vec<Statement<'_>> {
    let mut statements = Vec::new();
    let mut open: Option<(Assignment<'_>, char)> = None;
    for line in text.split_inclusive('\n') {
        match open.take() {
            Some((mut assignment, quote)) => {
                assignment.lines.push(line);
                let value = line.trim_end();
                // The last character is the quote or the backslash.
                let mut inner = value.chars();
                inner.next_back();
                assignment.value.push_str(inner.as_str());
                match value.ends_with(quote) {
                    true => statements.push(Statement::BbLayers(assignment)),
                    false => open = Some((assignment, quote)),
                }
            }
            None => match assignment_start(line) {
                Some((assignment, _, true)) => statements.push(Statement::BbLayers(assignment)),
                Some((assignment, quote, false)) => open = Some((assignment, quote)),
                None => statements.push(Statement::Other(line)),
            },
        }
    }
    statements.extend(open.into_iter().flat_map(|(assignment, _)| assignment.lines).map(Statement::Other));
    statements
}

/// The assignment to BBLAYERS that a line starts, its quote, and whether it ends on the line.
fn assignment_start(line: &str) -> Option<(Assignment<'_>, char, bool)> {
    let after_name = line.strip_prefix("BBLAYERS")?.trim_start_matches([' ', '\t']);
    let after_sign = after_name.trim_start_matches(['?', '+', ':', '.']).strip_prefix('=')?;
    let quoted = after_sign.trim_start_matches(['+', '.']).trim_start_matches([' ', '\t']);
    let quote = quoted.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
    let start = line[..line.len() - quoted.len()].trim_end();
    let operator = start.strip_prefix("BBLAYERS")?.trim();
    let mut value = quoted[1..].trim_end();
    value = value.strip_suffix('\\').unwrap_or(value);
    let ends = value.ends_with(quote);
    if ends {
        value = &value[..value.len() - 1];
    }
    let assignment = Assignment { lines: vec![line], start, operator, value: value.to_string() };
    Some((assignment, quote, ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Case {
        file: String,
        add: Vec<String>,
        remove: Vec<String>,
        result: Outcome,
    }

    #[derive(serde::Deserialize, Debug, Default, PartialEq)]
    #[serde(default)]
    struct Outcome {
        text: String,
        notadded: Vec<String>,
        notremoved: Vec<String>,
        error: String,
    }

    #[test]
    fn edits_are_bitbakes() {
        let mut cases = 0;
        for line in include_str!("../../../tests/data/bblayers-conf.jsonl").lines() {
            let case: Case = serde_json::from_str(line).unwrap();
            let edit = edit_bblayers_conf(&case.file, "FILE", &case.add, &case.remove, Some("/home/u"));
            let ours = match edit {
                Ok(mut edit) => {
                    edit.not_removed.sort();
                    let BbLayersEdit { text, not_added, not_removed } = edit;
                    Outcome { text, notadded: not_added, notremoved: not_removed, error: String::new() }
                }
                Err(error) => Outcome { error: error.to_string(), ..Outcome::default() },
            };
            assert_eq!(ours, case.result, "{:?} add {:?} remove {:?}", case.file, case.add, case.remove);
            cases += 1;
        }
        assert!(cases > 200, "only {cases} cases");
    }

    #[test]
    fn nothing_is_lost_behind_an_open_quote() {
        let text = "BBLAYERS = \"/l/one\"\nBBLAYERS += \"/l/two \\\n  /l/three \\\n";
        let edit = edit_bblayers_conf(text, "FILE", &["/l/new".into()], &[], None).unwrap();
        assert!(edit.text.ends_with("BBLAYERS += \"/l/two \\\n  /l/three \\\n"), "{}", edit.text);
        assert!(edit.text.contains("  /l/new \\\n"), "{}", edit.text);
    }
}
