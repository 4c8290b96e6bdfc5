#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs BitBake's tests of the hash equivalence server and its client, unchanged, against rbake's programs.

    hashserv.py [-v] [--self-check]

The tests and the Python client come from the checkout that RBAKE_REFERENCE_BITBAKE names; without one this says "skipped" and
ends well. They run over a Unix socket, over TCP and, where Python has the module websockets, over a websocket; then once more in the manner
that BitBake has for servers elsewhere (BB_TEST_HASHSERV). The program is the one that RBAKE names, else the newer of those in
target/release and target/debug. With --self-check BitBake's own programs are tested instead, which shows that this runner is in order.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import ours


class Process:
    """A server's process with the methods that the tests expect of multiprocessing's."""

    def __init__(self, command):
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    @property
    def exitcode(self):
        return self.popen.poll()

    def terminate(self):
        self.popen.terminate()

    def join(self, timeout=None):
        self.popen.wait(timeout)
        if not self.popen.stdout.closed:
            self.popen.stdout.close()


class Server:
    """A running program; `command` listens where its first argument says and prints that."""

    def __init__(self, command, address, dbpath, upstream, read_only, anon_perms, admin_username, admin_password):
        words = command + ["--bind", address, "--database", dbpath, "--anon-perms", ",".join(anon_perms) or "@none"]
        if upstream:
            words += ["--upstream", upstream]
        if read_only:
            words.append("--read-only")
        if admin_username:
            words += ["--admin-user", admin_username, "--admin-password", admin_password]
        self.dbpath = dbpath
        self.process = Process(words)
        line = self.process.popen.stdout.readline()
        if not line.startswith("Listening on "):
            raise RuntimeError("the server said %r" % line)
        self.address = line.split()[-1]


def cases(tests, bin_dir):
    """The test classes, with servers that are programs."""
    command = [str(bin_dir / "bitbake-hashserv")]

    class ServedByProgram:
        def start_server(self, dbpath=None, upstream=None, read_only=False, prefunc=None,
                         anon_perms=tests.DEFAULT_ANON_PERMS, admin_username=None, admin_password=None):
            self.server_index += 1
            server = Server(command, self.get_server_addr(self.server_index), dbpath or self.make_dbpath(), upstream,
                            read_only, anon_perms, admin_username, admin_password)

            def end():
                server.process.terminate()
                server.process.join()

            self.addCleanup(end)
            return server

        def test_slow_server_start(self):
            self.skipTest("about a process that is started by Python's multiprocessing")

    unix = type("UnixSocket", (ServedByProgram, tests.TestHashEquivalenceUnixServer), {})
    deep = type("UnixSocketLongPath", (ServedByProgram, tests.TestHashEquivalenceUnixServerLongPath), {})
    tcp = type("Tcp", (ServedByProgram, tests.TestHashEquivalenceTCPServer), {})
    web = type("Websocket", (ServedByProgram, tests.TestHashEquivalenceWebsocketServer), {})
    client = type("ClientProgram", (ServedByProgram, tests.TestHashEquivalenceClient), {})
    return [unix, deep, tcp, web, client]


