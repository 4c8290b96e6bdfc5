"""FetchMethod: what every fetcher can do, to be overridden."""

import logging
import os

import bb
from bb.fetch2.checksums import update_stamp, verify_donestamp
from bb.fetch2.errors import NoMethodError, ParameterError
from bb.fetch2.mirrors import try_mirrors

logger = logging.getLogger("BitBake.Fetcher")


class FetchMethod:
    """Base class of fetchers. One object serves all URLs, so it keeps no state about them.

    A fetcher may also have `urldata_init(ud, d)`, which completes the data of
    a URL, `build_mirror_data(ud, d)`, called after a download, and `init(d)`.
    """

    def __init__(self, urls=None):
        self.urls = []

    def supports(self, urldata, d):
        """Whether this fetcher is for a URL."""
        return False

    def supports_srcrev(self):
        """Whether this fetcher is for repositories, with revisions."""
        return False

    def supports_checksum(self, urldata):
        """Whether the download is a file, which has checksums."""
        return urldata.localpath is not None and not os.path.isdir(urldata.localpath)

    def recommends_checksum(self, urldata):
        """Whether recipes should have a checksum for the download."""
        return False

    def localpath(self, urldata, d):
        """Where the download of a URL is, or will be."""
        return os.path.join(d.getVar("DL_DIR"), urldata.localfile)

    def implicit_urldata(self, ud, d):
        """FetchData of what is downloaded besides, e.g. submodules."""
        return []

    # ---- downloading

    def need_update(self, ud, d):
        """Whether to download even if a stamp says that has been done."""
        return not os.path.exists(ud.localpath)

    def try_premirror(self, urldata, d):
        """Whether to look at the premirrors first."""
        return True

    def download(self, urldata, d):
        """Download a URL to its localpath."""
        raise NoMethodError(urldata.url)

    def done(self, ud, d):
        """Whether there is something after downloading."""
        return os.path.exists(ud.localpath)

    def checkstatus(self, fetch, urldata, d):
        """Whether a URL could be downloaded."""
        logger.info("URL %s could not be checked for status since no method exists.", urldata.url)
        return True

    def cleanup_upon_failure(self):
        """Whether to call `clean` after a failed download."""
        return True

    def clean(self, urldata, d):
        """Remove the download, or what there is of it."""
        bb.utils.remove(urldata.localpath)

    def verify_donestamp(self, ud, d):
        """Whether the done stamp shows a complete download."""
        return verify_donestamp(ud, d)

    def update_donestamp(self, ud, d):
        """Make the done stamp."""
        update_stamp(ud, d)

    def try_mirrors(self, fetch, urldata, d, mirrors, check=False):
        """Download from mirrors, or look for the URL there; whether that worked."""
        return bool(try_mirrors(fetch, d, urldata, mirrors, check))

    def ensure_symlink(self, target, link_name):
        """Make a symbolic link unless there is something; a dangling one is replaced."""
        if os.path.exists(link_name):
            return
        bb.utils.mkdirhier(os.path.dirname(link_name))
        if os.path.islink(link_name):
            os.unlink(link_name)
        try:
            os.symlink(target, link_name)
        except FileExistsError:
            # Local files are used without a lock; another task was faster.
            pass

    def update_mirror_links(self, ud, origud):
        """Show the original's fetcher what a local mirror has."""
        self.ensure_symlink(ud.localpath, origud.localpath)

    # ---- unpacking

    def unpack(self, urldata, rootdir, data):
        """Unpack the download below a directory."""
        from bb.fetch2.archives import Unpacker

        unpacker = Unpacker(urldata, rootdir, data)
        unpacker.unpack()
        inner = unpacker.inner_archive()
        if inner:
            urldata.localpath = inner
            self.unpack(urldata, rootdir, data)

    def unpack_update(self, urldata, rootdir, data):
        """Bring an unpacked tree up to date, keeping changes made there."""
        raise RuntimeError("No method available for this url type: %s" % urldata.type)

    def _strip_leading_slashes(self, relpath):
        return relpath.lstrip("/")

    # ---- revisions, for fetchers that have `_latest_revision` and `_revision_key`

    def latest_revision(self, ud, d, name):
        """The newest revision, asked for once per build."""
        if not hasattr(self, "_latest_revision"):
            raise ParameterError("The fetcher for this URL does not support _latest_revision", ud.url)
        cache = bb.fetch2._revisions_cache
        key = self.generate_revision_key(ud, d, name)
        revision = cache.get_rev(key)
        if revision is None:
            revision = self._latest_revision(ud, d, name)
            cache.set_rev(key, revision)
        return revision

    def generate_revision_key(self, ud, d, name):
        """The name a newest revision is remembered by."""
        return self._revision_key(ud, d, name)

    def sortable_revision(self, ud, d, name):
        """(whether newer revisions may sort lower, the wanted revision)."""
        return True, str(self._build_revision(ud, d, name))

    def latest_versionstring(self, ud, d, filter_regex=None):
        """(version, revision) of the newest release upstream, or ("", "")."""
        return "", ""


FetchMethod.__module__ = "bb.fetch2"
