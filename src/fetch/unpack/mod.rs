//! Unpacking what was fetched, by the rules of `SRC_URI`'s parameters.
//!
//! Source: BitBake manual, section "The unpack() method".

mod deb;
mod debian_source;
mod destination;
mod image;
mod patch;
mod rpm;
mod tar;
mod zip;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use debian_source::unpack_source;
pub use destination::{Destination, Limits, Modes, mask};
pub use image::unpack_image;
pub use tar::Selection;

use super::error::FetchError;
use super::url::Url;
use crate::package::compress::Compression;

/// How to unpack.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory everything stays in.
    pub root: PathBuf,
    /// What an archive may bring.
    pub limits: Limits,
    /// Where programs are searched, for the rare formats without a reader of our own.
    pub path: String,
}

/// What a file's name says of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tar(Compression),
    Single(Compression),
    Zip,
    Rpm,
    Deb,
    Seven,
    SevenTar,
    Other,
}

impl Kind {
    fn of(name: &str) -> Self {
        let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
        // The order is BitBake's: the first rule that fits counts.
        match () {
            () if ends(&[".tar"]) => Kind::Tar(Compression::None),
            () if ends(&[".tgz", ".tar.gz"]) => Kind::Tar(Compression::Gzip),
            () if ends(&[".tbz", ".tbz2", ".tar.bz2"]) => Kind::Tar(Compression::Bzip2),
            () if ends(&[".gz"]) => Kind::Single(Compression::Gzip),
            () if ends(&[".bz2"]) => Kind::Single(Compression::Bzip2),
            () if ends(&[".txz", ".tar.xz"]) => Kind::Tar(Compression::Xz),
            () if ends(&[".xz"]) => Kind::Single(Compression::Xz),
            () if ends(&[".tar.lz"]) => Kind::Tar(Compression::Lzip),
            () if ends(&[".lz"]) => Kind::Single(Compression::Lzip),
            () if ends(&[".tar.7z"]) => Kind::SevenTar,
            () if ends(&[".7z"]) => Kind::Seven,
            () if ends(&[".tzst", ".tar.zst"]) => Kind::Tar(Compression::Zstd),
            () if ends(&[".zst"]) => Kind::Single(Compression::Zstd),
            () if ends(&[".tar.lz4"]) => Kind::Tar(Compression::Lz4),
            () if ends(&[".zip", ".jar"]) => Kind::Zip,
            () if ends(&[".rpm", ".srpm"]) => Kind::Rpm,
            () if ends(&[".deb", ".ipk"]) => Kind::Deb,
            () => Kind::Other,
        }
    }
}

/// Unpacks, or copies, the fetched `file` of `url` below the root and returns the directory it went to.
///
/// # Errors
/// [`FetchError::Unpack`] with the reason.
pub fn unpack(url: &Url, file: &Path, options: &Options) -> Result<PathBuf, FetchError> {
    let text = url.to_string();
    let failed = |message: String| FetchError::unpack(&text, message);
    let directory = directory(url, &options.root, &text)?;
    let wanted = match url.param("unpack").unwrap_or("1").to_lowercase().as_str() {
        "y" | "yes" | "1" | "true" | "t" => true,
        "n" | "no" | "0" | "false" | "f" | "" => false,
        _ => {
            let value = url.param("unpack").unwrap_or_default();
            return Err(failed(format!(
                "Invalid value for 'unpack' parameter for {}: {value}",
                file.display()
            )));
        }
    };
    let strip = match url.param("striplevel") {
        None => 0,
        Some(level) => level
            .parse()
            .ok()
            .filter(|_| level.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or_else(|| failed(format!("Invalid striplevel parameter: {level}")))?,
    };
    let only = url.param("extract");
    let dos = url.param("dos").is_some_and(|value| matches!(value, "1" | "yes" | "true"));
    let how = Extract { directory: &directory, strip, dos, only };
    let is_archive = wanted && !file.is_dir() && extract(file, &how, options).map_err(&failed)?;
    if !is_archive {
        copy(url, file, &directory).map_err(|error| failed(format!("{}: {error}", file.display())))?;
    } else if let Some(inner) = only.filter(|_| Kind::of(&file.to_string_lossy()) == Kind::Rpm) {
        let mut rest = url.clone();
        rest.params.retain(|(name, _)| name != "extract");
        destination::clean(inner.as_bytes()).map_err(|error| failed(error.to_string()))?;
        return unpack(&rest, &directory.join(inner), options);
    }
    Ok(directory)
}

/// Where an archive's content goes, and which of it.
#[derive(Clone, Copy, Debug)]
pub struct Extract<'a> {
    /// The directory, below the root.
    pub directory: &'a Path,
    /// Leading parts of names that are dropped, of tar archives.
    pub strip: usize,
    /// Whether line ends in text files are changed, of zip archives.
    pub dos: bool,
    /// The only file wanted, of rpm packages.
    pub only: Option<&'a str>,
}

