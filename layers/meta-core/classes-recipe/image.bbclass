# Images of a root: what IMAGE_FSTYPES names. The root is made by the class ROOTFS_CLASS of the distribution, which brings do_rootfs,
# ROOTFS_TAR (the root) and ROOTFS_LOCK (its packages).
#
#   do_rootfs → do_image_tar, do_image_squashfs → do_image_iso, do_image_oci, do_image_ext4, do_image_raw → do_image_qcow2 → do_image_complete → do_build
#   by hand: do_testimage boots what was made
#
# Every image is the same bytes for the same packages and settings, wherever and whenever it is made.

ROOTFS_CLASS ??= ""
ROOTFS_CLASS[doc] = "The class that makes roots of the distribution's packages."
def image_rootfs_class(d):
    name = d.getVar("ROOTFS_CLASS")
    if not name:
        raise bb.parse.SkipRecipe("an image needs a distribution with ROOTFS_CLASS: require conf/distro/debian-bookworm.conf, say")
    return name

inherit ${@image_rootfs_class(d)}

IMAGE_FSTYPES ?= "iso raw oci"
IMAGE_FSTYPES[doc] = "What is made of the root: tar.zst, squashfs, ext4, iso (live, and installs), raw (a disk), qcow2, oci."
IMAGE_DISK_SIZE ?= "1536"
IMAGE_DISK_SIZE[doc] = "MiB of the root's file system in ext4, raw and qcow2."
ISO_INSTALLER ?= "1"
ISO_INSTALLER[doc] = "1 has the ISO install the system on a disk, too: from its menu, or without questions where a volume ANSWERS is found."
IMAGE_INSTALL ?= ""
IMAGE_INSTALL[doc] = "Packages in the image: those that recipes make are built, others come from the distribution's archive."
RDEPENDS = "${IMAGE_INSTALL}"
IMAGE_NAME ?= "${PN}"
IMAGE_NAME[doc] = "How the images' files begin."
IMAGE_TITLE ?= "${SUMMARY}"
IMAGE_TITLE[doc] = "What the boot menu calls the system."
IMAGE_HOSTNAME ?= "${PN}"
IMAGE_HOSTNAME[doc] = "The machine's name."
IMAGE_ROOT_PASSWORD ?= "stx"
IMAGE_ROOT_PASSWORD[doc] = "Password of root. The default is printed after the build; change it for anything but a try."
IMAGE_KERNEL_OPTIONS ?= "console=tty0 console=ttyS0,115200 quiet"
IMAGE_KERNEL_OPTIONS[doc] = "What the boot loader gives the kernel."
ISO_LABEL ?= "${@d.getVar('IMAGE_NAME').upper().replace('-', '_')[:32]}"
ISO_LABEL[doc] = "The medium's name, at most 32 capitals, digits and underscores."
ISO_MARKER = "live/${IMAGE_NAME}.medium"
ISO_MARKER[doc] = "File by which the medium is found when it boots."
OCI_EXCLUDE ?= "boot usr/lib/modules lib/modules usr/lib/firmware"
OCI_EXCLUDE[doc] = "Parts of the root that a container has no use for."
CONTAINER_IMAGE_TAG ?= "latest"
CONTAINER_IMAGE_TAG[doc] = "The image's name in its archive."
CONTAINER_IMAGE_CMD ?= "/bin/bash"
CONTAINER_IMAGE_CMD[doc] = "What runs in the container if nothing is named."
CONTAINER_IMAGE_ENV ?= "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8"
CONTAINER_IMAGE_ENV[doc] = "Environment of what runs in the container."
TESTIMAGE_FIRMWARE ?= "bios uefi"
TESTIMAGE_FIRMWARE[doc] = "How do_testimage boots: bios, uefi or both."
TESTIMAGE_TIMEOUT ?= "600"
TESTIMAGE_TIMEOUT[doc] = "Seconds a boot, or one check, may take."

