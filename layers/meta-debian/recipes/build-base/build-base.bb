SUMMARY = "The root that packages are built in, before what each build needs is added"
LICENSE = "CLOSED"

python () {
    if d.getVar("ROOTFS_CLASS") != "debroot":
        raise bb.parse.SkipRecipe("DISTRO '%s' has no Debian packages" % d.getVar("DISTRO"))
}
inherit debroot

ROOTFS_INSTALL = "${BUILD_BASE_PACKAGES}"
BUILD_BASE_PACKAGES ?= "build-essential fakeroot debhelper"
BUILD_BASE_PACKAGES[doc] = "Packages in every build root, beside essential and required ones."
# A build root has nothing of ours but what a recipe's DEPENDS bring.
MANAGED_PACKAGE_POLICY = "ignore"
do_rootfs_lock[recrdeptask] = ""
do_lock_update[recrdeptask] = ""

ROOTFS_HOOKS = "build_base_user"
build_base_user () {
	printf 'builder:x:1000:1000::/build:/bin/sh\n' >> "$1/etc/passwd"
	printf 'builder:x:1000:\n' >> "$1/etc/group"
	# Nothing is started when packages are installed.
	printf '#!/bin/sh\nexit 101\n' > "$1/usr/sbin/policy-rc.d"
	chmod 755 "$1/usr/sbin/policy-rc.d"
}

do_configure[noexec] = "1"
do_compile[noexec] = "1"
do_install[noexec] = "1"

addtask buildbase after do_rootfs before do_build
do_buildbase[doc] = "Unpacks the root where builds find it."
do_buildbase[network] = "1"
do_buildbase[dirs] = "${TMPDIR}/buildbase"
python do_buildbase () {
    import shutil
    import debroot.sandbox
    target = d.getVar("BUILD_BASE_DIR")
    debroot.sandbox.host('''
        new=$1.new
        rm -rf --one-file-system -- "$new"
        mkdir -p "$new/root"
        # Devices cannot be made in a namespace, and are not needed: /dev is replaced.
        tar -C "$new/root" --numeric-owner --xattrs --xattrs-include='*' --exclude=./dev/* -xpf "$2"
        rm -rf --one-file-system -- "$1"
        mv "$new" "$1"''', target, d.getVar("ROOTFS_TAR"))
    shutil.copyfile(d.getVar("ROOTFS_LOCK"), target + ".lock.json")
    # The indexes in which it was found, for those who need more of the same archive.
    lists = d.getVar("WORKDIR") + "/apt/lists"
    shutil.rmtree(target + ".lists", ignore_errors=True)
    if os.path.isdir(lists) and not os.path.exists(d.getVar("ROOTFS_LOCKFILE")):
        shutil.copytree(lists, target + ".lists", copy_function=os.link)
}
