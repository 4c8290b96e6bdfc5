//! Which of several recipes to take for a name: priorities, preferences, versions.

use rustc_hash::{FxHashMap, FxHashSet};

use super::index::{Catalog, RecipeId};
use super::message::{Because, Message};
use super::preferences::{Preferences, PreferredProviders, version_preference};
use super::record::RecipeVersion;
use super::versions::{self, WantedVersion};

/// The providers worth considering for an item, the one to use first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Eligible {
    /// At most one per recipe name. Empty if REQUIRED_VERSION cannot be met.
    pub recipes: Vec<RecipeId>,
    /// How many of them a preference singled out: with none, several eligible ones deserve a note; with more than one
    /// (run time only) the preferences contradict each other.
    pub preferred: usize,
}

/// What the recipes of one name offer: the newest, and the one the configuration wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BestVersion {
    /// The newest in the layers of highest priority.
    pub latest: RecipeId,
    /// The one to build: by preference, else the newest. `None` if REQUIRED_VERSION cannot be met.
    pub preferred: Option<RecipeId>,
    /// REQUIRED_VERSION is set.
    pub required: bool,
}

/// What PREFERRED_VERSION and REQUIRED_VERSION decide for one recipe name.
struct VersionChoice {
    recipe: Option<RecipeId>,
    required: bool,
}

impl Catalog {
    /// The eligible providers among `candidates` of a build-time item.
    pub fn eligible<P: Preferences + ?Sized>(
        &self,
        candidates: &[RecipeId],
        item: &str,
        prefs: &P,
        preferred: &PreferredProviders,
        log: &mut Vec<Message>,
    ) -> Eligible {
        let mut recipes = self.one_per_name(candidates, item, prefs, log);
        let wanted = preferred.for_item(prefs, item);
        let found = recipes.iter().position(|id| Some(&self.record(*id).pn) == wanted.as_ref());
        if let Some(place) = found {
            recipes[..=place].rotate_right(1);
            log.push(self.selected(recipes[0], item, Because::PreferredProvider));
        }
        Eligible { recipes, preferred: usize::from(found.is_some()) }
    }

    /// The eligible providers among `candidates` of a run-time item.
    ///
    /// Without a PREFERRED_RPROVIDER the build-time preferences speak: if PREFERRED_PROVIDER of anything a candidate
    /// provides names a candidate, that one is wanted here too.
    pub fn eligible_at_runtime<P: Preferences + ?Sized>(
        &self,
        candidates: &[RecipeId],
        item: &str,
        prefs: &P,
        log: &mut Vec<Message>,
    ) -> Eligible {
        let mut recipes = self.one_per_name(candidates, item, prefs, log);
        let wanted = prefs.get_var(&format!("PREFERRED_RPROVIDER_{item}"));
        let wanted = wanted.as_deref().filter(|pn| !pn.is_empty());
        if let Some(place) = recipes.iter().position(|id| Some(self.record(*id).pn.as_str()) == wanted) {
            recipes[..=place].rotate_right(1);
            log.push(self.selected(recipes[0], item, Because::PreferredRuntimeProvider));
            return Eligible { recipes, preferred: 1 };
        }

        let by_pn: FxHashMap<&str, RecipeId> =
            recipes.iter().map(|id| (self.record(*id).pn.as_str(), *id)).collect();
        let mut hits: Vec<(RecipeId, String)> = Vec::new();
        // BitBake takes the first hit out of the very list it walks, and so may never look at the candidate behind it.
        // Kept, because it decides whether preferences count as contradictory.
        let mut walked = recipes.clone();
        let mut place = 0;
        while let Some(&candidate) = walked.get(place) {
            place += 1;
            for provided in self.provided_by(&self.record(candidate).pn) {
                let Some(pn) = prefs.get_var(&format!("PREFERRED_PROVIDER_{provided}")) else { continue };
                let Some(&hit) = by_pn.get(&*pn) else { continue };
                if hits.iter().any(|(id, _)| *id == hit) {
                    continue;
                }
                let entry = format!("PREFERRED_PROVIDER_{provided} = {pn}");
                log.push(self.selected(hit, item, Because::Entry(entry.clone())));
                if let Some(place) = recipes.iter().position(|id| *id == hit) {
                    recipes[..=place].rotate_right(1);
                }
                if hits.is_empty() {
                    walked.retain(|id| *id != hit);
                }
                hits.push((hit, entry));
                break;
            }
        }
        if hits.len() > 1 {
            log.push(Message::ConflictingRuntime {
                item: item.to_string(),
                providers: hits.iter().map(|(id, _)| self.record(*id).file.clone()).collect(),
                entries: hits.iter().map(|(_, entry)| entry.clone()).collect(),
            });
        }
        Eligible { recipes, preferred: hits.len() }
    }

    /// The newest and the preferred recipe called `pn`; `None` if there is none of that name.
    pub fn best_version<P: Preferences + ?Sized>(
        &self,
        pn: &str,
        prefs: &P,
        log: &mut Vec<Message>,
    ) -> Option<BestVersion> {
        let sets = self.priority_sets(self.recipes_named(pn));
        let latest = self.latest(sets.first()?)?;
        let choice = self.version_choice(pn, &sets, prefs, "", log);
        let preferred = choice.recipe.or((!choice.required).then_some(latest));
        Some(BestVersion { latest, preferred, required: choice.required })
    }

