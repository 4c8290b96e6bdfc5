//! Debian source packages: formats 1.0, 3.0 (native) and 3.0 (quilt), as `dpkg-source -x` unpacks them (dpkg-source(1)).

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::destination::{Destination, Limits, Modes, mask};
use super::patch;
use super::tar::{Selection, unpack as unpack_tar};
use crate::fetch::error::FetchError;
use crate::package::compress::Compression;
use crate::package::deb::dsc::{Dsc, SourceFile};
use crate::verify::{Algorithm, Digest};

/// Unpacks the source package described by `dsc`, whose files lie in `files`, to `target`, which must not exist.
/// Each file's size and SHA-256 is checked again on the way. `search` is where `patch` is found.
///
/// # Errors
/// [`FetchError::Invalid`] naming the file and what is wrong with it.
pub fn unpack_source(
    dsc: &Dsc,
    files: &Path,
    target: &Path,
    limits: &Limits,
    search: &str,
) -> Result<(), FetchError> {
    let name = format!("{}_{}", dsc.source, dsc.version);
    if target.symlink_metadata().is_ok() {
        return Err(FetchError::invalid(name, format!("'{}' exists already", target.display())));
    }
    for file in &dsc.files {
        check(&files.join(&file.name), file)?;
    }
    let source = Source { dsc, files, target, limits, search };
    let unpacked = match dsc.format.as_str() {
        "1.0" => source.first(),
        "3.0 (native)" => source.native(),
        "3.0 (quilt)" => source.quilt(),
        other => Err(format!("the source format '{other}' can't be unpacked")),
    };
    unpacked.and_then(|()| source.finish()).map_err(|message| FetchError::invalid(name, message))
}

fn check(path: &Path, file: &SourceFile) -> Result<(), FetchError> {
    let size = fs::metadata(path).map_err(FetchError::io(path))?.len();
    let digest = Digest::of_file(Algorithm::Sha256, path).map_err(FetchError::io(path))?;
    if size == file.size && digest == file.sha256 {
        return Ok(());
    }
    let message =
        format!("it has {size} bytes and {digest} where {} bytes and {} are listed", file.size, file.sha256);
    Err(FetchError::invalid(path.display().to_string(), message))
}

struct Source<'a> {
    dsc: &'a Dsc,
    files: &'a Path,
    target: &'a Path,
    limits: &'a Limits,
    search: &'a str,
}

type Outcome = Result<(), String>;

