//! The events of a task on their way to the program: one packet each, so that a dying child can't leave half of one.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, recv, send, shutdown, socketpair,
};
use rustc_hash::FxHashMap;

use super::event::TaskEvent;

/// Bytes of an event in one packet. The kernel's default limit for a socket's buffer is above 200 kB.
const PACKET: usize = 1 << 16;
/// Sender, number of the event, and whether more of it follows.
const HEAD: usize = 9;
/// No event is longer; a text beyond it has been cut by whoever made it.
const MAX_EVENT: usize = 1 << 26;

/// The child's end. The processes that it forks may use it, too: packets never mix.
#[derive(Debug)]
pub struct EventSender {
    socket: OwnedFd,
    next: AtomicU32,
}

/// The program's end.
#[derive(Debug)]
pub struct EventReceiver {
    socket: OwnedFd,
    /// Beginnings of events that take more than one packet, by sender and number.
    parts: FxHashMap<[u8; 8], Vec<u8>>,
    packet: Vec<u8>,
}

/// Two ends of a new connection: the sender's is a file to be passed on.
///
/// # Errors
/// Too many files are open.
pub fn pair() -> io::Result<(EventReceiver, OwnedFd)> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    Ok((EventReceiver { socket: ours, parts: FxHashMap::default(), packet: vec![0; HEAD + PACKET] }, theirs))
}

impl EventSender {
    /// A sender over one end of a pair.
    pub fn new(socket: OwnedFd) -> Self {
        EventSender { socket, next: AtomicU32::new(0) }
    }

    /// Sends an event, whole or, if it is enormous, not at all.
    ///
    /// # Errors
    /// Nobody listens any more.
    pub fn send(&self, event: &TaskEvent) -> io::Result<()> {
        let bytes = postcard::to_stdvec(event).map_err(io::Error::other)?;
        if bytes.len() > MAX_EVENT {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the event is too large"));
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut packet = Vec::with_capacity(HEAD + bytes.len().min(PACKET));
        let mut rest = &bytes[..];
        loop {
            let (now, later) = rest.split_at(rest.len().min(PACKET));
            packet.clear();
            packet.extend(std::process::id().to_le_bytes());
            packet.extend(number.to_le_bytes());
            packet.push(u8::from(!later.is_empty()));
            packet.extend(now);
            loop {
                match send(self.socket.as_raw_fd(), &packet, MsgFlags::MSG_NOSIGNAL) {
                    Err(Errno::EINTR) => {}
                    Err(error) => return Err(error.into()),
                    Ok(_) => break,
                }
            }
            if later.is_empty() {
                return Ok(());
            }
            rest = later;
        }
    }
}

impl EventReceiver {
    /// Waits for the next event; None at the end. What is no event is left out.
    pub fn receive(&mut self) -> Option<TaskEvent> {
        loop {
            let length = match recv(self.socket.as_raw_fd(), &mut self.packet, MsgFlags::empty()) {
                Err(Errno::EINTR) => continue,
                Err(_) | Ok(0) => return None,
                Ok(length) => length,
            };
            let packet = self.packet.get(..length)?;
            let Some((head, body)) = packet.split_first_chunk::<HEAD>() else { continue };
            let [.., more] = *head;
            let Some(sender) = head.first_chunk::<8>() else { continue };
            if more == 0 && !self.parts.contains_key(sender) {
                match postcard::from_bytes(body) {
                    Ok(event) => return Some(event),
                    Err(_) => continue,
                }
            }
            let part = self.parts.entry(*sender).or_default();
            part.extend_from_slice(body);
            if part.len() > MAX_EVENT {
                part.clear();
            } else if more == 0
                && let Some(whole) = self.parts.remove(sender)
                && let Ok(event) = postcard::from_bytes(&whole)
            {
                return Some(event);
            }
        }
    }

    /// Another handle, to end the waiting from elsewhere.
    ///
    /// # Errors
    /// Too many files are open.
    pub fn stopper(&self) -> io::Result<Stopper> {
        self.socket.try_clone().map(Stopper)
    }
}

impl AsFd for EventReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Ends a connection although somebody still holds the sender's end, such as a daemon that a task left behind.
#[derive(Debug)]
pub struct Stopper(OwnedFd);

impl Stopper {
    /// What was sent until now still arrives.
    pub fn stop(&self) {
        // It fails only where the connection has ended by itself.
        let _ = shutdown(self.0.as_raw_fd(), Shutdown::Read);
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Exit, LogRecord};
    use super::*;

    fn log(text: String) -> TaskEvent {
        TaskEvent::Log(LogRecord { level: 20, logger: "BitBake".into(), text, pid: 1, force_log: false })
    }

    #[test]
    fn long_and_short_events_arrive_in_order() {
        let (mut receiver, socket) = pair().unwrap();
        let sent = [log("a".into()), log("long ".repeat(100_000)), TaskEvent::Finished(Exit::Code(3))];
        let sender = EventSender::new(socket);
        let expected = sent.clone();
        let thread = std::thread::spawn(move || sent.iter().for_each(|event| sender.send(event).unwrap()));
        for event in expected {
            assert_eq!(receiver.receive(), Some(event));
        }
        thread.join().unwrap();
        assert_eq!(receiver.receive(), None);
    }

    #[test]
    fn two_senders_of_long_events_do_not_mix() {
        let (mut receiver, socket) = pair().unwrap();
        let sender = EventSender::new(socket);
        std::thread::scope(|scope| {
            for letter in ["a", "b"] {
                let sender = &sender;
                scope.spawn(move || (0..5).for_each(|_| sender.send(&log(letter.repeat(200_000))).unwrap()));
            }
            for _ in 0..10 {
                let Some(TaskEvent::Log(record)) = receiver.receive() else { panic!("an event is missing") };
                assert_eq!(record.text.len(), 200_000);
                assert!(record.text.bytes().all(|byte| byte == record.text.as_bytes()[0]));
            }
        });
    }

    #[test]
    fn what_was_sent_before_a_stop_arrives() {
        let (mut receiver, socket) = pair().unwrap();
        let sender = EventSender::new(socket);
        sender.send(&log("last words".into())).unwrap();
        receiver.stopper().unwrap().stop();
        assert_eq!(receiver.receive(), Some(log("last words".into())));
        assert_eq!(receiver.receive(), None);
        assert!(sender.send(&log("too late".into())).is_err());
    }
}
