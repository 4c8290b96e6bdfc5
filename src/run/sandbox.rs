//! Keeping a task off the network (BitBake manual, variable flag `network`).

use std::fs;
use std::io;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid};

/// Cuts this process off from all networks by entering namespaces of its own, in which the user keeps his numbers. The loopback
/// interface there stays down. False where the system doesn't allow it.
///
/// # Errors
/// The namespaces were made and can't be used.
pub fn disable_network() -> io::Result<bool> {
    let (uid, gid) = (getuid(), getgid());
    if unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUSER).is_err() {
        return Ok(false);
    }
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    // The kernel accepts a map of groups from us only after this.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    Ok(true)
}

/// True if the user is in /etc/passwd. One from a directory service would be unknown without network.
pub fn is_local_user() -> bool {
    let wanted = getuid().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    users.lines().any(|line| line.split(':').nth(2) == Some(wanted.as_str()))
}
