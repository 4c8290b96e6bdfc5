//! Length-prefixed records over a socket.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::cmsg_space;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Name of the environment variable that tells a host its sockets.
pub const SOCKETS: &str = "RBAKE_HOST_SOCKETS";

/// No record is larger: a length beyond it means that the other side is out of step.
const MAX_RECORD: usize = 1 << 30;

/// One end of a connection to a host or a worker.
pub struct Channel(UnixStream);

impl Channel {
    /// A channel over a connected socket.
    pub fn new(stream: UnixStream) -> Self {
        Channel(stream)
    }

    /// The channels that the program left open for this process, which it started as a host.
    ///
    /// # Errors
    /// The process wasn't started so.
    pub fn inherited() -> io::Result<Vec<Channel>> {
        let list = std::env::var(SOCKETS).map_err(|_| io::Error::other("not started by rbake"))?;
        list.split(',')
            .map(|number| {
                let fd: RawFd = number.parse().map_err(io::Error::other)?;
                // SAFETY: the program opened the descriptor for this purpose and nothing else here owns it; were it not open, the
                // next line would say so.
                let stream = unsafe { UnixStream::from_raw_fd(fd) };
                fcntl(&stream, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(io::Error::from)?;
                Ok(Channel(stream))
            })
            .collect()
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

    /// Passes an open file to the other side, which takes it with [`Channel::receive_file`] after the record that announced it.
    ///
    /// # Errors
    /// The other side is gone.
    pub fn send_file(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        let files = [file.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&files)];
        sendmsg::<()>(self.0.as_raw_fd(), &[IoSlice::new(&[0])], &rights, MsgFlags::MSG_NOSIGNAL, None)?;
        Ok(())
    }

    /// Takes the file that the other side passed after the last record.
    ///
    /// # Errors
    /// The connection broke, or no file came.
    pub fn receive_file(&self) -> io::Result<OwnedFd> {
        let mut byte = [0];
        let mut data = [IoSliceMut::new(&mut byte)];
        let mut space = cmsg_space!(RawFd);
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(self.0.as_raw_fd(), &mut data, Some(&mut space), flags)?;
        for part in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(files) = part
                && let Some(file) = files.first()
            {
                // SAFETY: the kernel made this descriptor for us just now, so nothing else owns it.
                return Ok(unsafe { OwnedFd::from_raw_fd(*file) });
            }
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "a file was announced and didn't come"))
    }

    /// Ends the connection for all who hold it.
    pub fn shut(&self) {
        // It fails only where the other side has ended it already.
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }

    /// Another handle on the same connection.
    ///
    /// # Errors
    /// Too many files are open.
    pub fn try_clone(&self) -> io::Result<Channel> {
        self.0.try_clone().map(Channel)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