IMAGE_DIR = "${WORKDIR}/images"
IMAGE_DIR[doc] = "Where images are made before they go to DEPLOY_DIR_IMAGE."
IMAGE_FILE = "${IMAGE_DIR}/${IMAGE_NAME}"
IMAGE_FILE[doc] = "Path of an image being made, without its ending."

ROOTFS_INSTALL = "${IMAGE_INSTALL} ${@image_needs(d)}"
ROOTFS_INSTALL[doc] = "Packages in the root: those of the image and what its types need."
ROOTFS_HOOKS = "image_settings ${ROOTFS_POSTPROCESS_COMMAND}"
ROOTFS_HOOKS[doc] = "Functions run on the root."
ROOTFS_POSTPROCESS_COMMAND ?= ""
ROOTFS_POSTPROCESS_COMMAND[doc] = "Shell functions of the recipe that change the root; $1 is its folder."

# What an image of these types needs in its root.
def image_needs(d):
    types = set((d.getVar("IMAGE_FSTYPES") or "").split())
    names = []
    if types & {"iso", "raw", "qcow2"}:
        names.append("busybox-static")
    if "iso" in types and bb.utils.to_boolean(d.getVar("ISO_INSTALLER")):
        # What the installer calls, from the live system.
        names += ["fdisk", "e2fsprogs"]
    return " ".join(names)

image_settings () {
	echo "${IMAGE_HOSTNAME}" > "$1/etc/hostname"
	printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n::1\tlocalhost ip6-localhost ip6-loopback\n' "${IMAGE_HOSTNAME}" > "$1/etc/hosts"
	: > "$1/etc/fstab"
	rm -f "$1/etc/resolv.conf"
	password=${@image_quoted('IMAGE_ROOT_PASSWORD', d)}
	hash=$(chroot "$1" perl -e 'print crypt($ARGV[0], "\$6\$$ARGV[1]\$")' -- "$password" "${@image_salt(d)}")
	printf 'root:%s\n' "$hash" | chroot "$1" chpasswd -e
	# The day of the change, which chpasswd notes, would be that of the build.
	chroot "$1" chage -d "${@int(d.getVar('SOURCE_DATE_EPOCH')) // 86400}" root
}

# The salt is of the image's name: random ones would differ in every build.
def image_salt(d):
    import hashlib
    return hashlib.sha256(d.getVar("IMAGE_NAME").encode()).hexdigest()[:12]

def image_quoted(name, d):
    import shlex
    return shlex.quote(d.getVar(name) or "")

do_configure[noexec] = "1"
do_compile[noexec] = "1"
do_install[noexec] = "1"
do_fetch[noexec] = "1"
do_unpack[noexec] = "1"
do_patch[noexec] = "1"

do_image_squashfs[doc] = "Makes the compressed, read-only file system of the live medium."
do_image_squashfs[dirs] = "${IMAGE_DIR}"
python do_image_squashfs () {
    import imagetools.iso
    imagetools.iso.check_tools()
    imagetools.iso.squashfs(d.getVar("ROOTFS_TAR"), d.getVar("IMAGE_FILE") + ".squashfs", int(d.getVar("SOURCE_DATE_EPOCH")))
}
addtask image_squashfs after do_rootfs

do_image_initramfs[doc] = "Takes the kernel out of the root and makes what it starts with: one for all kinds of images."
do_image_initramfs[dirs] = "${IMAGE_DIR}"
python do_image_initramfs () {
    import imagetools.disk
    import imagetools.initramfs
    base = d.getVar("IMAGE_FILE")
    imagetools.initramfs.make(d.getVar("ROOTFS_TAR"), base + ".vmlinuz", base + ".initrd.img", d.getVar("ISO_MARKER"),
                              (imagetools.disk.CORE_START, imagetools.disk.ESP_START))
}
addtask image_initramfs after do_rootfs

