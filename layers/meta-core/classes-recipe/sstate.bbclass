# Shares results of tasks: what a task puts into a shared place is packed into SSTATE_DIR under the task's hash, and where the
# same hash is wanted again, it is restored instead of made.
#
# A class lists its task in SSTATETASKS, names what is shared, and adds the variant that restores:
#
#   SSTATETASKS += "do_deploy"
#   do_deploy[sstate-inputdirs] = "${DEPLOYDIR}"            # where the task puts its result; emptied before
#   do_deploy[sstate-outputdirs] = "${DEPLOY_DIR_IMAGE}"    # where it goes, one for each of the above
#   do_deploy[sstate-plaindirs] = "${WORKDIR}/x"            # packed and restored in its place
#   python do_deploy_setscene () { sstate_setscene(d) }
#   addtask deploy_setscene
#
# Names of archives and manifests are those that BitBake's users know, so caches can be shared and cleaned by known tools.

SSTATE_VERSION = "14"
SSTATE_VERSION[doc] = "Part of the names of archives; another one makes all archives unknown."
SSTATETASKS ?= ""
SSTATETASKS[doc] = "Tasks whose results are shared."
SSTATE_PKGARCH = "${PACKAGE_ARCH}"
SSTATE_PKGARCH[doc] = "What the recipe's shared results are for: part of the names of archives and manifests."
SSTATE_PKGSPEC = "sstate:${PN}:${RECIPE_GROUP}:${PV}:${PR}:${SSTATE_PKGARCH}:${SSTATE_VERSION}:"
SSTATE_PKGSPEC[doc] = "How names of the recipe's archives begin."
SSTATE_SWSPEC = "sstate:${PN}::${PV}:${PR}::${SSTATE_VERSION}:"
SSTATE_SWSPEC[doc] = "How names of archives begin that are the same for all systems."
SSTATE_MANIFESTS ?= "${TMPDIR}/sstate-control"
SSTATE_MANIFESTS[doc] = "Lists of the files that tasks put into shared places."
SSTATE_MANFILEPREFIX = "${SSTATE_MANIFESTS}/manifest-${SSTATE_PKGARCH}-${PN}"
SSTATE_MANFILEPREFIX[doc] = "How the names of the recipe's lists begin; a dot and the task follow."
SSTATE_ZSTD_CLEVEL ??= "8"
SSTATE_ZSTD_CLEVEL[doc] = "How hard archives are compressed, 1 to 19."
SSTATE_TOOL ?= "${@bb.utils.which(d.getVar('PATH'), 'rbake-sstate')}"
SSTATE_TOOL[doc] = "Program that packs and restores archives; without one, tar and zstd are used."
SSTATE_TOOL[vardepvalue] = ""

BB_HASHFILENAME = "False ${SSTATE_PKGSPEC} ${SSTATE_SWSPEC}"
BB_HASHFILENAME[doc] = "What BB_HASHCHECK_FUNCTION is told of a recipe."

python () {
    for task in (d.getVar("SSTATETASKS") or "").split():
        if not d.getVarFlag(task, "task", False):
            continue
        d.prependVarFlag(task, "prefuncs", "sstate_task_prefunc ")
        d.appendVarFlag(task, "postfuncs", " sstate_task_postfunc")
        inputs = d.getVarFlag(task, "sstate-inputdirs", False) or ""
        d.prependVarFlag(task, "cleandirs", inputs + " ")
        # Mirrors are asked then.
        d.setVarFlag(task + "_setscene", "network", "1")
}

# ---------------------------------------------------------------------------------------------------
# Names
# ---------------------------------------------------------------------------------------------------

def sstate_object(task, d):
    name = sstate_object_name(d.getVar("SSTATE_PKGSPEC"), d.getVar("BB_UNIHASH", False), task)
    return os.path.join(d.getVar("SSTATE_DIR"), name)

# What the task shares: pairs of folders where results are made and where they belong, and folders that stay in place.
def sstate_shared(task, d):
    flag = lambda name: (d.getVarFlag("do_" + task, "sstate-" + name) or "").split()
    inputs, outputs = flag("inputdirs"), flag("outputdirs")
    if len(inputs) != len(outputs):
        bb.fatal("do_%s has %d sstate-inputdirs, but %d sstate-outputdirs" % (task, len(inputs), len(outputs)))
    return list(zip(inputs, outputs)), flag("plaindirs")

# ---------------------------------------------------------------------------------------------------
# Shared places and the lists of what is in them
# ---------------------------------------------------------------------------------------------------

def sstate_manifest(task, d):
    return "%s.%s" % (d.getVar("SSTATE_MANFILEPREFIX"), task)

# Takes what a list names out of the shared places, and the list itself.
def sstate_take_back(manifest):
    try:
        with open(manifest) as listed:
            entries = listed.read().splitlines()
    except FileNotFoundError:
        return
    for entry in reversed(entries):
        try:
            os.rmdir(entry) if entry.endswith("/") else os.remove(entry)
        except OSError:
            # Gone already, or a folder that others use too.
            pass
    os.remove(manifest)

