SUMMARY = "A text made by a native tool that another recipe builds"
LICENSE = "Apache-2.0"
DEPENDS = "hello-native"

inherit allarch manifest

S = "${UNPACKDIR}"

do_compile () {
	hello "${PN}" > greeting.txt
}

do_install () {
	install -d ${D}${datadir}/greeting
	install -m 0644 greeting.txt ${D}${datadir}/greeting
}