do_image_iso[doc] = "Makes the live medium: one file that boots by BIOS and UEFI, from CD and stick."
do_image_iso[cleandirs] = "${WORKDIR}/iso-work"
python do_image_iso () {
    import imagetools.disk
    import imagetools.iso
    work, base, epoch = d.getVar("WORKDIR") + "/iso-work", d.getVar("IMAGE_FILE"), int(d.getVar("SOURCE_DATE_EPOCH"))
    title, options = d.getVar("IMAGE_TITLE"), d.getVar("IMAGE_KERNEL_OPTIONS")
    files = {"live/vmlinuz": base + ".vmlinuz", "live/initrd.img": base + ".initrd.img", "live/root.squashfs": base + ".squashfs"}
    entries = [("live", [])]
    if bb.utils.to_boolean(d.getVar("ISO_INSTALLER")):
        files.update(imagetools.disk.medium(work, d.getVar("ROOTFS_TAR"), title, options, epoch))
        entries.append(("install on a disk", ["rbake.install=ask"]))
    imagetools.iso.make(work, base + ".iso", d.getVar("ISO_MARKER"), d.getVar("ISO_LABEL"), title, options, entries, files, epoch)
}
addtask image_iso after do_image_squashfs do_image_initramfs

do_image_oci[doc] = "Makes an archive of an OCI image layout."
do_image_oci[dirs] = "${IMAGE_DIR}"
do_image_oci[cleandirs] = "${WORKDIR}/oci-work"
python do_image_oci () {
    import imagetools.oci
    settings = {"Cmd": d.getVar("CONTAINER_IMAGE_CMD").split(), "Env": d.getVar("CONTAINER_IMAGE_ENV").split()}
    imagetools.oci.make(d.getVar("WORKDIR") + "/oci-work", d.getVar("ROOTFS_TAR"), d.getVar("IMAGE_FILE") + ".oci.tar",
                        d.getVar("CONTAINER_IMAGE_TAG"), settings, d.getVar("OCI_EXCLUDE").split(), int(d.getVar("SOURCE_DATE_EPOCH")))
}
addtask image_oci after do_rootfs

do_image_ext4[doc] = "Makes an ext4 file system of the root."
do_image_ext4[dirs] = "${IMAGE_DIR}"
do_image_ext4[cleandirs] = "${WORKDIR}/ext4-work"
python do_image_ext4 () {
    import imagetools.disk
    import imagetools.ext4
    name = d.getVar("IMAGE_NAME")
    imagetools.ext4.make(d.getVar("WORKDIR") + "/ext4-work", d.getVar("ROOTFS_TAR"), d.getVar("IMAGE_FILE") + ".ext4",
                         imagetools.disk.identity(name, "ext4"), imagetools.disk.identity(name, "hash"), int(d.getVar("SOURCE_DATE_EPOCH")),
                         int(d.getVar("IMAGE_DISK_SIZE")))
}
addtask image_ext4 after do_rootfs

do_image_raw[doc] = "Makes a disk with the installed system, which boots by BIOS and UEFI."
do_image_raw[dirs] = "${IMAGE_DIR}"
do_image_raw[cleandirs] = "${WORKDIR}/disk-work"
python do_image_raw () {
    import imagetools.disk
    base = d.getVar("IMAGE_FILE")
    imagetools.disk.make(d.getVar("WORKDIR") + "/disk-work", d.getVar("ROOTFS_TAR"), base + ".initrd.img", base + ".raw", d.getVar("IMAGE_NAME"),
                         d.getVar("IMAGE_TITLE"), d.getVar("IMAGE_KERNEL_OPTIONS"), int(d.getVar("SOURCE_DATE_EPOCH")),
                         int(d.getVar("IMAGE_DISK_SIZE")))
}
addtask image_raw after do_image_initramfs

