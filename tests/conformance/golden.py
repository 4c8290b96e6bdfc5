# SPDX-License-Identifier: Apache-2.0
"""Confirms the golden data in tests/data against the real BitBake, or tests a program against it.

    python3 tests/conformance/golden.py [NAME…]              confirm against the real BitBake
    python3 tests/conformance/golden.py --bin DIR [NAME…]    run the programs in DIR (bitbake, bitbake-getvar…) instead
    … --no-tasks                                             leave out the command lines that need the task queue or signature files

NAME is a data file without its ending: datastore, references, broken, commands. The first two are asked through the
oracle protocol; with --bin they are asked of rbake's `bb` package. The others run command lines, which for
the real BitBake needs a checkout (the package has no programs).
"""

import argparse
import base64
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import reference

DATA = reference.ROOT / "tests" / "data"
LAYERS = DATA / "layers"
# Lines that depend on time, on the server's state or on what an earlier run left in the caches.
NOISE = re.compile("|".join((
    r"\s*$", r"Loaded \d+ entries", r"NOTE: Reconnecting to bitbake server", r"NOTE: Retrying server connection", r"NOTE: Starting bitbake server",
    r"NOTE: Previous bitbake instance", r"NOTE: Directory listing", r"NOTE: Resolving any missing task queue",
    r"NOTE: Cache: ")))
# A progress heading stays on the line of the first message after it; its "done." comes when it ends.
PROGRESS = re.compile(r"(?:Loading cache|Parsing recipes|Initialising tasks|Checking sstate mirror object availability)\.\.\.")
PARSE_SUMMARY = re.compile(r"Parsing of \d+ \.bb files complete \(\d+ cached, \d+ parsed\)")
LEVEL = re.compile(r"(ERROR|WARNING|NOTE): (.*)", re.S)
# Frames of the engine's own files in a Python traceback: an implementation detail of the reference.
ENGINE_FRAMES = re.compile(r'\nTraceback \(most recent call last\):(?:\n  File "[^"\n]*/lib/bb/[^\n]*\n    [^\n]*(?:\n +[\^~]+)?)+')
# An error in a configuration file: the reference names the source file of its own parser that raised it, above a traceback.
CONFIG_ERROR = re.compile(r"^ERROR: Unable to parse [^\n]*\n(?=bb\.parse\.ParseError: )", re.M)
# The series a core layer supports are printed in the order of a set.
SERIES = re.compile(r"(which only supports these series: )([^(]*)( \()")
# A subcommand that in the reference is a plugin of another layer.
PLUGIN_COMMANDS = {"'create-layer'"}

# Steps of commands.json that go past finding out what provides the targets: the task graph, the queue, signatures.
NEEDS_TASKS = {
    "exp": {
        6: "hello -c compil", 8: "needsmissing -k", 9: "circ", 10: "hello", 11: "hello", 12: "hello -n", 13: "hello -f -c compile", 14: "hello",
        15: "hello -C compile", 16: "fail", 17: "pyfail", 18: "fail after hello -k", 19: "dep --runall compile",
        20: "dep --runonly compile", 21: "dep -c listvars-", 29: "-g hello", 30: "-S none hello",
        31: "-b hello_1.2.bb -c compile", 32: "hello:do_compile", 36: "--setscene-only hello",
        37: "--no-setscene hello -c compile"},
    "exp2": {
        14: "foo -c compile", 15: "virtual/bar -n", 16: "bar-native -n -c compile", 18: "foo -n", 30: "foo", 31: "foo",
        32: "foo -c compile", 33: "bitbake-dumpsig", 34: "bitbake-dumpsig", 35: "bitbake-dumpsig", 36: "bitbake-dumpsig"},
}


class Oracle:
    """A process that speaks the oracle protocol."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hello = json.loads(self.process.stdout.readline())

    def ask(self, question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Tally:
    """Counts cases and prints those that differ."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, expected, got):
        if expected == got:
            self.passed += 1
            return True
        self.failed += 1
        print("FAILED: %s\n  expected: %s\n  got:      %s" % (name, json.dumps(expected), json.dumps(got)))
        return False


def load(name):
    with open(DATA / (name + ".json"), encoding="utf-8") as handle:
        return json.load(handle)


# Cases asked through the oracle.

def datastore(oracle, tally):
    for case in load("datastore")["cases"]:
        expect = case["expect"]
        question = {"op": "metadata", "files": {"t.bb": case["input"]}}
        if case["overrides"] is not None:
            question["before"] = [["setVar", "OVERRIDES", case["overrides"]]]
        answer = oracle.ask(question)
        got = {}
        if "error" in expect:
            got["error"] = answer.get("error")
        if "vars" in expect:
            got["vars"] = {name: pick(answer, name) for name in expect["vars"]}
        if "log" in expect:
            got["log"] = answer.get("log")
        if "calls" in expect:
            answer = oracle.ask({**question, "after": case["calls"], "read": False})
            got["calls"] = [outcome.get("result", outcome) for outcome in answer.get("calls", [])]
        tally.check("datastore: " + case["name"], expect, got)


