# SPDX-License-Identifier: Apache-2.0
"""Names of recipe files and their variants, and small caches. The cache of recipes is the engine's."""

import glob
import logging
import os
import pickle
import shutil

import bb
import bb.utils

logger = logging.getLogger("BitBake.Cache")


def virtualfn2realfn(virtualfn):
    """File, variant and multiconfig of a name such as mc:NAME:virtual:VARIANT:FILE."""
    mc = ""
    if virtualfn.startswith("mc:") and virtualfn.count(":") >= 2:
        _, mc, virtualfn = virtualfn.split(":", 2)
    if not virtualfn.startswith("virtual:"):
        return virtualfn, "", mc
    variant, _, fn = virtualfn[len("virtual:"):].rpartition(":")
    return fn, variant, mc


def realfn2virtual(realfn, cls, mc):
    """The name of a variant of a file in a multiconfig."""
    if cls:
        realfn = "virtual:%s:%s" % (cls, realfn)
    return "mc:%s:%s" % (mc, realfn) if mc else realfn


def variant2virtual(realfn, variant):
    """The name of a variant of a file, where the variant may name a multiconfig: mc:NAME:VARIANT."""
    mc = ""
    if variant.startswith("mc:") and variant.count(":") >= 2:
        _, mc, variant = variant.split(":", 2)
    return realfn2virtual(realfn, variant, mc)


class _Locked:
    """Holds the lock of a cache file."""

    def __init__(self, cachefile, shared=False):
        self._path = cachefile + ".lock"
        self._shared = shared

    def __enter__(self):
        self._lock = bb.utils.lockfile(self._path, shared=self._shared)

    def __exit__(self, *exception):
        bb.utils.unlockfile(self._lock)


def _load(path, version):
    """The object in a cache file; None if there is none of this version, or if it can't be read."""
    try:
        with open(path, "rb") as f:
            data, found = pickle.load(f)
    except Exception:
        return None
    return data if found == version else None


def _save(path, version, data, mode="wb"):
    with open(path, mode) as f:
        pickle.dump([data, version], f, -1)


class SimpleCache:
    """One object in a file of the cache directory, with the version of its format."""

    def __init__(self, version):
        self.cachefile = None
        self.cachedata = None
        self.cacheversion = version

    def init_cache(self, d, cache_file_name=None, defaultdata=None):
        """The object, or `defaultdata` if there is none of this version."""
        cachedir = d.getVar("PERSISTENT_DIR") or d.getVar("CACHE")
        if not cachedir:
            return defaultdata
        bb.utils.mkdirhier(cachedir)
        self.cachefile = os.path.join(cachedir, cache_file_name or type(self).cache_file_name)
        logger.debug("Using cache in '%s'", self.cachefile)
        with _Locked(self.cachefile):
            data = _load(self.cachefile, self.cacheversion)
        return defaultdata if data is None else data

    def save(self, data):
        if self.cachefile:
            with _Locked(self.cachefile):
                _save(self.cachefile, self.cacheversion, data)

    def copyfile(self, target):
        if self.cachefile:
            with _Locked(self.cachefile):
                shutil.copy(self.cachefile, target)


class MultiProcessCache:
    """Dictionaries that several processes fill: each saves what it adds in a file of its own, and one merges them at the end."""

    cache_file_name = None
    CACHE_VERSION = None

    def __init__(self):
        self.cachefile = None
        self.cachedata = self.create_cachedata()
        self.cachedata_extras = self.create_cachedata()

    def create_cachedata(self):
        return [{}]

    def init_cache(self, cachedir, cache_file_name=None):
        if not cachedir:
            return
        bb.utils.mkdirhier(cachedir)
        self.cachefile = os.path.join(cachedir, cache_file_name or type(self).cache_file_name)
        logger.debug("Using cache in '%s'", self.cachefile)
        with _Locked(self.cachefile):
            data = _load(self.cachefile, type(self).CACHE_VERSION)
        if data is not None:
            self.cachedata = data

    def clear_cache(self):
        if not self.cachefile:
            bb.fatal("Can't clear invalid cachefile")
        self.cachedata = self.create_cachedata()
        self.cachedata_extras = self.create_cachedata()
        with _Locked(self.cachefile):
            for path in [self.cachefile, *self._parts()]:
                bb.utils.remove(path)

    def _parts(self):
        """The files that processes left."""
        return glob.glob(glob.escape(self.cachefile) + "-*")

    def save_extras(self):
        """Saves what this process added."""
        if not self.cachefile or not any(self.cachedata_extras):
            return
        with _Locked(self.cachefile, shared=True):
            number = os.getpid()
            while True:
                try:
                    _save("%s-%d" % (self.cachefile, number), type(self).CACHE_VERSION, self.cachedata_extras, "xb")
                    break
                except FileExistsError:
                    number += 1

    def merge_data(self, source, dest):
        for new, known in zip(source, dest):
            for key, value in new.items():
                known.setdefault(key, value)

    def save_merge(self):
        """Brings together what all processes added."""
        if not self.cachefile:
            return
        with _Locked(self.cachefile):
            merged = False
            for path in self._parts():
                extra = _load(path, type(self).CACHE_VERSION)
                if extra is not None:
                    self.merge_data(extra, self.cachedata)
                    merged = True
                os.unlink(path)
            if merged:
                _save(self.cachefile, type(self).CACHE_VERSION, self.cachedata)


class RecipeInfoCommon:
    """Reading variables of a finished recipe for a record of it."""

    @classmethod
    def listvar(cls, var, metadata):
        return cls.getvar(var, metadata).split()

    @classmethod
    def intvar(cls, var, metadata):
        return int(cls.getvar(var, metadata) or 0)

    @classmethod
    def depvar(cls, var, metadata):
        return bb.utils.explode_deps(cls.getvar(var, metadata))

    @classmethod
    def pkgvar(cls, var, packages, metadata):
        return {package: cls.depvar("%s:%s" % (var, package), metadata) for package in packages}

    @classmethod
    def taskvar(cls, var, tasks, metadata):
        return {task: cls.getvar("%s:task-%s" % (var, task), metadata) for task in tasks}

    @classmethod
    def flaglist(cls, flag, varlist, metadata, squash=False):
        found = {var: metadata.getVarFlag(var, flag) for var in varlist}
        return {var: value for var, value in found.items() if value} if squash else found

    @classmethod
    def getvar(cls, var, metadata, expand=True):
        return metadata.getVar(var, expand) or ""


class SiggenRecipeInfo(RecipeInfoCommon):
    """What signatures need of a finished recipe beside its record."""

    classname = "SiggenRecipeInfo"
    cachefile = "bb_cache_siggen.dat"
    cachefields = ["siggen_gendeps", "siggen_varvals", "siggen_taskdeps"]

    def __init__(self, filename, metadata):
        self.siggen_gendeps = metadata.getVar("__siggen_gendeps", False)
        self.siggen_varvals = metadata.getVar("__siggen_varvals", False)
        self.siggen_taskdeps = metadata.getVar("__siggen_taskdeps", False)

    @classmethod
    def init_cacheData(cls, cachedata):
        for field in cls.cachefields:
            setattr(cachedata, field, {})

    def add_cacheData(self, cachedata, fn):
        for field in self.cachefields:
            getattr(cachedata, field)[fn] = getattr(self, field)
