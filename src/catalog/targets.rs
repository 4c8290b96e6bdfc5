//! What the user asked for: `recipe`, `recipe:do_task`, `mc:NAME:recipe`, `mc:*:recipe`, `world`, `universe`.

use std::fmt;

use rustc_hash::FxHashSet;

use super::index::{Catalog, RecipeId};
use super::message::Message;
use super::preferences::{Assumed, Preferences, PreferredProviders};
use super::resolve_error::ResolveError;
use super::resolver::{ExtraDepends, ResolvePolicy, Resolver};

/// One target, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Multiconfig, "" for the default one.
    pub mc: String,
    /// What to build: a recipe's name or anything that recipes provide.
    pub item: String,
    /// Task with its `do_`.
    pub task: String,
}

impl Target {
    /// Takes a word of the command line apart; `task` is the one to run where the word names none.
    pub fn parse(word: &str, task: &str) -> Target {
        let (mc, rest) = word.strip_prefix("mc:").and_then(|rest| rest.split_once(':')).unwrap_or(("", word));
        // Of two tasks the first counts.
        let (item, task) = match rest.split_once(":do_") {
            Some((item, task)) => (item, task.split(":do_").next().unwrap_or(task)),
            None => (rest, task),
        };
        Target { mc: mc.to_string(), item: item.to_string(), task: task_name(task) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.mc.is_empty() {
            write!(f, "mc:{}:", self.mc)?;
        }
        write!(f, "{}:{}", self.item, self.task)
    }
}

/// `task` with its `do_`.
pub fn task_name(task: &str) -> String {
    if task.starts_with("do_") { task.to_string() } else { format!("do_{task}") }
}

/// One build configuration: the default one or a multiconfig.
#[derive(Clone, Copy)]
pub struct Configuration<'c> {
    /// Its name, "" for the default one.
    pub mc: &'c str,
    /// Its recipes.
    pub catalog: &'c Catalog,
    /// Its variables.
    pub prefs: &'c dyn Preferences,
    /// Its PREFERRED_PROVIDERS.
    pub preferred: &'c PreferredProviders,
    /// Its ASSUME_PROVIDED.
    pub assumed: &'c Assumed,
}

/// One target with the recipe that will be built for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedTarget {
    /// The target.
    pub target: Target,
    /// The recipe, in the catalogue of the target's configuration.
    pub recipe: RecipeId,
}

/// Everything that the targets need, in every configuration.
pub struct Resolved<'c> {
    /// The targets in order; those taken as provided are left out.
    pub targets: Vec<ResolvedTarget>,
    /// What each configuration needs, in the order of the configurations.
    pub configurations: Vec<(&'c str, Resolver<'c>)>,
}

/// Splits, expands and resolves the words of a command line.
///
/// `configurations` starts with the default one. `task` is the default task, with or without `do_`. Messages go to `log`
/// as they come up, also when the result is an error.
pub fn resolve_targets<'c>(
    words: &[String],
    task: &str,
    configurations: &[Configuration<'c>],
    policy: ResolvePolicy,
    extra: &mut dyn ExtraDepends,
    log: &mut Vec<Message>,
) -> Result<Resolved<'c>, ResolveError> {
    let task = task_name(task);
    let words = expand_wildcards(expand_collective(words, &task, configurations, log), configurations)?;
    let resolver =
        |c: &Configuration<'c>| (c.mc, Resolver::new(c.catalog, c.prefs, c.preferred, c.assumed, policy));
    let mut resolvers: Vec<(&str, Resolver<'c>)> = configurations.iter().map(resolver).collect();
    let result = resolve_words(&words, &task, &mut resolvers, extra);
    for (_, resolver) in &mut resolvers {
        log.append(&mut resolver.messages);
    }
    Ok(Resolved { targets: result?, configurations: resolvers })
}

