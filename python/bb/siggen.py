# SPDX-License-Identifier: Apache-2.0
"""Signatures of tasks: what decides whether one has to run again.

A basehash covers the metadata of a task and is worked out by the engine. A taskhash adds the tasks it depends on and the files it
reads. A unihash stands for all taskhashes that gave the same output. Layers derive generators of their own from the classes here and
put them into this module.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import types
import uuid

import bb
import bb.cache
import bb.data
import bb.utils
from bb._engine import engine
from bb.sigfile import (
    SetDecoder,
    SetEncoder,
    calc_basehash,
    calc_taskhash,
    clean_checksum_file_path,
    compare_sigfiles,
    dump_sigfile,
    handle_renames,
    init_colors,
    list_inline_diff,
    worddiff_str,
    write_sigfile,
)

logger = logging.getLogger("BitBake.SigGen")
hashequiv_logger = logging.getLogger("BitBake.SigGen.HashEquiv")

# The least version of find_siginfo, a function that the layer's generator puts into this module.
find_siginfo_minversion = 2

# Environment variables that a connection to the hash server goes by.
HASHSERV_ENVVARS = ["SSL_CERT_DIR", "SSL_CERT_FILE", "NO_PROXY", "HTTPS_PROXY", "HTTP_PROXY"]

_SETSCENE = "_setscene"
_NOSTAMP = "nostamp:"


def check_siggen_version(siggen):
    """Ends with an error if the layer's find_siginfo is missing or too old."""
    too_old = "Siggen from metadata (OE-Core?) is too old, please update it"
    if not hasattr(siggen, "find_siginfo_version"):
        bb.fatal("%s (no version found)" % too_old)
    if siggen.find_siginfo_version < siggen.find_siginfo_minversion:
        bb.fatal("%s (%s vs %s)" % (too_old, siggen.find_siginfo_version, siggen.find_siginfo_minversion))


def check_hashserv_unihash(unihash):
    """Ends with an error if a server's answer is no hash: it becomes part of file names and of metadata."""
    if not isinstance(unihash, str) or not re.fullmatch("[0-9a-f]{64}", unihash):
        bb.fatal("Hash Equivalence Server returned invalid unihash")


def init(d):
    """The generator that BB_SIGNATURE_HANDLER names."""
    generators = [obj for obj in globals().values() if isinstance(obj, type) and issubclass(obj, SignatureGenerator)]
    wanted = d.getVar("BB_SIGNATURE_HANDLER") or "noop"
    for generator in generators:
        if generator.name == wanted:
            return generator(d)
    logger.error("Invalid signature generator '%s', using default 'noop'\nAvailable generators: %s",
                 wanted, ", ".join(generator.name for generator in generators))
    return SignatureGenerator(d)


def build_pnid(mc, pn, taskname):
    """How signatures name a task of a recipe."""
    return ":".join((["mc", mc] if mc else []) + [pn, taskname])


def dump_this_task(outfile, d):
    """Writes the signature of the running task to a file."""
    mcfn = d.getVar("BB_FILENAME")
    task = "do_" + d.getVar("BB_CURRENTTASK")
    siggen = bb.parse.siggen
    siggen.dump_sigtask(mcfn, task, outfile, "customfile:" + siggen.stampfile_base(mcfn))


def _without_setscene(taskname):
    return taskname.replace(_SETSCENE, "") if taskname.endswith(_SETSCENE) else taskname


class _RunQueue:
    """bb.runqueue, imported when first needed: it imports this module."""

    def __getattr__(self, name):
        import bb.runqueue
        return getattr(bb.runqueue, name)


runqueue = _RunQueue()


