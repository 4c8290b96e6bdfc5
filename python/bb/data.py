# SPDX-License-Identifier: Apache-2.0
"""Functions on datastores: expanding, exporting, emitting them for a shell, and what task signatures are made of."""

import hashlib
import sys

import bb
from bb import codeparser, data_smart
from bb._engine import engine

logger = data_smart.logger
_dict_type = data_smart.DataSmart

# A function of the shell carried in the environment is exported under such a name.
_BASH_FUNCTION = "BASH_FUNC_"


def init():
    """An empty datastore."""
    return _dict_type()


def init_db(parent=None):
    """An empty datastore, or a copy of one."""
    return init() if parent is None else parent.createCopy()


def createCopy(source):
    """An independent copy."""
    return source.createCopy()


def initVar(var, d):
    d.initVar(var)


def keys(d):
    return d.keys()


def expand(s, d, varname=None):
    return d.expand(s, varname)


def expandKeys(alterdata, readdata=None):
    """Renames every variable whose name has references in it."""
    if readdata is None or readdata is alterdata:
        engine.expand_keys(alterdata)
        return
    renames = {key: readdata.expand(key) for key in alterdata if "${" in key}
    for key, new in sorted(renames.items()):
        if key == new:
            continue
        old_value, new_value = alterdata.getVar(key, False), alterdata.getVar(new, False)
        if old_value is not None and new_value is not None:
            bb.warn("Variable key %s (%s) replaces original key %s (%s)." % (key, old_value, new, new_value))
        alterdata.renameVar(key, new)


def inheritFromOS(d, savedenv, permitted):
    """Takes over the environment variables that may pass."""
    exported = bb.utils.preserved_envvars_exported()
    for name in savedenv.keys():
        if name not in permitted:
            continue
        try:
            d.setVar(name, savedenv.getVar(name), op="from env")
            if name in exported:
                d.setVarFlag(name, "export", True, op="auto env export")
        except TypeError:
            pass


def emit_var(var, o=sys.__stdout__, d=None, all=False):
    """Writes a variable or function as a shell reads it, with `all` any variable and its history. True for a function."""
    d = init() if d is None else d
    func = d.getVarFlag(var, "func", False)
    if func and d.getVarFlag(var, "python", False):
        return False
    export = bb.utils.to_boolean(d.getVarFlag(var, "export"))
    unexport = bb.utils.to_boolean(d.getVarFlag(var, "unexport"))
    if not (all or export or unexport or func):
        return False
    try:
        unexpanded = d.getVar(var, False) if all else None
        value = d.getVar(var)
    except Exception as exc:
        o.write("# expansion of %s threw %s: %s\n" % (var, type(exc).__name__, exc))
        return False
    if all:
        d.varhistory.emit(var, unexpanded, value, o, d)
    elif not set(var).isdisjoint("-.{}+"):
        # No shell takes such a name.
        return False

    name = d.expand(var)
    if unexport:
        o.write("unset %s\n" % name)
        return False
    if value is None:
        return False
    value = str(value)
    if name.startswith(_BASH_FUNCTION):
        name = name[len(_BASH_FUNCTION):-2]
        # The value begins with the empty parentheses.
        o.write("%s() %s\nexport -f %s\n" % (name, value[3:], name))
        return True
    if func:
        # Failed tasks are traced back to the metadata by this line.
        o.write("# line: %s, file: %s\n" % (d.getVarFlag(var, "lineno", False), d.getVarFlag(var, "filename", False)))
        o.write("%s() {\n%s\n}\n" % (name, value.rstrip("\n")))
        return True
    for plain, escaped in (('"', '\\"'), ("`", "\\`"), ("\n", " \\\n"), ("$", "\\$")):
        value = value.replace(plain, escaped)
    o.write('%s%s="%s"\n' % ("export " if export else "", name, value))
    return False


def emit_env(o=sys.__stdout__, d=None, all=False):
    """Writes all variables, then all shell functions, sorted."""
    d = init() if d is None else d
    names = sorted((bool(d.getVarFlag(name, "func", False)), name) for name in d.keys() if not name.startswith("__"))
    for is_function, name in names:
        if emit_var(name, o, d, all and not is_function):
            o.write("\n")


def exported_keys(d):
    """The names of the exported variables."""
    return (name for name in d.keys()
            if not name.startswith("__")
            and bb.utils.to_boolean(d.getVarFlag(name, "export"))
            and not bb.utils.to_boolean(d.getVarFlag(name, "unexport")))


def exported_vars(d):
    """Names and values of the exported variables. All are expanded before the first is handed out, since an expansion may change
    the environment."""
    return engine.exported_vars(d)


def _vardeps(name, d):
    return set((d.getVarFlag(name, "vardeps") or "").split())


def _called(first, wanted, follow):
    """The functions that `first` leads to, in rounds of sorted names. `follow` gives what one calls, of those that are `wanted`."""
    seen = set()
    new = first
    while new:
        seen |= new
        found = set()
        for name in sorted(new):
            if wanted(name):
                yield name
                found |= follow(name)
        new = found - seen


def emit_func(func, o=sys.__stdout__, d=None):
    """Writes a shell function with all variables and functions it needs."""
    o.write(engine.emit_func(init() if d is None else d, func))


def emit_func_python(func, o=sys.__stdout__, d=None):
    """Writes a Python function, a call of it, and the functions it needs."""
    d = init() if d is None else d

    def write(name):
        body = d.getVar(name, False)
        if not body.startswith("def"):
            body = "\ndef %s(d):\n%s" % (name, body)
        o.write(body.strip() + "\n\n")

    def calls(name):
        parser = codeparser.PythonParser(name, logger)
        parser.parse_python(d.getVar(name, False))
        return set(parser.execs) | _vardeps(name, d)

    def is_python(name):
        return d.getVarFlag(name, "func", False) and d.getVarFlag(name, "python", False)

    write(func)
    o.write("%s(d)\n\n" % func)
    for name in _called(calls(func), is_python, calls):
        write(name)


def build_dependencies(key, keys, mod_funcs, shelldeps, varflagsexcl, ignored_vars, d, codeparsedata):
    """What one variable, function or flag depends on, and the value that is hashed for it."""
    return engine.build_dependencies(key, keys, mod_funcs, shelldeps, varflagsexcl, ignored_vars, d, codeparsedata)


def generate_dependencies(d, ignored_vars):
    """The tasks; and for everything they reach its dependencies and its value."""
    return engine.generate_dependencies(d, ignored_vars)


def generate_dependency_hash(tasklist, gendeps, lookupcache, ignored_vars, fn):
    """For each task all it reaches, and its basehash by `fn:task`."""
    taskdeps = {}
    basehash = {}
    for task in tasklist:
        value = lookupcache[task]
        if value is None:
            bb.error("Task %s from %s seems to be empty?!" % (task, fn))
        reached = set()
        new = gendeps[task]
        while new:
            reached |= new
            new = set().union(*(gendeps[name] for name in new)) - reached
        text = [value or ""]
        for name in sorted(reached):
            text.append(name)
            if lookupcache[name] is not None:
                text.append(str(lookupcache[name]))
        basehash["%s:%s" % (fn, task)] = hashlib.sha256("".join(text).encode("utf-8")).hexdigest()
        taskdeps[task] = frozenset(reached)
    return taskdeps, basehash


def inherits_class(klass, d):
    """True if the class was inherited, globally or by the recipe."""
    end = "/%s.bbclass" % klass
    return any(path.endswith(end) for path in d.getVar("__inherit_cache", False) or [])
