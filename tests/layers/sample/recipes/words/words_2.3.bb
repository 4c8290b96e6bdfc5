SUMMARY = "An archive, and patches with every parameter"
LICENSE = "Apache-2.0"

SRC_URI = "file://words-2.3.tar.gz \
           file://0001-more-words.patch \
           file://0002-upper-case.diff.gz;striplevel=0;patchdir=src \
           file://unused.patch;apply=no"

inherit allarch

do_install () {
	install -d ${D}${datadir}/words
	install -m 0644 src/*.txt ${D}${datadir}/words
}
