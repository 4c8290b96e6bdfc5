//! The choice of providers against BitBake's own: little worlds, and what BitBake made of each.

use std::collections::{BTreeMap, HashMap};

use rbake::catalog::record::{PackageRecord, RecipeVersion, TaskRecord};
use rbake::catalog::{
    Assumed, Catalog, Message, PreferredProviders, RecipeId, RecipeRecord, ResolveError, ResolvePolicy,
    Resolver,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    world: World,
    result: Outcome,
}

#[derive(Deserialize)]
struct World {
    recipes: Vec<Recipe>,
    vars: HashMap<String, String>,
    targets: Vec<String>,
    halt: bool,
    incomplete: bool,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Recipe {
    file: String,
    pn: String,
    pe: String,
    pv: String,
    pr: String,
    dp: i64,
    priority: i32,
    provides: Vec<String>,
    rprovides: Vec<String>,
    packages: Vec<String>,
    packages_dynamic: Vec<String>,
    depends: Vec<String>,
    rdepends: Vec<String>,
    rrecommends: Vec<String>,
    rprovides_pkg: HashMap<String, Vec<String>>,
    rdepends_pkg: HashMap<String, Vec<String>>,
    rrecommends_pkg: HashMap<String, Vec<String>>,
    not_world: bool,
    ntasks: usize,
    taskdep: String,
    skipped: String,
}

/// BitBake's answers. A recipe is named by its file.
#[derive(Deserialize)]
struct Outcome {
    /// By recipe name: newest, preferred, and whether a version is required.
    best: BTreeMap<String, (String, Option<String>, bool)>,
    best_log: Vec<(String, String)>,
    /// World for the task `do_b`.
    world: Vec<String>,
    error: Option<String>,
    build: BTreeMap<String, Vec<String>>,
    run: BTreeMap<String, Vec<String>>,
    failed: Vec<String>,
    log: Vec<(String, String)>,
}

impl Recipe {
    fn record(self) -> RecipeRecord {
        let mut packages = Vec::new();
        for name in &self.packages {
            let of = |map: &HashMap<String, Vec<String>>| map.get(name).cloned().unwrap_or_default();
            packages.push(PackageRecord {
                name: name.clone(),
                rprovides: of(&self.rprovides_pkg),
                rdepends: of(&self.rdepends_pkg),
                rrecommends: of(&self.rrecommends_pkg),
            });
        }
        let task = |name: &str, depends: Option<String>| TaskRecord {
            name: name.into(),
            depends,
            ..TaskRecord::default()
        };
        let mut tasks = vec![task("do_a", Some(self.taskdep)), task("do_b", None)];
        tasks.truncate(self.ntasks);
        RecipeRecord {
            file: self.file,
            priority: self.priority,
            pn: self.pn,
            version: RecipeVersion { pe: self.pe, pv: self.pv, pr: self.pr },
            default_preference: self.dp,
            provides: self.provides,
            rprovides: self.rprovides,
            packages,
            packages_dynamic: self.packages_dynamic,
            depends: self.depends,
            rdepends: self.rdepends,
            rrecommends: self.rrecommends,
            tasks,
            not_world: self.not_world,
            skipped: Some(self.skipped).filter(|reason| !reason.is_empty()),
            ..RecipeRecord::default()
        }
    }
}

fn said(log: &[Message]) -> Vec<(String, String)> {
    log.iter().map(|message| (level(message), message.to_string())).collect()
}

fn level(message: &Message) -> String {
    format!("{:?}", message.severity()).to_uppercase()
}

fn check(case: Case) -> Result<(), String> {
    let World { recipes, vars, targets, halt, incomplete } = case.world;
    let expected = case.result;
    let catalog = Catalog::new(recipes.into_iter().map(Recipe::record).collect::<Vec<_>>());
    let file = |id: RecipeId| catalog.record(id).file.clone();
    let same = |what: &str, ours: String, theirs: String| {
        if ours == theirs { Ok(()) } else { Err(format!("{what}:\n  ours   {ours}\n  theirs {theirs}")) }
    };

    let mut log = Vec::new();
    let mut best = BTreeMap::new();
    for pn in catalog.recipe_names() {
        let found = catalog.best_version(pn, &vars, &mut log).ok_or("no best version")?;
        best.insert(pn.to_string(), (file(found.latest), found.preferred.map(file), found.required));
    }
    same("best", format!("{best:?}"), format!("{:?}", expected.best))?;
    same("messages of best", format!("{:?}", said(&log)), format!("{:?}", expected.best_log))?;

    let mut world = catalog.world(Some("do_b"));
    world.sort();
    same("world", format!("{world:?}"), format!("{:?}", expected.world))?;

    let preferred = PreferredProviders::read(&vars, &mut Vec::new());
    let assumed = Assumed::read(&vars, &[]);
    let policy = ResolvePolicy { halt, allow_incomplete: incomplete };
    let mut resolver = Resolver::new(&catalog, &vars, &preferred, &assumed, policy);
    let mut result = targets.iter().try_for_each(|target| resolver.add_target(target, &mut ()));
    if result.is_ok() {
        result = resolver.resolve(&mut ());
    }
    let error = match result {
        Ok(()) => None,
        Err(ResolveError::NoProvider(item)) => Some(item),
        Err(other) => return Err(other.to_string()),
    };
    same("error", format!("{error:?}"), format!("{:?}", expected.error))?;
    same("messages", format!("{:#?}", said(&resolver.messages)), format!("{:#?}", expected.log))?;
    for (item, theirs) in &expected.build {
        let ours: Vec<String> = resolver.providers(item).iter().map(|id| file(*id)).collect();
        same(item, format!("{ours:?}"), format!("{theirs:?}"))?;
    }
    same(
        "provided items",
        format!("{}", resolver.provider_map().count()),
        format!("{}", expected.build.len()),
    )?;
    for (item, theirs) in &expected.run {
        let ours: Vec<String> = resolver.runtime_providers(item).iter().map(|id| file(*id)).collect();
        same(item, format!("{ours:?}"), format!("{theirs:?}"))?;
    }
    let mut failed: Vec<String> =
        catalog.buildable().filter(|(id, _)| resolver.has_failed(*id)).map(|(id, _)| file(id)).collect();
    failed.sort();
    same("failed", format!("{failed:?}"), format!("{:?}", expected.failed))
}

#[test]
fn providers_are_bitbakes() {
    let table = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/providers.jsonl"));
    let mut wrong = Vec::new();
    let mut cases = 0;
    for (line, text) in table.expect("the table of cases").lines().enumerate() {
        let case: Case = serde_json::from_str(text).expect("a case");
        if let Err(difference) = check(case) {
            wrong.push(format!("line {}: {difference}", line + 1));
        }
        cases += 1;
    }
    assert!(wrong.is_empty(), "{} of {cases} differ\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases > 50, "only {cases} cases");
}
