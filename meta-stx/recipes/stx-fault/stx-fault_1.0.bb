SUMMARY = "Raises, lists and clears alarms"
DESCRIPTION = "The smallest of StarlingX's services: a daemon keeps alarms in a database, a command raises, lists and clears them."
LICENSE = "Apache-2.0"

SRC_URI = "file://src"
S = "${UNPACKDIR}/src"

PACKAGES = "${PN} ${PN}-client"

SUMMARY:${PN} = "Keeps alarms in a database"
FILES:${PN} = "${sbindir} ${systemd_unitdir} ${localstatedir}"
SYSTEMD_SERVICE:${PN} = "stx-faultd.service"

SUMMARY:${PN}-client = "Command that raises, lists and clears alarms"
PACKAGE_ARCH:${PN}-client = "all"
FILES:${PN}-client = "${bindir}"
RDEPENDS:${PN}-client = "${PN}"
RDEPENDS:${PN}-client:append:deb = " python3-minimal"
RDEPENDS:${PN}-client:append:rpm = " python3"

BUILD_DEPENDS:deb = "libsqlite3-dev, python3-minimal"
systemd_unitdir = "/lib/systemd/system"
systemd_unitdir:rpm = "/usr/lib/systemd/system"

do_compile () {
	oe_runmake
	if ${@'true' if bb.utils.to_boolean(d.getVar('PKG_TESTS')) else 'false'}; then
		oe_runmake check
	fi
}

do_install () {
	oe_runmake install DESTDIR="${D}" sbindir="${sbindir}" bindir="${bindir}" unitdir="${systemd_unitdir}"
	install -d "${D}${localstatedir}/lib/stx-fault"
}

# The application is small, and its tests take a second.
PKG_TESTS = "1"

inherit pkgbuild
