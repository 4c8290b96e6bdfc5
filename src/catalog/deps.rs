//! Dependency lists as recipes and layers write them: `NAME (>= VERSION) NAME …`.

use std::collections::BTreeMap;
use std::fmt;

/// The names of a dependency list in order, without the conditions in parentheses.
pub fn explode_deps(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut condition = false;
    for word in text.split_whitespace() {
        condition |= word.starts_with('(');
        if !condition {
            names.push(word);
        } else if word.ends_with(')') {
            condition = false;
        }
    }
    names
}

/// One condition on a version, such as `>= 1.0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The comparison sign.
    pub operator: String,
    /// The version on its right.
    pub version: String,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operator, self.version)
    }
}

/// A condition without a comparison sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid version specification in \"({0}\" - invalid or missing operator")]
pub struct BadCondition(pub String);

/// The comparison signs of deb, opkg and rpm, longer ones first.
const OPERATORS: [&str; 11] = ["<=", "=<", "<<", "==", "!=", ">=", "=>", ">>", "<", ">", "="];

/// The names of a dependency list with their conditions. Commas are blanks here.
pub fn explode_dep_versions(text: &str) -> Result<BTreeMap<String, Vec<Condition>>, BadCondition> {
    let mut found: BTreeMap<String, Vec<Condition>> = BTreeMap::new();
    let mut name = String::new();
    // The condition being read: nothing, its sign still to come, or its version.
    let mut condition: Option<Option<Condition>> = None;
    for word in text.replace(',', "").split_whitespace() {
        let mut word = word;
        if let Some(rest) = word.strip_prefix('(') {
            condition = Some(None);
            word = rest;
        }
        if word.is_empty() {
            continue;
        }
        let Some(current) = &mut condition else {
            name = word.to_string();
            found.entry(name.clone()).or_default();
            continue;
        };
        let current = match current {
            Some(current) => current,
            None => {
                let sign = OPERATORS.into_iter().find(|sign| word.starts_with(sign));
                let sign = sign.ok_or_else(|| BadCondition(word.to_string()))?;
                word = &word[sign.len()..];
                current.insert(Condition { operator: sign.to_string(), version: String::new() })
            }
        };
        current.version.push_str(word.trim_end_matches(')'));
        if word.ends_with(')') {
            found.entry(name.clone()).or_default().extend(condition.take().flatten());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(text: &str) -> String {
        let found = explode_dep_versions(text).unwrap();
        let text = |(name, all): (&String, &Vec<Condition>)| {
            format!("{name}:{}", all.iter().map(|c| format!("[{c}]")).collect::<String>())
        };
        found.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn names_without_conditions() {
        assert_eq!(explode_deps("foo (>= 1.0) bar ( = 2 ) baz(x) qux"), ["foo", "bar", "baz(x)", "qux"]);
        assert_eq!(explode_deps("foo (>= 1.0 bar"), ["foo"]);
        assert_eq!(explode_deps(""), Vec::<&str>::new());
    }

    #[test]
    fn names_with_conditions() {
        for spelling in ["foo (= 1.10)", "foo (=1.10)", "foo ( = 1.10)", "foo ( =1.10)", "foo ( = 1.10 )"] {
            assert_eq!(versions(spelling), "foo:[= 1.10]", "{spelling}");
        }
        assert_eq!(versions("b, a (>= 1)"), "a:[>= 1] b:");
        // BitBake would run the two versions of the second together.
        assert_eq!(versions("a (>= 1) (<< 3)"), "a:[>= 1][<< 3]");
        let error = explode_dep_versions("foo (1.10)").unwrap_err();
        assert_eq!(
            error.to_string(),
            "Invalid version specification in \"(1.10)\" - invalid or missing operator"
        );
    }
}