class External:
    """The tests for servers elsewhere, once without accounts and once with: neither server can pass those made for the other."""

    # Tests in which a client without an account reads or is refused for another reason than that.
    ANONYMOUS = {"test_report_rejects_invalid_unihash", "test_equivreport_rejects_invalid_unihash"}

    def __init__(self, tests, bin_dir):
        self.case = tests.TestHashEquivalenceExternalServer
        self.command = [str(bin_dir / "bitbake-hashserv")]

    def run(self, verbosity):
        names = unittest.TestLoader().getTestCaseNames(self.case)
        results = []
        with tempfile.TemporaryDirectory() as folder:
            for number, (perms, admin) in enumerate(((["@read", "@report", "@db-admin"], None), ([], "admin"))):
                for name in ("BB_TEST_HASHSERV_USERNAME", "BB_TEST_HASHSERV_PASSWORD"):
                    os.environ.pop(name, None)
                # An absent credential skips a test only once it asks for it, so those of the other server are left out.
                auth = {name for name in names if "_auth_" in name}
                chosen = [name for name in names if name not in (self.ANONYMOUS if admin else auth)]
                server = Server(self.command, "unix://%s/s%d" % (folder, number), "%s/%d.db" % (folder, number), None, False,
                                perms, admin, "password")
                os.environ["BB_TEST_HASHSERV"] = server.address
                if admin:
                    os.environ.update(BB_TEST_HASHSERV_USERNAME=admin, BB_TEST_HASHSERV_PASSWORD="password")
                suite = unittest.TestSuite(map(self.case, chosen))
                results.append((chosen, unittest.TextTestRunner(verbosity=verbosity, buffer=True).run(suite)))
                server.process.terminate()
                server.process.join()
        run = set().union(*(chosen for chosen, _ in results))
        return len(names), len(run), results


def links(folder, target):
    for name in ("bitbake-hashserv", "bitbake-hashclient"):
        (folder / name).symlink_to(target)
    return folder


def self_check_programs(folder, checkout):
    """BitBake's server prints no address; a wrapper does."""
    wrapper = folder / "bitbake-hashserv"
    wrapper.write_text(
        "#!%s\nimport sys\nsys.path.insert(0, %r)\nsys.argv[0] = 'bitbake-hashserv'\n"
        "import hashserv\nreal = hashserv.create_server\n"
        "def create_server(*args, **kwargs):\n"
        "    server = real(*args, **kwargs)\n    start = server.start\n"
        "    def told():\n        tasks = start()\n        print('Listening on', server.address, flush=True)\n        return tasks\n"
        "    server.start = told\n    return server\n"
        "hashserv.create_server = create_server\n"
        "exec(compile(open(%r).read(), 'bitbake-hashserv', 'exec'))\n"
        % (sys.executable, str(checkout / "lib"), str(checkout / "bin" / "bitbake-hashserv")))
    wrapper.chmod(0o755)
    (folder / "bitbake-hashclient").symlink_to(checkout / "bin" / "bitbake-hashclient")
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-v", "--verbose", action="store_true", help="list the tests")
    parser.add_argument("--self-check", action="store_true", help="test BitBake's programs")
    args = parser.parse_args()
    named = os.environ.get("RBAKE_REFERENCE_BITBAKE", "")
    checkout = Path(named)
    if not named or not (checkout / "lib" / "hashserv" / "tests.py").is_file():
        print("skipped: RBAKE_REFERENCE_BITBAKE names no checkout of BitBake with lib/hashserv/tests.py")
        return 0
    target = ours.program()
    if not target and not args.self_check:
        sys.exit("There is no rbake; build it, or name it in RBAKE.")
    # This file bears the name of the module that is to be imported.
    sys.path[0] = str(checkout / "lib")
    sys.dont_write_bytecode = True
    os.chdir(tempfile.gettempdir())
    import hashserv.tests as tests

    verbosity = 2 if args.verbose else 1
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        bin_dir = self_check_programs(folder, checkout) if args.self_check else links(folder, target.resolve())
        tests.BIN_DIR = bin_dir
        failed = False
        for case in cases(tests, bin_dir):
            suite = unittest.TestLoader().loadTestsFromTestCase(case)
            result = unittest.TextTestRunner(verbosity=verbosity, buffer=True).run(suite)
            passed = result.testsRun - len(result.failures) - len(result.errors) - len(result.skipped)
            print("%s: %d tests, %d passed, %d skipped" % (case.__name__, result.testsRun, passed, len(result.skipped)))
            failed |= not result.wasSuccessful()
        count, ran, results = External(tests, bin_dir).run(verbosity)
        skipped = sum(len(result.skipped) for _, result in results)
        good = all(result.wasSuccessful() for _, result in results)
        print("External: %d of %d tests %s, %d skips (tests that start servers of their own)"
              % (ran, count, "passed" if good else "run", skipped))
        failed |= not good or ran != count
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
