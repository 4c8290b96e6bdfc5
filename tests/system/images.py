# SPDX-License-Identifier: Apache-2.0
"""Builds packages and images for real, from the archive that apt on this machine is configured for, and boots them.

    images.py            a container image twice, with equal bytes; the images of Debian and of the sample Ubuntu with the packages that
                         recipes make; one boots by BIOS from the ISO, the other by UEFI from a disk that the ISO installed
    images.py --all      the images twice, too; every boot of both; a change of one package's working tree; an image without its service

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

TOOLS = "mmdebstrap gpg apt-get xorriso grub-mkimage mkfs.vfat mcopy mksquashfs mke2fs sfdisk qemu-system-x86_64".split()
IMAGES = ("stx-image-debian", "stx-image-ubuntu")
FILES = ("stx-debian.iso", "stx-debian.raw", "stx-debian.oci.tar", "stx-ubuntu-sample.iso", "stx-ubuntu-sample.raw",
         "stx-ubuntu-sample.oci.tar")
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
        layers = " ".join(str(path) for path in (
            *(ROOT / "layers" / name for name in ("meta-core", "meta-debian", "meta-sample")), ROOT / "meta-ubuntu", ROOT / "meta-stx", layer))
        (self.folder / "conf/bblayers.conf").write_text('BBPATH = "${TOPDIR}"\nBBFILES ?= ""\nBBLAYERS = "%s"\n' % layers)
        (self.folder / "conf/local.conf").write_text(
            'DL_DIR = "%s"\nBB_NUMBER_THREADS = "%d"\nBBMULTICONFIG = "debian ubuntu"\nOS_FEED = "sample"\n' % (downloads, threads))

    def run(self, *arguments):
        """Run rbake; whether it succeeded, what it said, seconds."""
        started = time.monotonic()
        done = subprocess.run([str(ours.program()), *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, umask=self.umask)
        if done.returncode != 0:
            print(done.stdout[-6000:], flush=True)
        return done.returncode == 0, done.stdout, time.monotonic() - started

    def set(self, text):
        """Add lines to the configuration."""
        with open(self.folder / "conf/local.conf", "a") as file:
            file.write(text + "\n")

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


def tasks_run(said):
    """The tasks that a build ran: (recipe, task)."""
    return re.findall(r"^NOTE: recipe (\S+?)-\S+-r\d+: task (\w+): Started$", said, re.M)


def boots(build, image, drives, firmware):
    """Boot an image in QEMU, and count its checks."""
    build.set('TESTIMAGE_DRIVES:pn-%s = "%s"\nTESTIMAGE_FIRMWARE:pn-%s = "%s"' % (image, drives, image, firmware))
    good, said, seconds = build.run("-c", "testimage", image)
    for line in said.splitlines():
        if re.match(r"(cdrom|disk|installed|installer)(, (bios|uefi))?, ", line):
            check("%s, %s" % (image, line), ": ok in " in line)
    check("%s boots from %s by %s (%.0f s)" % (image, drives, firmware, seconds), good, said[-1500:])


def products(work, downloads, everything):
    """The images of both systems: built with their packages, booted and looked at."""
    build = Build(work / "products", downloads)
    good, said, seconds = build.run(*IMAGES)
    check("%s are built (%.0f s)" % (" and ".join(IMAGES), seconds), good, said[-500:])
    if not good:
        return
    good, said, seconds = build.run(*IMAGES)
    check("nothing to do the second time (%.1f s)" % seconds, good and not tasks_run(said), said[-500:])
    for distro in ("debian-bookworm", "ubuntu-noble"):
        found = {path.parent.name for path in (build.folder / "tmp/deploy/deb").glob(distro + "-amd64/*/*+stx.1_*.deb")}
        check("packages of six recipes for %s" % distro, found == {"dnsmasq", "ethtool", "libpcap", "net-tools", "stx-fault", "tcpdump"}, found)
    repository(work, build)
    if everything:
        for image in IMAGES:
            boots(build, image, "cdrom disk installed", "bios uefi")
    else:
        boots(build, IMAGES[0], "cdrom", "bios")
        boots(build, IMAGES[1], "installed", "uefi")
        return
    again(work, downloads, build)
    working_tree(work, build)
    without_service(build)


def repository(work, build):
    """The signed archive of our packages, as apt of another machine sees it."""
    good, said, _ = build.run("mc:debian:package-index")
    check("our packages are an archive", good, said[-500:])
    archive = build.folder / "tmp/deploy/repository/debian-bookworm"
    place = work / "apt"
    for name in ("lists/partial", "archives/partial"):
        (place / name).mkdir(parents=True)
    (place / "status").write_text("")

    def apt(keyring, *words):
        (place / "sources.list").write_text("deb [signed-by=%s] file:%s bookworm main\n" % (keyring, archive))
        options = {"Dir::Etc::sourcelist": place / "sources.list", "Dir::Etc::sourceparts": "/dev/null", "Dir::State": place,
                   "Dir::State::status": place / "status", "Dir::Cache": place, "APT::Sandbox::User": "root", "Debug::NoLocking": "1"}
        line = ["apt-get", *words, *("-o%s=%s" % pair for pair in options.items())]
        done = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"})
        return done.returncode, done.stdout

    status, said = apt(archive / "key.gpg", "update", "-oAPT::Update::Error-Mode=any")
    check("apt takes it with its key", status == 0, said)
    status, said = apt(archive / "key.gpg", "download", "--print-uris", "stx-fault")
    check("and finds our packages there", status == 0 and "stx-fault_1.0%2bstx.1_amd64.deb" in said, said)
    status, said = apt("/usr/share/keyrings/debian-archive-keyring.gpg", "update", "-oAPT::Update::Error-Mode=any")
    check("with another key apt refuses it", status != 0 and "NO_PUBKEY" in said, said)


def again(work, downloads, build):
    """The same bytes elsewhere."""
    other = Build(work / "elsewhere/in/a/deeper/folder", downloads, 0o077, 1)
    good, said, seconds = other.run(*IMAGES)
    check("both are built again elsewhere (%.0f s)" % seconds, good, said[-500:])
    for name in FILES:
        difference = same(build, other, name)
        check("%s has equal bytes" % name, not difference, difference)
    for path in sorted((build.folder / "tmp/deploy/deb").glob("*/*/*.deb")):
        there = other.folder / path.relative_to(build.folder)
        check("%s has equal bytes" % path.name, there.exists() and path.read_bytes() == there.read_bytes())


def working_tree(work, build):
    """A change that nobody committed, in somebody's working tree: in the images of both systems after one command."""
    tree = work / "working-tree"
    shutil.copytree(ROOT / "meta-stx/recipes/stx-fault/files/src", tree)
    git = ["git", "-C", str(tree), "-c", "user.name=x", "-c", "user.email=x@localhost"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "start"]):
        subprocess.run([*git, *words], check=True)
    build.set('INHERIT += "externalsrc"\nEXTERNALSRC:pn-stx-fault = "%s"' % tree)
    good, said, seconds = build.run(*IMAGES)
    check("built from a working tree (%.0f s)" % seconds, good, said[-500:])
    client = tree / "stx-alarm"
    client.write_text(client.read_text().replace("Raises, lists and clears alarms of this machine.", "Changed, and not committed."))
    good, said, seconds = build.run(*IMAGES)
    ran = {recipe for recipe, _ in tasks_run(said)}
    check("a change there rebuilds that package and the images, and nothing else (%.0f s)" % seconds,
          good and ran == {"stx-fault", *IMAGES}, ran or said[-500:])
    for folder in sorted((build.folder / "tmp/deploy/deb").glob("*/stx-fault")):
        package = next(folder.glob("stx-fault-client_*.deb"))
        listing = subprocess.run("dpkg-deb --fsys-tarfile %s | tar -xO ./usr/bin/stx-alarm" % package, shell=True, stdout=subprocess.PIPE, text=True)
        check("the change is in the package for %s" % folder.parent.name, "Changed, and not committed." in listing.stdout)


def without_service(build):
    """An image that lacks its service must not pass."""
    (build.folder / "layer/recipes/stx-image-debian.bbappend").write_text(
        'ROOTFS_POSTPROCESS_COMMAND += "no_service"\nno_service () {\n\trm "$1/lib/systemd/system/stx-faultd.service"\n}\n')
    conf = build.folder / "layer/conf/layer.conf"
    conf.write_text(conf.read_text().replace("recipes/*.bb", "recipes/*.bb ${LAYERDIR}/recipes/*.bbappend"))
    build.set('TESTIMAGE_DRIVES:pn-stx-image-debian = "cdrom"\nTESTIMAGE_FIRMWARE:pn-stx-image-debian = "bios"')
    good, said, _ = build.run("stx-image-debian")
    check("an image without its service is built", good, said[-500:])
    good, said, _ = build.run("-c", "testimage", "stx-image-debian")
    check("and do_testimage says so", not good and "alarms: FAILED" in said, said[-500:])


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
        products(work, downloads, options.all)
    print("%d passed, %d failed, 0 skipped" % (sum(RESULTS), len(RESULTS) - sum(RESULTS)))
    return 0 if all(RESULTS) else 1


if __name__ == "__main__":
    sys.exit(main())
