# SPDX-License-Identifier: Apache-2.0
"""The ext4 file system of a root: the same bytes everywhere, and made by anybody.

mke2fs -d would take files in the order in which the host's file system lists them and needs to own them; so an empty file system is
filled by debugfs, in the order of names.
"""

import os
import shutil
import stat
import tarfile

import bb

from . import iso

TOOLS = ("mke2fs", "debugfs", "e2fsck")
KINDS = {tarfile.CHRTYPE: (stat.S_IFCHR, "c"), tarfile.BLKTYPE: (stat.S_IFBLK, "b"), tarfile.FIFOTYPE: (stat.S_IFIFO, "p")}


def check_tools():
    """Name what is missing."""
    if not all(map(shutil.which, TOOLS)):
        bb.fatal("Programs for disk images are missing: apt-get install --no-install-recommends e2fsprogs")


def _quoted(path):
    # How debugfs reads its lines; a line end in a name it could not read at all.
    if "\n" in path:
        bb.fatal("The root has a file whose name has a line end: %r" % path)
    return '"/%s"' % path.replace('"', '""')


class _Script:
    """debugfs's commands, and the files that they read."""

    def __init__(self, work):
        self.folder = os.path.join(work, "ext4-files")
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.lines, self.count, self.at = [], 0, None

    def keep(self, source):
        """A file with the bytes of `source`; its path."""
        self.count += 1
        path = os.path.join(self.folder, str(self.count))
        with open(path, "wb") as file:
            if isinstance(source, bytes):
                file.write(source)
            else:
                shutil.copyfileobj(source, file, 1 << 20)
        return path

    def put(self, command, path):
        """A command that takes the name of something new: it puts it where debugfs is."""
        folder, _, name = path.rpartition("/")
        if folder != self.at:
            self.lines.append("cd %s" % _quoted(folder))
            self.at = folder
        self.lines.append(command % _quoted(name).replace('"/', '"', 1))

    def attributes(self, path, mode, uid, gid, mtime):
        """Set what the file system notes of a file."""
        name = _quoted(path)
        self.lines += ["sif %s %s %s" % (name, field, value) for field, value in (
            ("mode", "0%o" % mode), ("uid", uid), ("gid", gid), ("mtime", "@%d" % mtime))]


def _add(script, member, name, archive, epoch, links):
    mtime = min(int(member.mtime), epoch)
    if member.islnk():
        target = os.path.normpath(member.linkname).lstrip("/")
        links[target] = links.get(target, 1) + 1
        script.put("ln %s %%s" % _quoted(target).replace("%", "%%"), name)
        return
    if member.isdir():
        mode = stat.S_IFDIR
        script.put("mkdir %s", name)
    elif member.issym():
        mode = stat.S_IFLNK
        script.put("symlink %%s \"%s\"" % member.linkname.replace('"', '""').replace("%", "%%"), name)
    elif member.isreg():
        mode = stat.S_IFREG
        script.put("write %s %%s" % script.keep(archive.extractfile(member)), name)
    else:
        mode, letter = KINDS[member.type]
        numbers = " %d %d" % (member.devmajor, member.devminor) if letter != "p" else ""
        script.put("mknod %%s %s%s" % (letter, numbers), name)
    script.attributes(name, mode | (0o777 if member.issym() else member.mode), member.uid, member.gid, mtime)
    for key, value in sorted(member.pax_headers.items()):
        if key.startswith("SCHILY.xattr."):
            value = script.keep(value.encode("utf-8", "surrogateescape"))
            script.lines.append("ea_set -f %s %s %s" % (value, _quoted(name), key.removeprefix("SCHILY.xattr.")))


def make(work, root_tar, image, uuid, hash_seed, epoch, mib, more=None):
    """Make the file system with `mib` MiB. `more` are files to add or to replace: bytes, by path."""
    check_tools()
    more, links = dict(more or {}), {}
    script = _Script(work)
    environment = dict(os.environ, E2FSPROGS_FAKE_TIME=str(epoch), SOURCE_DATE_EPOCH=str(epoch))
    with open(image, "wb") as file:
        file.truncate(mib << 20)
    iso.run(["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-L", "root", "-U", uuid, "-E",
             "root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,hash_seed=" + hash_seed, image], env=environment)
    with tarfile.open(root_tar, "r:") as archive:
        members = {os.path.normpath(member.name).lstrip("/"): member for member in archive.getmembers()}
        # A link can only be made to what is there.
        for name in sorted(members, key=lambda name: (members[name].islnk(), name)):
            member = members[name]
            if name == ".":
                script.attributes("", stat.S_IFDIR | member.mode, member.uid, member.gid, min(int(member.mtime), epoch))
            elif name not in more:
                _add(script, member, name, archive, epoch, links)
    folders = set(members)
    for name in sorted(more):
        parts = name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            parent = "/".join(parts[:depth])
            if parent not in folders:
                folders.add(parent)
                script.put("mkdir %s", parent)
                script.attributes(parent, stat.S_IFDIR | 0o755, 0, 0, epoch)
        script.put("write %s %%s" % script.keep(more[name]), name)
        script.attributes(name, stat.S_IFREG | 0o644, 0, 0, epoch)
    for name, count in sorted(links.items()):
        script.lines.append("sif %s links_count %d" % (_quoted(name), count))
    commands = os.path.join(work, "ext4.debugfs")
    with open(commands, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(line + "\n" for line in script.lines)
    said = iso.run(["debugfs", "-w", "-f", commands, image], env=environment)
    # It goes on after an error, and ends well; what it echoes begins with its name.
    wrong = [line for line in said.splitlines() if line.strip() and not line.startswith(("debugfs", "Allocated inode:"))]
    if wrong:
        bb.fatal("debugfs could not fill the file system; it says: %s" % "; ".join(wrong[:5]))
    iso.run(["e2fsck", "-f", "-n", image], env=environment)
    shutil.rmtree(script.folder)
