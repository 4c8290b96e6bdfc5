# SPDX-License-Identifier: Apache-2.0
"""A live system on one file that boots by BIOS and UEFI, as a CD and as a USB stick."""

import os
import shutil
import subprocess
import time

import bb

TOOLS = {"xorriso": "xorriso", "grub-mkimage": "grub-common", "mkfs.vfat": "dosfstools", "mmd": "mtools", "mcopy": "mtools",
         "mksquashfs": "squashfs-tools"}
BIOS_MODULES = "biosdisk iso9660 normal configfile linux search search_fs_file serial terminal part_msdos part_gpt echo test minicmd".split()
EFI_MODULES = "fat iso9660 normal configfile linux search search_fs_file serial terminal part_msdos part_gpt echo test efi_gop all_video".split()


def check_tools():
    """Name everything that is missing, at once."""
    lacking = {package for tool, package in TOOLS.items() if not shutil.which(tool)}
    for folder, package in (("i386-pc", "grub-pc-bin"), ("x86_64-efi", "grub-efi-amd64-bin")):
        if not os.path.isdir("/usr/lib/grub/" + folder):
            lacking.add(package)
    if lacking:
        bb.fatal("Programs for images are missing: apt-get install --no-install-recommends %s" % " ".join(sorted(lacking)))


def run(command, **more):
    """Run a program; its failure ends the task with what it said."""
    done = subprocess.run(command, stdin=more.pop("stdin", subprocess.DEVNULL), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    if done.returncode != 0:
        bb.fatal("%s failed (exit code %d):\n%s" % (command[0], done.returncode, done.stdout.decode(errors="replace")[-2000:]))
    return done.stdout.decode(errors="replace")


def clamp(folder, epoch):
    """Give everything below a folder the same time."""
    for parent, directories, files in os.walk(folder, topdown=False):
        # Links to folders are among the folders.
        for name in files + directories:
            os.utime(os.path.join(parent, name), (epoch, epoch), follow_symlinks=False)
        os.utime(parent, (epoch, epoch))


def squashfs(root_tar, target, epoch):
    """A compressed, read-only file system of the root."""
    if os.path.exists(target):
        os.unlink(target)
    environment = dict(os.environ, SOURCE_DATE_EPOCH=str(epoch))
    with open(root_tar, "rb") as archive:
        # The root folder belongs to whoever runs this, whatever the archive says and whatever option is given.
        alone = ["unshare", "--user", "--map-root-user", "--"] if os.geteuid() != 0 else []
        run([*alone, "mksquashfs", "-", target, "-tar", "-quiet", "-no-progress", "-root-mode", "755", "-comp", "zstd", "-Xcompression-level", "9"],
            stdin=archive, env=environment)


def make(work, target, marker, label, title, options, entries, files, epoch):
    """Make the image. `files` maps paths on the medium to files; `options` are the kernel's, and `entries` of the
    menu are names with what each adds to them."""
    tree = os.path.join(work, "iso")
    shutil.rmtree(tree, ignore_errors=True)
    grub = os.path.join(tree, "boot/grub")
    os.makedirs(grub)
    for path, source in files.items():
        os.makedirs(os.path.dirname(os.path.join(tree, path)), exist_ok=True)
        os.link(source, os.path.join(tree, path))
    with open(os.path.join(tree, marker), "w") as file:
        file.write(title + "\n")
    with open(os.path.join(grub, "grub.cfg"), "w") as file:
        file.write("serial --unit=0 --speed=115200\nterminal_input console serial\nterminal_output console serial\nset timeout=3\n"
                   + "".join("menuentry \"%s (%s)\" {\n    linux /live/vmlinuz %s\n    initrd /live/initrd.img\n}\n"
                             % (title, name, " ".join([options, *more])) for name, more in entries))
    early = os.path.join(work, "early.cfg")
    with open(early, "w") as file:
        file.write("search --no-floppy --set=root --file /%s\nset prefix=($root)/boot/grub\nconfigfile ($root)/boot/grub/grub.cfg\n" % marker)
    run(["grub-mkimage", "-O", "i386-pc-eltorito", "-c", early, "-p", "/boot/grub", "-o", os.path.join(grub, "eltorito.img"), *BIOS_MODULES])
    efi = os.path.join(work, "bootx64.efi")
    run(["grub-mkimage", "-O", "x86_64-efi", "-c", early, "-p", "/boot/grub", "-o", efi, *EFI_MODULES])
    os.utime(efi, (epoch, epoch))
    partition = os.path.join(grub, "efi.img")
    environment = dict(os.environ, SOURCE_DATE_EPOCH=str(epoch), MTOOLS_SKIP_CHECK="1")
    kib = (os.path.getsize(efi) + 1023) // 1024 + 512
    run(["mkfs.vfat", "-C", "-i", "52424B45", "--invariant", "-n", "EFI", partition, str(kib)], env=environment)
    run(["mmd", "-i", partition, "::/EFI", "::/EFI/BOOT"], env=environment)
    run(["mcopy", "-m", "-i", partition, efi, "::/EFI/BOOT/BOOTX64.EFI"], env=environment)
    clamp(tree, epoch)
    stamp = time.strftime("%Y%m%d%H%M%S00", time.gmtime(epoch))
    temporary = target + ".tmp"
    if os.path.exists(temporary):
        os.unlink(temporary)
    run(["xorriso", "-as", "mkisofs", "-quiet", "-V", label, "-r", "-J", "-joliet-long", "-iso-level", "3", "--modification-date=" + stamp,
         "-b", "boot/grub/eltorito.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", "--grub2-boot-info",
         "--grub2-mbr", "/usr/lib/grub/i386-pc/boot_hybrid.img", "-c", "boot/grub/boot.cat", "--efi-boot", "boot/grub/efi.img",
         "-efi-boot-part", "--efi-boot-image", "--protective-msdos-label", "-o", temporary, tree],
        env=dict(os.environ, SOURCE_DATE_EPOCH=str(epoch)))
    os.rename(temporary, target)
    shutil.rmtree(tree)
