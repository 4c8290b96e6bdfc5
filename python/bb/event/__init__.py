"""Events: firing them, and the handlers that metadata and user interfaces register.

The classes of events are in `bb.event.kinds`; they are all reachable as
`bb.event.NAME`, the spelling that `eventmask` flags use.
"""

import atexit
import logging
import sys
import threading
from collections import OrderedDict

import bb
from bb.event import kinds
from bb.event.kinds import *  # noqa: F403 - the classes are this module's public face

logger = logging.getLogger("BitBake.Event")

# Process id events are marked with, and the function that sends them home,
# both set in a process that works for another one.
worker_pid = 0
worker_fire = None

# What `register` returns.
Registered = 10
AlreadyRegistered = 14


def clean_class_handlers():
    """An empty set of handlers."""
    return OrderedDict()


# Handlers of the metadata by name, the names that take every event, and the
# names for each event class.
_handlers = clean_class_handlers()
_catchall_handlers = {}
_event_handler_map = {}
_eventfilter = None

# User interfaces by number. Until the main one is there, events wait.
_ui_handlers = {}
_ui_logfilters = {}
_ui_handler_seq = 0
_uiready = False
ui_queue = []

_thread_lock = threading.Lock()
_heartbeat_enabled = False
_should_exit = threading.Event()


class InvalidEvent(Exception):
    """Something was fired that is not an event."""


def enable_threadlock():
    """Nothing to do: firing is always safe between threads."""


def disable_threadlock():
    """Nothing to do: firing is always safe between threads."""


def enable_heartbeat():
    """Ask for a HeartbeatEvent every ten seconds."""
    global _heartbeat_enabled
    _heartbeat_enabled = True


def disable_heartbeat():
    """Stop asking for HeartbeatEvents."""
    global _heartbeat_enabled
    _heartbeat_enabled = False


def check_for_interrupts():
    """Raise BBHandledException if the user wants to stop; for long-running code to call."""
    if _should_exit.is_set():
        bb.warn("Exiting due to interrupt.")
        raise bb.BBHandledException()


def getName(e):
    """The name of an event class, or of an event's class."""
    name = getattr(e, "__name__", None)
    return type(e).__name__ if name is None else name


def _mask_name(event):
    """The name `eventmask` has for an event, e.g. `bb.event.BuildStarted`."""
    cls = type(event)
    return cls.__qualname__ if cls.__module__ == "builtins" else "%s.%s" % (cls.__module__, cls.__qualname__)


# ---- handlers of the metadata

def get_class_handlers():
    """The handlers of the metadata, by name."""
    return _handlers


def set_class_handlers(h):
    """Replace the handlers of the metadata."""
    global _handlers
    _handlers = h


get_handlers = get_class_handlers
set_handlers = set_class_handlers


def set_eventfilter(func):
    """Have `func(name, handler, event, d)` decide about every call of a handler."""
    global _eventfilter
    _eventfilter = func


def _name_in(data, name):
    """A handler's name within the multiconfig of a store."""
    mc = data.getVar("BB_CURRENT_MC") if data is not None else None
    return mc.replace("-", "_") + name if mc else name


def _enable_in(data, name, enabled=True):
    """Note in a store that a handler is, or isn't, active for it."""
    if data is None:
        return
    names = data.getVar("__BBHANDLERS_MC") or set()
    if enabled:
        names.add(name)
    elif name in names:
        names.remove(name)
    else:
        return
    data.setVar("__BBHANDLERS_MC", names)


def _ignore(event, d=None):
    """Stands in for a handler that could not be compiled."""


def _compile_handler(name, body, filename, lineno):
    """Make a function (e, d) of a handler's body; None after reporting a syntax error."""
    source = "\n" * ((lineno or 1) - 1) + "def %s(e, d):\n%s" % (name, body)
    try:
        code = compile(source, filename or "%s(e, d)" % name, "exec")
    except SyntaxError:
        import traceback
        logger.error("Unable to register event handler '%s':\n%s", name, "".join(traceback.format_exc(limit=0)))
        return None
    scope = {}
    bb.utils.better_exec(code, scope)
    return scope[name]


def register(name, handler, mask=None, filename=None, lineno=None, data=None):
    """Register a handler of the metadata.

    `handler` is a function (event, d), or the body of one as text that starts
    at line `lineno` of `filename`. `mask` is a list of event class names,
    everything if empty or with `*`. `data` is the store it is active for.
    """
    name = _name_in(data, name)
    if name in _handlers:
        _enable_in(data, name)
        return AlreadyRegistered
    if handler is None:
        return None
    if isinstance(handler, str):
        handler = _compile_handler(name, handler, filename, lineno)
        if handler is None:
            _handlers[name] = _ignore
            return None
    _handlers[name] = handler
    if not mask or "*" in mask:
        _catchall_handlers[name] = True
    else:
        for kind in mask:
            _event_handler_map.setdefault(kind, {})[name] = True
    _enable_in(data, name)
    return Registered


def remove(name, handler, data=None):
    """Unregister a handler of the metadata; KeyError if there is none of that name."""
    name = _name_in(data, name)
    del _handlers[name]
    _catchall_handlers.pop(name, None)
    for names in _event_handler_map.values():
        names.pop(name, None)
    _enable_in(data, name, False)


def execute_handler(name, handler, event, d):
    """Call one handler; `event.data` is the store while it runs."""
    event.data = d
    try:
        handler(event, d)
    except Exception as exc:
        if not isinstance(exc, _passed_through()):
            # The first frame is this function, of no interest to anybody.
            logger.error("Execution of event handler '%s' failed" % name,
                         exc_info=(type(exc), exc, exc.__traceback__.tb_next))
        raise
    except SystemExit as exc:
        if exc.code != 0:
            logger.error("Execution of event handler '%s' failed" % name)
        raise
    finally:
        del event.data