# Brings a tree to its shared place by hard links, where the disk allows.
def sstate_install_tree(source, target, entries):
    import shutil
    for folder, folders, files in os.walk(source):
        there = os.path.normpath(os.path.join(target, os.path.relpath(folder, source)))
        os.makedirs(there, exist_ok=True)
        if there != os.path.normpath(target):
            entries.append(there + "/")
        folders.sort()
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in sorted(files + links):
            origin, place = os.path.join(folder, name), os.path.join(there, name)
            if os.path.lexists(place):
                bb.fatal("%s is there already: another recipe installs it, too. Look for it in %s"
                         % (place, "SSTATE_MANIFESTS"))
            if os.path.islink(origin):
                os.symlink(os.readlink(origin), place)
            else:
                try:
                    os.link(origin, place)
                except OSError:
                    shutil.copy2(origin, place)
            entries.append(place)

def sstate_install(task, d):
    pairs, _ = sstate_shared(task, d)
    manifest = sstate_manifest(task, d)
    bb.utils.mkdirhier(os.path.dirname(manifest))
    entries = []
    with bb.utils.fileslocked([manifest + ".lock"]):
        try:
            for source, target in pairs:
                if os.path.isdir(source):
                    sstate_install_tree(source, target, entries)
        finally:
            # Even where it failed: the next attempt has to clean up.
            with open(manifest + ".new", "w") as listed:
                listed.writelines(entry + "\n" for entry in entries)
            os.rename(manifest + ".new", manifest)

# ---------------------------------------------------------------------------------------------------
# Packing
# ---------------------------------------------------------------------------------------------------

# The hash of a task's output: of everything under path, with modes, but without times and owners.
def sstate_output_hash(path, sigfile, task, d):
    import hashlib
    import stat
    total = hashlib.sha256()
    def note(text):
        total.update(text.encode("utf-8", "surrogateescape"))
        sigfile.write(text.encode("utf-8", "surrogateescape"))
    note("task=%s\n" % task)
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files + folders):
            full = os.path.join(folder, name)
            about = os.lstat(full)
            line = "%s %s" % (stat.filemode(about.st_mode), os.path.relpath(full, path))
            if stat.S_ISLNK(about.st_mode):
                line += " -> " + os.readlink(full)
            elif stat.S_ISREG(about.st_mode):
                line += " " + bb.utils.sha256_file(full)
            note(line + "\n")
    return total.hexdigest()

# One folder with everything the task shares, as it is in the archive.
def sstate_gather(task, d):
    import shutil
    build = d.expand("${WORKDIR}/sstate-build-%s" % task)
    bb.utils.remove(build, recurse=True)
    bb.utils.mkdirhier(build)
    pairs, plain = sstate_shared(task, d)
    for number, (source, _) in enumerate(pairs):
        if os.path.isdir(source):
            sstate_install_tree(source, os.path.join(build, str(number)), [])
    for folder in plain:
        if os.path.isdir(folder):
            place = os.path.join(build, "plain", os.path.relpath(folder, d.getVar("WORKDIR")))
            sstate_install_tree(folder, place, [])
    return build

def sstate_pack(folder, archive, d):
    import subprocess
    tool, level = d.getVar("SSTATE_TOOL"), d.getVar("SSTATE_ZSTD_CLEVEL")
    if tool:
        subprocess.run([tool, "pack", "--level", level, folder, archive], check=True)
        return
    if os.path.exists(archive):
        return
    bb.utils.mkdirhier(os.path.dirname(archive))
    temporary = os.path.join(os.path.dirname(archive), ".sstate-%s-%d" % (os.uname().nodename, os.getpid()))
    try:
        with open(temporary, "xb") as target:
            tar = subprocess.Popen(["tar", "--sort=name", "--format=gnu", "--numeric-owner", "-C", folder, "-cf", "-", "."],
                                   stdout=subprocess.PIPE)
            subprocess.run(["zstd", "-q", "-" + level, "-c"], stdin=tar.stdout, stdout=target, check=True)
            tar.stdout.close()
            if tar.wait():
                bb.fatal("tar could not pack %s" % folder)
            os.fchmod(target.fileno(), 0o664)
            os.fsync(target.fileno())
        os.rename(temporary, archive)
    finally:
        bb.utils.remove(temporary)

def sstate_write_siginfo(archive, d):
    siginfo = archive + ".siginfo"
    if not os.path.exists(siginfo):
        bb.siggen.dump_this_task(siginfo, d)

python sstate_task_prefunc () {
    task = d.getVar("BB_CURRENTTASK").removesuffix("_setscene")
    sstate_take_back(sstate_manifest(task, d))
}
sstate_task_prefunc[dirs] = "${WORKDIR}"

python sstate_task_postfunc () {
    task = d.getVar("BB_CURRENTTASK")
    build = sstate_gather(task, d)
    report = getattr(bb.parse.siggen, "report_unihash", None)
    if report:
        # May give the task the unihash of another that made the same.
        report(build, task, d)
    sstate_install(task, d)
    archive = sstate_object(task, d)
    try:
        sstate_pack(build, archive, d)
        sstate_write_siginfo(archive, d)
    except (OSError, ValueError) as error:
        # The task has done its work; only others cannot profit from it.
        bb.warn("%s: the result of do_%s cannot be shared: %s" % (d.getVar("PN"), task, error))
    bb.utils.remove(build, recurse=True)
}
sstate_task_postfunc[dirs] = "${WORKDIR}"

