"""Unpacking a downloaded file by its suffix, or copying it."""

import os
import shlex
import subprocess

import bb
from bb._engine import engine
from bb.fetch2.errors import UnpackError

# Suffixes in the order they are tried: `.tar.gz` has to come before `.gz`.
# tar archives, with the option for their compression:
_TAR = {
    ".tar": [],
    ".tgz": ["-z"], ".tar.gz": ["-z"], ".tar.Z": ["-z"],
    ".tbz": ["-j"], ".tbz2": ["-j"], ".tar.bz2": ["-j"],
    ".txz": ["-J"], ".tar.xz": ["-J"],
    ".tar.lz": ["--lzip"],
}
# tar archives that another program decompresses:
_PIPED_TAR = {
    ".tar.7z": "7z x -so",
    ".tzst": "zstd --decompress --stdout", ".tar.zst": "zstd --decompress --stdout",
}
# Single compressed files:
_COMPRESSED = {
    ".gz": "gzip -dc", ".Z": "gzip -dc", ".z": "gzip -dc",
    ".bz2": "bzip2 -dc", ".xz": "xz -dc", ".lz": "lzip -dc",
    ".zst": "zstd --decompress --stdout",
}
# What the engine unpacks by itself.
_NATIVE = dict.fromkeys((
    ".tar", ".tgz", ".tar.gz", ".tbz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".tar.lz", ".tzst", ".tar.zst",
    ".gz", ".bz2", ".xz", ".lz", ".zst", ".zip", ".jar", ".rpm", ".srpm", ".deb", ".ipk"), True)
# What the member with the files of a .deb or .ipk may be called.
_DEB_DATA = tuple("data.tar" + suffix for suffix in ("", ".gz", ".xz", ".zst", ".bz2", ".lzma"))


def _by_suffix(path, table):
    return next((value for suffix, value in table.items() if path.endswith(suffix)), None)


def _flag(ud, name, default, path):
    """A boolean parameter of a URL."""
    try:
        return bb.utils.to_boolean(ud.parm.get(name), default)
    except ValueError:
        bb.fatal("Invalid value for '%s' parameter for %s: %s" % (name, path, ud.parm.get(name)))


