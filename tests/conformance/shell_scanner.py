#!/usr/bin/env python3
"""Compares rbake's shell scanner with BitBake's on made-up, mutated and real shell text.

    RBAKE_REFERENCE_BITBAKE=.../bitbake/lib tests/conformance/shell_scanner.py

The variable names the folder that contains BitBake's `bb`. Optional variables:
RBAKE_REFERENCE_METADATA  folders (separated by `:`) whose shell functions are compared too
RBAKE_CONFORMANCE_COUNT   how many texts are made per kind (default 20000)
RBAKE_CONFORMANCE_SEED    start of the random numbers (default 1)
"""

import json
import logging
import os
import pathlib
import random
import re
import subprocess
import sys
import unittest
import warnings

ROOT = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = os.environ.get("RBAKE_REFERENCE_BITBAKE")
METADATA = [folder for folder in os.environ.get("RBAKE_REFERENCE_METADATA", "").split(":") if folder]
COUNT = int(os.environ.get("RBAKE_CONFORMANCE_COUNT", "20000"))
SEED = int(os.environ.get("RBAKE_CONFORMANCE_SEED", "1"))

LEXEMES = """ ; & && || | ( ) < > >> << <<- >& <& <> >| ;; { } ! if then else elif fi do done case esac while until for
in a b foo A=1 x= = a=b eval $ ${ $( $(( ` " ' \\ # $x ${x ) 1 2 EOF cmd_name= cmd_word= TOKEN= é ٣ \\é $(a) "$(b)" `c`
[ ] [[ f() *) $? $0 $1a $@ --x=y export""".split() + [
    " ", " ", " ", "\t", "\n", "\n", "\\\n", " # c\n", "\nEOF\n", "cat <<EOF\n", '"$\\\n(d)"', " in ", " for ", " case "]
WORDS = """a b $x "$(c)" `f` A=1 fi in if done "x" 1 ${x:-$(n)} eval B=$(g) esac then ! do for "a`h`b" $(i)$(j) --k=v
"$(l\t"$(m)")" `s\\\t\\`t\\``""".split() + ["'q q'", "$(d e)", "a\\\n b", "$(A=1 o; p)", "[ -f x ]"]
TOKEN = re.compile(r"\\\n|\n|[ \t]+|[A-Za-z0-9_./-]+|&&|\|\||;;|<<-?|>>|\$\(|\$\{|.", re.S)


class Maker:
    """Makes shell text, most of it almost right."""

    def __init__(self, seed, samples):
        self.random, self.samples = random.Random(seed), samples
        self.word = lambda: self.random.choice(WORDS)

    def soup(self):
        return "".join(self.random.choice(LEXEMES) for _ in range(self.random.randrange(1, 14)))

    def mutation(self):
        tokens = TOKEN.findall(self.random.choice(self.samples) if self.random.random() < 0.5 else self.script())
        for _ in range(self.random.choice([1, 1, 1, 2, 4])):
            at, other = (self.random.randrange(len(tokens) + 1) for _ in range(2))
            change = self.random.choice(["drop", "drop", "repeat", "insert", "insert", "cut"])
            if change == "insert":
                tokens.insert(at, self.random.choice(LEXEMES))
            elif change == "cut" and self.random.random() < 0.2:
                del tokens[at:]
            elif change == "repeat" and tokens:
                tokens.insert(at, tokens[other - 1])
            elif change == "drop":
                del tokens[at:at + 1]
        return "".join(tokens)

    def script(self):
        return self.list(0) + self.random.choice(["", "\n", ";"])

    def list(self, depth):
        text = self.command(depth)
        while self.random.random() < 0.35:
            joint = self.random.choice(["; ", " && ", " || ", " | ", "\n", " & ", " ; ; ", "&& \n", " "])
            text += joint + self.command(depth)
        return text

    def command(self, depth):
        pick, word = self.random.choice, self.word
        if depth > 3 or self.random.random() < 0.5:
            text = " ".join(word() for _ in range(self.random.randrange(1, 4)))
            if self.random.random() < 0.2:
                text += pick([" > ", " 2>&1", " 2> ", " >&", " <x ", ">"]) + pick(["y", "", "$(z)", "fi"])
            if self.random.random() < 0.06:
                text += " <<" + pick(["E", "-E", '"E"', "E\\F"]) + pick(["", " | k", " <<F", " # c"])
                text += "\n" + pick(["", "t\n", "\tE\n", "$(x)\n"]) + pick(["E\n", "EF\n", "E"])
            return text
        inner = lambda: self.list(depth + 1)
        return pick([
            lambda: f"{{ {inner()}{pick(['; }', ' }'])}",
            lambda: f"( {inner()} )",
            lambda: f"if {inner()}; then {inner()}{pick(['', '; else ' + inner()])}; fi",
            lambda: f"if {inner()}; then {inner()}; elif {inner()}; then {inner()}; fi",
            lambda: f"{pick(['while', 'until'])} {inner()}; do {inner()}\ndone",
            lambda: f"for {word()} {pick(['', 'in ' + word() + ' ' + word()])}; do {inner()}; done",
            lambda: f"case {word()} in {pick(['', '('])}{word()}|{word()}) {inner()}{pick([';;', '', ';; b) c'])} esac",
            lambda: f"{word()}() {pick(['{ ' + inner() + '; }', '( ' + inner() + ' )'])}{pick(['', '', ' >x'])}",
        ])()


