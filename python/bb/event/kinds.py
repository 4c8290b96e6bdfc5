"""The classes of events. Their attributes are what handlers of metadata read."""

import sys


class Event:
    """Anything that is told to handlers and user interfaces."""

    def __init__(self):
        self.pid = sys.modules["bb.event"].worker_pid


class HeartbeatEvent(Event):
    """Every ten seconds, whatever else happens."""

    def __init__(self, time):
        super().__init__()
        self.time = time


# ---- operations that take their time

class OperationStarted(Event):
    """Something lengthy begins."""

    def __init__(self, msg="Operation Started"):
        Event.__init__(self)
        self.msg = msg


class OperationCompleted(Event):
    """Something lengthy is done."""

    def __init__(self, total, msg="Operation Completed"):
        Event.__init__(self)
        self.total = total
        self.msg = msg


class OperationProgress(Event):
    """Something lengthy is going on."""

    def __init__(self, current, total, msg="Operation in Progress"):
        Event.__init__(self)
        self.current = current
        self.total = total
        self.msg = "%s: %s/%s" % (msg, current, total)


class ParseStarted(OperationStarted):
    """The recipes are about to be parsed."""

    def __init__(self, total):
        super().__init__("Recipe parsing Started")
        self.total = total


class ParseProgress(OperationProgress):
    """Some recipes are parsed."""

    def __init__(self, current, total):
        super().__init__(current, total, "Recipe parsing")


class ParseCompleted(OperationCompleted):
    """All recipes are parsed."""

    def __init__(self, cached, parsed, skipped, masked, virtuals, errors, total):
        super().__init__(total, "Recipe parsing Completed")
        self.cached = cached
        self.parsed = parsed
        self.skipped = skipped
        self.masked = masked
        self.virtuals = virtuals
        self.errors = errors
        self.sofar = cached + parsed


class CacheLoadStarted(OperationStarted):
    """The parse cache is about to be read."""

    def __init__(self, total):
        super().__init__("Loading cache Started")
        self.total = total


class CacheLoadProgress(OperationProgress):
    """Part of the parse cache is read."""

    def __init__(self, current, total):
        super().__init__(current, total, "Loading cache")


class CacheLoadCompleted(OperationCompleted):
    """The parse cache is read."""

    def __init__(self, total, num_entries):
        super().__init__(total, "Loading cache Completed")
        self.num_entries = num_entries


class TreeDataPreparationStarted(OperationStarted):
    """The dependency tree is about to be prepared."""

    def __init__(self):
        super().__init__("Preparing tree data Started")


class TreeDataPreparationProgress(OperationProgress):
    """Part of the dependency tree is prepared."""

    def __init__(self, current, total):
        super().__init__(current, total, "Preparing tree data")


class TreeDataPreparationCompleted(OperationCompleted):
    """The dependency tree is prepared."""

    def __init__(self, total):
        super().__init__(total, "Preparing tree data Completed")


class ProcessStarted(Event):
    """A step of the start-up begins; `total` is the value of 100 %."""

    def __init__(self, processname, total):
        super().__init__()
        self.processname = processname
        self.total = total


class ProcessProgress(Event):
    """A step of the start-up is going on."""

    def __init__(self, processname, progress):
        super().__init__()
        self.processname = processname
        self.progress = progress


class ProcessFinished(Event):
    """A step of the start-up is done."""

    def __init__(self, processname):
        super().__init__()
        self.processname = processname


# ---- configuration and recipes

class ConfigParsed(Event):
    """The configuration of one multiconfig is read."""


class MultiConfigParsed(Event):
    """All configurations are read; `mcdata` maps multiconfig to store."""

    def __init__(self, mcdata):
        super().__init__()
        self.mcdata = mcdata


class RecipeEvent(Event):
    """A point in the parsing of the recipe file `fn`."""

    def __init__(self, fn):
        super().__init__()
        self.fn = fn


