"""What metadata uses of the run queue: task ids, and the events about tasks.

A task id is `FILE:TASK`, in a multiconfig `mc:NAME:FILE:TASK`. The queue
itself is the engine's.
"""

import bb.event


def fn_from_tid(tid):
    """The recipe of a task id, with the multiconfig if there is one."""
    return tid.rsplit(":", 1)[0]


def taskname_from_tid(tid):
    """The task name of a task id."""
    return tid.rpartition(":")[2]


def split_mc(n):
    """(multiconfig or "", the rest) of a task id, recipe or target."""
    if n.startswith("mc:") and n.count(":") >= 2:
        _, mc, rest = n.split(":", 2)
        return mc, rest
    return "", n


def mc_from_tid(tid):
    """The multiconfig of a task id, or ""."""
    return split_mc(tid)[0]


def split_tid_mcfn(tid):
    """(multiconfig, recipe, task name, recipe with multiconfig) of a task id."""
    mc, rest = split_mc(tid)
    fn, _, taskname = rest.rpartition(":")
    return mc, fn, taskname, "mc:%s:%s" % (mc, fn) if mc else fn


def split_tid(tid):
    """(multiconfig, recipe, task name) of a task id."""
    return split_tid_mcfn(tid)[:3]


def build_tid(mc, fn, taskname):
    """The task id of a task."""
    return "mc:%s:%s:%s" % (mc, fn, taskname) if mc else "%s:%s" % (fn, taskname)


class RunQueueStats:
    """How many tasks there are, and what became of them."""

    def __init__(self, total, setscene_total):
        self.total = total
        self.completed = self.skipped = self.failed = self.active = 0
        self.setscene_total = setscene_total
        self.setscene_active = self.setscene_covered = self.setscene_notcovered = 0

    def copy(self):
        """The numbers as they are now."""
        snapshot = type(self)(self.total, self.setscene_total)
        vars(snapshot).update(vars(self))
        return snapshot

    def taskActive(self):
        self.active += 1

    def taskSkipped(self):
        # Whoever skips a task still reports its completion.
        self.active += 1
        self.skipped += 1

    def taskCompleted(self):
        self.active -= 1
        self.completed += 1

    def taskFailed(self):
        self.active -= 1
        self.failed += 1

    def updateCovered(self, covered, notcovered):
        self.setscene_covered = covered
        self.setscene_notcovered = notcovered

    def updateActiveSetscene(self, active):
        self.setscene_active = active


class TaskFailure(Exception):
    """Tasks could not be run; the arguments are their ids."""

    def __init__(self, x):
        self.args = x


class runQueueExitWait(bb.event.Event):
    """The build stops once the `remain` running tasks are done."""

    def __init__(self, remain):
        super().__init__()
        self.remain = remain
        self.message = "Waiting for %s active tasks to finish" % remain


class runQueueEvent(bb.event.Event):
    """Something happened to a task."""

    def __init__(self, task, stats, rq):
        super().__init__()
        self.taskid = self.taskstring = task
        self.taskname = taskname_from_tid(task)
        self.taskfile = fn_from_tid(task)
        self.taskhash = rq.rqdata.get_task_hash(task)
        self.stats = stats.copy()


class sceneQueueEvent(runQueueEvent):
    """Something happened to a setscene task."""

    def __init__(self, task, stats, rq, noexec=False):
        super().__init__(task, stats, rq)
        self.taskstring += "_setscene"
        self.taskname += "_setscene"


class runQueueTaskStarted(runQueueEvent):
    """A task begins; with `noexec` there is nothing to run."""

    def __init__(self, task, stats, rq, noexec=False):
        super().__init__(task, stats, rq)
        self.noexec = noexec


class sceneQueueTaskStarted(sceneQueueEvent):
    """A setscene task begins; with `noexec` there is nothing to run."""

    def __init__(self, task, stats, rq, noexec=False):
        super().__init__(task, stats, rq)
        self.noexec = noexec


class runQueueTaskFailed(runQueueEvent):
    """A task failed."""

    def __init__(self, task, stats, exitcode, rq, fakeroot_log=None):
        super().__init__(task, stats, rq)
        self.exitcode = exitcode
        self.fakeroot_log = fakeroot_log

    def __str__(self):
        text = "Task (%s) failed with exit code '%s'" % (self.taskstring, self.exitcode)
        return "%s \nPseudo log:\n%s" % (text, self.fakeroot_log) if self.fakeroot_log else text


class sceneQueueTaskFailed(sceneQueueEvent):
    """A setscene task failed."""

    def __init__(self, task, stats, exitcode, rq):
        super().__init__(task, stats, rq)
        self.exitcode = exitcode

    def __str__(self):
        return ("Setscene task (%s) failed with exit code '%s' - real task will be run instead"
                % (self.taskstring, self.exitcode))


class sceneQueueComplete(sceneQueueEvent):
    """All setscene tasks are done."""

    def __init__(self, stats, rq):
        bb.event.Event.__init__(self)
        self.stats = stats.copy()


class runQueueTaskCompleted(runQueueEvent):
    """A task is done."""


class sceneQueueTaskCompleted(sceneQueueEvent):
    """A setscene task is done."""


class runQueueTaskSkipped(runQueueEvent):
    """A task need not run."""

    def __init__(self, task, stats, rq, reason):
        super().__init__(task, stats, rq)
        self.reason = reason


class taskUniHashUpdate(bb.event.Event):
    """A running task found out its unified hash."""

    def __init__(self, task, unihash):
        super().__init__()
        self.taskid = task
        self.unihash = unihash


class PSIEvent(bb.event.Event):
    """The machine's pressure began or ceased to hold back new tasks."""

    def __init__(self, pressure_state, pressure_values):
        super().__init__()
        self.pressure_state = pressure_state
        self.pressure_values = pressure_values


def get_setscene_enforce_ignore_tasks(d, targets):
    """`TARGET:TASK` entries that may run although setscene is enforced; None if it isn't.

    `%:TASK` stands for the task of every target.
    """
    if d.getVar("BB_SETSCENE_ENFORCE") != "1":
        return None
    entries = []
    for entry in (d.getVar("BB_SETSCENE_ENFORCE_IGNORE_TASKS") or "").split():
        if entry.startswith("%:"):
            task = entry.split(":")[1]
            entries.extend("%s:%s" % (target, task) for _, target, _, _ in targets)
        else:
            entries.append(entry)
    return entries


def check_setscene_enforce_ignore_tasks(pn, taskname, ignore_tasks):
    """Whether `PN:TASK` matches one of the entries, if there are any."""
    import fnmatch
    if ignore_tasks is None:
        return True
    return any(fnmatch.fnmatch("%s:%s" % (pn, taskname), entry) for entry in ignore_tasks)
