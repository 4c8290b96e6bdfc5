//! What has to be known to run one task of a build.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Run;
use crate::catalog::VirtualFile;
use crate::run::{Dependency, SignatureData, Stamps, TaskSpec};
use crate::task::TaskId;
use crate::task::stamp::{SETSCENE, clean_masks};

impl Run<'_, '_> {
    pub(super) fn setscene_spec(&self, task: TaskId) -> TaskSpec {
        let record = self.graph.record(task);
        let name = format!("{}{SETSCENE}", self.graph.name(task));
        let own = record.task(&name);
        let fakeroot = own.is_some_and(|own| own.fakeroot);
        let stamp = self.hashes.stamp(self.graph, task, true).map(|file| {
            let clean = clean_masks(self.hashes.generator.stamps(), record, &name);
            Stamps { file, clean }
        });
        TaskSpec {
            stamp,
            quiet_errors: true,
            fakeroot,
            fakeroot_env: if fakeroot { record.fakeroot.env.clone() } else { record.fakeroot.noenv.clone() },
            fakeroot_dirs: if fakeroot { record.fakeroot.dirs.clone() } else { String::new() },
            umask: own.and_then(|own| own.umask.clone()).unwrap_or_else(|| self.umask.clone()),
            task: name,
            ..self.spec(task)
        }
    }

    pub(super) fn stamps(&self, task: TaskId) -> Option<Stamps> {
        let record = self.graph.task(task);
        if record.nostamp {
            return None;
        }
        let file = self.hashes.stamp(self.graph, task, false)?;
        let clean = clean_masks(self.hashes.generator.stamps(), self.graph.record(task), &record.name);
        Some(Stamps { file, clean })
    }

    pub(super) fn spec(&self, task: TaskId) -> TaskSpec {
        let recipe = self.graph.recipe(task);
        let record = self.graph.record(task);
        let file = VirtualFile::parse(&record.file);
        let own = self.graph.task(task);
        let hash = self.hashes.of(task);
        let fakeroot = &record.fakeroot;
        let tree = &self.metadata.worlds[recipe.mc].tree;
        TaskSpec {
            recipe: tree.recipe(file.path).recipe,
            variant: file.class.to_owned(),
            task: own.name.clone(),
            taskhash: hash.hash.clone(),
            unihash: hash.unihash.clone(),
            depends: Arc::new(self.dependencies(task)),
            signature: Some(SignatureData {
                basehash: own.basehash.clone(),
                runtaskdeps: hash
                    .depends
                    .iter()
                    .map(|(name, dep)| {
                        (name.clone(), self.graph.tid(*dep), self.hashes.of(*dep).unihash.clone())
                    })
                    .collect(),
                file_checksums: hash.files.iter().map(|file| (file.path.clone(), file.sum.clone())).collect(),
                taint: hash.taint.clone(),
                setscene: self.graph.tasks[task.index()].setscene,
                write: true,
            }),
            stamp: self.stamps(task),
            fakeroot: own.fakeroot,
            fakeroot_env: if own.fakeroot { fakeroot.env.clone() } else { fakeroot.noenv.clone() },
            fakeroot_dirs: if own.fakeroot { fakeroot.dirs.clone() } else { String::new() },
            umask: own.umask.clone().unwrap_or_else(|| self.umask.clone()),
            ..TaskSpec::default()
        }
    }

    /// BB_TASKDEPDATA: the task and everything it waits for in its own configuration.
    pub(super) fn dependencies(&self, task: TaskId) -> BTreeMap<String, Dependency> {
        let mc = self.graph.recipe(task).mc;
        let own = |dep: &TaskId| self.graph.recipe(*dep).mc == mc;
        let mut found = BTreeMap::new();
        let mut seen = vec![false; self.graph.len()];
        let mut queue = vec![task];
        while let Some(task) = queue.pop() {
            if std::mem::replace(&mut seen[task.index()], true) {
                continue;
            }
            queue.extend(self.graph.depends(task).filter(own));
            let record = self.graph.record(task);
            let hash = self.hashes.of(task);
            let entry = Dependency {
                pn: record.pn.clone(),
                taskname: self.graph.name(task).to_owned(),
                fn_: VirtualFile::parse(&record.file).path.to_owned(),
                deps: self.graph.depends(task).filter(own).map(|dep| self.graph.tid(dep)).collect(),
                provides: record.all_provides().map(str::to_owned).collect(),
                taskhash: hash.hash.clone(),
                unihash: hash.unihash.clone(),
                hashfn: record.hashfilename.clone(),
                taskhash_deps: hash.depends.iter().map(|(_, dep)| self.graph.tid(*dep)).collect(),
            };
            found.insert(self.graph.tid(task), entry);
        }
        found
    }
}
