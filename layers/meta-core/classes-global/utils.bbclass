# Functions that recipes and classes share.

# make with the recipe's options; fails the task when make fails.
oe_runmake () {
	bbnote make ${PARALLEL_MAKE} ${EXTRA_OEMAKE} "$@"
	make ${PARALLEL_MAKE} ${EXTRA_OEMAKE} "$@" || bbfatal "make $* failed"
}

# Directories searched for file:// URLs: each of FILESEXTRAPATHS and PATHS, and in each first the folders named
# like an override, the strongest first.
def base_set_filespath(paths, d):
    extra = (d.getVar("FILESEXTRAPATHS") or "").split(":")
    folders = [folder for folder in reversed((d.getVar("FILESOVERRIDES") or "").split(":")) if folder]
    found = []
    for path in filter(None, extra + paths):
        found += [os.path.join(path, folder) for folder in folders] + [path]
    return ":".join(found)

# The bin directories of the native recipes in DEPENDS, ready to stand in front of PATH.
def native_path(d):
    base = d.getVar("NATIVE_DIR")
    return "".join("%s/%s/usr/bin:" % (base, name)
                   for name in (d.getVar("DEPENDS") or "").split() if name.endswith("-native"))
