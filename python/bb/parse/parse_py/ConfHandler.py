# SPDX-License-Identifier: Apache-2.0
"""Configuration files."""

from bb._engine import engine


def supports(fn, d):
    """True for configuration files."""
    return fn.endswith(".conf")


def include(parentfn, fns, lineno, data, error_out):
    """Reads files as `include` does. With a verb in `error_out` a missing one is an error that names it."""
    engine.include(data, parentfn, fns, lineno, error_out or None)


def handle(fn, data, include, baseconfig=False):
    """Reads a file."""
    return engine.handle(fn, data, bool(include), bool(baseconfig))
