//! Mirrors: rules that turn one URL into others (`PREMIRRORS`, `MIRRORS`).
//!
//! Source: BitBake manual, variable `PREMIRRORS`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::error::FetchError;
use super::network::Network;
use super::url::{Decoded, set_param};
use crate::lang::pattern::Pattern;

/// One rule: a URL pattern, whose parts are regular expressions, and what takes its place.
pub type Rule = (String, String);

/// Most URLs that rules make of one. A dozen rules that each change what the others made give millions; nobody would try them all.
const MOST: usize = 1000;

/// What a mirror rule has to know of a URL's local file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalFile {
    /// Its name, if it is a file that can have a checksum.
    pub name: Option<String>,
    /// The archives that can stand for it, as for a git repository.
    pub tarballs: Vec<String>,
}

/// Reads pairs of words; a written `\n` counts as a blank. A last word without partner is dropped, which the second
/// value tells: BitBake warns of it.
pub fn rules(value: &str) -> (Vec<Rule>, bool) {
    let value = value.replace("\\n", " ");
    let words: Vec<&str> = value.split_whitespace().collect();
    let pairs = words.chunks_exact(2).filter_map(|pair| match pair {
        [find, replacement] => Some((find.to_string(), replacement.to_string())),
        _ => None,
    });
    (pairs.collect(), words.len().is_multiple_of(2))
}

/// The URLs that the rules make of `url`, in the order they are to be tried: mirrors of mirrors included, each rule
/// once in a chain, none twice, none that the network rules exclude, and no more than a thousand. `local` tells the
/// local file of a URL, or `None` if no fetcher takes it.
///
/// # Errors
/// For a rule that is no URL pattern.
pub fn candidates(
    url: &str,
    rules: &[Rule],
    network: &Network,
    local: &dyn Fn(&str) -> Option<LocalFile>,
) -> Result<Vec<String>, FetchError> {
    let origin = Decoded::mirror(url)?;
    let own = local(url).unwrap_or_default();
    let dotted = |path: &str| path.replace(['/', '*'], ".");
    let words = [
        ("TYPE", origin.scheme.clone()),
        ("HOST", origin.host.clone()),
        ("PATH", origin.path.clone()),
        ("BASENAME", origin.path.rsplit('/').next().unwrap_or_default().to_owned()),
        ("MIRRORNAME", format!("{}{}", origin.host.replace(':', "."), dotted(&origin.path))),
    ];
    let (tarballs, patterns) = (own.tarballs.clone(), Patterns::default());
    let mut search = Search { origin: url, words, tarballs, network, local, patterns, found: Vec::new() };
    search.follow(url, &own, &rules.iter().collect::<Vec<_>>())?;
    Ok(search.found)
}

struct Search<'a> {
    origin: &'a str,
    words: [(&'static str, String); 5],
    tarballs: Vec<String>,
    network: &'a Network,
    local: &'a dyn Fn(&str) -> Option<LocalFile>,
    patterns: Patterns,
    found: Vec<String>,
}

/// Patterns that were read before: each rule is tried on many URLs.
#[derive(Default)]
struct Patterns(RefCell<HashMap<String, Rc<Pattern>>>);

impl Patterns {
    fn read(&self, text: &str) -> Result<Rc<Pattern>, String> {
        if let Some(known) = self.0.borrow().get(text) {
            return Ok(Rc::clone(known));
        }
        let pattern = Rc::new(Pattern::matching(text).map_err(|error| error.to_string())?);
        self.0.borrow_mut().insert(text.to_owned(), Rc::clone(&pattern));
        Ok(pattern)
    }
}

impl Search<'_> {
    fn follow(&mut self, url: &str, file: &LocalFile, rules: &[&Rule]) -> Result<(), FetchError> {
        let tarballs: Vec<Option<String>> = match self.tarballs.is_empty() {
            true => vec![None],
            false => self.tarballs.iter().cloned().map(Some).collect(),
        };
        for (index, rule) in rules.iter().enumerate() {
            for tarball in &tarballs {
                if self.found.len() >= MOST {
                    return Ok(());
                }
                let new = replace(url, file, rule, &self.words, tarball.as_deref(), &self.patterns)?;
                let Some(new) = new else { continue };
                if self.found.contains(&new) || new == self.origin || !self.network.trusts(&new) {
                    continue;
                }
                let Some(file) = (self.local)(&new) else { continue };
                self.found.push(new.clone());
                let others: Vec<&Rule> =
                    rules.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, rule)| *rule).collect();
                self.follow(&new, &file, &others)?;
            }
        }
        Ok(())
    }
}