fn resolve_words(
    words: &[String],
    task: &str,
    resolvers: &mut [(&str, Resolver<'_>)],
    extra: &mut dyn ExtraDepends,
) -> Result<Vec<ResolvedTarget>, ResolveError> {
    let mut targets = Vec::new();
    for word in words {
        let target = Target::parse(word, task);
        let Some(resolver) = find(resolvers, &target.mc) else {
            return Err(ResolveError::UnknownMulticonfig { target: word.clone(), mc: target.mc });
        };
        resolver.add_target(&target.item, extra)?;
        if let Some(recipe) = resolver.providers(&target.item).first() {
            targets.push(ResolvedTarget { target, recipe: *recipe });
        }
    }
    if resolvers.len() > 1 || resolvers.iter().any(|(_, resolver)| !resolver.mcdepends().is_empty()) {
        resolve_across(resolvers, extra)?;
    }
    for (_, resolver) in resolvers {
        resolver.resolve(extra)?;
    }
    Ok(targets)
}

/// Resolves every configuration, then what `[mcdepends]` needs of the others, until nothing new comes up.
fn resolve_across(
    resolvers: &mut [(&str, Resolver<'_>)],
    extra: &mut dyn ExtraDepends,
) -> Result<(), ResolveError> {
    let mut seen: FxHashSet<String> = FxHashSet::default();
    loop {
        let mut fresh = Vec::new();
        for (_, resolver) in resolvers.iter_mut() {
            resolver.resolve(extra)?;
            for word in resolver.mcdepends() {
                if seen.insert(word.clone()) {
                    fresh.push(word.clone());
                }
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        for word in fresh {
            // mc:FROM:TO:RECIPE:TASK
            let mut parts = word.split(':').skip(2);
            let (mc, item) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
            let Some(resolver) = find(resolvers, mc) else {
                let mc = mc.to_string();
                return Err(ResolveError::UnknownMulticonfigDependency { word, mc });
            };
            resolver.add_target(item, extra)?;
        }
    }
}

fn find<'r, 'c>(resolvers: &'r mut [(&str, Resolver<'c>)], mc: &str) -> Option<&'r mut Resolver<'c>> {
    resolvers.iter_mut().find(|(name, _)| *name == mc).map(|(_, resolver)| resolver)
}

/// Replaces `world` and `universe` by what they stand for, and the old prefix `multiconfig:` by `mc:`. Both move what they
/// replace to the end of the list.
fn expand_collective(
    words: &[String],
    task: &str,
    configurations: &[Configuration<'_>],
    log: &mut Vec<Message>,
) -> Vec<String> {
    let assumed = configurations.first().and_then(|c| c.prefs.get_var("ASSUME_PROVIDED")).unwrap_or_default();
    let assumed: FxHashSet<&str> = assumed.split_whitespace().collect();
    let mut list: Vec<String> = Vec::new();
    let mut renamed = Vec::new();
    for word in words {
        if assumed.contains(word.as_str()) {
            log.push(Message::AssumedTarget(word.clone()));
        }
        if word.starts_with("multiconfig:") {
            renamed.push(word.replace("multiconfig:", "mc:"));
        } else {
            list.push(word.clone());
        }
    }
    list.append(&mut renamed);
    if let Some(place) = list.iter().position(|word| word == "world") {
        list.remove(place);
        for c in configurations {
            list.extend(c.catalog.world(Some(task)).into_iter().map(|pn| prefixed(c.mc, pn)));
        }
    }
    if let Some(place) = list.iter().position(|word| word == "universe") {
        log.push(Message::Universe);
        list.remove(place);
        for c in configurations {
            list.extend(c.catalog.universe(Some(task)).into_iter().map(|pn| prefixed(c.mc, pn)));
        }
    }
    list
}

fn prefixed(mc: &str, pn: String) -> String {
    if mc.is_empty() { pn } else { format!("mc:{mc}:{pn}") }
}

/// Replaces `mc:*:x` by `mc:NAME:x` for every multiconfig. The default configuration builds `x` too, unless the command
/// line names targets of its own for it.
fn expand_wildcards(
    words: Vec<String>,
    configurations: &[Configuration<'_>],
) -> Result<Vec<String>, ResolveError> {
    let mut list = Vec::new();
    let mut wildcard = false;
    let mut for_default = String::new();
    let mut default_named = false;
    for word in words {
        let Some((mc, item)) = word.strip_prefix("mc:").and_then(|rest| rest.split_once(':')) else {
            default_named = true;
            list.push(word);
            continue;
        };
        if wildcard {
            return Err(ResolveError::WildcardConflict);
        }
        if mc != "*" {
            list.push(word);
            continue;
        }
        wildcard = true;
        for c in configurations {
            if c.mc.is_empty() {
                for_default = item.split(':').next().unwrap_or(item).to_string();
            } else {
                list.push(word.replace('*', c.mc));
            }
        }
    }
    if !default_named && !for_default.is_empty() {
        list.push(for_default);
    }
    Ok(list)
}
