"""Fetch: downloads, checks and unpacks a list of URLs."""

import errno
import logging
import os
from contextlib import contextmanager

import bb
from bb.fetch2.checksums import rename_bad_checksum
from bb.fetch2.data import FetchData
from bb.fetch2.errors import (BBFetchException, ChecksumError, FetchError, NetworkAccess, NoChecksumError,
                              NonLocalMethod, UntrustedUrl)
from bb.fetch2.mirrors import mirror_from_string
from bb.fetch2.network import trusted_network

logger = logging.getLogger("BitBake.Fetcher")

# How many stores' URLs are remembered.
_REMEMBERED = 8


class DummyUnpackTracer:
    """What is told about unpacking, to be overridden.

    A class named by BB_UNPACK_TRACER_CLASS can follow unpacked files back to
    their URLs. Fetchers of nested sources make nested calls.
    """

    def start(self, unpackdir, urldata_dict, d):
        """Unpacking of several URLs begins."""

    def start_url(self, url):
        """Unpacking of one URL begins."""

    def unpack(self, unpack_type, destdir):
        """A fetcher says how (archive-extract, file-copy, git …) and where it unpacks."""

    def finish_url(self, url):
        """Unpacking of one URL is done."""

    def complete(self):
        """Unpacking of several URLs is done."""


def _tracer(d):
    """The tracer of this process, made at first use."""
    if bb.fetch2.unpack_tracer is None:
        path = d.getVar("BB_UNPACK_TRACER_CLASS")
        if path:
            import importlib
            module, _, name = path.rpartition(".")
            bb.fetch2.unpack_tracer = getattr(importlib.import_module(module), name)()
        else:
            bb.fetch2.unpack_tracer = DummyUnpackTracer()
    return bb.fetch2.unpack_tracer


@contextmanager
def _locked(ud):
    """Hold the lock of a URL's download, if it has one."""
    lock = bb.utils.lockfile(ud.lockfile) if ud.lockfile else None
    try:
        yield
    finally:
        if lock:
            bb.utils.unlockfile(lock)


