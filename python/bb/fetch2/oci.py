"""docker:// and oci:// - images of containers, from a registry.

    docker://HOST[:PORT]/NAME[:TAG][@sha256:DIGEST]

Parameters: protocol (https or http), platform (linux/amd64), rootfs. Every
byte is checked by digests, down from the one in the URL; an image without it
is whatever the registry says today, of which BB_STRICT_CHECKSUM decides.

What is downloaded is one archive of an image layout. It is unpacked to
`subdir`, by default the last part of NAME: as the layout's folder, or with
rootfs=1 as the files that the layers make up together.
"""

import base64
import json
import logging
import os
import re
import shutil

import bb
from bb._engine import engine
from bb.fetch2 import FetchMethod
from bb.fetch2.checksums import MissingChecksumEvent, _read_stamp, _write_stamp
from bb.fetch2.errors import BBFetchException, ChecksumError, NoChecksumError, ParameterError, UnpackError
from bb.fetch2.native import Listener, credentials, settings
from bb.fetch2.network import get_fetcher_environment

logger = logging.getLogger("BitBake.Fetcher")


def login(image, home):
    """(user, password) for an image from what `podman login` and `docker login` left below `home`, or None.

    containers-auth.json(5): a key is a registry, or a registry and the first parts of a name, of which the longest counts.
    Programs that keep passwords elsewhere are not asked.
    """
    wanted = image.partition("@")[0].split("/")
    wanted[-1] = wanted[-1].partition(":")[0]
    for name in (".config/containers/auth.json", ".docker/config.json"):
        try:
            with open(os.path.join(home, name), encoding="utf-8") as file:
                entries = json.load(file).get("auths", {})
            known = {key.partition("://")[2].partition("/")[0] if "://" in key else key: entry["auth"]
                     for key, entry in entries.items() if entry.get("auth")}
            for length in range(len(wanted), 0, -1):
                found = known.get("/".join(wanted[:length]))
                if found:
                    user, _, password = base64.b64decode(found, validate=True).decode().partition(":")
                    return user, password
        except FileNotFoundError:
            continue
        except (OSError, ValueError, AttributeError, TypeError, KeyError):
            # What is in it must not be shown.
            bb.warn("%s can't be read; it is left out of account" % os.path.join(home, name))
    return None


