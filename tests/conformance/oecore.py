# SPDX-License-Identifier: Apache-2.0
"""Compares rbake with the real BitBake on all of OE-core.

    oecore.py [compare]          dump both sides (the reference's dump is kept), compare every target, then `-e` texts
    oecore.py dash-e             only the `-e` texts
    oecore.py reference          only make the reference's dump and `-e` texts
    oecore.py stable             dump the reference under two string hash seeds and compare: shows what is unstable in itself
    oecore.py diff A B           compare two dumps that exist

Needs RBAKE_REFERENCE_OECORE, a checkout of OE-core at the commit in reference.py. The program under test is $RBAKE, else
target/release/rbake or target/debug/rbake. The configuration: MACHINE qemux86-64, no distribution, without the sanity
class. What is compared: the counts of `-p`, and for every target every variable's final value, unexpanded value, flags
and task basehashes; for 50 targets the text of `bitbake -e` with the history of every variable.

What is not compared, and why, is in EXEMPT, UNORDERED, settle() and ENGINE_FILES below; there is nothing else.
"""

import collections
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import ours
import reference

WORK = reference.CACHE / "oecore"
BUILD = WORK / "build"
COUNTS = "955 .bb files complete (0 cached, 955 parsed). 1985 targets, 49 skipped, 0 masked, 0 errors."
TARGETS = 1985

# Variables that no two runs share.
EXEMPT = {
    "TIME": "the time of day the run started",
    "PID": "process number, read while parsing",
    "BB_CMDLINE": "the command line: the programs' names differ",
    "BB_ORIGENV": "an object; its printed form is its address",
    "BB_HASHSERVE": "address of the hash server that the reference would start; the dump starts none",
}
# More that is exempt in the text of `-e`.
EXEMPT_DASH_E = {
    "BB_CONSOLELOG": "the console log's name is kept from the first of two configuration reads; carries the time",
    "BB_DEFAULT_EVENTLOG": "carries the time",
    "DATETIME": "carries the time",
    "LOGFIFO": "carries the process number",
    "BBFILES_PRIORITIZED": "BitBake sets it on a store that `-e` has thrown away by then; classes ask it, so rbake keeps it",
}
# (variable pattern, fields): words in the order of a Python set. `oecore.py stable` shows that the reference gives them
# another order from run to run. They are compared as sorted words.
UNORDERED = (
    (re.compile(r"COMBINED_FEATURES"), ("value",)),
    (re.compile(r"do_image(_\w+)?"), ("flags.vardeps",)),
    (re.compile(r"__SKIPPED"), ("value", "raw")),
)
# A message quotes the set as a whole: its first and last word have a quote, as a value has in `-e`.
WORDS = re.compile(r"[^\s'\"]+")
# Python files of BitBake itself. The history of what the engine did names its file, line and function; only what was
# done and with which value is compared.
ENGINE_FILES = frozenset("cookerdata.py ast.py data.py data_smart.py BBHandler.py ConfHandler.py cooker.py build.py "
                         "siggen.py cache.py event.py".split())

# Recipes, images, package groups, variants and toolchain parts of every kind.
DASH_E = """zlib busybox gcc glibc linux-yocto core-image-minimal systemd openssl perl python3 rust llvm cmake-native
    quilt-native gcc-cross-x86_64 meta-toolchain packagegroup-core-boot base-files bash openssl-native
    nativesdk-openssl nativesdk-python3 python3-native gcc-runtime libgcc-initial binutils-cross-x86_64 go go-runtime
    core-image-sato build-appliance-image buildtools-tarball gtk+3 mesa xserver-xorg qemu u-boot-tools ovmf util-linux
    ncurses-native curl os-release shadow pseudo-native rpm opkg-utils-native python3-numpy gstreamer1.0-plugins-base
    initramfs-framework packagegroup-base cargo""".split()


