#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds tests/layers/worlds with a program of choice: cold, again, from shared state, with one source changed, and with one changed
without effect.

    worlds.py [PROGRAM]

PROGRAM is called as `bitbake` is; without it, rbake is built with. Each step says what ran; the bytes of the results are compared. With rbake-sstate on PATH the class
packs with it, otherwise with tar and zstd: both must give the same.
"""

import atexit
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import ours
import reference

ROOT = Path(__file__).resolve().parents[2]


class Build:
    """A build directory on a copy of the layer."""

    def __init__(self, program, folder, layer, cache):
        self.program, self.folder = program, folder
        (folder / "conf").mkdir(parents=True)
        (folder / "conf/bblayers.conf").write_text(
            'BBPATH = "${TOPDIR}"\nBBFILES ?= ""\nBBLAYERS = "%s %s"\n' % (ROOT / "layers/meta-core", layer))
        (folder / "conf/local.conf").write_text(
            'SSTATE_DIR = "%s"\nBB_HASHSERVE = "auto"\nBB_SIGNATURE_HANDLER = "TestEquivHash"\n'
            'BB_HASHSERVE_DB_DIR = "%s"\n' % (cache, folder.parent))

    def run(self):
        """Builds; gives the tasks that ran as RECIPE:TASK, setscene ones with their names' end."""
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "USER") if name in os.environ}
        done = subprocess.run([self.program, "everything"], cwd=self.folder, env={**environment, "LANG": "en_US.UTF-8"},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(done.stdout + "\nThe build failed.")
        started = re.findall(r"^NOTE: recipe ([a-z]+)-\S+: task (\w+): Started", done.stdout, re.M)
        return {"%s:%s" % pair for pair in started}

    def results(self):
        found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                 for path in (self.folder / "tmp/deploy/tar").glob("*.tar")}
        assert len(found) == 30, sorted(found)
        return found


def recipes(ran, task):
    return sorted(name.split(":")[0] for name in ran if name.endswith(":" + task))


# Whether each check was good.
RESULTS = []


def own_program():
    """rbake under BitBake's name, with its tools beside it; None if it isn't built."""
    built = ours.program()
    if built is None:
        return None
    tools = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, tools, ignore_errors=True)
    for name in ("bitbake", "rbake-sstate"):
        (tools / name).symlink_to(built)
    os.environ["PATH"] = "%s:%s" % (tools, os.environ["PATH"])
    return str(tools / "bitbake")


def check(what, good, detail):
    RESULTS.append(bool(good))
    print("%s: %s" % ("ok" if good else "WRONG", what if good else "%s: %s" % (what, detail)), flush=True)


def main():
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    if len(sys.argv) == 2:
        program = shutil.which(sys.argv[1]) or sys.exit("There is no %s" % sys.argv[1])
    else:
        program = own_program()
    if program is None:
        return reference.skip("shared results", "no rbake program is built")
    if shutil.which("gcc") is None or shutil.which("make") is None:
        return reference.skip("shared results", "no C compiler")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        place = Path(place)
        layer, cache = place / "worlds", place / "sstate-cache"
        shutil.copytree(ROOT / "tests/layers/worlds", layer)
        sources = layer / "recipes"
        build = Build(program, place / "one", layer, cache)

        ran = build.run()
        cold = build.results()
        check("cold, all is compiled", len(recipes(ran, "do_compile")) == 31, recipes(ran, "do_compile"))

        ran = build.run()
        check("again, nothing runs", not ran, sorted(ran))

        other = Build(program, place / "two", layer, cache)
        ran = other.run()
        compiled = recipes(ran, "do_compile")
        check("in a new folder, results are restored", compiled in ([], ["everything"]), compiled)
        check("the restored results are the same", other.results() == cold, "they differ")

        ocean = sources / "ocean/files/src/ocean.c"
        before = ocean.read_text()
        ocean.write_text(before.replace("return 4", "return 40"))
        ran = build.run()
        changed = {name.split("_")[0] for name, digest in build.results().items() if cold[name] != digest}
        compiled = set(recipes(ran, "do_compile")) - {"everything"}
        # Programs and libraries that are linked with it; what is linked with those has the same input as before.
        users = {"ocean", "river", "cloud", "tide", "earth", "europa"}
        check("one source changed, only what uses it is compiled", compiled == users, sorted(compiled))
        check("its result is another", changed == {"ocean"}, sorted(changed))

        ocean.write_text(before)
        ran = build.run()
        check("the change taken back, nothing is compiled", not recipes(ran, "do_compile"), sorted(ran))
        check("and all is as it was", build.results() == cold, "it differs")

        core = sources / "core/files/src/core.c"
        core.write_text(core.read_text() + "/* nothing */\n")
        ran = build.run()
        check("a change without effect compiles one recipe", recipes(ran, "do_compile") == ["core"], sorted(ran))
        check("and changes no result", build.results() == cold, "it differs")
    return reference.summary(RESULTS.count(True), RESULTS.count(False))


if __name__ == "__main__":
    sys.exit(main())
