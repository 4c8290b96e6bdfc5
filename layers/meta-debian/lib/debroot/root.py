# SPDX-License-Identifier: Apache-2.0
"""The root itself."""

import os
import shutil
import subprocess

import bb

from debroot import fetch, sandbox
from debroot.lock import read

# Runs twice while packages are configured and takes most of the time; the image makes its own, once.
DIVERT = '''set -e
if [ "$2" = on ]; then
    chroot "$1" dpkg-divert --quiet --local --rename --add /usr/sbin/update-initramfs
    ln -s /bin/true "$1/usr/sbin/update-initramfs"
else
    rm "$1/usr/sbin/update-initramfs"
    chroot "$1" dpkg-divert --quiet --local --rename --remove /usr/sbin/update-initramfs
fi
'''
# What differs from one installation to the next, and what no image needs.
CLEAN = '''set -e
rm -rf "$1"/var/log/apt/* "$1"/var/log/dpkg.log "$1"/var/log/alternatives.log "$1"/var/log/bootstrap.log
rm -rf "$1"/var/cache/ldconfig/aux-cache "$1"/var/cache/debconf/*-old "$1"/var/lib/dpkg/*-old "$1"/etc/.pwd.lock
rm -rf "$1"/var/lib/systemd/catalog/database "$1"/etc/apt/sources.list.d/0000*.list "$1"/var/lib/apt/lists/*
rm -f "$1"/etc/*- "$1"/var/lib/dbus/machine-id
: > "$1/etc/machine-id"
: > "$1/etc/apt/sources.list"
'''


def _script(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def make(d):
    """Make ROOTFS_TAR."""
    work, target = os.path.join(d.getVar("WORKDIR"), "rootfs-work"), d.getVar("ROOTFS_TAR")
    bb.utils.mkdirhier(work)
    if not shutil.which("mmdebstrap"):
        bb.fatal("mmdebstrap is needed to make roots: apt-get install mmdebstrap")
    repository = fetch.repository(d, d.getVar("ROOTFS_LOCK"), os.path.join(work, "repository"))
    names = ["%s=%s" % (entry["package"], entry["version"]) for entry in read(d.getVar("ROOTFS_LOCK"))["packages"]]
    divert = _script(work, "divert", DIVERT)
    clean = _script(work, "clean", CLEAN)
    hooks = []
    for name in (d.getVar("ROOTFS_HOOKS") or "").split():
        hooks.append("--customize-hook=%s \"$1\"" % _script(work, name, "set -e\n" + (d.getVar(name) or "")))
    temporary = target + ".tmp"
    # Root gives up the network by itself; for others mmdebstrap's own namespace has no way to it but the host's.
    alone = [*sandbox.LEASH, *(["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"] if os.geteuid() == 0 else [])]
    command = [
        *alone, "mmdebstrap", "--mode=auto", "--variant=essential", "--format=tar", "--architectures=" + d.getVar("DISTRO_ARCH"),
        "--include=" + ",".join(names), "--aptopt=APT::Install-Recommends \"false\"",
        "--aptopt=Acquire::Languages \"none\"",
        "--essential-hook=%s \"$1\" on" % divert,
        "--customize-hook=%s \"$1\" off" % divert,
        *hooks,
        "--customize-hook=%s \"$1\"" % clean,
        "--skip=check/qemu", d.getVar("BASE_DISTRO_CODENAME"), temporary,
        # The bytes were compared with the lock's hashes just now; the lock's come from the signed index.
        "deb [trusted=yes] copy:%s ./" % repository,
    ]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": work, "TMPDIR": work,
                   "SOURCE_DATE_EPOCH": d.getVar("SOURCE_DATE_EPOCH"), "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, stdin=subprocess.DEVNULL, env=environment, umask=0o022)
    if done.returncode != 0:
        bb.fatal("The root could not be made (mmdebstrap: exit code %d); see above" % done.returncode)
    os.rename(temporary, target)
