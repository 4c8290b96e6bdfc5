//! Generates random metadata: recipes with their include file, classes and append, as text.
//!
//! Everything is built from small pools of names, so that statements meet: the same few variables are set, appended to,
//! overridden, renamed and read. Each statement is a proptest strategy of its text, so a failing case shrinks to the
//! few statements and words that matter.

#[path = "metadata_gen/python.rs"]
mod python;
#[path = "metadata_gen/statements.rs"]
mod statements;
#[path = "metadata_gen/values.rs"]
mod values;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::fmt;

/// One generated input: the texts of its files and what is asked about them.
#[derive(Clone)]
pub struct Case {
    recipe: Vec<String>,
    include: Vec<String>,
    classes: [Vec<String>; 2],
    append: Option<Vec<String>>,
    overrides: String,
    /// Also compare dependencies and hashed values.
    dependencies: bool,
    /// Also compare the history of every variable.
    history: bool,
    /// Compute basehashes while parsing.
    hashes: bool,
}

impl Case {
    /// The files as (name, text).
    fn files(&self) -> Vec<(&'static str, String)> {
        let text = |lines: &Vec<String>| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let mut files = vec![
            ("t.bb", text(&self.recipe)),
            ("a.inc", text(&self.include)),
            ("classes/c1.bbclass", text(&self.classes[0])),
            ("classes-recipe/c2.bbclass", text(&self.classes[1])),
        ];
        if let Some(append) = &self.append {
            files.push(("t.bbappend", text(append)));
        }
        files
    }

    /// The question in the oracle protocol.
    pub fn question(&self) -> Value {
        let files: Map<String, Value> =
            self.files().into_iter().map(|(name, text)| (name.to_string(), Value::String(text))).collect();
        let mut before = vec![
            json!(["setVar", "BBPATH", "@ROOT@"]),
            json!(["setVar", "__bbclasstype", "recipe"]),
            json!(["setVar", "PN", "t"]),
            json!(["setVar", "OVERRIDES", self.overrides]),
            json!(["setVar", "HOME", "/home"]),
            json!(["setVarFlag", "HOME", "export", true]),
        ];
        if self.hashes {
            before.push(json!(["setVar", "BB_SIGNATURE_HANDLER", "basichash"]));
        }
        if self.append.is_some() {
            before.push(json!(["setVar", "__BBAPPEND", "@ROOT@/t.bbappend"]));
        }
        let mut question =
            json!({"op": "metadata", "files": files, "before": before, "history": self.history});
        if self.dependencies {
            question["deps"] =
                json!({"ignored": ["D"], "exclude_flags": ["vardeps", "filename", "lineno", "doc"]});
        }
        question
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "OVERRIDES={:?} dependencies={} history={} hashes={}",
            self.overrides, self.dependencies, self.history, self.hashes
        )?;
        for (name, text) in self.files() {
            if !text.is_empty() {
                writeln!(out, "---- {name}\n{text}")?;
            }
        }
        Ok(())
    }
}

/// Statements of one file, each one line or a block of lines.
fn lines(max: usize) -> impl Strategy<Value = Vec<String>> {
    vec(statements::statement(), 0..max)
}

/// A whole case. One in ten has a line that is no metadata, or a file that is missing, somewhere.
pub fn case() -> impl Strategy<Value = Case> {
    let mistake = proptest::option::weighted(0.1, (statements::mistake(), any::<prop::sample::Index>()));
    let shape = (values::overrides(), any::<bool>(), prop::bool::weighted(0.25), prop::bool::weighted(0.3));
    let files = (
        lines(14),
        lines(5),
        [lines(5), lines(5)],
        proptest::option::weighted(0.2, lines(4)),
        // A class is worth its text only where it is inherited, an include file where it is included.
        prop::bool::weighted(0.5),
        prop::bool::weighted(0.3),
    );
    (files, shape, mistake).prop_map(
        |((mut recipe, include, classes, append, inherit, required), shape, mistake)| {
            if required {
                recipe.insert(0, "require a.inc".to_string());
            }
            if inherit {
                recipe.insert(0, "inherit c1".to_string());
            }
            if let Some((line, position)) = mistake {
                recipe.insert(position.index(recipe.len() + 1), line);
            }
            let (overrides, dependencies, history, hashes) = shape;
            Case { recipe, include, classes, append, overrides, dependencies, history, hashes }
        },
    )
}
