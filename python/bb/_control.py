# SPDX-License-Identifier: Apache-2.0
"""The control process: runs the handlers and functions of metadata whose state spans the whole build."""

import importlib
import json
import logging
import os
import traceback
import types

import bb
import bb.event
import bb.parse
import bb.runqueue
import bb.utils
from bb._engine import engine
from bb._task import Teller

logger = logging.getLogger("BitBake")


class Control:
    """Answers the program's questions. Each public method is one; its arguments and its result are what JSON knows."""

    def __init__(self, stores, program):
        self.stores = stores
        self.data = stores[""]
        self.teller = Teller(program, logging.INFO - 1, {})
        bb.event.worker_pid = os.getpid()
        bb.event.worker_fire = self.teller.fire
        logger.handlers[:] = [bb.event.LogHandler()]
        if not hasattr(bb.parse, "siggen"):
            bb.parse.init_parser(self.data)

    def answer(self, function, arguments):
        """Calls a method; gives its result as a JSON text, or None after saying what went wrong."""
        try:
            result = getattr(self, function)(*json.loads(arguments))
            return json.dumps(result)
        except bb.BBHandledException:
            return None
        except (Exception, SystemExit):
            logger.critical(traceback.format_exc())
            return None

    def wanted(self):
        """The names of the classes of events that handlers want; None if one wants all."""
        return engine.wanted_events()

    def fire(self, mc, name, fields):
        """Makes an event and fires it."""
        bb.event.fire(_make_event(name, fields), self.stores[mc])

    def hash_check(self, sq_data, siginfo, currentcount, summary):
        """The tasks whose output can be had; None if metadata has no opinion."""
        function = self.data.getVar("BB_HASHCHECK_FUNCTION")
        if not function:
            return None
        names = {"sq_data": sq_data, "d": self.data, "siginfo": siginfo, "currentcount": currentcount, "summary": summary}
        call = function + "(sq_data, d, siginfo=siginfo, currentcount=currentcount, summary=summary)"
        return sorted(bb.utils.better_eval(call, names))

    def depvalid(self, questions, notneeded):
        """For each task, whether those that depend on it can do without; None if metadata has no opinion."""
        function = self.data.getVar("BB_SETSCENE_DEPVALID")
        if not function:
            return None
        answers = []
        for question in questions:
            taskdata = {tid: list(entry) for tid, entry in question["taskdata"].items()}
            names = {"task": question["task"], "taskdata": taskdata, "notneeded": set(notneeded), "d": self.data}
            answers.append(bool(bb.utils.better_eval(function + "(task, taskdata, notneeded, d)", names)))
        return answers


def _stats(numbers):
    stats = bb.runqueue.RunQueueStats(numbers["total"], numbers["setscene_total"])
    vars(stats).update(numbers)
    return stats


def _make_event(name, fields):
    """The event object that the program describes."""
    module, _, class_name = name.rpartition(".")
    cls = getattr(importlib.import_module(module), class_name)
    if "arguments" in fields:
        return cls(*fields["arguments"])
    stats = _stats(fields.pop("stats"))
    # The events ask the run queue for one thing only.
    taskhash = fields.pop("taskhash", None)
    queue = types.SimpleNamespace(rqdata=types.SimpleNamespace(get_task_hash=lambda tid: taskhash))
    if "tid" not in fields:
        return cls(stats, queue)
    if class_name.startswith("sceneQueue"):
        fields.pop("fakeroot_log", None)
    return cls(task=fields.pop("tid"), stats=stats, rq=queue, **fields)
