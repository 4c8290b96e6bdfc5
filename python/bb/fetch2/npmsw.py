"""npmsw:// - switched off, as in BitBake 2.19; what classes use of it besides stays."""

import bb
from bb.fetch2 import FetchError, FetchMethod


def foreach_dependencies(shrinkwrap, callback=None, dev=False):
    """Call `callback(name, data, location)` for each package a shrinkwrap file depends on.

    Packages for development only with `dev`; those inside another one never.
    """
    packages = shrinkwrap.get("packages")
    if not packages:
        raise FetchError("Invalid shrinkwrap file format")
    for location, data in packages.items():
        # Others are the main package and links to local ones.
        if not location.startswith("node_modules/") or data.get("inBundle"):
            continue
        if dev or not data.get("dev"):
            callback(location.rpartition("node_modules/")[2], data, location)


class NpmShrinkWrap(FetchMethod):
    """Refuses npmsw:// URLs."""

    def supports(self, ud, d):
        if ud.type == "npmsw":
            raise bb.parse.SkipRecipe("The npmsw fetcher has been disabled due to security issues and there is no"
                                      " maintainer to address them")
        return False
