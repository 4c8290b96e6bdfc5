"""apt:// deb:// and any .dsc - packages of Debian archives, found in indexes that are signed.

    apt://NAME[=VERSION][/SUITE]      a source package, unpacked
    deb://NAME[=VERSION][/SUITE]      a binary package; its files
    https://HOST/PATH/NAME.dsc        a source package from anywhere

Archives: APT_SOURCES (the text of a sources.list or .sources file), else
those that apt on this host is configured for. Signatures count from keys of
the keyring that apt would use or of APT_KEYRINGS, and only from those in
APT_KEY_FINGERPRINTS if that is set. APT_ORIGIN and APT_LABELS tell which
archives are meant, by what their signed Release says.

A source package is unpacked to `subdir`, by default NAME-VERSION.
"""

import os
import shutil

import bb
from bb._engine import engine
from bb.fetch2 import FetchMethod
from bb.fetch2.errors import ParameterError, UnpackError
from bb.fetch2.native import Listener, settings
from bb.fetch2.wget import Wget


def link_to(found, path):
    """Make `path` a link to a file beside it."""
    # Relative, so that DL_DIR can be moved; in one step, so that nobody sees half of it.
    if os.path.basename(found) != os.path.basename(path):
        temporary = "%s.%d.tmp" % (path, os.getpid())
        bb.utils.remove(temporary)
        os.symlink(os.path.basename(found), temporary)
        os.rename(temporary, path)


def _unpack_source(ud, description, root, d):
    """Unpack a source package below `root`."""
    name, version = engine.dsc_info(description)[:2]
    upstream = version.partition(":")[2] or version
    subdir = ud.parm.get("subdir") or "%s-%s" % (name, upstream.rpartition("-")[0] or upstream)
    target = os.path.normpath(os.path.join(root, subdir))
    if os.path.commonpath([os.path.realpath(root), os.path.realpath(target)]) != os.path.realpath(root):
        raise UnpackError("subdir argument isn't a subdirectory of unpack root %s" % root, ud.url)
    ud.unpack_tracer.unpack("debian-source", target)
    bb.note("Unpacking %s to %s/" % (description, target))
    if os.path.realpath(target) != os.path.realpath(root) and os.path.isdir(target):
        shutil.rmtree(target)
    engine.unpack_dsc(description, target, d.getVar("PATH") or os.environ["PATH"])


class Apt(FetchMethod):
    """Fetches packages by name."""

    def supports(self, ud, d):
        return ud.type in ("apt", "deb")

    def recommends_checksum(self, ud):
        # The signed index has them.
        return False

    def supports_checksum(self, ud):
        return False

    def urldata_init(self, ud, d):
        self._place(ud, d)

    @staticmethod
    def _place(ud, d):
        package = ud.url.partition("://")[2].partition(";")[0].partition("/")
        name, _, version = package[0].partition("=")
        if not name:
            raise ParameterError("Must be %s://NAME[=VERSION][/SUITE]" % ud.type, ud.url)
        # Files of one package stay together; the link tells which of them was asked for.
        key = "_".join(part for part in (name, version.replace(":", "%3a"), package[2].replace("/", "-")) if part)
        ud.localfile = os.path.join(ud.type, key + (".dsc" if ud.type == "apt" else ".deb"))
        ud.basename = ud.localfile.replace("/", "_")

    @staticmethod
    def _settings(d):
        wanted = settings(d)
        wanted.update(
            sources=d.getVar("APT_SOURCES") or None,
            keyrings=(d.getVar("APT_KEYRINGS") or "").split(),
            fingerprints=(d.getVar("APT_KEY_FINGERPRINTS") or "").split(),
            origin=d.getVar("APT_ORIGIN") or "",
            labels=(d.getVar("APT_LABELS") or "").split(),
            architecture=d.getVar("DPKG_ARCH") or d.getVar("DISTRO_ARCH") or "",
        )
        return wanted

    def download(self, ud, d):
        directory = os.path.dirname(ud.localpath)
        bb.utils.mkdirhier(directory)
        url = ud.url.partition(";")[0]
        found = engine.fetch_package(url, directory, self._settings(d), Listener(d))
        link_to(found, ud.localpath)

    def unpack(self, ud, root, d):
        if ud.type == "apt":
            _unpack_source(ud, os.path.realpath(ud.localpath), root, d)
        else:
            super().unpack(ud, root, d)


class Dsc(Wget):
    """Fetches a .dsc and every file it lists, from the same directory."""

    def supports(self, ud, d):
        return ud.type in ("http", "https") and ud.path.endswith(".dsc")

    def need_update(self, ud, d):
        if super().need_update(ud, d):
            return True
        directory = os.path.dirname(ud.localpath)
        return not all(os.path.exists(os.path.join(directory, name)) for name in engine.dsc_info(ud.localpath)[3])

    def download(self, ud, d):
        super().download(ud, d)
        engine.fetch_dsc_files(ud.url.partition(";")[0], ud.localpath, settings(d), Listener(d))
        return True

    def unpack(self, ud, root, d):
        if bb.utils.to_boolean(ud.parm.get("unpack"), True):
            _unpack_source(ud, ud.localpath, root, d)
        else:
            super().unpack(ud, root, d)
