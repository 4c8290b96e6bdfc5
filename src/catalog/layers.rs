//! The layers: which files belong to each, and whose recipes win.

use rustc_hash::FxHashMap;

use super::deps::{BadCondition, Condition, explode_dep_versions};
use super::preferences::Preferences;
use super::versions;
use crate::lang::pattern::Pattern;

/// One layer, which calls itself a collection in BBFILE_COLLECTIONS.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The collection's name.
    pub name: String,
    /// BBFILE_PATTERN_name: files whose path it matches from the start belong to the layer.
    pub pattern: String,
    /// BBFILE_PRIORITY_name, or what follows from the layers it depends on. Higher wins.
    pub priority: i32,
    /// The pattern compiled; `None` for an empty one, which matches nothing.
    regex: Option<Pattern>,
}

impl Layer {
    /// Whether the file belongs to the layer.
    pub fn matches(&self, path: &str) -> bool {
        self.regex.as_ref().is_some_and(|regex| regex.is_match(path))
    }
}

/// Something wrong with the layers. `Display` gives BitBake's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayerError {
    /// BBFILE_PRIORITY is no number.
    #[error("invalid value for BBFILE_PRIORITY_{layer}: \"{value}\"")]
    BadPriority { layer: String, value: String },
    /// BBFILE_PATTERN is not set.
    #[error("BBFILE_PATTERN_{0} not defined")]
    NoPattern(String),
    /// BBFILE_PATTERN is no regular expression.
    #[error("BBFILE_PATTERN_{layer} \"{pattern}\" is not a valid regular expression")]
    BadPattern { layer: String, pattern: String },
    /// A layer it depends on is not enabled.
    #[error(
        "Layer '{layer}' depends on layer '{needed}', but this layer is not enabled in your configuration"
    )]
    MissingLayer { layer: String, needed: String },
    /// A layer it depends on is enabled in another version.
    #[error(
        "Layer '{layer}' depends on version {condition} of layer '{needed}', but version {version} is currently enabled in \
         your configuration. Check that you are using the correct matching versions/branches of these two layers."
    )]
    WrongVersion { layer: String, needed: String, condition: String, version: String },
    /// It depends on some version of a layer that has none.
    #[error(
        "Layer '{layer}' depends on version {condition} of layer '{needed}', which exists in your configuration but does not \
         specify a version. Check that you are using the correct matching versions/branches of these two layers."
    )]
    NoVersion { layer: String, needed: String, condition: String },
    /// A dependency list that cannot be read.
    #[error("Error parsing {variable}: {message}")]
    BadDependencies { variable: String, message: String },
    /// Layers without priorities of their own that depend on each other, so that none can be worked out.
    #[error("The layers {0} depend on each other and need a BBFILE_PRIORITY")]
    Loop(String),
}

/// All layers of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// In the order of BBFILE_COLLECTIONS.
    layers: Vec<Layer>,
    /// The same by pattern, the last in the alphabet first, so that a layer within a layer comes before it.
    by_pattern: Vec<usize>,
}

impl Layers {
    /// Reads the layers from BBFILE_COLLECTIONS and the variables named after each. Layers without a usable pattern are
    /// left out. Any error is a reason not to go on.
    pub fn read<P: Preferences + ?Sized>(prefs: &P) -> (Layers, Vec<LayerError>) {
        let mut errors = Vec::new();
        let collections = prefs.get_var("BBFILE_COLLECTIONS").unwrap_or_default().into_owned();
        let names: Vec<&str> = collections.split_whitespace().collect();
        let priorities = Priorities::read(prefs, &names, &mut errors).settle(&mut errors);
        let mut layers = Vec::new();
        for (name, priority) in names.iter().zip(priorities) {
            let Some(pattern) = prefs.get_var(&format!("BBFILE_PATTERN_{name}")) else {
                errors.push(LayerError::NoPattern(name.to_string()));
                continue;
            };
            match Layer::new(name, &pattern, priority) {
                Ok(layer) => layers.push(layer),
                Err(error) => errors.push(error),
            }
        }
        (Layers::new(layers), errors)
    }

    /// The given layers.
    pub fn new(layers: Vec<Layer>) -> Layers {
        let mut by_pattern: Vec<usize> = (0..layers.len()).collect();
        by_pattern.sort_by(|a, b| layers[*b].pattern.cmp(&layers[*a].pattern));
        Layers { layers, by_pattern }
    }

    /// The layers in the order of BBFILE_COLLECTIONS.
    pub fn iter(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter()
    }

    /// The layers in the order in which their patterns are tried.
    pub fn by_pattern(&self) -> impl Iterator<Item = &Layer> {
        self.by_pattern.iter().map(|place| &self.layers[*place])
    }

    /// The layer a file (or a pattern of files) belongs to.
    pub fn layer_of(&self, path: &str) -> Option<&Layer> {
        self.by_pattern().find(|layer| layer.matches(path))
    }

    /// The priority of the layer a file belongs to, 0 without one.
    pub fn priority_of(&self, path: &str) -> i32 {
        self.layer_of(path).map_or(0, |layer| layer.priority)
    }
}

