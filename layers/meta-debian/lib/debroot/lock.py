# SPDX-License-Identifier: Apache-2.0
"""Which packages a root is made of, each with its hash."""

import json
import os

import bb

from debroot import pool
from debroot.apt import Resolver

FORMAT = 1


def read(path):
    """The content of a lock file."""
    with open(path) as file:
        content = json.load(file)
    if content.get("format") != FORMAT:
        bb.fatal("%s has format %s, which is not known here; make it anew with -c lock_update" % (path, content.get("format")))
    return content


def write(path, content):
    """Write a lock file, whole or not at all."""
    bb.utils.mkdirhier(os.path.dirname(path))
    temporary = "%s.%d.tmp" % (path, os.getpid())
    with open(temporary, "w") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, path)


def _request(d):
    return {name: (d.getVar(variable) or "").split() for name, variable in (
        ("install", "ROOTFS_INSTALL"), ("exclude", "ROOTFS_EXCLUDE"))} | {
        "codename": d.getVar("BASE_DISTRO_CODENAME"), "architecture": d.getVar("DISTRO_ARCH")}


def view_of_own(d):
    """The archive of what recipes before this task built, or None."""
    folder = os.path.join(d.getVar("WORKDIR"), "own-packages")
    return folder if pool.view(d, folder) else None


def without_own(content):
    """A lock to keep: of what recipes make only the names, since their hashes change with every change of a recipe."""
    return content | {"packages": [
        {key: entry[key] for key in ("package", "architecture", "recipe")} if "recipe" in entry else entry for entry in content["packages"]]}


def with_own(content, own):
    """A lock that was kept, with what recipes make as it is now."""
    stanzas = {}
    if own:
        with open(os.path.join(own, "Packages")) as file:
            for stanza in file.read().split("\n\n"):
                stanzas[pool.fields(stanza).get("Package")] = stanza.strip() + "\n"
    packages = []
    for entry in content["packages"]:
        if "recipe" in entry:
            if entry["package"] not in stanzas:
                bb.fatal("The lock has the package %s of the recipe %s, which is not built for this. Make the lock anew with -c lock_update"
                         % (entry["package"], entry["recipe"]))
            stanza = stanzas[entry["package"]]
            values = pool.fields(stanza)
            entry = entry | {
                "url": "file:" + os.path.join(own, values["Filename"]), "file": os.path.basename(values["Filename"]).replace(":", "%3a"),
                "size": int(values["Size"]), "sha256": values["SHA256"], "version": values["Version"],
                "source": values.get("Source", values["Package"]), "stanza": stanza}
        packages.append(entry)
    return content | {"packages": packages}


def check_managed(d, content):
    """Refuse packages from an archive that a recipe of this build makes, too."""
    if d.getVar("MANAGED_PACKAGE_POLICY") != "error":
        return
    folder, made = d.getVar("DEPLOY_DIR_DEB"), {}
    for recipe in os.listdir(folder) if os.path.isdir(folder) else ():
        for file in os.listdir(os.path.join(folder, recipe)):
            if file.endswith(".deb"):
                made[file.split("_")[0]] = recipe
    for entry in content["packages"]:
        if "recipe" not in entry and entry["package"] in made:
            recipe = made[entry["package"]]
            bb.fatal("%s would come from the archive, although the recipe %s of this build makes it. Add %s to DEPENDS, or to IMAGE_INSTALL of "
                     "an image; or say that it is meant: MANAGED_PACKAGE_POLICY:pn-%s = \"ignore\"" % (
                         entry["package"], recipe, recipe, d.getVar("PN")))


def _tell(content):
    own = sum("recipe" in entry for entry in content["packages"])
    bb.note("%d packages, %.1f MB; %d made by recipes" % (
        len(content["packages"]), sum(entry["size"] for entry in content["packages"]) / 1e6, own))


def pin_or(d, pinned, target, request, resolve):
    """Write `target`: from the file `pinned` if there is one, else what `resolve(own)` finds."""
    own = view_of_own(d)
    if os.path.exists(pinned):
        content = read(pinned)
        if content["request"] != request:
            bb.fatal("%s was made for another list of packages. Make it anew: rbake -c lock_update %s" % (pinned, d.getVar("PN")))
        bb.note("Packages as in %s" % pinned)
        content = with_own(content, own)
    else:
        content = {"format": FORMAT, "request": request, "packages": resolve(own)}
    check_managed(d, content)
    write(target, content)
    _tell(content)


def resolve(d, own):
    """Ask the archives for a root's packages."""
    resolver = Resolver(d, os.path.join(d.getVar("WORKDIR"), "apt"), own)
    resolver.update(d.getVar("DISTRO_ORIGIN"))
    request = _request(d)
    return resolver.resolve(request["install"], request["exclude"])


def make(d):
    """Write ROOTFS_LOCK: from ROOTFS_LOCKFILE, or as the archives are now."""
    pin_or(d, d.getVar("ROOTFS_LOCKFILE"), d.getVar("ROOTFS_LOCK"), _request(d), lambda own: resolve(d, own))


def update(d):
    """Write ROOTFS_LOCKFILE anew and tell the difference."""
    path = d.getVar("ROOTFS_LOCKFILE")
    content = without_own({"format": FORMAT, "request": _request(d), "packages": resolve(d, view_of_own(d))})
    versions = lambda lock: {entry["package"]: entry.get("version", "made here") for entry in lock["packages"]}
    before = versions(read(path)) if os.path.exists(path) else {}
    now = versions(content)
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            bb.plain("%s: %s -> %s" % (name, before.get(name, "not there"), now.get(name, "gone")))
    write(path, content)
    bb.plain("%s has %d packages" % (path, len(now)))
