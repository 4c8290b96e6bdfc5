"""Log levels, their names and colours, and the set-up of logging."""

import logging
import os
import sys

import bb


class BBLogFormatter(logging.Formatter):
    """Formats records with BitBake's level names; plain messages stay as they are."""

    DEBUG3 = logging.DEBUG - 2
    DEBUG2 = logging.DEBUG - 1
    DEBUG = logging.DEBUG
    VERBOSE = logging.INFO - 1
    NOTE = logging.INFO
    PLAIN = logging.INFO + 1
    VERBNOTE = logging.INFO + 2
    WARNONCE = logging.WARNING - 1
    WARNING = logging.WARNING
    ERRORONCE = logging.ERROR - 1
    ERROR = logging.ERROR
    CRITICAL = logging.CRITICAL

    # The numbers of ECMA-48's "select graphic rendition"; 29 changes no colour.
    BASECOLOR, BLACK, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, WHITE = range(29, 38)
    BLD = "\033[1;%dm"
    STD = "\033[%dm"
    RST = "\033[0m"

    levelnames = {PLAIN: "", WARNONCE: "WARNING", WARNING: "WARNING"}
    levelnames.update(dict.fromkeys((DEBUG3, DEBUG2, DEBUG), "DEBUG"))
    levelnames.update(dict.fromkeys((VERBOSE, NOTE, VERBNOTE), "NOTE"))
    levelnames.update(dict.fromkeys((ERRORONCE, ERROR, CRITICAL), "ERROR"))

    _NAME_COLORS = {"": BASECOLOR, "DEBUG": CYAN, "NOTE": BASECOLOR, "WARNING": YELLOW, "ERROR": RED}
    COLORS = {}
    for _level, _name in levelnames.items():
        COLORS[_level] = _NAME_COLORS[_name]
    del _level, _name

    color_enabled = False

    def enable_color(self):
        """Colour what this formatter makes from now on."""
        self.color_enabled = True

    def getLevelName(self, levelno):
        """`NOTE`, `WARNING` … of a level number; `Level N` if it has no name."""
        return self.levelnames.get(levelno) or ("" if levelno == self.PLAIN else "Level %d" % levelno)

    def format(self, record):
        record.levelname = self.getLevelName(record.levelno)
        if record.levelno == self.PLAIN:
            text = record.getMessage()
        else:
            text = super().format(self.colorize(record))
        traceback = getattr(record, "bb_exc_formatted", None)
        return "%s\n%s" % (text, "".join(traceback)) if traceback else text

    def colorize(self, record):
        """A coloured copy of a record, or the record itself without colours."""
        color = self.COLORS.get(record.levelno, self.BASECOLOR)
        if not self.color_enabled:
            return record
        copy = logging.makeLogRecord(vars(record))
        copy.levelname = "".join((self.BLD % color, record.levelname, self.RST))
        copy.msg = "".join((self.STD % color, str(record.msg), self.RST))
        return copy

    def __repr__(self):
        return "%s fmt='%s' color=%s" % (type(self).__name__, self._fmt, self.color_enabled)


# What reaches the user: the lowest level in general, and by logger name.
loggerDefaultLogLevel = BBLogFormatter.NOTE
loggerDefaultDomains = {}


def init_msgconfig(verbose, debug, debug_domains=None):
    """Set the levels from the number of -D, -v, and the names given with -l.

    A domain named twice counts as debug level 2, and so on.
    """
    global loggerDefaultLogLevel, loggerDefaultDomains
    if debug:
        loggerDefaultLogLevel = BBLogFormatter.DEBUG + 1 - debug
    else:
        loggerDefaultLogLevel = BBLogFormatter.VERBOSE if verbose else BBLogFormatter.NOTE
    domains = list(debug_domains or ())
    loggerDefaultDomains = {"BitBake.%s" % name: BBLogFormatter.DEBUG + 1 - domains.count(name)
                            for name in domains}


def constructLogOptions():
    """(lowest level, levels by logger name) that reach the user."""
    return loggerDefaultLogLevel, loggerDefaultDomains


class BBLogFilter:
    """Lets a handler have records of a level, and of named loggers from a level of their own."""

    def __init__(self, handler, level, debug_domains):
        self.stdlevel = level
        self.debug_domains = debug_domains
        handler.setLevel(min([level, *debug_domains.values()]))
        handler.addFilter(self)

    def filter(self, record):
        return (record.levelno >= self.stdlevel
                or record.levelno >= self.debug_domains.get(record.name, float("inf")))


class LogFilterShowOnce(logging.Filter):
    """Drops warnonce and erroronce messages that have been seen."""

    def __init__(self):
        super().__init__()
        self.seen_warnings = set()
        self.seen_errors = set()

    def filter(self, record):
        seen = {BBLogFormatter.WARNONCE: self.seen_warnings,
                BBLogFormatter.ERRORONCE: self.seen_errors}.get(record.levelno)
        if seen is None:
            return True
        if record.msg in seen:
            return False
        seen.add(record.msg)
        return True


