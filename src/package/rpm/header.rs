//! Headers of rpm packages: tagged values before the payload.
//!
//! Source: rpm's own documentation, "Package format" and "Header format".

use std::io::{self, Read};

/// Tags this reader has a use for.
pub mod tag {
    /// The package's name.
    pub const NAME: u32 = 1000;
    /// Its version.
    pub const VERSION: u32 = 1001;
    /// Its release.
    pub const RELEASE: u32 = 1002;
    /// Its epoch.
    pub const EPOCH: u32 = 1003;
    /// Its architecture.
    pub const ARCH: u32 = 1022;
    /// Sizes of its files.
    pub const FILESIZES: u32 = 1028;
    /// Modes of its files.
    pub const FILEMODES: u32 = 1030;
    /// Flags of the files: [`GHOST`].
    pub const FILEFLAGS: u32 = 1037;
    /// The source package it was built from; source packages have none.
    pub const SOURCERPM: u32 = 1044;
    /// The directory of each file, as an index.
    pub const DIRINDEXES: u32 = 1116;
    /// Device and inode numbers of the files: equal ones are names of one file.
    pub const FILEDEVICES: u32 = 1095;
    /// See [`FILEDEVICES`].
    pub const FILEINODES: u32 = 1096;
    /// The flag of a file that belongs to the package without being in it.
    pub const GHOST: u64 = 1 << 6;
    /// Names of its files, without directories.
    pub const BASENAMES: u32 = 1117;
    /// The directories.
    pub const DIRNAMES: u32 = 1118;
    /// Format of the payload.
    pub const PAYLOADFORMAT: u32 = 1124;
    /// Compression of the payload.
    pub const PAYLOADCOMPRESSOR: u32 = 1125;
    /// Sizes of its files, if some are larger than 4 GiB.
    pub const LONGFILESIZES: u32 = 5008;
    /// Digest of the compressed payload.
    pub const PAYLOADDIGEST: u32 = 5092;
    /// SHA-256 of the header; in the signature header.
    pub const SIG_SHA256: u32 = 273;
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Numbers of any width.
    Numbers(Vec<u64>),
    /// Texts; a single text is a list of one.
    Texts(Vec<String>),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    entries: Vec<(u32, Value)>,
}

/// The headers of a package; the reader they came from stands at the payload.
#[derive(Clone, Debug)]
pub struct Package {
    /// Digests and signatures.
    pub signature: Header,
    /// Everything about the package.
    pub header: Header,
    /// The header's bytes, as signatures and digests cover them.
    pub header_bytes: Vec<u8>,
}

/// Largest number of entries and of bytes in a header that rpm itself takes.
const MAX_ENTRIES: u32 = 0xffff;
const MAX_BYTES: u32 = 256 << 20;

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

impl Package {
    /// Reads lead and headers.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] with the reason; whatever reading gives.
    pub fn read(reader: &mut impl Read) -> io::Result<Self> {
        let mut lead = [0; 96];
        reader.read_exact(&mut lead).map_err(|_| invalid("it is no rpm package"))?;
        if !lead.starts_with(&[0xed, 0xab, 0xee, 0xdb]) {
            return Err(invalid("it is no rpm package"));
        }
        let (signature, bytes) = Header::read(reader)?;
        let padding = (8 - bytes.len() % 8) % 8;
        io::copy(&mut reader.take(padding as u64), &mut io::sink())?;
        let (header, header_bytes) = Header::read(reader)?;
        Ok(Package { signature, header, header_bytes })
    }
}

impl Header {
    /// Reads one header and returns its bytes too.
    fn read(reader: &mut impl Read) -> io::Result<(Self, Vec<u8>)> {
        let mut intro = [0; 16];
        reader.read_exact(&mut intro).map_err(|_| invalid("a header is cut off"))?;
        if !intro.starts_with(&[0x8e, 0xad, 0xe8, 1]) {
            return Err(invalid("a header has no magic number"));
        }
        let number = |at: usize| number(intro.get(at..at + 4).unwrap_or_default());
        let (count, size) = (number(8), number(12));
        if count > u64::from(MAX_ENTRIES) || size > u64::from(MAX_BYTES) {
            return Err(invalid("a header is larger than rpm allows"));
        }
        let mut bytes = intro.to_vec();
        let length = count * 16 + size;
        let read = reader.take(length).read_to_end(&mut bytes)?;
        if read as u64 != length {
            return Err(invalid("a header is cut off"));
        }
        let split = 16 + usize::try_from(count).unwrap_or_default() * 16;
        let (index, store) = bytes.split_at_checked(split).ok_or_else(|| invalid("a header is cut off"))?;
        let mut entries = Vec::new();
        for entry in index.get(16..).unwrap_or_default().chunks_exact(16) {
            let field = |at: usize| self::number(entry.get(at..at + 4).unwrap_or_default());
            let (tag, kind, offset, count) = (field(0), field(4), field(8), field(12));
            let data = usize::try_from(offset).ok().and_then(|offset| store.get(offset..));
            let value = data.and_then(|data| value(kind, data, count));
            let value = value.ok_or_else(|| invalid("a header's entry lies outside of it"))?;
            entries.push((u32::try_from(tag).unwrap_or_default(), value));
        }
        Ok((Header { entries }, bytes))
    }

