# Inherited by every recipe: the tasks from sources to an installed tree, and those a user calls by hand.
#
#   do_fetch → do_unpack → do_patch → do_configure → do_compile → do_install → do_build
#
# Recipes replace do_configure, do_compile and do_install; classes add tasks in between.

inherit logging utils patch setscene

# ---------------------------------------------------------------------------------------------------
# Sources
# ---------------------------------------------------------------------------------------------------

# What SRC_URI stands for besides its text: the revisions of version-controlled sources.
SRC_REVISIONS[vardepvalue] = "${@bb.fetch2.get_hashvalue(d)}"

addtask fetch
do_fetch[doc] = "Downloads everything in SRC_URI to DL_DIR."
do_fetch[dirs] = "${DL_DIR}"
do_fetch[network] = "1"
do_fetch[vardeps] += "SRC_REVISIONS"
do_fetch[file-checksums] = "${@bb.fetch2.get_checksum_file_list(d)}"
python do_fetch () {
    urls = (d.getVar("SRC_URI") or "").split()
    if urls:
        try:
            bb.fetch2.Fetch(urls, d).download()
        except bb.fetch2.BBFetchException as e:
            bb.fatal("%s: %s" % (d.getVar("PN"), e))
}

addtask unpack after do_fetch
do_unpack[doc] = "Unpacks everything in SRC_URI to UNPACKDIR."
do_unpack[cleandirs] = "${UNPACKDIR}"
do_unpack[postfuncs] = "check_source_dir"
python do_unpack () {
    urls = (d.getVar("SRC_URI") or "").split()
    if urls:
        try:
            bb.fetch2.Fetch(urls, d).unpack(d.getVar("UNPACKDIR"))
        except bb.fetch2.BBFetchException as e:
            bb.fatal("%s: %s" % (d.getVar("PN"), e))
}

# Says at once when the archive's directory is not what S expects: otherwise do_configure would start in an
# empty directory and fail for a reason nobody understands.
python check_source_dir () {
    source, unpacked = d.getVar("S"), d.getVar("UNPACKDIR")
    if os.path.isdir(source) or not source.startswith(unpacked + "/"):
        return
    found = sorted(entry.name for entry in os.scandir(unpacked) if entry.is_dir())
    if found:
        bb.fatal("S is %s, but no source makes that directory. There is: %s\n"
                 "Set it in the recipe: S = \"${UNPACKDIR}/%s\"" % (source, ", ".join(found), found[0]))
}

# ---------------------------------------------------------------------------------------------------
# Building
# ---------------------------------------------------------------------------------------------------

addtask configure after do_patch
do_configure[doc] = "Prepares the build, after everything in DEPENDS is installed."
do_configure[dirs] = "${S} ${B}"
do_configure[deptask] = "do_install"
base_do_configure () {
	:
}

addtask compile after do_configure
do_compile[doc] = "Builds in B. By default: make, where there is a makefile."
do_compile[dirs] = "${B}"
base_do_compile () {
	if [ -e Makefile ] || [ -e makefile ] || [ -e GNUmakefile ]; then
		oe_runmake
	else
		bbnote "No makefile in ${B}: nothing to compile"
	fi
}

addtask install after do_compile
do_install[doc] = "Installs the result into D."
do_install[dirs] = "${B}"
do_install[cleandirs] = "${D}"
base_do_install () {
	:
}

EXPORT_FUNCTIONS do_configure do_compile do_install

addtask build after do_install
do_build[doc] = "Everything up to the recipe's result, and the same for all it needs. The default task."
do_build[noexec] = "1"
do_build[recrdeptask] += "do_build"
do_build () {
	:
}

# ---------------------------------------------------------------------------------------------------
# By hand
# ---------------------------------------------------------------------------------------------------

addtask listtasks
do_listtasks[doc] = "Lists the recipe's tasks."
do_listtasks[nostamp] = "1"
python do_listtasks () {
    tasks = sorted(name for name in d.keys() if d.getVarFlag(name, "task", False))
    for name in tasks:
        bb.plain("%-24s %s" % (name, d.getVarFlag(name, "doc") or ""))
}

addtask checkuri
do_checkuri[doc] = "Asks whether everything in SRC_URI can still be downloaded."
do_checkuri[nostamp] = "1"
do_checkuri[network] = "1"
python do_checkuri () {
    urls = (d.getVar("SRC_URI") or "").split()
    if urls:
        try:
            bb.fetch2.Fetch(urls, d).checkstatus()
        except bb.fetch2.BBFetchException as e:
            bb.fatal("%s: %s" % (d.getVar("PN"), e))
}

# Both run in TOPDIR, since they remove the directory tasks otherwise run in; what they remove they find by
# expansion only, so they work on recipes whose sources are gone.
addtask clean
do_clean[doc] = "Removes the recipe's WORKDIR and stamps."
do_clean[nostamp] = "1"
do_clean[dirs] = "${TOPDIR}"
python do_clean () {
    bb.utils.remove(d.getVar("WORKDIR"), recurse=True)
    bb.utils.remove(d.getVar("STAMPCLEAN"), recurse=True)
}

addtask cleanall after do_clean
do_cleanall[doc] = "do_clean, and removes the recipe's downloads."
do_cleanall[nostamp] = "1"
do_cleanall[dirs] = "${TOPDIR}"
python do_cleanall () {
    urls = (d.getVar("SRC_URI") or "").split()
    if urls:
        bb.fetch2.Fetch(urls, d).clean()
}
