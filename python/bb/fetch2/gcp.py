"""gs://BUCKET/OBJECT - objects of Google Cloud Storage, with Google's Python package."""

import logging
import os

from bb.fetch2 import FetchError, FetchMethod, check_network_access

logger = logging.getLogger("BitBake.Fetcher")


class GCP(FetchMethod):
    """Downloads objects."""

    def __init__(self):
        super().__init__()
        self.gcp_client = None

    def supports(self, ud, d):
        return ud.type == "gs"

    def recommends_checksum(self, urldata):
        return True

    def urldata_init(self, ud, d):
        ud.localfile = ud.basename = ud.parm.get("downloadfilename", os.path.basename(ud.path))

    def get_gcp_client(self):
        """Log in, once."""
        if self.gcp_client is None:
            from google.cloud import storage
            self.gcp_client = storage.Client(project=None)
        return self.gcp_client

    def _object(self, ud, d, action):
        """The object of a URL, if we may go there for an action."""
        place = "gs://%s%s" % (ud.host, ud.path)
        logger.debug2("%s %s", action, place)
        check_network_access(d, action, place)
        return place, self.get_gcp_client().bucket(ud.host).blob(ud.path.lstrip("/"))

    def download(self, ud, d):
        place, blob = self._object(ud, d, "blob.download_to_filename")
        from google.api_core.exceptions import NotFound
        try:
            blob.download_to_filename(ud.localpath)
        except NotFound:
            raise FetchError("The GCP API threw a NotFound exception")
        if not os.path.exists(ud.localpath):
            raise FetchError("The GCP API returned success for %s but %s doesn't exist?!" % (place, ud.localpath))
        if os.path.getsize(ud.localpath) == 0:
            os.remove(ud.localpath)
            raise FetchError("The downloaded file for %s resulted in a zero size file?! Deleting and failing since"
                             " this isn't right." % place)
        return True

    def checkstatus(self, fetch, ud, d):
        place, blob = self._object(ud, d, "blob.exists")
        if not blob.exists():
            raise FetchError("The GCP API reported that %s does not exist" % place)
        return True
