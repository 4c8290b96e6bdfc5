"""Checksums of downloads, the `.done` stamps that remember them, and those of local files."""

import logging
import os

import bb
from bb.fetch2.errors import ChecksumError, NoChecksumError

logger = logging.getLogger("BitBake.Fetcher")

CHECKSUM_LIST = ["goh1", "md5", "sha256", "sha1", "sha384", "sha512"]
# Those that are suggested for recipes.
SHOWN_CHECKSUM_LIST = ["sha256"]

# Types of URL whose checksums may be flags of SRC_URI; others have them only as parameters.
_FLAGGED_TYPES = frozenset("http https ftp ftps sftp s3 az crate gs gomod npm".split())


class MissingChecksumEvent(bb.event.Event):
    """A file was fetched for which the recipe has no checksum; `checksums` has all of them."""

    def __init__(self, url, **checksums):
        super().__init__()
        self.url = url
        self.checksums = checksums


MissingChecksumEvent.__module__ = "bb.fetch2"


def setup_checksums(ud, d):
    """Find the checksums a recipe expects: sets `TYPE_name` and `TYPE_expected` of `ud`."""
    prefix = ud.parm["name"] + "." if "name" in ud.parm else ""
    flagged = ud.type in _FLAGGED_TYPES
    for kind in CHECKSUM_LIST:
        plain = kind + "sum"
        name = prefix + plain
        if name in ud.parm:
            expected = ud.parm[name]
        elif plain in ud.parm:
            name, expected = plain, ud.parm[plain]
        else:
            expected = d.getVarFlag("SRC_URI", name) if flagged else None
        setattr(ud, kind + "_name", name)
        setattr(ud, kind + "_expected", expected)


def verify_checksum(ud, d, precomputed={}, localpath=None, fatal_nochecksum=True):
    """Compare a downloaded file with the checksums of its recipe.

    `precomputed` are checksums known from an earlier look. Returns all
    checksums of the file by type. Raises ChecksumError on a difference, and
    NoChecksumError if there is none to compare with although
    BB_STRICT_CHECKSUM is "1".
    """
    if ud.ignore_checksums or not ud.method.supports_checksum(ud):
        return {}
    path = ud.localpath if localpath is None else localpath
    found = {}
    expected = {}
    for kind in CHECKSUM_LIST:
        found[kind] = precomputed[kind] if kind in precomputed else getattr(bb.utils, kind + "_file")(path)
        expected[kind] = getattr(ud, kind + "_expected")
    suggestion = ['SRC_URI[%s] = "%s"' % (getattr(ud, kind + "_name"), found[kind]) for kind in SHOWN_CHECKSUM_LIST]

    if fatal_nochecksum and not any(expected.values()) and ud.method.recommends_checksum(ud):
        strict = d.getVar("BB_STRICT_CHECKSUM") or "0"
        if strict == "1":
            raise NoChecksumError("\n".join(suggestion))
        bb.event.fire(MissingChecksumEvent(ud.url, **{kind + "sum": value for kind, value in found.items()}), d)
        if strict != "ignore":
            logger.warning("\n".join(["Missing checksum for '%s', consider adding at least one to the recipe:"
                                      % ud.localpath] + suggestion))
        return found

    wrong = [kind for kind in CHECKSUM_LIST if expected[kind] and expected[kind] != found[kind]]
    if wrong:
        lines = ["Checksum mismatch!"]
        lines += ["File: '%s' has %s checksum '%s' when '%s' was expected" % (path, kind, found[kind], expected[kind])
                  for kind in wrong]
        lines.append("If this change is expected (e.g. you have upgraded to a new version without updating the"
                     " checksums) then you can use these lines within the recipe:")
        lines += suggestion
        lines.append("Otherwise you should retry the download and/or check with upstream to determine if the file"
                     " has become corrupted or otherwise unexpectedly modified.")
        raise ChecksumError("\n".join(lines), ud.url, found[wrong[-1]])
    return found


