# SPDX-License-Identifier: Apache-2.0
"""The process of one task, forked from the host: from reading the recipe to the exit code."""

import json
import logging
import os
import signal
import sys
import traceback

import bb
import bb.build
import bb.build.execute
import bb.cache
import bb.data
import bb.event
import bb.msg
import bb.parse
import bb.process
import bb.utils

logger = logging.getLogger("BitBake")

# The values that stand for a signature generator's taints.
_NO_SETSCENE = ""


def prepare(stores):
    """Does, in the process that forks all children, what they can share. `stores` are those of the configurations."""
    import gc
    # What nearly every task would import by itself.
    import ctypes  # noqa: F401
    import select  # noqa: F401
    import subprocess  # noqa: F401
    import bb.progress  # noqa: F401

    if not hasattr(bb.parse, "siggen"):
        bb.parse.init_parser(stores[""])
    # What is there now stays: children needn't look through it, which would copy its memory.
    gc.collect()
    gc.freeze()


def fork(environment):
    """os.fork with further variables in the environment, which stay in the child."""
    before = {name: os.environ.get(name) for name, _ in environment}
    os.environ.update(environment)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return pid


class Teller:
    """Passes log records and events on to the program."""

    def __init__(self, program, level, domains):
        self.program = program
        self._least = min([level, *domains.values()])
        self._level = level
        self._domains = domains

    def fire(self, event, d=None):
        """Takes the place of `bb.event.worker_fire`."""
        if isinstance(event, logging.LogRecord):
            self._log(event)
        else:
            self._event(event)

    def _log(self, record):
        if record.levelno < self._least or (record.levelno < self._level
                                            and record.levelno < self._domains.get(record.name, self._level)):
            return
        text = record.getMessage()
        formatted = getattr(record, "bb_exc_formatted", None)
        if formatted:
            text = "%s\n%s" % (text, "".join(formatted))
        self.program.log(record.levelno, record.name, text, bool(getattr(record, "forcelog", False)))

    def _event(self, event):
        import pickle
        try:
            pickled = pickle.dumps(event)
        except Exception:
            pickled = b""
        attributes = {name: value for name, value in vars(event).items() if name != "data"}
        self.program.fired(bb.event._mask_name(event), json.dumps(attributes, default=repr), pickled)


class TaskTeller(Teller):
    """The same for a task, whose progress the program follows."""

    def _event(self, event):
        if isinstance(event, bb.build.TaskBase) and type(event).__module__ == "bb.build":
            text = lambda value: "" if value is None else str(value)
            self.program.phase(type(event).__name__, text(event.pn), text(event.pv), text(event._package), event.taskname,
                               text(event.logfile), bool(getattr(event, "errprinted", False)))
        elif isinstance(event, bb.build.TaskProgress):
            self.program.progress(float(event.progress), event.rate if event.rate is None else str(event.rate))
        else:
            if type(event).__name__ == "taskUniHashUpdate":
                self.program.unihash_changed(event.taskid, event.unihash)
            super()._event(event)


def _listen(child):
    """Sends messages and events of this process to the program."""
    level, domains = child.levels
    teller = TaskTeller(child, level, dict(domains))
    bb.msg.loggerDefaultLogLevel = level
    bb.msg.loggerDefaultDomains = dict(domains)
    bb.event.worker_pid = os.getpid()
    bb.event.worker_fire = teller.fire
    logger.handlers[:] = [bb.event.LogHandler()]
    # The task's log has everything.
    logger.setLevel(logging.DEBUG - 2)


def _end_group(signum, frame):
    """Ends the whole process group of the task along with it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.killpg(0, signal.SIGTERM)
    sys.exit()


def _teach(child, d):
    """Tells the signature generator what it is asked about in a task."""
    siggen = bb.parse.siggen
    fn, tid = child.file, child.tid
    # A server that was started for the build has its address only since then.
    if getattr(siggen, "server", None) is not None:
        siggen.server = d.getVar("BB_HASHSERVE")
    taskhash, unihash = child.hashes
    task_tid = tid[:-len("_setscene")] if tid.endswith("_setscene") else tid

    def learn(tid, pn, taskhash, unihash):
        siggen.tidtopn[tid] = pn
        siggen.taskhash[tid] = taskhash
        if hasattr(siggen, "set_unihash"):
            siggen.set_unihash(tid, unihash)
        else:
            siggen.unihash[tid] = unihash
        if hasattr(siggen, "lockedpnmap"):
            siggen.lockedpnmap[bb.runqueue.fn_from_tid(tid)] = pn

    learn(task_tid, d.getVar("PN"), taskhash, unihash)
    data = child.signature
    if data is None:
        # Whoever asks for more than the hashes finds nothing else in them.
        siggen.runtaskdeps[task_tid] = []
        siggen.file_checksum_values[task_tid] = []
    else:
        siggen.basehash[task_tid] = data["basehash"]
        siggen.runtaskdeps[task_tid] = [(name, dep) for name, dep, _ in data["runtaskdeps"]]
        siggen.file_checksum_values[task_tid] = [tuple(entry) for entry in data["file_checksums"]]
        if data["taint"] is not None:
            siggen.taints[task_tid] = data["taint"]
        # Tasks without setscene variant are known by their taskhash alone; a set that is empty would mean all of them.
        siggen.setscenetasks = {_NO_SETSCENE}
        if data["setscene"]:
            siggen.setscenetasks.add(task_tid)
        for name, dep, dep_unihash in data["runtaskdeps"]:
            pn, dep_taskhash = child.dependency(dep) or (name.rpartition(":")[0], dep_unihash)
            learn(dep, pn, dep_taskhash, dep_unihash)
            if dep_taskhash != dep_unihash:
                siggen.setscenetasks.add(dep)
    siggen.setup_datacache_from_datastore(fn, d)


def _begin(child):
    """Reads the recipe and sets up the surroundings of its task; gives the store."""
    signal.signal(signal.SIGTERM, _end_group)
    # Let it do the same as the other.
    signal.signal(signal.SIGHUP, _end_group)
    bb.build.verboseShellLogging, bb.build.verboseStdoutLogging = child.verbose
    path, masks = child.stamp or (None, [])
    bb.build.expected_stamp = child.task, path, masks, bool(child.signature and child.signature["write"])

    uid, gid = os.getuid(), os.getgid()
    d = child.read()
    _teach(child, d)
    bb.utils.set_process_name("%s:%s" % (d.getVar("PN"), child.task.replace("do_", "")))
    if not bb.utils.to_boolean(d.getVarFlag(child.task, "network")):
        if bb.utils.is_local_uid(uid):
            logger.debug("Attempting to disable network for %s" % child.task)
            bb.utils.disable_network(uid, gid)
        else:
            logger.debug("Skipping disable network for %s since %s is not a local uid." % (child.task, uid))
    bb.utils.empty_environment()
    os.environ.update(child.environment(d))
    return d


def main(child):
    """Runs the task; gives the exit code."""
    _listen(child)
    try:
        d = _begin(child)
    except Exception:
        if not child.quiet:
            logger.critical(traceback.format_exc())
        return 1
    if child.dry_run:
        return 0
    try:
        try:
            return bb.build.exec_task(child.file, child.task, d)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            if child.fakeroot:
                import shlex
                import subprocess
                # Have it write down what it knows of the files before anybody looks at them.
                subprocess.run(shlex.split(d.getVar("FAKEROOTCMD")) + ["-S"], check=True, stdout=subprocess.PIPE)
    except BaseException:
        return 1
