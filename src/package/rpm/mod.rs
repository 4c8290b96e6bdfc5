//! Rpm's formats: package headers and payloads, repository metadata.

pub mod cpio;
pub mod header;
pub mod repomd;
pub mod repos;
pub mod version;
