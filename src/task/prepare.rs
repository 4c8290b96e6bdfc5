//! From targets to the graph of their tasks.

use rustc_hash::{FxHashMap, FxHashSet};

use super::csr::Rows;
use super::graph::{GraphError, GraphRecipe, Task, TaskGraph, TaskId, target_list};
use super::loops;
use crate::catalog::close_matches;
use crate::catalog::record::TaskRecord;
use crate::catalog::targets::{Configuration, Resolved};
use crate::catalog::{RecipeId, RecipeRecord};

/// Which tasks of the graph are wanted beside or instead of the targets'.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// `--runall`: these tasks of every recipe in the graph.
    pub runall: Vec<String>,
    /// `--runonly`: these tasks of the graph and what they need.
    pub runonly: Vec<String>,
    /// Stop at what can't be built.
    pub halt: bool,
}

/// Makes the graph. What there is to warn of goes to `warn`.
///
/// # Errors
/// A target or dependency names a task that isn't, tasks wait for each other, or nothing is left.
pub fn prepare<'c>(
    resolved: &Resolved<'c>,
    configurations: &[Configuration<'c>],
    wanted: &Wanted,
    warn: &mut dyn FnMut(String),
) -> Result<TaskGraph<'c>, GraphError> {
    let mut all = All::new(resolved, configurations);
    all.connect()?;
    all.connect_recursively();
    let mut targets = Vec::new();
    let mut active = all.activate_targets(&mut targets)?;
    if !wanted.runall.is_empty() {
        active = all.run_all(&wanted.runall, active, &mut targets);
        if active.is_empty() {
            return Err(all.nothing(&wanted.runall, false));
        }
    }
    if !wanted.runonly.is_empty() {
        active = all.run_only(&wanted.runonly, &active);
        if active.is_empty() {
            return Err(all.nothing(&wanted.runonly, true));
        }
    }
    if active.is_empty() {
        return Err(if wanted.halt { GraphError::Empty } else { GraphError::Incomplete });
    }
    all.prune(&active, &targets, warn)
}

/// Numbers of task names.
#[derive(Default)]
struct Names<'c> {
    numbers: FxHashMap<&'c str, u32>,
}

impl<'c> Names<'c> {
    fn id(&mut self, name: &'c str) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(name).or_insert(next)
    }
}

/// A recipe that the targets may need.
struct Slot<'c> {
    mc: usize,
    recipe: RecipeId,
    record: &'c RecipeRecord,
    file: String,
    failed: bool,
    /// Number of its first task.
    first: u32,
    /// The names of its tasks.
    tasks: Vec<u32>,
}

/// All tasks of all recipes that the targets may need.
struct All<'c, 'r> {
    resolved: &'r Resolved<'c>,
    configurations: Vec<Configuration<'c>>,
    slots: Vec<Slot<'c>>,
    /// By configuration and recipe: the slot.
    by_recipe: Vec<FxHashMap<RecipeId, u32>>,
    /// By task: the slot.
    slot_of: Vec<u32>,
    names: Names<'c>,
    /// By task: what it waits for, each once, in order.
    depends: Vec<Vec<u32>>,
    /// Tasks with `[recrdeptask]`, and the names in it.
    recursive: Vec<(u32, Vec<u32>)>,
    /// Those of them whose names include their own.
    self_referring: FxHashSet<u32>,
    /// The tasks in `[recideptask]` of a recursive task.
    recursive_inner: FxHashMap<u32, Vec<u32>>,
}

fn words(text: &Option<String>) -> impl Iterator<Item = &str> {
    text.as_deref().unwrap_or_default().split_whitespace()
}

impl<'c, 'r> All<'c, 'r> {
    fn new(resolved: &'r Resolved<'c>, configurations: &[Configuration<'c>]) -> Self {
        let mut all = All {
            resolved,
            configurations: configurations.to_vec(),
            slots: Vec::new(),
            by_recipe: Vec::new(),
            slot_of: Vec::new(),
            names: Names::default(),
            depends: Vec::new(),
            recursive: Vec::new(),
            self_referring: FxHashSet::default(),
            recursive_inner: FxHashMap::default(),
        };
        for (mc, (configuration, (_, resolver))) in
            configurations.iter().zip(&resolved.configurations).enumerate()
        {
            let mut known = FxHashMap::default();
            for recipe in resolver.recipes() {
                let record = configuration.catalog.record(recipe);
                let slot = all.slots.len() as u32;
                known.insert(recipe, slot);
                let first = all.slot_of.len() as u32;
                let tasks = record.tasks.iter().map(|task| all.names.id(&task.name)).collect::<Vec<_>>();
                all.slot_of.extend(std::iter::repeat_n(slot, tasks.len()));
                let failed = resolver.has_failed(recipe);
                all.slots.push(Slot { mc, recipe, record, file: record.file.clone(), failed, first, tasks });
            }
            all.by_recipe.push(known);
        }
        all.depends = vec![Vec::new(); all.slot_of.len()];
        all
    }

    fn slot(&self, task: u32) -> &Slot<'c> {
        &self.slots[self.slot_of[task as usize] as usize]
    }