def functions_of(folder):
    """The bodies of the shell functions in a folder of metadata, as they stand and with expansions replaced."""
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.suffix in (".bb", ".bbclass", ".inc", ".bbappend"):
            text = path.read_text(errors="replace")
            for body in re.findall(r"^(?:fakeroot\s+)?(?!python\b)[^\s()#]+\s*\(\s*\)\s*{\n(.*?)^}$", text, re.M | re.S):
                yield body
                yield re.sub(r"\$\{[^${}]*\}", "x", re.sub(r"\$\{@.*?\}(?=[^}'\"]|$)", "x", body, flags=re.M))


def reference(text):
    import bb.codeparser
    parser = bb.codeparser.ShellParser("conformance", logging.getLogger("conformance"))
    parser.log = logging.getLogger("conformance")
    try:
        parser._parse_shell(text)
    except RecursionError:
        return None  # How deep it gets depends on the caller.
    except Exception as error:
        kind = type(error).__name__
        named = {"NeedMore": "NeedMore", "NotImplementedError": "NotImplemented"}.get(kind)
        return [named, f"{kind} {error}".strip()] if named else ["Syntax", str(error)]
    return [sorted(parser.allexecs - parser.funcdefs), sorted(parser.funcdefs)]


def ours(texts):
    run = ["cargo", "run", "--quiet", "--release", "--example", "scan_shell"]
    result = subprocess.run(run, cwd=ROOT, input="\0".join(texts).encode(), stdout=subprocess.PIPE, check=True)
    for line in result.stdout.decode().split("\n")[:-1]:
        answer = json.loads(line)
        error = answer.get("error")
        yield [error["kind"], error["reference"]] if error else [answer["commands"], answer["functions"]]


@unittest.skipUnless(REFERENCE, "SKIPPED: set RBAKE_REFERENCE_BITBAKE to the folder that contains BitBake's bb")
class ShellScanner(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        sys.path.insert(0, REFERENCE)
        warnings.simplefilter("ignore")
        import bb
        bb.error = lambda *_: None
        logging.getLogger("conformance").addHandler(logging.NullHandler())
        lines = (ROOT / "tests/data/shell_scanner.jsonl").read_text().splitlines()
        cls.cases = [json.loads(line) for line in lines if not line.startswith("#")]
        cls.bodies = [body for folder in METADATA for body in functions_of(folder)]
        cls.samples = cls.bodies or [case[0] for case in cls.cases]

    def compare(self, texts):
        texts = [text for text in texts if "\0" not in text]
        answers = list(ours(texts))
        self.assertEqual(len(answers), len(texts))
        accepted, differences = 0, []
        for text, answer in zip(texts, answers):
            expected = reference(text)
            accepted += isinstance(answer[0], list)
            if expected not in (answer, None):
                differences.append(f"{text!r}\n  BitBake {expected}\n  rbake   {answer}")
        print(f"{len(texts)} texts, {accepted} accepted, {len(differences)} differ", file=sys.stderr)
        self.assertFalse(differences, "\n".join(differences[:20]))

    def test_the_table_is_what_bitbake_finds(self):
        for text, *expected in self.cases:
            with self.subTest(text=text):
                self.assertEqual(reference(text), expected if len(expected) == 2 else expected + [[]])

    def test_functions_of_metadata(self):
        if not self.bodies:
            self.skipTest("SKIPPED: set RBAKE_REFERENCE_METADATA to folders of recipes")
        self.compare(self.bodies)

    def test_scripts(self):
        maker = Maker(SEED, self.samples)
        self.compare([maker.script() for _ in range(COUNT)])

    def test_mutations(self):
        maker = Maker(SEED, self.samples)
        self.compare([maker.mutation() for _ in range(COUNT)])

    def test_lexeme_soup(self):
        maker = Maker(SEED, self.samples)
        self.compare([maker.soup() for _ in range(COUNT)])


if __name__ == "__main__":
    unittest.main(verbosity=2)
