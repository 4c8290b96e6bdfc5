"""file:// - files of the layers, used where they are."""

import logging
import os

import bb
from bb.fetch2 import FetchError, FetchMethod, ParameterError

logger = logging.getLogger("BitBake.Fetcher")


class Local(FetchMethod):
    """Finds files along FILESPATH."""

    def supports(self, urldata, d):
        return urldata.type == "file"

    def urldata_init(self, ud, d):
        ud.basename = os.path.basename(ud.path)
        ud.basepath = ud.path
        ud.needdonestamp = False
        if "*" in ud.path:
            raise ParameterError("file:// urls using globbing are no longer supported. Please place the files in"
                                 " a directory and reference that instead.", ud.url)

    def localpath(self, urldata, d):
        return self.localfile_searchpaths(urldata, d)[-1]

    def localfile_searchpaths(self, urldata, d):
        """The paths that were tried; the last is the file, if it was found."""
        path = urldata.path
        if path.startswith("/"):
            logger.debug2("Using absolute %s", path)
            return [path]
        search = d.getVar("FILESPATH")
        if not search:
            return [path]
        logger.debug2("Searching for %s in paths:\n    %s", path, search.replace(":", "\n    "))
        found, tried = bb.utils.which(search, path, history=True)
        logger.debug2("Using %s for %s", found, path)
        return tried

    def download(self, urldata, d):
        """Nothing to do, but the file has to exist."""
        if self.supports_checksum(urldata) and not os.path.exists(urldata.localpath):
            searched = (d.getVar("FILESPATH") or "").split(":")
            raise FetchError("Unable to find file %s anywhere to download to %s. The paths that were searched were:\n"
                             "    %s" % (urldata.url, urldata.localpath, "\n    ".join(searched)))
        return True

    def checkstatus(self, fetch, urldata, d):
        return os.path.exists(urldata.localpath)

    def clean(self, urldata, d):
        """Files of layers stay."""