impl Source<'_> {
    /// The compression of the file `PREFIX.SUFFIX`, if it is that file.
    fn suffix(file: &SourceFile, prefix: &str) -> Option<Compression> {
        Compression::of_suffix(file.name.strip_prefix(prefix)?.strip_prefix('.')?)
    }

    fn unrecognized(&self, name: &str) -> String {
        format!("'{name}' is no file of a source package in format {}", self.dsc.format)
    }

    fn native(&self) -> Outcome {
        let prefix = format!("{}_{}.tar", self.dsc.source, self.dsc.version_without_epoch());
        match self.dsc.files.as_slice() {
            [file] => {
                let kind = Self::suffix(file, &prefix).ok_or_else(|| self.unrecognized(&file.name))?;
                self.extract(&file.name, kind, self.target, None)
            }
            _ => Err("a native source package has exactly one archive".into()),
        }
    }

    fn first(&self) -> Outcome {
        let (source, full) = (&self.dsc.source, self.dsc.version_without_epoch());
        let original = format!("{source}_{}.orig.tar.gz", self.dsc.upstream_version());
        let (native, diff) = (format!("{source}_{full}.tar.gz"), format!("{source}_{full}.diff.gz"));
        let (mut archive, mut patch) = (None, None);
        for file in &self.dsc.files {
            match file.name.as_str() {
                name if name == original || name == native => archive = Some(name),
                name if name == diff => patch = Some(name),
                name if name.strip_suffix(".asc") == Some(&original) => {}
                name => return Err(self.unrecognized(name)),
            }
        }
        let archive = archive.ok_or("the source package has no archive")?;
        self.extract(archive, Compression::Gzip, self.target, None)?;
        let Some(patch) = patch else { return Ok(()) };
        let text = self.read(&self.files.join(patch), Compression::Gzip)?;
        patch::apply(self.target, &text, None, self.search).map_err(|reason| format!("{patch}: {reason}"))
    }

    fn quilt(&self) -> Outcome {
        let base = format!("{}_{}", self.dsc.source, self.dsc.upstream_version());
        let debian = format!("{}_{}.debian.tar", self.dsc.source, self.dsc.version_without_epoch());
        let (mut original, mut changes) = (None, None);
        let mut more: Vec<(&str, &str, Compression)> = Vec::new();
        for file in &self.dsc.files {
            let name = file.name.as_str();
            if name.ends_with(".asc") {
                continue;
            }
            if let Some(kind) = Self::suffix(file, &format!("{base}.orig.tar")) {
                original = Some((name, kind));
            } else if let Some(kind) = Self::suffix(file, &debian) {
                changes = Some((name, kind));
            } else {
                let component = name.strip_prefix(&format!("{base}.orig-")).and_then(|rest| {
                    let (component, suffix) = rest.split_once(".tar.")?;
                    let valid = component.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                    Some((component, Compression::of_suffix(suffix)?))
                        .filter(|_| valid && !component.is_empty())
                });
                let (component, kind) = component.ok_or_else(|| self.unrecognized(name))?;
                more.push((component, name, kind));
            }
        }
        let (Some((original, kind)), Some((changes, changes_kind))) = (original, changes) else {
            return Err("the source package lacks its orig.tar or debian.tar".into());
        };
        // A directory of quilt's records, possibly with links in it, would be taken for ours.
        self.extract(original, kind, self.target, Some(".pc"))?;
        more.sort_unstable();
        for (component, name, kind) in more {
            let place = self.target.join(component);
            remove(&place)?;
            self.extract(name, kind, &place, None)?;
        }
        remove(&self.target.join("debian"))?;
        self.unpack_into(changes, changes_kind, self.target, None)?;
        self.apply_series()
    }

    fn apply_series(&self) -> Outcome {
        let patches = self.target.join("debian/patches");
        for place in [self.target.join("debian"), patches.clone()] {
            if place.symlink_metadata().is_ok_and(|data| data.file_type().is_symlink()) {
                return Err(format!("'{}' is a symbolic link", place.display()));
            }
        }
        let vendor = "debian.series";
        let file = if patches.join(vendor).is_file() { vendor } else { "series" };
        let records = self.target.join(".pc");
        let write = |name: &str, text: &str| {
            fs::write(records.join(name), text).map_err(|error| format!(".pc/{name}: {error}"))
        };
        fs::create_dir(&records).map_err(|error| format!(".pc: {error}"))?;
        write(".version", "2\n")?;
        write(".quilt_patches", "debian/patches\n")?;
        write(".quilt_series", &format!("{file}\n"))?;
        write("applied-patches", "")?;
        if file != "series" && !patches.join("series").is_file() {
            let _ = fs::remove_file(patches.join("series"));
            std::os::unix::fs::symlink(file, patches.join("series")).map_err(|error| error.to_string())?;
        }
        let series = match fs::read(patches.join(file)) {
            Ok(series) => String::from_utf8_lossy(&series).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(format!("debian/patches/{file}: {error}")),
        };
        let mut applied = String::new();
        for name in series_names(&series) {
            let path = patches.join(name);
            if name.starts_with('/') || name.split('/').any(|part| part == "..") {
                return Err(format!("the series names '{name}', which is outside"));
            }
            let text = fs::read(&path).map_err(|error| format!("debian/patches/{name}: {error}"))?;
            patch::apply(self.target, &text, Some(&format!(".pc/{name}/")), self.search)
                .map_err(|reason| format!("debian/patches/{name}: {reason}"))?;
            applied.push_str(name);
            applied.push('\n');
            write("applied-patches", &applied)?;
        }
        Ok(())
    }

    /// What is done to every source package at last.
    fn finish(&self) -> Outcome {
        let debian = self.target.join("debian");
        let real =
            |path: &Path| fs::canonicalize(path).map_err(|error| format!("{}: {error}", path.display()));
        if !real(&debian)?.starts_with(real(self.target)?) {
            return Err("its directory 'debian' leads outside".into());
        }
        if self.dsc.format != "1.0" && !debian.join("source/format").exists() {
            fs::create_dir_all(debian.join("source")).map_err(|error| error.to_string())?;
            fs::write(debian.join("source/format"), format!("{}\n", self.dsc.format))
                .map_err(|error| error.to_string())?;
        }
        let rules = debian.join("rules");
        if let Ok(data) = rules.symlink_metadata()
            && data.is_file()
        {
            let mode = data.permissions().mode() | 0o111;
            fs::set_permissions(&rules, fs::Permissions::from_mode(mode))
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn read(&self, path: &Path, kind: Compression) -> Result<Vec<u8>, String> {
        let mut text = Vec::new();
        File::open(path)
            .and_then(|file| kind.reader(file)?.take(self.limits.free).read_to_end(&mut text))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(text)
    }

    /// Unpacks an archive to a directory of its own; if it has just one directory, that becomes the target.
    fn extract(
        &self,
        name: &str,
        kind: Compression,
        target: &Path,
        without: Option<&'static str>,
    ) -> Outcome {
        let parent =
            target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = parent.join(format!(".{}.{}.tmp", name, std::process::id()));
        let unpacked = self.unpack_into(name, kind, &temporary, without).and_then(|()| {
            let moved = || -> io::Result<()> {
                let entries: Vec<_> = fs::read_dir(&temporary)?.collect::<io::Result<_>>()?;
                match entries.as_slice() {
                    [only] if only.file_type()?.is_dir() => fs::rename(only.path(), target),
                    _ => fs::rename(&temporary, target),
                }
            };
            moved().map_err(|error| format!("{name}: {error}"))
        });
        let _ = fs::remove_dir_all(&temporary);
        unpacked
    }

    fn unpack_into(
        &self,
        name: &str,
        kind: Compression,
        target: &Path,
        without: Option<&'static str>,
    ) -> Outcome {
        let path: PathBuf = self.files.join(name);
        let unpacked = || -> io::Result<()> {
            let file = File::open(&path)?;
            let size = file.metadata()?.len();
            let mut to = Destination::open(target, Modes::Normal(mask()), self.limits.clone(), size)?;
            unpack_tar(kind.reader(file)?, &mut to, &Selection { strip: 0, without, layer: false })?;
            to.finish()
        };
        unpacked().map_err(|error| format!("{name}: {error}"))
    }
}

/// The patches of a series file: without comments and options.
fn series_names(series: &str) -> impl Iterator<Item = &str> {
    series.lines().filter_map(|line| {
        let name = line.split_ascii_whitespace().next()?;
        (!name.starts_with('#')).then_some(name)
    })
}

fn remove(path: &Path) -> Outcome {
    let removed = match path.symlink_metadata() {
        Ok(data) if data.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    removed.map_err(|error| format!("{}: {error}", path.display()))
}
