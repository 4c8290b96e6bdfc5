"""Loading plug-in modules from a directory, and catching their log messages."""

import importlib.machinery
import importlib.util
import logging
import os

python_extensions = importlib.machinery.all_suffixes()


def load_plugins(logger, plugins, pluginpath):
    """Import every module of a directory and append it to `plugins`.

    A module with a function `plugin_init` is asked for the object to append.
    """
    logger.debug("Loading plugins from %s..." % pluginpath)
    try:
        entries = os.listdir(pluginpath)
    except OSError:
        entries = []
    names = {entry.rsplit(".", 1)[0] for entry in entries
             if not entry.startswith(".") and entry.endswith(tuple(python_extensions))}
    for name in sorted(names - {"__init__"}):
        logger.debug("Loading plugin %s" % name)
        spec = importlib.machinery.PathFinder.find_spec(name, path=[pluginpath])
        if spec is None:
            continue
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        if hasattr(module, "plugin_init"):
            plugins.append(module.plugin_init(plugins) or module)
        else:
            plugins.append(module)


class LogCatcher(logging.Handler):
    """A handler that keeps the formatted warnings and errors, for tests to look at."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        from bb.msg import BBLogFormatter
        self.messages.append(BBLogFormatter("%(levelname)s: %(message)s").format(record))

    def contains(self, message):
        return message in self.messages