    fn record(&self, task: u32) -> &'c TaskRecord {
        let slot = self.slot(task);
        &slot.record.tasks[(task - slot.first) as usize]
    }

    fn name(&self, task: u32) -> u32 {
        let slot = self.slot(task);
        slot.tasks[(task - slot.first) as usize]
    }

    fn tid(&self, task: u32) -> String {
        format!("{}:{}", self.slot(task).file, self.record(task).name)
    }

    /// The task of a recipe with a name.
    fn task_of(&self, slot: u32, name: u32) -> Option<u32> {
        let slot = &self.slots[slot as usize];
        slot.tasks.iter().position(|known| *known == name).map(|at| slot.first + at as u32)
    }

    /// The same, by the name's text.
    fn task_named(&self, slot: u32, name: &str) -> Option<u32> {
        self.task_of(slot, *self.names.numbers.get(name)?)
    }

    /// The recipe that is built for a name.
    fn provider(&self, mc: usize, item: &str, runtime: bool) -> Option<u32> {
        let resolver = &self.resolved.configurations[mc].1;
        let providers = if runtime { resolver.runtime_providers(item) } else { resolver.providers(item) };
        self.by_recipe[mc].get(providers.first()?).copied()
    }

    /// The dependencies that flags state one by one.
    fn connect(&mut self) -> Result<(), GraphError> {
        for slot in 0..self.slots.len() {
            let Slot { mc, record, failed, first, .. } = self.slots[slot];
            if failed {
                continue;
            }
            // What deptask and its relatives look at is the same for all tasks of a recipe.
            let build: Vec<u32> =
                record.depends.iter().filter_map(|item| self.provider(mc, item, false)).collect();
            let runtime: Vec<u32> = record
                .all_runtime_depends()
                .into_iter()
                .filter_map(|item| self.provider(mc, item, true))
                .collect();
            for (at, task) in record.tasks.iter().enumerate() {
                let id = first + at as u32;
                let mut depends = Vec::new();
                self.own_dependencies(slot as u32, task, &mut depends)?;
                for (flag, recipes) in [
                    (&task.deptask, &[&build][..]),
                    (&task.rdeptask, &[&runtime]),
                    (&task.recrdeptask, &[&build, &runtime]),
                ] {
                    for name in words(flag) {
                        let Some(name) = self.names.numbers.get(name) else { continue };
                        let slots = recipes.iter().flat_map(|recipes| recipes.iter());
                        depends.extend(slots.filter_map(|slot| self.task_of(*slot, *name)));
                    }
                }
                if task.recrdeptask.is_some() {
                    self.note_recursive(slot as u32, id, task);
                }
                depends.sort_unstable();
                depends.dedup();
                depends.retain(|dep| *dep != id);
                self.depends[id as usize] = depends;
            }
        }
        Ok(())
    }

    /// `addtask … after`, `[depends]`, `[rdepends]` and `[mcdepends]`.
    fn own_dependencies(
        &self,
        slot: u32,
        task: &'c TaskRecord,
        depends: &mut Vec<u32>,
    ) -> Result<(), GraphError> {
        let Slot { mc, file, .. } = &self.slots[slot as usize];
        for word in words(&task.mcdepends) {
            depends.extend(self.multiconfig_dependency(*mc, word)?);
        }
        depends.extend(task.parents.iter().filter_map(|parent| self.task_named(slot, parent)));
        for (flag, text, runtime) in [("depends", &task.depends, false), ("rdepends", &task.rdepends, true)] {
            for word in words(text) {
                let Some((item, name)) = word.split_once(':') else { continue };
                let Some(on) = self.provider(*mc, item, runtime) else { continue };
                let found = self.task_named(on, name);
                depends.push(found.ok_or_else(|| GraphError::NoDependency {
                    task: task.name.clone(),
                    file: file.clone(),
                    flag: if flag == "depends" { "depends" } else { "rdepends" },
                    depends: name.to_owned(),
                    on: self.slots[on as usize].file.clone(),
                })?);
            }
        }
        Ok(())
    }

    /// A word `mc:FROM:TO:RECIPE:TASK`; None if it is about another configuration.
    fn multiconfig_dependency(&self, mc: usize, word: &str) -> Result<Option<u32>, GraphError> {
        let parts: Vec<&str> = word.split(':').collect();
        let [_, from, to, item, name] = parts[..] else { return Ok(None) };
        if self.configurations[mc].mc != from {
            return Ok(None);
        }
        let Some(to) = self.configurations.iter().position(|other| other.mc == to) else {
            // The resolver has refused it.
            return Ok(None);
        };
        let Some(on) = self.provider(to, item, false) else {
            return Err(GraphError::NoMulticonfigDependency(word.to_owned()));
        };
        let found = self.task_named(on, name);
        let tid = || format!("{}:{name}", self.slots[on as usize].file);
        Ok(Some(found.ok_or_else(|| GraphError::NoMulticonfigDependency(tid()))?))
    }

    fn note_recursive(&mut self, slot: u32, id: u32, task: &'c TaskRecord) {
        let known = |name: &str| self.names.numbers.get(name).copied();
        let names: Vec<u32> = words(&task.recrdeptask).filter_map(known).collect();
        if words(&task.recrdeptask).any(|name| name == task.name) {
            self.self_referring.insert(id);
        }
        if task.recideptask.is_some() {
            let inner = words(&task.recideptask).filter_map(|name| self.task_named(slot, name)).collect();
            self.recursive_inner.insert(id, inner);
        }
        self.recursive.push((id, names));
    }

    /// `[recrdeptask]`: the named tasks of every recipe that is reached in any way.
    fn connect_recursively(&mut self) {
        if self.recursive.is_empty() {
            return;
        }
        let reached = self.reached_recipes();
        let recursive = std::mem::take(&mut self.recursive);
        let is_recursive: FxHashSet<u32> = recursive.iter().map(|(task, _)| *task).collect();
        let mut sets: FxHashMap<u32, FxHashSet<u32>> = recursive
            .iter()
            .map(|(task, _)| (*task, self.depends[*task as usize].iter().copied().collect()))
            .collect();
        // A recursive task may depend on another one, so this goes on until nothing is added.
        loop {
            let mut added = false;
            for (task, names) in &recursive {
                let mut from: Vec<u32> = sets[task].iter().copied().collect();
                for inner in self.recursive_inner.get(task).into_iter().flatten() {
                    from.push(*inner);
                    match sets.get(inner) {
                        Some(deps) => from.extend(deps.iter().copied()),
                        None => from.extend_from_slice(&self.depends[*inner as usize]),
                    }
                }
                let mut recipes = vec![0u64; self.slots.len().div_ceil(64)];
                for dep in &from {
                    for (sum, part) in recipes.iter_mut().zip(reached.of(*dep)) {
                        *sum |= part;
                    }
                }
                let mut more: Vec<u32> = Vec::new();
                for (word, bits) in recipes.iter().enumerate() {
                    let mut bits = *bits;
                    while bits != 0 {
                        let slot = (word * 64) as u32 + bits.trailing_zeros();
                        bits &= bits - 1;
                        more.extend(names.iter().filter_map(|name| self.task_of(slot, *name)));
                    }
                }
                let own = &sets[task];
                for dep in own.iter().filter(|dep| is_recursive.contains(dep)) {
                    let theirs = sets[dep].iter().filter(|dep| !own.contains(dep));
                    more.extend(theirs.filter(|dep| names.contains(&self.name(**dep))));
                }
                if let Some(own) = sets.get_mut(task) {
                    for dep in more.into_iter().filter(|dep| dep != task) {
                        added |= own.insert(dep);
                    }
                }
            }
            if !added {
                break;
            }
        }
        for (task, deps) in sets {
            let refers = self.self_referring.contains(&task);
            let kept = deps.into_iter().filter(|dep| !(refers && self.self_referring.contains(dep)));
            let mut deps: Vec<u32> = kept.collect();
            deps.sort_unstable();
            self.depends[task as usize] = deps;
        }
    }

    /// For each task the recipes of everything it waits for, directly or not. What waits for itself counts as far as it goes.
    fn reached_recipes(&self) -> Reached {
        let mut rows = Rows::default();
        self.depends.iter().for_each(|deps| rows.push(deps.iter().copied()));
        let needed_by = rows.reversed();
        let width = self.slots.len().div_ceil(64);
        let mut reached = Reached { width, bits: vec![0; width * self.depends.len()] };
        let mut waiting: Vec<u32> = self.depends.iter().map(|deps| deps.len() as u32).collect();
        let mut order: Vec<u32> =
            (0..self.depends.len() as u32).filter(|task| waiting[*task as usize] == 0).collect();
        let mut next = 0;
        while next < order.len() {
            let task = order[next];
            next += 1;
            let slot = self.slot_of[task as usize];
            for later in needed_by.row(task) {
                reached.add(*later, task, slot);
                let left = &mut waiting[*later as usize];
                *left -= 1;
                if *left == 0 {
                    order.push(*later);
                }
            }
        }
        reached
    }

    /// The tasks the targets need.
    fn activate_targets(&self, targets: &mut Vec<u32>) -> Result<Vec<u32>, GraphError> {
        let mut active = Active::new(self);
        for target in &self.resolved.targets {
            let mc = self.configurations.iter().position(|c| c.mc == target.target.mc).unwrap_or(0);
            let Some(slot) = self.by_recipe[mc].get(&target.recipe).copied() else { continue };
            if self.slots[slot as usize].failed {
                continue;
            }
            // A task with a dash behind it: only what it waits for.
            let (name, only_depends) = match target.target.task.strip_suffix('-') {
                Some(name) => (name, true),
                None => (target.target.task.as_str(), false),
            };
            let Some(task) = self.task_named(slot, name) else {
                let slot = &self.slots[slot as usize];
                let tasks = slot.record.tasks.iter().map(|task| task.name.as_str());
                return Err(GraphError::NoTask {
                    task: name.to_owned(),
                    target: target.target.item.clone(),
                    tid: format!("{}:{name}", slot.file),
                    close: close_matches(name, tasks).into_iter().map(str::to_owned).collect(),
                });
            };
            targets.push(task);
            if only_depends {
                self.depends[task as usize].iter().for_each(|dep| active.mark(*dep));
            } else {
                active.mark(task);
            }
        }
        Ok(active.tasks())
    }

    fn run_all(&self, names: &[String], mut active: Vec<u32>, targets: &mut Vec<u32>) -> Vec<u32> {
        let mut before: FxHashSet<u32> = FxHashSet::default();
        loop {
            let slots: FxHashSet<u32> = active.iter().map(|task| self.slot_of[*task as usize]).collect();
            let mut found: Vec<u32> = names
                .iter()
                .map(|name| crate::catalog::targets::task_name(name))
                .flat_map(|name| {
                    slots.iter().filter_map(move |slot| self.task_named(*slot, &name)).collect::<Vec<_>>()
                })
                .collect();
            found.sort_unstable();
            found.dedup();
            let mut marks = Active::new(self);
            found.iter().for_each(|task| marks.mark(*task));
            active = marks.tasks();
            let grown = found.iter().any(|task| !before.contains(task));
            targets.extend(found.iter().filter(|task| !before.contains(*task)));
            before = found.into_iter().collect();
            if !grown {
                return active;
            }
        }
    }

    fn run_only(&self, names: &[String], active: &[u32]) -> Vec<u32> {
        let names: Vec<String> = names.iter().map(|name| crate::catalog::targets::task_name(name)).collect();
        let mut marks = Active::new(self);
        for task in active {
            if names.contains(&self.record(*task).name) {
                marks.mark(*task);
            }
        }
        marks.tasks()
    }

    fn nothing(&self, tasks: &[String], only: bool) -> GraphError {
        let file = |target: &crate::catalog::ResolvedTarget| {
            let mc = self.configurations.iter().position(|c| c.mc == target.target.mc).unwrap_or(0);
            self.configurations[mc].catalog.record(target.recipe).file.clone()
        };
        GraphError::NothingToRun {
            tasks: tasks.to_vec(),
            only,
            targets: target_list(&self.resolved.targets, file),
        }
    }

    /// The graph of the active tasks only.
    fn prune(
        self,
        active: &[u32],
        targets: &[u32],
        warn: &mut dyn FnMut(String),
    ) -> Result<TaskGraph<'c>, GraphError> {
        let mut number: Vec<Option<u32>> = vec![None; self.slot_of.len()];
        for (new, old) in active.iter().enumerate() {
            number[*old as usize] = Some(new as u32);
        }
        let mut recipes = Vec::new();
        let mut recipe_of: Vec<Option<u32>> = vec![None; self.slots.len()];
        let mut tasks = Vec::with_capacity(active.len());
        let mut depends = Rows::default();
        for old in active {
            let at = self.slot_of[*old as usize];
            let slot = &self.slots[at as usize];
            let recipe = *recipe_of[at as usize].get_or_insert_with(|| {
                recipes.push(GraphRecipe { mc: slot.mc, recipe: slot.recipe, file: slot.file.clone() });
                recipes.len() as u32 - 1
            });
            let setscene = self.task_named(at, &format!("{}_setscene", self.record(*old).name)).is_some();
            tasks.push(Task { recipe, index: old - slot.first, setscene });
            depends.push(self.depends[*old as usize].iter().filter_map(|dep| number[*dep as usize]));
        }
        let needed_by = depends.reversed();
        for task in 0..tasks.len() as u32 {
            for other in needed_by.row(task) {
                if depends.row(task).contains(other) {
                    let tid = |task: u32| self.tid(active[task as usize]);
                    return Err(GraphError::Circular(tid(task), tid(*other)));
                }
            }
        }
        let weights = loops::weights(&depends, &needed_by).map_err(|stuck| {
            let text = loops::describe(&stuck, &depends, &|task| self.tid(active[task as usize]));
            GraphError::Loops { tasks: stuck.len(), text }
        })?;
        let targets = targets.iter().filter_map(|task| number[*task as usize]).map(TaskId).collect();
        let graph = TaskGraph {
            configurations: self.configurations,
            recipes,
            tasks,
            depends,
            needed_by,
            targets,
            weights,
        };
        check_providers(&graph, warn)?;
        Ok(graph)
    }
}

