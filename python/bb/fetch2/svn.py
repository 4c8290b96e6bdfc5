"""svn:// - Subversion repositories, with the svn command.

Parameters: module (needed), protocol, path_spec, rev, externals, scmdata,
transportuser, ssh, nopegrevision. Downloads are kept as tarballs.
"""

import logging
import os
import re
import shlex

import bb
from bb.fetch2 import FetchError, FetchMethod, MissingParameterError, check_network_access, runfetchcmd

logger = logging.getLogger("BitBake.Fetcher")


class Svn(FetchMethod):
    """Checks out a module of a repository."""

    def supports(self, ud, d):
        return ud.type == "svn"

    def supports_checksum(self, urldata):
        return False

    def supports_srcrev(self):
        return True

    def urldata_init(self, ud, d):
        if "module" not in ud.parm:
            raise MissingParameterError("module", ud.url)
        ud.module = ud.parm["module"]
        ud.path_spec = ud.parm.get("path_spec", ud.module)
        ud.basecmd = shlex.split(d.getVar("FETCHCMD_svn") or "svn --non-interactive")
        checkouts = d.getVar("SVNDIR") or d.getVar("DL_DIR") + "/svn"
        ud.pkgdir = os.path.join(checkouts, ud.host, self._strip_leading_slashes(ud.path))
        ud.moddir = os.path.join(ud.pkgdir, ud.path_spec)
        # Two recipes may want different revisions in the same directory.
        ud.svnlock = os.path.join(ud.pkgdir, "svn.lock")
        ud.setup_revisions(d)
        ud.revision = ud.parm.get("rev", ud.revision)
        ud.pegrevision = "nopegrevision" not in ud.parm
        ud.localfile = d.expand("%s_%s_%s_%s_%d.tar.gz" % (ud.module.replace("/", "."), ud.host,
                                                           ud.path.replace("/", "."), ud.revision, ud.pegrevision))

    def _command(self, ud, verb):
        """(command, its environment) for `co`, `update` or `log`."""
        protocol = ud.parm.get("protocol", "svn")
        env = {"SVN_SSH": ud.parm["ssh"]} if protocol == "svn+ssh" and "ssh" in ud.parm else {}
        place = "%s%s/%s" % (ud.host, ud.path, ud.module)
        command = ud.basecmd + [verb, "--no-auth-cache"]
        if ud.user:
            command += ["--username", ud.user]
        if ud.pswd:
            command += ["--password", ud.pswd]
        if verb == "log":
            return command + ["--limit", "1", "--quiet", "%s://%s/" % (protocol, place)], env
        if ud.parm.get("externals") != "allowed":
            command.append("--ignore-externals")
        peg = ""
        if ud.revision:
            command += ["-r", ud.revision]
            peg = "@" + ud.revision if ud.pegrevision else ""
        if verb == "co":
            command += ["%s://%s%s%s" % (protocol, ud.parm.get("transportuser", ""), place, peg), ud.path_spec]
        return command, env

    def download(self, ud, d):
        """Check out or update, then pack up the files."""
        with bb.utils.fileslocked([ud.svnlock]):
            if os.access(os.path.join(ud.moddir, ".svn"), os.R_OK):
                verb, directory = "update", ud.moddir
                logger.info("Update " + ud.url)
                try:
                    # The checkout may be older than our svn.
                    runfetchcmd(ud.basecmd + ["upgrade"], d, workdir=ud.moddir)
                except FetchError:
                    pass
            else:
                verb, directory = "co", ud.pkgdir
                logger.info("Fetch " + ud.url)
                bb.utils.mkdirhier(ud.pkgdir)
            command, env = self._command(ud, verb)
            check_network_access(d, command, ud.url)
            runfetchcmd(command, d, workdir=directory, extraenv=env)
            if ud.parm.get("externals") != "nowarn":
                self._report_externals(ud, d, "--ignore-externals" in command)
            flags = [] if ud.parm.get("scmdata") == "keep" else ["--exclude=.svn"]
            runfetchcmd(["tar"] + flags + ["-czf", ud.localpath, ud.path_spec], d, cleanup=[ud.localpath],
                        workdir=ud.pkgdir)

    def _report_externals(self, ud, d, ignored):
        """Tell that a module wants parts of other repositories."""
        try:
            externals = runfetchcmd(ud.basecmd[:1] + ["propget", "svn:externals"], d, workdir=ud.moddir)
        except FetchError:
            return
        if not externals:
            return
        if not ignored:
            bb.debug(1, "svn repository has externals:\n%s" % externals)
            return
        bb.warn("%s contains svn:externals." % ud.url)
        bb.warn("These should be added to the recipe SRC_URI as necessary.")
        bb.warn("svn fetch has ignored externals:\n%s" % externals)
        bb.warn("To disable this warning add ';externals=nowarn' to the url.")

    def clean(self, ud, d):
        bb.utils.remove(ud.localpath)
        bb.utils.remove(ud.moddir, True)

    def _revision_key(self, ud, d, name):
        return "svn:" + ud.moddir

    def _latest_revision(self, ud, d, name):
        """The number of the newest revision."""
        command, env = self._command(ud, "log")
        check_network_access(d, command, ud.url)
        output = runfetchcmd(command, d, True, extraenv={**env, "LANG": "C", "LC_ALL": "C"})
        # A line of dashes, then `r123 | author | date`.
        match = re.search("^r([0-9]+)", output, re.MULTILINE)
        if not match:
            raise FetchError("The command %s gave unexpected output: %s" % (command, output), ud.url)
        return match.group(1)

    def sortable_revision(self, ud, d, name):
        # Numbers sort by themselves.
        return False, ud.revision
