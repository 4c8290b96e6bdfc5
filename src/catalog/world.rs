//! What the targets `world` and `universe` stand for.

use rustc_hash::FxHashSet;

use super::index::Catalog;

impl Catalog {
    /// Names of the recipes that `world` builds: not excluded from it, the only ones to provide what they provide, and
    /// nothing `virtual/`. With `task`, only recipes that have that task.
    pub fn world(&self, task: Option<&str>) -> Vec<String> {
        let mut seen = FxHashSet::default();
        let sole_provider = |pn: &str| {
            self.provided_by(pn).iter().all(|name| {
                !name.starts_with("virtual/")
                    && self.providers(name).iter().all(|recipe| self.record(*recipe).pn == pn)
            })
        };
        self.buildable()
            .filter(|(_, record)| !record.not_world)
            .filter(|(_, record)| task.is_none_or(|task| record.task(task).is_some()))
            .filter(|(_, record)| sole_provider(&record.pn))
            .map(|(_, record)| record.pn.as_str())
            .filter(|pn| seen.insert(*pn))
            .map(String::from)
            .collect()
    }

    /// Names of all recipes, with `task` those of which some provider has the task.
    pub fn universe(&self, task: Option<&str>) -> Vec<String> {
        let has_task = |pn: &str| {
            task.is_none_or(|task| {
                self.providers(pn).iter().any(|recipe| self.record(*recipe).task(task).is_some())
            })
        };
        self.recipe_names().filter(|pn| has_task(pn)).map(String::from).collect()
    }
}