/// Bits for each task.
struct Reached {
    width: usize,
    bits: Vec<u64>,
}

impl Reached {
    fn of(&self, task: u32) -> &[u64] {
        &self.bits[task as usize * self.width..][..self.width]
    }

    /// `later` reaches what `task`, of recipe `slot`, reaches, and that.
    fn add(&mut self, later: u32, task: u32, slot: u32) {
        let (from, to) = (task as usize * self.width, later as usize * self.width);
        for word in 0..self.width {
            self.bits[to + word] |= self.bits[from + word];
        }
        self.bits[to + slot as usize / 64] |= 1 << (slot % 64);
    }
}

/// Tasks that are needed.
struct Active<'a, 'c, 'r> {
    all: &'a All<'c, 'r>,
    needed: Vec<bool>,
    queue: Vec<u32>,
}

impl<'a, 'c, 'r> Active<'a, 'c, 'r> {
    fn new(all: &'a All<'c, 'r>) -> Self {
        Active { all, needed: vec![false; all.slot_of.len()], queue: Vec::new() }
    }

    /// A task is needed, and all it waits for.
    fn mark(&mut self, task: u32) {
        self.queue.push(task);
        while let Some(task) = self.queue.pop() {
            if !std::mem::replace(&mut self.needed[task as usize], true) {
                self.queue.extend_from_slice(&self.all.depends[task as usize]);
            }
        }
    }