class Unpacker:
    """Unpacks the download of one URL below a directory."""

    def __init__(self, ud, root, d):
        self.ud = ud
        self.root = root
        self.path = ud.localpath
        self.env = dict(os.environ)
        search = d.getVar("PATH")
        if search:
            self.env["PATH"] = search
        self.directory = self._directory()

    def _directory(self):
        """Where to unpack: the root, or `subdir` below it."""
        subdir = self.ud.parm.get("subdir")
        if subdir is None:
            return self.root
        if os.path.isabs(subdir):
            if not os.path.realpath(subdir).startswith(os.path.realpath(self.root)):
                raise UnpackError("subdir argument isn't a subdirectory of unpack root %s" % self.root, self.ud.url)
            directory = subdir
        else:
            directory = os.path.join(self.root, subdir)
        bb.utils.mkdirhier(directory)
        return directory

    def _run(self, command):
        status = subprocess.call(command, shell=isinstance(command, str), cwd=self.directory, env=self.env)
        if status != 0:
            raise UnpackError("Unpack command %s failed with return value %s" % (command, status), self.ud.url)

    def _tar(self):
        """The beginning of every tar command."""
        command = ["tar", "--extract", "--no-same-owner"]
        level = self.ud.parm.get("striplevel")
        if level is not None:
            if not level.isdigit():
                raise UnpackError("Invalid striplevel parameter: %s" % level, self.ud.url)
            command.append("--strip-components=%s" % level)
        return command

    def unpack(self):
        """Do it."""
        wanted = _flag(self.ud, "unpack", True, self.path)
        if wanted and not os.path.isdir(self.path) and self._unpack_natively():
            return
        if wanted and self.path.endswith((".deb", ".ipk")):
            self._unpack_deb()
            return
        command = self._extract_command() if wanted else None
        kind = "archive-extract" if command else "file-copy"
        self.ud.unpack_tracer.unpack(kind, self.directory)
        command = command or self._copy_command()
        if command:
            self._announce()
            self._run(command)

    def _unpack_natively(self):
        """Let the engine unpack the file; whether it was an archive that the engine knows."""
        if _by_suffix(self.path, _NATIVE) is None:
            return False
        level = self.ud.parm.get("striplevel", "0")
        if not level.isdigit():
            raise UnpackError("Invalid striplevel parameter: %s" % level, self.ud.url)
        self.ud.unpack_tracer.unpack("archive-extract", self.directory)
        self._announce()
        how = (int(level), _flag(self.ud, "dos", False, self.path), self.ud.parm.get("extract"))
        try:
            engine.unpack_file(self.path, self.directory, self.root, how, self.env.get("PATH", ""))
        except UnpackError as exc:
            raise UnpackError(exc.args[0], self.ud.url) from None
        return True

    def _announce(self):
        bb.note("Unpacking %s to %s/" % (self.path, self.directory))

    def inner_archive(self):
        """The member of a package that is to be unpacked in turn, or None."""
        member = self.ud.parm.get("extract")
        if member and self.path.endswith((".rpm", ".srpm")) and _flag(self.ud, "unpack", True, self.path):
            return os.path.join(self.root, member)
        return None

    def _extract_command(self):
        """The command that unpacks the file; None if it is no archive."""
        tar = self._tar()
        quoted = shlex.quote(self.path)
        option = _by_suffix(self.path, _TAR)
        if option is not None:
            return tar + option + ["-f", self.path]
        decompress = _by_suffix(self.path, _PIPED_TAR)
        if decompress:
            return "%s %s | %s -f -" % (decompress, quoted, shlex.join(tar))
        decompress = _by_suffix(self.path, _COMPRESSED)
        if decompress:
            # Single files go to the root even if there is a `subdir`.
            name = os.path.basename(os.path.splitext(self.path)[0])
            return "%s %s > %s" % (decompress, quoted, shlex.quote(os.path.join(self.root, name)))
        if self.path.endswith(".7z"):
            return "7za x -y %s 1>/dev/null" % quoted
        if self.path.endswith((".zip", ".jar")):
            text = ["-a"] if _flag(self.ud, "dos", False, self.path) else []
            return ["unzip", "-q", "-o"] + text + [self.path]
        if self.path.endswith((".rpm", ".srpm")):
            member = self.ud.parm.get("extract")
            return "rpm2cpio.sh %s | cpio --no-absolute-filenames -id%s" % (
                quoted, " " + shlex.quote(member) if member else "")
        return None

    def _unpack_deb(self):
        """Unpack the data archive inside a Debian package."""
        members = subprocess.check_output(["ar", "-t", self.path], env=self.env).decode().splitlines()
        if not members:
            raise UnpackError("Unable to unpack deb/ipk package - could not list contents", self.ud.url)
        data = next((member for member in members if member in _DEB_DATA), None)
        if data is None:
            raise UnpackError("Unable to unpack deb/ipk package - does not contain supported data.tar* file",
                              self.ud.url)
        self._announce()
        self.ud.unpack_tracer.unpack("archive-extract", self.directory)
        self._run(["ar", "x", self.path, data])
        self._run(self._tar() + ["-p", "-f", data])
        os.remove(os.path.join(self.directory, data))

    def _copy_command(self):
        """The command that copies the file; None if it is in place already."""
        target = os.path.join(self.directory, os.path.basename(self.path))
        if self.path == target or os.path.exists(target) and os.path.samefile(self.path, target):
            return None
        destination = "."
        if self.ud.type == "file":
            # A local file keeps the directories its URL has.
            parents = self.ud.path.strip("/").rpartition("/")[0]
            if parents:
                destination = parents + "/"
                bb.utils.mkdirhier(os.path.join(self.directory, destination))
        return ["cp", "--force", "--preserve=timestamps", "--no-dereference", "--recursive", "-H",
                self.path, destination]
