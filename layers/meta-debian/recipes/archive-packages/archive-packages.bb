SUMMARY = "Stands for every package that no recipe makes"
DESCRIPTION = "RDEPENDS and IMAGE_INSTALL name packages of recipes and of the distribution's archive alike. Those that a recipe makes are \
built; all others are this recipe's, and apt finds them, or says that they don't exist."
LICENSE = "CLOSED"

# Asked only for names that no recipe has in PACKAGES or RPROVIDES.
PACKAGES = ""
PACKAGES_DYNAMIC = "^.*"
EXCLUDE_FROM_WORLD = "1"

do_fetch[noexec] = "1"
do_unpack[noexec] = "1"
do_patch[noexec] = "1"
do_configure[noexec] = "1"
do_compile[noexec] = "1"
do_install[noexec] = "1"
