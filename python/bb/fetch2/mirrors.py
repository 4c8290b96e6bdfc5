"""Mirrors: rewriting a URL by PREMIRRORS and MIRRORS, and fetching from the results."""

import errno
import logging
import os
import re

import bb
from bb.fetch2.checksums import rename_bad_checksum, update_stamp, verify_donestamp
from bb.fetch2.errors import BBFetchException, ChecksumError, NetworkAccess, NoChecksumError
from bb.fetch2.network import trusted_network
from bb.fetch2.uri import decodemirrorurl, encodeurl

logger = logging.getLogger("BitBake.Fetcher")

# Places of the parts in a decoded URL.
_TYPE, _HOST, _PATH, _USER, _PASSWORD, _PARAMS = range(6)


# Most URLs that mirror lines make of one; a dozen lines that each change what the others made would give millions.
_MOST = 1000


def mirror_from_string(data):
    """The (pattern, replacement) pairs of a mirror variable."""
    words = (data or "").replace("\\n", " ").split()
    if len(words) % 2:
        bb.warn("Invalid mirror data %s, should have paired members." % data)
    return list(zip(words[::2], words[1::2]))


def _substitute(text, replacements):
    for word, value in replacements.items():
        text = text.replace(word, value)
    return text


def _append_file_name(path, name, original_path):
    """`path` ending in the file `name`, which replaces the name the original URL had."""
    original = os.path.basename(original_path)
    # With a slash in front even a bare file name has something to end with.
    rooted = "/" + path
    if original and original != name and rooted.endswith("/" + original):
        return path[:len(path) - len(original)] + name
    if not rooted.endswith("/" + name):
        return os.path.join(path, name)
    return path


def uri_replace(ud, uri_find, uri_replace, replacements, d, mirrortarball=None):
    """The URL that a mirror line makes of another, or None if it doesn't apply.

    Type, host and path of the pattern are regular expressions; in the
    replacement, the keys of `replacements` stand for parts of the original.
    `mirrortarball` is the file to ask for where a repository can't be.
    """
    if not ud.url or not uri_find or not uri_replace:
        logger.error("uri_replace: passed an undefined value, not replacing")
        return None
    original = decodemirrorurl(ud.url)
    pattern = decodemirrorurl(uri_find)
    target = decodemirrorurl(uri_replace)
    logger.debug2("For url %s comparing %s to %s", original, pattern, target)

    result = []
    for part in (_TYPE, _HOST, _PATH, _USER, _PASSWORD):
        if part >= _USER and target[part]:
            result.append(target[part])
            continue
        expression = pattern[part]
        if part == _TYPE and expression and not expression.endswith("$"):
            # Or else `https` would be found in the beginning of another type.
            expression += "$"
        if not re.match(expression, original[part]):
            return None
        replacement = _substitute(target[part], replacements)
        result.append(re.sub(expression, replacement, original[part], count=1) if replacement else "")

    # From a server of another kind only a tarball of the repository can come.
    as_tarball = mirrortarball and original[_TYPE] != _substitute(target[_TYPE], replacements)
    if as_tarball:
        result[_PATH] = _append_file_name(result[_PATH], os.path.basename(mirrortarball), original[_PATH])
        params = {}
    else:
        if ud.localpath and ud.method.supports_checksum(ud):
            result[_PATH] = _append_file_name(result[_PATH], os.path.basename(ud.localpath), original[_PATH])
        params = original[_PARAMS]
        if any(params.get(key) != value for key, value in pattern[_PARAMS].items()):
            return None
    params = {**params, **{key: _substitute(value, replacements) for key, value in target[_PARAMS].items()}}

    url = encodeurl((*result, params))
    if url == ud.url:
        return None
    logger.debug2("For url %s returning %s", ud.url, url)
    return url