/// Applies one rule (`bb.fetch2.uri_replace`); `None` if it does not match or changes nothing.
fn replace(
    url: &str,
    file: &LocalFile,
    (find, replacement): &Rule,
    words: &[(&'static str, String)],
    tarball: Option<&str>,
    patterns: &Patterns,
) -> Result<Option<String>, FetchError> {
    let mut origin = Decoded::mirror(url)?;
    let mut find_url = Decoded::mirror(find)?;
    let new = Decoded::mirror(replacement)?;
    let fill =
        |text: &str| words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value));
    let part = |pattern: &str, text: &str, new: &str| -> Result<Option<String>, FetchError> {
        let pattern = patterns.read(pattern).map_err(|error| {
            FetchError::Malformed(format!("The URL: '{find}' is invalid and cannot be interpreted: {error}"))
        })?;
        if !pattern.is_match(text) {
            return Ok(None);
        }
        if new.is_empty() {
            return Ok(Some(String::new()));
        }
        pattern.replace_first(text, &fill(new)).map(Some).map_err(|error| {
            FetchError::Malformed(format!(
                "The URL: '{replacement}' is invalid and cannot be interpreted: {error}"
            ))
        })
    };
    // An unanchored type would let "https" match "file" and make "files" of it.
    let anchored = match find_url.scheme.as_str() {
        scheme if scheme.is_empty() || scheme.ends_with('$') => scheme.to_owned(),
        scheme => format!("{scheme}$"),
    };
    let mut result = Decoded::default();
    let Some(scheme) = part(&anchored, &origin.scheme, &new.scheme)? else { return Ok(None) };
    let Some(host) = part(&find_url.host, &origin.host, &new.host)? else { return Ok(None) };
    let Some(path) = part(&find_url.path, &origin.path, &new.path)? else { return Ok(None) };
    (result.scheme, result.host, result.path) = (scheme, host, path);
    let basename = match tarball {
        // Another type of URL can only be a mirror of the archive; the parameters make no sense for that.
        Some(tarball) if origin.scheme != new.scheme => {
            origin.params.clear();
            find_url.params.clear();
            Some(tarball.rsplit('/').next().unwrap_or(tarball))
        }
        _ => file.name.as_deref().map(|name| name.rsplit('/').next().unwrap_or(name)),
    };
    if let Some(basename) = basename.filter(|name| !name.is_empty()) {
        result.path =
            with_basename(&result.path, origin.path.rsplit('/').next().unwrap_or_default(), basename);
    }
    for (pattern, text, new, target) in [
        (&find_url.user, &origin.user, &new.user, &mut result.user),
        (&find_url.password, &origin.password, &new.password, &mut result.password),
    ] {
        match (new.is_empty(), part(pattern, text, "")?) {
            (false, _) => new.clone_into(target),
            (true, Some(_)) => {}
            (true, None) => return Ok(None),
        }
    }
    for (name, value) in &find_url.params {
        if origin.params.iter().find(|(key, _)| key == name).map(|(_, value)| value) != Some(value) {
            return Ok(None);
        }
    }
    result.params = origin.params;
    for (name, value) in &new.params {
        set_param(&mut result.params, name, value.as_deref().map(fill));
    }
    let text = result.encode()?;
    Ok((text != url).then_some(text))
}

