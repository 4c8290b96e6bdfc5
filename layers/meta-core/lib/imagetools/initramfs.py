# SPDX-License-Identifier: Apache-2.0
"""The kernel and a small initramfs, both from the root's own packages."""

import gzip
import os
import posixpath
import tarfile

import bb

# What is needed to find the medium: file systems, and the buses of disks, CD drives and sticks.
MODULES = ("squashfs overlay isofs loop cdrom sr_mod sd_mod ahci ata_piix virtio_blk virtio_scsi virtio_pci nvme usb_storage uas "
           "xhci_pci ehci_pci uhci_hcd ext4 vfat nls_ascii nls_cp437 nls_iso8859_1").split()

INIT = """#!/bin/busybox sh
# Finds the live medium, or the disk that root= names, and starts the system there.
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in MODULES; do modprobe -q $module; done

fail() {
    echo "initramfs: $1"
    echo "initramfs: the kernel was given: $(cat /proc/cmdline)"
    exec sh
}

root=
for word in $(cat /proc/cmdline); do
    case $word in root=*) root=${word#root=} ;; esac
done
mkdir -p /medium /lower /upper /root
tries=0
while [ $tries -lt 60 ]; do
    if [ -n "$root" ]; then
        device=$(findfs "$root" 2>/dev/null) && mount -o rw "$device" /root 2>/dev/null && break
    else
        for device in /dev/sr[0-9]* /dev/[svx]d[a-z]* /dev/nvme[0-9]*n[0-9]*; do
            [ -b "$device" ] || continue
            mount -t iso9660 -o ro "$device" /medium 2>/dev/null || continue
            [ -f "/medium/MARKER" ] && break 2
            umount /medium
        done
    fi
    sleep 0.5
    tries=$((tries + 1))
done
if [ -z "$root" ]; then
    [ -f /medium/MARKER ] || fail "there is no medium with MARKER"
    mount -t squashfs -o ro,loop /medium/live/root.squashfs /lower || fail "the squashfs on the medium can't be mounted"
    mount -t tmpfs -o mode=755 upper /upper
    mkdir -p /upper/data /upper/work
    mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work overlay /root || fail "no overlay"
    mkdir -p /root/run/live
elif ! [ -x /root/sbin/init ] && ! [ -L /root/sbin/init ]; then
    fail "$root has no system on it"
fi
umount /proc /sys
exec switch_root /root /sbin/init
"""


class Root:
    """The tar archive of a root."""

    def __init__(self, path):
        self.archive = tarfile.open(path, "r:")
        self.members = {posixpath.normpath(member.name).lstrip("/"): member for member in self.archive.getmembers()}

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.archive.close()

    def find(self, prefix):
        """The paths that begin with a prefix, in order."""
        return sorted(path for path in self.members if path.startswith(prefix))

    def read(self, path):
        """A file's bytes; symbolic and hard links are followed."""
        for _ in range(20):
            member = self.members.get(path)
            if member is None:
                # /bin and /lib are links in a merged /usr.
                if not path.startswith("usr/"):
                    path = "usr/" + path
                    continue
                raise FileNotFoundError(path)
            if member.issym():
                path = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), member.linkname)).lstrip("/")
            elif member.islnk():
                path = posixpath.normpath(member.linkname).lstrip("/")
            else:
                return self.archive.extractfile(member).read()
        raise OSError("too many links: %s" % path)


def kernel_version(root):
    """The version of the root's only kernel."""
    found = sorted(path.partition("boot/vmlinuz-")[2] for path in root.find("boot/vmlinuz-"))
    if len(found) != 1:
        bb.fatal("An image that boots needs one kernel; in its root are %s" % (", ".join(found) or "none"))
    return found[0]


def _modules(root, version):
    """The files of MODULES and of what they need."""
    base = next(base for base in ("usr/lib/modules/", "lib/modules/") if root.find(base + version))
    needs, by_name = {}, {}
    for line in root.read(base + version + "/modules.dep").decode().splitlines():
        path, _, deps = line.partition(":")
        needs[path] = deps.split()
        by_name[posixpath.basename(path).partition(".ko")[0].replace("-", "_")] = path
    built_in = {posixpath.basename(line).partition(".ko")[0].replace("-", "_")
                for line in root.read(base + version + "/modules.builtin").decode().splitlines()}
    wanted, found = [], set()
    for name in MODULES:
        if name in by_name:
            wanted.append(by_name[name])
        elif name not in built_in:
            bb.debug(1, "The kernel has no module %s" % name)
    while wanted:
        path = wanted.pop()
        if path not in found:
            found.add(path)
            wanted.extend(needs.get(path, ()))
    return base + version, sorted(found), needs


def cpio(entries):
    """An archive in the format newc, without anything that depends on the machine: entries are (path, mode, bytes, device)."""
    out = bytearray()
    for number, (path, mode, data, device) in enumerate([*entries, ("TRAILER!!!", 0, b"", (0, 0))], 1):
        name = path.encode() + b"\0"
        fields = (number if path != "TRAILER!!!" else 0, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
        out += b"070701" + b"".join(b"%08x" % field for field in fields) + name
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
    out += b"\0" * (-len(out) % 512)
    return bytes(out)


def make(root_tar, kernel, initramfs, marker):
    """Write the kernel and an initramfs that looks for a medium with the file `marker`."""
    with Root(root_tar) as root:
        version = kernel_version(root)
        with open(kernel, "wb") as file:
            file.write(root.read("boot/vmlinuz-" + version))
        folder, modules, needs = _modules(root, version)
        directories, files = {"bin", "dev", "proc", "sys"}, []
        target = "lib/modules/" + version
        listed = "".join("%s: %s\n" % (path, " ".join(needs[path])) for path in modules)
        for path in modules:
            files.append((target + "/" + path, 0o100644, root.read(folder + "/" + path), (0, 0)))
        files.append((target + "/modules.dep", 0o100644, listed.encode(), (0, 0)))
        try:
            busybox = root.read("usr/bin/busybox")
        except FileNotFoundError:
            bb.fatal("The image has no busybox, which its initramfs is made of: add busybox-static to ROOTFS_INSTALL")
        files.append(("bin/busybox", 0o100755, busybox, (0, 0)))
        script = INIT.replace("MODULES", " ".join(MODULES)).replace("MARKER", marker)
        files.append(("init", 0o100755, script.encode(), (0, 0)))
        for path, *_ in files:
            while posixpath.dirname(path):
                path = posixpath.dirname(path)
                directories.add(path)
        entries = [(path, 0o040755, b"", (0, 0)) for path in sorted(directories)]
        entries.append(("dev/console", 0o020600, b"", (5, 1)))
        with open(initramfs, "wb") as file:
            file.write(gzip.compress(cpio(entries + sorted(files)), 9, mtime=0))
    return version
