"""http:// https:// ftp:// ftps:// - single files, by the engine or with the wget command."""

import logging
import os
import re
import shlex

import bb
from bb.fetch2 import FetchError, FetchMethod, ParameterError, native, runfetchcmd
from bb.progress import LineFilterProgressHandler

logger = logging.getLogger("BitBake.Fetcher")


class WgetProgressHandler(LineFilterProgressHandler):
    """Reads the progress that `wget --progress=dot` prints, and keeps it out of the log."""

    # e.g. `  3000K .......... ..........  87% 2.31M 0s`
    _PROGRESS = re.compile(r"(\d+)%\s+([\d.]+[A-Z])")

    def __init__(self, d):
        super().__init__(d)
        self._fire_progress(0)

    def writeline(self, line):
        found = self._PROGRESS.findall(line)
        if not found:
            return True
        percent, rate = found[-1]
        self.update(int(percent), rate + "/s")
        return False


class Wget(FetchMethod):
    """Downloads files."""

    def supports(self, ud, d):
        return ud.type in ("http", "https", "ftp", "ftps")

    def recommends_checksum(self, urldata):
        return True

    def check_certs(self, d):
        """Whether servers have to prove who they are."""
        return (d.getVar("BB_CHECK_SSL_CERTS") or "1") != "0"

    def urldata_init(self, ud, d):
        if ud.parm.get("protocol") == "git":
            raise ParameterError("Invalid protocol - if you wish to fetch from a git repository using http, you"
                                 " need to instead use the git:// prefix with protocol=http", ud.url)
        ud.basename = ud.parm["downloadfilename"] if "downloadfilename" in ud.parm else os.path.basename(ud.path)
        ud.localfile = ud.basename or ud.host + ud.path.replace("/", ".")
        self.basecmd = self._base_command(ud, d)

    def _base_command(self, ud, d):
        command = shlex.split(d.getVar("FETCHCMD_wget") or "") or ["wget", "--tries=2", "--timeout=100"]
        if ud.type in ("ftp", "ftps"):
            command.append("--passive-ftp")
        if not self.check_certs(d):
            command.append("--no-check-certificate")
        return command

    def _runwget(self, ud, d, command, quiet, workdir=None):
        progress = WgetProgressHandler(d)
        logger.debug2("Fetching %s using command '%s'", ud.url, command)
        bb.fetch2.check_network_access(d, command, ud.url)
        runfetchcmd(command + ["--progress=dot", "--verbose"], d, quiet, log=progress, workdir=workdir)

    def download(self, ud, d):
        """Download to a temporary name; only a complete file with the right checksum gets its own."""
        directory = os.path.realpath(d.getVar("DL_DIR"))
        path = os.path.join(directory, ud.localfile)
        if native.can_fetch(ud, d):
            bb.fetch2.check_network_access(d, "the HTTP client", ud.url)
            bb.utils.mkdirhier(os.path.dirname(path))
            native.download(ud, d, path)
            return True

        partial = path + ".tmp"
        bb.utils.mkdirhier(os.path.dirname(partial))
        url = ud.url.partition(";")[0]

        command = self._base_command(ud, d) + ["--output-document=%s" % partial]
        if ud.user and ud.pswd:
            command.append("--auth-no-challenge")
            # Given as options they go to servers we are redirected to as well.
            if ud.parm.get("redirectauth", "1") == "1":
                command += ["--user=" + ud.user, "--password=" + ud.pswd]
        command += ["--continue", "--directory-prefix=" + directory, url]
        self._runwget(ud, d, command, False)

        if not os.path.exists(partial):
            raise FetchError("The fetch command returned success for url %s but %s doesn't exist?!" % (url, partial),
                             url)
        if os.path.getsize(partial) == 0:
            os.remove(partial)
            raise FetchError("The fetch of %s resulted in a zero size file?! Deleting and failing since this isn't"
                             " right." % url, url)
        # Before renaming: a recipe with a wrong checksum must not replace a
        # file that another recipe has right.
        bb.fetch2.verify_checksum(ud, d, localpath=partial, fatal_nochecksum=False)
        os.rename(partial, path)
        return True

    def checkstatus(self, fetch, ud, d, try_again=True):
        """Whether the server has the file."""
        from bb.fetch2.httpcheck import url_exists
        return url_exists(ud, d, fetch.connection_cache, self.check_certs(d), retry=try_again)

    def _fetch_index(self, uri, ud, d):
        """What a page contains; empty if it can't be had."""
        import tempfile
        with tempfile.TemporaryDirectory(prefix="wget-index-") as directory:
            page = os.path.join(directory, "listing")
            command = self._base_command(ud, d) + ["--output-document=%s" % page, uri]
            try:
                self._runwget(ud, d, command, True, workdir=directory)
                with open(page, "rb") as file:
                    return file.read()
            except (bb.fetch2.BBFetchException, FileNotFoundError):
                return b""

    def latest_versionstring(self, ud, d, filter_regex=None):
        """(version, "") of the newest file in the upstream directory."""
        from bb.fetch2.upstream import newest_version
        return newest_version(self, ud, d, filter_regex), ""
