# SPDX-License-Identifier: Apache-2.0
"""Tasks of a recipe: declaring them, their stamps, the events about running them; and running them, in `bb.build.execute`."""

import builtins
import glob
import logging
import os
import sys
import time

import bb
import bb.utils
from bb import event
from bb._engine import engine

bblogger = logging.getLogger("BitBake")
logger = logging.getLogger("BitBake.Build")

verboseShellLogging = False
verboseStdoutLogging = False

# Functions of metadata name these wherever they are called from.
builtins.bb = bb
builtins.os = os


class TaskBase(event.Event):
    """An event about a task."""

    def __init__(self, t, fn, logfile, d):
        super().__init__()
        self._task = t
        self._fn = fn
        self._package = d.getVar("PF")
        self._mc = d.getVar("BB_CURRENT_MC")
        self.taskfile = d.getVar("FILE")
        self.taskname = t
        self.logfile = logfile
        self.time = time.time()
        self.pn = d.getVar("PN")
        self.pv = d.getVar("PV")
        self._message = "recipe %s: task %s: %s" % (self._package, t, self.getDisplayName())

    def getTask(self):
        return self._task

    def setTask(self, task):
        self._task = task

    task = property(getTask, setTask)

    def getDisplayName(self):
        return event.getName(self)[len("Task"):]


class TaskStarted(TaskBase):
    """A task begins."""

    def __init__(self, t, fn, logfile, taskflags, d):
        super().__init__(t, fn, logfile, d)
        self.taskflags = taskflags


class TaskSucceeded(TaskBase):
    """A task did what it should."""


class TaskFailed(TaskBase):
    """A task failed. `errprinted`: its messages were shown already."""

    def __init__(self, task, fn, logfile, metadata, errprinted=False):
        self.errprinted = errprinted
        super().__init__(task, fn, logfile, metadata)


class TaskFailedSilent(TaskBase):
    """A task failed and nobody is to be told."""

    def getDisplayName(self):
        return "Failed"


class TaskInvalid(TaskBase):
    """There is no such task."""

    def __init__(self, task, fn, metadata):
        super().__init__(task, fn, None, metadata)
        self._message = "No such task '%s'" % task


class TaskProgress(event.Event):
    """How far a running task is: 0 to 100, or a negative number where the end is not known; and how fast, as text."""

    def __init__(self, progress, rate=None):
        super().__init__()
        self.progress = progress
        self.rate = rate


class LogTee:
    """A log file whose text is also shown."""

    def __init__(self, logger, outfile):
        self.logger = logger
        self.outfile = outfile
        self.name = outfile.name

    def write(self, string):
        self.logger.plain(string)
        self.outfile.write(string)

    def flush(self):
        self.outfile.flush()

    def __enter__(self):
        self.outfile.__enter__()
        return self

    def __exit__(self, *excinfo):
        self.outfile.__exit__(*excinfo)

    def __repr__(self):
        return "<LogTee %s>" % self.name


class StdoutNoopContextManager:
    """Standard output as something that a `with` statement doesn't close."""

    def __enter__(self):
        return sys.stdout

    def __exit__(self, *excinfo):
        pass

    def write(self, string):
        return sys.stdout.write(string)

    def flush(self):
        sys.stdout.flush()

    @property
    def name(self):
        return getattr(sys.stdout, "name", "<mem>")


# --- declaring tasks ----------------------------------------------------------------------------------------------------------------


def ensure_task_prefix(name):
    return name if name.startswith("do_") else "do_" + name


def addtask(task, before, after, d):
    """Declares a task. `before` and `after` are lists of words, or None."""
    engine.addtask(d, task, (before or "").split(), (after or "").split())


def deltask(task, d):
    """Removes a task, and every dependency on it."""
    engine.deltask(d, task)


def add_tasks(tasklist, d):
    """Makes the table of tasks, the variable _task_deps."""
    engine.add_tasks(d, list(tasklist))


def listtasks(d):
    """The tasks of the recipe."""
    return tuple(d.getVar("__BBTASKS", False) or ())


def preceedtask(task, with_recrdeptasks, d):
    """The tasks of the recipe that a task waits for, on request with those of its flag recrdeptask."""
    if task not in listtasks(d):
        return set()
    found = set(d.getVarFlag(task, "deps") or [])
    if with_recrdeptasks:
        found.update((d.getVarFlag(task, "recrdeptask") or "").split())
    return found


