//! Tokens of users, and what counts as a hash.

use std::fs::File;
use std::io::{self, Read};

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

/// Whether a text can be a unihash: 64 lower-case hexadecimal digits. It becomes part of file names and of metadata, so nothing
/// else is let through.
pub fn is_unihash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A new token: 48 random bytes in 64 characters.
pub(super) fn new_token() -> io::Result<String> {
    let mut bytes = [0; 48];
    random(&mut bytes)?;
    Ok(base64(&bytes))
}

/// A token as the database keeps it, `ALGORITHM:SALT:DIGEST`, with a salt of its own.
pub(super) fn seal(token: &str) -> io::Result<String> {
    let mut salt = [0; 8];
    random(&mut salt)?;
    let salt = hex(&salt);
    Ok(format!("sha256:{salt}:{}", hex(&digest::<Sha256>(&salt, token))))
}

/// Whether a token is the one that was sealed. The time does not depend on where they differ.
pub(super) fn opens(token: &str, sealed: &str) -> bool {
    let mut parts = sealed.splitn(3, ':');
    let (Some(algorithm), Some(salt), Some(stored)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let computed = match algorithm {
        "sha224" => hex(&digest::<Sha224>(salt, token)),
        "sha256" => hex(&digest::<Sha256>(salt, token)),
        "sha384" => hex(&digest::<Sha384>(salt, token)),
        "sha512" => hex(&digest::<Sha512>(salt, token)),
        _ => return false,
    };
    computed.len() == stored.len()
        && computed.bytes().zip(stored.bytes()).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

fn digest<D: Digest>(salt: &str, token: &str) -> Vec<u8> {
    D::new().chain_update(salt).chain_update(token).finalize().to_vec()
}

fn random(bytes: &mut [u8]) -> io::Result<()> {
    File::open("/dev/urandom")?.read_exact(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Base 64 with `.` and `_` for the last two digits; the length is a multiple of three here, so nothing is padded.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
    let mut text = String::with_capacity(bytes.len() / 3 * 4);
    for three in bytes.chunks_exact(3) {
        let number = three.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
        text.extend([18, 12, 6, 0].map(|shift| char::from(DIGITS[number >> shift & 63])));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_token_opens_for_itself_only() {
        let token = new_token().unwrap();
        assert_eq!(token.len(), 64);
        assert_ne!(token, new_token().unwrap());
        let sealed = seal(&token).unwrap();
        assert!(opens(&token, &sealed));
        assert!(!opens("password", &sealed));
        assert!(!opens(&token, "sha256:onlysalt"));
        assert!(!opens(&token, ""));
    }

    #[test]
    fn tokens_that_python_sealed_open() {
        // hashlib.new(A, b"0011223344556677" + b"password").hexdigest()
        let sealed =
            "sha256:0011223344556677:bb657d0d40853b19888803dd3e5675479e0cf1925d43fc9c007b575ed0992624";
        assert!(opens("password", sealed));
        assert_eq!(base64(b"\xfb\xff\xbf\x00\x10\x83"), "._._ABCD");
    }

    #[test]
    fn only_64_lower_case_digits_are_a_unihash() {
        assert!(is_unihash(&"0a".repeat(32)));
        for text in ["a".repeat(63), "a".repeat(65), "A".repeat(64), "é".repeat(32), String::new()] {
            assert!(!is_unihash(&text), "{text}");
        }
    }
}
