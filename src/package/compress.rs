//! Compressed streams, told apart by name or by their first bytes.

use std::io::{self, BufRead, BufReader, Read};

use liblzma::stream::{CONCATENATED, Stream};

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// lzma, the forerunner of xz.
    Lzma,
    /// lzip.
    Lzip,
    /// Zstandard.
    Zstd,
    /// LZ4.
    Lz4,
}

/// Memory that a decompressor may take, in bytes: xz at its highest level takes 65 MiB.
const MEMORY: u64 = 1 << 30;

impl Compression {
    /// By a file name's suffix, without the dot: `gz`, `xz`, …
    pub fn of_suffix(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "gz" => Compression::Gzip,
            "bz2" => Compression::Bzip2,
            "xz" => Compression::Xz,
            "lzma" => Compression::Lzma,
            "lz" => Compression::Lzip,
            "zst" => Compression::Zstd,
            "lz4" => Compression::Lz4,
            _ => return None,
        })
    }

    /// By the first bytes; what is unknown counts as not compressed.
    pub fn of_magic(head: &[u8]) -> Self {
        let kinds: [(&[u8], Compression); 7] = [
            (b"\x1f\x8b", Compression::Gzip),
            (b"BZh", Compression::Bzip2),
            (b"\xfd7zXZ\0", Compression::Xz),
            (b"LZIP", Compression::Lzip),
            (b"\x28\xb5\x2f\xfd", Compression::Zstd),
            (b"\x04\x22\x4d\x18", Compression::Lz4),
            (b"\x5d\x00\x00", Compression::Lzma),
        ];
        kinds.iter().find(|(magic, _)| head.starts_with(magic)).map_or(Compression::None, |(_, kind)| *kind)
    }

    /// A reader of what `inner` holds compressed; streams joined one to another are read through.
    ///
    /// # Errors
    /// If the decompressor can't be set up. Damage shows while reading.
    pub fn reader<'a>(self, inner: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
        let inner = BufReader::with_capacity(128 * 1024, inner);
        let lzma = |stream: Result<Stream, liblzma::stream::Error>| stream.map_err(io::Error::from);
        Ok(match self {
            Compression::None => Box::new(inner),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(inner)),
            Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(inner)),
            Compression::Xz => {
                let stream = lzma(Stream::new_stream_decoder(MEMORY, CONCATENATED))?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(inner, stream))
            }
            Compression::Lzma => {
                let stream = lzma(Stream::new_lzma_decoder(MEMORY))?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(inner, stream))
            }
            Compression::Lzip => {
                let stream = lzma(Stream::new_lzip_decoder(MEMORY, CONCATENATED))?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(inner, stream))
            }
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(inner)?),
            Compression::Lz4 => {
                Box::new(Lz4Frames { decoder: Some(lz4_flex::frame::FrameDecoder::new(inner)) })
            }
        })
    }
}

/// LZ4 frames joined one to another. Each gets a decoder of its own: one decoder stops after a frame, and trips over
/// a second one with blocks of another size.
struct Lz4Frames<R: BufRead> {
    decoder: Option<lz4_flex::frame::FrameDecoder<R>>,
}

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(decoder) = &mut self.decoder else { return Ok(0) };
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(mut inner) = self.decoder.take().map(lz4_flex::frame::FrameDecoder::into_inner) else {
                return Ok(0);
            };
            if !inner.fill_buf()?.is_empty() {
                self.decoder = Some(lz4_flex::frame::FrameDecoder::new(inner));
            }
        }
    }
}

/// A reader for a stream whose compression its first bytes tell.
///
/// # Errors
/// Whatever reading them gives.
pub fn detect<'a>(inner: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut inner = BufReader::with_capacity(128 * 1024, inner);
    let kind = Compression::of_magic(inner.fill_buf()?);
    kind.reader(inner)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    /// The usual tools compress, and two streams are joined.
    #[test]
    fn what_the_tools_make() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(|number| number.to_le_bytes()).collect();
        for (tool, kind) in [
            ("gzip", Compression::Gzip),
            ("bzip2", Compression::Bzip2),
            ("xz", Compression::Xz),
            ("zstd", Compression::Zstd),
            ("lz4", Compression::Lz4),
            ("lzip", Compression::Lzip),
        ] {
            let compress = |data: &[u8]| -> Option<Vec<u8>> {
                let mut child =
                    Command::new(tool).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
                let mut input = child.stdin.take()?;
                let data = data.to_vec();
                let writer = std::thread::spawn(move || input.write_all(&data));
                let output = child.wait_with_output().ok()?;
                writer.join().ok()?.ok()?;
                Some(output.stdout)
            };
            let (Some(first), Some(second)) = (compress(&text), compress(b"and more")) else {
                eprintln!("SKIPPED: {tool} is not there");
                continue;
            };
            assert_eq!(Compression::of_magic(&first), kind);
            let mut found = Vec::new();
            detect(&[first.clone(), second].concat()[..]).unwrap().read_to_end(&mut found).unwrap();
            assert!(found == [&text[..], b"and more"].concat(), "{tool}");
            let cut =
                detect(&first[..first.len() / 2]).and_then(|mut reader| reader.read_to_end(&mut Vec::new()));
            assert!(cut.is_err(), "{tool} cut off");
        }
    }
}
