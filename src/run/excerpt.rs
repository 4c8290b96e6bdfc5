//! The end of a log, for showing why a task failed.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// At most the last `bytes` of a file, as text.
///
/// # Errors
/// The file can't be read.
pub fn tail(path: &Path, bytes: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut data = Vec::new();
    file.take(bytes).read_to_end(&mut data)?;
    Ok(String::from_utf8_lossy(&data).into_owned())
}

/// The lines of a log, the last `lines` of them if that isn't 0 (BBINCLUDELOGS_LINES), without blanks at their ends.
///
/// # Errors
/// The file can't be read.
pub fn last_lines(path: &Path, lines: usize) -> io::Result<Vec<String>> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut kept: VecDeque<String> = VecDeque::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(kept.into());
        }
        if lines != 0 && kept.len() == lines {
            kept.pop_front();
        }
        kept.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_a_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, b"one\ntwo \t\nthr\xffee").unwrap();
        assert_eq!(last_lines(&path, 0).unwrap(), ["one", "two", "thr\u{fffd}ee"]);
        assert_eq!(last_lines(&path, 2).unwrap(), ["two", "thr\u{fffd}ee"]);
        assert_eq!(tail(&path, 3).unwrap(), "\u{fffd}ee");
        assert!(last_lines(&dir.path().join("none"), 1).is_err());
    }
}
