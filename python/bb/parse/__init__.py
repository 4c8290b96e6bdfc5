# SPDX-License-Identifier: Apache-2.0
"""Reading metadata files, and what metadata asks about its files. The reading itself is the engine's."""

import errno
import logging
import os

import bb
import bb.utils
from bb._engine import engine

logger = logging.getLogger("BitBake.Parsing")

# Parsers that others add: dictionaries with the functions `supports` and `handle`. The engine's own come first.
handlers = []


class ParseError(Exception):
    """A metadata file that can't be read."""

    def __init__(self, msg, filename, lineno=0):
        super().__init__(msg, filename, lineno)
        self.msg = msg
        self.filename = filename
        self.lineno = lineno

    def __str__(self):
        if self.lineno:
            return "ParseError at %s:%d: %s" % (self.filename, self.lineno, self.msg)
        return "ParseError in %s: %s" % (self.filename, self.msg)


class SkipRecipe(Exception):
    """The recipe is not to be built; the text says why."""


class SkipPackage(SkipRecipe):
    """The old name of SkipRecipe."""


def cached_mtime(f):
    """Time of change, size and inode of a file, as first seen."""
    found = engine.stamp(f)
    if not found:
        # This names the file and the reason.
        os.stat(f)
    return found


def cached_mtime_noerror(f):
    """The same; 0 if there is no such file."""
    return engine.stamp(f)


def check_mtime(f, mtime):
    """True if the file is as it was at that stamp. The file is looked at anew."""
    return engine.fresh_stamp(f) == mtime


def update_mtime(f):
    return engine.fresh_stamp(f)


def update_cache(f):
    if engine.stamp(f):
        logger.debug("Updating mtime cache for %s" % f)
        update_mtime(f)


def clear_cache():
    engine.forget_files()


def mark_dependency(d, f):
    """Notes that what is read depends on a file, be it there or not."""
    engine.mark_dependency(d, f)


def check_dependency(d, f):
    """True if that was noted already."""
    return engine.check_dependency(d, f)


def get_file_depends(d):
    """The paths of all files noted."""
    return engine.file_depends(d)


def supports(fn, data):
    """True if the file can be read as metadata."""
    return os.path.splitext(fn)[1] in (".bb", ".bbclass", ".inc", ".conf") or any(h["supports"](fn, data) for h in handlers)


def handle(fn, data, include=0, baseconfig=False):
    """Reads a file into a datastore. A recipe gives the datastores of its variants by name, anything else that datastore."""
    for h in handlers:
        if h["supports"](fn, data):
            with data.inchistory.include(fn):
                return h["handle"](fn, data, include, baseconfig)
    return engine.handle(fn, data, bool(include), bool(baseconfig))


def init(fn, data):
    """Nothing has to be prepared."""


def init_parser(d):
    """Makes the signature generator that the configuration asks for."""
    import bb.siggen
    if hasattr(bb.parse, "siggen") and hasattr(bb.parse.siggen, "exit"):
        bb.parse.siggen.exit()
    bb.parse.siggen = bb.siggen.init(d)


def resolve_file(fn, d):
    """The path of a file, looked for along BBPATH if it is relative. Every place looked at is noted as a dependency."""
    path = fn
    if os.path.isabs(fn):
        mark_dependency(d, fn)
    else:
        bbpath = d.getVar("BBPATH")
        path, attempts = bb.utils.which(bbpath, fn, history=True)
        for attempt in attempts:
            mark_dependency(d, attempt)
        if not path:
            raise IOError(errno.ENOENT, "file %s not found in %s" % (fn, bbpath))
    if not os.path.isfile(path):
        raise IOError(errno.ENOENT, "file %s not found" % path)
    return path


_file_variables = {}


def vars_from_file(mypkg, d):
    """Name, version and revision that the name of a recipe file says, None for what it doesn't."""
    if not mypkg or not mypkg.endswith((".bb", ".bbappend")):
        return (None, None, None)
    if mypkg not in _file_variables:
        parts = os.path.splitext(os.path.basename(mypkg))[0].split("_")
        if len(parts) > 3:
            raise ParseError("Unable to generate default variables from filename (too many underscores)", mypkg)
        _file_variables[mypkg] = parts + [None] * (3 - len(parts))
    return _file_variables[mypkg]


def _noting(attribute, varnames):
    def decorate(function):
        names = getattr(function, attribute, None)
        if names is None:
            names = set()
            setattr(function, attribute, names)
        names.update(varnames)
        return function
    return decorate


def vardeps(*varnames):
    """Decorator of a module function: tasks that call it depend on these variables."""
    return _noting("bb_vardeps", varnames)


def vardepsexclude(*varnames):
    """Decorator of a module function: tasks that call it don't depend on these variables although it reads them."""
    return _noting("bb_vardepsexclude", varnames)


from bb.parse.parse_py import BBHandler, ConfHandler
