# Roots made of Debian packages: which packages with which hashes (lock), their files (fetch), and the root itself.
#
#   do_rootfs_lock  → do_rootfs_fetch → do_rootfs
#   asks the index    downloads         no network
#
# apt resolves, with a configuration of its own in which nothing is installed; what it found is written down with every package's
# SHA-256, and from then on that is what is used. ROOTFS_LOCKFILE in the build directory, if there is one, is used instead: then no
# index is asked.

ROOTFS_INSTALL ?= ""
ROOTFS_INSTALL[doc] = "Packages in the root, beside essential and required ones."
ROOTFS_EXCLUDE ?= ""
ROOTFS_EXCLUDE[doc] = "Packages that must not come into the root: an error if something needs one."
ROOTFS_LOCKFILE ?= "${TOPDIR}/conf/lock/${PN}.lock.json"
ROOTFS_LOCKFILE[doc] = "Exact packages to use. Made by `rbake -c lock_update RECIPE`."
ROOTFS_LOCK = "${WORKDIR}/rootfs.lock.json"
ROOTFS_TAR = "${WORKDIR}/rootfs.tar"
ROOTFS_TAR[doc] = "The finished root."
ROOTFS_HOOKS ?= ""
ROOTFS_HOOKS[doc] = "Shell functions of the recipe, run as programs on the root when all packages are configured; $1 is the root."

# What the resolver reads, which the scan of this file does not find.
DEBROOT_ARCHIVE_VARIABLES = "BASE_DISTRO_CODENAME DISTRO_ARCH DISTRO_MIRROR DISTRO_SUITES DISTRO_COMPONENTS DISTRO_ORIGIN DISTRO_KEY_FINGERPRINTS MANAGED_PACKAGE_POLICY"
DEBROOT_ARCHIVE_VARIABLES[doc] = "Variables that say where packages come from."

addtask rootfs_lock
do_rootfs_lock[vardeps] += "ROOTFS_INSTALL ROOTFS_EXCLUDE ${DEBROOT_ARCHIVE_VARIABLES}"
do_rootfs_lock[doc] = "Finds out which packages the root is made of."
do_rootfs_lock[network] = "1"
do_rootfs_lock[dirs] = "${WORKDIR}"
do_rootfs_lock[file-checksums] = "${ROOTFS_LOCKFILE}:${@os.path.exists(d.getVar('ROOTFS_LOCKFILE'))}"
do_rootfs_lock[vardepsexclude] = "ROOTFS_LOCKFILE BB_TASKDEPDATA"
# What recipes make is used as they make it.
do_rootfs_lock[recrdeptask] += "do_package_write_deb"
do_rootfs_lock[mcdepends] += "${DISTRO_FEED_TASK}"
python do_rootfs_lock () {
    import debroot.lock
    debroot.lock.make(d)
}

addtask lock_update
do_lock_update[doc] = "Writes the newest packages to ROOTFS_LOCKFILE and tells what changed."
do_lock_update[network] = "1"
do_lock_update[nostamp] = "1"
do_lock_update[recrdeptask] += "do_package_write_deb"
do_lock_update[mcdepends] += "${DISTRO_FEED_TASK}"
do_lock_update[dirs] = "${WORKDIR}"
python do_lock_update () {
    import debroot.lock
    debroot.lock.update(d)
}

addtask rootfs_fetch after do_rootfs_lock
do_rootfs_fetch[doc] = "Downloads the root's packages."
do_rootfs_fetch[network] = "1"
do_rootfs_fetch[dirs] = "${DL_DIR}"
python do_rootfs_fetch () {
    import debroot.fetch
    debroot.fetch.packages(d, d.getVar("ROOTFS_LOCK"))
}

addtask rootfs after do_rootfs_fetch
do_rootfs[doc] = "Makes the root: all packages unpacked and configured, the recipe's functions run."
do_rootfs[dirs] = "${WORKDIR}"
# A task without this runs in a user namespace with one user, where a root with many can't be made. The network is taken away
# where the root is made.
do_rootfs[network] = "1"
do_rootfs[cleandirs] = "${WORKDIR}/rootfs-work"
do_rootfs[vardeps] += "${ROOTFS_HOOKS} SOURCE_DATE_EPOCH"
python do_rootfs () {
    import debroot.root
    debroot.root.make(d)
}