class RecipePreDeferredInherits(RecipeEvent):
    """Before the classes of inherit_defer are read; `inherits` are their names, unexpanded."""

    def __init__(self, fn, inherits):
        super().__init__(fn)
        self.inherits = inherits


class RecipePreFinalise(RecipeEvent):
    """All files are read, anonymous functions have not run yet."""


class RecipePostKeyExpansion(RecipeEvent):
    """Variable names that contain variables are expanded."""


class RecipeTaskPreProcess(RecipeEvent):
    """The list of tasks is final; handlers may still change their dependencies."""

    def __init__(self, fn, tasklist):
        super().__init__(fn)
        self.tasklist = tasklist


class RecipeParsed(RecipeEvent):
    """The recipe is finished."""


class ParseError(Event):
    """Parsing failed."""

    def __init__(self, msg):
        super().__init__()
        self._msg = msg


# ---- the build

class BuildBase(Event):
    """A build of the targets `pkgs`, called `name`."""

    def __init__(self, n, p, failures=0):
        Event.__init__(self)
        self._name = n
        self._pkgs = p
        self._failures = failures

    def getPkgs(self):
        return self._pkgs

    def setPkgs(self, pkgs):
        self._pkgs = pkgs

    def getName(self):
        return self._name

    def setName(self, name):
        self._name = name

    def getFailures(self):
        """Number of targets that failed."""
        return self._failures

    pkgs = property(getPkgs, setPkgs, None, "The targets.")
    name = property(getName, setName, None, "The name of the build.")


class BuildInit(BuildBase):
    """A build was asked for."""

    def __init__(self, p=()):
        super().__init__(None, list(p))


class BuildStarted(BuildBase, OperationStarted):
    """A build begins."""

    def __init__(self, n, p, failures=0):
        OperationStarted.__init__(self, "Building Started")
        BuildBase.__init__(self, n, p, failures)


class BuildCompleted(BuildBase, OperationCompleted):
    """A build is over."""

    def __init__(self, total, n, p, failures=0, interrupted=0):
        OperationCompleted.__init__(self, total, "Building Failed" if failures else "Building Succeeded")
        BuildBase.__init__(self, n, p, failures)
        self._interrupted = interrupted


class DiskFull(Event):
    """The disk monitor stops the build."""

    def __init__(self, dev, type, freespace, mountpoint):
        super().__init__()
        self._dev = dev
        self._type = type
        self._free = freespace
        self._mountpoint = mountpoint


class DiskUsageSample:
    """Space on one device in bytes: for ordinary users, for root too, altogether."""

    def __init__(self, available_bytes, free_bytes, total_bytes):
        self.available_bytes = available_bytes
        self.free_bytes = free_bytes
        self.total_bytes = total_bytes


class MonitorDiskEvent(Event):
    """The disk monitor looked; `disk_usage` maps device to DiskUsageSample."""

    def __init__(self, disk_usage):
        super().__init__()
        self.disk_usage = disk_usage


class NoProvider(Event):
    """Nothing builds `item`."""

    def __init__(self, item, runtime=False, dependees=None, reasons=None, close_matches=None):
        super().__init__()
        self._item = item
        self._runtime = runtime
        self._dependees = dependees
        self._reasons = reasons
        self._close_matches = close_matches

    def getItem(self):
        return self._item

    def isRuntime(self):
        return self._runtime

    def __str__(self):
        kind = "R" if self._runtime else ""
        text = "Nothing %sPROVIDES '%s'" % (kind, self._item)
        if self._dependees:
            text += " (but %s %sDEPENDS on or otherwise requires it)" % (", ".join(self._dependees), kind)
        if self._reasons:
            text = "\n".join([text, *self._reasons])
        elif self._close_matches:
            text += ". Close matches:\n  " + "\n  ".join(sorted(set(self._close_matches)))
        return text


