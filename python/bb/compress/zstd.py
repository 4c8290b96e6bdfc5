"""Zstandard files, with the zstd command, or pzstd for several threads."""

from bb.compress._pipecompress import PipeFile, open_wrap


class ZstdFile(PipeFile):
    """A binary Zstandard file. `num_threads` needs pzstd; `compresslevel` is 1 (fast) to 19 (small)."""

    def __init__(self, *args, num_threads=1, compresslevel=3, **kwargs):
        self.num_threads = num_threads
        self.compresslevel = compresslevel
        super().__init__(*args, **kwargs)

    def _program(self):
        import shutil
        if self.num_threads != 1 and shutil.which("pzstd"):
            return ["pzstd", "-p", str(self.num_threads)]
        return ["zstd"]

    def get_compress(self):
        return self._program() + ["-c", "-%d" % self.compresslevel]

    def get_decompress(self):
        return self._program() + ["-d", "-c"]


def open(*args, **kwargs):
    """Open a Zstandard file; arguments as for builtins.open, and for ZstdFile."""
    return open_wrap(ZstdFile, *args, **kwargs)
