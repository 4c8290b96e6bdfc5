"""repo:// - many git repositories listed in a manifest, with the repo command.

Parameters: manifest, branch, protocol, scmdata. The checkout is kept as a tarball.
"""

import logging
import os
import shlex

import bb
from bb.fetch2 import FetchMethod, check_network_access, runfetchcmd

logger = logging.getLogger("BitBake.Fetcher")


class Repo(FetchMethod):
    """Checks out what a manifest lists."""

    def supports(self, ud, d):
        return ud.type == "repo"

    def urldata_init(self, ud, d):
        ud.basecmd = shlex.split(d.getVar("FETCHCMD_repo") or "repo")
        ud.proto = ud.parm.get("protocol", "git")
        ud.branch = ud.parm.get("branch", "master")
        ud.manifest = ud.parm.get("manifest", "default.xml")
        if not ud.manifest.endswith(".xml"):
            ud.manifest += ".xml"
        ud.localfile = d.expand("repo_%s%s_%s_%s.tar.gz" % (ud.host, ud.path.replace("/", "."), ud.manifest,
                                                            ud.branch))

    def download(self, ud, d):
        """Check out everything and pack it up."""
        downloads = d.getVar("DL_DIR")
        if os.access(os.path.join(downloads, ud.localfile), os.R_OK):
            logger.debug("%s already exists (or was stashed). Skipping repo init / sync.", ud.localpath)
            return
        top = os.path.join(d.getVar("REPODIR") or downloads + "/repo", ud.host + ud.path.replace("/", "."),
                           ud.manifest)
        checkout = os.path.join(top, "repo")
        bb.utils.mkdirhier(checkout)
        commands = [ud.basecmd + ["sync"]]
        if not os.path.exists(os.path.join(checkout, ".repo")):
            url = "%s://%s%s%s" % (ud.proto, ud.user + "@" if ud.user else "", ud.host, ud.path)
            commands.insert(0, ud.basecmd + ["init", "-m", ud.manifest, "-b", ud.branch, "-u", url])
        for command in commands:
            check_network_access(d, command, ud.url)
            runfetchcmd(command, d, workdir=checkout)
        flags = [] if ud.parm.get("scmdata") == "keep" else ["--exclude=.repo", "--exclude=.git"]
        names = ["./" + name for name in sorted(os.listdir(top)) if not name.startswith(".")]
        runfetchcmd(["tar"] + flags + ["-czf", ud.localpath] + names, d, workdir=top)
