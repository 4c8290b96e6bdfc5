# What a distribution's layer does to another layer's recipe: another greeting, and one more file.
FILESEXTRAPATHS:prepend := "${THISDIR}/files:"
SRC_URI += "file://LIESMICH"
GREETING = "Guten Tag"

do_install:append:class-target () {
	install -d ${D}${docdir}/${BPN}
	install -m 0644 ${UNPACKDIR}/LIESMICH ${D}${docdir}/${BPN}
}
