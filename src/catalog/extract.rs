//! From a finished store to the record that the rest of the engine works with.

use super::record::{
    FakerootRecord, FileDepend, Fingerprint, PackageRecord, RecipeRecord, RecipeVersion, TaskRecord,
};
use crate::data::{DataError, Store, Value};
use crate::recipe::{Signed, StoredTable, recorded};

/// The names in a dependency list, without version parts (`bb.utils.explode_deps`).
pub fn explode_deps(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut version = false;
    for word in text.split_whitespace() {
        version |= word.starts_with('(');
        if !version {
            names.push(word.to_owned());
        }
        if word.ends_with(')') {
            version = false;
        }
    }
    names
}

/// Where a recipe comes from, beside what its text says.
pub struct Source<'a> {
    /// Virtual file name.
    pub file: &'a str,
    /// Collection of the layer.
    pub layer: &'a str,
    /// Priority of the layer.
    pub priority: i32,
}

/// Makes the record of one finished recipe or variant.
///
/// # Errors
/// A variable of the record can't be expanded.
pub fn extract(source: &Source<'_>, store: &Store) -> Result<RecipeRecord, DataError> {
    let text = |name: &str| store.get_str(name);
    let deps = |name: &str| Ok::<_, DataError>(explode_deps(&store.get_str(name)?));
    let path = super::VirtualFile::parse(source.file).path;

    let mut record = RecipeRecord {
        file: source.file.to_owned(),
        layer: source.layer.to_owned(),
        priority: source.priority,
        file_depends: file_depends(store),
        appends: store.get_words("__BBAPPEND")?,
        nocache: store.get_var("BB_DONT_CACHE")?.is_some_and(|value| value.truth()),
        provides: deps("PROVIDES")?,
        rprovides: deps("RPROVIDES")?,
        pn: text("PN")?,
        packages_dynamic: store.get_words("PACKAGES_DYNAMIC")?,
        ..RecipeRecord::default()
    };
    if record.pn.is_empty() {
        let base = super::virtual_file::base_name(path);
        let stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
        record.pn = stem.split('_').next().unwrap_or_default().to_owned();
    }
    let mut packages = store.get_words("PACKAGES")?;
    if packages.is_empty() {
        packages.push(record.pn.clone());
    }
    for name in packages {
        let rprovides = deps(&format!("RPROVIDES:{name}"))?;
        record.packages.push(PackageRecord { name, rprovides, ..PackageRecord::default() });
    }
    if let Some(reason) = store.get_var("__SKIPPED")?.filter(Value::truth) {
        record.skipped = Some(reason.to_text());
        return Ok(record);
    }
    record.version = RecipeVersion { pe: text("PE")?, pv: text("PV")?, pr: text("PR")? };
    let preference = text("DEFAULT_PREFERENCE")?;
    record.default_preference = match preference.trim() {
        "" => 0,
        number => number.parse().map_err(|_| {
            DataError::raised(
                "ValueError",
                format!("invalid literal for int() with base 10: {}", crate::data::repr_str(&preference)),
            )
        })?,
    };
    record.tasks = tasks(store)?;
    record.hashfilename = text("BB_HASHFILENAME")?;
    let world = text("EXCLUDE_FROM_WORLD")?.to_ascii_lowercase();
    record.not_world = matches!(world.as_str(), "y" | "yes" | "1" | "true");
    record.stamp = text("STAMP")?;
    record.stampclean = text("STAMPCLEAN")?;
    record.depends = deps("DEPENDS")?;
    record.rdepends = deps("RDEPENDS")?;
    record.rrecommends = deps("RRECOMMENDS")?;
    for package in &mut record.packages {
        package.rdepends = deps(&format!("RDEPENDS:{}", package.name))?;
        package.rrecommends = deps(&format!("RRECOMMENDS:{}", package.name))?;
    }
    record.inherits = store.get_raw("__inherit_cache")?.map(|list| list.strings()).unwrap_or_default();
    record.fakeroot = FakerootRecord {
        env: text("FAKEROOTENV")?,
        dirs: text("FAKEROOTDIRS")?,
        logs: text("FAKEROOTLOGS")?,
        noenv: text("FAKEROOTNOENV")?,
    };
    record.extra_depends = text("calculate_extra_depends")?;
    Ok(record)
}

fn tasks(store: &Store) -> Result<Vec<TaskRecord>, DataError> {
    let table = match store.find("_task_deps").and_then(|var| var.content.clone()) {
        Some(Value::Object(object)) => {
            object.as_any().downcast_ref::<StoredTable>().map(|stored| stored.0.clone()).unwrap_or_default()
        }
        _ => return Ok(Vec::new()),
    };
    let signed = Signed::of(store);
    let hash_of = |task: &str| {
        let signed = signed.as_ref()?;
        let place = signed.tasks.iter().position(|known| **known == *task)?;
        signed.hashes.get(place).cloned()
    };
    let mut tasks = Vec::with_capacity(table.tasks.len());
    for name in &table.tasks {
        let flag = |flag: &str| {
            let column = table.flags.iter().find(|(known, _)| *known == flag).map(|(_, column)| column);
            column?.iter().find(|(task, _)| task == name).map(|(_, value)| value.clone())
        };
        let set = |name: &str| flag(name).is_some_and(|value| !value.is_empty());
        let own = |flag: &str| -> Result<Option<String>, DataError> {
            Ok(Some(store.get_flag_str(name, flag)?).filter(|value| !value.is_empty()))
        };
        tasks.push(TaskRecord {
            name: name.clone(),
            parents: table
                .parents
                .iter()
                .find(|(task, _)| task == name)
                .map(|(_, parents)| parents.clone())
                .unwrap_or_default(),
            depends: flag("depends"),
            rdepends: flag("rdepends"),
            mcdepends: flag("mcdepends"),
            deptask: flag("deptask"),
            rdeptask: flag("rdeptask"),
            recrdeptask: flag("recrdeptask"),
            recideptask: flag("recideptask"),
            nostamp: set("nostamp"),
            noexec: set("noexec"),
            fakeroot: set("fakeroot"),
            umask: flag("umask"),
            stamp_extra_info: own("stamp-extra-info")?,
            file_checksums: own("file-checksums")?,
            basehash: hash_of(name).unwrap_or_default(),
        });
    }
    Ok(tasks)
}

fn file_depends(store: &Store) -> Vec<FileDepend> {
    recorded(store, "__depends")
        .into_iter()
        .map(|(path, stamp)| FileDepend {
            path: path.to_string(),
            fingerprint: stamp.map(|stamp| Fingerprint {
                mtime_ns: stamp.mtime_ns as i64,
                size: stamp.size,
                inode: stamp.inode,
            }),
        })
        .collect()
}
