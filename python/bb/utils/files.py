"""Files and directories: make, find, copy, move, remove."""

import errno
import logging
import os
import stat
from contextlib import contextmanager

import bb

logger = logging.getLogger("BitBake.Util")


def mkdirhier(directory):
    """Make a directory and its parents; nothing happens if it exists."""
    if "${" in str(directory):
        bb.fatal("Directory name {} contains unexpanded bitbake variable. This may cause build failures"
                 " and WORKDIR polution.".format(directory))
    try:
        os.makedirs(directory)
    except FileExistsError:
        if os.path.isdir(directory):
            return
        # On NFS somebody else may just have made it, with our attribute cache
        # not knowing yet; listing the parent refreshes the cache.
        os.listdir(os.path.dirname(directory) or ".")
        if os.path.isdir(directory):
            return
        bb.warn("mkdir: %s is not a directory?" % directory)
        raise


def _check_unsafe_delete_path(path):
    """Whether removing `path` recursively is surely a mistake: /, /home, a home directory."""
    path = os.path.abspath(path)
    home = os.environ.get("HOME")
    return (path in ("/", "//", "/home") or os.path.dirname(path) == "/home"
            or bool(home) and path == os.path.abspath(home))


def remove(path, recurse=False, ionice=False):
    """Remove what a glob pattern matches: files, or whole trees with `recurse`.

    Nothing matching is no error. `ionice` gives the removal of trees idle
    disk priority. Raises OSError, or for trees CalledProcessError.
    """
    import glob

    if not path:
        return
    names = glob.glob(path)
    if not recurse:
        for name in names:
            try:
                os.unlink(name)
            except FileNotFoundError:
                pass
        return
    for name in names:
        if _check_unsafe_delete_path(name):
            raise Exception('bb.utils.remove: called with dangerous path "%s" and recurse=True,'
                            ' refusing to delete!' % name)
    if names:
        import subprocess
        # rm is several times faster than shutil.rmtree on big trees.
        nice = ["ionice", "-c", "3"] if ionice else []
        subprocess.check_call(nice + ["rm", "-rf"] + names)


def prunedir(topdir, ionice=False):
    """Remove a directory and everything below it."""
    if _check_unsafe_delete_path(topdir):
        raise Exception('bb.utils.prunedir: called with dangerous path "%s", refusing to delete!' % topdir)
    bb.utils.remove(topdir, recurse=True, ionice=ionice)


def rename(src, dst):
    """os.rename that also works from one file system to another."""
    try:
        os.rename(src, dst)
    except OSError as exc:
        if exc.errno != errno.EXDEV:
            raise
        import shutil
        shutil.move(src, dst)


def _lstat_or_none(path):
    try:
        return os.lstat(path)
    except OSError:
        return None


def _clear_target(dest):
    """Remove a symbolic link at `dest`; returns the lstat of what is there after that."""
    there = _lstat_or_none(dest)
    if there and stat.S_ISLNK(there.st_mode):
        try:
            os.unlink(dest)
        except OSError:
            return there
        return None
    if there is None:
        os.lstat(os.path.dirname(dest) or ".")
    return there


def _copy_link(src, dest, there):
    """Make `dest` a symbolic link like `src`."""
    target = os.readlink(src)
    if there and not stat.S_ISDIR(there.st_mode):
        os.unlink(dest)
    os.symlink(target, dest)


def _copy_content(src, dest):
    """Copy a regular file so that `dest` is never seen half-written."""
    import shutil
    partial = dest + "#new"
    shutil.copyfile(src, partial)
    bb.utils.rename(partial, dest)


def _run_tool(tool, src, dest):
    """Let a program of the system handle a device, pipe or socket."""
    import subprocess
    result = subprocess.run([tool, "-f", src, dest], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            universal_newlines=True)
    if result.returncode:
        raise OSError(result.stdout.strip())


def _copy_owner_and_mode(path, like):
    os.lchown(path, like.st_uid, like.st_gid)
    # Changing the owner clears special bits, so the mode comes second.
    os.chmod(path, stat.S_IMODE(like.st_mode))


def _set_times(path, newmtime, like):
    """Give `path` a modification time; without `newmtime` the times of `like`. Returns the time."""
    if newmtime:
        os.utime(path, (newmtime, newmtime))
        return newmtime
    os.utime(path, (like[stat.ST_ATIME], like[stat.ST_MTIME]))
    return like[stat.ST_MTIME]