impl Layer {
    /// A layer of the given pattern and priority.
    pub fn new(name: &str, pattern: &str, priority: i32) -> Result<Layer, LayerError> {
        let regex = match pattern {
            "" => None,
            pattern => Some(Pattern::matching(pattern).map_err(|_| LayerError::BadPattern {
                layer: name.to_string(),
                pattern: pattern.to_string(),
            })?),
        };
        Ok(Layer { name: name.to_string(), pattern: pattern.to_string(), priority, regex })
    }
}

/// Priorities on the way from what the layers say to what they get.
struct Priorities<'n> {
    names: &'n [&'n str],
    /// As set; 0 counts as not set.
    given: Vec<Option<i32>>,
    /// Places of the layers each depends on.
    depends: Vec<Vec<usize>>,
    lowest: i32,
}

impl<'n> Priorities<'n> {
    fn read<P: Preferences + ?Sized>(
        prefs: &P,
        names: &'n [&'n str],
        errors: &mut Vec<LayerError>,
    ) -> Priorities<'n> {
        let places: FxHashMap<&str, usize> = names.iter().enumerate().map(|(i, name)| (*name, i)).collect();
        let mut priorities = Priorities { names, given: Vec::new(), depends: Vec::new(), lowest: 0 };
        for name in names {
            let given = priorities.read_given(prefs, name, errors);
            priorities.given.push(given);
            let mut depends = Vec::new();
            for (needed, conditions) in dependencies(prefs, "LAYERDEPENDS", name, errors) {
                let Some(place) = places.get(needed.as_str()) else {
                    errors.push(LayerError::MissingLayer { layer: name.to_string(), needed });
                    continue;
                };
                depends.push(*place);
                for condition in conditions {
                    errors.extend(check(prefs, "LAYERDEPENDS", name, &needed, &condition).err());
                }
            }
            // What is only recommended counts where it is there in a fitting version.
            for (wanted, conditions) in dependencies(prefs, "LAYERRECOMMENDS", name, errors) {
                let Some(place) = places.get(wanted.as_str()) else { continue };
                let fits = conditions
                    .first()
                    .map_or(Ok(()), |first| check(prefs, "LAYERRECOMMENDS", name, &wanted, first));
                match fits {
                    Ok(()) => depends.push(*place),
                    Err(error @ LayerError::BadDependencies { .. }) => errors.push(error),
                    Err(_) => {}
                }
            }
            priorities.depends.push(depends);
        }
        priorities
    }

    fn read_given<P: Preferences + ?Sized>(
        &mut self,
        prefs: &P,
        name: &str,
        errors: &mut Vec<LayerError>,
    ) -> Option<i32> {
        let value = prefs.get_var(&format!("BBFILE_PRIORITY_{name}")).filter(|value| !value.is_empty())?;
        let priority = value.trim().parse().ok();
        if priority.is_none() {
            errors.push(LayerError::BadPriority { layer: name.to_string(), value: value.to_string() });
        }
        let priority = priority.unwrap_or(0);
        if self.lowest == 0 || priority < self.lowest {
            self.lowest = priority;
        }
        (priority != 0).then_some(priority)
    }

    /// A layer without a priority of its own gets one above the highest it depends on, and above the lowest there is.
    fn settle(self, errors: &mut Vec<LayerError>) -> Vec<i32> {
        let mut settled = self.given;
        loop {
            let mut progress = false;
            for place in 0..settled.len() {
                let of_depends: Option<Vec<i32>> = self.depends[place].iter().map(|i| settled[*i]).collect();
                if settled[place].is_none()
                    && let Some(of_depends) = of_depends
                {
                    let above = of_depends.into_iter().max().unwrap_or(self.lowest).max(self.lowest);
                    settled[place] = Some(above.saturating_add(1));
                    progress = true;
                }
            }
            if !progress {
                break;
            }
        }
        let unsettled: Vec<&str> =
            self.names.iter().zip(&settled).filter(|(_, p)| p.is_none()).map(|(name, _)| *name).collect();
        if !unsettled.is_empty() {
            errors.push(LayerError::Loop(unsettled.join(", ")));
        }
        settled.into_iter().map(|priority| priority.unwrap_or(0)).collect()
    }
}

fn dependencies<P: Preferences + ?Sized>(
    prefs: &P,
    keyword: &str,
    layer: &str,
    errors: &mut Vec<LayerError>,
) -> Vec<(String, Vec<Condition>)> {
    let variable = format!("{keyword}_{layer}");
    let result = explode_dep_versions(&prefs.get_var(&variable).unwrap_or_default());
    match result {
        Ok(found) => found.into_iter().collect(),
        Err(error @ BadCondition(_)) => {
            errors.push(LayerError::BadDependencies { variable, message: error.to_string() });
            Vec::new()
        }
    }
}

