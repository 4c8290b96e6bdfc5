"""srpm:// and rpm:// - packages of rpm repositories, found in metadata that is signed.

    srpm://NAME[=[EPOCH:]VERSION[-RELEASE]][;repo=ID]     a source package: its spec file and sources
    rpm://NAME[=…][;repo=ID]                              a binary package: its files

Repositories: RPM_REPOS (the text of .repo files), else those in
/etc/yum.repos.d of this host; $releasever and $basearch in them are
RPM_RELEASEVER and RPM_ARCH. Signatures of repomd.xml count from the keys that
gpgkey names on this host and from RPM_KEYRINGS, and only from those in
RPM_KEY_FINGERPRINTS if that is set. A repository without a signature is not
used.
"""

import glob
import os

import bb
from bb._engine import engine
from bb.fetch2 import FetchMethod
from bb.fetch2.errors import ParameterError
from bb.fetch2.native import Listener, settings
from bb.fetch2.debian import link_to


class Rpm(FetchMethod):
    """Fetches packages by name."""

    def supports(self, ud, d):
        return ud.type in ("srpm", "rpm")

    def recommends_checksum(self, ud):
        # The signed metadata has them.
        return False

    def supports_checksum(self, ud):
        return False

    def urldata_init(self, ud, d):
        package = ud.url.partition("://")[2].partition(";")[0].rstrip("/")
        name, _, version = package.partition("=")
        if not name or "/" in package:
            raise ParameterError("Must be %s://NAME[=[EPOCH:]VERSION[-RELEASE]]" % ud.type, ud.url)
        # The link tells which package was asked for.
        parts = (name, version.replace(":", "%3a"), ud.parm.get("repo", "").replace("/", "-"))
        ending = ".src.rpm" if ud.type == "srpm" else ".rpm"
        ud.localfile = os.path.join(ud.type, "_".join(part for part in parts if part) + ending)
        ud.basename = ud.localfile.replace("/", "_")

    @staticmethod
    def _settings(d):
        texts = d.getVar("RPM_REPOS")
        if texts is None:
            texts = []
            for path in sorted(glob.glob("/etc/yum.repos.d/*.repo")):
                with open(path, encoding="utf-8") as file:
                    texts.append(file.read())
        else:
            # A variable has one line; "\n" in it separates those of the file.
            texts = [texts.replace("\\n", "\n")]
        wanted = settings(d)
        wanted.update(
            repositories=texts,
            variables={"releasever": d.getVar("RPM_RELEASEVER") or "", "basearch": d.getVar("RPM_ARCH") or "x86_64"},
            keyrings=(d.getVar("RPM_KEYRINGS") or "").split(),
            fingerprints=(d.getVar("RPM_KEY_FINGERPRINTS") or "").split(),
        )
        return wanted

    def download(self, ud, d):
        directory = os.path.dirname(ud.localpath)
        bb.utils.mkdirhier(directory)
        url = ud.url.partition(";")[0]
        found = engine.fetch_rpm(url, ud.parm.get("repo"), directory, self._settings(d), Listener(d))
        link_to(found, ud.localpath)
