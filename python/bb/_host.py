# SPDX-License-Identifier: Apache-2.0
"""The main of a host: a Python process that reads metadata for the program rbake."""

import logging
import sys

# Metadata and layers' modules find `bb` and `os` without importing them once bb.build is loaded.
import bb.build
import bb.event
from bb._engine import engine


class ToProgram(logging.Handler):
    """Sends log records to the program."""

    def __init__(self):
        super().__init__(logging.DEBUG - 2)
        self._said = set()

    def emit(self, record):
        text = record.getMessage()
        # The levels just below WARNING and ERROR are for messages that are worth saying once.
        if record.levelno in (logging.WARNING - 1, logging.ERROR - 1):
            if (record.levelno, text) in self._said:
                return
            self._said.add((record.levelno, text))
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        engine.message(record.levelno, text)


def main():
    """Serves the program until it closes the connection."""
    sys.argv = ["rbake"]
    logger = logging.getLogger("BitBake")
    logger.handlers[:] = [ToProgram()]
    logger.setLevel(logging.INFO - 1)
    logger.propagate = False
    engine.serve()
