# SPDX-License-Identifier: Apache-2.0
"""Finds rbake's own `bb` package, so that tests can ask it what they ask the reference."""

import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path

import reference


def engine():
    """The extension module's file, or None: what RBAKE_ENGINE names, else the one that was built last."""
    named = os.environ.get("RBAKE_ENGINE")
    return Path(named) if named else built("librbake_engine.so")


def program():
    """The program's file, or None: what RBAKE names, else the one that was built last."""
    named = os.environ.get("RBAKE")
    return Path(named) if named else built("rbake")


def built(name):
    """A file below target/release or target/debug, the newer one; None if there is neither."""
    folder = Path(os.environ.get("CARGO_TARGET_DIR", reference.ROOT / "target"))
    places = [folder / kind / name for kind in ("release", "debug")]
    return max((place for place in places if place.is_file()), key=lambda place: place.stat().st_mtime, default=None)


def activate(path):
    """Make `import bb` give rbake's, with the extension module that cargo has left at `path` under its own file name."""
    os.environ["RBAKE_ENGINE"] = str(path)
    sys.path.insert(0, str(reference.ROOT / "python"))
    loader = importlib.machinery.ExtensionFileLoader("rbake_engine", str(path))
    spec = importlib.util.spec_from_file_location("rbake_engine", str(path), loader=loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["rbake_engine"] = module
    loader.exec_module(module)
