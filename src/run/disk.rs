//! Room on disks while a build runs: BB_DISKMON_DIRS (BitBake manual, section "Variables Glossary").

use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

/// What is done when a disk gets full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskAction {
    /// It is told.
    Warn,
    /// Nothing new is started.
    StopTasks,
    /// What runs is ended, too.
    Halt,
}

/// What is left on the disk that a path is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes for ordinary users.
    pub bytes: u64,
    /// Files that can still be made; None where a file system has no limit.
    pub files: Option<u64>,
}

/// Something to tell, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFinding {
    /// The warning, unless the same was told a moment ago.
    pub warning: Option<String>,
    /// What is to be done.
    pub action: DiskAction,
}

struct Watched {
    path: PathBuf,
    action: DiskAction,
    least_bytes: Option<u64>,
    least_files: Option<u64>,
    told_bytes: Option<u64>,
    told_files: Option<u64>,
    acted: bool,
}

/// Watches the disks of a build.
pub struct DiskMonitor {
    watched: Vec<Watched>,
    bytes_interval: u64,
    files_interval: u64,
}

/// A number with G, M or K behind it, or none; not 0.
fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (digits, factor) = match text.chars().next_back()? {
        'g' | 'G' => (&text[..text.len() - 1], 1 << 30),
        'm' | 'M' => (&text[..text.len() - 1], 1 << 20),
        'k' | 'K' => (&text[..text.len() - 1], 1 << 10),
        _ => (text, 1),
    };
    if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

fn optional(text: &str, wrong: impl Fn(&str) -> String) -> Result<Option<u64>, String> {
    match text {
        "" => Ok(None),
        text => size(text).map(Some).ok_or_else(|| wrong(text)),
    }
}

impl DiskMonitor {
    /// A monitor as BB_DISKMON_DIRS and BB_DISKMON_WARNINTERVAL say; None if there is nothing to watch. Missing folders are made.
    ///
    /// # Errors
    /// What is wrong with a value, in BitBake's words.
    pub fn new(directories: &str, interval: &str) -> Result<Option<Self>, String> {
        let mut watched: Vec<Watched> = Vec::new();
        for word in directories.split_whitespace() {
            let parts: Vec<_> = word.splitn(4, ',').collect();
            let [action, path, bytes, rest @ ..] = parts.as_slice() else {
                return Err(format!("Invalid value in BB_DISKMON_DIRS: {word}"));
            };
            let action = match *action {
                "WARN" => DiskAction::Warn,
                "STOPTASKS" => DiskAction::StopTasks,
                "HALT" | "ABORT" => DiskAction::Halt,
                other => return Err(format!("Unknown disk space monitor action: {other}")),
            };
            let least_bytes =
                optional(bytes, |text| format!("Invalid disk space value in BB_DISKMON_DIRS: {text}"))?;
            let least_files = optional(rest.first().copied().unwrap_or_default(), |text| {
                format!("Invalid inode value in BB_DISKMON_DIRS: {text}")
            })?;
            if least_bytes.is_none() && least_files.is_none() {
                return Err(format!("No disk space or inode value in found BB_DISKMON_DIRS: {word}"));
            }
            // What can't be made is found by whoever needs it.
            let _ = std::fs::create_dir_all(path);
            let path = std::fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
            // The same place again replaces what was said of it.
            watched.retain(|other| (&other.path, other.action) != (&path, action));
            watched.push(Watched {
                path,
                action,
                least_bytes,
                least_files,
                told_bytes: None,
                told_files: None,
                acted: false,
            });
        }
        let (bytes, files) = interval.split_once(',').unwrap_or((interval, ""));
        let wrong = |what: &str, text: &str| {
            format!("Invalid disk {what} interval value in BB_DISKMON_WARNINTERVAL: {text}")
        };
        let bytes_interval = optional(bytes.trim(), |text| wrong("space", text))?.unwrap_or(50 << 20);
        let files_interval = optional(files.trim(), |text| wrong("inode", text))?.unwrap_or(5 << 10);
        Ok((!watched.is_empty()).then_some(DiskMonitor { watched, bytes_interval, files_interval }))
    }

    /// Looks at all disks.
    pub fn check(&mut self) -> Vec<DiskFinding> {
        self.check_with(room_at)
    }