def make_build(folder, oecore):
    """The golden build folder: configuration, and stand-ins for host tools that only have to exist while parsing."""
    (folder / "conf").mkdir(parents=True, exist_ok=True)
    (folder / "conf" / "bblayers.conf").write_text(
        'BBPATH = "${TOPDIR}"\nBBFILES ?= ""\nBBLAYERS = "%s/meta"\n' % oecore)
    (folder / "conf" / "local.conf").write_text('MACHINE = "qemux86-64"\nINHERIT:remove = "sanity"\n')
    stand_ins = folder.parent / "stand-ins"
    stand_ins.mkdir(exist_ok=True)
    for tool in ("chrpath", "cpio", "diffstat", "gawk", "lz4c", "rpcgen", "makeinfo"):
        if shutil.which(tool) is None:
            (stand_ins / tool).write_text("#!/bin/sh\nexit 1\n")
            (stand_ins / tool).chmod(0o755)
    return stand_ins


def environment(build, stand_ins, **extra):
    """The same environment for both sides; what BitBake takes over from it shows in values."""
    clean = reference.clean_environment()
    path = [os.path.dirname(os.path.realpath(sys.executable)), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin",
            str(stand_ins)]
    return {"HOME": clean.get("HOME", "/"), "USER": "yocto", "LOGNAME": "yocto", "SHELL": "/bin/sh", "PWD": str(build),
            "PATH": ":".join(path), "LC_ALL": "en_US.UTF-8", **extra}


def folders(build, oecore):
    """Folders of this machine that show in values, and the words for them."""
    return ((str(build), "@BUILD@"), (str(oecore), "@OECORE@"), (os.path.dirname(os.path.realpath(sys.executable)), "@PYTHON@"))


class Side:
    """One set of folders; knows how to turn their names into words."""

    def __init__(self, build, oecore):
        self.words = []
        for folder, word in folders(build, oecore):
            mangled = "".join("_" if c in "/.+-@%&~" else c for c in folder)
            self.words += [(folder.encode(), word.encode()), (mangled.encode(), word.encode())]

    def neutral(self, line):
        for name, word in self.words:
            line = line.replace(name, word)
        return line


PROCESS = re.compile(rb"(/fifo\.|/log\.do_\$target\.)\d+")
STARTED = re.compile(rb'"DATETIME":\s*\{(?:[^{}]|\{[^{}]*\})*?"value":\s*"(\d{14})"')


def settle(lines):
    """Put words where a run's time and process number show in values: DATETIME's value, the number in LOGFIFO's name."""
    started = None
    for line in lines:
        if started is None:
            found = STARTED.search(line)
            started = found[1] if found else b"\0"
        yield PROCESS.sub(rb"\1@PID@", line).replace(started, b"@DATETIME@")


def packed(path):
    """The lines of a packed dump."""
    if str(path).endswith(".zst"):
        process = subprocess.Popen(["zstd", "-dcq", "--long=27", str(path)], stdout=subprocess.PIPE)
        yield from process.stdout
        process.wait()
    elif str(path).endswith(".gz"):
        import gzip
        with gzip.open(path) as lines:
            yield from lines
    else:
        with open(path, "rb") as lines:
            yield from lines


def records(lines):
    for line in settle(lines):
        yield json.loads(line)


def joined(expected, got):
    """Pairs of records of the same target; None where a side has no such target. The order may differ."""
    waiting = ({}, {})
    sources = [expected, got]
    ended = [False, False]
    while not all(ended):
        for side in (0, 1):
            if ended[side]:
                continue
            item = next(sources[side], None)
            if item is None:
                ended[side] = True
                continue
            other = waiting[1 - side].pop(item["target"], None)
            if other is None:
                waiting[side][item["target"]] = item
            else:
                yield (item, other) if side == 0 else (other, item)
    for item in waiting[0].values():
        yield item, None
    for item in waiting[1].values():
        yield None, item