class Oci(FetchMethod):
    """Fetches images."""

    def supports(self, ud, d):
        return ud.type in ("docker", "oci")

    def recommends_checksum(self, ud):
        # The digest in the URL is one.
        return False

    def supports_checksum(self, ud):
        return False

    def urldata_init(self, ud, d):
        # The URL with its variables' values, unlike ud.url.
        ud.image_url = d.expand(ud.url)
        ud.image, ud.digest, ud.localfile = engine.image_info(ud.image_url)
        ud.basename = ud.localfile
        # Whether the archive is known to hold the image, what the name was found to stand for, and whether that was said.
        ud.is_verified, ud.found_digest, ud.is_told = False, None, False
        # Servers of files can stand in with the archive.
        ud.mirrortarballs = [ud.localfile]
        try:
            ud.rootfs = bb.utils.to_boolean(ud.parm.get("rootfs"), False)
        except ValueError:
            raise ParameterError("rootfs has to be 0 or 1", ud.url) from None

    @staticmethod
    def _credentials(ud, d):
        """(user, password) of the user for this registry, or None."""
        if ud.user and ud.pswd:
            return ud.user, ud.pswd
        return credentials(ud, d) or login(ud.image, get_fetcher_environment(d).get("HOME") or os.path.expanduser("~"))

    def download(self, ud, d):
        if not ud.digest and d.getVar("BB_STRICT_CHECKSUM") == "1":
            # What isn't wanted in the end needn't come.
            self._demand_digest(ud, d, self._fetch(ud, d, None))
        ud.found_digest = self._fetch(ud, d, ud.localpath)
        ud.is_verified = True
        self._demand_digest(ud, d, ud.found_digest)

    def _fetch(self, ud, d, target):
        """The digest of what the URL names, which comes to `target`, if there is one."""
        return engine.fetch_image(ud.image_url, target, settings(d), self._credentials(ud, d), Listener(d))

    @staticmethod
    def _demand_digest(ud, d, found):
        """Say, as of a missing checksum, that the URL should have a digest."""
        if ud.digest or ud.is_told:
            return
        ud.is_told = True
        line = "%s://%s@%s" % (ud.type, ud.image, found)
        strict = d.getVar("BB_STRICT_CHECKSUM") or "0"
        if strict == "1":
            raise NoChecksumError(line)
        bb.event.fire(MissingChecksumEvent(ud.url, sha256sum=found.partition(":")[2]), d)
        if strict != "ignore":
            logger.warning("Missing checksum for '%s', consider adding the digest to SRC_URI:\n%s", ud.localpath, line)

    def update_donestamp(self, ud, d):
        """Make the done stamp of an archive, wherever it is from, that holds the right image."""
        if not ud.is_verified:
            try:
                engine.verify_image(ud.image_url, ud.localpath)
            except BBFetchException as exc:
                bb.utils.remove(ud.donestamp)
                bb.utils.remove(ud.localpath)
                raise ChecksumError(str(exc), ud.url, "image") from None
            ud.is_verified = True
        if ud.found_digest and not os.path.exists(ud.donestamp):
            _write_stamp(ud, {"image": ud.found_digest})
        super().update_donestamp(ud, d)

    def verify_donestamp(self, ud, d):
        # The next download has to be looked at again.
        ud.is_verified = super().verify_donestamp(ud, d)
        if ud.is_verified:
            found = _read_stamp(ud).get("image")
            if found:
                self._demand_digest(ud, d, found)
        return ud.is_verified

    def checkstatus(self, fetch, ud, d):
        """Whether the registry has the image for the platform."""
        try:
            self._fetch(ud, d, None)
        except BBFetchException as exc:
            logger.debug("checkstatus() for %s failed: %s", ud.url, exc)
            return False
        return True

    def latest_versionstring(self, ud, d, filter_regex=None):
        """(version, "") of the highest tag that is one: what UPSTREAM_CHECK_REGEX finds as `pver`, or just digits and dots."""
        pattern = re.compile(d.getVar("UPSTREAM_CHECK_REGEX") or r"v?(?P<pver>[0-9]+(\.[0-9]+)*)$")
        best = ""
        try:
            tags = engine.image_tags(ud.image_url, settings(d), self._credentials(ud, d), Listener(d))
        except BBFetchException as exc:
            bb.note("Could not list tags: %s" % exc)
            return "", ""
        for tag in tags:
            found = pattern.match(tag)
            if not found or filter_regex and not re.match(filter_regex, found["pver"]):
                continue
            if not best or bb.utils.vercmp(("0", found["pver"], ""), ("0", best, "")) > 0:
                best = found["pver"]
        return best, ""

    def unpack(self, ud, root, d):
        subdir = ud.parm.get("subdir") or ud.image.partition("@")[0].rpartition("/")[2].partition(":")[0]
        target = os.path.normpath(os.path.join(root, subdir))
        real = os.path.realpath(root)
        if os.path.realpath(target) == real or os.path.commonpath([real, os.path.realpath(target)]) != real:
            raise UnpackError("subdir argument isn't a subdirectory of unpack root %s" % root, ud.url)
        ud.unpack_tracer.unpack("image", target)
        bb.note("Unpacking %s to %s/" % (ud.localpath, target))
        if os.path.islink(target):
            os.unlink(target)
        elif os.path.isdir(target):
            shutil.rmtree(target)
        try:
            engine.unpack_image(ud.image_url, ud.localpath, target, ud.rootfs)
        except BBFetchException as exc:
            raise UnpackError(str(exc), ud.url) from None
