# SPDX-License-Identifier: Apache-2.0
"""Speed and memory on OE-core: rbake beside BitBake, same machine, same run, same configuration.

    RBAKE_REFERENCE_BITBAKE=… RBAKE_REFERENCE_OECORE=… python3 benches/oecore.py [--repeat N] [--only bitbake|rbake]

Prints a markdown table for docs/measurements.md. RBAKE_REFERENCE_BITBAKE must be a checkout, since the package has no
command line programs. Each measurement runs alone: the next starts when every process of the one before has ended.
Time is from the start of the command to its end; the least of N runs is given, since on a shared machine other work only adds.
Memory is the largest sum of the proportional set sizes (PSS, shared pages divided among their users) of all processes that the
command started, servers and workers included, sampled ten times a second.
"""

import argparse
import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "conformance"))
import oecore  # noqa: E402
import reference  # noqa: E402

PR_SET_CHILD_SUBREAPER = 36
SAMPLE_SECONDS = 0.1
RECIPE = "zlib"


def become_subreaper():
    """Orphans become children of this process: a server that detaches itself stays in sight."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def descendants():
    """Process numbers of everything below this process."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = Path("/proc", name, "stat").read_text()
            except OSError:
                continue
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(name))
    found, todo = [], [os.getpid()]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def memory(processes):
    """Sum of the proportional set sizes in KiB."""
    total = 0
    for process in processes:
        try:
            for line in Path("/proc", str(process), "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except (OSError, ValueError):
            continue
    return total


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def measure(command, folder, env, sample=False):
    """(seconds, KiB or None). Raises when the command fails."""
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        most = 0
        while sample and process.poll() is None:
            most = max(most, memory(descendants()))
            time.sleep(SAMPLE_SECONDS)
        code = process.wait()
        seconds = time.monotonic() - started
        deadline = time.monotonic() + 120
        while descendants():
            reap()
            if time.monotonic() > deadline:
                raise SystemExit("processes of %s do not end" % " ".join(command))
            time.sleep(0.05)
        if code != 0:
            output.seek(0)
            raise SystemExit("%s failed with %d:\n%s" % (" ".join(command), code, output.read().decode()[-2000:]))
    return seconds, most if sample else None


def series(oecore_folder):
    """The names of the series that OE-core is."""
    return re.search(r'^LAYERSERIES_CORENAMES = "(.*)"', (oecore_folder / "meta/conf/layer.conf").read_text(), re.M)[1]


class Tool:
    """One of the two programs, with a build folder of its own."""

    def __init__(self, name, program, oecore_folder, work, passed):
        self.name = name
        self.program = program
        self.build = work / name
        stand_ins = oecore.make_build(self.build, oecore_folder)
        # A layer with one append, so that a recipe can be edited without touching OE-core.
        layer = work / (name + "-layer")
        (layer / "conf").mkdir(parents=True)
        (layer / "conf" / "layer.conf").write_text(
            'BBPATH .= ":${LAYERDIR}"\nBBFILES += "${LAYERDIR}/*.bbappend"\nBBFILE_COLLECTIONS += "edit"\n'
            'BBFILE_PATTERN_edit = "^${LAYERDIR}/"\nBBFILE_PRIORITY_edit = "6"\n'
            'LAYERSERIES_COMPAT_edit = "%s"\nBBFILE_PATTERN_IGNORE_EMPTY_edit = "1"\n' % series(oecore_folder))
        self.append = layer / (RECIPE + "_%.bbappend")
        self.append.write_text("")
        conf = self.build / "conf" / "bblayers.conf"
        conf.write_text(conf.read_text() + 'BBLAYERS += "%s"\n' % layer)
        self.env = oecore.environment(self.build, stand_ins, **passed)
        self.env["PATH"] = "%s:%s" % (os.path.dirname(program), self.env["PATH"])
        self.edits = 0

    def clear(self):
        for name in ("tmp", "cache"):
            shutil.rmtree(self.build / name, ignore_errors=True)

    def edit(self):
        self.edits += 1
        self.append.write_text('EDITED = "%d"\n' % self.edits)

    def run(self, *arguments, sample=False):
        return measure([self.program, *arguments], self.build, self.env, sample)

    def least(self, repeat, prepare, *arguments):
        best = None
        for _ in range(repeat):
            if prepare:
                prepare()
            seconds = self.run(*arguments)[0]
            best = seconds if best is None else min(best, seconds)
        return best

    def all(self, repeat):
        """{measurement: value}"""
        results = {"cold parse (`-p`, no cache), s": self.least(min(repeat, 2), self.clear, "-p")}
        results["nothing changed (`-p`, warm), s"] = self.least(repeat, None, "-p")
        results["`-e %s`, warm, s" % RECIPE] = self.least(repeat, None, "-e", RECIPE)
        results["one recipe edited (`-p`), s"] = self.least(repeat, self.edit, "-p")
        # A run of its own: sampling costs time.
        self.clear()
        results["memory of a cold parse, MiB"] = self.run("-p", sample=True)[1] / 1024
        results["memory of a warm `-p`, MiB"] = self.run("-p", sample=True)[1] / 1024
        return results


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3, help="runs of each measurement (3)")
    parser.add_argument("--only", choices=("bitbake", "rbake"))
    options = parser.parse_args()
    try:
        found, oecore_folder = reference.find(), reference.find_oecore()
        if found.bin is None:
            raise reference.Missing("RBAKE_REFERENCE_BITBAKE must name a checkout")
    except reference.Missing as exc:
        return reference.skip("speed beside BitBake", exc)
    become_subreaper()
    ours = oecore.rbake()
    if ours is None and options.only != "bitbake":
        return reference.skip("speed beside BitBake", "no rbake program is built")
    results = {}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        work = Path(os.path.realpath(work))
        if options.only != "rbake":
            passed = {"LOCPATH": reference.make_locale(), "BB_ENV_PASSTHROUGH_ADDITIONS": "LOCPATH"}
            bitbake = Tool("bitbake", os.path.realpath(found.bin / "bitbake"), oecore_folder, work, passed)
            results["BitBake"] = bitbake.all(options.repeat)
        if options.only != "bitbake":
            results["rbake"] = Tool("rbake", ours, oecore_folder, work, {}).all(options.repeat)
    print("%s, %d processors, Python %s, BitBake %s, OE-core %s; load when it began %.1f\n" % (
        processor(), os.cpu_count(), platform.python_version(), reference.VERSION, reference.OECORE_COMMIT, load))
    names = list(results)
    print("| OE-core, all recipes | %s |" % " | ".join(names + (["ratio"] if len(names) == 2 else [])))
    print("|---|%s" % ("---:|" * (len(names) + (len(names) == 2))))
    for row in results[names[0]]:
        values = [results[name][row] for name in names]
        cells = ["%.0f" % v if v >= 100 else "%.2f" % v for v in values]
        if len(values) == 2:
            cells.append("%.1f×" % (values[0] / values[1]))
        print("| %s | %s |" % (row, " | ".join(cells)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
