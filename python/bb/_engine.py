# SPDX-License-Identifier: Apache-2.0
"""Loads the engine, the extension module rbake_engine.

Its file is named by RBAKE_ENGINE; without that it is looked for beside the program, as an installation has it, and in the
target folder of a source tree.
"""

import importlib.machinery
import importlib.util
import os
import sys

NAME = "rbake_engine"
FILE = "librbake_engine.so"


def _candidates():
    named = os.environ.get("RBAKE_ENGINE")
    if named:
        yield named
        return
    package = os.path.dirname(os.path.abspath(__file__))
    root = os.path.dirname(os.path.dirname(package))
    for folder in ("bin", "libexec/rbake", "target/release", "target/debug"):
        yield os.path.join(root, folder, FILE)
        yield os.path.join(os.path.dirname(os.path.dirname(root)), folder, FILE)


def load():
    """The extension module, loaded once for the process."""
    module = sys.modules.get(NAME)
    if module is not None:
        return module
    tried = []
    for path in _candidates():
        tried.append(path)
        if not os.path.exists(path):
            continue
        loader = importlib.machinery.ExtensionFileLoader(NAME, path)
        spec = importlib.util.spec_from_file_location(NAME, path, loader=loader)
        module = importlib.util.module_from_spec(spec)
        sys.modules[NAME] = module
        try:
            loader.exec_module(module)
        except BaseException:
            del sys.modules[NAME]
            raise
        return module
    raise ImportError("the engine of rbake was not found; RBAKE_ENGINE can name it. Tried: %s" % ", ".join(tried))


engine = load()
