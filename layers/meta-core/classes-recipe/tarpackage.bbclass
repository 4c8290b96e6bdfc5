# Packs D into one archive in DEPLOY_DIR: the plainest of packages, for builds without a package manager and for tests.

inherit sysroot

DEPLOY_DIR_TAR ?= "${DEPLOY_DIR}/tar"
DEPLOY_DIR_TAR[doc] = "Where archives of recipes are."
PKGDESTWORK = "${WORKDIR}/packages"
PKGDESTWORK[doc] = "Where do_package puts its result."

SSTATETASKS += "do_package"
addtask package after do_install before do_build
do_package[doc] = "Packs everything the recipe installs into one archive."
do_package[sstate-inputdirs] = "${PKGDESTWORK}"
do_package[sstate-outputdirs] = "${DEPLOY_DIR_TAR}"
do_package[dirs] = "${PKGDESTWORK}"
do_package () {
	tar --sort=name --format=gnu --owner=0 --group=0 --numeric-owner --mtime=@${SOURCE_DATE_EPOCH} \
		-C ${D} -cf ${PKGDESTWORK}/${PN}_${PV}-${PR}_${PACKAGE_ARCH}.tar .
}
python do_package_setscene () {
    sstate_setscene(d)
}
addtask package_setscene
do_package_setscene[doc] = "Restores the recipe's archive."
