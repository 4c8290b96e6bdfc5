"""Things only the kernel can do: priorities, names, namespaces, limits."""

import fcntl
import logging
import os
import struct

import bb

logger = logging.getLogger("BitBake.Util")

# Numbers from linux/prctl.h, linux/ioprio.h, linux/sched.h, linux/sockios.h, linux/if.h.
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
IOPRIO_WHO_PROCESS = 1
IOPRIO_CLASS_SHIFT = 13
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
SIOCSIFADDR = 0x8916
SIOCSIFNETMASK = 0x891C
IFF_UP = 0x1
IFF_RUNNING = 0x40

# The number of the ioprio_set system call, which the C library doesn't wrap.
_IOPRIO_SET = {"x86_64": 251, "i386": 289, "i486": 289, "i586": 289, "i686": 289, "aarch64": 30,
               "riscv64": 30, "ppc64le": 273, "s390x": 282}


class PrCtlError(Exception):
    """prctl() failed."""


def _libc():
    import ctypes
    return ctypes.CDLL("libc.so.6", use_errno=True)


def cpu_count():
    """Number of processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except OSError:
        return os.cpu_count() or 1


def nonblockingfd(fd):
    """Make reading from a file descriptor return at once when there is no data."""
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)


def signal_on_parent_exit(signame):
    """Have the kernel send us a signal, e.g. "SIGTERM", when our parent dies."""
    import signal
    result = _libc().prctl(PR_SET_PDEATHSIG, getattr(signal, signame))
    if result != 0:
        raise PrCtlError("prctl failed with error code %s" % result)


def ioprio_set(who, cls, value):
    """Set the disk priority of process `who`: class 1 to 3, level 0 to 7."""
    machine = os.uname().machine
    number = _IOPRIO_SET.get(machine)
    if number is None:
        bb.warn("Unable to set IO Prio for arch %s" % machine)
        return
    result = _libc().syscall(number, IOPRIO_WHO_PROCESS, who, value | cls << IOPRIO_CLASS_SHIFT)
    if result != 0:
        raise ValueError("Unable to set ioprio, syscall returned %s" % result)


def set_process_name(name):
    """Set the name that ps and top show; a failure doesn't matter."""
    try:
        _libc().prctl(PR_SET_NAME, name.encode("utf-8"), 0, 0, 0)
    except (OSError, AttributeError):
        pass


def disable_network(uid=None, gid=None):
    """Cut this process off from all networks by entering namespaces of its own.

    The user keeps the given (or current) numbers. A system that doesn't allow
    it leaves the network on, with a debug message.
    """
    uid = os.getuid() if uid is None else uid
    gid = os.getgid() if gid is None else gid
    if _libc().unshare(CLONE_NEWNET | CLONE_NEWUSER) != 0:
        logger.debug("System doesn't support disabling network without admin privs")
        return
    # The kernel accepts a group map from us only after setgroups is denied.
    for name, content in (("uid_map", "%s %s 1" % (uid, uid)), ("setgroups", "deny"),
                          ("gid_map", "%s %s 1" % (gid, gid))):
        with open("/proc/self/" + name, "w") as file:
            file.write(content)


def enable_loopback_networking():
    """Bring up 127.0.0.1 in a network namespace of our own."""
    import socket

    def request(sock, number, payload=b""):
        """Send an `ifreq` for the loopback interface; returns its payload part."""
        return fcntl.ioctl(sock, number, struct.pack("@16s16s", b"lo", payload))[16:]

    def ipv4(*octets):
        return struct.pack("@HH4B", socket.AF_INET, 0, *octets)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request(sock, SIOCSIFADDR, ipv4(127, 0, 0, 1))
        flags, = struct.unpack_from("@h", request(sock, SIOCGIFFLAGS))
        request(sock, SIOCSIFFLAGS, struct.pack("@h", flags | IFF_UP | IFF_RUNNING))
        request(sock, SIOCSIFNETMASK, ipv4(255, 0, 0, 0))


def is_local_uid(uid=""):
    """Whether a user id (ours by default) is in /etc/passwd, not from a directory service."""
    wanted = str(uid or os.getuid())
    with open("/etc/passwd") as file:
        return any(line.split(":")[2:3] == [wanted] for line in file)
