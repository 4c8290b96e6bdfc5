# SPDX-License-Identifier: Apache-2.0
"""Finds rbake's own `bb` package, so that tests can ask it what they ask the reference."""

import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path

import reference


def engine():
    """The extension module's file, or None: what RBAKE_ENGINE names, else the one in target/release or target/debug."""
    named = os.environ.get("RBAKE_ENGINE")
    places = [Path(named)] if named else [
        reference.ROOT / "target" / kind / "librbake_engine.so" for kind in ("release", "debug")]
    return next((place for place in places if place.is_file()), None)


def activate(path):
    """Make `import bb` give rbake's, with the extension module that cargo has left at `path` under its own file name."""
    os.environ["RBAKE_ENGINE"] = str(path)
    sys.path.insert(0, str(reference.ROOT / "python"))
    loader = importlib.machinery.ExtensionFileLoader("rbake_engine", str(path))
    spec = importlib.util.spec_from_file_location("rbake_engine", str(path), loader=loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["rbake_engine"] = module
    loader.exec_module(module)