def movefile(src, dest, newmtime=None, sstat=None):
    """Move a file with its owner, mode and time, also across file systems.

    `newmtime` (seconds) replaces its time, `sstat` the attributes taken from
    `src`. Returns the time set (for a symbolic link its lstat), or None after
    logging a warning.
    """
    try:
        sstat = sstat or os.lstat(src)
    except OSError as exc:
        logger.warning("movefile: stat of %s failed (%s)" % (src, exc))
        return None
    there = _clear_target(dest)
    try:
        if stat.S_ISLNK(sstat.st_mode):
            _copy_link(src, dest, there)
            os.unlink(src)
            return os.lstat(dest)
        target = os.path.join(dest, os.path.basename(src)) if os.path.isdir(dest) else dest
        try:
            os.rename(src, target)
        except OSError as exc:
            if exc.errno != errno.EXDEV:
                raise
            if stat.S_ISREG(sstat.st_mode):
                _copy_content(src, target)
                _copy_owner_and_mode(target, sstat)
                os.unlink(src)
            else:
                _run_tool("mv", src, dest)
    except OSError as exc:
        logger.warning("movefile: moving %s to %s failed (%s)" % (src, dest, exc))
        return None
    return _set_times(target, newmtime, sstat)


def copyfile(src, dest, newmtime=None, sstat=None):
    """Copy a file with its owner, mode and time.

    Arguments as for `movefile`. Returns the time set (for a symbolic link its
    lstat), or False after logging a warning.
    """
    try:
        sstat = sstat or os.lstat(src)
    except OSError as exc:
        logger.warning("copyfile: stat of %s failed (%s)" % (src, exc))
        return False
    there = _clear_target(dest)
    try:
        if stat.S_ISLNK(sstat.st_mode):
            _copy_link(src, dest, there)
            os.lchown(dest, sstat.st_uid, sstat.st_gid)
            return os.lstat(dest)
        if stat.S_ISREG(sstat.st_mode):
            with _readable(src, sstat):
                _copy_content(src, dest)
        else:
            _run_tool("cp", src, dest)
    except OSError as exc:
        logger.warning("copyfile: copy %s to %s failed (%s)" % (src, dest, exc))
        return False
    try:
        _copy_owner_and_mode(dest, sstat)
    except OSError as exc:
        logger.warning("copyfile: failed to chown/chmod %s (%s)" % (dest, exc))
        return False
    return _set_times(dest, newmtime, sstat)


@contextmanager
def _readable(path, status):
    """Make sure for a while that we can read one of our files."""
    if os.access(path, os.R_OK):
        yield
        return
    os.chmod(path, stat.S_IMODE(status.st_mode) | stat.S_IRUSR)
    try:
        yield
    finally:
        os.chmod(path, stat.S_IMODE(status.st_mode))
        _set_times(path, None, status)


def break_hardlinks(src, sstat=None):
    """Make `src` a file of its own if it shares its data with other names.

    Returns something true on success, False on failure.
    """
    try:
        sstat = sstat or os.lstat(src)
    except OSError as exc:
        logger.warning("break_hardlinks: stat of %s failed (%s)" % (src, exc))
        return False
    return True if sstat.st_nlink == 1 else copyfile(src, src, sstat=sstat)


def _is_program(path):
    return os.path.isfile(path) and os.access(path, os.X_OK)


def which(path, item, direction=0, history=False, executable=False):
    """Find `item` in a colon-separated list of directories; "" if it isn't there.

    A `direction` other than 0 searches from the end. `history` also returns
    the list of the paths that were tried. `executable` accepts programs only.
    """
    directories = (path or "").split(":")
    if direction:
        directories.reverse()
    found = _is_program if executable else os.path.exists
    tried = []
    result = ""
    for directory in directories:
        candidate = os.path.join(directory, item)
        tried.append(candidate)
        if found(candidate):
            result = candidate if os.path.isabs(candidate) else os.path.abspath(candidate)
            break
    return (result, tried) if history else result


@contextmanager
def umask(new_mask):
    """Set the umask for the length of a `with` block."""
    before = os.umask(new_mask)
    try:
        yield
    finally:
        os.umask(before)


def mkstemp(suffix=None, prefix=None, dir=None, text=False):
    """tempfile.mkstemp with a longer random part in the name.

    On a network file system shared by many builders the usual eight
    characters can collide.
    """
    import random
    import string
    import tempfile

    noise = "".join(random.choices(string.ascii_letters + string.digits, k=20))
    return tempfile.mkstemp(suffix=suffix, prefix=(prefix or tempfile.gettempprefix()) + noise, dir=dir, text=text)


def path_is_descendant(descendant, ancestor):
    """Whether a path is another one or lies below it, links and bind mounts followed.

    Raises OSError if a path can't be examined.
    """
    top = os.stat(ancestor)
    path = os.path.abspath(descendant).rstrip("/")
    while path:
        if os.path.samestat(os.stat(path), top):
            return True
        path = os.path.dirname(path).rstrip("/")
    return False


def is_path_on_nfs(path):
    """Whether a path, or what exists of it, is on an NFS mount."""
    if os.path.isabs(path):
        while not os.path.exists(path):
            path = os.path.dirname(path)
    import bb.process
    kind, _ = bb.process.run(["stat", "-f", "-c", "%T", path])
    return kind.strip() == "nfs"
