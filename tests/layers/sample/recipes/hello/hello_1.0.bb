SUMMARY = "A program in C: local sources, a patch, a makefile, a native variant"
LICENSE = "Apache-2.0"

SRC_URI = "file://hello.c \
           file://Makefile \
           file://0001-greet-by-name.patch"
S = "${UNPACKDIR}"

inherit_defer ${@'' if d.getVar('PN').endswith('-native') else 'manifest'}

EXTRA_OEMAKE = "GREETING='${GREETING}'"
GREETING ?= "Hello"

do_install () {
	oe_runmake install DESTDIR=${D} bindir=${bindir}
}

BBCLASSEXTEND = "native"
