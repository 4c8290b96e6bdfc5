"""hg:// - Mercurial repositories, with the hg command.

Parameters: module (needed), protocol, rev, destsuffix, scmdata. A clone is
kept in DL_DIR/hg.
"""

import logging
import os
import shlex

import bb
from bb.fetch2 import FetchError, FetchMethod, MissingParameterError, check_network_access, runfetchcmd

logger = logging.getLogger("BitBake.Fetcher")


class Hg(FetchMethod):
    """Clones repositories."""

    def supports(self, ud, d):
        return ud.type == "hg"

    def supports_checksum(self, urldata):
        return False

    def supports_srcrev(self):
        return True

    def urldata_init(self, ud, d):
        if "module" not in ud.parm:
            raise MissingParameterError("module", ud.url)
        ud.module = ud.parm["module"]
        ud.proto = ud.parm.get("protocol") or ("hg" if ud.host else "file")
        name = "%s_%s_%s" % (ud.module.replace("/", "."), ud.host, ud.path.replace("/", "."))
        downloads = d.getVar("DL_DIR")
        tarball = "hg_%s.tar.gz" % name
        ud.fullmirror = os.path.join(downloads, tarball)
        ud.mirrortarballs = [tarball]
        ud.pkgdir = os.path.join(d.getVar("HGDIR") or downloads + "/hg", name)
        ud.localfile = ud.moddir = os.path.join(ud.pkgdir, ud.module)
        ud.basecmd = shlex.split(d.getVar("FETCHCMD_hg") or "hg")
        ud.setup_revisions(d)
        if "rev" in ud.parm:
            ud.revision = ud.parm["rev"]
        elif not ud.revision:
            ud.revision = self.latest_revision(ud, d, ud.name)
        ud.write_tarballs = d.getVar("BB_GENERATE_MIRROR_TARBALLS")

    def localpath(self, ud, d):
        return ud.pkgdir

    def need_update(self, ud, d):
        return ud.parm.get("rev", "tip") == "tip" or not os.path.exists(ud.localpath)

    def try_premirror(self, ud, d):
        return (bb.utils.to_boolean(d.getVar("BB_FETCH_PREMIRRORONLY"))
                or not os.path.exists(ud.moddir))

    @staticmethod
    def _repository(ud):
        """The URL for hg."""
        protocol = ud.parm.get("protocol", "http")
        host = "/" if protocol == "file" else ud.host
        login = ""
        if ud.user:
            login = "%s:%s@" % (ud.user, ud.pswd) if ud.pswd else ud.user + "@"
        return "%s://%s%s%s/%s" % (protocol, login, host, ud.path, ud.module)

    @staticmethod
    def _login(ud):
        """Options with user and password."""
        if not (ud.user and ud.pswd):
            return []
        settings = {"prefix": "*", "username": ud.user, "password": ud.pswd, "schemes": ud.proto}
        options = []
        for key, value in settings.items():
            options += ["--config", "auth.default.%s=%s" % (key, value)]
        return options

    def _update(self, ud, d):
        """Check out the wanted revision in the clone."""
        revision = ["-r", ud.revision] if ud.revision else []
        runfetchcmd(ud.basecmd + self._login(ud) + ["update", "-C"] + revision, d, workdir=ud.moddir)

    def download(self, ud, d):
        """Bring the clone up to date, from the mirror tarball or from upstream."""
        if not os.path.exists(ud.pkgdir) and os.path.exists(ud.fullmirror):
            bb.utils.mkdirhier(ud.pkgdir)
            runfetchcmd(["tar", "-xzf", ud.fullmirror], d, workdir=ud.pkgdir)
        if os.access(os.path.join(ud.moddir, ".hg"), os.R_OK):
            try:
                self._update(ud, d)
                return
            except FetchError:
                # The whole repository: with a revision given, `update` would
                # not know tags that name it.
                pull = ud.basecmd + self._login(ud) + ["pull"]
                logger.info("Pulling " + ud.url)
                check_network_access(d, pull, ud.url)
                runfetchcmd(pull, d, workdir=ud.moddir)
                bb.utils.remove(ud.fullmirror)
        else:
            clone = ud.basecmd + self._login(ud) + ["clone", self._repository(ud), ud.module]
            logger.info("Fetch " + ud.url)
            bb.utils.mkdirhier(ud.pkgdir)
            check_network_access(d, clone, ud.url)
            runfetchcmd(clone, d, workdir=ud.pkgdir)
        self._update(ud, d)

    def build_mirror_data(self, ud, d):
        """Make the tarball for other people's mirrors, if wanted."""
        if ud.write_tarballs != "1" or os.path.exists(ud.fullmirror):
            return
        if os.path.islink(ud.fullmirror):
            os.unlink(ud.fullmirror)
        logger.info("Creating tarball of hg repository")
        runfetchcmd(["tar", "-czf", ud.fullmirror, ud.module], d, workdir=ud.pkgdir)
        open(ud.fullmirror + ".done", "a").close()

    def clean(self, ud, d):
        bb.utils.remove(ud.localpath, True)
        bb.utils.remove(ud.fullmirror)
        bb.utils.remove(ud.fullmirror + ".done")

    def unpack(self, ud, destdir, d):
        """Make a repository of the wanted revision, or with `scmdata=nokeep` only its files."""
        target = os.path.join(destdir, ud.parm.get("destsuffix", ud.module))
        ud.unpack_tracer.unpack("hg", target)
        if ud.parm.get("scmdata") == "nokeep":
            runfetchcmd(ud.basecmd + ["archive", "-t", "files", "-r", ud.revision, target], d, workdir=ud.moddir)
            return
        if not os.access(os.path.join(target, ".hg"), os.R_OK):
            runfetchcmd(ud.basecmd + ["init", target], d)
        runfetchcmd(ud.basecmd + self._login(ud) + ["pull", ud.moddir], d, workdir=target)
        runfetchcmd(ud.basecmd + self._login(ud) + ["up", "-C", "-r", ud.revision], d, workdir=target)

    def _revision_key(self, ud, d, name):
        return "hg:" + ud.moddir

    def _latest_revision(self, ud, d, name):
        """The tip."""
        command = ud.basecmd + ["identify", "-i", self._repository(ud)]
        check_network_access(d, command, ud.url)
        return runfetchcmd(command, d).strip()

    def _build_revision(self, ud, d, name):
        return ud.revision
