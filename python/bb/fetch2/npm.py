"""npm:// - switched off, as in BitBake 2.19; what classes use of it besides stays."""

import os
import re

import bb
from bb.fetch2 import FetchMethod, runfetchcmd


def npm_package(package):
    """A package name with only characters that can be in file and recipe names."""
    return re.sub(r"[^-a-z0-9@]", "", package.replace("/", "-").lower()).strip("-")


def npm_filename(package, version):
    """The file name of a package's archive."""
    return "%s-%s.tgz" % (npm_package(package), version)


def npm_localfile(package, version=None):
    """Where a package's archive is below DL_DIR; without a version `package` is its file name."""
    return os.path.join("npm2", package if version is None else npm_filename(package, version))


def npm_integrity(integrity):
    """(name of the URL parameter, hexadecimal value) of a subresource integrity text."""
    import base64
    algorithm, _, value = integrity.partition("-")
    return algorithm + "sum", base64.b64decode(value).hex()


def npm_unpack(tarball, destdir, d):
    """Unpack a package's archive into a directory."""
    bb.utils.mkdirhier(destdir)
    runfetchcmd(["tar", "--extract", "--gzip", "--file=%s" % tarball, "--no-same-owner",
                 "--delay-directory-restore", "--strip-components=1"], d, workdir=destdir)
    runfetchcmd(["chmod", "-R", "+X", destdir], d, quiet=True, workdir=destdir)


class NpmEnvironment:
    """Runs npm with a configuration of its own: a list of (key, value), and a global file."""

    def __init__(self, d, configs=(), npmrc=None):
        import tempfile
        self.d = d
        self.global_config_name = npmrc or "/dev/null"
        self.user_config = tempfile.NamedTemporaryFile(mode="w", buffering=1)
        own = self._home_npmrc(d)
        if own:
            with open(own) as file:
                self.user_config.write(file.read())
        self.user_config.writelines("%s=%s\n" % pair for pair in configs)

    @staticmethod
    def _home_npmrc(d):
        """The user's own configuration, if it exists and BB_USE_HOME_NPMRC wants it."""
        path = os.path.join(os.environ.get("HOME", ""), ".npmrc")
        if d.getVar("BB_USE_HOME_NPMRC") != "1" or not os.path.exists(path):
            return None
        bb.warn("BB_USE_HOME_NPMRC flag set and valid .npmrc detected - npm fetcher will use %s" % path)
        return path

    def run(self, cmd, args=None, configs=None, workdir=None):
        """Run a command, with (key, value) pairs appended as options; returns what it printed."""
        import tempfile
        if configs:
            bb.warn("Use of configs argument of NpmEnvironment.run() function is deprecated. Please use args argument"
                    " instead.")
        options = ["--%s=%s" % pair for pair in [*(configs or ()), *(args or ())]]
        with tempfile.TemporaryDirectory() as home:
            d = self.d.createCopy()
            # PATH may depend on HOME.
            d.setVar("PATH", d.getVar("PATH"))
            d.setVar("HOME", home)
            env = {"NPM_CONFIG_USERCONFIG": self.user_config.name, "NPM_CONFIG_GLOBALCONFIG": self.global_config_name}
            return runfetchcmd(list(cmd) + options, d, workdir=workdir or home, extraenv=env)


class Npm(FetchMethod):
    """Refuses npm:// URLs."""

    def supports(self, ud, d):
        if ud.type == "npm":
            raise bb.parse.SkipRecipe("The npm fetcher has been disabled due to security issues and there is no"
                                      " maintainer to address them")
        return False
