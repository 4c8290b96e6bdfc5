# SPDX-License-Identifier: Apache-2.0
"""Collecting recipe files. What else BitBake's cooker does is the program's."""

import logging

import bb
import bb.event
from bb._engine import engine

logger = logging.getLogger("BitBake")
collectlog = logging.getLogger("BitBake.Collection")


class CollectionError(bb.BBHandledException):
    """Layers that don't go together."""


class CookerExit(bb.event.Event):
    """The program ends."""


class CookerCollectFiles:
    """The recipes and appends of a configuration. `priorities` lists name, pattern, compiled pattern and priority of each layer."""

    def __init__(self, priorities, mc=""):
        self.mc = mc
        # A layer inside another has the longer pattern, and comes first.
        self.bbfile_config_priorities = sorted(priorities, key=lambda layer: layer[1], reverse=True)
        self.bbappends = []
        self.overlayed = {}
        self._files, _ = self._collect(None)

    def _collect(self, config):
        layers = [(name, pattern, priority) for name, pattern, _, priority in self.bbfile_config_priorities]
        return engine.Collection.collect(layers, config)

    def _say(self, messages):
        for is_error, text in messages:
            (collectlog.error if is_error else collectlog.warning)("%s", text)

    def calc_bbfile_priority(self, filename):
        """Priority, compiled pattern and name of the layer a file belongs to."""
        priority, layer = self._files.priority(filename)
        regex = next((regex for name, _, regex, _ in self.bbfile_config_priorities if name == layer), None)
        return priority, regex, layer

    def collect_bbfiles(self, config, eventdata):
        """Recipes by rising priority, how many files are masked, and the directories that were read."""
        self._files, messages = self._collect(config)
        self._say(messages)
        config.setVar("BBFILES_PRIORITIZED", " ".join(self._files.prioritized))
        self.bbappends = self._files.appends
        self.overlayed = dict(self._files.overlayed)
        return self._files.recipes, self._files.masked, self._files.searched

    def get_file_appends(self, fn):
        """The appends that apply to a recipe, in order."""
        return tuple(self._files.appends_for(fn))

    def collection_priorities(self, pkgfns, fns, d):
        """The priority of each recipe. `fns` has the skipped ones, too; a layer that no file belongs to is reported."""
        self._say(self._files.check_layers(d, self.mc, list(pkgfns), list(fns)))
        return {fn: self._files.priority(fn)[0] for fn in pkgfns}