class SignatureGenerator:
    """Takes the name of a task for its hash: nothing ever runs again because something changed."""

    name = "noop"

    # What passes between the processes that build, in this order.
    _TASKDATA = ("runtaskdeps", "taskhash", "unihash", "file_checksum_values", "taints", "basehash", "unitaskhashes", "tidtopn",
                 "setscenetasks")
    _TASKHASHES = ("taskhash", "unihash", "unitaskhashes", "tidtopn")

    def __init__(self, data):
        self.basehash = {}
        self.taskhash = {}
        self.unihash = {}
        self.runtaskdeps = {}
        self.file_checksum_values = {}
        self.taints = {}
        self.unitaskhashes = {}
        self.tidtopn = {}
        self.setscenetasks = set()

    # --- recipes

    def finalise(self, fn, d, varient):
        """A recipe was read."""

    def postparsing_clean_cache(self):
        """All recipes were read."""

    def setup_datacache(self, datacaches):
        """What is known of the recipes, by multiconfig."""
        self.datacaches = datacaches

    def setup_datacache_from_datastore(self, mcfn, d):
        """The same for one recipe, where only its datastore is at hand: in the process of a task."""
        stamps = {}
        for task in d.getVar("__BBTASKS", False) or []:
            extra = d.getVarFlag(task, "stamp-extra-info")
            if extra:
                stamps[task] = extra
        known = types.SimpleNamespace(stamp={mcfn: d.getVar("STAMP")}, stamp_extrainfo={mcfn: stamps})
        self.datacaches = {d.getVar("__BBMULTICONFIG", False) or "": known}

    # --- hashes

    def prep_taskhash(self, tid, deps, dataCaches):
        """Gathers what goes into the taskhash; gives the dependencies that count."""

    def get_taskhash(self, tid, deps, dataCaches):
        self.taskhash[tid] = hashlib.sha256(tid.encode("utf-8")).hexdigest()
        return self.taskhash[tid]

    def get_cached_unihash(self, tid):
        return None

    def get_unihash(self, tid):
        return self.get_cached_unihash(tid) or self.taskhash[tid]

    def get_unihashes(self, tids):
        return {tid: self.get_unihash(tid) for tid in tids}

    def set_setscene_tasks(self, setscene_tasks):
        """The tasks whose output may be had from the shared state."""

    def writeout_file_checksum_cache(self):
        """Saves the checksums of files."""

    def save_unitaskhashes(self):
        """Saves what is known of unihashes."""

    # --- stamps

    def _stamp(self, mcfn):
        return self.datacaches[runqueue.mc_from_tid(mcfn)].stamp[mcfn]

    def _stamp_extra(self, mcfn, taskname):
        extra = self.datacaches[runqueue.mc_from_tid(mcfn)].stamp_extrainfo[mcfn]
        return extra.get(_without_setscene(taskname)) or ""

    def stampfile_base(self, mcfn):
        return self._stamp(mcfn)

    def stampfile_mcfn(self, taskname, mcfn, extrainfo=True):
        """The stamp of a task; None for a recipe without STAMP."""
        stamp = self._stamp(mcfn)
        if stamp:
            return self.stampfile(stamp, mcfn, taskname, self._stamp_extra(mcfn, taskname) if extrainfo else "")

    def stampfile(self, stampbase, file_name, taskname, extrainfo):
        return ("%s.%s.%s" % (stampbase, taskname, extrainfo)).rstrip(".")

    def stampcleanmask_mcfn(self, taskname, mcfn):
        """A pattern of the stamps of a task, whatever its hash."""
        stamp = self._stamp(mcfn)
        return self.stampcleanmask(stamp, mcfn, taskname, self._stamp_extra(mcfn, taskname)) if stamp else []

    def stampcleanmask(self, stampbase, file_name, taskname, extrainfo):
        return ("%s.%s.%s" % (stampbase, taskname, extrainfo)).rstrip(".")

    def invalidate_task(self, task, mcfn):
        """Makes a task run again."""
        bb.utils.remove(self._stamp(mcfn))

    # --- files and processes

    def dump_sigtask(self, mcfn, task, stampbase, runtime):
        """Writes what went into the hash of a task."""

    def dump_sigs(self, dataCache, options):
        """Writes that of all tasks."""

    def get_taskdata(self):
        return tuple(getattr(self, name) for name in self._TASKDATA)

    def set_taskdata(self, data):
        for name, value in zip(self._TASKDATA, data):
            setattr(self, name, value)

    def get_taskhashes(self):
        return tuple(getattr(self, name) for name in self._TASKHASHES)

    def set_taskhashes(self, hashes):
        for name, value in zip(self._TASKHASHES, hashes):
            setattr(self, name, value)

    def reset(self, data):
        self.__init__(data)

    def exit(self):
        """The build is over."""


