# Builds the C files of a recipe: those named lib*.c into a static and a shared library, main.c into a program.

inherit tarpackage

SRC_URI = "file://src"
S = "${UNPACKDIR}/src"
WORLDS_LIBS ?= ""
CFLAGS_WORLDS = "-O1 -ffile-prefix-map=${WORKDIR}=. -I${RECIPE_SYSROOT}${includedir}"
LDFLAGS_WORLDS = "-L${RECIPE_SYSROOT}${libdir} -Wl,-rpath-link,${RECIPE_SYSROOT}${libdir} -Wl,--build-id=none"

do_compile () {
	libs=""
	for name in ${WORLDS_LIBS}; do
		libs="$libs -l$name"
	done
	if [ -e main.c ]; then
		gcc ${CFLAGS_WORLDS} -o ${BPN} main.c ${LDFLAGS_WORLDS} $libs
	else
		gcc ${CFLAGS_WORLDS} -fPIC -c -o ${BPN}.o ${BPN}.c
		gcc -shared -Wl,-soname,lib${BPN}.so -Wl,--build-id=none -o lib${BPN}.so ${BPN}.o
		ar rcD lib${BPN}.a ${BPN}.o
	fi
}

do_install () {
	if [ -e main.c ]; then
		install -D -m 0755 ${BPN} ${D}${bindir}/${BPN}
	else
		install -D -m 0644 lib${BPN}.so ${D}${libdir}/lib${BPN}.so
		install -D -m 0644 lib${BPN}.a ${D}${libdir}/lib${BPN}.a
		install -D -m 0644 ${BPN}.h ${D}${includedir}/${BPN}.h
	fi
}
