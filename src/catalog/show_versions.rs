//! The table of `bitbake -s`: the newest, preferred and required version of every recipe.

use std::fmt;

use super::index::{Catalog, RecipeId};
use super::message::Message;
use super::preferences::Preferences;

/// One line of the table. `Display` sets it in BitBake's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRow {
    /// The recipe's name.
    pub pn: String,
    /// `PE:PV-PR` of the newest.
    pub latest: String,
    /// The one to be built, if it is another one and REQUIRED_VERSION is not set.
    pub preferred: String,
    /// The one to be built, if REQUIRED_VERSION is set.
    pub required: String,
}

impl VersionRow {
    /// The two lines above the table.
    pub fn header() -> [VersionRow; 2] {
        let row = |cells: [&str; 4]| {
            let [pn, latest, preferred, required] = cells.map(String::from);
            VersionRow { pn, latest, preferred, required }
        };
        [
            row(["Recipe Name", "Latest Version", "Preferred Version", "Required Version"]),
            row(["===========", "==============", "=================", "================"]),
        ]
    }
}

impl fmt::Display for VersionRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<35} {:>25} {:>25} {:>25}", self.pn, self.latest, self.preferred, self.required)
    }
}

/// No recipe has the version that REQUIRED_VERSION names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("REQUIRED_VERSION of package {0} not available")]
pub struct RequiredVersionMissing(pub String);

/// The rows of the table, in order of names; up to the first recipe whose required version is missing.
pub fn version_rows<P: Preferences + ?Sized>(
    catalog: &Catalog,
    prefs: &P,
    log: &mut Vec<Message>,
) -> (Vec<VersionRow>, Option<RequiredVersionMissing>) {
    let text = |id: RecipeId| {
        let version = catalog.version(id);
        format!("{}:{}-{}", version.pe, version.pv, version.pr)
    };
    let bests: Vec<_> =
        catalog.recipe_names().filter_map(|pn| Some((pn, catalog.best_version(pn, prefs, log)?))).collect();
    let mut sorted = bests;
    sorted.sort_by_key(|(pn, _)| *pn);
    let mut rows = Vec::with_capacity(sorted.len());
    for (pn, best) in sorted {
        let Some(chosen) = best.preferred else {
            return (rows, Some(RequiredVersionMissing(pn.to_string())));
        };
        let (preferred, required) = match (best.required, chosen == best.latest) {
            (true, _) => (String::new(), text(chosen)),
            (false, true) => (String::new(), String::new()),
            (false, false) => (text(chosen), String::new()),
        };
        rows.push(VersionRow { pn: pn.to_string(), latest: text(best.latest), preferred, required });
    }
    (rows, None)
}