fn check<P: Preferences + ?Sized>(
    prefs: &P,
    keyword: &str,
    layer: &str,
    needed: &str,
    condition: &Condition,
) -> Result<(), LayerError> {
    let (layer, needed, text) = (layer.to_string(), needed.to_string(), condition.to_string());
    let version = prefs.get_var(&format!("LAYERVERSION_{needed}")).filter(|version| !version.is_empty());
    let Some(version) = version else {
        return Err(LayerError::NoVersion { layer, needed, condition: text });
    };
    match versions::satisfies(&version, &condition.version, &condition.operator) {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(LayerError::WrongVersion { layer, needed, condition: text, version: version.into_owned() })
        }
        Err(error) => Err(LayerError::BadDependencies {
            variable: format!("{keyword}_{layer}"),
            message: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn read(pairs: &[(&str, &str)]) -> (Vec<(String, i32)>, Vec<String>) {
        let prefs: HashMap<String, String> =
            pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let (layers, errors) = Layers::read(&prefs);
        let found = layers.iter().map(|layer| (layer.name.clone(), layer.priority)).collect();
        (found, errors.iter().map(ToString::to_string).collect())
    }

    fn priorities(pairs: &[(&str, &str)]) -> Vec<i32> {
        let (found, errors) = read(pairs);
        assert_eq!(errors, Vec::<String>::new());
        found.into_iter().map(|(_, priority)| priority).collect()
    }

    #[test]
    fn priorities_follow_from_dependencies() {
        let patterns = [("BBFILE_PATTERN_a", "^/a/"), ("BBFILE_PATTERN_b", "^/b/"), ("BBFILE_PATTERN_c", "")];
        let with = |more: &[(&'static str, &'static str)]| {
            let all: Vec<_> =
                [("BBFILE_COLLECTIONS", "a b c")].into_iter().chain(patterns).chain(more.to_vec()).collect();
            priorities(&all)
        };
        assert_eq!(with(&[]), [1, 1, 1]);
        assert_eq!(with(&[("BBFILE_PRIORITY_a", "5"), ("BBFILE_PRIORITY_b", "9")]), [5, 9, 6]);
        assert_eq!(
            with(&[("BBFILE_PRIORITY_a", "5"), ("LAYERDEPENDS_b", "c"), ("LAYERDEPENDS_c", "a")]),
            [5, 7, 6]
        );
        // Unknown, too old and without a version: none of these raises c above the lowest priority.
        let c = ("LAYERRECOMMENDS_c", "nosuch a (>= 2) b (>= 1)");
        let (a, b) = (("BBFILE_PRIORITY_a", "5"), ("BBFILE_PRIORITY_b", "8"));
        assert_eq!(with(&[a, b, c, ("LAYERVERSION_a", "1")]), [5, 8, 6]);
        assert_eq!(with(&[a, b, c, ("LAYERVERSION_b", "1")]), [5, 8, 9]);
    }

    #[test]
    fn messages_are_bitbakes() {
        let base = [
            ("BBFILE_COLLECTIONS", "one two"),
            ("BBFILE_PATTERN_one", "^/one/"),
            ("BBFILE_PATTERN_two", "^/two/"),
            ("LAYERVERSION_one", "3"),
        ];
        let with = |name, value| {
            let all: Vec<_> = base.into_iter().filter(|(n, _)| *n != name).chain([(name, value)]).collect();
            read(&all).1
        };
        assert_eq!(
            with("LAYERDEPENDS_two", "one (>= 4) three"),
            [
                "Layer 'two' depends on version >= 4 of layer 'one', but version 3 is currently enabled in your \
                 configuration. Check that you are using the correct matching versions/branches of these two layers.",
                "Layer 'two' depends on layer 'three', but this layer is not enabled in your configuration",
            ]
        );
        assert_eq!(
            with("LAYERDEPENDS_one", "two (= 1)"),
            [
                "Layer 'one' depends on version = 1 of layer 'two', which exists in your configuration but does not \
              specify a version. Check that you are using the correct matching versions/branches of these two layers."
            ]
        );
        assert_eq!(with("BBFILE_PRIORITY_two", "x"), ["invalid value for BBFILE_PRIORITY_two: \"x\""]);
        assert_eq!(
            with("BBFILE_PATTERN_two", "["),
            ["BBFILE_PATTERN_two \"[\" is not a valid regular expression"]
        );
        assert_eq!(read(&base[..2]).1, ["BBFILE_PATTERN_two not defined"],);
        assert_eq!(with("LAYERDEPENDS_two", "two").len(), 1);
    }

    #[test]
    fn a_layer_within_a_layer_comes_first() {
        let layer = |name, pattern, priority| Layer::new(name, pattern, priority).unwrap();
        let layers =
            Layers::new(vec![layer("outer", "^/l/", 5), layer("inner", "^/l/in/", 7), layer("none", "", 9)]);
        let name = |path| layers.layer_of(path).map(|layer| layer.name.as_str());
        assert_eq!(name("/l/in/x.bb"), Some("inner"));
        assert_eq!(name("/l/x.bb"), Some("outer"));
        assert_eq!(name("/m/x.bb"), None);
        assert_eq!(layers.priority_of("/m/x.bb"), 0);
    }
}
