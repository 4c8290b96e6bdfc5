# SPDX-License-Identifier: Apache-2.0
"""Speed of fetching: 100 packages of the archive that apt on this host is configured for, by one Fetch.

    [RBAKE_REFERENCE_BITBAKE=…] [RBAKE_ENGINE=…] python3 benches/fetch.py [--repeat N] [--count N]

rbake's `bb.fetch2`, BitBake's and `apt-get download`, each into an empty folder, N times, in another order each time because
servers on the way remember; medians. Then the two Fetch again where everything is there, and rbake once more where only its pool
is. Time is from the call of `Fetch(…).download()` to its end, and in brackets that of the whole process, which for apt-get is
all there is. Prints a markdown table for docs/measurements.md.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "conformance"))
import ours  # noqa: E402
import reference  # noqa: E402

# Sizes of the packages, in bytes: those that most have.
SMALLEST, LARGEST = 10_000, 500_000

# Run by Python with either `bb`: the file of URLs, DL_DIR; prints the seconds that Fetch took.
FETCH = r"""
import logging, os, sys, time
import bb.data, bb.fetch2
logging.getLogger("BitBake").setLevel(logging.WARNING)
logging.getLogger("BitBake").addHandler(logging.StreamHandler(sys.stderr))
d = bb.data.init()
d.setVar("DL_DIR", sys.argv[2])
d.setVar("PATH", os.environ["PATH"])
d.setVar("PERSISTENT_DIR", sys.argv[2] + ".cache")
d.setVar("BB_CACHEDIR", sys.argv[2] + ".cache")
bb.fetch2.fetcher_init(d)
with open(sys.argv[1]) as file:
    urls = file.read().split()
begun = time.monotonic()
bb.fetch2.Fetch(urls, d).download()
print("seconds", time.monotonic() - begun)
"""


def packages(count):
    """(name, version) of packages all over the alphabet, the same ones each time that the archive is the same."""
    listed = subprocess.run(["apt-cache", "dumpavail"], check=True, stdout=subprocess.PIPE, text=True).stdout
    found = {}
    for stanza in listed.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0].isalpha())
        if SMALLEST <= int(fields.get("Size", 0)) <= LARGEST:
            found[fields["Package"]] = fields["Version"]
    names = sorted(found)
    return ["%s=%s" % (name, found[name]) for name in names[::max(1, len(names) // count)][:count]]


def places(wanted):
    """(URL with its checksum, size) of each package."""
    command = ["apt-get", "--print-uris", "download"] + wanted
    listed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = []
    for line in listed.splitlines():
        words = line.split()
        kind, _, digest = words[3].partition(":")
        if kind == "SHA256":
            found.append(("%s;sha256sum=%s" % (words[0].strip("'"), digest), int(words[2])))
    return found


class Program:
    """One of the three; each run has a folder of its own."""

    def __init__(self, name, command, env):
        self.name, self.command, self.env = name, command, env
        self.folder = None

    def run(self, fresh=True):
        """(seconds of Fetch, or of everything where that is not told; seconds of everything)."""
        if fresh:
            self.folder = Path(tempfile.mkdtemp(dir=self.env["TMPDIR"]))
        begun = time.monotonic()
        done = subprocess.run([part.replace("FOLDER", str(self.folder)) for part in self.command], cwd=self.folder,
                              env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True)
        whole = time.monotonic() - begun
        if done.returncode:
            raise SystemExit("%s failed:\n%s%s" % (self.name, done.stdout, done.stderr))
        told = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("seconds ")]
        return float(told[0]) if told else whole, whole

    def files(self):
        """The packages that are there, with their sizes."""
        return {path.name: path.stat().st_size for path in self.folder.rglob("*.deb") if path.is_file()}


def shown(times):
    """Medians, and the extremes of the first."""
    first, whole = [[pair[index] for pair in times] for index in (0, 1)]
    return "%.2f (%.2f to %.2f) [%.2f]" % (statistics.median(first), min(first), max(first), statistics.median(whole))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args()
    try:
        found = reference.find()
    except reference.Missing as exc:
        return reference.skip("speed of fetching", exc)
    engine = ours.engine()
    for program in ("apt-get", "wget"):
        if not shutil.which(program):
            raise SystemExit("%s is needed" % program)
    if engine is None:
        raise SystemExit("build rbake first, or name its library in RBAKE_ENGINE")

    wanted = packages(options.count)
    urls = places(wanted)
    size = sum(size for _, size in urls)
    print("%d packages, %.1f MB; engine %s" % (len(urls), size / 1e6, engine.parent.name), flush=True)
    with tempfile.TemporaryDirectory(prefix="rbake-bench-") as work:
        listed = Path(work, "urls")
        listed.write_text("\n".join(url for url, _ in urls))
        env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        env.update(LANG=reference.LOCALE, TMPDIR=work)
        fetch = [sys.executable, "-c", FETCH, str(listed), "FOLDER/downloads"]
        rbake = Program("rbake", fetch, dict(env, PYTHONPATH=str(reference.ROOT / "python"), RBAKE_ENGINE=str(engine.resolve())))
        bitbake = Program("BitBake", fetch, dict(env, PYTHONPATH=":".join(found.paths())))
        apt = Program("apt-get download", ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download"] + wanted, env)
        programs = [rbake, bitbake, apt]
        cold, warm, pool = ({program.name: [] for program in programs} for _ in range(3))
        for number in range(options.repeat):
            for program in programs[number % 3:] + programs[:number % 3]:
                cold[program.name].append(program.run())
                there = program.files()
                if len(there) != len(urls) or sum(there.values()) != size:
                    raise SystemExit("%s fetched %d files" % (program.name, len(there)))
                print("%s, run %d: %.2f s" % (program.name, number + 1, cold[program.name][-1][0]), flush=True)
        for number in range(options.repeat):
            for program in (rbake, bitbake) if number % 2 else (bitbake, rbake):
                warm[program.name].append(program.run(fresh=False))
            for path in (rbake.folder / "downloads").iterdir():
                if path.is_file() or path.is_symlink():
                    path.unlink()
            pool["rbake"].append(rbake.run(fresh=False))
        print("\n| %d packages, %.1f MB, s | rbake | BitBake | apt-get download |\n|---|---:|---:|---:|" % (len(urls), size / 1e6))
        print("| nothing there | %s |" % " | ".join(shown(cold[program.name]) for program in programs))
        print("| all there | %s | %s | |" % (shown(warm["rbake"]), shown(warm["BitBake"])))
        print("| all in the pool | %s | | |" % shown(pool["rbake"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
