# SPDX-License-Identifier: Apache-2.0
"""The datastore as metadata sees it.

DataSmart, the class of `d`, is native. Here are the objects around it: exceptions, the result of a parse, histories.
"""

import ast
import builtins
import hashlib
import logging
from collections.abc import MutableMapping

import bb
import bb.filter
from bb import utils
from bb._engine import engine

logger = logging.getLogger("BitBake.Data")

DataSmart = engine.DataSmart
MutableMapping.register(DataSmart)

__setvar_keyword__ = [":append", ":prepend", ":remove"]

# Old names of variables, and the new name or a sentence about each.
bitbake_renamed_vars = dict(engine.renamed_variables())


class ExpansionError(Exception):
    """A value that could not be expanded. `varlist` names the variables around it, innermost first."""

    def __init__(self, varname, expression, exception):
        self.variablename = varname
        self.expression = expression
        self.exception = exception
        self.varlist = [varname or expression or ""]
        what = "%s: %s" % (type(exception).__name__, exception)
        if varname and expression:
            self.msg = "Failure expanding variable %s, expression was %s which triggered exception %s" % (varname, expression, what)
        elif varname:
            self.msg = "Failure expanding variable %s: %s" % (varname, what)
        else:
            self.msg = "Failure expanding expression %s which triggered exception %s" % (expression, what)
        super().__init__(self.msg)
        # Pickling calls the class with these.
        self.args = (varname, expression, exception)

    def addVar(self, varname):
        if varname:
            self.varlist.append(varname)

    def __str__(self):
        return "%s\nThe variable dependency chain for the failure is: %s" % (self.msg, " -> ".join(self.varlist))


class VariableParse:
    """A value with what its text refers to. `removes` exists only where the variable had :remove operations."""

    def __init__(self, varname, d, unexpanded_value=None, val=None):
        self.varname = varname
        self.d = d
        self.unexpanded_value = unexpanded_value
        self.value = val
        self.references = set()
        self.execs = set()
        self.contains = {}


class DataContext(dict):
    """The names an inline expression sees: `d`, and variables where nothing else has the name."""

    excluded = {name for name in dir(builtins) if not name.startswith("_")} | {"oe"}

    def __init__(self, metadata, **kwargs):
        super().__init__(**kwargs)
        self.metadata = metadata
        self["d"] = metadata
        self.context = set(utils.get_context())

    def __missing__(self, key):
        if key not in self.excluded and key not in self.context:
            value = self.metadata.getVar(key)
            if value is not None:
                return value
        raise KeyError(key)


class IncludeHistory:
    """The tree of files that were included."""

    def __init__(self, d):
        self._d = d

    def include(self, filename):
        """For a `with` statement around what is included from the file."""
        self._d._include_enter(filename)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._d._include_leave()
        return False

    def emit(self, o, level=0):
        o.write(self._d._include_text())


