# Builds .deb packages in a root of their own, as an ordinary user of it and without a network.
#
#   do_fetch → do_unpack → do_patch → do_prepare_build → do_builddeps_lock → do_builddeps_fetch → do_package_build
#            → do_package_qa → do_package_write_deb
#
# Of a Debian source package, with patches of ours:
#
#   SRC_URI = "apt://hello;subdir=source file://0001-greet-louder.patch"
#   inherit pkgbuild
#
# or of any sources with the functions and variables of BitBake: do_compile, do_install, PACKAGES, FILES, RDEPENDS, pkg_postinst,
# SYSTEMD_SERVICE. Then the packaging is written by this class (lib/debroot/raw.py), and do_compile and do_install run in the root.
#
# DEPENDS names recipes of ours whose packages the build needs; everything else that debian/control asks for comes from the archive.

inherit sstate

# Results of two releases never meet.
SSTATE_PKGARCH = "${BASE_DISTRO}-${BASE_DISTRO_CODENAME}-${PACKAGE_ARCH}"

# Whatever version the archive has: the folder's name is the same.
python () {
    if d.getVar("S", False) == "${UNPACKDIR}/${BP}":
        d.setVar("S", "${UNPACKDIR}/source")
}
PKG_REVISION ?= "1"
PKG_REVISION[doc] = "Number in the version of rebuilt packages; raise it to have packages replaced on installed systems."
PKG_VERSION_SUFFIX ?= "+stx.${PKG_REVISION}"
PKG_VERSION_SUFFIX[doc] = "What is added to upstream's version, so that ours is newer."
PKG_TESTS ?= "0"
PKG_TESTS[doc] = "1 runs the package's own tests when it is built."
DEB_BUILD_PROFILES ?= "${@'' if bb.utils.to_boolean(d.getVar('PKG_TESTS')) else 'nocheck'} nodoc"
DEB_BUILD_PROFILES[doc] = "Build profiles of Debian, as in `dpkg-buildpackage -P`."
DEB_BUILD_OPTIONS ?= "${@'' if bb.utils.to_boolean(d.getVar('PKG_TESTS')) else 'nocheck'} noautodbgsym nodoc"
DEB_BUILD_OPTIONS[doc] = "Options of Debian's build, without parallel=, which does not change the result."
BUILD_DEPENDS ?= ""
BUILD_DEPENDS[doc] = "Packages needed to build raw sources, in debian/control's syntax. Recipes of ours are in DEPENDS."
PACKAGE_SECTION ?= "misc"
PACKAGE_SECTION[doc] = "Section of the packages of raw sources."
BUILDDEPS_LOCKFILE ?= "${TOPDIR}/conf/lock/${PN}.builddeps.lock.json"
BUILDDEPS_LOCKFILE[doc] = "Exact packages to build with. Made by `rbake -c lock_update RECIPE`."
BUILDDEPS_LOCK = "${WORKDIR}/builddeps.lock.json"
BUILDDEPS_LOCK[doc] = "The packages that the recipe is built with, beside those of the base root."
DEB_RESULT = "${WORKDIR}/debs"
DEB_RESULT[doc] = "Where do_package_build puts packages."
DEB_OUT = "${WORKDIR}/deb-out"
DEB_OUT[doc] = "Packages that are shared."

# Where apt:// finds sources: the distribution's own archive.
APT_SOURCES = "${@'\n'.join('deb-src %s %s %s' % (d.getVar('DISTRO_MIRROR'), suite, d.getVar('DISTRO_COMPONENTS')) for suite in d.getVar('DISTRO_SUITES').split()) if d.getVar('DISTRO_MIRROR') else ''}"
APT_ORIGIN = "${DISTRO_ORIGIN}"
APT_KEYRINGS = "${DISTRO_KEYRING}"
APT_KEY_FINGERPRINTS = "${DISTRO_KEY_FINGERPRINTS}"

do_fetch[mcdepends] += "${DISTRO_FEED_TASK}"

