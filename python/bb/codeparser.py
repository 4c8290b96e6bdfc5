# SPDX-License-Identifier: Apache-2.0
"""What Python and shell code refers to, and the functions of Python modules that metadata may call.

The scanners are native; what they find decides task hashes.
"""

import ast
import functools
import hashlib
import inspect
import logging
import sys
import types

import bb
import bb.utils
from bb._engine import engine

logger = logging.getLogger("BitBake.CodeParser")


class ShellSyntaxError(Exception):
    """Code that no shell would take."""


class NeedMore(ShellSyntaxError):
    """Code that ends too early."""


def bbhash(s):
    return hashlib.sha256(s.encode("utf-8")).hexdigest()


class DummyLogger:
    def flush(self):
        pass


class BufferedLogger:
    """Messages that are passed on only if it turns out that they matter."""

    def __init__(self, target, level=logging.DEBUG):
        self._target = target
        self._level = level
        self.buffer = []

    def debug(self, message):
        self.buffer.append(message)

    def flush(self):
        for message in self.buffer:
            self._target.debug(message)
        self.buffer = []


class PythonParser:
    """Scans Python code. `contains` maps variables to the words they are searched for."""

    def __init__(self, name, log):
        self.name = name
        self.references = set()
        self.execs = set()
        self.var_execs = set()
        self.contains = {}
        self._log = log
        self.log = DummyLogger()

    def parse_python(self, node, lineno=0, filename="<string>", fixedhash=None, func=None):
        if not node or not node.strip():
            return
        lineno = int(lineno or 0)
        try:
            found = engine.scan_python(node, self.name)
        except SyntaxError:
            # CPython's own words for it, with the place in the file.
            compile("\n" * lineno + _dedented(node), filename or "<string>", "exec", ast.PyCF_ONLY_AST)
            raise
        self.references, self.execs, self.var_execs, self.contains, unhandled = found
        self.log = BufferedLogger(self._log)
        self.log.buffer = unhandled
        self.extra = None
        if func is not None:
            self.references |= getattr(func, "bb_vardeps", set())
            self.references -= getattr(func, "bb_vardepsexclude", set())


def _dedented(code):
    """Code that compiles although it is indented as a whole; line numbers stay."""
    start = len(code) - len(code.lstrip("\n\t "))
    if start and code[start - 1] != "\n":
        return "if 1:\n" + (code[1:] if code[0] == "\n" else code)
    return code


class ShellParser:
    """Scans shell code. `allexecs` has the commands, `funcdefs` the functions it defines, `execs` the commands without these."""

    def __init__(self, name, log):
        self._name = name
        self._log = log
        self.log = DummyLogger()
        self.funcdefs = set()
        self.allexecs = set()
        self.execs = set()

    def parse_shell(self, value):
        self.allexecs, self.funcdefs = engine.scan_shell(value)
        self.execs = self.allexecs - self.funcdefs
        return self.execs


# --- functions of Python modules ----------------------------------------------------------------------------------------------------


def __getattr__(name):
    if name == "modulecode_deps":
        # References, calls, calls by name, words searched for, hash of the source, visitor.
        return {function: [*found, _visitors.get(function)] for function, found in engine.module_functions().items()}
    raise AttributeError("module %r has no attribute %r" % (__name__, name))


# The visitorcode hooks of the functions that have one.
_visitors = {}


def update_module_dependencies(d):
    """Leaves out what the flag vardepsexclude of a variable named like a module function lists."""
    engine.exclude_module_references(d)


def _add_library(modules, libdir, namespace):
    """Carries out addpylib. For every module of the namespace: its public callables, and a description of those it defines itself:
    full name, source text behind as many newlines as its line number says, vardeps, vardepsexclude, whether there is a visitor."""
    context = bb.utils.get_context()
    for module in modules:
        if module not in context:
            context[module] = __import__(module)
    if libdir not in sys.path:
        sys.path.append(libdir)
    found = []
    try:
        package = context[namespace] = __import__(namespace)
        for name in getattr(package, "BBIMPORTS", []):
            full = "%s.%s" % (namespace, name)
            context[namespace] = __import__(full)
            module = getattr(context[namespace], name)
            functions = {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
            functions = {name: function for name, function in functions.items() if callable(function)}
            source = _Source(module.__file__)
            described = [_describe(source, full, name, function) for name, function in functions.items()]
            found.append((list(functions), [function for function in described if function]))
    except AttributeError as exc:
        bb.error("Error importing OE modules: %s" % exc)
    return found


def _describe(source, namespace, name, function):
    found = source.of(function)
    if found is None:
        return None
    text, line = found
    full = "%s.%s" % (namespace, name)
    visitor = getattr(function, "visitorcode", None)
    if visitor is not None:
        _visitors[full] = visitor
    vardeps = sorted(getattr(function, "bb_vardeps", ()))
    excluded = sorted(getattr(function, "bb_vardepsexclude", ()))
    return full, "\n" * line + text, vardeps, excluded, visitor is not None


class _Source:
    """The text of a module's file, cut into functions as `inspect.getsourcelines` does, without reading it anew for each."""

    def __init__(self, file):
        self._file = file

    @functools.cached_property
    def _lines(self):
        with open(self._file, encoding="utf-8") as f:
            lines = f.readlines()
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        return lines

    @functools.cached_property
    def _outline(self):
        """By the line on which a function or class starts, decorators included: its last line and the column of its body. By the
        names of classes the first lines of all that are called so."""
        blocks, classes = {}, {}
        for name, is_class, first, last, column in engine.python_outline("".join(self._lines)):
            blocks[first] = (last, column)
            if is_class:
                classes.setdefault(name, []).append(first)
        return blocks, classes

    def of(self, function):
        """Source and first line of a function of this file; None for what comes from elsewhere."""
        try:
            if inspect.getsourcefile(function) != self._file:
                return None
        except TypeError:
            return None
        line = self._first_line(inspect.unwrap(function))
        if line is not None:
            return self._cut(line)
        try:
            lines, line = inspect.getsourcelines(function)
        except TypeError:
            return None
        return "".join(lines), line

    def _first_line(self, function):
        """Where a function or class of this file starts; None where only `inspect` may know."""
        blocks, classes = self._outline
        if isinstance(function, type):
            found = classes.get(function.__qualname__, ())
            return found[0] if len(found) == 1 else None
        if isinstance(function, types.FunctionType) and function.__code__.co_filename == self._file:
            line = function.__code__.co_firstlineno
            return line if line in blocks else None
        return None

    def _cut(self, first):
        last, column = self._outline[0][first]
        # Comments behind the last statement belong to the function as long as they are indented like its body.
        if column is not None:
            for number in range(last + 1, len(self._lines) + 1):
                text = self._lines[number - 1]
                bare = text.lstrip()
                if bare and not bare.startswith("#"):
                    break
                if bare and len(text) - len(bare) >= column:
                    last = number
        return "".join(self._lines[first - 1:last]), first


def _visit(function, call):
    """Asks the visitor of a module function about a call, given as text."""
    visitor = _visitors.get(function)
    if visitor is None:
        return None
    contains, execs, _ = visitor(function, ast.parse(call, mode="eval").body.args)
    return {name: sorted(words) for name, words in contains.items()}, sorted(execs)


def parser_cache_init(cachedir):
    """The engine keeps what it found out by itself."""


def parser_cache_save():
    pass


def parser_cache_savemerge():
    pass
