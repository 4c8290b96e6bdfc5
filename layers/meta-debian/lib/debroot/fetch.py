# SPDX-License-Identifier: Apache-2.0
"""The files of the packages that a lock names."""

import os

import bb

from debroot import pool
from debroot.lock import read


def _folder(d):
    return os.path.join(d.getVar("DL_DIR"), "debs")


def packages(d, lock):
    """Download what is not there; each file is checked by its SHA-256."""
    entries = [entry for entry in read(lock)["packages"] if pool.local(entry["url"]) is None]
    urls = ["%s;sha256sum=%s;downloadfilename=debs/%s;unpack=0" % (entry["url"], entry["sha256"], entry["file"]) for entry in entries]
    bb.utils.mkdirhier(_folder(d))
    try:
        bb.fetch2.Fetch(urls, d).download()
    except bb.fetch2.BBFetchException as exc:
        bb.fatal("A package could not be downloaded: %s" % exc)


def repository(d, lock, directory):
    """Make an archive of the lock's packages, which apt reads without a network: links to the files, and their index."""
    bb.utils.mkdirhier(directory)
    stanzas = []
    for entry in read(lock)["packages"]:
        path = pool.local(entry["url"]) or os.path.join(_folder(d), entry["file"])
        if not os.path.exists(path):
            bb.fatal("%s is not there any more; get it again with: rbake -c rootfs_fetch -f %s" % (path, d.getVar("PN")))
        if bb.utils.sha256_file(path) != entry["sha256"]:
            bb.fatal("%s was changed since it was downloaded: remove it" % path)
        pool.link(path, os.path.join(directory, entry["file"]))
        lines = [line for line in entry["stanza"].splitlines() if not line.startswith("Filename:")]
        stanzas.append("\n".join([*lines, "Filename: ./%s" % entry["file"]]) + "\n")
    index = os.path.join(directory, "Packages")
    with open(index, "w") as file:
        file.write("\n".join(stanzas))
    codename = d.getVar("BASE_DISTRO_CODENAME")
    with open(os.path.join(directory, "Release"), "w") as file:
        file.write("Origin: rbake\nSuite: %s\nCodename: %s\nSHA256:\n %s %d Packages\n" % (
            codename, codename, bb.utils.sha256_file(index), os.path.getsize(index)))
    return directory
