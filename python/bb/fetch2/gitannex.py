"""gitannex:// - git repositories with files kept by git-annex. Parameters as for git://."""

from bb.fetch2 import FetchError, runfetchcmd
from bb.fetch2.git import Git


class GitANNEX(Git):
    """Clones repositories and gets their annexed files."""

    def supports(self, ud, d):
        return ud.type == "gitannex"

    def setup_shallow(self, ud, d):
        super().setup_shallow(ud, d)
        if ud.shallow:
            ud.shallow_extra_refs += ["refs/heads/git-annex", "refs/heads/synced/*"]

    def uses_annex(self, ud, d, wd):
        """Whether a repository has annexed files."""
        try:
            self._git(ud, d, ["rev-list", "git-annex"], wd)
            return True
        except FetchError:
            return False

    def update_annex(self, ud, d, wd):
        """Get all annexed files into a clone; whether that worked."""
        try:
            self._git(ud, d, ["annex", "get", "--all"], wd)
        except FetchError:
            return False
        runfetchcmd(["chmod", "u+w", "-R", "%s/annex" % ud.clonedir], d, workdir=wd)
        return True

    def _fill_checkout(self, ud, d, checkout):
        """Get the annexed files of a checkout."""
        try:
            self._git(ud, d, ["annex", "init"], checkout)
        except FetchError:
            pass
        if self.uses_annex(ud, d, checkout):
            self._git(ud, d, ["annex", "get"], checkout)
            runfetchcmd(["chmod", "u+w", "-R", "%s/.git/annex" % checkout], d, workdir=checkout)

    def download(self, ud, d):
        super().download(ud, d)
        if (not ud.shallow or ud.localpath != ud.fullshallow) and self.uses_annex(ud, d, ud.clonedir):
            self.update_annex(ud, d, ud.clonedir)

    def clone_shallow_local(self, ud, dest, d):
        super().clone_shallow_local(ud, dest, d)
        self._fill_checkout(ud, d, dest)

    def unpack(self, ud, destdir, d):
        super().unpack(ud, destdir, d)
        self._fill_checkout(ud, d, ud.destdir)
