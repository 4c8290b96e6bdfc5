"""Dictionaries of strings in a database file, shared by all processes of a build.

BitBake has dropped this module after 2.8; layers like Isar still use it.
"""

import logging
import os
import sqlite3
import sys
from collections.abc import Mapping, MutableMapping
from functools import total_ordering

logger = logging.getLogger("BitBake.PersistData")

# Seconds to wait for another process's write.
_PATIENCE = 60
# SQLite can't open files with longer paths.
_LONGEST_PATH = 504


@total_ordering
class SQLTable(MutableMapping):
    """One table of the database. Within a `with` block all changes are made together."""

    def __init__(self, cachefile, table):
        self.cachefile = cachefile
        self.table = table
        self._name = '"%s"' % table.replace('"', '""')
        self.connection = None
        self.reconnect()
        self._run("CREATE TABLE IF NOT EXISTS %s (key TEXT PRIMARY KEY NOT NULL, value TEXT)")

    def reconnect(self):
        """Open the database, again if it is open."""
        if self.connection is not None:
            self.connection.close()
        # Without an isolation level every statement is a transaction.
        self.connection = sqlite3.connect(self.cachefile, timeout=_PATIENCE, isolation_level=None)
        self.connection.execute("PRAGMA synchronous = off")
        # Readers don't wait for writers, and the log stays short for them.
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA wal_autocheckpoint = 100")

    def _run(self, statement, *values):
        """Execute a statement in which %s is the table."""
        return self.connection.execute(statement % self._name, values)

    def __enter__(self):
        self.connection.execute("BEGIN IMMEDIATE")
        return self

    def __exit__(self, exc_type, *exc):
        self.connection.execute("COMMIT" if exc_type is None else "ROLLBACK")

    def __getitem__(self, key):
        row = self._run("SELECT value FROM %s WHERE key = ?", key).fetchone()
        if row is None:
            raise KeyError(key)
        return row[0]

    def __setitem__(self, key, value):
        if not isinstance(key, str):
            raise TypeError("Only string keys are supported")
        if not isinstance(value, str):
            raise TypeError("Only string values are supported")
        self._run("INSERT OR REPLACE INTO %s (key, value) VALUES (?, ?)", key, value)

    def __delitem__(self, key):
        if not self._run("DELETE FROM %s WHERE key = ?", key).rowcount:
            raise KeyError(key)

    def __contains__(self, key):
        return self._run("SELECT 1 FROM %s WHERE key = ?", key).fetchone() is not None

    has_key = __contains__

    def __len__(self):
        return self._run("SELECT COUNT(*) FROM %s").fetchone()[0]

    def __iter__(self):
        return (row[0] for row in self._run("SELECT key FROM %s"))

    def __lt__(self, other):
        if not isinstance(other, Mapping):
            return NotImplemented
        return len(self) < len(other)

    __hash__ = None

    def get_by_pattern(self, pattern):
        """The values of keys that match, with `%` and `_` as wildcards."""
        return (row[0] for row in self._run("SELECT value FROM %s WHERE key LIKE ?", pattern))

    def itervalues(self):
        return (row[0] for row in self._run("SELECT value FROM %s"))

    def iteritems(self):
        return iter(self._run("SELECT key, value FROM %s"))

    def values(self):
        return list(self.itervalues())

    def items(self):
        return list(self.iteritems())

    def clear(self):
        self._run("DELETE FROM %s")


def persist(domain, d):
    """The table of a name, in PERSISTENT_DIR or CACHE."""
    import bb

    directory = d.getVar("PERSISTENT_DIR") or d.getVar("CACHE")
    if not directory:
        logger.critical("Please set the 'PERSISTENT_DIR' or 'CACHE' variable")
        sys.exit(1)
    bb.utils.mkdirhier(directory)
    path = os.path.join(directory, "bb_persist_data.sqlite3")
    try:
        return SQLTable(path, domain)
    except sqlite3.OperationalError:
        if len(path) <= _LONGEST_PATH:
            raise
        logger.critical("The path of the cache file is too long (%d chars > %d) to be opened by sqlite!"
                        " Your cache file is \"%s\"", len(path), _LONGEST_PATH, path)
        sys.exit(1)
