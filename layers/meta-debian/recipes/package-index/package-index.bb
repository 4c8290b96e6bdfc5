SUMMARY = "A signed archive of the packages that were built, which apt on any machine can use"
DESCRIPTION = "`rbake mc:debian:package-index` makes it of all that recipes built until then."
LICENSE = "CLOSED"

python () {
    if d.getVar("ROOTFS_CLASS") != "debroot":
        raise bb.parse.SkipRecipe("packages are built for an operating system, and DISTRO '%s' is none" % d.getVar("DISTRO"))
}

PACKAGE_FEED_DIR ?= "${DEPLOY_DIR}/repository/${BASE_DISTRO}-${BASE_DISTRO_CODENAME}"
PACKAGE_FEED_DIR[doc] = "Where the archive is made."
PACKAGE_FEED_ORIGIN ?= "rbake packages"
PACKAGE_FEED_ORIGIN[doc] = "Who publishes it, as its Release says."
# Made the first time. Another one: private.asc of the folder, as `gpg --armor --export-secret-keys` writes it, without a passphrase.
PACKAGE_FEED_KEY_DIR ?= "${TOPDIR}/conf/keys/packages"
PACKAGE_FEED_KEY_DIR[doc] = "Folder with the key that signs it, private.asc. Keep it: machines know the archive by that key."

EXCLUDE_FROM_WORLD = "1"
deltask do_fetch
deltask do_unpack
deltask do_patch
deltask do_configure
deltask do_compile
deltask do_install

addtask package_index before do_build
do_package_index[doc] = "Makes the archive of what is there now."
do_package_index[nostamp] = "1"
do_package_index[dirs] = "${TOPDIR}"
python do_package_index () {
    import debroot.archive
    target = d.getVar("PACKAGE_FEED_DIR")
    bb.utils.mkdirhier(os.path.dirname(target))
    count, fingerprint = debroot.archive.publish(d, target)
    bb.plain("%s: %d packages, signed by %s. To use it:\n"
             "  deb [signed-by=/etc/apt/keyrings/rbake.gpg] http://HOST/PATH %s main     (key.gpg of the archive is that keyring)"
             % (target, count, fingerprint, d.getVar("BASE_DISTRO_CODENAME")))
}