# These are functions for the root here, not tasks of the host.
deltask do_configure
deltask do_compile
deltask do_install
# It would take the patches of the source package itself for ours.
deltask do_refresh_patches

# A source package has its own series of patches (format 3.0 (quilt)): ours come last in it.
python do_patch () {
    tree = d.getVar("S")
    patches = src_patches(d)
    try:
        with open(os.path.join(tree, "debian/source/format")) as file:
            quilt = file.read().strip() == "3.0 (quilt)"
    except FileNotFoundError:
        quilt = False
    ours = [entry for entry in patches if quilt and os.path.normpath(entry[2]) == os.path.normpath(tree)]
    debroot_patch_series(d, tree, ours)
    others = {}
    for entry in patches:
        if entry not in ours:
            others.setdefault(entry[2], []).append(entry[:2])
    for where in reversed(others):
        patch_series_pop(where)
    for where, entries in others.items():
        patch_series_push(d, where, entries)
}

def debroot_patch_series(d, tree, patches):
    import shutil
    state, folder = os.path.join(tree, ".pc"), os.path.join(tree, "debian/patches")
    own = os.path.join(state, ".rbake-patches")
    lines = lambda path: open(path).read().splitlines() if os.path.exists(path) else []
    def put(path, content):
        with open(path, "w") as file:
            file.writelines(line + "\n" for line in content)
    # What an earlier run of the task added goes first.
    for name in reversed(lines(own)):
        patch_restore(tree, os.path.join(state, name))
        put(os.path.join(state, "applied-patches"), [line for line in lines(os.path.join(state, "applied-patches")) if line != name])
        put(os.path.join(folder, "series"), [line for line in lines(os.path.join(folder, "series")) if line.split()[:1] != [name]])
        bb.utils.remove(os.path.join(folder, name))
    if not patches:
        bb.utils.remove(own)
        return
    bb.utils.mkdirhier(state)
    bb.utils.mkdirhier(folder)
    for name, text in ((".version", "2"), (".quilt_patches", "debian/patches"), (".quilt_series", "series")):
        if not os.path.exists(os.path.join(state, name)):
            put(os.path.join(state, name), [text])
    done = []
    for path, strip, *_ in patches:
        name = os.path.basename(path)
        if any(line.split()[:1] == [name] for line in lines(os.path.join(folder, "series"))):
            bb.fatal("%s has a patch %s already; call yours otherwise" % (d.getVar("PN"), name))
        bb.note("Applying %s" % name)
        patch_apply(d, tree, name, path, strip)
        shutil.copyfile(path, os.path.join(folder, name))
        put(os.path.join(folder, "series"), lines(os.path.join(folder, "series")) + [name + ("" if strip == "1" else " -p" + strip)])
        put(os.path.join(state, "applied-patches"), lines(os.path.join(state, "applied-patches")) + [name])
        done.append(name)
        put(own, done)

addtask prepare_build after do_patch
do_prepare_build[doc] = "Notes our version in debian/changelog; writes debian/ for sources that have none."
do_prepare_build[dirs] = "${WORKDIR}"
# The functions that run in the root belong to the packaging written here.
do_prepare_build[vardeps] += "do_configure do_compile do_install ${@debroot_raw_variables(d)}"
python do_prepare_build () {
    import debroot.source
    debroot.source.prepare(d, src_patches(d))
}

def debroot_raw_variables(d):
    names = ["PACKAGES", "SUMMARY", "DESCRIPTION", "HOMEPAGE", "LICENSE", "MAINTAINER", "BUILD_DEPENDS", "PACKAGE_SECTION"]
    for package in (d.getVar("PACKAGES") or "").split():
        names += ["%s:%s" % (name, package) for name in (
            "FILES", "CONFFILES", "RDEPENDS", "RRECOMMENDS", "RCONFLICTS", "RREPLACES", "RPROVIDES", "SUMMARY", "DESCRIPTION", "SYSTEMD_SERVICE", "PACKAGE_ARCH",
            "pkg_preinst", "pkg_postinst", "pkg_prerm", "pkg_postrm")]
    return " ".join(names)