class VariableHistory:
    """Who set a variable where, as far as it was recorded: a list of dictionaries for each."""

    def __init__(self, dataroot):
        self.dataroot = dataroot

    def record(self, **loginfo):
        if not self.dataroot._tracking or loginfo.get("ignore"):
            return
        if not loginfo.get("variable") or "file" not in loginfo:
            raise ValueError("record() missing variable or file.")
        self.dataroot._record(loginfo["variable"], [loginfo])

    def rename_variable_hist(self, oldvar, newvar):
        if self.dataroot._tracking:
            self.dataroot._record(newvar, self.variable(oldvar))

    def variable(self, var):
        return self.dataroot._history(var)

    def emit(self, var, oval, val, o, d):
        """Writes the comment that `-e` puts in front of a variable."""
        events = self.variable(var)
        for name, override in d._variants(var):
            for event in self.variable(name):
                if event.get("flag", "_").startswith(("_", ":")):
                    event["op"] = "override[%s]:%s" % (override, event["op"])
                    events.append(event)
        unexpanded = '#   "%s"\n' % str(oval).replace("\n", "\n#")
        if not events:
            o.write("#\n# $%s\n#   [no history recorded]\n#\n%s" % (var, unexpanded))
            return
        count = "" if len(events) == 1 else " [%d operations]" % len(events)
        o.write("#\n# $%s%s\n" % (var, count))
        for event in events:
            place = event["file"]
            if "func" in event:
                place = place.rpartition("/")[2]
            o.write("#   %s %s:%s%s\n" % (event["op"], place, event["line"], " [%s]" % event["func"] if "func" in event else ""))
            flag = "[%s] " % event["flag"] if "flag" in event else ""
            o.write('#     %s"%s"\n' % (flag, str(event["detail"]).replace("\n", "\n#     ")))
        if len(events) > 1:
            o.write("# pre-expansion value:\n" + unexpanded)

    def get_variable_files(self, var):
        """The file of every change."""
        return [event["file"] for event in self.variable(var)]

    def get_variable_lines(self, var, f):
        """The lines of the changes made in one file."""
        return [event["line"] for event in self.variable(var) if event["file"] == f]

    def get_variable_refs(self, var):
        """The lines of the changes by file."""
        refs = {}
        for event in self.variable(var):
            refs.setdefault(event["file"], []).append(event["line"])
        return refs

    def get_variable_items_files(self, var):
        """For every word of the variable the first file that added it."""
        words = (self.dataroot.getVar(var) or "").split()
        files = {}
        is_set = False
        for event in self.variable(var):
            if "flag" in event or event["op"] == ":remove" or (is_set and event["op"] == "set?"):
                continue
            is_set = True
            for word in self.dataroot.expand(str(event["detail"])).split():
                if word in words:
                    files.setdefault(word, event["file"])
        return files

    def del_var_history(self, var, f=None, line=None):
        """Forgets the changes of a variable: all, or as BitBake does it, those made neither in that file nor in such a line."""
        kept = []
        if f and line:
            kept = [event for event in self.variable(var) if event["file"] != f and event["line"] != line]
        self.dataroot._record(var, kept, replace=True)


def _inspect_expression(code, name):
    """Compiles an inline expression: the code object, the names it reads, and whether it has an inside with names of its own."""
    tree = compile(code, name, "eval", ast.PyCF_ONLY_AST)
    names = set()
    nested = False
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            nested = True
    names.discard("d")
    names -= DataContext.excluded
    return compile(tree, name, "eval"), tuple(names), nested


def _reduce(d):
    """What pickling keeps of a store."""
    variables = []
    for name in d._all_names():
        flags = d.getVarFlags(name, internalflags=True) or {}
        variants = d._variants(name)
        if flags or variants:
            variables.append((name, flags, variants, d._history(name)))
    return _rebuild, (type(d), variables, d._tracking)


def _rebuild(cls, variables, tracking):
    d = cls()
    for name, flags, variants, history in variables:
        d._restore(name, flags, variants)
        if history:
            d._record(name, history)
    if tracking:
        d.enableTracking()
    return d


def _get_hash(original):
    """A hash of everything a store holds but what BB_HASHCONFIG_IGNORE_VARS lists."""
    d = original.createCopy()
    engine.expand_keys(d)
    ignored = set((d.getVar("BB_HASHCONFIG_IGNORE_VARS") or "").split())
    data = {}
    for key in d:
        if key.startswith("__") or key in ignored:
            continue
        value = d.getVar(key, False) or ""
        data[key] = value.get_hash() if isinstance(value, DataSmart) else value
        for flag, value in (d.getVarFlags(key, internalflags=True, expand=["vardepvalue"]) or {}).items():
            if flag != "_content":
                data["%s[%s]" % (key, flag)] = value
    for key in ("__BBTASKS", "__BBANONFUNCS", "__BBHANDLERS"):
        names = d.getVar(key, False) or []
        data[key] = str(names)
        if key == "__BBANONFUNCS":
            for name in names:
                data[name] = d.getVar(name, False) or ""
    for name, (refs, execs, var_execs, contains, source, _) in sorted(bb.codeparser.modulecode_deps.items()):
        data["moddep[%s]" % name] = [sorted(refs), sorted(execs), sorted(var_execs), sorted(contains), source]
    return hashlib.sha256(str(sorted(data.items(), key=lambda item: item[0])).encode("utf-8", "surrogateescape")).hexdigest()
