"""az:// - files of Azure Storage, over https; AZ_SAS is the access signature (`?…`)."""

import logging
import os

import bb
from bb.fetch2 import FetchError
from bb.fetch2.wget import Wget

logger = logging.getLogger("BitBake.Fetcher")

# Azure refuses connections under load; how often a failed handshake is tried again.
_RETRIES = 3


class Az(Wget):
    """Downloads files."""

    def supports(self, ud, d):
        return ud.type == "az"

    def recommends_checksum(self, urldata):
        return True

    @staticmethod
    def _signature(d):
        signature = d.getVar("AZ_SAS") or ""
        if signature and not signature.startswith("?"):
            raise FetchError("When using AZ_SAS, it must start with a '?' character to mark the start of the"
                             " query-parameters.")
        return signature

    def checkstatus(self, fetch, ud, d, try_again=True):
        ud.url = ud.url.replace("az://", "https://").partition(";")[0]
        signature = self._signature(d)
        if signature not in ud.url:
            ud.url += signature
        return super().checkstatus(fetch, ud, d, try_again)

    def download(self, ud, d, retries=_RETRIES):
        directory = d.getVar("DL_DIR")
        path = os.path.join(directory, ud.localfile)
        url = "https://%s%s%s" % (ud.host, ud.path, self._signature(d))
        bb.utils.mkdirhier(os.path.dirname(path))
        # With -O the signature doesn't become part of the file name.
        command = self._base_command(ud, d) + ["--retry-connrefused", "--waitretry=5", "-O", path]
        if ud.user and ud.pswd:
            command += ["--user=%s" % ud.user, "--password=%s" % ud.pswd, "--auth-no-challenge"]
        if os.path.exists(path):
            command.append("-c")
        command += ["-P", directory, url]
        try:
            self._runwget(ud, d, command, False)
        except FetchError as exc:
            if retries <= 0 or "Unable to establish SSL connection" not in str(exc):
                raise
            logger.debug2("Unable to establish SSL connection: Retries remaining: %s, Retrying...", retries)
            return self.download(ud, d, retries - 1)
        if not os.path.exists(path):
            raise FetchError("The fetch command returned success for url %s but %s doesn't exist?!" % (url, path), url)
        if os.path.getsize(path) == 0:
            os.remove(path)
            raise FetchError("The fetch of %s resulted in a zero size file?! Deleting and failing since this isn't"
                             " right." % url, url)
        return True