class Fetch:
    """A list of URLs (by default SRC_URI) with what is known about each (`ud`).

    With `localonly`, which excludes `cache`, only file:// URLs have data; it
    is None for others.
    """

    def __init__(self, urls, d, cache=True, localonly=False, connection_cache=None):
        if localonly and cache:
            raise Exception("bb.fetch2.Fetch.__init__: cannot set cache and localonly at same time")
        self.urls = urls or d.getVar("SRC_URI").split()
        self.d = d
        self.connection_cache = connection_cache
        self.ud = self._remembered(d) if cache else {}
        tracer = _tracer(d)
        for url in self.urls:
            if url in self.ud:
                continue
            try:
                self.ud[url] = FetchData(url, d, localonly)
                self.ud[url].unpack_tracer = tracer
            except NonLocalMethod:
                self.ud[url] = None

    @staticmethod
    def _remembered(d):
        """The data of the URLs that were asked for with this store before."""
        recipe = d.getVar("FILE")
        if not recipe:
            return {}
        known = bb.fetch2.urldata_cache
        key = (d.getVar("__BBMULTICONFIG") or "", recipe, id(d))
        if key not in known:
            if len(known) >= _REMEMBERED:
                known.clear()
            # The store is kept too, so that no other can get its id.
            known[key] = d, {}
        return known[key][1]

    def localpath(self, url):
        """Where the download of a URL is, or will be."""
        if url not in self.ud:
            self.ud[url] = FetchData(url, self.d)
        self.ud[url].setup_localpath(self.d)
        return self.ud[url].localpath

    def localpaths(self):
        """Where the downloads of all URLs are, or will be."""
        return [self.localpath(url) for url in self.urls]

    def _each(self, urls):
        """(URL, data) of the given or all URLs, ready for work."""
        for url in urls or self.urls:
            ud = self.ud[url]
            ud.setup_localpath(self.d)
            yield url, ud

    def _mirrors(self, variable, d=None):
        return mirror_from_string((d or self.d).getVar(variable))

    def download(self, urls=None):
        """Download URLs that aren't there yet."""
        network = self.d.getVar("BB_NO_NETWORK")
        missing = []
        from bb.fetch2 import native
        native.fetch_ahead([ud for _, ud in self._each(urls)], self.d)
        for url, ud in self._each(urls):
            with _locked(ud):
                self.d.setVar("BB_NO_NETWORK", network)
                try:
                    self._download(url, ud)
                except NoChecksumError as exc:
                    # All of them are wanted in one message.
                    missing.append(exc.args[0])
                except ChecksumError:
                    logger.error("Checksum failure fetching %s" % url)
                    raise
                except OSError as exc:
                    if exc.errno != errno.ESTALE:
                        raise
                    logger.error("Stale Error Observed %s." % url)
                    raise ChecksumError("Stale Error Detected")
        if missing:
            logger.error("Missing SRC_URI checksum, please add those to the recipe: \n%s", "\n".join(missing))
            raise BBFetchException("There was some missing checksums in the recipe")

    def _download(self, url, ud):
        """Get one URL from what is there, premirrors, upstream, or mirrors, in this order."""
        method = ud.method
        if method.verify_donestamp(ud, self.d) and not method.need_update(ud, self.d):
            done = True
        else:
            done = method.try_premirror(ud, self.d) and self._from_premirrors(url, ud)

        d = self.d
        if bb.utils.to_boolean(d.getVar("BB_FETCH_PREMIRRORONLY")):
            d = d.createCopy()
            d.setVar("BB_NO_NETWORK", "1")

        failure = None
        if done:
            method.verify_donestamp(ud, d)
        else:
            try:
                self._from_upstream(ud, d)
                done = True
            except (NetworkAccess, NoChecksumError):
                raise
            except BBFetchException as exc:
                failure = exc
                self._report_upstream_failure(url, ud, exc)
                if method.cleanup_upon_failure():
                    method.clean(ud, d)
                logger.debug("Trying MIRRORS")
                done = method.try_mirrors(self, ud, d, self._mirrors("MIRRORS", d))
        if not done or not method.done(ud, d):
            if failure:
                logger.error(str(failure))
            raise FetchError("Unable to fetch URL from any source.", url)
        method.update_donestamp(ud, d)

    def _from_premirrors(self, url, ud):
        """Download from the premirrors; whether that gave the right file."""
        logger.debug("Trying PREMIRRORS")
        if not ud.method.try_mirrors(self, ud, self.d, self._mirrors("PREMIRRORS")):
            return False
        try:
            ud.method.update_donestamp(ud, self.d)
        except ChecksumError as exc:
            logger.warning("Checksum failure encountered with premirror download of %s - will attempt other sources."
                           % url)
            logger.debug(str(exc))
            return False
        return True

    @staticmethod
    def _from_upstream(ud, d):
        """Download from where the URL points to."""
        if not trusted_network(d, ud.url):
            raise UntrustedUrl(ud.url)
        logger.debug("Trying Upstream")
        ud.method.download(ud, d)
        if hasattr(ud.method, "build_mirror_data"):
            ud.method.build_mirror_data(ud, d)
        # Compares the checksums now, while there are still mirrors to try.
        ud.method.update_donestamp(ud, d)

    @staticmethod
    def _report_upstream_failure(url, ud, exc):
        if isinstance(exc, ChecksumError):
            logger.warning("Checksum failure encountered with download of %s - will attempt other sources if available"
                           % url)
            logger.debug(str(exc))
            if os.path.exists(ud.localpath):
                rename_bad_checksum(ud, exc.checksum)
        else:
            logger.warning("Failed to fetch URL %s, attempting MIRRORS if available" % url)
            logger.debug(str(exc))

    def checkstatus(self, urls=None):
        """Raise FetchError if a URL is neither upstream nor on a mirror."""
        for url, ud in self._each(urls):
            method = ud.method
            logger.debug("Testing URL %s", url)
            if not (method.try_mirrors(self, ud, self.d, self._mirrors("PREMIRRORS"), True)
                    or method.checkstatus(self, ud, self.d)
                    or method.try_mirrors(self, ud, self.d, self._mirrors("MIRRORS"), True)):
                raise FetchError("URL doesn't work", url)

    def unpack(self, root, urls=None, update=False):
        """Unpack downloads below `root`; `update` keeps changes made there."""
        tracer = _tracer(self.d)
        tracer.start(root, self.ud, self.d)
        for url, ud in self._each(urls):
            with _locked(ud):
                tracer.start_url(url)
                if update:
                    ud.method.unpack_update(ud, root, self.d)
                else:
                    ud.method.unpack(ud, root, self.d)
                tracer.finish_url(url)
        tracer.complete()

    def unpack_update(self, root, urls=None):
        """Bring unpacked trees up to date, keeping changes made there."""
        self.unpack(root, urls, update=True)

    def clean(self, urls=None):
        """Remove downloads and their stamps."""
        for url in urls or self.urls:
            self.localpath(url)
            ud = self.ud[url]
            if not ud.localfile and ud.localpath is None:
                continue
            with _locked(ud):
                ud.method.clean(ud, self.d)
                if ud.donestamp:
                    bb.utils.remove(ud.donestamp)

    def expanded_urldata(self, urls=None):
        """The data of URLs, and of what is downloaded along with them."""
        result = []
        for url in urls or self.urls:
            ud = self.ud[url]
            result.append(ud)
            result.extend(ud.method.implicit_urldata(ud, self.d))
        return result


class FetchConnectionCache:
    """Open connections by host and port, for asking many URLs of one server."""

    def __init__(self):
        self.cache = {}

    def get_connection_name(self, host, port):
        return "%s:%s" % (host, port)

    def add_connection(self, host, port, connection):
        self.cache.setdefault(self.get_connection_name(host, port), connection)

    def get_connection(self, host, port):
        return self.cache.get(self.get_connection_name(host, port))

    def remove_connection(self, host, port):
        connection = self.cache.pop(self.get_connection_name(host, port), None)
        if connection:
            connection.close()

    def close_connections(self):
        while self.cache:
            self.cache.popitem()[1].close()


for _class in (Fetch, FetchConnectionCache, DummyUnpackTracer):
    _class.__module__ = "bb.fetch2"
