"""Lock files between processes, and time-limited locks between threads."""

import errno
import fcntl
import logging
import os
import sys
from contextlib import contextmanager

import bb

logger = logging.getLogger("BitBake.Util")

# The longest file name common file systems accept.
_NAME_MAX = 255


def _shortened(path):
    """`path` with its last part cut to a legal length, the suffix kept."""
    directory, name = os.path.split(path)
    if len(name) > _NAME_MAX:
        stem, suffix = os.path.splitext(name)
        name = stem[:_NAME_MAX - len(suffix)] + suffix
    return directory, os.path.join(directory, name)


def lockfile(name, shared=False, retry=True, block=False):
    """Lock a file, creating it and its directory; give the result to `unlockfile`.

    Waits by default. With `retry` and `block` both false it returns None at
    once if somebody else has the lock. `block` alone waits once, so a signal
    can end the waiting. A directory that can't be written ends the program.
    """
    directory, path = _shortened(name)
    bb.utils.mkdirhier(directory)
    if not os.access(directory, os.W_OK):
        logger.error("Unable to acquire lock '%s', directory is not writable", path)
        sys.exit(1)

    operation = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    if not (retry or block):
        operation |= fcntl.LOCK_NB
    while True:
        try:
            lock = open(path, "a+")
        except OSError as exc:
            if exc.errno in (errno.EACCES, errno.ENAMETOOLONG):
                logger.error("Unable to acquire lock '%s', %s", exc.strerror, path)
                sys.exit(1)
        else:
            try:
                fcntl.flock(lock, operation)
                # The holder before us may have removed the file while we
                # waited; then this lock guards nothing any more.
                if os.path.samestat(os.fstat(lock.fileno()), os.stat(path)):
                    return lock
            except OSError:
                pass
            lock.close()
        if not retry:
            return None


def unlockfile(lf):
    """Release a lock from `lockfile` and remove its file."""
    try:
        # Only with nobody else holding a shared lock may the file go.
        fcntl.flock(lf, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(lf.name)
    except OSError:
        pass
    fcntl.flock(lf, fcntl.LOCK_UN)
    lf.close()


@contextmanager
def fileslocked(files, *args, **kwargs):
    """Hold the locks of several files; further arguments as for `lockfile`."""
    held = []
    try:
        for path in files or ():
            lock = bb.utils.lockfile(path, *args, **kwargs)
            if lock is not None:
                held.append(lock)
        yield
    finally:
        for lock in reversed(held):
            bb.utils.unlockfile(lock)


@contextmanager
def _acquired(lock, seconds):
    """Try for `seconds` to get a thread lock, signals blocked meanwhile."""
    import signal

    # A handler that runs while the lock is held could want the same lock.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    held = False
    try:
        held = lock.acquire(timeout=seconds)
        yield held
    finally:
        if held:
            lock.release()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def lock_timeout(lock):
    """Hold a thread lock; ends the process if it can't be had within five minutes.

    A thread that died with the lock would otherwise hang everybody forever.
    """
    with _acquired(lock, 5 * 60) as held:
        if not held:
            import traceback
            logger.critical("Couldn't get the lock for 5 mins, timed out, exiting.\n%s",
                            "".join(traceback.format_stack()))
            os._exit(1)
        yield held


@contextmanager
def lock_timeout_nocheck(lock):
    """Try for ten seconds to hold a thread lock; the value says whether it worked."""
    with _acquired(lock, 10) as held:
        yield held