    /// The recipe that building `item` would build first, whatever else could provide it.
    pub fn best_provider<P: Preferences + ?Sized>(
        &self,
        item: &str,
        prefs: &P,
        preferred: &PreferredProviders,
    ) -> Option<RecipeId> {
        let candidates = self.providers(item);
        self.eligible(candidates, item, prefs, preferred, &mut Vec::new()).recipes.first().copied()
    }

    fn selected(&self, recipe: RecipeId, item: &str, because: Because) -> Message {
        Message::Selected { pn: self.record(recipe).pn.clone(), item: item.to_string(), because }
    }

    /// For every recipe name among the candidates the one recipe that may serve: first those that a version preference
    /// chose, then the newest of each other name, both in order of names, and before all a recipe called like the item.
    fn one_per_name<P: Preferences + ?Sized>(
        &self,
        candidates: &[RecipeId],
        item: &str,
        prefs: &P,
        log: &mut Vec<Message>,
    ) -> Vec<RecipeId> {
        let mut candidates = candidates.to_vec();
        candidates.sort_by(|a, b| self.record(*a).file.cmp(&self.record(*b).file));
        candidates.dedup();
        let mut by_pn: std::collections::BTreeMap<&str, Vec<RecipeId>> = std::collections::BTreeMap::new();
        for id in candidates {
            by_pn.entry(&self.record(id).pn).or_default().push(id);
        }

        let mut eligible = Vec::new();
        let mut undecided = Vec::new();
        for (pn, recipes) in &by_pn {
            let sets = self.priority_sets(recipes);
            let choice = self.version_choice(pn, &sets, prefs, item, log);
            match choice.recipe {
                Some(recipe) => eligible.push(recipe),
                None if choice.required => return eligible,
                None => undecided.extend(sets.first().and_then(|set| self.latest(set))),
            }
        }
        eligible.extend(undecided);
        if let Some(place) = eligible.iter().position(|id| self.record(*id).pn == item) {
            eligible[..=place].rotate_right(1);
        }
        eligible
    }

    /// Recipes in sets of equal layer priority, the highest first; in a set by rising DEFAULT_PREFERENCE.
    fn priority_sets(&self, recipes: &[RecipeId]) -> Vec<Vec<RecipeId>> {
        let mut sorted = recipes.to_vec();
        let key = |id: &RecipeId| {
            let record = self.record(*id);
            (std::cmp::Reverse(record.priority), record.default_preference)
        };
        sorted.sort_by_key(key);
        sorted
            .chunk_by(|a, b| self.record(*a).priority == self.record(*b).priority)
            .map(<[RecipeId]>::to_vec)
            .collect()
    }

    /// The newest of a set; a higher DEFAULT_PREFERENCE counts for more than any version.
    fn latest(&self, set: &[RecipeId]) -> Option<RecipeId> {
        set.iter().copied().reduce(|best, next| {
            let (a, b) = (self.record(best), self.record(next));
            let newer = a
                .default_preference
                .cmp(&b.default_preference)
                .then_with(|| versions::compare(&a.version, &b.version));
            if newer.is_lt() { next } else { best }
        })
    }

    /// The first recipe in order of priority with the version that the configuration asks for, if it asks for one.
    fn version_choice<P: Preferences + ?Sized>(
        &self,
        pn: &str,
        sets: &[Vec<RecipeId>],
        prefs: &P,
        item: &str,
        log: &mut Vec<Message>,
    ) -> VersionChoice {
        let required = version_preference(prefs, "REQUIRED", pn);
        let preferred = version_preference(prefs, "PREFERRED", pn);
        if let (Some(required), Some(_)) = (&required, &preferred) {
            log.push(Message::RequiredAndPreferred {
                pn: pn.to_string(),
                item: item.to_string(),
                required: required.clone(),
            });
        }
        let is_required = required.is_some();
        let Some(wanted) = required.or(preferred).filter(|version| !version.is_empty()) else {
            return VersionChoice { recipe: None, required: is_required };
        };
        let wanted = WantedVersion::parse(&wanted);
        let recipe = sets.iter().flatten().copied().find(|id| wanted.matches(self.version(*id)));
        if recipe.is_none() {
            let (pn, version, item) = (pn.to_string(), wanted.to_string(), item.to_string());
            let versions = Message::VersionsAvailable { pn: pn.clone(), versions: self.version_names(sets) };
            if is_required {
                log.extend([versions, Message::RequiredUnavailable { version, pn, item }]);
            } else {
                log.extend([Message::PreferredUnavailable { version, pn, item }, versions]);
            }
        }
        VersionChoice { recipe, required: is_required }
    }

    fn version_names(&self, sets: &[Vec<RecipeId>]) -> Vec<String> {
        let mut seen = FxHashSet::default();
        let name = |version: &RecipeVersion| match version.pe.as_str() {
            "" => version.pv.clone(),
            pe => format!("{pe}:{}", version.pv),
        };
        let mut names: Vec<String> = sets.iter().flatten().map(|id| name(self.version(*id))).collect();
        names.retain(|name| seen.insert(name.clone()));
        names.sort_unstable();
        names
    }
}
