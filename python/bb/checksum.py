"""What is remembered from build to build about files and repositories."""

import glob
import logging
import os
import re

import bb

logger = logging.getLogger("BitBake.Cache")


class _SharedCache:
    """A dictionary in a file below BB_CACHEDIR that several processes add to.

    Each process reads it once and saves its own additions with
    `save_extras`. Without a directory it is for this process only. Losing
    the file costs time, nothing else, so one that can't be read counts as empty.
    """

    cache_file_name = None

    def __init__(self):
        self._path = None
        self.entries = {}
        self.additions = {}

    def init_cache(self, cachedir, cache_file_name=None):
        """Use the file in `cachedir`."""
        if not cachedir:
            return
        bb.utils.mkdirhier(cachedir)
        self._path = os.path.join(cachedir, cache_file_name or self.cache_file_name)
        self.entries = self._read()

    def _read(self):
        import json
        try:
            with open(self._path) as file:
                entries = json.load(file)
            return entries if isinstance(entries, dict) else {}
        except (OSError, ValueError):
            return {}

    def _write(self, entries):
        import json
        partial = "%s.%d" % (self._path, os.getpid())
        with open(partial, "w") as file:
            json.dump(entries, file)
        os.rename(partial, self._path)

    def get(self, key):
        """The value of a key, or None."""
        value = self.additions.get(key)
        return self.entries.get(key) if value is None else value

    def save_extras(self):
        """Add what this process found out to the file."""
        if not self._path or not self.additions:
            return
        with bb.utils.fileslocked([self._path + ".lock"]):
            self._write({**self._read(), **self.additions})
        self.entries.update(self.additions)
        self.additions = {}

    def save_merge(self):
        """Take over what all processes found out."""
        self.save_extras()
        if self._path:
            self.entries = self._read()

    def clear_cache(self):
        """Forget everything, in the file too."""
        self.entries = {}
        self.additions = {}
        if self._path:
            with bb.utils.fileslocked([self._path + ".lock"]):
                bb.utils.remove(self._path)


class FileMtimeCache:
    """Modification times in seconds; files are taken not to change during a build."""

    def __init__(self):
        self.cache = {}

    def cached_mtime(self, f):
        """The time of a file; OSError if there is none."""
        return self.cache[f] if f in self.cache else self.update_mtime(f)

    def cached_mtime_noerror(self, f):
        """The time of a file, 0 if there is none."""
        try:
            return self.cached_mtime(f)
        except OSError:
            return 0

    def update_mtime(self, f):
        """Look again."""
        self.cache[f] = int(os.stat(f).st_mtime)
        return self.cache[f]

    def clear(self):
        """Look again at everything from now on."""
        self.cache.clear()


class FileChecksumCache(_SharedCache):
    """MD5 sums of local files, valid as long as the modification time is the same."""

    cache_file_name = "local_file_checksums.json"

    # The end of an entry in a list of files. Blanks may be part of a path.
    _ENTRY_END = re.compile(r"(?:(?<=:True)|(?<=:False))\s+")

    def __init__(self):
        super().__init__()
        self.mtime_cache = FileMtimeCache()

    def get_checksum(self, f):
        """The sum of one file; OSError if it can't be read."""
        path = os.path.normpath(f)
        mtime = self.mtime_cache.cached_mtime(path)
        known = self.get(path)
        if known:
            if known[0] == mtime:
                return known[1]
            bb.debug(2, "file %s changed mtime, recompute checksum" % path)
        checksum = bb.utils.md5_file(path)
        self.additions[path] = [mtime, checksum]
        return checksum

    def get_checksums(self, filelist, pn, localdirsexclude):
        """(path, sum) pairs of `PATH:True PATH:False …`, sorted by sum.

        Those marked False are left out. A directory gives the files in it,
        except in directories named in `localdirsexclude`; `/./` in their paths
        marks where the directory ends. Wildcards are allowed.
        """
        pairs = []

        def add(path, shown):
            try:
                pairs.append((shown, self.get_checksum(path)))
            except OSError as exc:
                bb.warn("Unable to get checksum for %s SRC_URI entry %s: %s" % (pn, os.path.basename(shown), exc))

        def add_tree(top):
            if top == "/":
                bb.fatal("Refusing to checksum /")
            top = top.rstrip("/")
            for directory, subdirectories, files in os.walk(top):
                subdirectories[:] = [name for name in subdirectories if name not in localdirsexclude]
                for name in files:
                    path = os.path.join(directory, name)
                    add(path, path.replace(top, os.path.join(top, ".")))

        for entry in self._ENTRY_END.split(filelist):
            path, _, state = entry.strip().partition(":")
            if not path or state.partition(":")[0] == "False":
                continue
            for match in glob.glob(path) if "*" in path else [path]:
                if not os.path.isdir(match):
                    add(match, match)
                elif not os.path.islink(match):
                    add_tree(match)
        pairs.sort(key=lambda pair: pair[1])
        return pairs


class RevisionsCache(_SharedCache):
    """The newest revisions of repositories, by the key of their fetcher."""

    cache_file_name = "local_srcrevisions.json"

    def get_revs(self):
        """All that is known."""
        return {**self.entries, **self.additions}

    def get_rev(self, k):
        """The revision of one key, or None."""
        return self.get(k)

    def set_rev(self, k, v):
        """Remember a revision."""
        self.additions[k] = v
