"""The package that recipes import: logging helpers, and lazy access to everything else.

Only this file is read by `import bb`. A submodule is imported when its name
is first used, so `bb.fetch2.Fetch` works without an import statement, as
metadata expects, and start-up stays cheap.
"""

import logging
import os
import sys

__version__ = "2.19.0"

if sys.version_info < (3, 9):
    raise RuntimeError("python 3.9.0 or later is needed, this is %d.%d.%d" % sys.version_info[:3])


class BBHandledException(Exception):
    """Raised when whatever went wrong has already been reported to the user."""


class NullHandler(logging.Handler):
    """Swallows records, so that an unconfigured process stays quiet."""

    def emit(self, record):
        pass


class BBLoggerMixin:
    """The levels BitBake has beside Python's own, as methods of a logger."""

    def __init__(self, *args, **kwargs):
        # Both users of the mix-in have another base that does the real work.
        pass

    def setup_bblogger(self, name):
        """Route debug() of a logger below `BitBake` through the debug levels."""
        if name.partition(".")[0] == "BitBake":
            self.debug = self._debug1

    def _debug1(self, msg, *args, **kwargs):
        return self.bbdebug(1, msg, *args, **kwargs)

    def debug2(self, msg, *args, **kwargs):
        return self.bbdebug(2, msg, *args, **kwargs)

    def debug3(self, msg, *args, **kwargs):
        return self.bbdebug(3, msg, *args, **kwargs)

    def bbdebug(self, level, msg, *args, **kwargs):
        """Log at debug level 1, 2 or 3.

        Outside a worker the record is dropped here unless the settings ask
        for it: debug calls are frequent, and building a record is not free.
        """
        if not isinstance(level, int) or not isinstance(msg, str):
            mainlogger.warning("Invalid arguments in bbdebug: %r", (level, msg) + args)
            level = level if isinstance(level, int) else 1
        severity = logging.DEBUG + 1 - level
        event, settings = _logging_state()
        if not event.worker_pid:
            threshold = settings.loggerDefaultLogLevel
            if severity < min(threshold, settings.loggerDefaultDomains.get(self.name, threshold)):
                return None
        return self.log(severity, msg, *args, **kwargs)

    def plain(self, msg, *args, **kwargs):
        return self.log(logging.INFO + 1, msg, *args, **kwargs)

    def verbose(self, msg, *args, **kwargs):
        return self.log(logging.INFO - 1, msg, *args, **kwargs)

    def verbnote(self, msg, *args, **kwargs):
        return self.log(logging.INFO + 2, msg, *args, **kwargs)

    def warnonce(self, msg, *args, **kwargs):
        return self.log(logging.WARNING - 1, msg, *args, **kwargs)

    def erroronce(self, msg, *args, **kwargs):
        return self.log(logging.ERROR - 1, msg, *args, **kwargs)


def _logging_state():
    """The modules that hold the worker state and the verbosity settings."""
    global _logging_state
    from bb import event, msg
    modules = (event, msg)
    _logging_state = lambda: modules
    return modules


class BBLogger(logging.getLoggerClass(), BBLoggerMixin):
    """The class of every logger created after `import bb`."""

    def __init__(self, name, *args, **kwargs):
        self.setup_bblogger(name)
        super().__init__(name, *args, **kwargs)


class BBLoggerAdapter(logging.LoggerAdapter, BBLoggerMixin):
    """A LoggerAdapter that knows BitBake's levels too."""

    def __init__(self, logger, *args, **kwargs):
        self.setup_bblogger(logger.name)
        super().__init__(logger, *args, **kwargs)


# Metadata that logs badly must not fill the terminal with tracebacks of the
# logging module itself.
logging.raiseExceptions = False
logging.setLoggerClass(BBLogger)
logging.LoggerAdapter = BBLoggerAdapter

logger = logging.getLogger("BitBake")
logger.addHandler(NullHandler())
logger.setLevel(logging.DEBUG - 2)

