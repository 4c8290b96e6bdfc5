"""p4:// - files of a Perforce depot, with the p4 command.

Parameters: module, remotepath=keep. The server is P4PORT, or what P4CONFIG
says. The files are kept as a tarball.
"""

import logging
import os
import shlex

import bb
from bb.fetch2 import FetchError, FetchMethod, check_network_access, runfetchcmd
from bb.progress import BasicProgressHandler

logger = logging.getLogger("BitBake.Fetcher")


class PerforceProgressHandler(BasicProgressHandler):
    """Counts files: each makes p4 print once."""

    def __init__(self, d, num_files):
        self._total = num_files
        self._count = 0
        super().__init__(d)
        self._fire_progress(-1)

    def write(self, string):
        self._count += 1
        self.update(min(100, 100 * self._count // self._total))
        super().write(string)


class Perforce(FetchMethod):
    """Downloads the files of a depot path."""

    def supports(self, ud, d):
        return ud.type == "p4"

    def supports_srcrev(self):
        return True

    def urldata_init(self, ud, d):
        ud.basecmd = shlex.split(d.getVar("FETCHCMD_p4") or "p4")
        ud.dldir = d.getVar("P4DIR") or d.getVar("DL_DIR") + "/p4"
        # A depot path takes the place of host and path.
        place = ud.url.partition("://")[2].partition(";")[0]
        login, at, path = place.partition("@")
        if at:
            ud.user, _, ud.pswd = login.partition(":")
        ud.path = path if at else place

        port = d.getVar("P4PORT")
        ud.usingp4config = not port
        ud.host = port or self._server(ud, d)

        ud.module = ud.parm.get("module")
        ud.keepremotepath = ud.parm.get("remotepath") == "keep"
        ud.pathisdir = "/..." in ud.path
        if ud.pathisdir and ud.module:
            raise FetchError("SRC_URI depot path cannot not end in /... when a module value is given")

        def file_name(text):
            return text.replace("/...", "").replace("/", ".")

        host, path, module = ud.host.replace(":", "."), file_name(ud.path), ""
        if ud.module:
            if ud.module.startswith("/"):
                raise FetchError("module cannot begin with /")
            ud.path = os.path.join(ud.path, ud.module)
            module = file_name(ud.module)
            path += "--" + module
        ud.pkgdir = os.path.join(ud.dldir, host, path)
        ud.setup_revisions(d)
        ud.localfile = d.expand("%s_%s_%s_%s.tar.gz" % (host, path, module, ud.revision))

    @staticmethod
    def _server(ud, d):
        """The server that P4CONFIG names."""
        command = ud.basecmd + ["info"]
        check_network_access(d, command, ud.url)
        for line in runfetchcmd(command, d, True).splitlines():
            if "Server address" in line:
                server = line.partition(": ")[2].strip()
                logger.debug("Determined P4PORT to be: %s" % server)
                return server
        raise FetchError("Could not determine P4PORT from P4CONFIG")

    def _run(self, ud, d, arguments, **options):
        """Run p4 with the options for server and user."""
        command = list(ud.basecmd)
        if ud.user:
            command += ["-u", ud.user]
        if ud.pswd:
            command += ["-P", ud.pswd]
        if ud.host and not ud.usingp4config:
            command += ["-p", ud.host]
        command += arguments
        check_network_access(d, command, ud.url)
        return runfetchcmd(command, d, True, **options)

    @staticmethod
    def _depot_path(ud):
        revision = getattr(ud, "revision", None)
        return "//%s@%s" % (ud.path, revision) if revision else "//" + ud.path

    @staticmethod
    def _local_name(ud, depot_file):
        """Where a file of the depot goes below the tarball's top."""
        path = depot_file.partition("#")[0]
        if ud.keepremotepath:
            return path.lstrip("/")
        if ud.module:
            module = ud.module[:-len("/...")] if ud.module.endswith("/...") else ud.module
            return path[path.rfind(module):]
        if ud.pathisdir:
            return path[len(ud.path) - 1:]
        return path[path.rfind("/"):]

    def _list_files(self, ud, d):
        """The files there are, each with `#` and its revision."""
        lines = self._run(ud, d, ["files", self._depot_path(ud)]).splitlines()
        if not lines:
            raise FetchError("Unable to fetch listing of p4 files from %s@%s" % (ud.host, ud.path))
        files = []
        for line in lines:
            # `//depot/file#3 - edit change 123 (text)`
            name, _, action = line.rstrip().partition(" - ")
            if not action.startswith("delete"):
                files.append(name)
        if not files:
            raise FetchError("No files found in depot %s@%s" % (ud.host, ud.path))
        return files

    def download(self, ud, d):
        """Get every file, then pack them up."""
        files = self._list_files(ud, d)
        bb.utils.remove(ud.pkgdir, True)
        bb.utils.mkdirhier(ud.pkgdir)
        progress = PerforceProgressHandler(d, len(files))
        for name in files:
            self._run(ud, d, ["print", "-o", "p4/%s" % self._local_name(ud, name), name], workdir=ud.pkgdir,
                      log=progress)
        runfetchcmd(["tar", "-czf", ud.localpath, "p4"], d, cleanup=[ud.localpath], workdir=ud.pkgdir)

    def clean(self, ud, d):
        bb.utils.remove(ud.localpath)
        bb.utils.remove(ud.pkgdir, True)

    def _revision_key(self, ud, d, name):
        return "p4:%s" % ud.pkgdir

    def _latest_revision(self, ud, d, name):
        """The number of the newest change."""
        answer = self._run(ud, d, ["changes", "-m", "1", self._depot_path(ud)])
        if not answer:
            raise FetchError("Could not determine the latest perforce changelist")
        # `Change 123 on 2024/01/31 by …`
        return answer.split(" ")[1]

    def sortable_revision(self, ud, d, name):
        # Numbers sort by themselves.
        return False, ud.revision