class _LevelFilter(logging.Filter):
    """Compares a record's level with a given number or name."""

    def __init__(self, level):
        super().__init__()
        self.strlevel = str(level)
        self.level = stringToLevel(level)

    def __repr__(self):
        return "%s level %s %s (%d)" % (type(self).__name__, self._sign, self.strlevel, self.level)


class LogFilterGEQLevel(_LevelFilter):
    """Lets records of a level and above pass."""

    _sign = ">="

    def filter(self, record):
        return record.levelno >= self.level


class LogFilterLTLevel(_LevelFilter):
    """Lets records below a level pass."""

    _sign = "<"

    def filter(self, record):
        return record.levelno < self.level


def addDefaultlogFilter(handler, cls=BBLogFilter, forcelevel=None):
    """Give a handler the levels of the settings, or `forcelevel`."""
    level, domains = constructLogOptions()
    cls(handler, level if forcelevel is None else forcelevel, domains)


def stringToLevel(level):
    """The number of a level given as number, digits, or name (Python's or BitBake's)."""
    try:
        return int(level)
    except ValueError:
        return getattr(logging, level, None) or getattr(BBLogFormatter, level)


def fatal(msgdomain, msg):
    """Log a fatal error under `BitBake.DOMAIN` and end the program."""
    logging.getLogger("BitBake.%s" % msgdomain if msgdomain else "BitBake").critical(msg)
    sys.exit(1)


def logger_create(name, output=sys.stderr, level=logging.INFO, preserve_handlers=False, color="auto"):
    """A logger for a script of its own that prints to `output`.

    `color` is `always`, `never`, or `auto`: on terminals unless NO_COLOR is set.
    """
    formatter = BBLogFormatter("%(levelname)s: %(message)s")
    if color == "always" or color == "auto" and output.isatty() and not os.environ.get("NO_COLOR"):
        formatter.enable_color()
    printer = logging.StreamHandler(output)
    printer.addFilter(LogFilterShowOnce())
    printer.setFormatter(formatter)
    result = logging.getLogger(name)
    if not preserve_handlers:
        result.handlers.clear()
    result.addHandler(printer)
    result.setLevel(level)
    return result


def has_console_handler(logger):
    """Whether a logger prints to standard output or standard error."""
    return any(isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stderr, sys.stdout)
               for handler in logger.handlers)


def mergeLoggingConfig(logconfig, userconfig):
    """A user's logging configuration laid over another, as a new dictionary.

    Both have the form of `logging.config.dictConfig`. Loggers are merged
    unless they say `bitbake_merge: False`; anything else is replaced by name.
    """
    import copy

    result, user = copy.deepcopy(logconfig), copy.deepcopy(userconfig)
    if user.get("version") != result["version"]:
        raise BaseException("Bad user configuration version. Expected %r, got %r"
                            % (result["version"], user.get("version")))
    for section in ("handlers", "formatters", "filters"):
        result.setdefault(section, {}).update(user.get(section, {}))
    loggers = result["loggers"]
    for name, theirs in user.get("loggers", {}).items():
        ours = loggers.get(name)
        if ours is None or not ours.get("bitbake_merge", True):
            loggers[name] = theirs
            continue
        for key in ("handlers", "filters"):
            ours.setdefault(key, []).extend(theirs.get(key, []))
        for key in ("level", "propagate"):
            if key in theirs:
                ours[key] = theirs[key]
    return result


def _read_logging_config(path):
    """A user's logging configuration from a YAML or JSON file."""
    suffix = os.path.splitext(path)[1]
    with open(os.path.normpath(path)) as file:
        if suffix in (".yml", ".yaml"):
            import yaml
            return yaml.safe_load(file)
        if suffix in (".json", ".cfg"):
            import json
            return json.load(file)
    raise BaseException("Unrecognized file format: %s" % path)


def setLoggingConfig(defaultconfig, userconfigfile=None):
    """Set up logging from a configuration and a user's file; returns the configurator.

    Levels may be given by BitBake's names. Every handler shows warnonce and
    erroronce messages once. Loggers below `BitBake` with a lower level than
    usual count as debug domains.
    """
    import copy
    import logging.config

    config = copy.deepcopy(defaultconfig)
    if userconfigfile:
        user = _read_logging_config(userconfigfile)
        config = mergeLoggingConfig(config, user) if user.get("bitbake_merge", True) else user

    for entry in [*config["handlers"].values(), *config["loggers"].values()]:
        if "level" in entry:
            entry["level"] = bb.msg.stringToLevel(entry["level"])
    for name, handler in config["handlers"].items():
        once = name + ".showonceFilter"
        config.setdefault("filters", {})[once] = {"()": "bb.msg.LogFilterShowOnce"}
        handler.setdefault("filters", []).append(once)

    configurator = logging.config.dictConfigClass(config)
    configurator.configure()

    for name, entry in config["loggers"].items():
        if name.startswith("BitBake.") and "level" in entry:
            level = entry["level"]
            loggerDefaultDomains[name] = min(level, loggerDefaultDomains.get(name, level))
    return configurator