addtask builddeps_lock after do_prepare_build
do_builddeps_lock[doc] = "Finds out which packages the build needs."
do_builddeps_lock[network] = "1"
do_builddeps_lock[vardeps] += "DEB_BUILD_PROFILES BASE_DISTRO_CODENAME DISTRO_ARCH DISTRO_MIRROR DISTRO_SUITES DISTRO_COMPONENTS DISTRO_ORIGIN \
    DISTRO_KEY_FINGERPRINTS MANAGED_PACKAGE_POLICY"
do_builddeps_lock[depends] += "build-base:do_buildbase"
do_builddeps_lock[deptask] = "do_package_write_deb"
do_builddeps_lock[dirs] = "${WORKDIR}"
do_builddeps_lock[file-checksums] = "${BUILDDEPS_LOCKFILE}:${@os.path.exists(d.getVar('BUILDDEPS_LOCKFILE'))}"
do_builddeps_lock[vardepsexclude] = "BUILDDEPS_LOCKFILE BB_TASKDEPDATA"
python do_builddeps_lock () {
    import debroot.source
    debroot.source.lock(d)
}

addtask lock_update after do_prepare_build
do_lock_update[doc] = "Writes the newest packages to build with to BUILDDEPS_LOCKFILE."
do_lock_update[network] = "1"
do_lock_update[nostamp] = "1"
do_lock_update[depends] += "build-base:do_buildbase"
do_lock_update[deptask] = "do_package_write_deb"
do_lock_update[dirs] = "${WORKDIR}"
python do_lock_update () {
    import debroot.source
    debroot.source.lock_update(d)
}

addtask builddeps_fetch after do_builddeps_lock
do_builddeps_fetch[doc] = "Downloads the packages that the build needs."
do_builddeps_fetch[network] = "1"
do_builddeps_fetch[dirs] = "${DL_DIR}"
python do_builddeps_fetch () {
    import debroot.fetch
    debroot.fetch.packages(d, d.getVar("BUILDDEPS_LOCK"))
}

addtask package_build after do_builddeps_fetch
do_package_build[doc] = "Builds the packages in a root of their own."
# The namespace without a network is made where the root is entered: it needs more than one user.
do_package_build[network] = "1"
do_package_build[dirs] = "${WORKDIR}"
do_package_build[vardeps] += "DEB_BUILD_OPTIONS DEB_BUILD_PROFILES"
do_package_build[cleandirs] = "${DEB_RESULT}"
python do_package_build () {
    import debroot.source
    debroot.source.build(d)
}

addtask package_qa after do_package_build
do_package_qa[doc] = "Looks into the packages: versions, owners, places."
python do_package_qa () {
    import debroot.source
    debroot.source.qa(d)
}

SSTATETASKS += "do_package_write_deb"
addtask package_write_deb after do_package_qa before do_build
do_package_write_deb[doc] = "Shares the packages with images and other recipes."
do_package_write_deb[sstate-inputdirs] = "${DEB_OUT}"
do_package_write_deb[sstate-outputdirs] = "${DEPLOY_DIR_DEB}/${PN}"
do_package_write_deb[dirs] = "${DEB_OUT}"
do_package_write_deb[rdeptask] = "do_package_write_deb"
python do_package_write_deb () {
    import debroot.pool
    for name in sorted(os.listdir(d.getVar("DEB_RESULT"))):
        if name.endswith((".deb", ".buildinfo")):
            debroot.pool.link(os.path.join(d.getVar("DEB_RESULT"), name), os.path.join(d.getVar("DEB_OUT"), name))
}
python do_package_write_deb_setscene () {
    sstate_setscene(d)
}
addtask package_write_deb_setscene
do_package_write_deb_setscene[doc] = "Restores the packages."

do_clean[prefuncs] += "debroot_clean"
python debroot_clean () {
    import debroot.sandbox
    debroot.sandbox.remove(d.getVar("WORKDIR") + "/build-root")
}