class Differences:
    """Differences by (variable, field), with a count and the first examples."""

    def __init__(self):
        self.count = collections.Counter()
        self.examples = collections.defaultdict(list)

    def add(self, key, where, expected, got):
        self.count[key] += 1
        if len(self.examples[key]) < 3:
            self.examples[key].append((where, *around(expected, got)))

    def report(self, title):
        for key, count in self.count.most_common():
            print("%s: %s differs in %d" % (title, " ".join(key), count))
            for where, expected, got in self.examples[key]:
                print("    %s\n      expected: %s\n      got:      %s" % (where, expected, got))


def around(expected, got, width=160):
    """Both values as text, cut to the surroundings of the first difference."""
    texts = [json.dumps(value, sort_keys=True) for value in (expected, got)]
    start = next((i for i, (a, b) in enumerate(zip(*texts)) if a != b), min(map(len, texts)))
    begin = max(0, start - 50)
    return [("…" if begin else "") + text[begin:begin + width] + ("…" if len(text) > begin + width else "") for text in texts]


def compare_records(expected, got, differences):
    """Add the differences between two records of one target."""
    target = expected["target"]
    for task in sorted(expected["basehash"].keys() | got.get("basehash", {}).keys()):
        a, b = expected["basehash"].get(task), got.get("basehash", {}).get(task)
        if a != b:
            differences.add(("basehash", task), target, a, b)
    if expected["vars"] == got["vars"]:
        return
    for name in sorted(expected["vars"].keys() | got["vars"].keys()):
        a, b = expected["vars"].get(name), got["vars"].get(name)
        if a == b or name in EXEMPT:
            continue
        if a is None or b is None:
            differences.add((name, "exists"), target, a, b)
            continue
        for field in ("value", "error", "raw", "raw_error"):
            x, y = read(a, field), read(b, field)
            if x != y and not unordered(name, field, x, y):
                differences.add((name, field), target, x, y)
        for flag in sorted(a.get("flags", {}).keys() | b.get("flags", {}).keys()):
            x, y = a.get("flags", {}).get(flag), b.get("flags", {}).get(flag)
            if not same(x, y) and not unordered(name, "flags." + flag, x, y):
                differences.add((name, "[%s]" % flag), target, x, y)


def read(entry, field):
    """A field of a variable; the unexpanded value is left out of a record when it equals the value."""
    if field == "raw" and "raw" not in entry and "raw_error" not in entry:
        return entry.get("value")
    return entry.get(field)


def same(a, b):
    # JSON's true and 1 are equal in Python, but not in a hash.
    return a == b and type(a) is type(b)


def unordered(name, field, a, b):
    return (isinstance(a, str) and isinstance(b, str)
            and any(field in fields and pattern.fullmatch(name) for pattern, fields in UNORDERED)
            and sorted(WORDS.findall(a)) == sorted(WORDS.findall(b)))


def compare_dumps(expected, got, title):
    """Compare two streams of lines; (targets that agree, number of kinds of differences)."""
    differences, targets, agreed = Differences(), 0, 0
    for a, b in joined(records(expected), records(got)):
        targets += 1
        before = sum(differences.count.values())
        if a is None or b is None:
            differences.add(("target", "exists"), (a or b)["target"], a is not None, b is not None)
        else:
            compare_records(a, b, differences)
        agreed += sum(differences.count.values()) == before
    differences.report(title)
    print("%s: %d of %d targets agree in every variable, flag and basehash" % (title, agreed, targets))
    if targets != TARGETS:
        print("%s: expected %d targets" % (title, TARGETS))
    return agreed, len(differences.count) + (targets != TARGETS)


# The text of `-e`.

OPERATION = re.compile(r"#   (.+?) (\S+):(\d+)( \[[^]]*\])?$")