class SignatureGeneratorBasic(SignatureGenerator):
    """Hashes of all that goes into a task, without putting them into the names of stamps."""

    name = "basic"

    def __init__(self, data):
        super().__init__(data)
        self.basehash_ignore_vars = set((data.getVar("BB_BASEHASH_IGNORE_VARS") or "").split())
        self.taskhash_ignore_tasks = None
        self.init_rundepcheck(data)
        self.checksum_cache = None
        checksum_cache_file = data.getVar("BB_HASH_CHECKSUM_CACHE_FILE")
        if checksum_cache_file:
            from bb.checksum import FileChecksumCache
            self.checksum_cache = FileChecksumCache()
            self.checksum_cache.init_cache(data, checksum_cache_file)
        self.unihash_cache = bb.cache.SimpleCache("3")
        self.unitaskhashes = self.unihash_cache.init_cache(data, "bb_unihashes.dat", {})
        excluded = data.getVar("BB_SIGNATURE_LOCAL_DIRS_EXCLUDE") or "CVS .bzr .git .hg .osc .p4 .repo .svn"
        self.localdirsexclude = excluded.split()

    def init_rundepcheck(self, data):
        """Prepares rundep_check."""
        self.taskhash_ignore_tasks = data.getVar("BB_TASKHASH_IGNORE_TASKS") or None
        self.twl = re.compile(self.taskhash_ignore_tasks) if self.taskhash_ignore_tasks else None

    def rundep_check(self, fn, recipename, task, dep, depname, dataCaches):
        """True if a task that another depends on counts for its hash."""
        return not (self.twl and self.twl.search(depname) and not self.twl.search(recipename))

    # --- recipes

    def _build_data(self, mcfn, d):
        (tasks, gendeps, values), taskdeps, hashes = engine.task_signatures(d, self.basehash_ignore_vars)
        checked = d.getVar("BB_HASH_IGNORE_MISMATCH") != "1"
        for task in tasks:
            if values[task] is None:
                bb.error("Task %s from %s seems to be empty?!" % (task, mcfn))
            tid = "%s:%s" % (mcfn, task)
            if checked and self.basehash.get(tid, hashes[task]) != hashes[task]:
                self._report_changed(tid, task, hashes[task], d)
            self.basehash[tid] = hashes[task]
        return taskdeps, gendeps, values

    def _report_changed(self, tid, task, new, d):
        bb.error("When reparsing %s, the basehash value changed from %s to %s. The metadata is not deterministic and this needs "
                 "to be fixed." % (tid, self.basehash[tid], new))
        command = "$ bitbake %s -c%s" % (d.getVar("PN"), task)
        bb.error("The following commands may help:")
        bb.error("%s -Snone" % command)
        bb.error("Then:")
        bb.error("%s -Sprintdiff\n" % command)

    def finalise(self, fn, d, variant):
        mcfn = bb.cache.realfn2virtual(fn, variant, d.getVar("__BBMULTICONFIG", False) or "")
        try:
            taskdeps, gendeps, values = self._build_data(mcfn, d)
        except bb.parse.SkipRecipe:
            raise
        except Exception:
            bb.warn("Error during finalise of %s" % mcfn)
            raise
        d.setVar("__siggen_basehashes", {task: self.basehash["%s:%s" % (mcfn, task)] for task in taskdeps})
        d.setVar("__siggen_gendeps", gendeps)
        d.setVar("__siggen_varvals", values)
        d.setVar("__siggen_taskdeps", taskdeps)

    def setup_datacache_from_datastore(self, mcfn, d):
        super().setup_datacache_from_datastore(mcfn, d)
        cache = self.datacaches[runqueue.mc_from_tid(mcfn)]
        known = engine.known_signatures(d)
        if known is None:
            for field in ("siggen_varvals", "siggen_taskdeps", "siggen_gendeps"):
                setattr(cache, field, {mcfn: d.getVar("__" + field)})
        else:
            # The engine signed the recipe itself.
            (_, gendeps, values), taskdeps, _ = known
            cache.siggen_gendeps, cache.siggen_varvals, cache.siggen_taskdeps = {mcfn: gendeps}, {mcfn: values}, {mcfn: taskdeps}

    # --- hashes

    def read_taint(self, fn, task, stampbase):
        """What was added to the hash of a task to make it run again."""
        try:
            with open("%s.%s.taint" % (stampbase, task)) as f:
                return f.read()
        except OSError:
            return None

    def prep_taskhash(self, tid, deps, dataCaches):
        mc, _, task, mcfn = runqueue.split_tid_mcfn(tid)
        cache = dataCaches[mc]
        recipename = cache.pkg_fn[mcfn]
        self.basehash[tid] = cache.basetaskhash[tid]
        self.tidtopn[tid] = recipename

        counted = []
        for dep in deps:
            depmc, _, deptask, depmcfn = runqueue.split_tid_mcfn(dep)
            depname = dataCaches[depmc].pkg_fn[depmcfn]
            if not self.rundep_check(mcfn, recipename, task, dep, depname, dataCaches):
                continue
            if dep not in self.taskhash:
                bb.fatal("%s is not in taskhash, caller isn't calling in dependency order?" % dep)
            counted.append((build_pnid(depmc, depname, deptask), dep))
        self.runtaskdeps[tid] = counted

        self.file_checksum_values[tid] = []
        files = cache.file_checksums[mcfn].get(task)
        if files:
            find = self.checksum_cache.get_checksums if self.checksum_cache else bb.fetch2.get_file_checksums
            self.file_checksum_values[tid] = [tuple(entry) for entry in find(files, recipename, self.localdirsexclude)]

        if task in cache.task_deps[mcfn].get("nostamp", ()):
            # It always runs, and so does what depends on it; but one run of the program asks more than once.
            if not self.taints.get(tid, "").startswith(_NOSTAMP):
                self.taints[tid] = _NOSTAMP + str(uuid.uuid4())
        taint = self.read_taint(mcfn, task, cache.stamp[mcfn])
        if taint:
            self.taints[tid] = taint
            logger.warning("%s is tainted from a forced run" % tid)
        return {dep for _, dep in counted}

    def get_taskhash(self, tid, deps, dataCaches):
        parts = [self.basehash[tid]]
        parts += [self.get_unihash(dep) for _, dep in sorted(self.runtaskdeps[tid])]
        for path, checksum in sorted(self.file_checksum_values[tid], key=clean_checksum_file_path):
            if checksum:
                if "/./" in path:
                    parts.append("./" + path.split("/./")[1])
                parts.append(checksum)
        taint = self.taints.get(tid, "")
        parts.append(taint[len(_NOSTAMP):] if taint.startswith(_NOSTAMP) else taint)
        self.taskhash[tid] = hashlib.sha256("".join(parts).encode("utf-8")).hexdigest()
        return self.taskhash[tid]

    def set_setscene_tasks(self, setscene_tasks):
        self.setscenetasks = set(setscene_tasks)

    def writeout_file_checksum_cache(self):
        if self.checksum_cache:
            self.checksum_cache.save_extras()
            self.checksum_cache.save_merge()
        else:
            bb.fetch2.fetcher_parse_save()
            bb.fetch2.fetcher_parse_done()

    def save_unitaskhashes(self):
        self.unihash_cache.save(self.unitaskhashes)

    # --- files

    def dump_sigtask(self, mcfn, task, stampbase, runtime):
        tid = "%s:%s" % (mcfn, task)
        complete = bool(runtime) and tid in self.taskhash
        stamp = stampbase
        if isinstance(runtime, str) and runtime.startswith("customfile"):
            sigfile = stampbase
            stamp = runtime[len("customfile:"):]
        elif complete:
            sigfile = "%s.%s.sigdata.%s" % (stampbase, task, self.get_unihash(tid))
        else:
            sigfile = "%s.%s.sigbasedata.%s" % (stampbase, task, self.basehash[tid])

        data = self._sigdata(mcfn, task)
        if complete:
            data.update(self._run_sigdata(tid))
        taint = self.read_taint(mcfn, task, stamp)
        if runtime and _NOSTAMP in self.taints.get(tid, ""):
            taint = self.taints[tid]
        if taint:
            data["taint"] = taint

        found = calc_basehash(data)
        if found != self.basehash[tid]:
            bb.error("Basehash mismatch %s versus %s for %s" % (found, self.basehash[tid], tid))
        if complete:
            found = calc_taskhash(data)
            if found != self.taskhash[tid]:
                bb.error("Taskhash mismatch %s versus %s for %s" % (found, self.taskhash[tid], tid))
                sigfile = sigfile.replace(self.taskhash[tid], found)
        write_sigfile(sigfile, data)

    def _sigdata(self, mcfn, task):
        """What the basehash of a task was made of."""
        known = self.datacaches[runqueue.mc_from_tid(mcfn)]
        reached = known.siggen_taskdeps[mcfn][task]
        gendeps, values = known.siggen_gendeps[mcfn], known.siggen_varvals[mcfn]
        counted = [name for name in reached if name not in self.basehash_ignore_vars]
        return {
            "task": task,
            "basehash_ignore_vars": self.basehash_ignore_vars,
            "taskhash_ignore_tasks": self.taskhash_ignore_tasks,
            "taskdeps": reached,
            "basehash": self.basehash["%s:%s" % (mcfn, task)],
            "gendeps": {name: gendeps[name] for name in counted},
            "varvals": {name: values[name] for name in [task, *counted]},
        }

    def _run_sigdata(self, tid):
        """What was added to it for the taskhash."""
        files = sorted(self.file_checksum_values[tid], key=clean_checksum_file_path)
        return {
            "runtaskdeps": [name for name, _ in sorted(self.runtaskdeps[tid])],
            "file_checksum_values": [(clean_checksum_file_path(entry), entry[1]) for entry in files],
            "runtaskhashes": {name: self.get_unihash(dep) for name, dep in self.runtaskdeps[tid]},
            "taskhash": self.taskhash[tid],
            "unihash": self.get_unihash(tid),
        }