do_image_qcow2[doc] = "Makes the disk in QEMU's format, without its empty parts."
python do_image_qcow2 () {
    import imagetools.iso
    import shutil
    if not shutil.which("qemu-img"):
        bb.fatal("qemu-img is needed for qcow2: apt-get install --no-install-recommends qemu-utils")
    base = d.getVar("IMAGE_FILE")
    imagetools.iso.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-m", "1", base + ".raw", base + ".qcow2.tmp"])
    os.rename(base + ".qcow2.tmp", base + ".qcow2")
}
addtask image_qcow2 after do_image_raw

do_image_tar[doc] = "Makes a compressed archive of the root."
do_image_tar[dirs] = "${IMAGE_DIR}"
do_image_tar () {
	zstd -q -f -9 -T0 "${ROOTFS_TAR}" -o "${IMAGE_FILE}.tar.zst.tmp"
	mv "${IMAGE_FILE}.tar.zst.tmp" "${IMAGE_FILE}.tar.zst"
}
addtask image_tar after do_rootfs

python () {
    types = (d.getVar("IMAGE_FSTYPES") or "").split()
    known = {"tar.zst": "do_image_tar", "squashfs": "do_image_squashfs", "iso": "do_image_iso", "oci": "do_image_oci",
             "ext4": "do_image_ext4", "raw": "do_image_raw", "qcow2": "do_image_qcow2"}
    for name in types:
        if name not in known:
            raise bb.parse.SkipRecipe("IMAGE_FSTYPES has '%s', which is none of: %s" % (name, " ".join(known)))
    wanted = {known[name] for name in types}
    if "do_image_iso" in wanted:
        wanted.add("do_image_squashfs")
    if "do_image_qcow2" in wanted:
        wanted.add("do_image_raw")
    if not wanted & {"do_image_iso", "do_image_raw"}:
        d.setVarFlag("do_image_initramfs", "noexec", "1")
    for task in set(known.values()) - wanted:
        d.setVarFlag(task, "noexec", "1")
}

do_image_complete[doc] = "Puts finished images, their list of packages and checksums where images are found."
do_image_complete[dirs] = "${DEPLOY_DIR_IMAGE}"
python do_image_complete () {
    import json
    import imagetools.sbom
    target, base, name = d.getVar("DEPLOY_DIR_IMAGE"), d.getVar("IMAGE_FILE"), d.getVar("IMAGE_NAME")
    bb.utils.mkdirhier(d.getVar("IMAGE_DIR"))
    with open(d.getVar("ROOTFS_LOCK")) as file:
        packages = json.load(file)["packages"]
    imagetools.sbom.write(base, name, packages, d.getVar("BASE_DISTRO"), int(d.getVar("SOURCE_DATE_EPOCH")))
    endings = {"oci": ".oci.tar"}
    made = [name + endings.get(kind, "." + kind) for kind in d.getVar("IMAGE_FSTYPES").split()]
    sums = []
    for file in [*made, name + ".manifest", name + ".spdx.json", name + ".cdx.json"]:
        source, place = os.path.join(d.getVar("IMAGE_DIR"), file), os.path.join(target, file)
        temporary = "%s.%d.tmp" % (place, os.getpid())
        try:
            os.link(source, temporary)
        except OSError:
            bb.utils.copyfile(source, temporary)
        os.rename(temporary, place)
        sums.append("%s  %s\n" % (bb.utils.sha256_file(place), file))
    with open(os.path.join(target, name + ".sha256"), "w") as file:
        file.write("".join(sums))
    for file in made:
        path = os.path.join(target, file)
        bb.plain("%s  (%.1f MB)" % (path, os.path.getsize(path) / 1e6))
    bb.plain("The login is root with the password '%s'." % d.getVar("IMAGE_ROOT_PASSWORD"))
    if "iso" in d.getVar("IMAGE_FSTYPES").split():
        bb.plain("Boot it: rbake-runqemu %s" % d.getVar("PN"))
    if d.getVar("OS_FEED") == "sample" and d.getVar("DISTRO_FEED_TASK"):
        bb.plain("It is made of the sample feed: Debian's packages stand for those of %s." % d.getVar("DISTRO_NAME"))
}
addtask image_complete after do_image_tar do_image_squashfs do_image_iso do_image_oci do_image_ext4 do_image_raw do_image_qcow2 before do_build

