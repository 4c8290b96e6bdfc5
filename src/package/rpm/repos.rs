//! Repository files as dnf and yum read them (dnf.conf(5), "Repo options").

use std::collections::BTreeMap;

/// A repository that a `.repo` file describes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repository {
    /// Its name in brackets.
    pub id: String,
    /// Where it is: the places are equal, the first is asked first. Without a slash at the end.
    pub baseurls: Vec<String>,
    /// Files with the keys that count for it: URLs or absolute paths.
    pub gpgkeys: Vec<String>,
    /// The lower, the more it is preferred. 99 if not said.
    pub priority: u32,
}

/// A line that is none of a repository file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ReposError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// Reads the text of `.repo` files. `variables` are those of dnf: `releasever`, `basearch`. Repositories that are switched off are left
/// out.
///
/// # Errors
/// For lines that are neither a section, a setting nor a comment, and for a repository without `baseurl`: lists of mirrors are not
/// asked, since nobody signs them.
pub fn parse(text: &str, variables: &BTreeMap<String, String>) -> Result<Vec<Repository>, ReposError> {
    let mut found: Vec<(usize, bool, Repository)> = Vec::new();
    let mut key = String::new();
    for (number, line) in text.lines().enumerate() {
        let error = |message: &str| ReposError { line: number + 1, message: message.to_owned() };
        let continued = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(id) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let repository = Repository { id: id.trim().to_owned(), priority: 99, ..Repository::default() };
            found.push((number + 1, true, repository));
            key.clear();
            continue;
        }
        let (_, enabled, repository) =
            found.last_mut().ok_or_else(|| error("a setting before the first [repository]"))?;
        let value = match line.split_once('=') {
            Some((name, value)) if !continued => {
                key = name.trim().to_owned();
                value.trim()
            }
            _ if continued && !key.is_empty() => line,
            _ => return Err(error("neither [repository] nor NAME=VALUE")),
        };
        let words = || value.split([' ', '\t', ',']).filter(|word| !word.is_empty());
        match key.as_str() {
            "baseurl" => repository
                .baseurls
                .extend(words().map(|url| substitute(url, variables).trim_end_matches('/').to_owned())),
            "gpgkey" => repository.gpgkeys.extend(words().map(|url| substitute(url, variables))),
            "enabled" => {
                *enabled = matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on")
            }
            "priority" => repository.priority = value.parse().map_err(|_| error("a priority is a number"))?,
            _ => {}
        }
    }
    let mut repositories = Vec::new();
    for (line, _, repository) in found.into_iter().filter(|(_, enabled, _)| *enabled) {
        if repository.baseurls.is_empty() {
            return Err(ReposError { line, message: format!("[{}] has no baseurl", repository.id) });
        }
        repositories.push(repository);
    }
    Ok(repositories)
}

/// Puts in `$NAME` and `${NAME}`; unknown ones stay.
fn substitute(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, tail) = braced.unwrap_or_else(|| {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            after.split_at(end)
        });
        match variables.get(name) {
            Some(value) => out.push_str(value),
            None => {
                out.push('$');
                out.push_str(&after[..after.len() - tail.len()]);
            }
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> BTreeMap<String, String> {
        [("releasever", "9"), ("basearch", "x86_64")].map(|(name, value)| (name.into(), value.into())).into()
    }

    #[test]
    fn settings() {
        let text = "# a comment\n[base]\nname=Base $releasever\nbaseurl=http://one/${releasever}/$basearch/os/\n  http://two/$other/\n\
                    gpgkey=file:///keys/a, /keys/b\npriority = 10\n\n[off]\nenabled=0\nmirrorlist=http://x\n[plain]\nbaseurl=file:///srv\n";
        let found = parse(text, &variables()).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].baseurls, ["http://one/9/x86_64/os", "http://two/$other"]);
        assert_eq!(found[0].gpgkeys, ["file:///keys/a", "/keys/b"]);
        assert_eq!((found[0].id.as_str(), found[0].priority, found[1].priority), ("base", 10, 99));
    }

    #[test]
    fn mistakes() {
        for (text, line, message) in [
            ("baseurl=x\n", 1, "a setting before the first [repository]"),
            ("[a]\nbaseurl=x\nrubbish\n", 3, "neither [repository] nor NAME=VALUE"),
            ("[a]\npriority=low\n", 2, "a priority is a number"),
            ("\n[a]\nname=x\n", 2, "[a] has no baseurl"),
        ] {
            let error = parse(text, &variables()).unwrap_err();
            assert_eq!((error.line, error.message.as_str()), (line, message), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text(text in "(\\[a\\]|\n| |=|baseurl|\\$|\\{|\\}|\\PC){0,40}") {
            let _ = parse(&text, &variables());
        }
    }
}
