//! One build at a time in a build directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

/// The name that BitBake's server uses, too: neither starts where the other one is at work.
const NAME: &str = "bitbake.lock";

/// Held while it exists. The system takes it back from a process that is killed.
pub struct BuildLock(#[expect(dead_code, reason = "open is what keeps the lock")] File);

/// Waits until nobody else builds in `directory`; `wait` is told once who does, if that is known.
///
/// # Errors
/// The file can't be written or locked.
pub fn lock(directory: &Path, wait: impl FnOnce(Option<u32>)) -> io::Result<BuildLock> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(directory.join(NAME))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Only for the message: what can't be read is not told.
            let _ = file.read_to_string(&mut text);
            wait(text.lines().next().and_then(|line| line.trim().parse().ok()));
            file.lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    file.rewind()?;
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    Ok(BuildLock(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_waits_and_learns_who_is_first() {
        let directory = tempfile::tempdir().unwrap();
        let first = lock(directory.path(), |_| panic!("nobody is there")).unwrap();
        let (told, hears) = std::sync::mpsc::channel();
        let path = directory.path().to_owned();
        let second = std::thread::spawn(move || lock(&path, |who| told.send(who).unwrap()).map(drop));
        assert_eq!(hears.recv().unwrap(), Some(std::process::id()));
        assert!(!second.is_finished());
        drop(first);
        second.join().unwrap().unwrap();
    }

    #[test]
    fn what_another_program_wrote_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(NAME), "something long that is no number\n").unwrap();
        drop(lock(directory.path(), |_| panic!("nobody is there")).unwrap());
        let text = std::fs::read_to_string(directory.path().join(NAME)).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }
}
