# SPDX-License-Identifier: Apache-2.0
"""Runs BitBake's own unit tests, unchanged, against rbake's `bb` package.

    upstream.py [-v] [--self-check] [MODULE…]

The tests come from the reference (the package, or the checkout named by RBAKE_REFERENCE_BITBAKE); every other `bb`
module must come from this repository's `python/bb`, which is checked at the end. The engine's extension module is the
one named by RBAKE_ENGINE, else the one in target/release or target/debug. With --self-check everything comes from the
reference: that shows that this runner and the machine are in order.

Tests that need files which the package leaves out are counted as skipped and listed by name.
"""

import argparse
import importlib.machinery
import importlib.util
import logging
import os
import sys
import tempfile
import unittest
from pathlib import Path

import ours
import reference

MODULES = ("data", "parse", "codeparser", "siggen", "cooker", "utils", "filter", "fetch")
# Tests in these modules of the package, by unittest's loader.
COUNT_IN_PACKAGE = 406
# Test files that the package leaves out: (part of the test's name, folder beside the tests).
NEEDS_FILES = (
    ("bb.tests.parse.ParseTest.test_file_variables", "parse-tests"),
    ("bb.tests.fetch.FetchLatestVersionTest.test_wget_latest_versionstring", "fetch-testdata"),
)
# Tests that clone from another host although that is switched off.
NEEDS_NETWORK = ("bb.tests.fetch.GitTagVerificationTests.test_annotated_tag_rev_match",)


class TestsFinder(importlib.machinery.PathFinder):
    """Finds `bb.tests` in the reference, whichever `bb` package it is asked for by."""

    folder = None

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name != "bb.tests":
            return None
        return importlib.util.spec_from_file_location(
            name, cls.folder / "__init__.py", submodule_search_locations=[str(cls.folder)])


class StdoutHandler(logging.Handler):
    """Writes to what sys.stdout is at that moment: unittest's buffer while a test runs."""

    def emit(self, record):
        print(self.format(record), file=sys.stdout)


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def strangers(lib):
    """Loaded `bb` modules, other than the tests, that come from the reference."""
    found = []
    for name, module in sorted(sys.modules.items()):
        if name.split(".")[0] == "bb" and not (name + ".").startswith("bb.tests."):
            file = getattr(module, "__file__", None)
            if file and Path(os.path.realpath(file)).is_relative_to(os.path.realpath(lib)):
                found.append(name)
    return found


def programs(folder, found, self_check):
    """Put a `bitbake` first on PATH: one test starts it."""
    if self_check:
        if found.bin:
            os.environ["PATH"] = "%s:%s" % (found.bin, os.environ["PATH"])
        return
    program = ours.program()
    if program:
        os.symlink(program, Path(folder) / "bitbake")
    os.environ["PATH"] = "%s:%s" % (folder, os.environ["PATH"])


def run(options, found):
    """Load and run the modules; the exit code."""
    try:
        import bb
    except ImportError as exc:
        print("FAILED: import bb (%s)" % exc)
        return reference.summary(0, 1)
    if options.self_check is (Path(os.path.realpath(bb.__file__)).parent != Path(os.path.realpath(found.lib)) / "bb"):
        print("FAILED: bb comes from %s" % bb.__file__)
        return reference.summary(0, 1)
    logging.getLogger("BitBake").addHandler(StdoutHandler())
    logging.getLogger("BitBake").setLevel(logging.DEBUG)
    loader, suite, passed, failed, skipped = unittest.TestLoader(), unittest.TestSuite(), 0, 0, 0
    for module in options.modules or MODULES:
        tests = loader.loadTestsFromName("bb.tests." + module)
        print("bb.tests.%s: %d tests" % (module, tests.countTestCases()))
        for test in flatten(tests):
            # A module that cannot be imported is a test that fails.
            lacking = [folder for name, folder in NEEDS_FILES
                       if test.id() == name and not (Path(TestsFinder.folder) / folder).is_dir()]
            if test.id() in NEEDS_NETWORK:
                print("skipped: %s (it needs another host)" % test.id())
                skipped += 1
            elif lacking:
                print("skipped: %s (the package lacks its %s)" % (test.id(), lacking[0]))
                skipped += 1
            else:
                suite.addTest(test)
    count = suite.countTestCases() + skipped
    print("loaded %d tests" % count)
    if found.bin is None and not options.modules and count != COUNT_IN_PACKAGE:
        print("FAILED: expected %d tests" % COUNT_IN_PACKAGE)
        failed += 1
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2 if options.verbose else 0, buffer=True).run(suite)
    for test, reason in result.skipped:
        print("skipped: %s (%s)" % (test.id(), reason))
    bad = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    for test, _ in result.failures + result.errors:
        print("FAILED: %s" % test.id())
    passed += result.testsRun - bad - len(result.skipped)
    if not options.self_check:
        foreign = strangers(found.lib)
        if foreign:
            print("FAILED: these modules come from the reference: %s" % " ".join(foreign))
            failed += 1
    return reference.summary(passed, failed + bad, skipped + len(result.skipped))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-v", "--verbose", action="store_true", help="print every test's name")
    parser.add_argument("--self-check", action="store_true", help="test the reference itself")
    parser.add_argument("modules", nargs="*", help="test modules, default: %s" % " ".join(MODULES))
    options = parser.parse_args()
    try:
        found = reference.find()
    except reference.Missing as exc:
        return reference.skip("BitBake's own unit tests", exc)
    environment = reference.clean_environment(("RBAKE_ENGINE", "RBAKE_REQUIRE_REFERENCE", "RBAKE_NATIVE_EXPR"))
    path = ours.engine()
    os.environ.clear()
    os.environ.update(environment)
    # The reference's own switch: no test may reach for another host.
    os.environ["BB_SKIP_NETTESTS"] = "yes"
    if options.self_check:
        found.activate()
    else:
        if path is None:
            return reference.skip("BitBake's own unit tests", "no extension module is built")
        ours.activate(path)
    TestsFinder.folder = found.lib / "bb" / "tests"
    sys.meta_path.insert(0, TestsFinder)
    with tempfile.TemporaryDirectory(prefix="upstream-") as folder:
        programs(folder, found, options.self_check)
        os.environ["LOCPATH"] = reference.make_locale()
        os.chdir(folder)
        return run(options, found)


if __name__ == "__main__":
    sys.exit(main())
