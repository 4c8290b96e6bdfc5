"""The process environment: what may enter it, what tasks put into it."""

import logging
import os
import sys
from contextlib import contextmanager

logger = logging.getLogger("BitBake.Util")


def preserved_envvars_exported():
    """Variables that go from the caller's environment to the metadata, exported."""
    return ["BB_TASKHASH", "HOME", "LOGNAME", "PATH", "PWD", "SHELL", "USER", "LC_ALL", "BBSERVER"]


def preserved_envvars():
    """Variables that go from the caller's environment to the metadata."""
    return ["BBPATH", "BB_PRESERVE_ENV", "BB_ENV_PASSTHROUGH_ADDITIONS"] + preserved_envvars_exported()


def approved_variables():
    """Variables of the environment that stay: the usual ones and those the user lets through."""
    if "BB_PRESERVE_ENV" in os.environ:
        return os.environ.keys()
    if "BB_ENV_PASSTHROUGH" in os.environ:
        names = os.environ["BB_ENV_PASSTHROUGH"].split() + ["BB_ENV_PASSTHROUGH"]
    else:
        names = preserved_envvars()
    if "BB_ENV_PASSTHROUGH_ADDITIONS" in os.environ:
        names += os.environ["BB_ENV_PASSTHROUGH_ADDITIONS"].split()
        if "BB_ENV_PASSTHROUGH_ADDITIONS" not in names:
            names.append("BB_ENV_PASSTHROUGH_ADDITIONS")
    return names


def filter_environment(good_vars):
    """Remove every other variable from the environment; returns the removed ones.

    LC_ALL is set to a UTF-8 locale, as Python programs started from tasks
    would otherwise read files as ASCII.
    """
    removed = {name: os.environ.pop(name) for name in list(os.environ) if name not in good_vars}
    os.environ["LC_ALL"] = "en_US.UTF-8"
    if removed:
        logger.debug("Removed the following variables from the environment: %s", ", ".join(removed))
    return removed


def clean_environment():
    """Reduce the environment to the approved variables; returns the removed ones."""
    if "BB_PRESERVE_ENV" in os.environ:
        return {}
    return filter_environment(approved_variables())


def empty_environment():
    """Remove every variable from the environment."""
    os.environ.clear()


def build_environment(d):
    """Put all exported variables of a store into the environment."""
    for name in d.keys():
        if d.getVarFlag(name, "export", False):
            os.environ[name] = d.getVar(name) or ""


@contextmanager
def environment(**envvars):
    """Set variables of the environment for the length of a `with` block."""
    before = {name: os.environ.get(name) for name in envvars}
    try:
        os.environ.update(envvars)
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def export_proxies(d):
    """Put the variables that download tools need (proxies, keys) into the environment."""
    from bb.fetch2 import get_fetcher_environment
    os.environ.update(get_fetcher_environment(d))


def check_system_locale():
    """End the program unless the en_US.UTF-8 locale exists and file names are UTF-8."""
    import locale

    before = locale.getlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, ("en_US", "UTF-8"))
    except locale.Error:
        sys.exit("Please make sure locale 'en_US.UTF-8' is available on your system")
    locale.setlocale(locale.LC_CTYPE, before)
    if sys.getfilesystemencoding() != "utf-8":
        sys.exit("Please use a locale setting which supports UTF-8 (such as LANG=en_US.UTF-8).\n"
                 "Python can't change the filesystem locale after loading so we need a UTF-8"
                 " when Python starts or things won't work.")