TESTIMAGE_CHECKS ?= "running packages"
TESTIMAGE_CHECKS[doc] = "Checks run in the booted system: each has the variable TESTIMAGE_CHECK_name with a command, and perhaps \
TESTIMAGE_EXPECT_name with a regular expression for its output; without one the command has to succeed."
TESTIMAGE_CHECK_running = "systemctl is-system-running --wait; systemctl --failed --no-legend"
TESTIMAGE_CHECK_running[doc] = "Waits until the system is up and names services that failed."
TESTIMAGE_EXPECT_running = "^running\s*$"
TESTIMAGE_EXPECT_running[doc] = "Up, and nothing failed."
TESTIMAGE_CHECK_packages = "dpkg --audit && dpkg -V"
TESTIMAGE_CHECK_packages[doc] = "Compares installed packages with their database."
TESTIMAGE_EXPECT_packages = "^$"
TESTIMAGE_EXPECT_packages[doc] = "Nothing to complain about."

TESTIMAGE_DRIVES ?= "${@testimage_drives(d)}"
TESTIMAGE_DRIVES[doc] = "What do_testimage boots: cdrom (the ISO), disk (the raw image), installed (an empty disk, after the ISO installed on it)."
def testimage_drives(d):
    types = (d.getVar("IMAGE_FSTYPES") or "").split()
    drives = ["cdrom"] if "iso" in types else []
    if "raw" in types:
        drives.append("disk")
    if "iso" in types and bb.utils.to_boolean(d.getVar("ISO_INSTALLER")):
        drives.append("installed")
    return " ".join(drives)

do_testimage[doc] = "Boots the images in QEMU, logs in and runs TESTIMAGE_CHECKS."
do_testimage[nostamp] = "1"
do_testimage[cleandirs] = "${WORKDIR}/testimage"
python do_testimage () {
    import imagetools.qemu
    work = d.getVar("WORKDIR") + "/testimage"
    base = os.path.join(d.getVar("DEPLOY_DIR_IMAGE"), d.getVar("IMAGE_NAME"))
    checks = [(name, d.getVar("TESTIMAGE_CHECK_" + name), d.getVar("TESTIMAGE_EXPECT_" + name))
              for name in d.getVar("TESTIMAGE_CHECKS").split()]
    seconds, failed = int(d.getVar("TESTIMAGE_TIMEOUT")), []
    def tell(where, results):
        imagetools.qemu.junit(os.path.join(work, "junit-%s.xml" % where.replace(", ", "-")), "%s.%s" % (d.getVar("IMAGE_NAME"), where), results)
        for name, took, failure in results:
            bb.plain("%s, %s: %s in %.0f s" % (where, name, "ok" if failure is None else "FAILED", took))
            if failure is not None:
                failed.append("%s, %s: %s" % (where, name, failure))
    for drive in d.getVar("TESTIMAGE_DRIVES").split():
        image = base + (".iso" if drive == "cdrom" else ".raw")
        if drive == "installed":
            image = work + "/installed.raw"
            results = imagetools.qemu.install(base + ".iso", image, d.getVar("TESTIMAGE_FIRMWARE").split()[0], work, seconds)
            tell("installer", results)
            if failed:
                break
        for firmware in d.getVar("TESTIMAGE_FIRMWARE").split():
            # The name the installer was told, and that alone: everything else is as on the medium.
            more = [("answers", "hostname", "^installed$")] if drive == "installed" else []
            tell("%s, %s" % (drive, firmware), imagetools.qemu.test(
                image, drive, firmware, ("root", d.getVar("IMAGE_ROOT_PASSWORD")), checks + more, work, seconds))
    if failed:
        bb.fatal("\n".join(failed))
}
addtask testimage after do_image_complete
