//! OVERRIDES: which of a variable's variants count (BitBake manual, "Conditional Syntax (Overrides)").

use std::rc::Rc;

use rustc_hash::FxHashSet;

use super::error::DataError;
use super::history::Origin;
use super::host::Level;
use super::store::Store;
use super::value::Value;

/// The value of OVERRIDES, split.
#[derive(Default)]
pub struct Overrides {
    /// Weakest first.
    list: Vec<Rc<str>>,
    set: FxHashSet<Rc<str>>,
}

impl Overrides {
    fn new(text: &str) -> Self {
        let list: Vec<Rc<str>> = text.split(':').map(Rc::from).collect();
        let set = list.iter().cloned().collect();
        Overrides { list, set }
    }

    /// The overrides, weakest first.
    pub fn list(&self) -> &[Rc<str>] {
        &self.list
    }

    /// True if every part of a suffix is in OVERRIDES.
    pub fn active(&self, suffix: &str) -> bool {
        if suffix.contains(':') {
            suffix.split(':').all(|part| self.set.contains(part))
        } else {
            self.set.contains(suffix)
        }
    }

    /// True if any of a variable's variants is active.
    pub fn any_active(&self, variants: &[(Rc<str>, Rc<str>)]) -> bool {
        variants.iter().any(|(_, suffix)| self.active(suffix))
    }

    /// True if an operation that waits for `overrides` applies.
    pub fn applies(&self, overrides: Option<&str>) -> bool {
        match overrides {
            None | Some("") => true,
            Some(parts) => parts.split(':').all(|part| self.set.contains(part)),
        }
    }

    /// The variant whose value wins, if any.
    ///
    /// BitBake strips the overrides from the ends of the suffixes again and again, weakest first; the variant that comes to be
    /// exactly one override last is the winner.
    pub fn winner(&self, variants: &[(Rc<str>, Rc<str>)]) -> Option<Rc<str>> {
        let mut live: Vec<(String, Rc<str>)> = Vec::new();
        for (name, suffix) in variants.iter().filter(|(_, suffix)| self.active(suffix)) {
            match live.iter_mut().find(|(known, _)| **known == **suffix) {
                Some((_, old)) => *old = name.clone(),
                None => live.push((suffix.to_string(), name.clone())),
            }
        }
        let mut winner = None;
        let mut changed = !live.is_empty();
        while changed {
            changed = false;
            for over in &self.list {
                // BitBake walks over a copy of the candidates, and what it strips lands behind the others.
                for suffix in live.iter().map(|(suffix, _)| suffix.clone()).collect::<Vec<_>>() {
                    let Some(place) = live.iter().position(|(known, _)| *known == suffix) else { continue };
                    if suffix.strip_suffix(&**over).is_some_and(|rest| rest.ends_with(':')) {
                        let (_, name) = live.remove(place);
                        let stripped = suffix.replace(&format!(":{over}"), "");
                        match live.iter_mut().find(|(known, _)| *known == stripped) {
                            Some((_, old)) => *old = name,
                            None => live.push((stripped, name)),
                        }
                        changed = true;
                    } else if *suffix == **over {
                        winner = Some(live.remove(place).1);
                    }
                }
            }
        }
        winner
    }
}

/// After this many rounds OVERRIDES is taken to depend on itself.
const MAX_ROUNDS: usize = 5;

impl Store {
    /// The current overrides, worked out if a write made them uncertain.
    ///
    /// OVERRIDES may depend on variables that have overrides themselves, so it is expanded until it stays the same.
    pub fn need_overrides(&self) -> Result<Rc<Overrides>, DataError> {
        {
            let state = self.state();
            if let Some(overrides) = &state.overrides {
                return Ok(overrides.clone());
            }
            if state.in_overrides {
                return Ok(Rc::default());
            }
        }
        let mut rounds: Vec<String> = Vec::new();
        for _ in 0..MAX_ROUNDS {
            {
                let mut state = self.state();
                state.in_overrides = true;
                state.overrides = Some(Rc::default());
            }
            let text = self.overrides_text();
            if text.is_err() {
                // What is known is not the value; the next question is to fail the same way.
                let mut state = self.state();
                state.in_overrides = false;
                state.overrides = None;
                state.clear_cache();
            }
            let overrides = Rc::new(Overrides::new(&text?));
            rounds.push(Value::list(overrides.list.iter().map(|o| &**o)).repr());
            {
                let mut state = self.state();
                state.overrides = Some(overrides.clone());
                state.in_overrides = false;
                state.clear_cache();
            }
            let again = Rc::new(Overrides::new(&self.overrides_text()?));
            if again.list == overrides.list {
                return Ok(overrides);
            }
            self.state().overrides = Some(again);
        }
        self.log(
            Level::Error,
            &format!(
                "Overrides could not be expanded into a stable state after 5 iterations, overrides must be being referenced by \
                 other overridden variables in some recursive fashion. Please provide your configuration to bitbake-devel so we \
                 can laugh, er, I mean try and understand how to make it work. The list of failing override expansions: {}",
                rounds.join("\n")
            ),
        );
        Err(DataError::Handled)
    }

