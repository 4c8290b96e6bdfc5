//! Done stamps: `FILE.done`, which keeps the checksums of a finished download.
//!
//! The file is BitBake's own: a pickle (protocol 2) of a dictionary from checksum type to value, so that download
//! directories can be shared. Nothing but strings in a dictionary is ever read out of one.

use std::fs;
use std::io;
use std::path::Path;

/// The checksums a stamp holds, by type, in their order.
pub type StampSums = Vec<(String, String)>;

/// Writes a stamp. The old stamp, if any, stays whole until the new one is there.
///
/// # Errors
/// Whatever writing gives.
pub fn write_stamp(path: &Path, sums: &StampSums) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    fs::write(&name, pickle(sums))?;
    fs::rename(&name, path)
}

/// Reads a stamp. An empty one, as older tools left, holds nothing; `None` if it can't be read.
pub fn read_stamp(path: &Path) -> Option<StampSums> {
    let data = fs::read(path).ok()?;
    if data.is_empty() { Some(StampSums::new()) } else { unpickle(&data) }
}

fn pickle(sums: &StampSums) -> Vec<u8> {
    let mut data = vec![0x80, 2, b'}', b'q', 0];
    let mut memo: u8 = 1;
    let mut string = |data: &mut Vec<u8>, text: &str| {
        data.push(b'X');
        data.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        data.extend_from_slice(text.as_bytes());
        data.extend_from_slice(&[b'q', memo]);
        memo = memo.wrapping_add(1);
    };
    if sums.len() > 1 {
        data.push(b'(');
    }
    for (name, value) in sums {
        string(&mut data, name);
        string(&mut data, value);
    }
    match sums.len() {
        0 => {}
        1 => data.push(b's'),
        _ => data.push(b'u'),
    }
    data.push(b'.');
    data
}

/// What the reader's stack holds.
enum Item {
    Mark,
    Dict,
    Text(Option<String>),
}

fn unpickle(data: &[u8]) -> Option<StampSums> {
    let mut rest = data;
    let (mut stack, mut memo, mut sums) = (Vec::new(), Vec::new(), StampSums::new());
    let take = |rest: &mut &[u8], count: usize| -> Option<Vec<u8>> {
        let (head, tail) = rest.split_at_checked(count)?;
        *rest = tail;
        Some(head.to_vec())
    };
    let length = |bytes: Vec<u8>| bytes.iter().rev().fold(0_usize, |sum, &byte| sum << 8 | usize::from(byte));
    let add = |pairs: Vec<Item>, sums: &mut StampSums| -> Option<()> {
        let mut pairs = pairs.into_iter();
        while let Some(name) = pairs.next() {
            match (name, pairs.next()?) {
                (Item::Text(Some(name)), Item::Text(Some(value))) => sums.push((name, value)),
                (Item::Text(Some(_)), Item::Text(None)) => {}
                _ => return None,
            }
        }
        Some(())
    };
    loop {
        match take(&mut rest, 1)?.first()? {
            0x80 => drop(take(&mut rest, 1)?),
            0x95 => drop(take(&mut rest, 8)?),
            b'}' => stack.push(Item::Dict),
            b'(' => stack.push(Item::Mark),
            b'N' => stack.push(Item::Text(None)),
            code @ (b'X' | 0x8c) => {
                let size = length(take(&mut rest, if *code == b'X' { 4 } else { 1 })?);
                stack.push(Item::Text(String::from_utf8(take(&mut rest, size)?).ok()));
            }
            code @ (b'q' | b'r' | 0x94) => {
                let size = match code {
                    b'q' => 1,
                    b'r' => 4,
                    _ => 0,
                };
                let index = if size == 0 { memo.len() } else { length(take(&mut rest, size)?) };
                let text = match stack.last()? {
                    Item::Text(text) => text.clone(),
                    _ => None,
                };
                memo.push((index, text));
            }
            code @ (b'h' | b'j') => {
                let index = length(take(&mut rest, if *code == b'h' { 1 } else { 4 })?);
                let text = memo.iter().find(|(at, _)| *at == index)?.1.clone();
                stack.push(Item::Text(text));
            }
            b's' => {
                let pair = stack.split_off(stack.len().checked_sub(2)?);
                add(pair, &mut sums)?;
            }
            b'u' => {
                let mark = stack.iter().rposition(|item| matches!(item, Item::Mark))?;
                let mut pairs = stack.split_off(mark);
                pairs.remove(0);
                add(pairs, &mut sums)?;
            }
            b'.' => return matches!(stack.as_slice(), [Item::Dict]).then_some(sums),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(pairs: &[(&str, &str)]) -> StampSums {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    /// Bytes from CPython 3.11: `pickle.Pickler(file, 2).dump(…)`.
    #[test]
    fn bytes_are_those_of_python() {
        assert_eq!(pickle(&sums(&[])), b"\x80\x02}q\x00.");
        assert_eq!(
            pickle(&sums(&[("md5", "ab")])),
            b"\x80\x02}q\x00X\x03\x00\x00\x00md5q\x01X\x02\x00\x00\x00abq\x02s."
        );
        assert_eq!(
            pickle(&sums(&[("md5", "ab"), ("sha1", "c")])),
            b"\x80\x02}q\x00(X\x03\x00\x00\x00md5q\x01X\x02\x00\x00\x00abq\x02X\x04\x00\x00\x00sha1q\x03X\x01\x00\x00\x00cq\x04u."
        );
    }

    #[test]
    fn reads_what_python_writes() {
        for pairs in
            [sums(&[]), sums(&[("md5", "ab")]), sums(&[("goh1", "h1:x="), ("md5", "a"), ("sha256", "b")])]
        {
            assert_eq!(unpickle(&pickle(&pairs)), Some(pairs));
        }
        // Protocol 4 of {'md5': 'ab', 'sha1': 'ab'} with one string object twice, and of {'md5': None}.
        let shared = b"\x80\x04\x95\x19\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x03md5\x94\x8c\x02ab\x94\x8c\x04sha1\x94h\x02u.";
        assert_eq!(unpickle(shared), Some(sums(&[("md5", "ab"), ("sha1", "ab")])));
        assert_eq!(unpickle(b"\x80\x02}q\x00X\x03\x00\x00\x00md5q\x01Ns."), Some(sums(&[])));
    }

    #[test]
    fn no_code_is_run_and_no_nonsense_read() {
        for bad in [
            &b"cos\nsystem\n(S'id'\ntR."[..],
            b"\x80\x02",
            b"\x80\x02}X\xff\xff\xff\xffa",
            b"\x80\x02}q\x00s.",
            b"u.",
            b"\x80\x02X\x01\x00\x00\x00a.",
        ] {
            assert_eq!(unpickle(bad), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes(data: Vec<u8>) {
            let _ = unpickle(&data);
        }
    }
}