    fn tasks(&self) -> Vec<u32> {
        (0..self.needed.len() as u32).filter(|task| self.needed[*task as usize]).collect()
    }
}

/// Two recipes of one build must not provide the same (BitBake manual, BB_MULTI_PROVIDER_ALLOWED).
fn check_providers(graph: &TaskGraph<'_>, warn: &mut dyn FnMut(String)) -> Result<(), GraphError> {
    for (mc, configuration) in graph.configurations.iter().enumerate() {
        let allowed = configuration.prefs.get_var("BB_MULTI_PROVIDER_ALLOWED").unwrap_or_default();
        let allowed: FxHashSet<&str> = allowed.split_whitespace().collect();
        let mut order: Vec<&str> = Vec::new();
        let mut by_name: FxHashMap<&str, Vec<&RecipeRecord>> = FxHashMap::default();
        for recipe in graph.recipes.iter().filter(|recipe| recipe.mc == mc) {
            let record = graph.recipe_record(recipe);
            for name in record.all_provides() {
                let known = by_name.entry(name).or_default();
                if known.is_empty() {
                    order.push(name);
                }
                known.push(record);
            }
        }
        for name in order {
            let records = &by_name[name];
            if records.len() < 2 || allowed.contains(name) {
                continue;
            }
            let files: Vec<String> = records.iter().map(|record| record.file.clone()).collect();
            for (at, record) in records.iter().enumerate() {
                if records[..at].iter().any(|other| other.pn == record.pn) {
                    return Err(GraphError::TwoVersions { pn: record.pn.clone(), files });
                }
            }
            warn(format!(
                "Multiple .bb files are due to be built which each provide {name}:\n  {}",
                files.join("\n  ")
            ));
        }
    }
    Ok(())
}
