# do_patch: applies the patches of SRC_URI, in their order, to the unpacked sources.
#
# A patch is a SRC_URI entry whose file ends in .patch or .diff (also compressed), or which says apply=yes.
# Parameters: striplevel=N (default 1), patchdir=DIR (relative to S, default S), apply=no (it is only unpacked).
# A directory with a file `series` stands for the patches listed in it, as quilt has them.
#
# What is applied is recorded the way quilt does it, in .pc of the patched directory: `quilt pop`, `quilt edit` and
# `quilt refresh` go on from there. The patches themselves are in .pc/patches, copied from the layer, and
# do_refresh_patches writes them back.

PATCH_FUZZ ?= "0"
PATCH_FUZZ[doc] = "How many lines at the ends of a hunk may differ from the source. 0, like dpkg-source and rpmbuild."

addtask patch after do_unpack
do_patch[doc] = "Applies the patches of SRC_URI."
do_patch[dirs] = "${WORKDIR}"
python do_patch () {
    trees = {}
    for path, strip, tree, _ in src_patches(d):
        trees.setdefault(tree, []).append((path, strip))

    # What an earlier run applied goes first, so that running the task again by hand does what the first run did.
    for tree in reversed(trees):
        if not os.path.isdir(tree):
            bb.fatal("There is no directory %s to apply patches in. Set S, or give the patch a patchdir." % tree)
        patch_series_pop(tree)
    for tree, patches in trees.items():
        patch_series_push(d, tree, patches)
}

# All patches of SRC_URI: (file, strip level, directory, whether the file is the layer's own).
def src_patches(d):
    fetch = bb.fetch2.Fetch([], d)
    patches = []
    for url in fetch.urls:
        parm = fetch.ud[url].parm
        path = fetch.localpath(url)
        strip = parm.get("striplevel", "1")
        if not strip.isdigit():
            bb.fatal("%s: striplevel=%s is not a number" % (url, strip))
        tree = os.path.normpath(os.path.join(d.getVar("S"), parm.get("patchdir", "")))
        own = fetch.ud[url].type == "file"
        plain, ending = os.path.splitext(path)
        if ending not in (".gz", ".bz2", ".xz", ".zst", ".lz", ".Z"):
            plain = path
        series = own and os.path.isfile(os.path.join(path, "series"))
        if parm.get("apply"):
            wanted = bb.utils.to_boolean(parm["apply"])
        else:
            wanted = series or plain.endswith((".patch", ".diff"))
        if not wanted:
            continue
        if series:
            try:
                listed = patching.series.read(path)
            except patching.series.SeriesError as e:
                bb.fatal(str(e))
            patches += [(each, level, tree, True) for each, level in listed]
            continue
        if plain != path:
            # do_unpack decompressed it there.
            path = os.path.join(d.getVar("UNPACKDIR"), os.path.basename(plain))
        patches.append((path, strip, tree, own and plain == path))
    return patches

# The names that patches of one tree have in .pc, in their order.
def patch_names(paths):
    names = []
    for number, path in enumerate(paths, 1):
        name = os.path.basename(path)
        names.append("%d-%s" % (number, name) if name in names else name)
    return names

# Takes back every patch that patch_series_push applied.
def patch_series_pop(tree):
    import shutil

    def content(name):
        try:
            with open(os.path.join(tree, ".pc", name)) as f:
                return f.read().split()
        except FileNotFoundError:
            return []

    state = os.path.join(tree, ".pc")
    if not os.path.isdir(state):
        return
    if content(".quilt_patches") != [".pc/patches"]:
        bb.fatal("%s comes with patches that quilt applied. Add yours to that series, or remove .pc before do_patch." % tree)
    for name in reversed(content("applied-patches")):
        patch_restore(tree, os.path.join(state, name))
    shutil.rmtree(state)

# Applies PATCHES, pairs of file and strip level, to TREE, which has none.
def patch_series_push(d, tree, patches):
    import shutil

    state = os.path.join(tree, ".pc")
    os.makedirs(os.path.join(state, "patches"))
    for name, text in ((".version", "2"), (".quilt_patches", ".pc/patches"), (".quilt_series", "series")):
        with open(os.path.join(state, name), "w") as f:
            f.write(text + "\n")

    for name, (path, strip) in zip(patch_names(path for path, _ in patches), patches):
        if not os.path.isfile(path):
            bb.fatal("There is no patch %s" % path)
        shutil.copyfile(path, os.path.join(state, "patches", name))
        with open(os.path.join(state, "patches", "series"), "a") as f:
            f.write(name + ("" if strip == "1" else " -p" + strip) + "\n")

        bb.note("Applying %s" % name)
        patch_apply(d, tree, name, path, strip)
        with open(os.path.join(state, "applied-patches"), "a") as f:
            f.write(name + "\n")

