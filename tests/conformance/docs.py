#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the examples of docs/recipes.md and compares the values the page promises.

    python3 tests/conformance/docs.py              with the real BitBake (needs a checkout)
    python3 tests/conformance/docs.py --bin DIR    with DIR/rbake

A block that starts with ```bitbake FILE is FILE of a layer; ```values RECIPE lists NAME = VALUE, checked with -e.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import reference

LAYER = """\
BBPATH .= ":${LAYERDIR}"
BBFILES += "${LAYERDIR}/*.bb ${LAYERDIR}/*/*.bb ${LAYERDIR}/*/*.bbappend"
BBFILE_COLLECTIONS += "docs"
BBFILE_PATTERN_docs = "^${LAYERDIR_RE}/"
LAYERSERIES_COMPAT_docs = "rbake-1"
"""


def blocks(page, kind):
    """(word behind the kind, text) of every such block."""
    return re.findall(r"^```%s (\S+)\n(.*?)^```$" % kind, page, re.M | re.S)


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
            return reference.skip("examples of the documentation", str(error))
        if found.bin is None:
            return reference.skip("examples of the documentation", "the package has no programs; set RBAKE_REFERENCE_BITBAKE")
        program = [sys.executable, str(found.bin / "bitbake")]
        os.environ["PATH"] = "%s:%s" % (found.bin, os.environ["PATH"])

    page = (reference.ROOT / "docs/recipes.md").read_text()
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="rbake-docs-") as scratch:
        layer, build = Path(scratch).resolve() / "layer", Path(scratch).resolve() / "build"
        for name, text in [("conf/layer.conf", LAYER), *blocks(page, "bitbake")]:
            (layer / name).parent.mkdir(parents=True, exist_ok=True)
            (layer / name).write_text(text)
            for local in re.findall(r"file://(\S+?)[\";]", text):
                (layer / name).parent.joinpath("files").mkdir(exist_ok=True)
                (layer / name).parent.joinpath("files", local).touch()
        (build / "conf").mkdir(parents=True)
        (build / "conf/bblayers.conf").write_text(
            'BBPATH = "${TOPDIR}"\nBBLAYERS = "%s %s"\n' % (reference.ROOT / "layers/meta-core", layer))
        classes = sorted(path.stem for path in layer.glob("classes/*.bbclass"))
        (build / "conf/local.conf").write_text('INHERIT += "%s"\n' % " ".join(classes))

        def run(*words):
            done = subprocess.run([*program, *words], cwd=build, env=reference.clean_environment(),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            return done.returncode, done.stdout

        status, said = run("-p")
        if status or "WARNING" in said:
            failed += 1
            print("FAILED: the examples are not read\n%s" % said)
        else:
            passed += 1
        for recipe, text in blocks(page, "values"):
            status, said = run("-e", recipe)
            for line in text.splitlines():
                name, _, expected = line.partition(" = ")
                # -e shows what a shell would need: quotes, and a dollar with a backslash.
                found = re.search(r'^(?:export )?%s="(.*)"$' % re.escape(name), said, re.M)
                got = re.sub(r'\\([$`"])', r"\1", found[1]) if found else None
                if got == expected:
                    passed += 1
                else:
                    failed += 1
                    print("FAILED: %s of %s\n  expected: %r\n  got:      %r" % (name, recipe, expected, got))
    return reference.summary(passed, failed)


if __name__ == "__main__":
    sys.exit(main())
