"""FetchData: everything known about one URL of SRC_URI."""

import logging
import os

import bb
from bb.fetch2.checksums import setup_checksums
from bb.fetch2.errors import NoMethodError, NonLocalMethod, ParameterError
from bb.fetch2.revisions import srcrev_internal_helper
from bb.fetch2.uri import decodeurl

logger = logging.getLogger("BitBake.Fetcher")


class FetchData:
    """One URL: its parts, its fetcher (`method`), where its download goes.

    Parts: url, type, host, path, user, pswd, parm, name. Place: localfile
    (below DL_DIR), localpath, donestamp, lockfile, mirrortarballs. Fetchers
    add attributes of their own. With `localonly`, NonLocalMethod is raised
    for anything but local files.
    """

    def __init__(self, url, d, localonly=False):
        self.url = url
        self.localfile = ""
        self.localpath = None
        self.basename = None
        self.basepath = None
        self.donestamp = None
        self.needdonestamp = True
        self.lockfile = None
        self.mirrortarballs = []
        self.ignore_checksums = False
        self.setup = False

        self.type, self.host, self.path, self.user, self.pswd, self.parm = decodeurl(d.expand(url))
        self.user = self.user or self.parm.get("user") or ""
        self.pswd = self.pswd or self.parm.get("pswd") or ""
        self.name = self.parm.get("name", "default")
        if "," in self.name:
            raise ParameterError("The fetcher no longer supports multiple name parameters in a single url", self.url)

        self.method = next((method for method in bb.fetch2.methods if method.supports(self, d)), None)
        if self.method is None:
            raise NoMethodError(url)
        if localonly and not isinstance(self.method, bb.fetch2.local.Local):
            raise NonLocalMethod()

        self.date = self.getSRCDate(d)
        if self.parm.get("proto") and "protocol" not in self.parm:
            logger.warning('Consider updating %s recipe to use "protocol" not "proto" in SRC_URI.', d.getVar("PN"))
            self.parm["protocol"] = self.parm["proto"]
        if hasattr(self.method, "urldata_init"):
            self.method.urldata_init(self, d)
        setup_checksums(self, d)
        self._setup_paths(d)

    def _setup_paths(self, d):
        if "localpath" in self.parm:
            self.localpath = self.parm["localpath"]
            self.basename = os.path.basename(self.localpath)
        elif self.localfile:
            self.localpath = self.method.localpath(self, d)
        if not self.needdonestamp:
            return
        # Stamp and lock are in DL_DIR even if the download itself is elsewhere.
        downloads = d.getVar("DL_DIR")
        if self.localpath and self.localpath.startswith(downloads):
            base = self.localpath
        else:
            name = os.path.basename(self.localpath) if self.localpath else self.basepath or self.basename
            if not name:
                bb.fatal("Can't determine lock path for url %s" % self.url)
            base = downloads + os.sep + name
        self.donestamp = base + ".done"
        self.lockfile = base + ".lock"

    def setup_revisions(self, d):
        """Find the wanted revision; for fetchers of repositories."""
        self.revision = srcrev_internal_helper(self, d, self.name)

    def setup_localpath(self, d):
        """Find where the download is, if that is still open."""
        if not self.localpath:
            self.localpath = self.method.localpath(self, d)

    def getSRCDate(self, d):
        """The date of the wanted sources, for fetchers that go by date."""
        if "srcdate" in self.parm:
            return self.parm["srcdate"]
        recipe = d.getVar("PN")
        return (recipe and d.getVar("SRCDATE_%s" % recipe)) or d.getVar("SRCDATE") or d.getVar("DATE")


FetchData.__module__ = "bb.fetch2"