    /// A tag's value.
    pub fn get(&self, tag: u32) -> Option<&Value> {
        self.entries.iter().find(|(known, _)| *known == tag).map(|(_, value)| value)
    }

    /// A tag's text, the first if there are several.
    pub fn text(&self, tag: u32) -> Option<&str> {
        match self.get(tag)? {
            Value::Texts(texts) => texts.first().map(String::as_str),
            _ => None,
        }
    }

    /// A tag's texts.
    pub fn texts(&self, tag: u32) -> &[String] {
        match self.get(tag) {
            Some(Value::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// A tag's numbers.
    pub fn numbers(&self, tag: u32) -> &[u64] {
        match self.get(tag) {
            Some(Value::Numbers(numbers)) => numbers,
            _ => &[],
        }
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

fn value(kind: u64, data: &[u8], count: u64) -> Option<Value> {
    let count = usize::try_from(count).ok()?;
    let numbers = |width: usize| {
        let bytes = data.get(..count.checked_mul(width)?)?;
        Some(Value::Numbers(bytes.chunks_exact(width).map(number).collect()))
    };
    match kind {
        0 => Some(Value::Bytes(Vec::new())),
        1 | 2 => numbers(1),
        3 => numbers(2),
        4 => numbers(4),
        5 => numbers(8),
        7 => Some(Value::Bytes(data.get(..count)?.to_vec())),
        6 | 8 | 9 => {
            let mut rest = data;
            let mut texts = Vec::new();
            for _ in 0..if kind == 6 { 1 } else { count } {
                let end = memchr::memchr(0, rest)?;
                texts.push(String::from_utf8_lossy(rest.get(..end)?).into_owned());
                rest = rest.get(end + 1..)?;
            }
            Some(Value::Texts(texts))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header as rpm lays it out: index entries, then their data.
    fn header(entries: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
        let (mut index, mut store) = (Vec::new(), Vec::new());
        for (tag, kind, count, data) in entries {
            for field in [*tag, *kind, store.len() as u32, *count] {
                index.extend(field.to_be_bytes());
            }
            store.extend_from_slice(data);
        }
        let mut bytes = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
        bytes.extend((entries.len() as u32).to_be_bytes());
        bytes.extend((store.len() as u32).to_be_bytes());
        [bytes, index, store].concat()
    }

    fn package(main: Vec<u8>) -> Vec<u8> {
        let mut lead = vec![0xed, 0xab, 0xee, 0xdb];
        lead.resize(96, 0);
        let signature = header(&[(tag::SIG_SHA256, 6, 1, b"aa\0")]);
        let padding = vec![0; (8 - signature.len() % 8) % 8];
        [lead, signature, padding, main, b"payload".to_vec()].concat()
    }

    #[test]
    fn values_and_where_the_payload_begins() {
        let main = header(&[
            (tag::NAME, 6, 1, b"kit\0"),
            (tag::EPOCH, 4, 1, &[0, 0, 0, 7]),
            (tag::FILEMODES, 3, 2, &[0x81, 0xa4, 0x41, 0xed]),
            (tag::BASENAMES, 8, 2, b"a\0b\0"),
            (tag::LONGFILESIZES, 5, 1, &[0, 0, 0, 1, 0, 0, 0, 0]),
        ]);
        let data = package(main);
        let mut reader = &data[..];
        let found = Package::read(&mut reader).unwrap();
        assert_eq!(reader, b"payload");
        assert_eq!((found.header.text(tag::NAME), found.header.numbers(tag::EPOCH)), (Some("kit"), &[7][..]));
        assert_eq!(found.header.numbers(tag::FILEMODES), [0o100644, 0o40755]);
        assert_eq!(found.header.texts(tag::BASENAMES), ["a", "b"]);
        assert_eq!(found.header.numbers(tag::LONGFILESIZES), [1 << 32]);
        assert_eq!(found.signature.text(tag::SIG_SHA256), Some("aa"));
    }

    #[test]
    fn damaged() {
        for main in [
            header(&[(tag::NAME, 6, 1, b"kit")]),
            header(&[(tag::BASENAMES, 8, 0xffff_ffff, b"a\0")]),
            header(&[(tag::EPOCH, 4, 0x4000_0000, &[0, 0, 0, 7])]),
            header(&[(tag::EPOCH, 99, 1, &[0])]),
            vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
            vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x0f, 0xff, 0xff, 0xff],
            vec![],
        ] {
            assert!(Package::read(&mut &package(main)[..]).is_err());
        }
        assert!(Package::read(&mut &b"no package"[..]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes(data: Vec<u8>, count in 0_u8..4, size in 0_u8..40) {
            let main = [&[0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0, 0, 0, 0, count, 0, 0, 0, size], &data[..]].concat();
            let _ = Package::read(&mut &package(main)[..]);
            let _ = Package::read(&mut &data[..]);
        }
    }
}
