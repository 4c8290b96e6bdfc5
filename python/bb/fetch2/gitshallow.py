"""Shallow clones of git repositories: only the newest part of the history."""

import fnmatch
import logging
import os

import bb
from bb.fetch2.errors import FetchError
from bb.fetch2.network import runfetchcmd

logger = logging.getLogger("BitBake.Fetcher")


def _depth(variable, d):
    """The number of commits a variable asks for, 0 for no limit, or None if it isn't set."""
    value = d.getVar(variable)
    if value is None:
        return None
    try:
        depth = int(value or 0)
    except ValueError:
        depth = -1
    if depth < 0:
        raise FetchError("Invalid depth for %s: %s" % (variable, value))
    return depth


class ShallowClones:
    """The part of the git fetcher that knows about BB_GIT_SHALLOW."""

    def setup_shallow(self, ud, d):
        """Find out whether, how deep and without what a clone is wanted."""
        ud.shallow = d.getVar("BB_GIT_SHALLOW") == "1"
        # Whether to go through a full clone instead of asking upstream for a part.
        ud.shallow_skip_fast = False
        ud.shallow_extra_refs = (d.getVar("BB_GIT_SHALLOW_EXTRA_REFS") or "").split()
        if "tag" in ud.parm:
            ud.shallow_extra_refs.append("refs/tags/" + ud.parm["tag"])
        depths = [_depth("BB_GIT_SHALLOW_DEPTH_%s" % ud.name, d), _depth("BB_GIT_SHALLOW_DEPTH", d), 1]
        ud.shallow_depths = {ud.name: next(depth for depth in depths if depth is not None)}
        revisions = d.getVar("BB_GIT_SHALLOW_REVS_%s" % ud.name)
        if revisions is None:
            revisions = d.getVar("BB_GIT_SHALLOW_REVS")
        ud.shallow_revs = (revisions or "").split()
        if not ud.shallow_revs and ud.shallow_depths[ud.name] == 0:
            ud.shallow = False

    def shallow_tarball_name(self, ud, source):
        """The name of the tarball for the clone `source`: everything that matters is in it."""
        parts = [source]
        if ud.bareclone:
            parts.append("bare")
        parts += sorted(ud.shallow_revs)
        depth = ud.shallow_depths[ud.name]
        parts.append("%s-%s" % (ud.revision[:7], depth) if depth else ud.revision[:7])
        references = [] if ud.nobranch else [ud.branch]
        references += [name.replace("refs/heads/", "").replace("*", "ALL") for name in ud.shallow_extra_refs]
        parts += [name.replace("/", ".") for name in sorted(references)]
        return "%sshallow_%s.tar.gz" % (type(self).__name__.lower(), "_".join(parts))

    def shallow_tarball_need_update(self, ud):
        """Whether the shallow tarball is wanted but missing."""
        return ud.shallow and ud.write_shallow_tarballs and not os.path.exists(ud.fullshallow)

    def clonedir_need_shallow_revs(self, ud, d):
        """A revision where history is to be cut that the clone doesn't have, or None."""
        for revision in ud.shallow_revs:
            try:
                self._git(ud, d, ["rev-parse", "-q", "--verify", revision], ud.clonedir)
            except FetchError:
                return revision
        return None

    def clone_shallow_with_tarball(self, ud, d):
        """Make the shallow tarball, straight from upstream if the server lets us."""
        for ud.shallow_skip_fast in (False, True):
            import tempfile
            with tempfile.TemporaryDirectory(dir=d.getVar("DL_DIR")) as directory:
                clone = os.path.join(directory, "git")
                try:
                    self.clone_shallow_local(ud, clone, d)
                except Exception:
                    if ud.shallow_skip_fast:
                        raise
                    logger.warning("Fast shallow clone failed, try to skip fast mode now.")
                    continue
                logger.info("Creating tarball of git repository")
                with self.create_atomic(ud.fullshallow) as partial:
                    runfetchcmd(["tar", "-czf", partial, "."], d, workdir=clone)
                open(ud.fullshallow + ".done", "a").close()
                return True
        return False

    def clone_shallow_local(self, ud, dest, d):
        """Make a shallow repository of the wanted revision."""
        depth = ud.shallow_depths[ud.name]
        if depth and ud.shallow_revs:
            raise FetchError("BB_GIT_SHALLOW_REVS is set, but BB_GIT_SHALLOW_DEPTH is not 0.")
        upstream = self._get_repo_url(ud)
        fast = not ud.shallow_skip_fast
        bb.utils.mkdirhier(dest)
        self._git(ud, d, ["init", "-q"] + (["--bare"] if ud.bareclone else []), dest)
        source = upstream if fast and not os.path.exists(ud.clonedir) else ud.clonedir
        self._git(ud, d, ["remote", "add", "origin", source], dest)

        if not fast:
            # Older git gives out only revisions that a branch points to.
            runfetchcmd(["git", "branch", "-f", "advertise-" + ud.revision, ud.revision], d, workdir=ud.clonedir)
        limits = ["--depth", str(depth)] if depth else []
        limits += ["--shallow-exclude=%s" % revision for revision in ud.shallow_revs]
        self._git(ud, d, ["fetch", "origin", ud.revision] + limits, dest)
        # Without a reference to it the revision would get lost.
        if ud.nobranch:
            reference = "refs/shallow/%s" % ud.name
        elif ud.bareclone:
            reference = "refs/heads/%s" % ud.branch
        else:
            reference = "refs/remotes/origin/%s" % ud.branch
        self._git(ud, d, ["update-ref", reference, ud.revision], dest)
        self.lfs_fetch(ud, d, dest, ud.revision)

        for reference in self._extra_references(ud, d, dest):
            name = reference
            for prefix in ("refs/heads/", "refs/remotes/origin/", "refs/tags/"):
                name = name.replace(prefix, "")
            self._git(ud, d, ["fetch", "origin", "--depth", "1", "--", name], dest)
            revision = self._git(ud, d, ["rev-parse", "FETCH_HEAD"], dest).strip()
            self._git(ud, d, ["update-ref", reference, revision], dest)
        self._git(ud, d, ["remote", "set-url", "origin", upstream], dest)

    def _extra_references(self, ud, d, dest):
        """The references to keep besides, wildcards resolved."""
        there = [line.split()[-1]
                 for line in self._git(ud, d, ["ls-remote", "origin", "refs/*"], dest).splitlines()]
        wanted = []
        for pattern in ud.shallow_extra_refs:
            if not ud.bareclone:
                pattern = pattern.replace("refs/heads/", "refs/remotes/origin/")
            wanted += [name for name in there if fnmatch.fnmatchcase(name, pattern)] if "*" in pattern else [pattern]
        return wanted
