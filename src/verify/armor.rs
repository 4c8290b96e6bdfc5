//! OpenPGP's text forms: armored blocks and messages signed in clear.

use std::io::Read;

use pgp::armor::{BlockType, Dearmor};

/// What a message signed in clear consists of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cleartext {
    /// The signed text as its author wrote it: dashes unescaped, one `\n` per line, none at the end of the last.
    pub text: Vec<u8>,
    /// The bytes the signature was made over: trailing blanks cut, lines joined by `\r\n`.
    pub signed: Vec<u8>,
    /// The armored signature.
    pub signature: Vec<u8>,
}

const BEGIN_MESSAGE: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const END_SIGNATURE: &[u8] = b"-----END PGP SIGNATURE-----";

/// Whether the bytes begin like a message signed in clear.
pub(super) fn is_cleartext(data: &[u8]) -> bool {
    data.starts_with(BEGIN_MESSAGE)
}

/// Takes a message signed in clear apart (RFC 9580, section 7).
///
/// Nothing but white space may stand before, between or after the two blocks: bytes outside of them are
/// not signed, and a reader that skipped them could be made to read them after all.
pub(super) fn split_cleartext(data: &[u8]) -> Result<Cleartext, &'static str> {
    let mut lines = data.split(|&byte| byte == b'\n').map(trim_blanks);
    if lines.next() != Some(BEGIN_MESSAGE) {
        return Err("it does not begin with a signed message");
    }
    loop {
        match lines.next() {
            Some([]) => break,
            Some(line) if line.starts_with(b"Hash: ") => {}
            Some(_) => return Err("the signed message has a header other than Hash"),
            None => return Err("the signed message ends within its headers"),
        }
    }
    let (mut text, mut signed) = (Vec::with_capacity(data.len()), Vec::with_capacity(data.len()));
    let mut first = true;
    loop {
        let line = lines.next().ok_or("the signed message has no signature block")?;
        let line = match line {
            BEGIN_SIGNATURE => break,
            [b'-', b' ', rest @ ..] => rest,
            [b'-', ..] => return Err("a line of the signed message begins with an unescaped dash"),
            line => line,
        };
        if !first {
            text.push(b'\n');
            signed.extend_from_slice(b"\r\n");
        }
        first = false;
        text.extend_from_slice(line);
        signed.extend_from_slice(line);
    }
    let mut signature = BEGIN_SIGNATURE.to_vec();
    loop {
        let line = lines.next().ok_or("the signature block has no end")?;
        signature.push(b'\n');
        signature.extend_from_slice(line);
        if line == END_SIGNATURE {
            signature.push(b'\n');
            break;
        }
    }
    if lines.any(|line| !line.is_empty()) {
        return Err("there is text after the signature");
    }
    Ok(Cleartext { text, signed, signature })
}

fn trim_blanks(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\r')).map_or(0, |last| last + 1);
    line.get(..end).unwrap_or_default()
}

/// The binary packets in `data`: as it is, or out of all armored blocks of one of the given kinds.
pub(super) fn packets(data: &[u8], kinds: &[BlockType]) -> Result<Vec<u8>, String> {
    // The first byte of a binary packet has its high bit set; armor is plain ASCII.
    if data.first().is_some_and(|byte| byte & 0x80 != 0) {
        return Ok(data.to_vec());
    }
    let mut packets = Vec::new();
    let begin = memchr::memmem::Finder::new(b"-----BEGIN PGP ");
    let starts: Vec<usize> = begin.find_iter(data).collect();
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(data.len());
        let block = data.get(start..end).unwrap_or_default();
        let mut dearmor = Dearmor::new(block);
        dearmor.read_header().map_err(|error| format!("its armor can't be read: {error}"))?;
        if !dearmor.typ.as_ref().is_some_and(|kind| kinds.contains(kind)) {
            return Err("it holds an armored block of another kind".into());
        }
        dearmor.read_to_end(&mut packets).map_err(|error| format!("its armor can't be read: {error}"))?;
    }
    Ok(packets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str) -> String {
        format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{body}\n-----BEGIN PGP SIGNATURE-----\n\nAA==\n-----END PGP SIGNATURE-----\n"
        )
    }

    #[test]
    fn text_and_signed_bytes() {
        let parts = split_cleartext(message("Origin: x \t\n\n- -dash\nlast").as_bytes()).unwrap();
        assert_eq!(parts.text, b"Origin: x\n\n-dash\nlast");
        assert_eq!(parts.signed, b"Origin: x\r\n\r\n-dash\r\nlast");
        assert!(parts.signature.ends_with(b"AA==\n-----END PGP SIGNATURE-----\n"));
    }

    #[test]
    fn nothing_unsigned_is_let_in() {
        let good = message("a: b");
        assert!(split_cleartext(good.as_bytes()).is_ok());
        for bad in [
            format!("Origin: evil\n{good}"),
            format!("{good}Origin: evil\n"),
            good.replace("Hash: SHA512\n", "Hash: SHA512\nOrigin: evil\n"),
            good.replace("a: b", "-----BEGIN PGP SIGNED MESSAGE-----"),
            good.replace("-----END PGP SIGNATURE-----", ""),
            good.replace("-----BEGIN PGP SIGNATURE-----", ""),
            String::new(),
        ] {
            assert!(split_cleartext(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
