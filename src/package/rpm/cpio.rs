//! The cpio archives that rpm payloads are: the "new ASCII" format, and rpm's own for files beyond 4 GiB.

use std::collections::HashMap;
use std::io::{self, Read};

use super::header::{Header, tag};

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path, as it stands in the archive.
    pub path: String,
    /// Type and permissions, as `st_mode`.
    pub mode: u32,
    /// Last change, in seconds since 1970.
    pub mtime: u64,
    /// Size of the data that follows.
    pub size: u64,
    /// Number of names the file has.
    pub links: u32,
    /// What tells one file from another, for names of the same.
    pub inode: (u64, u64, u64),
}

/// Bits of a mode that tell a file's kind, and two kinds.
const KIND: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

/// Longest path that is taken.
const MAX_PATH: u64 = 4096;

/// Reads entries one after another. The data of an entry has to be read, or skipped, before the next.
pub struct Reader<R> {
    inner: R,
    left: u64,
    padding: u64,
    files: Vec<Listed>,
}

/// A file as the package's header lists it.
#[derive(Clone, Debug)]
struct Listed {
    path: String,
    mode: u32,
    size: u64,
    links: u32,
    inode: (u64, u64, u64),
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

impl<R: Read> Reader<R> {
    /// Reads a plain archive.
    pub fn new(inner: R) -> Self {
        Reader { inner, left: 0, padding: 0, files: Vec::new() }
    }

    /// Reads the payload of the package with this header.
    pub fn payload(inner: R, header: &Header) -> Self {
        let (names, dirs) = (header.texts(tag::BASENAMES), header.texts(tag::DIRNAMES));
        let sizes = match header.numbers(tag::LONGFILESIZES) {
            [] => header.numbers(tag::FILESIZES),
            long => long,
        };
        let directory = |at: usize| {
            let index = usize::try_from(*header.numbers(tag::DIRINDEXES).get(at)?).ok()?;
            dirs.get(index)
        };
        let number = |tag: u32, at: usize| header.numbers(tag).get(at).copied();
        let mut files: Vec<Listed> = Vec::with_capacity(names.len());
        // The names of each file, of those that are in the archive.
        let mut groups: HashMap<(u64, u64, u64), Vec<usize>> = HashMap::new();
        for (at, name) in names.iter().enumerate() {
            let mode = u32::try_from(number(tag::FILEMODES, at).unwrap_or_default()).unwrap_or_default();
            // A source package's files lie in no directory.
            let directory = directory(at).map(String::as_str).filter(|directory| !directory.is_empty());
            let path = format!(".{}{name}", directory.unwrap_or("/"));
            let size = if mode & KIND == DIRECTORY { 0 } else { sizes.get(at).copied().unwrap_or_default() };
            // Without numbers each name is a file of its own.
            let inode = match number(tag::FILEINODES, at) {
                Some(inode) => (number(tag::FILEDEVICES, at).unwrap_or_default(), 0, inode),
                None => (u64::MAX, 0, at as u64),
            };
            let ghost = number(tag::FILEFLAGS, at).is_some_and(|flags| flags & tag::GHOST != 0);
            if mode & KIND == REGULAR && !ghost {
                groups.entry(inode).or_default().push(at);
            }
            files.push(Listed { path, mode, size, links: 1, inode });
        }
        for group in groups.values().filter(|group| group.len() > 1) {
            for (place, at) in group.iter().enumerate() {
                let Some(file) = files.get_mut(*at) else { continue };
                file.links = u32::try_from(group.len()).unwrap_or(u32::MAX);
                // Only the last name brings the data.
                if place + 1 < group.len() {
                    file.size = 0;
                }
            }
        }
        Reader { inner, left: 0, padding: 0, files }
    }

    /// The next entry, `None` after the last.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] with the reason; whatever reading gives.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let skip = self.left + self.padding;
        if io::copy(&mut (&mut self.inner).take(skip), &mut io::sink())? != skip {
            return Err(invalid("the archive is cut off"));
        }
        (self.left, self.padding) = (0, 0);
        let mut magic = [0; 6];
        self.read_all(&mut magic)?;
        if &magic == b"07070X" {
            return self.stripped().map(Some);
        }
        if &magic != b"070701" && &magic != b"070702" {
            return Err(invalid("an entry has no magic number"));
        }
        let mut fields = [0_u64; 13];
        for field in &mut fields {
            *field = self.hexadecimal()?;
        }
        let [inode, mode, _, _, links, mtime, size, major, minor, _, _, name_size, _] = fields;
        if name_size == 0 || name_size > MAX_PATH {
            return Err(invalid("an entry's path is too long"));
        }
        let mut name = vec![0; usize::try_from(name_size).unwrap_or_default()];
        self.read_all(&mut name)?;
        self.skip_padding(110 + name_size)?;
        if name.pop() != Some(0) || name.contains(&0) {
            return Err(invalid("an entry's path has no end"));
        }
        let path = String::from_utf8(name).map_err(|_| invalid("an entry's path is not UTF-8"))?;
        if path == "TRAILER!!!" {
            return Ok(None);
        }
        (self.left, self.padding) = (size, (4 - size % 4) % 4);
        Ok(Some(Entry {
            path,
            mode: u32::try_from(mode).unwrap_or_default(),
            mtime,
            size,
            links: u32::try_from(links).unwrap_or_default(),
            inode: (major, minor, inode),
        }))
    }

    /// An entry that only says which file of the package's header it is.
    fn stripped(&mut self) -> io::Result<Entry> {
        let index = self.hexadecimal()?;
        self.skip_padding(14)?;
        let file = usize::try_from(index).ok().and_then(|index| self.files.get(index));
        let Listed { path, mode, size, links, inode } =
            file.cloned().ok_or_else(|| invalid("an entry is not in the header"))?;
        (self.left, self.padding) = (size, (4 - size % 4) % 4);
        Ok(Entry { path, mode, mtime: 0, size, links, inode })
    }

    fn hexadecimal(&mut self) -> io::Result<u64> {
        let mut digits = [0; 8];
        self.read_all(&mut digits)?;
        let text = std::str::from_utf8(&digits).ok().filter(|text| !text.starts_with('+'));
        text.and_then(|text| u64::from_str_radix(text, 16).ok())
            .ok_or_else(|| invalid("an entry has a field that is no number"))
    }

    fn skip_padding(&mut self, length: u64) -> io::Result<()> {
        let mut padding = [0; 3];
        let count = usize::try_from((4 - length % 4) % 4).unwrap_or_default();
        self.read_all(padding.get_mut(..count).unwrap_or_default())
    }

    fn read_all(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => invalid("the archive is cut off"),
            _ => error,
        })
    }
}

/// The present entry's data.
impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (&mut self.inner).take(self.left).read(buffer)?;
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(invalid("the archive is cut off"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged() {
        for text in ["", "070701", "070709", "070701zz", &format!("070701{}", "F".repeat(104))] {
            assert!(Reader::new(text.as_bytes()).next_entry().is_err(), "{text}");
        }
        assert!(Reader::new(&b"07070X00000000"[..]).next_entry().is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes(data: Vec<u8>, fields in proptest::collection::vec(0_u32..200, 13)) {
            let fields: String = fields.iter().map(|field| format!("{field:08x}")).collect();
            let data = [b"070701", fields.as_bytes(), &data].concat();
            let mut reader = Reader::new(&data[..]);
            while let Ok(Some(_)) = reader.next_entry() {
                let _ = reader.read(&mut [0; 7]);
            }
        }
    }
}
