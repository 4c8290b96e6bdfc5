"""LZ4 files, with the lz4 command."""

from bb.compress._pipecompress import PipeFile, open_wrap


class LZ4File(PipeFile):
    """A binary LZ4 file."""

    def get_compress(self):
        return ["lz4", "-z", "-c"]

    def get_decompress(self):
        return ["lz4", "-d", "-c"]


def open(*args, **kwargs):
    """Open an LZ4 file; arguments as for builtins.open."""
    return open_wrap(LZ4File, *args, **kwargs)
