"""gomod:// gomodgit:// - Go modules, from a module proxy or from their repository.

Parameters: version (needed), mod=1 for the go.mod file only; for gomodgit
also repo, srcrev, subdir, protocol. Both fill the module cache,
GO_MOD_CACHE_DIR, as `go mod download` would (Go Modules Reference, section
"Module cache"). Flags of SRC_URI for checksums are called MODULE@VERSION.
"""

import os
import re

import bb
from bb.fetch2 import FetchError, MissingParameterError, encodeurl, runfetchcmd
from bb.fetch2.git import Git
from bb.fetch2.wget import Wget


def escape(path):
    """A path in which capital letters are written as `!` and the small letter."""
    return re.sub("[A-Z]", lambda match: "!" + match.group().lower(), path)


def _module(ud):
    """The module path a URL stands for; the version has to be there too."""
    if "version" not in ud.parm:
        raise MissingParameterError("version", ud.url)
    return ud.host + (ud.path if ud.path != "/" else "")


# Stands in URLs for the host that GO_MOD_PROXY does not name (RFC 2606: never a real one).
NO_PROXY = "go-mod-proxy.invalid"


def _cache_directory(d):
    return d.getVar("GO_MOD_CACHE_DIR") or "pkg/mod"


def _minimal_mod_file(module):
    """The go.mod of a module that has none."""
    return b"module %s\n" % module.encode()


class GoMod(Wget):
    """Downloads modules from a module proxy, GO_MOD_PROXY."""

    def supports(self, ud, d):
        return ud.type == "gomod"

    def urldata_init(self, ud, d):
        module = ud.parm["module"] = _module(ud)
        version = ud.parm["version"]
        suffix = ".mod" if ud.parm.get("mod") == "1" else ".zip"
        path = escape("%s/@v/%s%s" % (module, version, suffix))
        # Whose proxy is asked is the user's choice; without one the recipe can be read, but nothing downloaded.
        proxy = d.getVar("GO_MOD_PROXY") or NO_PROXY
        ud.url = encodeurl(("https", proxy, "/" + path, None, None, None))
        ud.parm["name"] = "%s@%s" % (module, version)
        ud.parm["downloadfilename"] = "%s@%s%s" % (module.replace("/", "."), version, suffix)
        ud.parm["unpackpath"] = os.path.join(_cache_directory(d), "cache/download", path)
        super().urldata_init(ud, d)

    def _known(self, ud, d):
        if not d.getVar("GO_MOD_PROXY"):
            raise FetchError("GO_MOD_PROXY is not set: it names the host that Go modules are fetched from, as GOPROXY does for go", ud.url)

    def download(self, ud, d):
        self._known(ud, d)
        return super().download(ud, d)

    def checkstatus(self, fetch, ud, d, *arguments):
        self._known(ud, d)
        return super().checkstatus(fetch, ud, d, *arguments)

    def unpack(self, ud, rootdir, d):
        """Put the file into the cache, and the go.mod file out of an archive beside it."""
        target = os.path.join(rootdir, ud.parm["unpackpath"])
        directory, name = os.path.split(target)
        bb.utils.mkdirhier(directory)
        ud.unpack_tracer.unpack("file-copy", directory)
        bb.note("Unpacking %s to %s/" % (name, directory))
        runfetchcmd(["cp", ud.localpath, target], d)
        if not name.endswith(".zip"):
            return
        import zipfile
        module = ud.parm["module"]
        name = name[:-len(".zip")] + ".mod"
        bb.note("Unpacking %s to %s/" % (name, directory))
        with zipfile.ZipFile(ud.localpath) as archive:
            try:
                content = archive.read("%s@%s/go.mod" % (module, ud.parm["version"]))
            except KeyError:
                content = _minimal_mod_file(module)
        with open(os.path.join(directory, name), "wb") as file:
            file.write(content)


class GoModGit(Git):
    """Clones the repository of a module and makes the module's archive from it."""

    def supports(self, ud, d):
        return ud.type == "gomodgit"

    def urldata_init(self, ud, d):
        import hashlib

        module = ud.parm["module"] = _module(ud)
        if "repo" in ud.parm:
            host, slash, path = ud.parm["repo"].partition("/")
            ud.host, ud.path = host, slash + path
        protocol = ud.parm.setdefault("protocol", "https")
        ud.name = "%s@%s" % (module, ud.parm["version"])
        variable = "SRCREV_" + ud.name
        revision = d.getVar(variable)
        if revision:
            ud.parm.setdefault("srcrev", revision)
        elif "srcrev" in ud.parm:
            d.setVar(variable, ud.parm["srcrev"])
        if "branch" not in ud.parm:
            ud.parm["nobranch"] = "1"
        if "subdir" in ud.parm:
            ud.parm["subpath"] = ud.parm["subdir"]
        # The go command finds repositories by the hash of this text.
        key = ud.parm["key"] = ("git3:%s://%s%s" % (protocol, ud.host, ud.path)).encode()
        ud.parm["subdir"] = os.path.join(_cache_directory(d), "cache/vcs", hashlib.sha256(key).hexdigest())
        ud.parm["bareclone"] = "1"
        super().urldata_init(ud, d)

    def unpack(self, ud, rootdir, d):
        """Put the repository into the cache, and the module's go.mod file and archive."""
        import zipfile

        super().unpack(ud, rootdir, d)
        repository = os.path.join(rootdir, ud.parm["subdir"])
        with open(repository + ".info", "wb") as file:
            file.write(ud.parm["key"])

        module, version = ud.parm["module"], ud.parm["version"]
        subpath = ud.parm.get("subpath", "")
        listing = ["git", "ls-tree", "-r", "-z", "--name-only", ud.revision] + ([subpath] if subpath else [])
        files = list(filter(None, runfetchcmd(listing, d, workdir=repository).split("\0")))
        directory = os.path.join(rootdir, _cache_directory(d), "cache/download", escape(module), "@v")
        bb.utils.mkdirhier(directory)
        stem = os.path.join(directory, escape(version))

        bb.note("Unpacking %s.mod to %s/" % (escape(version), directory))
        mod_file = os.path.join(subpath, "go.mod")
        with open(stem + ".mod", "wb") as file:
            file.write(self._content(ud, mod_file, repository) if mod_file in files else _minimal_mod_file(module))

        bb.note("Unpacking %s.zip to %s/" % (escape(version), directory))
        with zipfile.ZipFile(stem + ".zip", "w") as archive:
            for path in files:
                archive.writestr("%s@%s/%s" % (module, version, path), self._content(ud, path, repository))

    @staticmethod
    def _content(ud, path, repository):
        """A file of the wanted revision, as bytes."""
        import subprocess
        return subprocess.check_output(["git", "cat-file", "blob", "%s:%s" % (ud.revision, path)], cwd=repository)
