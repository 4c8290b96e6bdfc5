# SPDX-License-Identifier: Apache-2.0
"""Which packages a root is made of, each with its hash."""

import json
import os

import bb

from debroot.apt import Resolver

FORMAT = 1


def _request(d):
    return {name: (d.getVar(variable) or "").split() for name, variable in (
        ("install", "ROOTFS_INSTALL"), ("exclude", "ROOTFS_EXCLUDE"))} | {
        "codename": d.getVar("BASE_DISTRO_CODENAME"), "architecture": d.getVar("DISTRO_ARCH")}


def read(path):
    """The content of a lock file."""
    with open(path) as file:
        content = json.load(file)
    if content.get("format") != FORMAT:
        bb.fatal("%s has format %s, which is not known here; make it anew with -c lock_update" % (path, content.get("format")))
    return content


def _write(path, content):
    bb.utils.mkdirhier(os.path.dirname(path))
    temporary = "%s.%d.tmp" % (path, os.getpid())
    with open(temporary, "w") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, path)


def resolve(d):
    """Ask the archives."""
    resolver = Resolver(d, os.path.join(d.getVar("WORKDIR"), "apt"))
    resolver.update(d.getVar("DISTRO_ORIGIN"))
    request = _request(d)
    return {"format": FORMAT, "request": request, "packages": resolver.resolve(request["install"], request["exclude"])}


def make(d):
    """Write ROOTFS_LOCK: from ROOTFS_LOCKFILE, or as the archives are now."""
    pinned = d.getVar("ROOTFS_LOCKFILE")
    if os.path.exists(pinned):
        content = read(pinned)
        if content["request"] != _request(d):
            bb.fatal("%s was made for another list of packages. Make it anew: rbake -c lock_update %s" % (pinned, d.getVar("PN")))
        bb.note("Packages as in %s" % pinned)
    else:
        content = resolve(d)
    _write(d.getVar("ROOTFS_LOCK"), content)
    size = sum(entry["size"] for entry in content["packages"])
    bb.note("%d packages, %.1f MB" % (len(content["packages"]), size / 1e6))


def update(d):
    """Write ROOTFS_LOCKFILE anew and tell the difference."""
    path = d.getVar("ROOTFS_LOCKFILE")
    content = resolve(d)
    versions = lambda lock: {entry["package"]: entry["version"] for entry in lock["packages"]}
    before = versions(read(path)) if os.path.exists(path) else {}
    now = versions(content)
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            bb.plain("%s: %s -> %s" % (name, before.get(name, "not there"), now.get(name, "gone")))
    _write(path, content)
    bb.plain("%s has %d packages" % (path, len(now)))
