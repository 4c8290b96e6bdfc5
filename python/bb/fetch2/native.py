"""Downloads by the engine: several at a time, resumed, each stored once in a pool below DL_DIR."""

import logging
import os
from urllib.parse import urlsplit, urlunsplit

import bb
from bb._engine import engine
from bb.fetch2.checksums import CHECKSUM_LIST
from bb.fetch2.errors import ChecksumError
from bb.fetch2.network import _without_version, get_fetcher_environment, trusted_network
from bb.progress import ProgressHandler

logger = logging.getLogger("BitBake.Fetcher")

# The pool's directory below DL_DIR.
POOL = ".pool"
# Checksums that identify a file.
_STRONG = ("sha256", "sha384", "sha512")


def can_fetch(ud, d):
    """Whether the engine takes a URL.

    Not FTP, and not what users have made arrangements for with wget itself: a
    command of their own, a file of settings, or servers without certificates.
    """
    if urlsplit(ud.url).scheme not in ("http", "https") or d.getVar("FETCHCMD_wget"):
        return False
    if (d.getVar("BB_CHECK_SSL_CERTS") or "1") == "0" or os.environ.get("WGETRC"):
        return False
    home = get_fetcher_environment(_without_version(d)).get("HOME") or os.path.expanduser("~")
    return not os.path.exists(os.path.join(home, ".wgetrc"))


def settings(d):
    """What the engine has to know for any download."""
    allowed = None
    if not bb.utils.to_boolean(d.getVar("BB_NO_NETWORK")):
        recipe = d.getVar("PN")
        allowed = (recipe and d.getVarFlag("BB_ALLOWED_NETWORKS", recipe, False)) or d.getVar("BB_ALLOWED_NETWORKS")
    return {
        "environment": get_fetcher_environment(_without_version(d)),
        "pool": os.path.join(os.path.realpath(d.getVar("DL_DIR")), POOL),
        "no_network": bb.utils.to_boolean(d.getVar("BB_NO_NETWORK")),
        "allowed_networks": allowed,
    }


def plain_url(ud):
    """The URL without parameters, user and password."""
    parts = urlsplit(ud.url.partition(";")[0])
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def credentials(ud, d):
    """(user, password) from the URL or from ~/.netrc, or None."""
    if ud.user and ud.pswd:
        return ud.user, ud.pswd
    import netrc
    home = get_fetcher_environment(_without_version(d)).get("HOME") or os.path.expanduser("~")
    try:
        found = netrc.netrc(os.path.join(home, ".netrc")).authenticators(urlsplit(ud.url).hostname or "")
    except (OSError, netrc.NetrcParseError):
        return None
    return (found[0], found[2]) if found and found[0] and found[2] else None


def expected(ud):
    """The checksums that a download must have, by algorithm. Those of a mirror's file are compared later."""
    if ud.ignore_checksums:
        return {}
    known = ((kind, getattr(ud, kind + "_expected", None)) for kind in CHECKSUM_LIST if kind != "goh1")
    return {kind: value for kind, value in known if value}


class Listener(ProgressHandler):
    """Turns the engine's events into log lines and progress."""

    def __call__(self, kind, what):
        if kind == "progress":
            done, size, rate = what
            speed = "%.1fM/s" % (rate / 1e6)
            if size:
                self.update(done * 100 // size, speed)
            else:
                self.update(-done, speed)
        else:
            getattr(logger, "info" if kind == "note" else kind)(what)


def download(ud, d, target):
    """Fetch one file to `target`."""
    try:
        engine.fetch_file(plain_url(ud), target, expected(ud), settings(d), credentials(ud, d), Listener(d))
    except ChecksumError as exc:
        # The engine does not know the flag's name in this recipe.
        message = exc.args[0].replace("SRC_URI[sha256sum]", "SRC_URI[%s]" % ud.sha256_name)
        raise ChecksumError(message, ud.url, exc.checksum) from None


def fetch_ahead(urldata, d):
    """Fetch files into the pool that are wanted soon, several at a time.

    Only files that nobody but their own server has to be asked for, and that
    a strong checksum identifies. What fails here is tried again, and told, in
    its turn.
    """
    from bb.fetch2.mirrors import build_mirroruris, mirror_from_string
    from bb.fetch2.wget import Wget

    if bb.utils.to_boolean(d.getVar("BB_NO_NETWORK")) or bb.utils.to_boolean(d.getVar("BB_FETCH_PREMIRRORONLY")):
        return
    mirrors = mirror_from_string(d.getVar("PREMIRRORS"))
    wanted = []
    for ud in urldata:
        if not (isinstance(ud.method, Wget) and type(ud.method).download is Wget.download and can_fetch(ud, d)):
            continue
        if ud.localpath and os.path.exists(ud.localpath) or not trusted_network(d, ud.url) or credentials(ud, d):
            continue
        if mirrors and build_mirroruris(ud, mirrors, d)[0]:
            continue
        sums = {kind: value for kind, value in expected(ud).items() if kind in _STRONG}
        if sums:
            wanted.append((plain_url(ud), sums))
    if len(wanted) > 1:
        logger.debug("Fetching %d files at a time", len(wanted))
        engine.fetch_ahead(wanted, settings(d))
