# SPDX-License-Identifier: Apache-2.0
"""Disks that boot by BIOS and UEFI: made without loop devices and without grub-install, here or by the installer on the medium."""

import gzip
import os
import shutil
import struct
import uuid

import bb

from . import ext4, initramfs, iso

TOOLS = {"sfdisk": "fdisk"}
SECTOR = 512
MIB = 1024 * 1024
# Partitions in MiB: GRUB's core for BIOS, the EFI system partition; the root has the rest.
CORE_START, ESP_START, ROOT_START, END_SPACE = 1, 2, 66, 1
# Partition types of the UEFI and discoverable partitions specifications, as sfdisk wants them.
CORE_TYPE, ESP_TYPE = "21686148-6449-6E6F-744E-656564454649", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
ROOT_TYPE = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
# The third partition of whatever disk GRUB was started from: two installed disks in one machine do not get in each other's way.
PREFIX = "(,gpt3)/boot/grub"
BOOT_MODULES = "part_gpt ext2 normal configfile linux search search_fs_uuid serial terminal echo test minicmd".split()


def identity(name, part):
    """An UUID that is the same in every build of an image."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "rbake:disk:%s:%s" % (name, part)))


def check_tools():
    """Name everything that is missing, at once; what the ISO needs includes GRUB and mtools."""
    lacking = {package for tool, package in TOOLS.items() if not shutil.which(tool)}
    if lacking:
        bb.fatal("Programs for disk images are missing: apt-get install --no-install-recommends %s" % " ".join(sorted(lacking)))
    ext4.check_tools()
    iso.check_tools()


def embed_grub(boot, core, start):
    """GRUB's first sector and core, told that the core lies at sector `start`."""
    if len(boot) != SECTOR or len(core) <= SECTOR:
        raise ValueError("GRUB's boot sector has %d bytes and its core %d" % (len(boot), len(core)))
    core = bytearray(core + b"\0" * (-len(core) % SECTOR))
    # The core's first sector loads the others: first sector, how many, and the segment they go to.
    struct.pack_into("<QHH", core, 0x1f4, start + 1, len(core) // SECTOR - 1, 0x820)
    boot = bytearray(boot)
    struct.pack_into("<Q", boot, 0x5c, start)
    # Boot from the drive the BIOS names; no correction of what it names.
    boot[0x64] = 0xff
    boot[0x66:0x68] = b"\x90\x90"
    # From 0x1b8 on the sector has the disk's signature and the protective partition.
    return bytes(boot[:0x1b8]), bytes(core)


def boot_files(work, epoch):
    """What any disk begins with, whatever is on it: files `boot.img` (the start of the first sector), `core.img`, `esp.img`."""
    core, efi, esp = (os.path.join(work, name) for name in ("core.img", "disk-bootx64.efi", "esp.img"))
    iso.run(["grub-mkimage", "-O", "i386-pc", "-p", PREFIX, "-o", core, "biosdisk", *BOOT_MODULES])
    with open("/usr/lib/grub/i386-pc/boot.img", "rb") as first, open(core, "rb") as second:
        boot, patched = embed_grub(first.read(), second.read(), CORE_START * MIB // SECTOR)
    if len(patched) > (ESP_START - CORE_START) * MIB:
        bb.fatal("GRUB's core has %d bytes, more than its partition" % len(patched))
    for path, data in ((os.path.join(work, "boot.img"), boot), (core, patched)):
        with open(path, "wb") as file:
            file.write(data)
    iso.run(["grub-mkimage", "-O", "x86_64-efi", "-p", PREFIX, "-o", efi, *BOOT_MODULES, "fat", "efi_gop", "all_video"])
    os.utime(efi, (epoch, epoch))
    environment = dict(os.environ, SOURCE_DATE_EPOCH=str(epoch), MTOOLS_SKIP_CHECK="1")
    bb.utils.remove(esp)
    iso.run(["mkfs.vfat", "-C", "-i", "52424B45", "--invariant", "-n", "EFI", esp, str((ROOT_START - ESP_START) * 1024)], env=environment)
    iso.run(["mmd", "-i", esp, "::/EFI", "::/EFI/BOOT"], env=environment)
    iso.run(["mcopy", "-m", "-i", esp, efi, "::/EFI/BOOT/BOOTX64.EFI"], env=environment)


def table(size="", identities=None):
    """The partition table as sfdisk reads it; `size` of the root in MiB, or all that is left."""
    lines = ["label: gpt"]
    if identities:
        lines.append("label-id: " + identities("disk"))
    for part, kind, start, mib in (("core", CORE_TYPE, CORE_START, ESP_START - CORE_START), ("esp", ESP_TYPE, ESP_START, ROOT_START - ESP_START),
                                   ("root-partition", ROOT_TYPE, ROOT_START, size)):
        line = "start=%dMiB, " % start + ("size=%sMiB, " % mib if mib else "") + "type=" + kind
        lines.append(line + (", uuid=" + identities(part) if identities else ""))
    return "\n".join(lines) + "\n"


def menu(title, version, root_id, options):
    """GRUB's menu on an installed disk."""
    return ("serial --unit=0 --speed=115200\nterminal_input console serial\nterminal_output console serial\nset timeout=3\n"
            "menuentry \"%s\" {\n    linux /boot/vmlinuz-%s root=UUID=%s %s\n    initrd /boot/initrd.img-%s\n}\n"
            % (title, version, root_id, options, version))


def installed(root_tar, initrd, name, title, options):
    """The file system of an installed disk: the image, and what it boots with."""
    root_id = identity(name, "root")
    with initramfs.Root(root_tar) as root:
        version = initramfs.kernel_version(root)
    with open(initrd, "rb") as file:
        more = {"boot/initrd.img-" + version: file.read()}
    more["boot/grub/grub.cfg"] = menu(title, version, root_id, options).encode()
    more["etc/fstab"] = ("UUID=%s / ext4 errors=remount-ro 0 1\n" % root_id).encode()
    return more


def _put(disk, source, offset):
    """Copy a file into the disk, leaving holes for what is zero."""
    with open(source, "rb") as file:
        while block := file.read(MIB):
            if block.strip(b"\0"):
                disk.seek(offset)
                disk.write(block)
            offset += len(block)


def medium(work, root_tar, title, options, epoch):
    """What the installer needs on the medium: files by their paths there."""
    boot_files(work, epoch)
    with initramfs.Root(root_tar) as root:
        version = initramfs.kernel_version(root)
        used = sum((member.size + 4095) // 4096 * 4096 for member in root.members.values())
    with open(os.path.join(work, "esp.img"), "rb") as source, open(os.path.join(work, "esp.img.gz"), "wb") as target:
        target.write(gzip.compress(source.read(), 9, mtime=0))
    texts = {"table": table(), "version": version + "\n", "grub.cfg": menu(title, version, "@UUID@", options),
             # A quarter more: directories, the journal, and some room to start.
             "size": "%d\n" % (ROOT_START + END_SPACE + used * 5 // 4 // MIB + 128)}
    files = {"install/" + name: os.path.join(work, name) for name in ("boot.img", "core.img", "esp.img.gz")}
    for name, text in texts.items():
        files["install/" + name] = os.path.join(work, "install-" + name)
        with open(files["install/" + name], "w") as file:
            file.write(text)
    return files


def make(work, root_tar, initrd, target, name, title, options, epoch, mib):
    """Make the disk; its root gets `mib` MiB. `initrd` is the initramfs for the root's kernel."""
    check_tools()
    temporary, root = target + ".tmp", os.path.join(work, "root.ext4")
    boot_files(work, epoch)
    ext4.make(work, root_tar, root, identity(name, "root"), identity(name, "hash"), epoch, mib, installed(root_tar, initrd, name, title, options))
    with open(temporary, "wb") as file:
        file.truncate((ROOT_START + mib + END_SPACE) * MIB)
    script = os.path.join(work, "table.sfdisk")
    with open(script, "w") as file:
        file.write(table(mib, lambda part: identity(name, part)))
    with open(script, "rb") as file:
        iso.run(["sfdisk", "-q", "--no-reread", "--no-tell-kernel", temporary], stdin=file)
    with open(temporary, "r+b") as disk:
        for source, offset in (("boot.img", 0), ("core.img", CORE_START * MIB), ("esp.img", ESP_START * MIB), ("root.ext4", ROOT_START * MIB)):
            _put(disk, os.path.join(work, source), offset)
        disk.flush()
        os.fsync(disk.fileno())
    os.rename(temporary, target)
    bb.utils.remove(root)