class SignatureGeneratorBasicHash(SignatureGeneratorBasic):
    """Hashes that are part of the names of stamps: a task runs again when its hash is another."""

    name = "basichash"

    def get_stampfile_hash(self, tid):
        return self.taskhash[tid] if tid in self.taskhash else self.basehash[tid]

    def stampfile(self, stampbase, mcfn, taskname, extrainfo, clean=False):
        task = taskname[:-len(_SETSCENE)] if taskname.endswith(_SETSCENE) else taskname
        taskhash = "*" if clean else self.get_stampfile_hash("%s:%s" % (mcfn, task))
        return ("%s.%s.%s.%s" % (stampbase, taskname, taskhash, extrainfo)).rstrip(".")

    def stampcleanmask(self, stampbase, mcfn, taskname, extrainfo):
        return self.stampfile(stampbase, mcfn, taskname, extrainfo, clean=True)

    def invalidate_task(self, task, mcfn):
        bb.note("Tainting hash to force rebuild of task %s, %s" % (mcfn, task))
        path = "%s.%s.taint" % (self._stamp(mcfn), task)
        bb.utils.mkdirhier(os.path.dirname(path))
        # Any text will do that was never there before.
        with open(path, "w") as f:
            f.write(str(uuid.uuid4()))


class SignatureGeneratorUniHashMixIn:
    """Asks a hash server which outputs are the same, and tells it about new ones."""

    def __init__(self, data):
        self.extramethod = {}
        # Hashes the server is known to have. That it lacks one is never remembered, since that changes.
        self.unihash_exists_cache = set()
        self.username = None
        self.password = None
        self.env = {}
        original = data.getVar("BB_ORIGENV")
        for name in HASHSERV_ENVVARS:
            value = data.getVar(name) or (original.getVar(name) if original else None)
            if value:
                self.env[name] = value
        super().__init__(data)

    _OWN_TASKDATA = ("server", "method", "extramethod", "username", "password", "env")

    def get_taskdata(self):
        return tuple(getattr(self, name) for name in self._OWN_TASKDATA) + super().get_taskdata()

    def set_taskdata(self, data):
        count = len(self._OWN_TASKDATA)
        for name, value in zip(self._OWN_TASKDATA, data):
            setattr(self, name, value)
        super().set_taskdata(data[count:])

    # --- the server

    def get_hashserv_creds(self):
        if self.username and self.password:
            return {"username": self.username, "password": self.password}
        return {}

    @contextlib.contextmanager
    def _client_env(self):
        """The environment that the connection needs, for as long as it is used."""
        before = {name: os.environ.get(name) for name in self.env}
        os.environ.update(self.env)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    @contextlib.contextmanager
    def client(self):
        with self._client_env():
            if getattr(self, "_client", None) is None:
                import hashserv
                self._client = hashserv.create_client(self.server, **self.get_hashserv_creds())
            yield self._client

    def _close_client(self):
        with self._client_env():
            client, self._client = getattr(self, "_client", None), None
            if client is not None:
                client.close()

    def reset(self, data):
        self._close_client()
        return super().reset(data)

    def exit(self):
        self._close_client()
        return super().exit()

    def _warn_unreachable(self, error):
        bb.warn("Error contacting Hash Equivalence Server %s: %s" % (self.server, error))

    # --- known hashes

    def get_stampfile_hash(self, tid):
        # A task whose hash is another but whose output would be the same need not run.
        unihash = self._get_unihash(tid) if tid in self.taskhash else None
        return unihash if unihash is not None else super().get_stampfile_hash(tid)

    def _unihash_key(self, tid):
        mc, _, taskname, _ = runqueue.split_tid_mcfn(tid)
        return "%s:%s:%s" % (mc, self.tidtopn[tid], taskname)

    def set_unihash(self, tid, unihash):
        self.unitaskhashes[self._unihash_key(tid)] = (self.taskhash[tid], unihash)
        self.unihash[tid] = unihash

    def _get_unihash(self, tid, checkkey=None):
        """The unihash if one is known for the taskhash of a task."""
        if tid not in self.tidtopn:
            return None
        taskhash, unihash = self.unitaskhashes.get(self._unihash_key(tid), (None, None))
        return unihash if taskhash == (checkkey or self.taskhash[tid]) else None

    def get_cached_unihash(self, tid):
        taskhash = self.taskhash[tid]
        if self.setscenetasks and tid not in self.setscenetasks:
            self.unihash[tid] = None
            return taskhash
        unihash = self._get_unihash(tid)
        if unihash is not None:
            self.unihash[tid] = unihash
        return unihash

    # --- asking and telling

    def _get_method(self, tid):
        """How the output is hashed; hashes of different methods are never the same."""
        return self.method + self.extramethod.get(tid, "")

    def unihashes_exist(self, query):
        """For each key of a dictionary whether the server has the unihash that is its value."""
        found = {key: True for key, unihash in query.items() if unihash in self.unihash_exists_cache}
        asked = [key for key in query if key not in found]
        if asked:
            with self.client() as client:
                answers = client.unihash_exists_batch(query[key] for key in asked)
            for key, exists in zip(asked, answers):
                if exists:
                    self.unihash_exists_cache.add(query[key])
                found[key] = exists
        return found

    def get_unihash(self, tid):
        return self.get_unihashes([tid])[tid]

    def get_unihashes(self, tids):
        found = {}
        asked = []
        for tid in tids:
            unihash = self.get_cached_unihash(tid)
            if unihash:
                found[tid] = unihash
            else:
                asked.append(tid)
        answers = []
        if asked:
            try:
                with self.client() as client:
                    answers = client.get_unihash_batch((self._get_method(tid), self.taskhash[tid]) for tid in asked)
            except (ConnectionError, FileNotFoundError, EOFError) as exc:
                self._warn_unreachable(exc)
        for position, tid in enumerate(asked):
            taskhash = self.taskhash[tid]
            unihash = answers[position] if answers else None
            if unihash:
                check_hashserv_unihash(unihash)
                hashequiv_logger.bbdebug(2 if unihash == taskhash else 1,
                                         "Found unihash %s in place of %s for %s from %s" % (unihash, taskhash, tid, self.server))
            else:
                # Builders that know of no other unihash all choose this one.
                hashequiv_logger.debug2("No reported unihash for %s:%s from %s" % (tid, taskhash, self.server))
                unihash = taskhash
            self.set_unihash(tid, unihash)
            found[tid] = unihash
        return found

    def report_unihash(self, path, task, d):
        """Hashes the output of a task that has run and tells the server."""
        taskhash = d.getVar("BB_TASKHASH")
        # Taken as it is: it came from a server.
        unihash = d.getVar("BB_UNIHASH", expand=False)
        mcfn = d.getVar("BB_FILENAME")
        tid = "%s:do_%s" % (mcfn, task)
        if self.setscenetasks and tid not in self.setscenetasks:
            return
        if taskhash != self.taskhash[tid]:
            # A locked signature.
            return
        known = self._get_unihash(tid, checkkey=taskhash)
        if known is None:
            bb.fatal("%s:%s not in unihash cache. Please report this error" % (tid, taskhash))
        if known != unihash:
            bb.fatal("Cache unihash %s doesn't match BB_UNIHASH %s" % (known, unihash))

        tempdir = d.getVar("T")
        name = "depsig.do_%s.%d" % (task, os.getpid())
        with open(os.path.join(tempdir, name), "w+b") as sigfile:
            try:
                outhash = self._output_hash(path, sigfile, task, d)
                self._send_report(tid, task, taskhash, unihash, outhash, sigfile, d)
            except (ConnectionError, FileNotFoundError, EOFError) as exc:
                self._warn_unreachable(exc)
            finally:
                link = os.path.join(tempdir, "depsig.do_%s" % task)
                bb.utils.remove(link)
                with contextlib.suppress(OSError):
                    os.symlink(name, link)

    def _output_hash(self, path, sigfile, task, d):
        names = {"path": path, "sigfile": sigfile, "task": task, "d": d}
        function = self.method
        if "." in function:
            import importlib
            module, _, function = function.rpartition(".")
            names["method"] = getattr(importlib.import_module(module), function)
            function = "method"
        return bb.utils.better_eval(function + "(path, sigfile, task, d)", names)

    def _send_report(self, tid, task, taskhash, unihash, outhash, sigfile, d):
        extra = {}
        if d.getVar("SSTATE_HASHEQUIV_OWNER"):
            extra["owner"] = d.getVar("SSTATE_HASHEQUIV_OWNER")
        if d.getVar("SSTATE_HASHEQUIV_REPORT_TASKDATA") == "1":
            sigfile.seek(0)
            extra.update({name: d.getVar(name) for name in ("PN", "PV", "PR")})
            extra["task"] = task
            extra["outhash_siginfo"] = sigfile.read().decode("utf-8")
        with self.client() as client:
            new = client.report_unihash(taskhash, self._get_method(tid), outhash, unihash, extra)["unihash"]
        check_hashserv_unihash(new)
        if new == unihash:
            hashequiv_logger.debug("Reported task %s as unihash %s to %s" % (taskhash, unihash, self.server))
            return
        hashequiv_logger.debug("Task %s unihash changed %s -> %s by server %s" % (taskhash, unihash, new, self.server))
        bb.event.fire(runqueue.taskUniHashUpdate(tid, new), d)
        self.set_unihash(tid, new)
        d.setVar("BB_UNIHASH", new)

    def report_unihash_equiv(self, tid, taskhash, wanted_unihash, current_unihash, datacaches):
        """Asks the server to take a task's hash for another. True if it did."""
        try:
            with self.client() as client:
                answer = client.report_unihash_equiv(taskhash, self._get_method(tid), wanted_unihash, {})
        except (ConnectionError, FileNotFoundError, EOFError) as exc:
            self._warn_unreachable(exc)
            return False
        hashequiv_logger.verbose("Reported task %s as unihash %s to %s (%s)" % (tid, wanted_unihash, self.server, answer))
        if answer is None:
            bb.warn("Server unable to handle unihash report")
            return False
        new = answer["unihash"]
        check_hashserv_unihash(new)
        if new == current_unihash:
            hashequiv_logger.verbose("Task %s unihash %s unchanged by server" % (tid, new))
        elif new == wanted_unihash:
            hashequiv_logger.verbose("Task %s unihash changed %s -> %s as wanted" % (tid, current_unihash, new))
            self.set_unihash(tid, new)
            return True
        else:
            hashequiv_logger.verbose("Task %s unihash reported as unwanted hash %s" % (tid, new))
        return False


class SignatureGeneratorTestEquivHash(SignatureGeneratorUniHashMixIn, SignatureGeneratorBasicHash):
    """The least that works with a hash server; for tests."""

    name = "TestEquivHash"

    def init_rundepcheck(self, data):
        super().init_rundepcheck(data)
        self.server = data.getVar("BB_HASHSERVE")
        self.method = "sstate_output_hash"
