//! Names of stamps (BitBake manual, "Stamp Files").

use crate::catalog::RecipeRecord;

/// The ending of setscene tasks.
pub const SETSCENE: &str = "_setscene";

/// How the stamps of a build are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampStyle {
    /// Without hashes: a task runs once, and again when it is told to.
    Plain,
    /// With the hash: a task with another hash has no stamp.
    Hashed,
}

impl StampStyle {
    /// The stamp of a task, whose name may have `_setscene` behind it; None for a recipe without STAMP. `extra`: with
    /// `[stamp-extra-info]`.
    pub fn stamp(self, record: &RecipeRecord, task: &str, hash: &str, extra: bool) -> Option<String> {
        self.name(record, &record.stamp, task, hash, extra)
    }

    /// A pattern of all stamps of a task, whatever its hash.
    pub fn clean_mask(self, record: &RecipeRecord, task: &str) -> Option<String> {
        self.name(record, &record.stamp, task, "*", true)
    }

    fn name(self, record: &RecipeRecord, base: &str, task: &str, hash: &str, extra: bool) -> Option<String> {
        if base.is_empty() {
            return None;
        }
        let real = task.strip_suffix(SETSCENE).unwrap_or(task);
        let info = record.task(real).and_then(|task| task.stamp_extra_info.as_deref()).filter(|_| extra);
        let info = info.unwrap_or_default();
        let name = match self {
            StampStyle::Plain => format!("{base}.{task}.{info}"),
            StampStyle::Hashed => format!("{base}.{task}.{hash}.{info}"),
        };
        Some(name.trim_end_matches('.').to_owned())
    }
}

/// The file whose text is added to the hash of a task, so that it runs again.
pub fn taint_file(record: &RecipeRecord, task: &str) -> String {
    format!("{}.{task}.taint", record.stamp)
}

/// The patterns of the stamps that a new stamp of a task replaces: its own, and that of its setscene variant.
pub fn clean_masks(style: StampStyle, record: &RecipeRecord, task: &str) -> Vec<String> {
    let Some(mask) = style.clean_mask(record, task) else { return Vec::new() };
    let real = task.strip_suffix(SETSCENE).unwrap_or(task);
    let setscene = mask.replace(real, &format!("{real}{SETSCENE}"));
    vec![mask, setscene]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::record::TaskRecord;

    #[test]
    fn names() {
        let task =
            TaskRecord { name: "do_a".into(), stamp_extra_info: Some("x".into()), ..TaskRecord::default() };
        let record = RecipeRecord { stamp: "/s/p".into(), tasks: vec![task], ..RecipeRecord::default() };
        let stamp = |style: StampStyle, task: &str| style.stamp(&record, task, "h", true).unwrap();
        assert_eq!(stamp(StampStyle::Plain, "do_a"), "/s/p.do_a.x");
        assert_eq!(stamp(StampStyle::Hashed, "do_a_setscene"), "/s/p.do_a_setscene.h.x");
        assert_eq!(stamp(StampStyle::Plain, "do_b"), "/s/p.do_b");
        assert_eq!(
            clean_masks(StampStyle::Hashed, &record, "do_a"),
            ["/s/p.do_a.*.x", "/s/p.do_a_setscene.*.x"]
        );
        assert_eq!(StampStyle::Hashed.stamp(&RecipeRecord::default(), "do_a", "h", true), None);
    }
}
