SUMMARY = "All worlds"
DEPENDS = "mercury venus earth mars jupiter saturn uranus neptune pluto ceres io europa titan luna sun"
inherit nopackages
SRC_URI = ""
S = "${UNPACKDIR}"
do_configure[deptask] = ""
do_build[recrdeptask] += "do_package"