def rename_bad_checksum(ud, suffix):
    """Put a file with a wrong checksum aside."""
    if ud.localpath is None:
        return
    aside = "%s_bad-checksum_%s" % (ud.localpath, suffix)
    bb.warn("Renaming %s to %s" % (ud.localpath, aside))
    if not bb.utils.movefile(ud.localpath, aside):
        bb.warn("Renaming %s to %s failed, grep movefile in log.do_fetch to see why" % (ud.localpath, aside))


def _read_stamp(ud):
    """The checksums in a done stamp that is newer than its file; {} if there are none."""
    import pickle

    stamp = ud.donestamp
    # The time of a directory says nothing about what is in it.
    if not os.path.exists(stamp) or not (os.path.isdir(ud.localpath)
                                         or os.path.getmtime(ud.localpath) < os.path.getmtime(stamp)):
        return {}
    try:
        with open(stamp, "rb") as file:
            return dict(pickle.load(file))
    except EOFError:
        # Stamps of mirror tarballs are empty files.
        return {}
    except Exception as exc:
        logger.warning("Couldn't load checksums from donestamp %s: %s (msg: %s)" % (stamp, type(exc).__name__, exc))
        return {}


def _write_stamp(ud, checksums):
    import pickle
    with open(ud.donestamp, "wb") as file:
        pickle.dump(checksums, file, 2)


def _discard_download(ud, exc):
    """After a mismatch: keep the file out of the way and forget that it was fetched."""
    logger.warning("Checksum mismatch for local file %s\nCleaning and trying again." % ud.localpath)
    if os.path.exists(ud.localpath):
        rename_bad_checksum(ud, exc.checksum)
    bb.utils.remove(ud.donestamp)


def verify_donestamp(ud, d, origud=None):
    """Whether a done stamp shows that a download is complete and correct.

    A stamp that doesn't is removed. `origud` is the original of a mirror URL.
    """
    related = [ud] if origud is None else [ud, origud]
    if not all(each.needdonestamp for each in related):
        return True
    if not os.path.exists(ud.localpath):
        bb.utils.remove(ud.donestamp)
        return False
    if not all(each.method.supports_checksum(each) for each in related):
        return os.path.exists(ud.donestamp)
    known = _read_stamp(ud)
    try:
        checksums = verify_checksum(ud, d, known)
    except ChecksumError as exc:
        _discard_download(ud, exc)
        return False
    if checksums != known:
        _write_stamp(ud, checksums)
    return True


def update_stamp(ud, d):
    """Make the done stamp of a verified download, or mark it as used."""
    if not ud.needdonestamp:
        return
    if os.path.exists(ud.donestamp):
        try:
            os.utime(ud.donestamp, None)
        except OSError:
            pass
        return
    try:
        _write_stamp(ud, verify_checksum(ud, d))
    except ChecksumError as exc:
        _discard_download(ud, exc)
        raise


def get_checksum_file_list(d):
    """The local files of SRC_URI for `do_fetch[file-checksums]`: `PATH:True PATH:False …`.

    Paths that were looked for in vain are included, because a file appearing
    there changes the result. A file found nowhere is fatal.
    """
    from bb.fetch2 import Fetch, local

    fetcher = Fetch([], d, cache=False, localonly=True)
    entries = []
    for url in fetcher.urls:
        ud = fetcher.ud[url]
        if not ud or not isinstance(ud.method, local.Local):
            continue
        paths = ud.method.localfile_searchpaths(ud, d)
        states = [(path, os.path.exists(path)) for path in paths]
        if not any(exists for _, exists in states):
            bb.fatal("Unable to get checksum for %s SRC_URI entry %s: file could not be found\n"
                     "The following paths were searched:\n%s"
                     % (d.getVar("PN"), os.path.basename(ud.path), "\n".join(paths)))
        entries += ["%s:%s" % state for state in states]
    return " ".join(entries)


def get_file_checksums(filelist, pn, localdirsexclude):
    """(path, MD5) pairs of the files in a list like that of `get_checksum_file_list`."""
    return bb.fetch2._checksum_cache.get_checksums(filelist, pn, localdirsexclude)