def _passed_through():
    """Exceptions of handlers that need no message of ours."""
    parse = sys.modules.get("bb.parse")
    return (bb.BBHandledException, parse.SkipRecipe) if parse else (bb.BBHandledException,)


def fire_class_handlers(event, d):
    """Call every handler of the metadata that wants an event."""
    if not _handlers or isinstance(event, logging.LogRecord):
        return
    wanted = _event_handler_map.get(_mask_name(event), ())
    for name, handler in list(_handlers.items()):
        if name not in _catchall_handlers and name not in wanted:
            continue
        if _eventfilter and not _eventfilter(name, handler, event, d):
            continue
        if d is not None and name not in (d.getVar("__BBHANDLERS_MC") or ()):
            continue
        execute_handler(name, handler, event, d)


# ---- user interfaces

class UIEventFilter:
    """What one user interface wants: events by class name, log records by level."""

    def __init__(self, level, debug_domains):
        self.update(None, level, debug_domains)

    def update(self, eventmask, level, debug_domains):
        """Set the wanted classes (None for all), and the levels in general and per logger."""
        self.eventmask = eventmask
        self.stdlevel = level
        self.debug_domains = debug_domains

    def filter(self, event):
        """Whether an event is wanted."""
        if isinstance(event, logging.LogRecord):
            return (event.levelno >= self.stdlevel
                    or event.levelno >= self.debug_domains.get(event.name, float("inf")))
        return not self.eventmask or _mask_name(event) in self.eventmask


def register_UIHhandler(handler, mainui=False):
    """Register a user interface, whose `event` has `send` or `sendpickle`; returns its number."""
    global _ui_handler_seq, _uiready
    from bb import msg

    with bb.utils.lock_timeout(_thread_lock):
        _ui_handler_seq += 1
        _ui_handlers[_ui_handler_seq] = handler
        _ui_logfilters[_ui_handler_seq] = UIEventFilter(*msg.constructLogOptions())
        if mainui:
            _uiready = _ui_handler_seq
        return _ui_handler_seq


def unregister_UIHhandler(handlerNum, mainui=False):
    """Forget a user interface."""
    global _uiready
    if mainui:
        _uiready = False
    with bb.utils.lock_timeout(_thread_lock):
        _ui_handlers.pop(handlerNum, None)


def get_uihandler():
    """The number of the main user interface, or None."""
    return _uiready or None


def set_UIHmask(handlerNum, level, debug_domains, mask):
    """Choose what a user interface receives; False if there is none of that number."""
    if handlerNum not in _ui_handlers:
        return False
    _ui_logfilters[handlerNum].update(None if "*" in mask else mask, level, debug_domains)
    return True


def fire_ui_handlers(event, d):
    """Send an event to the user interfaces; one that can't take it is dropped."""
    if not _uiready:
        ui_queue.append(event)
        return
    with bb.utils.lock_timeout_nocheck(_thread_lock) as held:
        if not held:
            # Most likely a user interface fired this while it got another one.
            ui_queue.append(event)
            return
        for number in list(_ui_handlers):
            try:
                if not _ui_logfilters[number].filter(event):
                    continue
                channel = _ui_handlers[number].event
                if hasattr(channel, "sendpickle"):
                    import pickle
                    channel.sendpickle(pickle.dumps(event))
                else:
                    channel.send(event)
            except Exception:
                del _ui_handlers[number]
    while ui_queue:
        fire_ui_handlers(ui_queue.pop(), d)


def fire(event, d):
    """Tell handlers and user interfaces about an event.

    Handlers run here, in a worker too, with the store `d`. User interfaces
    belong to the main process: a worker hands the event to `worker_fire`.
    """
    fire_class_handlers(event, d)
    if worker_fire:
        worker_fire(event, d)
        return
    if _uiready and ui_queue:
        waiting = list(ui_queue)
        ui_queue.clear()
        for earlier in waiting:
            fire_ui_handlers(earlier, d)
    fire_ui_handlers(event, d)


def fire_from_worker(event, d):
    """Pass on an event whose handlers have run in a worker."""
    fire_ui_handlers(event, d)


@atexit.register
def print_ui_queue():
    """Print the log records that wait for a user interface which never came."""
    if _uiready or not ui_queue:
        return
    from bb.msg import BBLogFormatter

    records = [event for event in ui_queue if isinstance(event, logging.LogRecord)]
    ui_queue.clear()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass
    # Debug messages matter only if there is nothing else to show.
    messages = [record for record in records if record.levelno > logging.DEBUG] or records
    serious = any(record.levelno >= logging.WARNING for record in records)
    printer = logging.StreamHandler(sys.stderr if serious else sys.stdout)
    printer.setFormatter(BBLogFormatter("%(levelname)s: %(message)s"))
    top = logging.getLogger("BitBake")
    top.addHandler(printer)
    try:
        for record in messages:
            top.handle(record)
    finally:
        top.removeHandler(printer)


class LogHandler(logging.Handler):
    """Fires every log record as an event."""

    def emit(self, record):
        if record.exc_info:
            # A traceback can't travel between processes, its text can.
            import traceback
            record.bb_exc_formatted = traceback.format_exception(*record.exc_info)
            record.exc_info = None
        fire(record, None)

    def filter(self, record):
        record.taskpid = worker_pid
        return True