/// Unpacks an archive, by its name's suffix; false if that is none of an archive. A single compressed file goes to the
/// root whatever the directory is: a quirk that recipes rely on.
///
/// # Errors
/// The reason, in words.
pub fn extract(file: &Path, how: &Extract<'_>, options: &Options) -> Result<bool, String> {
    let said = |error: io::Error| format!("{}: {error}", file.display());
    let job = Job { file, directory: how.directory, options, strip: how.strip };
    match Kind::of(&file.to_string_lossy()) {
        Kind::Other => return Ok(false),
        Kind::Single(compression) => {
            let stem = file.file_stem().map(PathBuf::from).unwrap_or_default();
            job.single(&options.root, &stem, compression).map_err(said)?;
        }
        Kind::Rpm => job.native(Modes::Archived, |to, open| rpm::unpack(open, to, how.only)).map_err(said)?,
        Kind::Zip if how.dos => job.tool("unzip", &["-q", "-o", "-a"], &[])?,
        Kind::Zip => job.native(Modes::Archived, |to, open| zip::unpack(open, to)).map_err(said)?,
        Kind::Seven => job.tool("7za", &["x", "-y"], &[])?,
        Kind::SevenTar => job.seven_tar()?,
        Kind::Deb => {
            let selection = Selection { strip: how.strip, without: None, layer: false };
            job.native(Modes::Archived, |to, open| deb::unpack(open, to, &selection)).map_err(said)?;
        }
        Kind::Tar(compression) => {
            let selection = Selection { strip: how.strip, without: None, layer: false };
            let unpacked =
                |to: &mut Destination, open: File| tar::unpack(compression.reader(open)?, to, &selection);
            job.native(Modes::like_tar(), unpacked).map_err(said)?;
        }
    }
    Ok(true)
}

/// The directory that `subdir` names: below the root, made if need be.
fn directory(url: &Url, root: &Path, text: &str) -> Result<PathBuf, FetchError> {
    let Some(subdir) = url.param("subdir") else {
        fs::create_dir_all(root).map_err(FetchError::io(root))?;
        return Ok(root.to_path_buf());
    };
    let outside = || {
        FetchError::unpack(
            text,
            format!("subdir argument isn't a subdirectory of unpack root {}", root.display()),
        )
    };
    let directory = root.join(subdir);
    let climbs = directory.components().any(|part| part == std::path::Component::ParentDir);
    if climbs || (Path::new(subdir).is_absolute() && !directory.starts_with(root)) {
        return Err(outside());
    }
    fs::create_dir_all(&directory).map_err(FetchError::io(&directory))?;
    // Links that an earlier archive brought must not lead out either.
    let (real, real_root) = (fs::canonicalize(&directory), fs::canonicalize(root));
    match (real, real_root) {
        (Ok(real), Ok(real_root)) if real.starts_with(&real_root) => Ok(directory),
        _ => Err(outside()),
    }
}

struct Job<'a> {
    file: &'a Path,
    directory: &'a Path,
    options: &'a Options,
    strip: usize,
}

