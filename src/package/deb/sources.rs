//! Where apt gets packages from: `sources.list` and `*.sources` files (sources.list(5)).

use super::control::stanzas;

/// One archive's suite, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// The archive's root.
    pub uri: String,
    /// The suite, as `stable`; ends in `/` if the archive has no suites.
    pub suite: String,
    /// The components wanted.
    pub components: Vec<String>,
    /// `Signed-By`: paths of keyrings, fingerprints, or one armored key.
    pub signed_by: Vec<String>,
}

/// Why a configuration can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct SourcesError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// Reads the one-line format. Options that weaken apt's checks, as `trusted=yes`, count for nothing.
///
/// # Errors
/// For a line that is neither an entry nor a comment.
pub fn parse_list(text: &str) -> Result<Vec<Feed>, SourcesError> {
    let mut feeds: Vec<Feed> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let flaw = |message: &str| SourcesError { line: index + 1, message: message.to_owned() };
        let entry = line.split('#').next().unwrap_or_default().trim();
        if entry.is_empty() {
            continue;
        }
        let rest = ["deb-src", "deb"]
            .into_iter()
            .find_map(|kind| entry.strip_prefix(kind).filter(|rest| rest.starts_with([' ', '\t', '['])))
            .ok_or_else(|| flaw("neither 'deb' nor 'deb-src'"))?
            .trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or_else(|| flaw("']' is missing"))?,
            None => ("", rest),
        };
        let signed_by = options
            .split_whitespace()
            .filter_map(|option| option.strip_prefix("signed-by="))
            .flat_map(|value| value.split(',').map(str::to_owned))
            .collect();
        let mut words = rest.split_whitespace();
        let (Some(uri), Some(suite)) = (words.next(), words.next()) else {
            return Err(flaw("an archive and a suite are needed"));
        };
        let feed = Feed {
            uri: uri.trim_end_matches('/').to_owned(),
            suite: suite.to_owned(),
            components: words.map(str::to_owned).collect(),
            signed_by,
        };
        if !feeds.contains(&feed) {
            feeds.push(feed);
        }
    }
    Ok(feeds)
}

/// Reads the deb822 format.
///
/// # Errors
/// For a stanza that is malformed or lacks a field.
pub fn parse_sources(text: &str) -> Result<Vec<Feed>, SourcesError> {
    let mut feeds: Vec<Feed> = Vec::new();
    for stanza in stanzas(text) {
        if stanza.fields().next().is_none() {
            // Nothing but comments.
            continue;
        }
        stanza.check().map_err(|error| SourcesError { line: error.line, message: error.message })?;
        if stanza
            .get("Enabled")
            .is_some_and(|value| matches!(value.to_lowercase().as_str(), "no" | "false" | "0"))
        {
            continue;
        }
        let words = |name: &str| -> Vec<String> {
            let value = stanza.get(name).unwrap_or_default();
            let lines = value.lines().filter(|line| !line.starts_with('#'));
            lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
        };
        let key = stanza.get("Signed-By").filter(|value| value.contains("-----BEGIN PGP"));
        let signed_by = key.map_or_else(|| words("Signed-By"), |value| vec![inline_key(value)]);
        let (uris, suites) = (words("URIs"), words("Suites"));
        if uris.is_empty() || suites.is_empty() {
            let message = "a stanza needs URIs and Suites".to_owned();
            return Err(SourcesError { line: stanza.line(), message });
        }
        for uri in &uris {
            for suite in &suites {
                feeds.push(Feed {
                    uri: uri.trim_end_matches('/').to_owned(),
                    suite: suite.clone(),
                    components: words("Components"),
                    signed_by: signed_by.clone(),
                });
            }
        }
    }
    Ok(feeds)
}

/// An armored key as a field holds it: each line indented, and a dot for an empty one.
fn inline_key(value: &str) -> String {
    let lines = value.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| if line == "." { "\n".to_owned() } else { format!("{line}\n") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples' forms of sources.list(5).
    #[test]
    fn both_formats() {
        let list = "# comment\ndeb [ arch=amd64 signed-by=/k/a.gpg,/k/b.gpg trusted=yes ] http://h/debian/ wood main extra # why\n\
            deb-src\thttp://h/debian wood main\ndeb http://h/flat ./\n";
        let found = parse_list(list).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].uri.as_str(), found[0].suite.as_str()), ("http://h/debian", "wood"));
        assert_eq!((found[0].components.len(), found[0].signed_by.len()), (2, 2));
        assert_eq!((found[2].suite.as_str(), found[2].components.len()), ("./", 0));
        for bad in ["rpm http://h x", "deb http://h", "deb [a http://h x y", "debx http://h x y"] {
            assert!(parse_list(bad).is_err(), "{bad}");
        }

        let text = "Types: deb\nURIs: http://h/a http://h/b\nSuites: wood wood-updates\nComponents: main\nSigned-By: /k.gpg\n\n\
            Types: deb\nURIs: http://h/c\nSuites: x\nEnabled: no\n\n# only a comment\n\nTypes: deb-src\nURIs: http://h/d\n\
            Suites: x\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----\n";
        let found = parse_sources(text).unwrap();
        assert_eq!(found.len(), 5);
        assert_eq!((found[1].uri.as_str(), found[1].suite.as_str()), ("http://h/a", "wood-updates"));
        let key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(found[4].signed_by, [key]);
        assert!(parse_sources("Types: deb\nURIs: http://h\n").is_err());
    }
}