def blocks(text):
    """`-e` text as {name of block: lines}. Each variable's block starts with its history."""
    start = text.find("#\n# INCLUDE HISTORY:")
    lines = text[max(start, 0):].split("\n")
    result, name, current = {}, "INCLUDE HISTORY", []
    for number, line in enumerate(lines):
        variable = re.match(r"# \$(\S+?)(?: \[\d+ operations\])?$", line)
        function = re.match(r"python (\S+) \(\) \{$", line)
        if function or (variable and number and lines[number - 1] == "#"):
            if variable and current and current[-1] == "#":
                current.pop()
            result[name] = current
            name, current = (("python " + function[1]) if function else variable[1]), []
        current.append(line)
    result[name] = current
    return {key: [neutral_operation(line) for line in value] for key, value in result.items()}


def neutral_operation(line):
    found = OPERATION.match(line)
    # BitBake names its own line for every `export`; rbake names the statement in the metadata.
    if found and (found[2] in ENGINE_FILES or found[2].endswith(".rs") or found[1] == "exported"):
        return "#   %s engine" % found[1]
    return line


def strip(lines):
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def compare_dash_e(expected, got, differences, target):
    """Add the differences between two `-e` texts; True when there is none."""
    a, b = blocks(expected), blocks(got)
    before = sum(differences.count.values())
    exempt = {**EXEMPT, **EXEMPT_DASH_E}
    for name in sorted(a.keys() | b.keys()):
        if name in exempt:
            continue
        x, y = strip(a.get(name, [])), strip(b.get(name, []))
        if x != y and not any(unordered(name, "value", *pair) for pair in [(" ".join(x), " ".join(y))]):
            differences.add((name,), target, x, y)
    if before == sum(differences.count.values()) and [n for n in a if n not in exempt] != [n for n in b if n not in exempt]:
        differences.add(("order of variables",), target, list(a), list(b))
    return before == sum(differences.count.values())


def settle_text(text, side):
    """`-e` text without paths, process number and time."""
    text = PROCESS.sub(rb"\1@PID@", side.neutral(text))
    found = re.search(rb'^DATETIME="(\d{14})"$', text, re.M)
    return (text.replace(found[1], b"@DATETIME@") if found else text).decode("utf-8", "surrogateescape")


class Run:
    """Folders and programs of one comparison."""

    def __init__(self):
        self.oecore = Path(os.path.realpath(reference.find_oecore()))
        self.lib = reference.find()
        WORK.mkdir(parents=True, exist_ok=True)
        self.build = Path(os.path.realpath(WORK)) / "build"
        self.stand_ins = make_build(self.build, self.oecore)
        self.side = Side(self.build, self.oecore)
        self.jobs = os.cpu_count() or 1

    def reference_script(self, *arguments, **extra):
        script = Path(__file__).with_name("oecore_reference.py")
        env = environment(self.build, self.stand_ins, ORACLE_FOLDERS=json.dumps(folders(self.build, self.oecore)), **extra)
        if "RBAKE_REFERENCE_BITBAKE" in os.environ:
            env["RBAKE_REFERENCE_BITBAKE"] = os.environ["RBAKE_REFERENCE_BITBAKE"]
        subprocess.run([sys.executable, str(script), *map(str, arguments)], cwd=self.build, env=env, check=True)

    def clear(self):
        """No cache or file of an earlier run may help or hinder."""
        for name in ("tmp", "cache"):
            shutil.rmtree(self.build / name, ignore_errors=True)

    def dump_reference(self, out, **extra):
        self.clear()
        started = time.monotonic()
        self.reference_script("dump", out, self.jobs, **extra)
        print("reference dump: %.0f s" % (time.monotonic() - started))

    def kept_dump(self):
        """The reference's dump; made once."""
        out = WORK / ("dump.jsonl.zst" if shutil.which("zstd") else "dump.jsonl.gz")
        sources = [Path(__file__).with_name(name) for name in ("oecore_reference.py", "oracle.py")]
        if not out.exists() or any(out.stat().st_mtime < source.stat().st_mtime for source in sources):
            self.dump_reference(out)
        return out

    def kept_dash_e(self):
        """The reference's `-e` texts; made once. {name: path}"""
        folder = WORK / "dash-e"
        folder.mkdir(exist_ok=True)
        paths = {name: folder / name for name in DASH_E}
        missing = [name for name in DASH_E if not paths[name].exists()]
        if missing:
            targets = {}
            for record in records(packed(self.kept_dump())):
                name = record["vars"]["PN"].get("value")
                if name in missing and "__SKIPPED" not in record["vars"]:
                    targets[name] = record["target"].replace("@OECORE@", str(self.oecore))
            unknown = [name for name in missing if name not in targets]
            if unknown:
                raise SystemExit("OE-core has no target %s" % " ".join(unknown))
            self.clear()
            self.reference_script("dash-e", folder, *("%s=%s" % (name, targets[name]) for name in missing))
        return paths


