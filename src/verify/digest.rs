//! Digests of bytes and files, several algorithms in one pass.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// A digest algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// MD5: to compare with what metadata states, never for trust.
    Md5,
    /// SHA-1: to compare with what metadata states, never for trust.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// Every algorithm, weakest first.
    pub const ALL: [Algorithm; 5] =
        [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];

    /// The name in BitBake's spelling: `md5`, `sha256`, …
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "md5",
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// Length of the digest in bytes.
    pub fn size(self) -> usize {
        match self {
            Algorithm::Md5 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
            Algorithm::Sha384 => 48,
            Algorithm::Sha512 => 64,
        }
    }

    /// Whether equal digests still prove equal bytes against somebody who means harm.
    pub fn is_strong(self) -> bool {
        self >= Algorithm::Sha256
    }

    fn start(self) -> State {
        match self {
            Algorithm::Md5 => State::Md5(Md5::new()),
            Algorithm::Sha1 => State::Sha1(Sha1::new()),
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha384 => State::Sha384(Sha384::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = ();

    /// Reads `sha256`, `SHA256` or `sha-256`; repository metadata also says `sha` for SHA-1.
    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.to_ascii_lowercase().replace('-', "");
        if text == "sha" {
            return Ok(Algorithm::Sha1);
        }
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == text).ok_or(())
    }
}

/// The digest of some bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

impl Digest {
    /// Reads a digest in hexadecimal; `None` if it is not one of that algorithm.
    pub fn from_hex(algorithm: Algorithm, text: &str) -> Option<Self> {
        let bytes = decode_hex(text)?;
        (bytes.len() == algorithm.size()).then_some(Digest { algorithm, bytes })
    }

    /// The digest of `data`.
    pub fn of(algorithm: Algorithm, data: &[u8]) -> Self {
        let mut state = algorithm.start();
        state.update(data);
        Digest { algorithm, bytes: state.finish() }
    }

    /// The digest of a file's contents.
    ///
    /// # Errors
    /// Whatever reading the file gives.
    pub fn of_file(algorithm: Algorithm, path: &Path) -> io::Result<Self> {
        let mut digests = file_digests(path, &[algorithm])?;
        Ok(digests.swap_remove(0))
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its text: lower-case hexadecimal.
    pub fn hex(&self) -> String {
        encode_hex(&self.bytes)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.hex())
    }
}

enum State {
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl State {
    fn update(&mut self, data: &[u8]) {
        match self {
            State::Md5(state) => state.update(data),
            State::Sha1(state) => state.update(data),
            State::Sha256(state) => state.update(data),
            State::Sha384(state) => state.update(data),
            State::Sha512(state) => state.update(data),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            State::Md5(state) => state.finalize().to_vec(),
            State::Sha1(state) => state.finalize().to_vec(),
            State::Sha256(state) => state.finalize().to_vec(),
            State::Sha384(state) => state.finalize().to_vec(),
            State::Sha512(state) => state.finalize().to_vec(),
        }
    }
}

/// Digests of a stream by several algorithms at once.
pub struct Hasher {
    states: Vec<(Algorithm, State)>,
}

impl Hasher {
    /// Starts the given algorithms.
    pub fn new(algorithms: &[Algorithm]) -> Self {
        Hasher { states: algorithms.iter().map(|&algorithm| (algorithm, algorithm.start())).collect() }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        for (_, state) in &mut self.states {
            state.update(data);
        }
    }

    /// The digests, in the order the algorithms were given.
    pub fn finish(self) -> Vec<Digest> {
        self.states
            .into_iter()
            .map(|(algorithm, state)| Digest { algorithm, bytes: state.finish() })
            .collect()
    }
}

/// A writer that passes bytes on and digests them.
pub struct HashingWriter<W> {
    inner: W,
    hasher: Hasher,
    written: u64,
}

impl<W: io::Write> HashingWriter<W> {
    /// Digests by `algorithms` what goes to `inner`.
    pub fn new(inner: W, algorithms: &[Algorithm]) -> Self {
        HashingWriter { inner, hasher: Hasher::new(algorithms), written: 0 }
    }

    /// The inner writer, the digests, and the number of bytes.
    pub fn finish(self) -> (W, Vec<Digest>, u64) {
        (self.inner, self.hasher.finish(), self.written)
    }
}

impl<W: io::Write> io::Write for HashingWriter<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(data)?;
        self.hasher.update(data.get(..count).unwrap_or(data));
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The digests of all a reader gives, in the order of `algorithms`.
///
/// # Errors
/// Whatever reading gives.
pub fn reader_digests(mut reader: impl Read, algorithms: &[Algorithm]) -> io::Result<Vec<Digest>> {
    let mut hasher = Hasher::new(algorithms);
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The digests of a file's contents, in the order of `algorithms`.
///
/// # Errors
/// Whatever reading the file gives.
pub fn file_digests(path: &Path, algorithms: &[Algorithm]) -> io::Result<Vec<Digest>> {
    reader_digests(std::fs::File::open(path)?, algorithms)
}

/// Bytes as lower-case hexadecimal.
pub(crate) fn encode_hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Hexadecimal of either case as bytes; `None` for anything else.
pub(crate) fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the algorithms' own publications (RFC 1321 and FIPS 180-4 examples for "abc").
    #[test]
    fn published_examples() {
        let expected = [
            "900150983cd24fb0d6963f7d28e17f72",
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ];
        for (digest, expected) in
            reader_digests(&b"abc"[..], &Algorithm::ALL).unwrap().into_iter().zip(expected)
        {
            assert_eq!(digest.hex(), expected);
            assert_eq!(Digest::from_hex(digest.algorithm(), &expected.to_uppercase()), Some(digest));
        }
    }

    #[test]
    fn text_that_is_no_digest() {
        for text in ["", "a", "zz", "ab", "é9", &"a".repeat(63), &"g".repeat(64)] {
            assert_eq!(Digest::from_hex(Algorithm::Sha256, text), None, "{text}");
        }
    }

    #[test]
    fn names() {
        assert_eq!("SHA-512".parse(), Ok(Algorithm::Sha512));
        assert_eq!("sha".parse(), Ok(Algorithm::Sha1));
        assert_eq!("crc32".parse::<Algorithm>(), Err(()));
        assert!(!Algorithm::Sha1.is_strong() && Algorithm::Sha256.is_strong());
    }
}
