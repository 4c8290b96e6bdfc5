# SPDX-License-Identifier: Apache-2.0
"""Recipes and classes."""

import os

from bb._engine import engine


def supports(fn, d):
    """True for the files of recipes and classes."""
    return os.path.splitext(fn)[1] in (".bb", ".bbclass", ".inc")


def inherit(files, fn, lineno, d, deferred=False):
    """Reads classes. Those of BB_DEFER_BBCLASSES wait for the end of the recipe, unless it is there."""
    engine.inherit(files, fn, lineno, d, deferred)


def inherit_defer(expression, fn, lineno, d):
    """Queues classes for the end of the recipe."""
    queue = d.getVar("__BBDEFINHERITS", False) or []
    d.setVar("__BBDEFINHERITS", queue + [(expression, fn, lineno)])


def handle(fn, d, include, baseconfig=False):
    """Reads a file, whatever its extension."""
    return engine.handle(fn, d, bool(include), bool(baseconfig))
