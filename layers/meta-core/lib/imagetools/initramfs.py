# SPDX-License-Identifier: Apache-2.0
"""The kernel and a small initramfs, both from the root's own packages."""

import gzip
import lzma
import os
import posixpath
import subprocess
import tarfile

import bb

# What is needed to find the medium: file systems, and the buses of disks, CD drives and sticks.
MODULES = ("squashfs overlay isofs loop cdrom sr_mod sd_mod ahci ata_piix virtio_blk virtio_scsi virtio_pci nvme usb_storage uas "
           "xhci_pci ehci_pci uhci_hcd ext4 crc32c_generic vfat nls_ascii nls_cp437 nls_iso8859_1").split()

INIT = r"""#!/bin/busybox sh
# Finds the live medium, or the disk that root= names, and starts the system there; with rbake.install= it installs it on a disk.
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

root= install=
for word in $(cat /proc/cmdline); do
    case $word in
    root=*) root=${word#root=} ;;
    rbake.install=*) install=${word#rbake.install=} ;;
    esac
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
            [ -f "/medium/MARKER" ] && medium=$device && break 2
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
    # A volume with this name answers all questions: whoever put it there wants an installation.
    answers=$(findfs LABEL=ANSWERS 2>/dev/null) && [ -d /medium/install ] && install=answers
    [ -z "$install" ] || . /install
elif ! [ -x /root/sbin/init ] && ! [ -L /root/sbin/init ]; then
    fail "$root has no system on it"
fi
umount /proc /sys
exec switch_root /root /sbin/init
"""

INSTALL = r"""# Puts the system of the medium on a disk. Read by init, which has mounted the medium, its squashfs at /lower, and a root at /root
# whose programs are used here. Answers are lines NAME=VALUE in a file answers of a volume called ANSWERS:
#   disk=/dev/sda (or auto: the only one that is empty)   hostname=NAME   password=HASH, as crypt(5) has it   after=poweroff or reboot
say() { echo "installer: $1"; }
stop() {
    say "$1"
    say "Nothing was installed. This is a shell; 'reboot -f' starts again."
    exec sh
}
answer() { sed -n "s/^$1=//p" /answers 2>/dev/null | tail -n 1 | tr -d '\r'; }
disks() {
    for path in /sys/block/[svx]d[a-z]* /sys/block/nvme*n*; do
        [ -e "$path/size" ] && [ "/dev/${path##*/}" != "$medium" ] && [ "$(cat "$path/size")" -gt 0 ] && [ "$(cat "$path/ro")" = 0 ] && echo "/dev/${path##*/}"
    done
}
# Nothing in the first 2 MiB: no partition table, no file system.
empty() { [ "$(dd if="$1" bs=1M count=2 2>/dev/null | tr -d '\0' | head -c 1 | wc -c)" = 0 ]; }

: > /answers
if [ -n "$answers" ]; then
    mkdir -p /questions
    mount -o ro "$answers" /questions || stop "the volume ANSWERS can't be read"
    cp /questions/answers /answers || stop "the volume ANSWERS has no file answers"
    umount /questions
fi
disk=$install
[ "$install" != answers ] || disk=$(answer disk)
if [ "$disk" = auto ]; then
    disk=
    for candidate in $(disks); do
        if [ "$candidate" != "$answers" ] && empty "$candidate"; then
            [ -z "$disk" ] || stop "there are several empty disks, $disk and $candidate: say which one"
            disk=$candidate
        fi
    done
    [ -n "$disk" ] || stop "no disk is empty"
elif [ "$disk" = ask ]; then
    say "The system is put on a disk. There are:"
    for candidate in $(disks); do
        note=", which has something on it"
        ! empty "$candidate" || note=", empty"
        say "  $candidate  $(($(cat "/sys/block/${candidate#/dev/}/size") / 2097152)) GiB$note"
    done
    printf 'Which one? All that is on it will be lost: '
    read -r disk
    printf 'Type yes to overwrite %s: ' "$disk"
    read -r sure
    [ "$sure" = yes ] || stop "as you wish"
else
    [ -b "$disk" ] || stop "there is no disk $disk"
    empty "$disk" || [ "$(answer wipe)" = yes ] || stop "$disk has something on it; the answer wipe=yes overwrites it"
fi
[ -b "$disk" ] || stop "there is no disk $disk"
size=$(($(cat "/sys/block/${disk#/dev/}/size") / 2048))
needed=$(cat /medium/install/size)
[ "$size" -ge "$needed" ] || stop "$disk has $size MiB, and $needed are needed"

say "Installing on $disk"
for name in dev proc sys; do mount --bind /$name /root/$name; done
chroot /root sfdisk -q --wipe always --wipe-partitions always "$disk" < /medium/install/table || stop "$disk can't be partitioned"
dd if=/medium/install/boot.img of="$disk" bs=440 count=1 conv=notrunc 2>/dev/null
dd if=/medium/install/core.img of="$disk" bs=1M seek=CORE_START conv=notrunc 2>/dev/null
zcat /medium/install/esp.img.gz | dd of="$disk" bs=1M seek=ESP_START conv=notrunc 2>/dev/null
case $disk in *[0-9]) part=${disk}p3 ;; *) part=${disk}3 ;; esac
tries=0
until [ -b "$part" ] || [ $tries -gt 20 ]; do sleep 0.5; tries=$((tries + 1)); done
chroot /root mkfs.ext4 -q -F -L root "$part" || stop "$part can't be formatted"
mount --bind /lower /root/media
mount -t ext4 "$part" /root/mnt || stop "$part can't be mounted"
chroot /root cp -a /media/. /mnt/ || stop "the system could not be copied"
umount /root/media
new=/root/mnt
version=$(cat /medium/install/version)
cp /medium/live/initrd.img "$new/boot/initrd.img-$version" || stop "the initramfs could not be copied"
uuid=$(chroot /root blkid -o value -s UUID "$part")
mkdir -p "$new/boot/grub"
sed "s/@UUID@/$uuid/" /medium/install/grub.cfg > "$new/boot/grub/grub.cfg"
echo "UUID=$uuid / ext4 errors=remount-ro 0 1" > "$new/etc/fstab"
name=$(answer hostname)
if [ -n "$name" ]; then
    old=$(cat "$new/etc/hostname")
    echo "$name" > "$new/etc/hostname"
    sed -i "s/\t$old\$/\t$name/" "$new/etc/hosts"
fi
hash=$(answer password)
[ -z "$hash" ] || printf 'root:%s\n' "$hash" | chroot "$new" chpasswd -e || stop "the password could not be set"
umount "$new" || stop "$part could not be written"
sync
say "installed on $disk"
case $(answer after) in
poweroff) poweroff -f ;;
reboot) reboot -f ;;
esac
say "Remove the medium and press Enter to start the installed system."
read -r _
reboot -f
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


def _plain(path):
    """A module's path without what its compression adds."""
    return path.partition(".ko")[0] + ".ko"