# ---------------------------------------------------------------------------------------------------
# Restoring
# ---------------------------------------------------------------------------------------------------

# Unpacks an archive into a folder of its own; what does not belong into one stops it.
def sstate_unpack(archive, folder, d):
    import subprocess
    import tarfile
    tool = d.getVar("SSTATE_TOOL")
    if tool:
        done = subprocess.run([tool, "restore", archive, folder], stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise ValueError(done.stderr.strip().removeprefix("ERROR: "))
        return
    links = set()
    def check(member, path):
        name = os.path.normpath(member.name)
        if name.startswith(("/", "..")) or any(name.startswith(link + "/") for link in links):
            raise ValueError("%s is not to be trusted: '%s' leads out of the folder" % (archive, member.name))
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            raise ValueError("%s is not to be trusted: '%s' is a special file" % (archive, member.name))
        if member.issym():
            links.add(name)
            inside = os.path.normpath(os.path.join(os.path.dirname(name), member.linkname))
            if not member.linkname.startswith("/") and inside.startswith(".."):
                raise ValueError("%s is not to be trusted: '%s' is a link that leads out" % (archive, member.name))
        if member.islnk() and os.path.normpath(member.linkname).startswith(("/", "..")):
            raise ValueError("%s is not to be trusted: '%s' is a link that leads out" % (archive, member.name))
        return member
    with subprocess.Popen(["zstd", "-q", "-d", "-c", archive], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as zstd:
        try:
            with tarfile.open(fileobj=zstd.stdout, mode="r|") as tar:
                empty = True
                for member in tar:
                    empty = False
                    check(member, folder)
                    tar.extract(member, folder, numeric_owner=True)
            zstd.stdout.read()
            if empty:
                raise ValueError("%s is damaged: it is empty" % archive)
        except tarfile.TarError as error:
            raise ValueError("%s is damaged: %s" % (archive, error))
    if zstd.returncode:
        raise ValueError("%s is damaged" % archive)

def sstate_restore(task, d):
    archive = sstate_object(task, d)
    if not os.path.exists(archive):
        sstate_from_mirror(os.path.relpath(archive, d.getVar("SSTATE_DIR")), d, False)
    if not os.path.exists(archive):
        raise ValueError("%s is not there" % archive)
    folder = d.expand("${WORKDIR}/sstate-install-%s" % task)
    bb.utils.remove(folder, recurse=True)
    try:
        sstate_unpack(archive, folder, d)
    except ValueError:
        # The task that runs instead puts a good one in its place.
        try:
            os.remove(archive)
        except OSError:
            pass
        raise
    pairs, plain = sstate_shared(task, d)
    sstate_take_back(sstate_manifest(task, d))
    # From now on it is as if the task had run: its result is where the task puts it.
    for number, (source, _) in enumerate(pairs):
        bb.utils.remove(source, recurse=True)
        made = os.path.join(folder, str(number))
        if os.path.isdir(made):
            bb.utils.mkdirhier(os.path.dirname(source))
            os.rename(made, source)
    for place in plain:
        bb.utils.remove(place, recurse=True)
        made = os.path.join(folder, "plain", os.path.relpath(place, d.getVar("WORKDIR")))
        if os.path.isdir(made):
            bb.utils.mkdirhier(os.path.dirname(place))
            os.rename(made, place)
    sstate_install(task, d)
    bb.utils.remove(folder, recurse=True)
    try:
        # It was used: pruning goes by that.
        os.utime(archive)
    except OSError:
        pass

def sstate_setscene(d):
    task = d.getVar("BB_CURRENTTASK").removesuffix("_setscene")
    try:
        sstate_restore(task, d)
    except (ValueError, OSError) as error:
        bb.warn("%s: do_%s runs for real: %s" % (d.getVar("PN"), task, error))
        raise bb.BBHandledException()

# ---------------------------------------------------------------------------------------------------
# Cleaning
# ---------------------------------------------------------------------------------------------------

addtask cleansstate after do_clean
do_cleansstate[doc] = "do_clean, and removes the recipe's shared results."
do_cleansstate[nostamp] = "1"
do_cleansstate[dirs] = "${TOPDIR}"
python do_cleansstate () {
    import glob
    cache = glob.escape(d.getVar("SSTATE_DIR"))
    for path in glob.glob("%s/*/*/%s*" % (cache, glob.escape(d.getVar("SSTATE_PKGSPEC")))):
        bb.utils.remove(path)
}

do_clean[postfuncs] += "sstate_clean_shared"
python sstate_clean_shared () {
    import glob
    for manifest in glob.glob(glob.escape(d.getVar("SSTATE_MANFILEPREFIX")) + ".*"):
        if not manifest.endswith(".lock"):
            sstate_take_back(manifest)
}
