#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds tests/layers/sample and tests/layers/failing on meta-core and looks at what comes out.

    python3 tests/conformance/sample.py              with the real BitBake (needs a checkout: the package has no programs)
    python3 tests/conformance/sample.py --bin DIR    with DIR/rbake

The expectations are the same for both: they are what the recipes and the classes say, seen to hold with BitBake.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import reference

ROOT = reference.ROOT


class Build:
    """A build directory with both layers, and a program to run in it."""

    def __init__(self, program, directory):
        self.program = program
        self.directory = directory
        self.passed = self.failed = 0
        subprocess.run([ROOT / "scripts/make-build-dir", directory], env=self.environment(), check=True,
                       stdout=subprocess.DEVNULL)
        own = ("layers/meta-core", "layers/meta-debian", "meta-stx", "tests/layers/sample", "tests/layers/failing")
        self.layers = [ROOT / layer for layer in own]
        # The systems of the template are not what is built here, and conf/auto.conf must be able to name others.
        local = directory / "conf/local.conf"
        local.write_text(re.sub(r"(?m)^BBMULTICONFIG = .*\n", "", local.read_text()))
        with open(directory / "conf/bblayers.conf", "a") as f:
            f.write('BBLAYERS = "%s"\n' % " ".join(map(str, self.layers)))

    def environment(self):
        return {**reference.clean_environment(), "RBAKE_FEED": "sample"}

    def run(self, *arguments):
        """Runs the program; its status and everything it said."""
        done = subprocess.run([*self.program, *arguments], cwd=self.directory, env=self.environment(),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.said = done.stdout.decode(errors="replace")
        return done.returncode

    def configure(self, text):
        (self.directory / "conf/auto.conf").write_text(text)

    def work(self, recipe):
        """The recipe's WORKDIR."""
        found = list(self.directory.glob("tmp/work/*/%s/*" % recipe))
        return found[0] if len(found) == 1 else Path("no single WORKDIR of %s: %s" % (recipe, found))

    def rerun(self):
        """How many tasks the last run attempted, and how many of those it had to run."""
        found = re.search(r"Attempted (\d+) tasks of which (\d+) didn't need to be rerun", self.said)
        return (int(found[1]), int(found[1]) - int(found[2])) if found else None

    def check(self, what, got, expected=True):
        if got == expected:
            self.passed += 1
            return
        self.failed += 1
        print("FAILED: %s\n  expected: %r\n  got:      %r" % (what, expected, got))
        if isinstance(expected, bool) or isinstance(expected, int):
            print("  it said:\n%s" % "\n".join("    " + line for line in self.said.splitlines()[-40:]))


def content(path):
    try:
        return Path(path).read_bytes().decode(errors="replace")
    except OSError as error:
        return str(error)


def sample(build):
    """What the recipes of the sample layer make."""
    build.check("the sample builds", build.run("hello", "greeting", "words", "where", "report"), 0)
    build.check("its tasks", build.rerun(), (44, 44))

    hello = build.work("hello") / "image/usr/bin/hello"
    build.check("patched, with the append's greeting",
                subprocess.run([hello, "you"], stdout=subprocess.PIPE).stdout if hello.exists() else "", b"Guten Tag, you\n")
    build.check("a file that the append adds",
                content(build.work("hello") / "image/usr/share/doc/hello/LIESMICH"), "Ein Programm, das grüßt.\n")
    build.check("a native tool is found by who depends on it",
                content(build.work("greeting") / "image/usr/share/greeting/greeting.txt"), "Guten Tag, greeting\n")
    build.check("native programs are in their own place",
                (build.directory / "tmp/native/hello-native/usr/bin/hello").exists())
    build.check("overrides", content(build.work("where") / "image/usr/share/where.txt"),
                "on a  machine, as a target: a place of no distribution\nbuilt by where\n")
    words = build.work("words") / "image/usr/share/words"
    build.check("a patch without prefix", content(words / "words.txt"), "alpha\nbeta\ngamma\ndelta\nepsilon\nzeta\n")
    build.check("a compressed patch, with patchdir and striplevel", content(words / "numbers.txt"), "One\ntwo\nthree\n")
    source = build.work("words") / "sources/words-2.3"
    build.check("apply=no", content(source / "README"), "words\n")
    report = content(build.directory / "tmp/deploy/report.json")
    build.check("a Python task", report.startswith("{") and json.loads(report), {
        "files": ["./usr/bin/hello", "./usr/share/doc/hello/LIESMICH", "./usr/share/greeting/greeting.txt"],
        "distro": "nodistro"})

    build.check("a second run", (build.run("hello", "greeting", "words", "where", "report"), build.rerun()), (0, (44, 0)))

    if shutil.which("quilt"):
        for tree, patched in ((source, "src/words.txt"), (source / "src", "numbers.txt")):
            after = content(tree / patched)
            quilt = [subprocess.run(["quilt", *arguments], cwd=tree, env=build.environment(), stdout=subprocess.PIPE).returncode
                     for arguments in (["pop", "-a"], ["push", "-a"])]
            build.check("quilt takes back and applies again in %s" % tree.name, (quilt, content(tree / patched)), ([0, 0], after))

    build.check("do_patch runs again on a patched tree", build.run("-f", "-c", "patch", "words"), 0)
    build.check("and patches once", content(source / "src/words.txt").count("zeta"), 1)

    build.check("do_listtasks", build.run("-c", "listtasks", "hello"), 0)
    build.check("lists a class's task", "do_manifest              Lists what do_install made." in build.said)
    build.check("do_devshell without a terminal", build.run("-c", "devshell", "hello"), 1)
    script = build.work("hello") / "temp/devshell"
    build.check("says so, and what to do", ("No shell can be opened: " in build.said, str(script) in build.said), (True, True))
    build.check("the shell's script", "export SOURCE_DATE_EPOCH=1704067200\n" in content(script))

    build.check("do_clean", build.run("-c", "clean", "hello", "hello-native"), 0)
    build.check("removes what was built", list(build.directory.glob("tmp/work/*/hello*/*/[is]*")), [])
    build.check("and what a native recipe installed", (build.directory / "tmp/native/hello-native").exists(), False)
    build.check("and the stamps", list(build.directory.glob("tmp/stamps/*/hello*/*")), [])


def failing(build):
    """How tasks say what is wrong."""
    build.check("a patch that does not fit fails", build.run("reject", "-c", "patch"), 1)
    build.check("with both sides of the hunk",
                "src/words.txt has at line 2 (of 5):\n     2 | beta\n     3 | gamma\n     4 | delta\nand the patch expects:\n"
                "       | @@ -2,3 +2,3 @@\n       |  beta\n       | -camma\n" in build.said)
    tree = build.work("reject") / "sources/words-2.3"
    build.check("and leaves the tree as it was", content(tree / "README"), "words\n")
    build.check("without rests", sorted(path.name for path in tree.rglob("*") if path.suffix in (".orig", ".rej")), [])

    build.check("a patch with other context fails", build.run("fuzzy", "-c", "patch"), 1)
    build.check("and says how it would fit", 'it applies with PATCH_FUZZ = "2"' in build.said)
    build.configure('PATCH_FUZZ:pn-fuzzy = "2"\n')
    build.check("which is so", build.run("fuzzy", "-c", "patch"), 0)
    build.check("with a warning", [text in build.said for text in ("WARNING: fuzzy-", " with fuzz ", "rbake -c refresh_patches fuzzy")],
                [True, True, True])

    build.check("a binary patch", build.run("binary", "-c", "patch"), 0)
    tree = build.work("binary") / "sources/words-2.3"
    state = {name: content(tree / name) for name in ("blob", "READ.ME", "src/numbers.txt")}
    build.check("creates, renames, changes", state, {"blob": "\0\1\2binary", "READ.ME": "words\nx\n", "src/numbers.txt": "\0\1\2new"})
    build.check("once more", build.run("-f", "-c", "patch", "binary"), 0)
    build.check("from the original", {name: content(tree / name) for name in state}, state)

    build.check("a directory that S does not name fails", build.run("wrongdir", "-c", "unpack"), 1)
    build.check("and the right one is named", 'Set it in the recipe: S = "${UNPACKDIR}/words-2.3"' in build.said)

    build.check("bbfatal fails", build.run("fatal"), 1)
    for line in ("plain: \\t and %s and 100%", "NOTE: fatal-1.0-r0 do_compile: a verbose note",
                 "WARNING: fatal-1.0-r0 do_compile: a warning", "ERROR: fatal-1.0-r0 do_compile: an error",
                 "ERROR: fatal-1.0-r0 do_compile: a fatal error"):
        build.check("message %s" % line, line in build.said.splitlines())
    log = content(build.work("fatal") / "temp/log.do_compile")
    build.check("what is only in the log", [text in log for text in ("NOTE: a note\n", "DEBUG: a debug line\n")], [True, True])


def settings(build):
    """Configuration: wrong names, multiconfig, a working tree instead of SRC_URI."""
    for name, text in (("conf/machine/nosuch.conf", 'MACHINE = "nosuch"'), ("conf/distro/nosuch.conf", 'DISTRO = "nosuch"'),
                       ("conf/multiconfig/nosuch.conf", 'BBMULTICONFIG = "nosuch"')):
        build.configure(text + "\n")
        build.check("a name without a file: %s" % text, (build.run("-p") != 0, name in build.said), (True, True))

    for name, text in (("machine/other", "# nothing\n"), ("multiconfig/other", 'MACHINE = "other"\n')):
        file = build.directory / "conf" / (name + ".conf")
        file.parent.mkdir()
        file.write_text(text)
    build.configure('BBMULTICONFIG = "other"\nRECIPE_NOTE = "${MACHINE}"\n')
    build.check("two configurations", build.run("where", "mc:other:where"), 0)
    where = sorted(content(path).splitlines()[0] for path in build.directory.glob("tmp/work/*/where/*/image/usr/share/where.txt"))
    build.check("do not share a directory", where, ["anywhere, as a target: a place of no distribution",
                                                    "on a  machine, as a target: a place of no distribution"])

    tree = build.directory / "tree"
    shutil.copytree(ROOT / "tests/layers/sample/recipes/hello/files", tree)
    (tree / ".gitignore").write_text("hello\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *arguments], cwd=tree, check=True)
    build.configure('INHERIT += "externalsrc"\nEXTERNALSRC:pn-hello-native = "%s"\nEXTERNALSRC_BUILD:pn-hello-native = "${EXTERNALSRC}"\n' % tree)
    target = "hello-native:do_install"
    build.check("a working tree", build.run(target), 0)
    build.check("which is not patched", (tree / ".pc").exists(), False)
    build.check("unchanged: nothing runs", (build.run(target), build.rerun()), (0, (6, 0)))
    with open(tree / "hello.c", "a") as f:
        f.write("/* changed */\n")
    build.check("changed: from configure on", (build.run(target), build.rerun()), (0, (6, 3)))
    (tree / "new.h").touch()
    build.check("a new file: from configure on", (build.run(target), build.rerun()), (0, (6, 3)))
    shutil.rmtree(tree / ".git")
    build.check("no longer a checkout", build.run(target), 0)
    with open(tree / "hello.c", "a") as f:
        f.write("/* changed again */\n")
    build.check("changed without git", (build.run(target), build.rerun()), (0, (6, 3)))


def hashes(program, scratch):
    """Task hashes say nothing about who builds where, or how fast."""
    found = []
    for name, text in (("one", ""), ("two", 'TMPDIR = "%s/elsewhere"\nDL_DIR = "/nowhere"\nPARALLEL_MAKE = "-j 77"\nBB_NUMBER_THREADS = "3"\n' % scratch)):
        build = Build(program, scratch / name)
        build.configure(text)
        build.run("-S", "none", "world", "hello-native")
        stamps = Path(scratch / "elsewhere" if text else build.directory / "tmp") / "stamps"
        found.append(sorted(str(path.relative_to(stamps)) for path in stamps.rglob("*.sigdata.*")))
    build.check("signatures are written", len(found[0]) > 60)
    build.check("hashes do not depend on the place", found[1], found[0])
    return build


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bin", type=Path)
    bin = arguments.parse_args().bin
    if bin:
        program = [str((bin / "rbake").resolve())]
    else:
        try:
            found = reference.find()
        except reference.Missing as error:
            return reference.skip("meta-core's sample", str(error))
        if found.bin is None:
            return reference.skip("meta-core's sample", "the package has no programs; set RBAKE_REFERENCE_BITBAKE")
        program = [sys.executable, str(found.bin / "bitbake")]
        os.environ["PATH"] = "%s:%s" % (found.bin, os.environ["PATH"])

    builds = []
    with tempfile.TemporaryDirectory(prefix="rbake-sample-") as scratch:
        scratch = Path(scratch).resolve()
        for name, cases in (("sample", sample), ("failing", failing), ("settings", settings)):
            build = Build(program, scratch / name)
            builds.append(build)
            cases(build)
        builds.append(hashes(program, scratch))
    return reference.summary(sum(build.passed for build in builds), sum(build.failed for build in builds), 0)


if __name__ == "__main__":
    sys.exit(main())