def tasksbetween(task_start, task_end, d):
    """The tasks on all ways from one task to another that waits for it, both included."""
    waits = {task: d.getVarFlag(task, "deps", False) or [] for task in engine.names_with_flag(d, "task")}
    found = []

    def follow(task, chain):
        if task in chain:
            bb.fatal("Circular task dependencies as %s depends on itself via the chain %s" % (task, " -> ".join(chain)))
        chain = chain + [task]
        if task == task_end:
            found.extend(name for name in chain if name not in found)
            return
        for other, deps in waits.items():
            if other != task and task in deps:
                follow(other, chain)

    follow(task_start, [])
    return found


# --- stamps -------------------------------------------------------------------------------------------------------------------------


def _stamp_masks(taskname, mcfn):
    """Patterns of the stamps of a task and of its setscene task."""
    mask = bb.parse.siggen.stampcleanmask_mcfn(taskname, mcfn)
    if not mask:
        return []
    name = taskname.replace("_setscene", "")
    return [mask, mask.replace(name, name + "_setscene")]


def _stamps(taskname, mcfn):
    """The stamps there are of a task, whatever its hash was. Signatures and taints, which are named alike, are none."""
    for mask in _stamp_masks(taskname, mcfn):
        for path in glob.glob(mask):
            if "sigdata" not in path and "sigbasedata" not in path and not path.endswith(".taint"):
                yield path


def clean_stamp_mcfn(task, mcfn):
    for path in _stamps(task, mcfn):
        os.unlink(path)


def clean_stamp(task, d):
    """Removes the stamps of a task: it will run again."""
    clean_stamp_mcfn(task, d.getVar("BB_FILENAME"))


del_stamp = clean_stamp


# In the process of a task: its name, the stamp that the program wants (None if none), patterns of those it replaces, and whether to
# write down what went into the hash. The program has worked out all of that.
expected_stamp = None


def _make_expected_stamp(path, masks):
    if not path:
        return
    bb.utils.mkdirhier(os.path.dirname(path))
    for mask in masks:
        for old in glob.glob(mask):
            if "sigdata" not in old and "sigbasedata" not in old and not old.endswith(".taint"):
                os.unlink(old)
    bb.utils.remove(path)
    with open(path, "w"):
        pass


def make_stamp_mcfn(task, mcfn):
    stamp = bb.parse.siggen.stampfile_mcfn(task, mcfn)
    bb.utils.mkdirhier(os.path.dirname(stamp))
    clean_stamp_mcfn(task, mcfn)
    if stamp:
        # Some network file systems change the time of a file only when it is made.
        bb.utils.remove(stamp)
        with open(stamp, "w"):
            pass


def make_stamp(task, d):
    """Notes that a task is done, with all that went into its hash."""
    mcfn = d.getVar("BB_FILENAME")
    expected = expected_stamp if expected_stamp and expected_stamp[0] == task else None
    # The stamp comes last: once it is there, nobody comes back for the rest.
    if not task.endswith("_setscene") and (expected is None or expected[3]):
        bb.parse.siggen.dump_sigtask(mcfn, task, bb.parse.siggen.stampfile_base(mcfn), True)
    if expected:
        _make_expected_stamp(*expected[1:3])
    else:
        make_stamp_mcfn(task, mcfn)


def find_stale_stamps(task, mcfn):
    """The stamps of a task that belong to another hash than its present one."""
    current = [bb.parse.siggen.stampfile_mcfn(name, mcfn) for name in (task, task + "_setscene")]
    found = []
    for path in _stamps(task, mcfn):
        if path not in current:
            logger.debug2("Stampfile %s does not match %s or %s" % (path, *current))
            found.append(path)
    return found


def write_taint(task, d):
    """Changes the hash of a task: it and all that depends on it will run again."""
    bb.parse.siggen.invalidate_task(task, d.getVar("BB_FILENAME"))


from bb.build.execute import (
    _exec_task,
    _task_data,
    cached_mtime_noerror,
    create_progress_handler,
    exec_func,
    exec_func_python,
    exec_func_shell,
    exec_task,
    logformatter,
    reset_cache,
    shell_trap_code,
)