def _unpacked(path, data):
    """A module's bytes: busybox loads only what is not compressed, and the initramfs is compressed as a whole."""
    if path.endswith(".xz"):
        return lzma.decompress(data)
    if path.endswith(".gz"):
        return gzip.decompress(data)
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-q", "-d", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


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


def make(root_tar, kernel, initramfs, marker, starts):
    """Write the kernel and an initramfs that looks for a medium with the file `marker`; `starts` are where the installer puts GRUB, in MiB."""
    with Root(root_tar) as root:
        version = kernel_version(root)
        with open(kernel, "wb") as file:
            file.write(root.read("boot/vmlinuz-" + version))
        folder, modules, needs = _modules(root, version)
        directories, files = {"bin", "dev", "proc", "sys"}, []
        target = "lib/modules/" + version
        listed = "".join("%s: %s\n" % (_plain(path), " ".join(map(_plain, needs[path]))) for path in modules)
        for path in modules:
            files.append((target + "/" + _plain(path), 0o100644, _unpacked(path, root.read(folder + "/" + path)), (0, 0)))
        files.append((target + "/modules.dep", 0o100644, listed.encode(), (0, 0)))
        try:
            busybox = root.read("usr/bin/busybox")
        except FileNotFoundError:
            bb.fatal("The image has no busybox, which its initramfs is made of: add busybox-static to ROOTFS_INSTALL")
        files.append(("bin/busybox", 0o100755, busybox, (0, 0)))
        script = INIT.replace("MODULES", " ".join(MODULES)).replace("MARKER", marker)
        files.append(("init", 0o100755, script.encode(), (0, 0)))
        script = INSTALL.replace("CORE_START", str(starts[0])).replace("ESP_START", str(starts[1]))
        files.append(("install", 0o100644, script.encode(), (0, 0)))
        for path, *_ in files:
            while posixpath.dirname(path):
                path = posixpath.dirname(path)
                directories.add(path)
        entries = [(path, 0o040755, b"", (0, 0)) for path in sorted(directories)]
        entries.append(("dev/console", 0o020600, b"", (5, 1)))
        with open(initramfs, "wb") as file:
            file.write(gzip.compress(cpio(entries + sorted(files)), 9, mtime=0))
    return version
