# SPDX-License-Identifier: Apache-2.0
"""Builds images for real, from the archive that apt on this machine is configured for, and boots one.

    images.py            a container image twice, with equal bytes; the Debian image; its boot by BIOS
    images.py --all      the Debian image twice, too, and its boot by BIOS and UEFI

Needs root, or subordinate ids; mmdebstrap, QEMU and what images are made with. What is missing is told and counts as skipped.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/conformance"))
import ours  # noqa: E402

TOOLS = "mmdebstrap gpg apt-get xorriso grub-mkimage mkfs.vfat mcopy mksquashfs qemu-system-x86_64".split()
CONTAINER = """SUMMARY = "A small container"
require conf/distro/debian-bookworm.conf
inherit image
IMAGE_NAME = "small"
IMAGE_FSTYPES = "oci"
IMAGE_INSTALL = "hello passwd"
"""
RESULTS = []


def check(what, good, detail=""):
    """Tell and count one check."""
    RESULTS.append(bool(good))
    print("%s: %s%s" % ("ok" if good else "WRONG", what, "" if good else ": %s" % detail), flush=True)


class Build:
    """A build directory of its own, with a layer for the small container."""

    def __init__(self, folder, downloads, umask=0o022, threads=2):
        self.folder, self.umask = Path(folder), umask
        layer = self.folder / "layer"
        (layer / "conf").mkdir(parents=True)
        (layer / "recipes").mkdir()
        (layer / "recipes/small_1.0.bb").write_text(CONTAINER)
        (layer / "conf/layer.conf").write_text(
            'BBPATH .= ":${LAYERDIR}"\nBBFILES += "${LAYERDIR}/recipes/*.bb"\nBBFILE_COLLECTIONS += "small"\n'
            'BBFILE_PATTERN_small = "^${LAYERDIR_RE}/"\nLAYERSERIES_COMPAT_small = "rbake-1"\nLAYERDEPENDS_small = "debian"\n')
        (self.folder / "conf").mkdir()
        layers = " ".join(str(path) for path in (ROOT / "layers/meta-core", ROOT / "layers/meta-debian", ROOT / "meta-stx", layer))
        (self.folder / "conf/bblayers.conf").write_text('BBPATH = "${TOPDIR}"\nBBFILES ?= ""\nBBLAYERS = "%s"\n' % layers)
        (self.folder / "conf/local.conf").write_text('DL_DIR = "%s"\nBB_NUMBER_THREADS = "%d"\n' % (downloads, threads))

    def run(self, *arguments):
        """Run rbake; whether it succeeded, what it said, seconds."""
        started = time.monotonic()
        done = subprocess.run([str(ours.program()), *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, umask=self.umask)
        if done.returncode != 0:
            print(done.stdout[-6000:], flush=True)
        return done.returncode == 0, done.stdout, time.monotonic() - started

    def lock_of(self, other, recipe):
        """Use the packages that another build used."""
        found = next(other.folder.glob("tmp/work/*/%s/*/rootfs.lock.json" % recipe))
        (self.folder / "conf/lock").mkdir(exist_ok=True)
        shutil.copy(found, self.folder / "conf/lock" / ("%s.lock.json" % recipe))

    def images(self):
        """The folder of the images."""
        return self.folder / "tmp/deploy/images/generic"


def same(one, other, name):
    """Compare a file of two builds."""
    a, b = one.images() / name, other.images() / name
    return subprocess.run(["cmp", a, b], stdout=subprocess.PIPE, text=True).stdout.strip() if a.exists() and b.exists() else "missing"


def container(work, downloads):
    """The small image, twice, and what is in it."""
    builds = []
    for number, (umask, threads) in enumerate(((0o022, 2), (0o077, 1))):
        build = Build(work / ("container-%d" % number), downloads, umask, threads)
        if builds:
            build.lock_of(builds[0], "small")
        good, said, seconds = build.run("small")
        check("a container image, %s (%.0f s)" % ("again elsewhere" if builds else "built", seconds), good, said[-500:])
        if not good:
            return
        builds.append(build)
    for name in ("small.oci.tar", "small.spdx.json", "small.cdx.json", "small.manifest"):
        difference = same(*builds, name)
        check("%s has equal bytes" % name, not difference, difference)
    good, said, seconds = builds[0].run("small")
    check("nothing to do the second time (%.1f s)" % seconds, good and "didn't need to be rerun and all succeeded" in said
          and "Running task" not in said, said[-500:])
    layout = work / "layout"
    layout.mkdir()
    subprocess.run(["tar", "-xf", builds[0].images() / "small.oci.tar", "-C", layout], check=True)
    index = json.loads((layout / "index.json").read_text())
    blob = lambda descriptor: layout / "blobs/sha256" / descriptor["digest"].partition(":")[2]
    manifest = json.loads(blob(index["manifests"][0]).read_text())
    listing = subprocess.run(["tar", "-tzf", blob(manifest["layers"][0])], stdout=subprocess.PIPE, text=True, check=True).stdout
    check("the program is in the layer", "usr/bin/hello\n" in listing)
    check("no names of the machine that built it", not re.search(r"^(dev|proc|sys)/.+", listing, re.M), listing[:200])


def debian(work, downloads, everything):
    """The Debian image: built, booted and looked at."""
    build = Build(work / "debian", downloads)
    good, said, seconds = build.run("stx-image-debian")
    check("stx-image-debian is built (%.0f s)" % seconds, good, said[-500:])
    if not good:
        return
    firmware = "bios uefi" if everything else "bios"
    with open(build.folder / "conf/local.conf", "a") as file:
        file.write('TESTIMAGE_FIRMWARE = "%s"\n' % firmware)
    good, said, seconds = build.run("-c", "testimage", "stx-image-debian")
    for line in said.splitlines():
        if re.match(r"(bios|uefi), ", line):
            check(line, ": ok in " in line)
    check("it boots by %s (%.0f s)" % (firmware, seconds), good, said[-1500:])
    if everything:
        other = Build(work / "elsewhere/debian", downloads, 0o077, 1)
        other.lock_of(build, "stx-image-debian")
        good, said, seconds = other.run("stx-image-debian")
        check("stx-image-debian is built again elsewhere (%.0f s)" % seconds, good, said[-500:])
        for name in ("stx-debian.iso", "stx-debian.oci.tar"):
            difference = same(build, other, name)
            check("%s has equal bytes" % name, not difference, difference)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="also what takes long")
    options = parser.parse_args()
    lacking = [tool for tool in TOOLS if not shutil.which(tool)]
    if lacking or ours.program() is None:
        print("skipped: images (missing: %s)" % ", ".join(lacking or ["rbake itself"]))
        print("0 passed, 0 failed, 1 skipped")
        return 0
    with tempfile.TemporaryDirectory(prefix="images-") as folder:
        work = Path(folder)
        # Root in a namespace of another user has to pass through here.
        work.chmod(0o755)
        downloads = work / "downloads"
        container(work, downloads)
        debian(work, downloads, options.all)
    print("%d passed, %d failed, 0 skipped" % (sum(RESULTS), len(RESULTS) - sum(RESULTS)))
    return 0 if all(RESULTS) else 1


if __name__ == "__main__":
    sys.exit(main())
