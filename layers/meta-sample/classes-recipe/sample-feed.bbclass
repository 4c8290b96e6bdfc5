# An archive that stands for another, made of the packages that SAMPLE_PACKAGES and SAMPLE_SOURCES name and of what they need.
#
#   do_rootfs_lock → do_rootfs_fetch → do_feed        as for a root, but an archive is made of the packages
#
# The recipe requires the distribution whose packages are used, and sets what the stand-in says of itself.

inherit debroot

SAMPLE_PACKAGES ?= ""
SAMPLE_PACKAGES[doc] = "Packages in the archive, beside essential and required ones and all that they need."
SAMPLE_SOURCES ?= ""
SAMPLE_SOURCES[doc] = "Source packages in the archive."
SAMPLE_DISTRO[doc] = "For what it stands, as in the names of its configuration: ubuntu-noble."
SAMPLE_RELEASE[doc] = "Its Release says this; flags are fields."
SAMPLE_SUITES[doc] = "Its suites: the first has the packages, the others are empty."
SAMPLE_COMPONENTS ?= "main"
SAMPLE_COMPONENTS[doc] = "Its components: the first has the packages, the others are empty."
SAMPLE_OS_RELEASE[doc] = "What /etc/os-release says in it: flags are its names."
SAMPLE_META[doc] = "Packages that only depend on others: flags are names and what they depend on."
SAMPLE_KEY_DIR ?= "${TOPDIR}/conf/keys/sample-feed"
SAMPLE_KEY_DIR[doc] = "Where the key is that signs it; made the first time."

ROOTFS_INSTALL = "${SAMPLE_PACKAGES}"
do_rootfs_lock[recrdeptask] = ""
# The archive as it is, without ours.
MANAGED_PACKAGE_POLICY = "ignore"
SRC_URI = "${@' '.join('apt://' + name for name in (d.getVar('SAMPLE_SOURCES') or '').split())}"
APT_ORIGIN = "${DISTRO_ORIGIN}"
APT_KEYRINGS = "${DISTRO_KEYRING}"
APT_KEY_FINGERPRINTS = "${DISTRO_KEY_FINGERPRINTS}"

deltask do_rootfs
deltask do_lock_update
deltask do_unpack
deltask do_patch
deltask do_configure
deltask do_compile
deltask do_install

def sample_flags(name, d):
    flags = d.getVarFlags(name) or {}
    return {key: d.expand(value) for key, value in sorted(flags.items()) if key not in ("doc", "vardeps") and not key.startswith("_")}

addtask feed after do_rootfs_fetch do_fetch before do_build
do_feed[doc] = "Makes the archive."
do_feed[dirs] = "${WORKDIR}"
do_feed[cleandirs] = "${WORKDIR}/feed"
do_feed[vardeps] += "SAMPLE_OS_RELEASE SAMPLE_META SAMPLE_RELEASE SAMPLE_SUITES SAMPLE_COMPONENTS"
python do_feed () {
    import re
    import shutil
    import debroot.archive
    import debroot.fetch
    import debroot.pool
    from samplefeed import feed
    epoch, folder = int(d.getVar("SOURCE_DATE_EPOCH")), d.getVar("WORKDIR") + "/feed"
    pool = folder + "/pool"
    debroot.fetch.repository(d, d.getVar("ROOTFS_LOCK"), pool)
    for name in ("Packages", "Release"):
        os.remove(os.path.join(pool, name))
    # Who one is, is what differs.
    original = next(name for name in os.listdir(pool) if name.startswith("base-files_"))
    about = "".join('%s="%s"\n' % pair for pair in sample_flags("SAMPLE_OS_RELEASE", d).items())
    title = d.getVarFlag("SAMPLE_OS_RELEASE", "PRETTY_NAME")
    feed.repack(os.path.join(pool, original), os.path.join(pool, "base-files_sample.deb"),
                {"usr/lib/os-release": about, "etc/issue": title + " \\n \\l\n\n", "etc/issue.net": title + "\n"}, epoch, "+sample1")
    os.remove(os.path.join(pool, original))
    for name, needs in sample_flags("SAMPLE_META", d).items():
        feed.empty_package(os.path.join(pool, name + "_sample.deb"), {
            "Package": name, "Version": "1+sample1", "Architecture": "amd64", "Maintainer": "rbake <rbake@localhost>", "Depends": needs,
            "Description": "Stands for the package of this name"}, epoch)
    packages = debroot.pool.index(pool).replace("\nFilename: ", "\nFilename: pool/")
    descriptions = []
    fetch = bb.fetch2.Fetch([], d)
    for url in fetch.urls:
        path = os.path.realpath(fetch.localpath(url))
        place = os.path.join(folder, "source", os.path.basename(path).split("_")[0])
        bb.utils.mkdirhier(place)
        with open(path) as file:
            names = set(re.findall(r"^ [0-9a-f]{64} \d+ (\S+)$", file.read(), re.M))
        for name in [os.path.basename(path), *sorted(names)]:
            debroot.pool.link(os.path.join(os.path.dirname(path), name), os.path.join(place, name))
        descriptions.append(os.path.join(place, os.path.basename(path)))
    key = debroot.archive.Key(d.getVar("SAMPLE_KEY_DIR"), "rbake sample feed <rbake@localhost>")
    try:
        components = d.getVar("SAMPLE_COMPONENTS").split()
        for number, suite in enumerate(d.getVar("SAMPLE_SUITES").split()):
            indexes = {components[0] + "/binary-amd64/Packages": packages,
                       components[0] + "/source/Sources": debroot.archive.sources(folder, descriptions)} if number == 0 else {}
            fields = sample_flags("SAMPLE_RELEASE", d) | {
                "Suite": suite, "Date": debroot.archive.date(epoch), "Architectures": "amd64", "Components": " ".join(components)}
            debroot.archive.write_suite(folder, suite, fields, components, indexes, key)
        key.export(folder + "/keyring.gpg")
    finally:
        key.close()
    with open(folder + "/fingerprint", "w") as file:
        file.write(key.fingerprint + "\n")
    target = d.expand("${DEPLOY_DIR}/sample-feed/${SAMPLE_DISTRO}")
    bb.utils.mkdirhier(os.path.dirname(target))
    shutil.rmtree(target, ignore_errors=True)
    os.rename(folder, target)
    bb.note("%d packages, %d sources in %s" % (packages.count("\nFilename: "), len(descriptions), target))
}
