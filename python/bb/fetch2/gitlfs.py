"""Large files (Git LFS) of git repositories."""

import logging
import os
import re

import bb
from bb.fetch2.errors import FetchError

logger = logging.getLogger("BitBake.Fetcher")

# An object's id at the beginning of a line of `git lfs ls-files -l`.
_OBJECT_ID = re.compile(r"([a-fA-F0-9]{2})([a-fA-F0-9]{2})[a-fA-F0-9]+")


class LargeFiles:
    """The part of the git fetcher that knows about large files."""

    def _need_lfs(self, ud):
        """Whether large files are wanted."""
        return ud.parm.get("lfs", "1") == "1"

    def _contains_lfs(self, ud, d, wd):
        """Whether the wanted revision of a repository has large files."""
        try:
            return bool(self._git(ud, d, ["grep", "^[^#].*lfs", ud.revision + ":.gitattributes"], wd))
        except (FetchError, ValueError):
            return False

    def _ensure_git_lfs(self, d, ud):
        """Raise FetchError unless git-lfs is installed."""
        import shutil
        if shutil.which("git-lfs", path=d.getVar("PATH")) is None:
            raise FetchError("Repository %s has LFS content, install git-lfs on host to download (or set lfs=0 "
                             "to ignore it)" % self._get_repo_url(ud))

    def lfs_need_update(self, ud, d):
        """Whether large files have to be fetched."""
        return self._need_lfs(ud) and (self.clonedir_need_update(ud, d)
                                       or not self._lfs_objects_downloaded(ud, d, ud.clonedir))

    def _lfs_objects_downloaded(self, ud, d, wd):
        """Whether a clone has all large files of the wanted revision."""
        if not self._contains_lfs(ud, d, wd):
            return True
        self._ensure_git_lfs(d, ud)
        for line in self._git(ud, d, ["lfs", "ls-files", "-l", ud.revision], wd).splitlines():
            match = _OBJECT_ID.match(line)
            if not match:
                bb.warn("git lfs ls-files output '%s' did not match expected format." % line)
                return False
            # The layout is part of the Git LFS specification.
            if not os.path.exists(os.path.join(wd, "lfs", "objects", *match.groups(), match.group())):
                return False
        return True

    def lfs_fetch(self, ud, d, clonedir, revision, fetchall=False, progresshandler=None):
        """Fetch the large files of a revision into a clone; a failure is only warned about."""
        try:
            if not (revision and self._need_lfs(ud) and self._contains_lfs(ud, d, clonedir)):
                return
            self._ensure_git_lfs(d, ud)
            # Where the files come from may be said in the .lfsconfig of a checkout.
            self._git(ud, d, ["worktree", "add", "wt", revision], clonedir, log=progresshandler)
            self._git(ud, d, ["lfs", "fetch"] + (["--all"] if fetchall else []), clonedir + "/wt",
                      log=progresshandler)
            self._git(ud, d, ["worktree", "remove", "-f", "wt"], clonedir, log=progresshandler)
        except Exception:
            logger.warning("Fetching LFS did not succeed.")