    /// The overrides as worked out last; None if they have to be worked out again.
    pub fn known_overrides(&self) -> Option<Rc<Overrides>> {
        self.state().overrides.clone()
    }

    /// The variables that have variants, with these: full name and suffix.
    pub fn all_variants(&self) -> Vec<(Rc<str>, Vec<(Rc<str>, Rc<str>)>)> {
        let names = self.all_names();
        let state = self.state();
        names
            .into_iter()
            .filter_map(|name| {
                let variants = state.find(&name)?.overrides.clone();
                (!variants.is_empty()).then_some((name, variants))
            })
            .collect()
    }

    fn overrides_text(&self) -> Result<String, DataError> {
        Ok(self.get_var("OVERRIDES")?.map(|value| value.to_text()).unwrap_or_default())
    }

    /// Notes that OVERRIDES may have changed, and everything that it now depends on.
    pub(super) fn update_override_vars(&self, name: &str, value: &Value) -> Result<(), DataError> {
        let mut new = self.dependencies_of(value, name)?;
        loop {
            let known = self.state().override_vars.clone();
            if new.iter().all(|name| known.contains(name)) {
                break;
            }
            let mut grown = (*known).clone();
            grown.extend(new.iter().cloned());
            self.state().override_vars = Rc::new(grown);
            let mut next = FxHashSet::default();
            for name in &new {
                if let Some(value) = self.get_var(name)? {
                    next.extend(self.dependencies_of(&value, name)?);
                }
            }
            new = next;
        }
        let mut state = self.state();
        state.overrides = None;
        state.clear_cache();
        Ok(())
    }

    fn dependencies_of(&self, value: &Value, name: &str) -> Result<FxHashSet<Rc<str>>, DataError> {
        let parsed = self.expand_with_refs(value, Some(name))?;
        let contains = parsed.contains.iter().map(|(name, _)| name.clone());
        Ok(parsed.references.iter().cloned().chain(contains).collect())
    }

    /// Registers a name with overrides at the variables that it is a variant of.
    pub(super) fn add_overrides(&self, name: &str) {
        let name: Rc<str> = name.into();
        let mut state = self.state();
        for_each_suffix(&name, |base, suffix| {
            let var = state.make_mut(base);
            if !var.overrides.iter().any(|(known, over)| *known == name && **over == *suffix) {
                var.overrides.push((name.clone(), suffix.into()));
                var.overridden = true;
            }
        });
    }

    /// The reverse of [`Store::add_overrides`].
    pub(super) fn remove_overrides(&self, name: &str) {
        let mut state = self.state();
        for_each_suffix(name, |base, suffix| {
            let known = |var: &super::Var| {
                var.overrides.iter().any(|(full, over)| &**full == name && **over == *suffix)
            };
            if state.find(base).is_some_and(|var| known(var)) {
                state.make_mut(base).overrides.retain(|(full, over)| &**full != name || **over != *suffix);
            }
        });
    }

    /// Sets a variable on behalf of the engine.
    #[track_caller]
    pub fn set_engine(
        &self,
        name: &str,
        value: impl Into<Value>,
        function: &'static str,
    ) -> Result<(), DataError> {
        self.set_var(name, value.into(), Origin::engine(function))
    }
}

/// Calls `each` with every base and suffix of a name with overrides, longest base first, as long as the suffixes look like overrides:
/// an override starts with a lower-case letter or a digit.
fn for_each_suffix(name: &str, mut each: impl FnMut(&str, &str)) {
    let mut end = name.len();
    while let Some(colon) = name[..end].rfind(':') {
        let suffix = &name[colon + 1..];
        let starts = suffix.as_bytes().first().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !starts || (colon == 0 && end != name.len()) {
            break;
        }
        each(&name[..colon], suffix);
        end = colon;
    }
}
