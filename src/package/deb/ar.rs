//! The `ar` archives that binary packages are (deb(5)): members one after another, no index.

use std::io::{self, Read, Seek, SeekFrom};

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Where its bytes begin.
    pub offset: u64,
    /// How many there are.
    pub size: u64,
}

/// The members of an archive, in their order.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] with the reason if it is no such archive or ends too early; whatever reading gives.
pub fn members(archive: &mut (impl Read + Seek)) -> io::Result<Vec<Member>> {
    let invalid = |message: &str| io::Error::new(io::ErrorKind::InvalidData, message);
    let end = archive.seek(SeekFrom::End(0))?;
    archive.seek(SeekFrom::Start(0))?;
    let mut magic = [0; 8];
    archive.read_exact(&mut magic).map_err(|_| invalid("it is no ar archive"))?;
    if &magic != b"!<arch>\n" {
        return Err(invalid("it is no ar archive"));
    }
    let (mut found, mut at) = (Vec::new(), 8_u64);
    while at < end {
        let mut header = [0; 60];
        archive.read_exact(&mut header).map_err(|_| invalid("a member's header is cut off"))?;
        let field = |from: usize, to: usize| {
            header.get(from..to).and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::trim_end)
        };
        if header.get(58..) != Some(b"`\n") {
            return Err(invalid("a member's header is damaged"));
        }
        let name = field(0, 16).map(|name| name.strip_suffix('/').unwrap_or(name));
        let name = name.filter(|name| !name.is_empty()).ok_or_else(|| invalid("a member has no name"))?;
        let size = field(48, 58)
            .filter(|size| size.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|size| size.parse::<u64>().ok())
            .ok_or_else(|| invalid("a member's size is no number"))?;
        let offset = at + 60;
        if size > end.saturating_sub(offset) {
            return Err(invalid("a member is cut off"));
        }
        found.push(Member { name: name.to_owned(), offset, size });
        at = offset + size + size % 2;
        archive.seek(SeekFrom::Start(at))?;
    }
    Ok(found)
}

/// Reads one member's bytes.
///
/// # Errors
/// Whatever seeking gives.
pub fn open<'a, R: Read + Seek>(archive: &'a mut R, member: &Member) -> io::Result<io::Take<&'a mut R>> {
    archive.seek(SeekFrom::Start(member.offset))?;
    Ok(archive.take(member.size))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn header(name: &str, size: &str) -> String {
        format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, "100644")
    }

    #[test]
    fn names_sizes_padding() {
        let text = format!("!<arch>\n{}abc\n{}de", header("debian-binary", "3"), header("data.tar.xz/", "2"));
        let mut archive = Cursor::new(text.into_bytes());
        let found = members(&mut archive).unwrap();
        let names: Vec<_> = found.iter().map(|member| (member.name.as_str(), member.size)).collect();
        assert_eq!(names, [("debian-binary", 3), ("data.tar.xz", 2)]);
        let mut data = String::new();
        open(&mut archive, &found[1]).unwrap().read_to_string(&mut data).unwrap();
        assert_eq!(data, "de");
    }

    #[test]
    fn damaged() {
        for (text, reason) in [
            (String::new(), "it is no ar archive"),
            ("!<arch>\nxx".into(), "a member's header is cut off"),
            (format!("!<arch>\n{}", header("a", "1")), "a member is cut off"),
            (format!("!<arch>\n{}", header("a", "99999999999")), "a member's header is damaged"),
            (format!("!<arch>\n{}", header("a", "-1")), "a member's size is no number"),
            (format!("!<arch>\n{}", header("", "0")), "a member has no name"),
        ] {
            assert_eq!(members(&mut Cursor::new(text.into_bytes())).unwrap_err().to_string(), reason);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes(data: Vec<u8>) {
            let data = [b"!<arch>\n".to_vec(), data].concat();
            let _ = members(&mut Cursor::new(data));
        }
    }
}
