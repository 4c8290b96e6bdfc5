//! The configuration's say in the choice of providers, read through a trait so that no store is needed.

use std::borrow::Cow;

use rustc_hash::{FxHashMap, FxHashSet};

use super::message::Message;
use crate::lang::pattern::Pattern;

/// The configuration of one build configuration, as far as choosing providers goes.
pub trait Preferences {
    /// The expanded value of a variable, `None` if it is not set. Names may carry overrides (`X:pn-foo`), and are looked up
    /// after expansion of the keys.
    fn get_var(&self, name: &str) -> Option<Cow<'_, str>>;
}

impl<P: Preferences + ?Sized> Preferences for &P {
    fn get_var(&self, name: &str) -> Option<Cow<'_, str>> {
        (**self).get_var(name)
    }
}

/// Plain values, for tests and for callers that already have them.
impl<S: std::hash::BuildHasher> Preferences for std::collections::HashMap<String, String, S> {
    fn get_var(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(|value| Cow::Borrowed(value.as_str()))
    }
}

/// `KEYWORD_VERSION` for a recipe: by override, by suffix (a name with underscores fits no override), for all recipes.
/// An empty value passes on to the next; the last is taken as it is.
pub fn version_preference<P: Preferences + ?Sized>(prefs: &P, keyword: &str, pn: &str) -> Option<String> {
    let set = |name: String| prefs.get_var(&name).filter(|value| !value.is_empty()).map(Cow::into_owned);
    set(format!("{keyword}_VERSION:pn-{pn}"))
        .or_else(|| set(format!("{keyword}_VERSION_{pn}")))
        .or_else(|| prefs.get_var(&format!("{keyword}_VERSION")).map(Cow::into_owned))
}

/// PREFERRED_PROVIDERS, the list form of PREFERRED_PROVIDER_item.
#[derive(Clone, Debug, Default)]
pub struct PreferredProviders {
    by_item: FxHashMap<String, String>,
}

impl PreferredProviders {
    /// Reads PREFERRED_PROVIDERS; malformed words are told and left out, of two for one item the later counts.
    pub fn read<P: Preferences + ?Sized>(prefs: &P, log: &mut Vec<Message>) -> PreferredProviders {
        let mut by_item: FxHashMap<String, String> = FxHashMap::default();
        for word in prefs.get_var("PREFERRED_PROVIDERS").unwrap_or_default().split_whitespace() {
            let Some((item, pn)) = word.split_once(':').filter(|(_, pn)| !pn.contains(':')) else {
                log.push(Message::MalformedPreference(word.to_string()));
                continue;
            };
            let old = by_item.insert(item.to_string(), pn.to_string());
            if let Some(old) = old.filter(|old| old != pn) {
                let (item, new) = (item.to_string(), pn.to_string());
                log.push(Message::ConflictingPreferences { item, new, old });
            }
        }
        PreferredProviders { by_item }
    }

    /// The recipe preferred for `item`: by its own variable, else by the list.
    pub fn for_item<P: Preferences + ?Sized>(&self, prefs: &P, item: &str) -> Option<String> {
        prefs
            .get_var(&format!("PREFERRED_PROVIDER_{item}"))
            .filter(|pn| !pn.is_empty())
            .map(Cow::into_owned)
            .or_else(|| self.by_item.get(item).cloned())
    }
}

/// What is taken as provided and never built: ASSUME_PROVIDED and the command line's `--ignore-deps`.
///
/// A word that starts with `^` or ends with `$` is a regular expression matched from the start, any other is a name.
#[derive(Clone, Debug, Default)]
pub struct Assumed {
    names: FxHashSet<String>,
    patterns: Vec<Pattern>,
}

impl Assumed {
    /// Takes the words of both. A word that looks like a regular expression but is none is taken as a name.
    pub fn new<'w>(words: impl IntoIterator<Item = &'w str>) -> Assumed {
        let mut assumed = Assumed::default();
        for word in words {
            let pattern = if word.starts_with('^') || word.ends_with('$') {
                Pattern::matching(word).ok()
            } else {
                None
            };
            match pattern {
                Some(pattern) => assumed.patterns.push(pattern),
                None => {
                    assumed.names.insert(word.to_string());
                }
            }
        }
        assumed
    }

    /// ASSUME_PROVIDED of a configuration, and `extra` from the command line.
    pub fn read<P: Preferences + ?Sized>(prefs: &P, extra: &[String]) -> Assumed {
        let value = prefs.get_var("ASSUME_PROVIDED").unwrap_or_default();
        Assumed::new(value.split_whitespace().chain(extra.iter().map(String::as_str)))
    }

    /// Whether `item` is taken as provided.
    pub fn contains(&self, item: &str) -> bool {
        self.names.contains(item) || self.patterns.iter().any(|pattern| pattern.is_match(item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn prefs(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn the_most_specific_version_counts() {
        let all = prefs(&[
            ("PREFERRED_VERSION", "1"),
            ("PREFERRED_VERSION_foo", "2"),
            ("PREFERRED_VERSION:pn-foo", "3"),
            ("PREFERRED_VERSION:pn-bar", ""),
        ]);
        assert_eq!(version_preference(&all, "PREFERRED", "foo").as_deref(), Some("3"));
        assert_eq!(version_preference(&all, "PREFERRED", "bar").as_deref(), Some("1"));
        assert_eq!(version_preference(&all, "REQUIRED", "bar"), None);
        let empty = prefs(&[("REQUIRED_VERSION", "")]);
        assert_eq!(version_preference(&empty, "REQUIRED", "bar").as_deref(), Some(""));
    }

    #[test]
    fn preferred_providers_list() {
        let prefs = prefs(&[
            ("PREFERRED_PROVIDERS", "virtual/a:x junk virtual/b:y virtual/b:z p:q:r"),
            ("PREFERRED_PROVIDER_virtual/a", "w"),
        ]);
        let mut log = Vec::new();
        let list = PreferredProviders::read(&prefs, &mut log);
        assert_eq!(list.for_item(&prefs, "virtual/a").as_deref(), Some("w"));
        assert_eq!(list.for_item(&prefs, "virtual/b").as_deref(), Some("z"));
        let said: Vec<String> = log.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "Malformed option in PREFERRED_PROVIDERS variable: junk",
                "conflicting preferences for virtual/b: both z and y specified",
                "Malformed option in PREFERRED_PROVIDERS variable: p:q:r",
            ]
        );
    }

    #[test]
    fn assumed_names_and_patterns() {
        let assumed = Assumed::new(["git-native", "^.*-crosssdk$", "^virtual/.*-binutils", "x+$"]);
        assert!(assumed.contains("git-native"));
        assert!(!assumed.contains("git-native2"));
        assert!(assumed.contains("gcc-crosssdk"));
        assert!(assumed.contains("virtual/arm-binutils-extra"));
        assert!(assumed.contains("xxx"));
        assert!(!assumed.contains("axxx"));
    }
}
