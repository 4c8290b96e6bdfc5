//! Public keys and the fingerprints that pin them.

use std::fmt;
use std::io::Cursor;
use std::str::FromStr;

use pgp::armor::BlockType;
use pgp::composed::{Deserializable, SignedPublicKey};
use pgp::types::KeyDetails;

use super::{armor, decode_hex, encode_hex};

/// The full fingerprint of an OpenPGP key. Key ids, long or short, are no fingerprints: they can be forged.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(Vec<u8>);

impl Fingerprint {
    pub(super) fn of(key: &impl KeyDetails) -> Self {
        Fingerprint(key.fingerprint().as_bytes().to_vec())
    }
}

impl FromStr for Fingerprint {
    type Err = KeyError;

    /// Reads 40 or 64 hexadecimal digits, with blanks between them and `0x` before them allowed.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digits: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
        let digits = digits.strip_prefix("0x").unwrap_or(&digits);
        decode_hex(digits)
            .filter(|bytes| matches!(bytes.len(), 20 | 32))
            .map(Fingerprint)
            .ok_or_else(|| KeyError::Fingerprint(text.into()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode_hex(&self.0).to_uppercase())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a key or fingerprint can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a full fingerprint.
    #[error("'{0}' is not a key fingerprint (40 or 64 hexadecimal digits; key ids are not enough)")]
    Fingerprint(String),
    /// Not a file of public keys.
    #[error("'{file}' is not an OpenPGP keyring: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No usable key in the file.
    #[error("'{0}' holds no usable OpenPGP public key")]
    Empty(String),
}

/// Public keys that signatures may be checked with. Being in it is not being trusted: see [`super::Trust`].
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    pub(super) keys: Vec<SignedPublicKey>,
}

impl Keyring {
    /// Reads a keyring, armored (one block or several) or binary. Keys of unknown kinds are passed over.
    ///
    /// # Errors
    /// If it is no keyring or holds no usable key; `file` names it in the message.
    pub fn read(file: &str, data: &[u8]) -> Result<Self, KeyError> {
        let unreadable = |reason: String| KeyError::Unreadable { file: file.into(), reason };
        let packets = armor::packets(data, &[BlockType::PublicKey]).map_err(unreadable)?;
        let keys: Vec<_> = SignedPublicKey::from_bytes_many(Cursor::new(packets))
            .map_err(|error| KeyError::Unreadable { file: file.into(), reason: error.to_string() })?
            .filter_map(Result::ok)
            .collect();
        if keys.is_empty() { Err(KeyError::Empty(file.into())) } else { Ok(Keyring { keys }) }
    }

    /// Adds another keyring's keys.
    pub fn extend(&mut self, other: Keyring) {
        self.keys.extend(other.keys);
    }

    /// The fingerprints of its primary keys.
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        self.keys.iter().map(|key| Fingerprint::of(&key.primary_key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints() {
        let text = "0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567";
        let print: Fingerprint = text.parse().unwrap();
        assert_eq!(print.to_string(), "0123456789ABCDEF0123456789ABCDEF01234567");
        assert_eq!("0x0123456789abcdef0123456789abcdef01234567".parse(), Ok(print));
        for bad in ["", "89ABCDEF01234567", "0123456789ABCDEF0123456789ABCDEF0123456Z", "é"] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(KeyError::Fingerprint(bad.into())));
        }
    }

    #[test]
    fn no_keyring() {
        assert_eq!(Keyring::read("k", b"").unwrap_err(), KeyError::Empty("k".into()));
        assert!(Keyring::read("k", b"<html>not found</html>").is_err());
        assert!(Keyring::read("k", &[0x99, 0xff, 0xff, 1, 2]).is_err());
    }
}
