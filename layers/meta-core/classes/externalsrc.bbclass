# Builds a recipe from a source tree on this machine instead of SRC_URI, such as a checkout somebody works in:
#
#   INHERIT += "externalsrc"
#   EXTERNALSRC:pn-hello = "/home/me/src/hello"
#
# do_fetch, do_unpack and do_patch do nothing then, and do_compile runs again whenever the tree has changed: in a
# git checkout also by uncommitted and new files, not by ignored ones; elsewhere by any file.

EXTERNALSRC ??= ""
EXTERNALSRC[doc] = "Source tree to build the recipe from, instead of SRC_URI."
EXTERNALSRC_BUILD ??= "${WORKDIR}/build"
EXTERNALSRC_BUILD[doc] = "B with EXTERNALSRC. Sources that can only be built in place set it to EXTERNALSRC."

python () {
    tree = d.getVar("EXTERNALSRC")
    if not tree:
        return
    if not os.path.isdir(tree):
        bb.fatal("EXTERNALSRC is %s, which is not a directory" % tree)
    d.setVar("S", tree)
    d.setVar("B", d.getVar("EXTERNALSRC_BUILD"))
    for task in ("do_fetch", "do_unpack", "do_patch"):
        d.setVarFlag(task, "noexec", "1")
    d.setVarFlag("do_fetch", "file-checksums", "")
    # The tree is looked at each time, so the recipe has to be read each time.
    d.setVar("BB_DONT_CACHE", "1")
    d.setVarFlag("do_configure", "file-checksums", "${@externalsrc_files(d)}")
}

# What do_configure's hash covers: a file that holds the state of a git checkout, or the tree itself.
def externalsrc_files(d):
    tree = d.getVar("EXTERNALSRC")
    if not os.path.exists(os.path.join(tree, ".git")):
        return tree + ":True"
    state = os.path.join(d.getVar("TMPDIR"), "externalsrc", d.getVar("PN"))
    text = externalsrc_git_state(tree)
    bb.utils.mkdirhier(os.path.dirname(state))
    if not os.path.exists(state) or open(state).read() != text:
        with open(state + ".new", "w") as f:
            f.write(text)
        os.replace(state + ".new", state)
    return state + ":True"

# The hash of the working tree as a commit of everything in it would have it, submodules included. A copy of the
# index is used, so the user's staging is left alone, and unchanged files are not read.
def externalsrc_git_state(tree):
    import shutil
    import subprocess
    import tempfile

    def git(*args, **env):
        return subprocess.run(["git", "-c", "safe.directory=*", *args], cwd=tree, env=dict(os.environ, **env), check=True,
                              stdout=subprocess.PIPE).stdout.decode().strip()

    with tempfile.TemporaryDirectory() as scratch:
        index = os.path.join(scratch, "index")
        current = os.path.join(tree, git("rev-parse", "--git-path", "index"))
        if os.path.exists(current):
            shutil.copyfile(current, index)
        git("add", "--all", ".", GIT_INDEX_FILE=index)
        text = git("write-tree", GIT_INDEX_FILE=index) + "\n"
        for line in git("ls-files", "--stage", "-z", GIT_INDEX_FILE=index).split("\0"):
            entry, _, name = line.partition("\t")
            if entry.startswith("160000 ") and os.path.exists(os.path.join(tree, name, ".git")):
                text += "%s %s" % (name, externalsrc_git_state(os.path.join(tree, name)))
    return text
