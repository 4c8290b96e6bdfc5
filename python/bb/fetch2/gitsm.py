"""gitsm:// - git repositories with their submodules. Parameters as for git://."""

import copy
import logging
import os
import re
from collections import namedtuple

import bb
from bb.fetch2 import Fetch, FetchError, runfetchcmd
from bb.fetch2.git import Git

logger = logging.getLogger("BitBake.Fetcher")

# A submodule: its name, where it is checked out, its gitsm:// URL, and a store to fetch it with.
_Submodule = namedtuple("_Submodule", "name path url d")


def _parse_gitmodules(text):
    """Dictionary from submodule name to its settings, of a .gitmodules file."""
    modules = {}
    settings = {}
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[submodule"):
            settings = modules[line.split('"')[1]] = {}
        elif "=" in line:
            key, _, value = line.partition("=")
            settings[key.strip()] = value.strip()
    return modules


def _check_submodule(name, settings, url):
    """Refuse what git would, and what would mean something else in a URL: repositories of others say it."""
    path = settings.get("path", "")
    for what, text in (("name", name), ("path", path)):
        if not text or text.startswith(("-", "/")) or ".." in text.split("/") or ";" in text:
            raise FetchError("The %s of a submodule is suspicious: '%s'" % (what, text), url)
    upstream = settings.get("url", "")
    if not upstream or upstream.startswith("-") or ";" in upstream or re.match(r"[\w+.-]*::", upstream):
        raise FetchError("The URL of the submodule %s is suspicious: '%s'" % (name, upstream), url)


class GitSM(Git):
    """Clones repositories and their submodules, each into a clone of its own in DL_DIR."""

    def supports(self, ud, d):
        return ud.type == "gitsm"

    def _submodule_url(self, ud, name, upstream):
        """The gitsm:// URL for what .gitmodules says."""
        if upstream.startswith(("..", "./")):
            # Relative to the repository it is a submodule of.
            parent = copy.copy(ud)
            parent.path = os.path.normpath(os.path.join(ud.path, upstream))
            upstream = self._get_repo_url(parent)
        if "://" in upstream:
            protocol, _, place = upstream.partition("://")
        elif ":" in upstream:
            # host:path, as ssh has it.
            protocol = "ssh"
            if ":/" not in upstream:
                logger.warning("Submodule included by %s refers to relative ssh reference %s.  References may fail if"
                               " not absolute." % (ud.url, upstream))
            place = upstream.replace(":/", "/", 1) if ":/" in upstream else upstream.replace(":", "/", 1)
        else:
            protocol, place = "file", upstream
        url = "gitsm://" + place
        if url.endswith(ud.host + ud.path):
            raise FetchError("Submodule refers to the parent repository. This will cause deadlock situation in current"
                             " version of Bitbake.Consider using git fetcher instead.")
        # No user: credentials belong into ~/.netrc or the ssh configuration.
        return "%s;protocol=%s;name=%s;subpath=%s;nobranch=1;lfs=%d;bareclone=1" % (
            url, protocol, name, name, self._need_lfs(ud))

    def _submodules(self, ud, workdir, d):
        """The submodules that the wanted revision of a repository has."""
        try:
            text = self._git(ud, d, ["show", "%s:.gitmodules" % ud.revision], workdir)
        except FetchError:
            return
        for name, settings in _parse_gitmodules(text).items():
            _check_submodule(name, settings, ud.url)
            try:
                entry = self._git(ud, d, ["ls-tree", "-z", "-d", ud.revision, "--", settings["path"]], workdir)
            except FetchError:
                entry = ""
            if not entry:
                logger.debug("submodule %s is defined, but is not initialized in the repository. Skipping", name)
                continue
            ld = d.createCopy()
            ld.setVar("SRCREV_%s" % name, entry.split()[2])
            # Only the repository of SRC_URI has to do with the version.
            ld.setVar("SRCPV", d.getVar("SRCPV"))
            ld.setVar("SRCREV_FORMAT", name)
            yield _Submodule(name, settings["path"], self._submodule_url(ud, name, settings["url"]), ld)

    def _known_submodules(self, ud, d, prefer_tarball):
        """The submodules, as the clone or the shallow tarball shows them."""
        if ud.shallow and os.path.exists(ud.fullshallow) and (prefer_tarball or not os.path.exists(ud.clonedir)):
            import tempfile
            with tempfile.TemporaryDirectory(dir=d.getVar("DL_DIR")) as directory:
                runfetchcmd(["tar", "-xzf", ud.fullshallow], d, workdir=directory)
                return list(self._submodules(ud, directory, d))
        return list(self._submodules(ud, ud.clonedir, d)) if os.path.exists(ud.clonedir) else []

    def need_update(self, ud, d):
        if super().need_update(ud, d):
            return True
        outdated = []
        for module in self._known_submodules(ud, d, not os.path.exists(ud.clonedir)):
            try:
                nested = Fetch([module.url], module.d, cache=False).ud[module.url]
                if nested.method.need_update(nested, module.d):
                    outdated.append(module.path)
            except Exception as exc:
                logger.error("gitsm: submodule update check failed: %s %s" % (type(exc).__name__, exc))
        if outdated:
            logger.debug("gitsm: Submodules requiring update: %s" % " ".join(outdated))
        return bool(outdated)

    def download(self, ud, d):
        """Update the clone, then those of the submodules."""
        super().download(ud, d)
        for module in self._known_submodules(ud, d, self.need_update(ud, d)):
            try:
                Fetch([module.url], module.d, cache=False).download()
            except Exception as exc:
                logger.error("gitsm: submodule download failed: %s %s" % (type(exc).__name__, exc))
                raise

    def unpack(self, ud, destdir, d):
        """Check out a repository, then its submodules from their clones."""
        super().unpack(ud, destdir, d)
        repository = ud.destdir if ud.bareclone else os.path.join(ud.destdir, ".git")
        modules = list(self._submodules(ud, ud.destdir, d))
        for module in modules:
            self._unpack_submodule(ud, module, os.path.join(repository, "modules", module.name))
        if modules and not ud.bareclone:
            env = {} if self._need_lfs(ud) else {"GIT_LFS_SKIP_SMUDGE": "1"}
            self._git(ud, d, ["submodule", "update", "--recursive", "--no-fetch"], ud.destdir, extraenv=env)

    def _unpack_submodule(self, ud, module, directory):
        """Put a submodule's repository where git expects it."""
        try:
            fetcher = Fetch([module.url], module.d, cache=False)
            # Tells tracers where the submodule will be checked out.
            fetcher.ud[module.url].modpath = module.path
            fetcher.unpack(root=os.path.dirname(directory))
        except Exception as exc:
            logger.error("gitsm: submodule unpack failed: %s %s" % (type(exc).__name__, exc))
            raise
        setting = "submodule.%s." % module.name
        self._git(ud, module.d, ["config", setting + "url", fetcher.localpath(module.url)], ud.destdir)
        if ud.shallow:
            self._git(ud, module.d, ["config", setting + "shallow", "true"], ud.destdir)
        try:
            # It was unpacked as a bare clone, but will get a checkout.
            self._git(ud, module.d, ["config", "core.bare", "false"], directory)
        except FetchError:
            logger.error("Unable to set git config core.bare to false for %s" % directory)
            raise

    def clean(self, ud, d):
        """Remove the clones of the submodules and of the repository."""
        for module in self._known_submodules(ud, d, True):
            try:
                Fetch([module.url], module.d, cache=False).clean()
            except Exception as exc:
                logger.warning("gitsm: submodule clean failed: %s %s" % (type(exc).__name__, exc))
        super().clean(ud, d)

    def implicit_urldata(self, ud, d):
        result = []
        for module in self._known_submodules(ud, d, self.need_update(ud, d)):
            result.extend(Fetch([module.url], module.d, cache=False).expanded_urldata())
        return result
