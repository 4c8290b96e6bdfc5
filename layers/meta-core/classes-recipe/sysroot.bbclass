# Gives recipes the headers and libraries of their DEPENDS, and others what this one has.
#
#   do_prepare_sysroot   collects the sysroots of everything in DEPENDS, and what those need, in RECIPE_SYSROOT
#   do_populate_sysroot  shares what others may need of D: headers, libraries, pkg-config files

inherit sstate

SYSROOTS_DIR ?= "${TMPDIR}/sysroots"
SYSROOTS_DIR[doc] = "Shared sysroots, one folder for each recipe."
RECIPE_SYSROOT = "${WORKDIR}/recipe-sysroot"
RECIPE_SYSROOT[doc] = "What the recipe's DEPENDS installed, for its compiler."
SYSROOT_DESTDIR = "${WORKDIR}/sysroot-destdir"
SYSROOT_DESTDIR[doc] = "What of D others get."
SYSROOT_DIRS ?= "${includedir} ${libdir} ${datadir}/pkgconfig"
SYSROOT_DIRS[doc] = "Folders of D that others get."

SSTATETASKS += "do_populate_sysroot"
addtask populate_sysroot after do_install before do_build
do_populate_sysroot[doc] = "Shares the recipe's headers and libraries."
do_populate_sysroot[sstate-inputdirs] = "${SYSROOT_DESTDIR}"
do_populate_sysroot[sstate-outputdirs] = "${SYSROOTS_DIR}/${PACKAGE_ARCH}/${PN}"
python do_populate_sysroot () {
    # Not in place: the sysroot stays as it is when do_install empties D.
    for folder in (d.getVar("SYSROOT_DIRS") or "").split():
        source = d.getVar("D") + folder
        if os.path.isdir(source):
            sstate_install_tree(source, d.getVar("SYSROOT_DESTDIR") + folder, [])
}
python do_populate_sysroot_setscene () {
    sstate_setscene(d)
}
addtask populate_sysroot_setscene
do_populate_sysroot_setscene[doc] = "Restores the recipe's headers and libraries."

do_configure[deptask] = ""
addtask prepare_sysroot after do_fetch before do_configure
do_prepare_sysroot[doc] = "Collects headers and libraries of everything the recipe needs."
do_prepare_sysroot[deptask] = "do_populate_sysroot"
do_prepare_sysroot[cleandirs] = "${RECIPE_SYSROOT}"
do_prepare_sysroot[vardepsexclude] = "BB_TASKDEPDATA"
# What the engine tells a task about those before it is in BB_TASKDEPDATA; which recipes are there, by the hashes of their tasks.
python do_prepare_sysroot () {
    known = d.getVar("BB_TASKDEPDATA", False)
    own = [tid for tid, about in known.items()
           if about[0] == d.getVar("PN") and about[1] == "do_" + d.getVar("BB_CURRENTTASK")]
    wanted, seen, names = list(own), set(own), []
    while wanted:
        about = known[wanted.pop()]
        if about[1] == "do_populate_sysroot":
            names.append(about[0])
        for tid in about[3]:
            if tid in known and tid not in seen:
                seen.add(tid)
                wanted.append(tid)
    for name in sorted(set(names) - {d.getVar("PN")}):
        sysroot = d.expand("${SYSROOTS_DIR}/${PACKAGE_ARCH}/") + name
        if os.path.isdir(sysroot):
            sstate_install_tree(sysroot, d.getVar("RECIPE_SYSROOT"), [])
}