def pick(answer, name):
    """The value of a variable, a flag (`A[f]`) or an error, out of a metadata answer."""
    variables = answer.get("stores", {}).get("", {}).get("vars", {})
    flag = re.fullmatch(r"(.+)\[(.+)\]", name)
    if flag:
        return variables.get(flag[1], {}).get("flags", {}).get(flag[2])
    entry = variables.get(name, {})
    return {"error": entry["error"]} if "error" in entry else entry.get("value")


def references(oracle, tally):
    data = load("references")
    for number, case in enumerate(data["cases"], 1):
        name = "references: %d %s" % (number, case.get("name") or case.get("text") or case.get("variable"))
        if case["kind"] == "python":
            answer = oracle.ask({"op": "scan_python", "text": case["text"]})
            got = {key: answer[key] for key in case["expect"] if key in answer}
        else:
            options = {key: case[key] for key in ("ignored", "exclude_flags") if key in case}
            if case["kind"] == "recipe":
                question = {"op": "metadata", "files": {"t.bb": case["input"]}}
            else:
                question = {"op": "metadata", "files": {"t.conf": ""}, "target": "t.conf", "before": data["setup"]}
            if case["kind"] == "references":
                call = ["references", case["variable"]] if "variable" in case else ["text_references", case["text"]]
            else:
                call = ["dependencies", case["key"], options]
            answer = oracle.ask({**question, "after": case.get("setup", []) + [call], "read": False})
            outcome = (answer.get("calls") or [answer])[-1]
            got = outcome.get("result", {}).get("dict", outcome)
            if isinstance(got.get("contains"), dict):
                got["contains"] = got["contains"].get("dict", got["contains"])
        tally.check(name, case["expect"], got)


# Cases that run command lines.