/// The path of a mirrored file: its last part becomes `basename`, or `basename` is added to it.
fn with_basename(path: &str, old: &str, basename: &str) -> String {
    let slashed = format!("/{path}");
    if !old.is_empty() && basename != old && slashed.ends_with(&format!("/{old}")) {
        let kept = path.len() - old.len();
        return format!("{}{basename}", path.get(..kept).unwrap_or_default());
    }
    if slashed.ends_with(&format!("/{basename}")) {
        return path.to_owned();
    }
    let separator = if path.is_empty() || path.ends_with('/') { "" } else { "/" };
    format!("{path}{separator}{basename}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::scheme::local_file;

    /// Expected values from BitBake 2.19: URL, rules, candidates in their order.
    const CASES: &[(&str, &str, &[&str])] = &[
        (
            "git://git.example.org/tools/kit.git;branch=main;rev=1111111111111111111111111111111111111111",
            "git://.*/.* https://mirror.example.com/pool/",
            &["https://mirror.example.com/pool/git2_git.example.org.tools.kit.git.tar.gz"],
        ),
        (
            "git://git.example.org/tools/kit.git;branch=main;rev=1111111111111111111111111111111111111111",
            "git://.*/([^/]+/)*([^/]*) git://mirror.example.com/all/\\2;protocol=https",
            &[
                "git://mirror.example.com/all/kit.git;branch=main;rev=1111111111111111111111111111111111111111;protocol=https",
            ],
        ),
        (
            "git://git.example.org/tools/kit.git;branch=main;rev=1111111111111111111111111111111111111111",
            "git://.*/.* git://mirror.example.com/all/MIRRORNAME;protocol=https",
            &[
                "git://mirror.example.com/all/git.example.org.tools.kit.git;branch=main;rev=1111111111111111111111111111111111111111;protocol=https",
            ],
        ),
        (
            "git://git.example.org/tools/kit.git;branch=main;rev=1111111111111111111111111111111111111111",
            "git://.*/.* git://mirror.example.com/HOST/BASENAME;protocol=TYPE",
            &[
                "git://mirror.example.com/git.example.org/kit.git;branch=main;rev=1111111111111111111111111111111111111111;protocol=git",
            ],
        ),
        (
            "git://git.example.org/kit;branch=main;rev=1111111111111111111111111111111111111111",
            "git://git.example.org/kit;branch=main git://you@other.example.com/kit;protocol=https",
            &[
                "git://you@other.example.com/kit;branch=main;rev=1111111111111111111111111111111111111111;protocol=https",
            ],
        ),
        (
            "git://git.example.org/kit;branch=main;rev=1111111111111111111111111111111111111111",
            "git://git.example.org/kit;branch=next git://other.example.com/kit",
            &[],
        ),
        (
            "git://git.example.org/kit;branch=main;rev=1111111111111111111111111111111111111111",
            "git://(?!git\\.example).*/.* https://mirror.example.com/",
            &[],
        ),
        (
            "gitsm://git.example.org/a/b.git/;branch=main;rev=1111111111111111111111111111111111111111",
            "gitsm://.*/.* https://mirror.example.com/x y",
            &["https://mirror.example.com/x/git2_git.example.org.a.b.git..tar.gz"],
        ),
        (
            "https://example.org/a/b/kit-1.2.tar.gz",
            "https?://.*/.* https://mirror.example.com/c",
            &["https://mirror.example.com/c/kit-1.2.tar.gz"],
        ),
        (
            "https://example.org/a/b/kit-1.2.tar.gz",
            "https?://.*/.* https://mirror.example.com",
            &["https://mirror.example.com/kit-1.2.tar.gz"],
        ),
        ("https://example.org/a/b/kit-1.2.tar.gz", "http://.*/.* https://mirror.example.com/", &[]),
        (
            "https://example.org/a/b/kit-1.2.tar.gz",
            "https://example.org/a https://mirror.example.com/z",
            &["https://mirror.example.com/z/b/kit-1.2.tar.gz"],
        ),
        (
            "https://example.org/a/b/kit;downloadfilename=kit-1.2.tgz",
            "https://.*/.* file:///mirror/PATH",
            &["file:///mirror/a/b/kit-1.2.tgz;downloadfilename=kit-1.2.tgz"],
        ),
        (
            "https://example.org/a/b/kit;downloadfilename=kit-1.2.tgz",
            "https://.*/.* https://m/HOST/\\g<0>",
            &["https://m/example.org/a/b/kit-1.2.tgz;downloadfilename=kit-1.2.tgz"],
        ),
        ("https://u:p@example.org/a/kit.tgz", "https://.*/.* https://m/", &["https://m/kit.tgz"]),
        ("https://u:p@example.org/a/kit.tgz", "https://.*/.* https://v:w@m/", &["https://v:w@m/kit.tgz"]),
        (
            "https://example.org/a/kit.tgz",
            "https://.*/.* file:///some/dir/ https?://.*/.* http://m2/pool/ http://m2/.* http://m3/deep/ oddword",
            &["file:///some/dir/kit.tgz", "http://m2/pool/kit.tgz", "http://m3/deep/kit.tgz"],
        ),
        (
            "https://example.org/a/kit.tgz",
            "https://.*/[^/]* http://aa/A/ https://.*/[^/]* https://bb/B/",
            &["http://aa/A/kit.tgz", "https://bb/B/kit.tgz"],
        ),
        ("https://example.org/a/kit.tgz", "https://.*/.* https://example.org/a/", &[]),
        ("file://dir/kit.tgz", "file://.* file:///mirror/files", &["file:///mirror/files/kit.tgz"]),
        (
            "http://example.org/a/kit.tgz;x=1",
            "http://.*/.* http://m/PATH;x=BASENAME;y=2 http://.*/.*;x=1 http://n/ http://.*/.*;x=2 http://o/",
            &["http://m/a/kit.tgz;x=kit.tgz;y=2", "http://n/kit.tgz;x=1"],
        ),
    ];

    #[test]
    fn candidates_are_bitbakes() {
        for (url, mirrors, expected) in CASES {
            let (rules, _) = rules(mirrors);
            let found = candidates(url, &rules, &Network::default(), &local_file).unwrap();
            assert_eq!(found, *expected, "{url} {mirrors}");
        }
    }

    #[test]
    fn pairs() {
        let pair = |find: &str, new: &str| (find.to_owned(), new.to_owned());
        assert_eq!(rules("a b \\n c\td \n"), (vec![pair("a", "b"), pair("c", "d")], true));
        assert_eq!(rules("a b c"), (vec![pair("a", "b")], false));
        assert_eq!(rules(""), (vec![], true));
    }

    #[test]
    fn untrusted_mirrors_are_skipped() {
        let (rules, _) =
            rules("https://.*/.* https://no.example.com/ https://.*/.* https://yes.example.com/");
        let network = Network { forbidden: false, allowed: Network::allowed_from("yes.example.com") };
        let found = candidates("https://example.org/f.tgz", &rules, &network, &local_file).unwrap();
        assert_eq!(found, ["https://yes.example.com/f.tgz"]);
    }

    #[test]
    fn rules_that_feed_each_other_come_to_an_end() {
        let rule = |number| format!("http://.*/(.*) http://h/{number}/\\1 ");
        let rules: String = (0..12).map(rule).collect();
        let found =
            candidates("http://h/x", &super::rules(&rules).0, &Network::default(), &local_file).unwrap();
        assert_eq!(found.len(), MOST);
        assert_eq!(found[..2], ["http://h/0/x", "http://h/1/0/x"]);
    }

    #[test]
    fn faulty_rules() {
        let (rules, _) = rules("https://(.*/.* https://m/");
        let error = candidates("https://h/f", &rules, &Network::default(), &local_file).unwrap_err();
        assert!(
            error.to_string().starts_with("The URL: 'https://(.*/.*' is invalid and cannot be interpreted")
        );
    }
}