# Applies one patch, keeping the files as they were in .pc/NAME. When it does not apply, the tree is left as it
# was before this patch.
def patch_apply(d, tree, name, path, strip):
    import subprocess

    backup = os.path.join(tree, ".pc", name)
    rejects = os.path.join(d.getVar("T"), name + ".rej")
    bb.utils.remove(rejects)
    os.makedirs(backup)
    with open(path, "rb") as f:
        binary = b"\nGIT binary patch\n" in f.read()
    if binary:
        # The ceiling keeps git from taking a repository around the build directory for the tree's own.
        command = ["git", "apply", "-p" + strip, path]
        env = dict(os.environ, GIT_CEILING_DIRECTORIES=os.path.dirname(tree))
        patch_backup_git(tree, backup, path, strip, env)
    else:
        command = ["patch", "-p" + strip, "--batch", "--forward", "--fuzz=" + d.getVar("PATCH_FUZZ"),
                   "--backup", "--prefix=.pc/%s/" % name, "--reject-file=" + rejects, "--input=" + path]
        env = None

    result = subprocess.run(command, cwd=tree, env=env, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = result.stdout.decode(errors="replace").rstrip()
    if result.returncode:
        shown = patch_reject_context(tree, rejects)
        patch_restore(tree, backup)
        if not binary and not subprocess.run(command + ["--dry-run", "--fuzz=2"], cwd=tree, stdin=subprocess.DEVNULL,
                                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            shown += "\n\nOnly lines around the changes differ: it applies with PATCH_FUZZ = \"2\". Better refresh the patch."
        bb.fatal("%s does not apply to %s:\n%s%s" % (path, tree, output, shown))
    fuzzy = [line for line in output.splitlines() if line.startswith(("patching file ", "Hunk #"))]
    if any(" with fuzz " in line for line in fuzzy):
        bb.warn("%s fits only where lines around the changes are left out of account:\n%s\n"
                "Look whether each change is in its place, then refresh the patch: rbake -c refresh_patches %s"
                % (path, "\n".join(fuzzy), d.getVar("PN")))
    bb.debug(1, output)

# git has no backups of its own: copies what the patch is going to touch; an empty file stands for a missing one.
def patch_backup_git(tree, backup, path, strip, env):
    import shutil
    import subprocess

    listed = subprocess.run(["git", "apply", "--numstat", "-z", "-p" + strip, path], cwd=tree, env=env,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout
    files = [line.split(b"\t", 2)[2] for line in listed.split(b"\0") if line]
    with open(path, "rb") as f:
        files += [line[len(b"rename from "):].rstrip() for line in f if line.startswith(b"rename from ")]
    for file in map(os.fsdecode, files):
        copy = os.path.join(backup, file)
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        if os.path.exists(os.path.join(tree, file)):
            shutil.copy2(os.path.join(tree, file), copy)
        else:
            open(copy, "w").close()

# Moves the files kept in BACKUP back to TREE.
def patch_restore(tree, backup):
    import shutil

    for folder, _, files in os.walk(backup):
        for file in files:
            copy = os.path.join(folder, file)
            original = os.path.join(tree, os.path.relpath(copy, backup))
            if os.path.getsize(copy):
                os.makedirs(os.path.dirname(original), exist_ok=True)
                os.replace(copy, original)
            elif os.path.exists(original):
                os.unlink(original)
    shutil.rmtree(backup, ignore_errors=True)

# For each rejected hunk: what the file has at that place, and the hunk.
def patch_reject_context(tree, rejects):
    import re

    def lines_of(path):
        if not os.path.isfile(path):
            return []
        with open(path, errors="replace") as f:
            return f.read().splitlines()

    text, file, lines = "", "", []
    for line in lines_of(rejects):
        header = re.match(r"--- (\S+)|\+\+\+ ", line)
        hunk = re.match(r"@@ -(\d+)(?:,(\d+))? ", line)
        if header:
            if header.group(1):
                file = header.group(1)
                lines = lines_of(os.path.join(tree, file))
            continue
        if hunk:
            first, count = int(hunk.group(1)), int(hunk.group(2) or 1)
            text += "\n\n%s has at line %d (of %d):" % (file, first, len(lines))
            for number in range(max(first, 1), min(first + count, len(lines) + 1)):
                text += "\n%6d | %s" % (number, lines[number - 1])
            text += "\nand the patch expects:"
        text += "\n       | " + line
    return text

REFRESH_PATCHES_TAKE ?= ""
REFRESH_PATCHES_TAKE[doc] = "Files that no patch touches yet, as do_refresh_patches lists them, whose changes go to the last patch."

addtask refresh_patches
do_refresh_patches[doc] = "Writes the patches in the layer anew, from the patched tree with what was changed there."
do_refresh_patches[nostamp] = "1"
do_refresh_patches[dirs] = "${TOPDIR}"
python do_refresh_patches () {
    import tempfile

    trees = {}
    for path, strip, tree, own in src_patches(d):
        trees.setdefault(tree, []).append((path, strip, own))
    if not trees:
        bb.fatal("%s has no patches in SRC_URI" % d.getVar("PN"))
    # The tree must be as it was left: do_patch would begin from scratch.
    for tree in trees:
        if not os.path.isdir(os.path.join(tree, ".pc")):
            bb.fatal("%s has not been patched yet: rbake -c patch %s" % (tree, d.getVar("PN")))
    with tempfile.TemporaryDirectory(prefix="refresh-", dir=d.getVar("T")) as scratch:
        patch_take_files(d, trees, scratch)
    for tree, patches in trees.items():
        patch_refresh_tree(d, tree, patches)
}

# Finds the files of the sources that differ from what is unpacked, though no patch touches them. The last patch takes those
# of REFRESH_PATCHES_TAKE; the others are named: what is built in the tree may have changed them.
def patch_take_files(d, trees, scratch):
    unpacked, wanted, left = d.getVar("UNPACKDIR"), set((d.getVar("REFRESH_PATCHES_TAKE") or "").split()), []
    if not all(os.path.commonpath([unpacked, tree]) == unpacked for tree in trees):
        return
    bb.fetch2.Fetch([], d).unpack(scratch)
    # The patches themselves are unpacked, too, and change.
    patches = {os.path.basename(path) for listed in trees.values() for path, _, _ in listed}
    # A file belongs to the innermost tree that it is in.
    for tree in sorted(trees, key=len, reverse=True):
        origin = os.path.normpath(os.path.join(scratch, os.path.relpath(tree, unpacked)))
        state = patching.refresh.Tree(tree)
        inner = [os.path.join(scratch, os.path.relpath(other, unpacked)) for other in trees if other.startswith(tree + "/")]
        for file in state.changed(origin, inner):
            shown = os.path.normpath(os.path.join(os.path.relpath(tree, d.getVar("S")), file))
            if tree == unpacked and file in patches:
                continue
            if shown in wanted and state.applied:
                wanted.discard(shown)
                state.take(file, os.path.join(origin, file))
            else:
                left.append(shown)
    if left:
        bb.warn("No patch touches these files, which differ from the sources; they are left out:\n  %s\n"
                "The last patch takes those that REFRESH_PATCHES_TAKE names." % "\n  ".join(left[:50]))
    if wanted:
        bb.fatal("REFRESH_PATCHES_TAKE names what is no changed file of the sources, or one that a patch touches: %s"
                 % " ".join(sorted(wanted)))

# Writes the patches of one tree anew. What was changed belongs to the last patch that touches the file.
def patch_refresh_tree(d, tree, patches):
    state = patching.refresh.Tree(tree)
    known = dict(zip(patch_names(path for path, _, _ in patches), patches))
    beside = os.path.join(d.getVar("FILE_DIRNAME"), "files")
    with open(os.path.join(state.state, "patches", "series")) as f:
        levels = {os.path.basename(name): strip for name, strip in patching.series.parse(f.read())}
    for name in state.applied:
        path, strip, own = known.get(name, (os.path.join(beside, name), levels.get(name, "1"), True))
        try:
            text = state.refreshed(name, strip)
        except patching.refresh.RefreshError as e:
            bb.warn("%s stays as it is: %s" % (path, e))
            continue
        if not own:
            if text != state.text(name):
                bb.warn("%s is not a file of a layer; the refreshed patch is %s"
                        % (path, os.path.join(state.state, "patches", name)))
            state.put(name, text)
            continue
        beside = os.path.dirname(path)
        old = None
        if os.path.exists(path):
            with open(path, "rb") as f:
                old = f.read()
        if text != old:
            patch_write(path, text)
            bb.plain("%s %s" % ("Refreshed" if old is not None else "Wrote the new patch", path))
        if name not in known:
            bb.warn("%s is not in SRC_URI of %s yet: add file://%s" % (path, d.getVar("PN"), name))
        state.put(name, text)
    for name in known:
        if name not in state.applied:
            bb.warn("%s is not applied now, and stays as it is" % known[name][0])

# Writes a file so that nobody ever sees half of it.
def patch_write(path, text):
    import shutil

    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = "%s.%d.tmp" % (path, os.getpid())
    with open(temporary, "wb") as f:
        f.write(text)
    if os.path.exists(path):
        shutil.copymode(path, temporary)
    os.replace(temporary, path)