class Commands:
    """Runs command lines in a copy of a mini layer. `bin` is the folder with the programs."""

    def __init__(self, bin, root):
        self.root = str(root)
        self.bin = str(bin)
        self.locale = reference.make_locale()

    def environment(self, folder, extra):
        home = Path(self.root) / "home"
        home.mkdir(exist_ok=True)
        # The folder of this Python comes second, so that `python3` is the one the tests run with.
        path = [self.bin, os.path.dirname(os.path.realpath(sys.executable)), "/usr/local/bin", "/usr/bin", "/bin"]
        result = {"HOME": str(home), "USER": "yocto", "LOGNAME": "yocto", "SHELL": "/bin/sh", "PATH": ":".join(path),
                  "LC_ALL": reference.LOCALE, "LOCPATH": self.locale, "TOPDIR": folder, "PWD": folder, "PYTHONUNBUFFERED": "1",
                  "BB_ENV_PASSTHROUGH_ADDITIONS": "TOPDIR EXTRA_BBFILES BB_SIGNATURE_HANDLER BBMULTICONFIG LOCPATH"}
        result.update({name: value.replace("@ROOT@", self.root) for name, value in extra.items()})
        return result

    def run(self, command, folder, env):
        command = [word.replace("@ROOT@", self.root) for word in command]
        done = subprocess.run(command, cwd=folder, env=self.environment(folder, env), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        return done.returncode, done.stdout.decode("utf-8", "surrogateescape")


def messages(text):
    """Console output as [level, text] entries; lines without a level belong to the entry before."""
    result = []
    for line in text.split("\n"):
        line = PROGRESS.sub("", line)
        if line == "done.":
            continue
        if NOISE.match(line) or PARSE_SUMMARY.match(line) or line.startswith("Summary: "):
            continue
        found = LEVEL.match(line)
        if found:
            result.append([found[1], found[2]])
        elif result:
            result[-1][1] += "\n" + line
        else:
            result.append(["", line])
    result = [[level, ENGINE_FRAMES.sub("", body)] for level, body in result]
    return [entry for entry in result if entry[1] != "Parsing halted due to errors, see error messages above"]


def broken(bin, tally):
    with tempfile.TemporaryDirectory(prefix="golden-") as root:
        commands = Commands(bin, root)
        for name in ("conf", "classes"):
            shutil.copytree(LAYERS / "exp" / name, Path(root) / "layer" / name)
        for case in load("broken")["cases"]:
            folder = Path(root) / case["name"]
            folder.mkdir()
            for name, content in {case["recipe"]: case["input"], **case.get("files", {})}.items():
                data = base64.b64decode(content["base64"]) if isinstance(content, dict) else content.encode("utf-8")
                (folder / name).write_bytes(data)
            build = folder / "build"
            build.mkdir()
            code, output = commands.run(["bitbake", "-p"], str(build), {
                "BBPATH": "@ROOT@/layer", "EXTRA_BBFILES": str(folder / case["recipe"])})
            mangled = re.sub(r"[/.+\-@%&~]", "_", str(folder))
            output = output.replace(str(folder), "@DIR@").replace(mangled, "@DIR_MANGLED@")
            tally.check("broken: " + case["name"], case["expect"], {"rc": code, "messages": messages(output)})


def normalise(text, commands):
    """Console output as comparable lines: paths, process numbers, hashes and addresses replaced, noise dropped."""
    text = text.replace(commands.root, "@ROOT@").replace(os.path.dirname(commands.bin), "@BITBAKE@")
    text = ENGINE_FRAMES.sub("", text)
    text = CONFIG_ERROR.sub("", text)
    text = SERIES.sub(lambda m: m[1] + " ".join(sorted(m[2].split())) + m[3], text)
    # The order of the choices is that of a directory listing.
    text = re.sub(r"\(choose from (.*)\)", lambda m: "(choose from %s)" % ", ".join(
        sorted(set(m[1].split(", ")) - PLUGIN_COMMANDS)), text)
    text = re.sub(r"(\.do_\w+)\.\d+\b", r"\1.@PID@", text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "@HASH@", text)
    lines = []
    for line in text.split("\n"):
        line = PROGRESS.sub("", line)
        if line != "done." and not NOISE.match(line):
            # Columns are as wide as the paths in them.
            lines.append(re.sub(r" {2,}", "  ", line.rstrip()) if "@ROOT@" in line[8:] else line.rstrip())
    return lines


def edit(folder, change, pristine):
    """Apply one change of a step to the copy of the layers."""
    path = folder / change["file"]
    if "remove" in change:
        path.unlink()
    elif "text" in change:
        path.write_text(change["text"])
    elif "append" in change:
        path.write_text(path.read_text() + change["append"])
    elif "restore" in change:
        path.write_text(pristine[change["file"]])
    else:
        old, new = change["replace"]
        text = path.read_text()
        if old not in text:
            raise ValueError("%s holds no %r" % (path, old))
        path.write_text(text.replace(old, new.replace("@ROOT@", str(folder.parent))))


def commands(bin, tally, no_tasks=False):
    """Replays the command lines; with `no_tasks` gives the names of those it left out."""
    left_out = []
    with tempfile.TemporaryDirectory(prefix="golden-") as root:
        root = os.path.realpath(root)
        runner = Commands(bin, root)
        for sequence in load("commands")["sequences"]:
            folder = Path(root) / sequence["layers"]
            pristine = {}
            for source in sorted((LAYERS / sequence["layers"]).rglob("*")):
                if source.is_file():
                    name = str(source.relative_to(LAYERS / sequence["layers"]))
                    pristine[name] = source.read_text().replace("@ROOT@", root)
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / name).write_text(pristine[name])
            build = folder / sequence["folder"]
            build.mkdir(exist_ok=True)
            for number, step in enumerate(sequence["steps"], 1):
                for change in step.get("edits", []):
                    edit(folder, change, pristine)
                name = "commands: %s %d: %s" % (sequence["name"], number, " ".join(step["command"]))
                if no_tasks and number in NEEDS_TASKS.get(sequence["name"], {}):
                    left_out.append(name)
                    continue
                command = []
                for word in step["command"]:
                    word = word.replace("@ROOT@", root)
                    command += glob.glob(word) if word.startswith("/") and "*" in word else [word]
                code, output = runner.run(command, str(build), sequence["env"])
                if step.get("prepare"):
                    continue
                got = {"rc": code, "output": normalise(output, runner)}
                # Where the reference itself takes words in the order of a set, each order is right.
                possible = [normalise("\n".join(text), runner) for text in [step["output"], *step.get("alternatives", [])]]
                expected = {"rc": step["rc"], "output": got["output"] if got["output"] in possible else possible[0]}
                if step.get("unordered"):
                    expected["output"].sort()
                    got["output"].sort()
                tally.check(name, expected, got)
    return left_out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", help="folder with the programs to test instead of the real BitBake's")
    parser.add_argument("--no-tasks", action="store_true", help="leave out the command lines that need the task queue or signature files")
    parser.add_argument("names", nargs="*", help="data files, default all")
    options = parser.parse_args()
    names = options.names or ["datastore", "references", "broken", "commands"]
    tally, skipped = Tally(), 0
    try:
        found = None if options.bin else reference.find()
    except reference.Missing as exc:
        return reference.skip("golden data against the real BitBake", exc)
    bin = options.bin or found.bin
    if {"datastore", "references"} & set(names):
        command = [sys.executable, str(Path(__file__).with_name("oracle.py")), *(["--ours"] if options.bin else [])]
        oracle = Oracle(command)
        for name in ("datastore", "references"):
            if name in names:
                globals()[name](oracle, tally)
        oracle.close()
    for name in ("broken", "commands"):
        if name not in names:
            continue
        if bin is None:
            print("skipped: golden data %s (the package has no programs; set RBAKE_REFERENCE_BITBAKE)" % name)
            skipped += 1
        else:
            extra = {"no_tasks": options.no_tasks} if name == "commands" else {}
            left_out = globals()[name](bin, tally, **extra) or []
            for step in left_out:
                print("skipped: %s (needs tasks)" % step)
            skipped += len(left_out)
    return reference.summary(tally.passed, tally.failed, skipped)


if __name__ == "__main__":
    sys.exit(main())