mainlogger = logging.getLogger("BitBake.Main")


class PrefixLoggerAdapter(logging.LoggerAdapter):
    """Puts a fixed text in front of every message of a logger."""

    def __init__(self, prefix, logger):
        super().__init__(logger, {})
        self._prefix = prefix

    def process(self, msg, kwargs):
        return "%s%s" % (self._prefix, msg), kwargs


def plain(*args):
    """Show a text as it is, without a level in front."""
    mainlogger.plain("".join(args))


def debug(lvl, *args):
    """Show a message at debug level `lvl` (1 to 3, as counted by `-D`)."""
    if isinstance(lvl, str):
        mainlogger.warning("Passed invalid debug level '%s' to bb.debug", lvl)
        args = (lvl,) + args
        lvl = 1
    mainlogger.bbdebug(lvl, "".join(args))


def note(*args):
    """Show a note: normal progress, hidden for tasks unless verbose."""
    mainlogger.info("".join(args))


def verbnote(*args):
    """Show a note that reaches the terminal even from a task."""
    mainlogger.verbnote("".join(args))


def warn(*args):
    """Show a warning."""
    mainlogger.warning("".join(args))


def warnonce(*args):
    """Show a warning the first time this text comes up."""
    mainlogger.warnonce("".join(args))


def error(*args, **kwargs):
    """Show an error; the build goes on but ends with an error status.

    Keyword arguments become attributes of the log record.
    """
    mainlogger.error("".join(args), extra=kwargs)


def erroronce(*args):
    """Show an error the first time this text comes up."""
    mainlogger.erroronce("".join(args))


def fatal(*args, **kwargs):
    """Show an error and give up by raising BBHandledException."""
    mainlogger.critical("".join(args), extra=kwargs)
    raise BBHandledException()


def deprecated(func, name=None, advice=""):
    """Wrap `func` so that using it gives a DeprecationWarning."""
    import functools
    import warnings

    text = "Call to deprecated function %s%s." % (name or func.__name__, ": %s" % advice if advice else "")

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        warnings.warn(text, category=DeprecationWarning, stacklevel=2)
        return func(*args, **kwargs)

    return wrapper


def deprecate_import(current, modulename, fromlist, renames=None):
    """Offer names of another module under `current`, with a warning on use."""
    import importlib

    origin = importlib.import_module(modulename)
    for name, alias in zip(fromlist, renames or fromlist):
        wrapped = deprecated(getattr(origin, name), "%s.%s" % (current, name),
                             "Please use %s.%s instead" % (modulename, name))
        setattr(sys.modules[current], alias, wrapped)


def _fork_context():
    """`multiprocessing` that forks, whatever the Python version's default."""
    import multiprocessing as standard

    class ForkingMultiprocessing:
        """Stands in for the multiprocessing module; its attributes are read-only."""

        _forking = standard.get_context("fork")

        def __getattr__(self, name):
            try:
                return getattr(self._forking, name)
            except AttributeError:
                return getattr(standard, name)

        def __setattr__(self, name, value):
            raise AttributeError("Unable to set attribute %s" % name)

    return ForkingMultiprocessing()


def _task_data():
    """The tuple that BB_TASKDEPDATA holds for each task."""
    from collections import namedtuple
    fields = "pn taskname fn deps provides taskhash unihash hashfn taskhash_deps"
    return namedtuple("TaskData", fields, module=__name__)


_ON_DEMAND = {"multiprocessing": _fork_context, "TaskData": _task_data}


def __getattr__(name):
    """Import a submodule, or make one of the costly objects, at first use."""
    if name in _ON_DEMAND:
        value = globals()[name] = _ON_DEMAND[name]()
        return value
    if not name.startswith("__"):
        import importlib
        full = "%s.%s" % (__name__, name)
        try:
            return importlib.import_module(full)
        except ModuleNotFoundError as exc:
            if exc.name != full:
                raise
    raise AttributeError("module %r has no attribute %r" % (__name__, name))
