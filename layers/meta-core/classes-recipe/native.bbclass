# A recipe, or with BBCLASSEXTEND = "native" a variant of it, whose programs run on the machine that builds.
#
# It is built with the machine's own compiler and installed to its final place, NATIVE_DIR/PN, so that programs find
# their files under their prefix. A recipe with NAME-native in DEPENDS has that place's bin directory in front of PATH.

CLASSOVERRIDE = "class-native"
BPN = "${@d.getVar('PN').removesuffix('-native')}"
PACKAGE_ARCH = "${BUILD_ARCH}"
RECIPE_GROUP = "native-${PACKAGE_ARCH}"

NATIVE_ROOT = "${NATIVE_DIR}/${PN}"
NATIVE_ROOT[doc] = "Where this native recipe is installed."
D = ""
prefix = "${NATIVE_ROOT}/usr"
sysconfdir = "${NATIVE_ROOT}/etc"
localstatedir = "${NATIVE_ROOT}/var"
do_install[cleandirs] = "${NATIVE_ROOT}"

# Nothing of it is ever installed on a target.
PACKAGES = ""
PACKAGES_DYNAMIC = ""
EXCLUDE_FROM_WORLD = "1"
EXCLUDE_FROM_WORLD[doc] = "1 keeps the recipe out of the target world."

# What a tool needs to be built has to run or be linked on this machine too.
python () {
    names = (d.getVar("DEPENDS") or "").split()
    d.setVar("DEPENDS", " ".join(name if name.endswith("-native") else name + "-native" for name in names))
}

do_clean[postfuncs] += "native_clean"
python native_clean () {
    bb.utils.remove(d.getVar("NATIVE_ROOT"), recurse=True)
}
