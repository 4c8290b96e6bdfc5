# Images of a root: what IMAGE_FSTYPES names. The root is made by the class ROOTFS_CLASS of the distribution, which brings do_rootfs,
# ROOTFS_TAR (the root) and ROOTFS_LOCK (its packages).
#
#   do_rootfs → do_image_tar, do_image_squashfs → do_image_iso, do_image_oci → do_image_complete → do_build
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

IMAGE_FSTYPES ?= "iso oci"
IMAGE_FSTYPES[doc] = "What is made of the root: tar.zst, squashfs, iso, oci."
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
    if "iso" in (d.getVar("IMAGE_FSTYPES") or "").split():
        return "busybox-static"
    return ""

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

do_image_iso[doc] = "Makes the live medium: one file that boots by BIOS and UEFI, from CD and stick."
do_image_iso[cleandirs] = "${WORKDIR}/iso-work"
python do_image_iso () {
    import imagetools.initramfs
    import imagetools.iso
    work, base = d.getVar("WORKDIR") + "/iso-work", d.getVar("IMAGE_FILE")
    kernel, initramfs = work + "/vmlinuz", work + "/initrd.img"
    imagetools.initramfs.make(d.getVar("ROOTFS_TAR"), kernel, initramfs, d.getVar("ISO_MARKER"))
    files = {"live/vmlinuz": kernel, "live/initrd.img": initramfs, "live/root.squashfs": base + ".squashfs"}
    imagetools.iso.make(work, base + ".iso", d.getVar("ISO_MARKER"), d.getVar("ISO_LABEL"), d.getVar("IMAGE_TITLE"),
                        d.getVar("IMAGE_KERNEL_OPTIONS"), files, int(d.getVar("SOURCE_DATE_EPOCH")))
}
addtask image_iso after do_image_squashfs

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

do_image_tar[doc] = "Makes a compressed archive of the root."
do_image_tar[dirs] = "${IMAGE_DIR}"
do_image_tar () {
	zstd -q -f -9 -T0 "${ROOTFS_TAR}" -o "${IMAGE_FILE}.tar.zst.tmp"
	mv "${IMAGE_FILE}.tar.zst.tmp" "${IMAGE_FILE}.tar.zst"
}
addtask image_tar after do_rootfs

python () {
    types = (d.getVar("IMAGE_FSTYPES") or "").split()
    known = {"tar.zst": "do_image_tar", "squashfs": "do_image_squashfs", "iso": "do_image_iso", "oci": "do_image_oci"}
    for name in types:
        if name not in known:
            raise bb.parse.SkipRecipe("IMAGE_FSTYPES has '%s', which is none of: %s" % (name, " ".join(known)))
    wanted = {known[name] for name in types}
    if "iso" in types:
        wanted.add("do_image_squashfs")
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
    endings = {"tar.zst": ".tar.zst", "squashfs": ".squashfs", "iso": ".iso", "oci": ".oci.tar"}
    made = [name + endings[kind] for kind in d.getVar("IMAGE_FSTYPES").split()]
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
}
addtask image_complete after do_image_tar do_image_squashfs do_image_iso do_image_oci before do_build

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

do_testimage[doc] = "Boots the ISO in QEMU, logs in and runs TESTIMAGE_CHECKS."
do_testimage[nostamp] = "1"
do_testimage[cleandirs] = "${WORKDIR}/testimage"
python do_testimage () {
    import imagetools.qemu
    work = d.getVar("WORKDIR") + "/testimage"
    image = os.path.join(d.getVar("DEPLOY_DIR_IMAGE"), d.getVar("IMAGE_NAME") + ".iso")
    checks = [(name, d.getVar("TESTIMAGE_CHECK_" + name), d.getVar("TESTIMAGE_EXPECT_" + name))
              for name in d.getVar("TESTIMAGE_CHECKS").split()]
    failed = []
    for firmware in d.getVar("TESTIMAGE_FIRMWARE").split():
        results = imagetools.qemu.test(image, "cdrom", firmware, ("root", d.getVar("IMAGE_ROOT_PASSWORD")), checks, work,
                                       int(d.getVar("TESTIMAGE_TIMEOUT")))
        imagetools.qemu.junit(os.path.join(work, "junit-%s.xml" % firmware), "%s.%s" % (d.getVar("IMAGE_NAME"), firmware), results)
        for name, seconds, failure in results:
            bb.plain("%s, %s: %s in %.0f s" % (firmware, name, "ok" if failure is None else "FAILED", seconds))
            if failure is not None:
                failed.append("%s, %s: %s" % (firmware, name, failure))
    if failed:
        bb.fatal("\n".join(failed))
}
addtask testimage after do_image_complete
