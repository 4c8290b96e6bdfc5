//! The ground the wings stand on: digests of what was fetched, signatures of what was promised.

mod armor;
mod date;
mod digest;
mod key;
mod signature;

pub use date::{Day, parse_date};
pub use digest::{Algorithm, Digest, Hasher, HashingWriter, file_digests, reader_digests};
pub(crate) use digest::{decode_hex, encode_hex};
pub use key::{Fingerprint, KeyError, Keyring};
pub use signature::{Policy, Refusal, SignatureError, Trust, Verified};