def compare(run, program):
    passed = failed = 0

    def result(good, text):
        nonlocal passed, failed
        passed, failed = passed + good, failed + (not good)
        print("%s: %s" % ("passed" if good else "FAILED", text))

    expected = run.kept_dump()
    env = environment(run.build, run.stand_ins)
    run.clear()
    done = subprocess.run([program, "-p"], cwd=run.build, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    output = done.stdout.decode("utf-8", "replace")
    result(done.returncode == 0 and COUNTS in output, "-p reports %s" % COUNTS)
    if done.returncode != 0 or COUNTS not in output:
        print("\n".join(output.splitlines()[-15:]))
    run.clear()
    dump = subprocess.Popen([program, "--internal-dump-all"], cwd=run.build, env=env, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE)
    agreed, kinds = compare_dumps(packed(expected), (run.side.neutral(line) for line in dump.stdout), "oe-core")
    result(dump.wait() == 0 and kinds == 0 and agreed == TARGETS, "all targets agree")
    result(*compare_dash_e_texts(run, program, env))
    return reference.summary(passed, failed)


def compare_dash_e_texts(run, program, env):
    """Whether all `-e` texts agree, and a sentence about it."""
    differences, good = Differences(), 0
    for name, path in run.kept_dash_e().items():
        done = subprocess.run([program, "-e", name], cwd=run.build, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        good += compare_dash_e(settle_text(path.read_bytes(), run.side), settle_text(done.stdout, run.side), differences, name)
    differences.report("-e")
    return good == len(DASH_E), "-e agrees for %d of %d targets" % (good, len(DASH_E))


def main():
    command, *arguments = sys.argv[1:] or ["compare"]
    if command == "diff":
        return 1 if compare_dumps(packed(arguments[0]), packed(arguments[1]), "diff")[1] else 0
    try:
        run = Run()
    except reference.Missing as exc:
        return reference.skip("OE-core against the real BitBake", exc)
    if command == "reference":
        print(run.kept_dump())
        run.kept_dash_e()
        return 0
    if command == "stable":
        outs = []
        for seed in ("1", "77"):
            outs.append(WORK / ("seed-%s.jsonl.zst" % seed))
            run.dump_reference(outs[-1], PYTHONHASHSEED=seed)
        return 1 if compare_dumps(packed(outs[0]), packed(outs[1]), "the reference against itself")[1] else 0
    if command not in ("compare", "dash-e"):
        print("unknown command %s" % command, file=sys.stderr)
        return 2
    program = ours.program()
    if program is None:
        return reference.skip("OE-core against the real BitBake", "no rbake program is built")
    if command == "dash-e":
        good, text = compare_dash_e_texts(run, program, environment(run.build, run.stand_ins))
        print("%s: %s" % ("passed" if good else "FAILED", text))
        return reference.summary(int(good), int(not good))
    return compare(run, program)


if __name__ == "__main__":
    assert len(EXEMPT) + len(EXEMPT_DASH_E) <= 20
    sys.exit(main())