class MultipleProviders(Event):
    """Several recipes build `item`, and none of them is preferred."""

    def __init__(self, item, candidates, runtime=False):
        super().__init__()
        self._item = item
        self._candidates = candidates
        self._is_runtime = runtime

    def isRuntime(self):
        return self._is_runtime

    def getItem(self):
        return self._item

    def getCandidates(self):
        return self._candidates

    def __str__(self):
        long, short = ("runtime ", "R") if self._is_runtime else ("", "")
        return ("Multiple providers are available for %s%s (%s)\n"
                "Consider defining a PREFERRED_%sPROVIDER entry to match %s"
                % (long, self._item, ", ".join(self._candidates), short, self._item))


class ReachableStamps(Event):
    """After parsing: all stamps that recipes can still use, for cleaning up the others."""

    def __init__(self, stamps):
        super().__init__()
        self.stamps = stamps


class StaleSetSceneTasks(Event):
    """Setscene tasks that will run again: `tasks` maps them to their old stamps."""

    def __init__(self, tasks):
        super().__init__()
        self.tasks = tasks


# ---- answers to questions of a user interface

class DepTreeGenerated(Event):
    """The dependency graph that was asked for."""

    def __init__(self, depgraph):
        super().__init__()
        self._depgraph = depgraph


class TargetsTreeGenerated(Event):
    """The buildable targets that were asked for."""

    def __init__(self, model):
        super().__init__()
        self._model = model


class FilesMatchingFound(Event):
    """The files that match a pattern."""

    def __init__(self, pattern, matches):
        super().__init__()
        self._pattern = pattern
        self._matches = matches


class ConfigFilesFound(Event):
    """The configuration files that can set a variable."""

    def __init__(self, variable, values):
        super().__init__()
        self._variable = variable
        self._values = values


class ConfigFilePathFound(Event):
    """Where a configuration file is."""

    def __init__(self, path):
        super().__init__()
        self._path = path


class FindSigInfoResult(Event):
    """The signature files that were asked for."""

    def __init__(self, result):
        super().__init__()
        self.result = result


class GetTaskSignatureResult(Event):
    """The task signatures that were asked for."""

    def __init__(self, sig):
        super().__init__()
        self.sig = sig


# ---- messages

class MsgBase(Event):
    """A message."""

    def __init__(self, msg):
        super().__init__()
        self._message = msg


class MsgDebug(MsgBase):
    """A debug message."""


class MsgNote(MsgBase):
    """A note."""


class MsgWarn(MsgBase):
    """A warning."""


class MsgError(MsgBase):
    """An error."""


class MsgFatal(MsgBase):
    """An error that ends the build."""


class MsgPlain(MsgBase):
    """Text to show as it is."""


class LogExecTTY(Event):
    """Asks the user interface to run a program on its terminal, e.g. a development shell."""

    def __init__(self, msg, prog, sleep_delay, retries):
        super().__init__()
        self.msg = msg
        self.prog = prog
        self.sleep_delay = sleep_delay
        self.retries = retries


class MetadataEvent(Event):
    """Whatever metadata wants to tell: a type of its own and any data."""

    def __init__(self, eventtype, eventdata):
        super().__init__()
        self.type = eventtype
        self._localdata = eventdata


# ---- sanity checks

class SanityCheck(Event):
    """Asks metadata to check the configuration, and to answer by event or by error."""

    def __init__(self, generateevents=True):
        super().__init__()
        self.generateevents = generateevents


class SanityCheckPassed(Event):
    """The configuration is sane."""


class SanityCheckFailed(Event):
    """The configuration has a problem."""

    def __init__(self, msg, network_error=False):
        super().__init__()
        self._msg = msg
        self._network_error = network_error


class NetworkTest(Event):
    """Asks metadata to check the network, and to answer by event or by error."""

    def __init__(self, generateevents=True):
        super().__init__()
        self.generateevents = generateevents


class NetworkTestPassed(Event):
    """The network works."""


class NetworkTestFailed(Event):
    """The network doesn't work."""


__all__ = [name for name, value in list(globals().items()) if isinstance(value, type)]

# Event masks, pickles and messages know these classes as bb.event.NAME.
for _name in __all__:
    globals()[_name].__module__ = "bb.event"
