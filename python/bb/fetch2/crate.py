"""crate://HOST/NAME/VERSION - packages of a Cargo registry.

Parameter protocol, https by default. Flags of SRC_URI for checksums are
called NAME-VERSION.
"""

import logging
import os
import re
from functools import cmp_to_key

import bb
from bb.fetch2 import ParameterError, runfetchcmd
from bb.fetch2.wget import Wget

logger = logging.getLogger("BitBake.Fetcher")


# The common registry keeps packages and index on hosts of their own; others have everything in one place.
_COMMON = re.compile(r"crates\.[a-z]+")


class Crate(Wget):
    """Downloads packages and puts them where cargo finds them as vendored sources."""

    def supports(self, ud, d):
        return ud.type == "crate"

    def urldata_init(self, ud, d):
        # The URL as it is written, since a version is no path.
        place = ud.url.partition(";")[0].split("/")[2:]
        if len(place) < 3:
            raise ParameterError("Invalid URL: Must be crate://HOST/NAME/VERSION", ud.url)
        host, name, version = "/".join(place[:-2]), place[-2], place[-1]
        protocol = ud.parm.get("protocol", "https")
        ud.has_index = bool(_COMMON.fullmatch(host))
        if ud.has_index:
            if protocol != "https":
                bb.warn("URL: %s does the %s protocol which is not supported by %s. Please change to"
                        " ;protocol=https in the url." % (ud.url, protocol, host))
            ud.url = "https://static.%s/crates/%s/%s/download" % (host, name, version)
            ud.versionsurl = "https://index.%s/%s" % (host, self._generate_index_path(name))
        else:
            ud.url = "%s://%s/%s/%s/download" % (protocol, host, name, version)
            ud.versionsurl = "%s://%s/%s/versions" % (protocol, host, name)
        ud.parm["downloadfilename"] = "%s-%s.crate" % (name, version)
        ud.parm.setdefault("name", "%s-%s" % (name, version))
        logger.debug2("Fetching %s to %s", ud.url, ud.parm["downloadfilename"])
        super().urldata_init(ud, d)

    @staticmethod
    def _generate_index_path(name):
        """Where the index has a package (Cargo reference, section "Index files")."""
        if len(name) <= 2:
            return "%d/%s" % (len(name), name)
        if len(name) == 3:
            return "3/%s/%s" % (name[0], name)
        return "%s/%s/%s" % (name[:2], name[2:4], name)

    def _cargo_bitbake_path(self, rootdir):
        """The directory of vendored sources."""
        return os.path.join(rootdir, "cargo_home", "bitbake")

    def unpack(self, ud, rootdir, d):
        """Unpack the recipe's own package into `rootdir`, any other as a vendored source."""
        if d.getVar("BP") == ud.parm.get("name"):
            target = rootdir
            ud.unpack_tracer.unpack("crate-extract", target)
        else:
            target = self._cargo_bitbake_path(rootdir)
            ud.unpack_tracer.unpack("cargo-extract", target)
            bb.utils.mkdirhier(target)
        bb.note("Unpacking %s to %s/" % (ud.localpath, target))
        runfetchcmd(["tar", "-xz", "--no-same-owner", "-f", ud.localpath, "-C", target], d, workdir=rootdir)
        if target == rootdir:
            return
        # cargo accepts a vendored source only with its checksum beside it.
        import json
        name = os.path.splitext(os.path.basename(ud.localpath))[0]
        with open(os.path.join(target, name, ".cargo-checksum.json"), "w") as file:
            json.dump({"files": {}, "package": bb.utils.sha256_file(ud.localpath)}, file)

    def latest_versionstring(self, ud, d, filter_regex=None):
        """(version, "") of the newest version the registry has."""
        import json
        answer = self._fetch_index(ud.versionsurl, ud, d)
        if ud.has_index:
            # One object a line.
            entries = [json.loads(line) for line in answer.splitlines()]
            versions = [entry["vers"] for entry in entries if not entry.get("yanked")]
        else:
            versions = [entry["num"] for entry in json.loads(answer)["versions"]] if answer else []
        if filter_regex:
            versions = [version for version in versions if re.match(filter_regex, version)]
        # A dash begins a pre-release here, no recipe revision.
        order = cmp_to_key(bb.utils.vercmp)
        return max(versions, key=lambda version: order((0, version, "")), default=""), ""
