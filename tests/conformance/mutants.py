# SPDX-License-Identifier: Apache-2.0
"""The reference with one deliberate fault, to see that the comparisons notice it.

    mutants.py                 run the random comparison against every mutant; each must be found
    mutants.py NAME            speak the oracle protocol with that fault

The first form needs the test program: RBAKE_RANDOM_TEST names the built `conformance_random`, else cargo builds it.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import oracle
import reference


def wrap(owner, name, make):
    """Replace a function by make(the function)."""
    setattr(owner, name, make(getattr(owner, name)))


def collapsed_removes(bb):
    """`:remove` also collapses the blanks that it leaves."""
    def make(get):
        def getVarFlag(self, var, flag, *args, **kwargs):
            value = get(self, var, flag, *args, **kwargs)
            if flag == "_content" and isinstance(value, str) and ":remove" in (self._findVar(var) or {}):
                return " ".join(value.split())
            return value
        return getVarFlag
    wrap(bb.data_smart.DataSmart, "getVarFlag", make)


def no_key_expansion(bb):
    """Names with references are not expanded."""
    wrap(bb.data, "expandKeys", lambda _: lambda d: None)


def reversed_anonymous(bb):
    """Anonymous functions run in reverse order."""
    def make(run):
        def runAnonFuncs(d):
            d.setVar("__BBANONFUNCS", list(reversed(d.getVar("__BBANONFUNCS", False) or [])))
            run(d)
        return runAnonFuncs
    wrap(bb.parse.ast, "runAnonFuncs", make)


def rename_moves_flags(bb):
    """renameVar takes flags along."""
    def make(rename):
        def renameVar(self, key, newkey, **loginfo):
            flags = self.getVarFlags(key) or {}
            rename(self, key, newkey, **loginfo)
            for flag, value in flags.items():
                self.setVarFlag(newkey, flag, value, ignore=True)
        return renameVar
    wrap(bb.data_smart.DataSmart, "renameVar", make)


def text_export(bb):
    """`export` stores the text 1 in place of the number."""
    def make(set_flag):
        def setVarFlag(self, var, flag, value, **loginfo):
            set_flag(self, var, flag, "1" if flag == "export" and value == 1 else value, **loginfo)
        return setVarFlag
    wrap(bb.data_smart.DataSmart, "setVarFlag", make)


def kept_overrides(bb):
    """setVar from Python leaves active overrides alone."""
    def make(set_var):
        def setVar(self, var, value, **loginfo):
            set_var(self, var, value, **{**loginfo, "parsing": True})
        return setVar
    wrap(bb.data_smart.DataSmart, "setVar", make)


def missed_command(bb):
    """The shell scanner overlooks one command."""
    wrap(bb.codeparser.ShellParser, "parse_shell", lambda parse: lambda self, text: parse(self, text) - {"do_b"})


def plain_contains(bb):
    """A contains() reference is taken for a plain one."""
    def make(parse):
        def parse_python(self, *args, **kwargs):
            parse(self, *args, **kwargs)
            self.references = self.references | set(self.contains)
        return parse_python
    wrap(bb.codeparser.PythonParser, "parse_python", make)


def unordered_task_dependencies(bb):
    """`before` puts the task behind the others, not in front."""
    def make(add):
        def addtask(task, before, after, d):
            add(task, before, after, d)
            for word in (before or "").split():
                name = word if word.startswith("do_") else "do_" + word
                d.setVarFlag(name, "deps", sorted(d.getVarFlag(name, "deps", False) or []))
        return addtask
    wrap(bb.build, "addtask", make)


def quiet_whitespace(bb):
    """No warning about missing blanks around an assignment."""
    wrap(bb, "warn", lambda warn: lambda *args: None if "lack of whitespace" in "".join(args) else warn(*args))


MUTANTS = {function.__name__: function for function in (
    collapsed_removes, no_key_expansion, reversed_anonymous, rename_moves_flags, text_export, kept_overrides, missed_command,
    plain_contains, unordered_task_dependencies, quiet_whitespace)}


def speak(name):
    """The oracle with a fault."""
    def spoil(bb):
        import bb.data_smart  # noqa: F401
        MUTANTS[name](bb)
    return oracle.main(spoil)


def hunt():
    """Run the comparison against every mutant."""
    test = os.environ.get("RBAKE_RANDOM_TEST")
    command = [test] if test else ["cargo", "test", "--release", "--quiet", "--test", "conformance_random", "--"]
    passed = failed = 0
    for name in MUTANTS:
        env = {**os.environ, "RBAKE_ORACLE": "%s %s %s" % (sys.executable, Path(__file__).resolve(), name),
               "RBAKE_RANDOM_SEED": os.environ.get("RBAKE_RANDOM_SEED", "1")}
        started = time.monotonic()
        done = subprocess.run([*command, "--nocapture"], cwd=reference.ROOT, env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        found = [line for line in done.stdout.splitlines() if line.startswith("case ")]
        if done.returncode != 0 and found:
            passed += 1
            print("found: %s, %s after %.0f s" % (name, found[0].split(" differs")[0], time.monotonic() - started))
        else:
            failed += 1
            print("NOT FOUND: %s\n%s" % (name, done.stdout[-500:]))
    return reference.summary(passed, failed)


if __name__ == "__main__":
    sys.exit(speak(sys.argv[1]) if len(sys.argv) > 1 else hunt())