    fn check_with(&mut self, room: impl Fn(&Path) -> Option<Room>) -> Vec<DiskFinding> {
        let mut findings = Vec::new();
        for place in &mut self.watched {
            let Some(room) = room(&place.path) else { continue };
            let path = place.path.display();
            let mut note = |left: u64, told: &mut Option<u64>, interval: u64, text: String| {
                // Again only when much less is left than when it was told.
                let again = told.is_none_or(|before| before.saturating_sub(left) > interval) && !place.acted;
                if again {
                    *told = Some(left);
                }
                findings.push(DiskFinding { warning: again.then_some(text), action: place.action });
            };
            if let Some(least) = place.least_bytes
                && room.bytes < least
            {
                let left = room.bytes as f64 / f64::from(1 << 30);
                let text = format!("The free space of {path} is running low ({left:.3}GB left)");
                note(room.bytes, &mut place.told_bytes, self.bytes_interval, text);
            }
            if let (Some(least), Some(files)) = (place.least_files, room.files)
                && files < least
            {
                let left = files as f64 / 1024.0;
                let text = format!("The free inode of {path} is running low ({left:.3}K left)");
                note(files, &mut place.told_files, self.files_interval, text);
            }
            place.acted |= place.action != DiskAction::Warn
                && (place.told_bytes.is_some() || place.told_files.is_some());
        }
        findings
    }
}

fn room_at(path: &Path) -> Option<Room> {
    let found = statvfs(path).ok()?;
    let files = found.files_available();
    Some(Room {
        bytes: found.blocks_available().saturating_mul(found.fragment_size()),
        // btrfs and the like make them as needed.
        files: (found.files() != 0 && files != u64::MAX).then_some(files),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_bitbake_does() {
        for (text, bytes) in [("1G", 1 << 30), ("20m", 20 << 20), ("100K", 102_400), ("7", 7), ("5k ", 5120)]
        {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "0", "0G", "G", "1T", "-1", "1.5G", "99999999999999999999G", "é"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_bitbakes_words() {
        let wrong = |text| DiskMonitor::new(text, "").err().unwrap();
        assert_eq!(wrong("STOPTASKS"), "Invalid value in BB_DISKMON_DIRS: STOPTASKS");
        assert_eq!(wrong("EXPLODE,/tmp,1G"), "Unknown disk space monitor action: EXPLODE");
        assert_eq!(wrong("WARN,/tmp,much"), "Invalid disk space value in BB_DISKMON_DIRS: much");
        assert_eq!(wrong("WARN,/tmp,1G,many"), "Invalid inode value in BB_DISKMON_DIRS: many");
        assert_eq!(
            wrong("WARN,/tmp,,"),
            "No disk space or inode value in found BB_DISKMON_DIRS: WARN,/tmp,,"
        );
        let interval = DiskMonitor::new("WARN,/tmp,1G", "x").err().unwrap();
        assert_eq!(interval, "Invalid disk space interval value in BB_DISKMON_WARNINTERVAL: x");
        assert!(DiskMonitor::new("  ", "").unwrap().is_none());
    }

    #[test]
    fn warnings_come_again_only_when_much_less_is_left() {
        let mut monitor = DiskMonitor::new("WARN,/tmp,1G,1K", "100M,10").unwrap().unwrap();
        let mut warnings = |bytes, files| {
            let found = monitor.check_with(|_| Some(Room { bytes, files }));
            found.into_iter().filter_map(|finding| finding.warning).collect::<Vec<_>>()
        };
        assert!(warnings(2 << 30, Some(5000)).is_empty());
        assert_eq!(warnings(1 << 29, Some(5000)), ["The free space of /tmp is running low (0.500GB left)"]);
        assert!(warnings((1 << 29) - (50 << 20), Some(5000)).is_empty());
        assert_eq!(warnings(1 << 28, Some(5000)).len(), 1);
        assert_eq!(warnings(2 << 30, Some(512)), ["The free inode of /tmp is running low (0.500K left)"]);
        assert!(warnings(2 << 30, None).is_empty());
    }

    #[test]
    fn the_strongest_action_counts_and_is_told_once() {
        let mut monitor = DiskMonitor::new("STOPTASKS,/tmp,2G HALT,/tmp,1G", "").unwrap().unwrap();
        let mut check = |bytes| monitor.check_with(|_| Some(Room { bytes, files: None }));
        let first = check(3 << 29);
        assert_eq!(first.iter().map(|finding| finding.action).max(), Some(DiskAction::StopTasks));
        assert!(first[0].warning.is_some());
        assert!(check(3 << 29).iter().all(|finding| finding.warning.is_none()));
        assert_eq!(check(1 << 20).iter().map(|finding| finding.action).max(), Some(DiskAction::Halt));
    }
}
