//! Length-prefixed records over a socket.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// No record is larger: a length beyond it means that the other side is out of step.
const MAX_RECORD: usize = 1 << 30;

/// One end of a connection to a host or a worker.
pub struct Channel(UnixStream);

impl Channel {
    /// A channel over a connected socket.
    pub fn new(stream: UnixStream) -> Self {
        Channel(stream)
    }

    /// Sends one record.
    ///
    /// # Errors
    /// The other side is gone.
    pub fn send<T: Serialize>(&self, record: &T) -> io::Result<()> {
        let mut bytes = vec![0; 4];
        bytes = postcard::to_extend(record, bytes).map_err(io::Error::other)?;
        let length = u32::try_from(bytes.len() - 4).map_err(io::Error::other)?;
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        (&self.0).write_all(&bytes)
    }

    /// Waits for one record; None when the other side closed the connection between records.
    ///
    /// # Errors
    /// The connection broke inside a record, or what came is none.
    pub fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<T>> {
        let mut length = [0; 4];
        match (&self.0).read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_RECORD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a record is too large"));
        }
        let mut bytes = vec![0; length];
        (&self.0).read_exact(&mut bytes)?;
        postcard::from_bytes(&bytes)
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}
