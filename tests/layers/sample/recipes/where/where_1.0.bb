SUMMARY = "What overrides select: values, functions, folders of files"
LICENSE = "Apache-2.0"

SRC_URI = "file://place.txt"
S = "${UNPACKDIR}"

WHERE = "anywhere"
WHERE:generic = "on a generic machine"
WHERE:append:class-target = ", as a target"
WHERE:remove = "generic"

python () {
    if bb.utils.contains("DISTRO_FEATURES", "nowhere", True, False, d):
        raise bb.parse.SkipRecipe("DISTRO_FEATURES has nowhere")
}

do_compile () {
	echo "${WHERE}: $(cat place.txt)" > where.txt
}

do_compile:append:pn-where () {
	echo "built by ${PN}" >> where.txt
}

do_install () {
	install -D -m 0644 where.txt ${D}${datadir}/where.txt
}