impl Job<'_> {
    fn native(
        &self,
        modes: Modes,
        unpack: impl FnOnce(&mut Destination, File) -> io::Result<()>,
    ) -> io::Result<()> {
        let open = File::open(self.file)?;
        let size = open.metadata()?.len();
        let mut to = Destination::open(self.directory, modes, self.options.limits.clone(), size)?;
        unpack(&mut to, open)?;
        to.finish()
    }

    fn single(&self, root: &Path, name: &Path, compression: Compression) -> io::Result<()> {
        use std::os::unix::ffi::OsStrExt;
        let open = File::open(self.file)?;
        let size = open.metadata()?.len();
        let mask = mask();
        let mut to = Destination::open(root, Modes::Masked(mask), self.options.limits.clone(), size)?;
        to.file(name.as_os_str().as_bytes(), 0o666, None, &mut compression.reader(open)?)?;
        to.finish()
    }

    /// Runs a program of the host on the file.
    fn tool(&self, program: &str, before: &[&str], after: &[&str]) -> Result<(), String> {
        let status = Command::new(program)
            .args(before)
            .arg(self.file)
            .args(after)
            .current_dir(self.directory)
            .env("PATH", &self.options.path)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!(
                "Unpack command {program} failed with return value {}",
                status.code().unwrap_or(-1)
            )),
            Err(error) => Err(format!("Unpack command {program} could not be run: {error}")),
        }
    }

    fn seven_tar(&self) -> Result<(), String> {
        let mut child = Command::new("7z")
            .args(["x", "-so"])
            .arg(self.file)
            .env("PATH", &self.options.path)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .map_err(|error| format!("Unpack command 7z could not be run: {error}"))?;
        let selection = Selection { strip: self.strip, without: None, layer: false };
        let output = child.stdout.take();
        let result = self.native(Modes::like_tar(), |to, _| match output {
            Some(output) => tar::unpack(output, to, &selection),
            None => Ok(()),
        });
        let status = child.wait().map_err(|error| error.to_string())?;
        result.map_err(|error| format!("{}: {error}", self.file.display()))?;
        match status.code() {
            Some(0) => Ok(()),
            code => Err(format!("Unpack command 7z failed with return value {}", code.unwrap_or(-1))),
        }
    }
}

/// Copies a file or directory, with times, links as links; `file://a/b/c` goes to `a/b/`.
fn copy(url: &Url, file: &Path, directory: &Path) -> io::Result<()> {
    let mut target = directory.to_path_buf();
    if url.scheme == "file" {
        let path = url.path.trim_matches('/');
        if let Some((parents, _)) = path.rsplit_once('/') {
            destination::clean(parents.as_bytes())?;
            target.push(parents);
        }
    }
    fs::create_dir_all(&target)?;
    let name = file.file_name().unwrap_or_default();
    let target = target.join(name);
    if fs::canonicalize(&target).ok().is_some_and(|there| Some(there) == fs::canonicalize(file).ok()) {
        return Ok(());
    }
    copy_tree(file, &target, true)
}

fn copy_tree(from: &Path, to: &Path, follow: bool) -> io::Result<()> {
    let data = if follow { fs::metadata(from)? } else { fs::symlink_metadata(from)? };
    if data.is_dir() {
        match fs::create_dir(to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && to.is_dir() => {}
            other => other?,
        }
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_tree(&entry.path(), &to.join(entry.file_name()), false)?;
        }
    } else {
        if fs::symlink_metadata(to).is_ok() {
            fs::remove_file(to)?;
        }
        if data.file_type().is_symlink() {
            return std::os::unix::fs::symlink(fs::read_link(from)?, to);
        }
        if !data.is_file() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "it is a device node, pipe or socket"));
        }
        fs::copy(from, to)?;
    }
    let times = fs::FileTimes::new().set_accessed(data.accessed()?).set_modified(data.modified()?);
    File::open(to)?.set_times(times)
}