def build_mirroruris(origud, mirrors, ld):
    """All URLs that mirrors, and mirrors of mirrors, make of one; also as FetchData.

    Returns (list of URLs, list of FetchData) in the order to try them.
    """
    from bb.fetch2 import FetchData

    replacements = {
        "TYPE": origud.type,
        "HOST": origud.host,
        "PATH": origud.path,
        "BASENAME": origud.path.rpartition("/")[2],
        "MIRRORNAME": origud.host.replace(":", ".") + origud.path.replace("/", ".").replace("*", "."),
    }
    urls, urldata = [], []

    def follow(ud, lines):
        for line in lines:
            # A line serves once in a chain, so that chains can't go in circles.
            others = list(lines)
            others.remove(line)
            for tarball in origud.mirrortarballs or [None]:
                url = bb.fetch2.uri_replace(ud, *line, replacements, ld, tarball)
                if len(urls) >= _MOST:
                    return
                if not url or url in urls or url == origud.url:
                    continue
                if not trusted_network(ld, url):
                    logger.debug("Mirror %s not in the list of trusted networks, skipping" % url)
                    continue
                mirror = None
                try:
                    mirror = FetchData(url, ld)
                    mirror.ignore_checksums = True
                    mirror.setup_localpath(ld)
                except BBFetchException as exc:
                    logger.debug("Mirror fetch failure for url %s (original url: %s)" % (url, origud.url))
                    logger.debug(str(exc))
                else:
                    if hasattr(ud, "unpack_tracer"):
                        mirror.unpack_tracer = ud.unpack_tracer
                    urls.append(url)
                    urldata.append(mirror)
                # A file that isn't there may have mirrors that are.
                if mirror is not None:
                    follow(mirror, others)

    follow(origud, [line for line in mirrors if len(line) == 2])
    return urls, urldata


def _link_tarball(ud, origud, ld):
    """Put a mirror tarball where the original's fetcher looks for it, and let that go on."""
    if ud.donestamp:
        # An empty stamp keeps the tarball from being fetched again.
        bb.utils.mkdirhier(os.path.dirname(ud.donestamp))
        open(ud.donestamp, "w").close()
    place = os.path.join(ld.getVar("DL_DIR"), os.path.basename(ud.localpath))
    if not os.path.exists(place):
        try:
            os.symlink(ud.localpath, place)
        except FileExistsError:
            # Local files are used without a lock; another task was faster.
            pass
    _download_if_needed(origud, ld)


def _download_if_needed(ud, d, origud=None):
    if verify_donestamp(ud, d, origud) and not ud.method.need_update(ud, d):
        return
    ud.method.download(ud, d)
    if hasattr(ud.method, "build_mirror_data"):
        ud.method.build_mirror_data(ud, d)


def _fetch_from_mirror(origud, ud, ld):
    """Download from a mirror; the path of the result, or False."""
    _download_if_needed(ud, ld, origud)
    if not ud.localpath or not os.path.exists(ud.localpath):
        return False
    if ud.localpath == origud.localpath:
        return ud.localpath
    if bb.utils.to_boolean(ld.getVar("BB_FETCH_PREMIRRORONLY")):
        ld = ld.createCopy()
        ld.setVar("BB_NO_NETWORK", "1")
    name = os.path.basename(ud.localpath)
    if name in (origud.mirrortarballs or ()) and name != os.path.basename(origud.localpath):
        _link_tarball(ud, origud, ld)
        return origud.localpath
    # What is left are local files, which are used where they are.
    origud.method.update_mirror_links(ud, origud)
    update_stamp(origud, ld)
    return ud.localpath


def try_mirror_url(fetch, origud, ud, ld, check=False):
    """Fetch (or with `check` look for) one mirror of a URL; something true if it worked."""
    lock = bb.utils.lockfile(ud.lockfile) if ud.lockfile and ud.lockfile != origud.lockfile else None
    try:
        if check:
            return ud.method.checkstatus(fetch, ud, ld) or False
        return _fetch_from_mirror(origud, ud, ld)
    except OSError as exc:
        if exc.errno != errno.ESTALE:
            raise
        logger.warning("Stale Error Observed %s." % ud.url)
        return False
    except (NetworkAccess, NoChecksumError):
        raise
    except BBFetchException as exc:
        if isinstance(exc, ChecksumError):
            logger.warning("Mirror checksum failure for url %s (original url: %s)\nCleaning and trying again."
                           % (ud.url, origud.url))
            logger.warning(str(exc))
            if os.path.exists(ud.localpath):
                rename_bad_checksum(ud, exc.checksum)
        else:
            logger.debug("Mirror fetch failure for url %s (original url: %s)" % (ud.url, origud.url))
            logger.debug(str(exc))
        if ud.method.cleanup_upon_failure():
            ud.method.clean(ud, ld)
        return False
    finally:
        if lock:
            bb.utils.unlockfile(lock)


def try_mirrors(fetch, d, origud, mirrors, check=False):
    """Fetch (or with `check` look for) a URL on its mirrors; None if none has it."""
    ld = d.createCopy()
    for ud in build_mirroruris(origud, mirrors, ld)[1]:
        found = try_mirror_url(fetch, origud, ud, ld, check)
        if found:
            return found
    return None
