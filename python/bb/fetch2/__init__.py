"""Fetching and unpacking of sources: the fetchers, one file per scheme, and what they share.

BitBake manual, chapter "File Download Support". Metadata can add fetchers of
its own by appending a FetchMethod to `methods`.
"""

import logging

from bb.fetch2.errors import *  # noqa: F403 - they are part of this module's face
from bb.fetch2.uri import URI, decodemirrorurl, decodeurl, encodeurl
from bb.fetch2.network import (FETCH_EXPORT_VARS, check_network_access, get_fetcher_environment, runfetchcmd,
                               trusted_network)
from bb.fetch2.checksums import (CHECKSUM_LIST, SHOWN_CHECKSUM_LIST, MissingChecksumEvent, get_checksum_file_list,
                                 get_file_checksums, rename_bad_checksum, update_stamp, verify_checksum,
                                 verify_donestamp)
from bb.fetch2.revisions import (_get_srcrev, get_autorev, get_hashvalue, get_pkgv_string, get_srcrev,
                                 mark_recipe_nocache, srcrev_internal_helper)
from bb.fetch2.mirrors import build_mirroruris, mirror_from_string, try_mirror_url, try_mirrors, uri_replace
from bb.fetch2.method import FetchMethod
from bb.fetch2.data import FetchData
from bb.fetch2.fetcher import DummyUnpackTracer, Fetch, FetchConnectionCache
from bb.checksum import FileChecksumCache, RevisionsCache

__version__ = "2"

logger = logging.getLogger("BitBake.Fetcher")

# State of this process: (multiconfig, recipe, id of store) -> (store, URL -> FetchData),
# the tracer that unpacking is reported to, remembered checksums and revisions,
# and the revisions as they were when the build began.
urldata_cache = {}
unpack_tracer = None
_checksum_cache = FileChecksumCache()
_revisions_cache = RevisionsCache()
saved_headrevs = {}


def localpath(url, d):
    """Where the download of one URL is, or will be."""
    return Fetch([url], d).localpath(url)


def subprocess_setup():
    """Give a child the default action for SIGPIPE, which Python ignores."""
    from bb import process
    process.subprocess_setup()


def fetcher_init(d, servercontext=True):
    """Open the caches below BB_CACHEDIR once the configuration is known.

    In the main process this also applies BB_SRCREV_POLICY: whether the newest
    revisions found by earlier builds are still good.
    """
    global saved_headrevs
    directory = d.getVar("BB_CACHEDIR")
    _checksum_cache.init_cache(directory)
    _revisions_cache.init_cache(directory)
    if not servercontext:
        return
    if not saved_headrevs:
        saved_headrevs = dict(_revisions_cache.get_revs())
    policy = d.getVar("BB_SRCREV_POLICY") or "clear"
    if policy == "cache":
        logger.debug("Keeping SRCREV cache due to cache policy of: %s", policy)
    elif policy == "clear":
        logger.debug("Clearing SRCREV cache due to cache policy of: %s", policy)
        _revisions_cache.clear_cache()
    else:
        raise FetchError("Invalid SRCREV cache policy of: %s" % policy)
    for method in methods:
        if hasattr(method, "init"):
            method.init(d)


def fetcher_parse_save():
    """In a parsing process: save what it found out."""
    _checksum_cache.save_extras()
    _revisions_cache.save_extras()


def fetcher_parse_done():
    """In the main process: take over what parsing processes found out."""
    _checksum_cache.save_merge()
    _revisions_cache.save_merge()


def fetcher_compare_revisions(d):
    """Whether newest revisions have changed since the build began."""
    return _revisions_cache.get_revs() != saved_headrevs


# The fetchers import what is above from here, so they come last. Whichever
# supports a URL first gets it.
from bb.fetch2 import (az, clearcase, crate, debian, gcp, git, gitannex, gitsm, gomod, hg, local, npm, npmsw,  # noqa: E402
                       oci, perforce, repo, rpm, s3, sftp, ssh, svn, wget)

methods = [
    local.Local(),
    # Before Wget, which would take any file.
    debian.Dsc(),
    wget.Wget(),
    svn.Svn(),
    git.Git(),
    gitsm.GitSM(),
    gitannex.GitANNEX(),
    ssh.SSH(),
    sftp.SFTP(),
    s3.S3(),
    perforce.Perforce(),
    hg.Hg(),
    repo.Repo(),
    clearcase.ClearCase(),
    npm.Npm(),
    npmsw.NpmShrinkWrap(),
    az.Az(),
    crate.Crate(),
    gcp.GCP(),
    gomod.GoMod(),
    gomod.GoModGit(),
    debian.Apt(),
    rpm.Rpm(),
    oci.Oci(),
]
_OWN_METHODS = tuple(methods)


def methods_are_ours():
    """True while no layer has added a fetcher or taken one away."""
    return tuple(methods) == _OWN_METHODS
