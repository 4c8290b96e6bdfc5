"""Files that are read or written through a program."""

import builtins
import errno
import io
import os
import subprocess


class CompressionError(OSError):
    """The program failed, most likely on damaged data."""


def open_wrap(cls, filename, mode="rb", *, encoding=None, errors=None, newline=None, **kwargs):
    """Open a file through a class derived from PipeFile; like builtins.open, with "rb" as default mode.

    `filename` is a path, a file descriptor or an open file.
    """
    text = "t" in mode
    if text and "b" in mode:
        raise ValueError("Invalid mode: %r" % (mode,))
    if not text:
        for name, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
            if value is not None:
                raise ValueError("Argument '%s' not supported in binary mode" % name)

    binary_mode = mode.replace("t", "")
    if isinstance(filename, (str, bytes, os.PathLike, int)):
        binary = cls(filename, binary_mode, **kwargs)
    elif hasattr(filename, "read") or hasattr(filename, "write"):
        binary = cls(None, binary_mode, fileobj=filename, **kwargs)
    else:
        raise TypeError("filename must be a str or bytes object, or a file")
    return io.TextIOWrapper(binary, encoding, errors, newline, write_through=True) if text else binary


class PipeFile(io.RawIOBase):
    """A file whose content goes through a program, open for reading or for writing.

    Derived classes have `get_compress` and `get_decompress`, which return
    commands that filter standard input to standard output. Text mode is
    `open_wrap`'s business.
    """

    def __init__(self, filename=None, mode="rb", *, stderr=None, fileobj=None):
        super().__init__()
        if mode.replace("b", "") not in ("r", "w"):
            raise ValueError("Invalid mode: %r" % (mode,))
        self._reading = mode.startswith("r")
        self.p = None
        self.fileobj = fileobj if fileobj is not None else builtins.open(filename, "rb" if self._reading else "wb")
        if self._reading:
            self.p = subprocess.Popen(self.get_decompress(), stdin=self.fileobj, stdout=subprocess.PIPE, stderr=stderr)
            self.pipe = self.p.stdout
        else:
            self.p = subprocess.Popen(self.get_compress(), stdin=subprocess.PIPE, stdout=self.fileobj, stderr=stderr)
            self.pipe = self.p.stdin

    def get_compress(self):
        """The command that compresses."""
        raise NotImplementedError

    def get_decompress(self):
        """The command that decompresses."""
        raise NotImplementedError

    def _finish(self):
        """Wait for the program, once; CompressionError if it failed."""
        process, self.p = self.p, None
        if process is not None:
            status = process.wait()
            if status:
                raise CompressionError("Process died with %d" % status)

    def close(self):
        if self.closed:
            return
        try:
            self.pipe.close()
            self._finish()
        finally:
            self.fileobj.close()
            super().close()

    def fileno(self):
        return self.pipe.fileno()

    def flush(self):
        # Closing flushes too, when the pipe may be gone already.
        if not self.pipe.closed:
            self.pipe.flush()

    def isatty(self):
        return False

    def readable(self):
        return self._reading

    def writable(self):
        return not self._reading

    def readinto(self, b):
        if not self._reading:
            raise OSError(errno.EBADF, "read() on write-only %s object" % type(self).__name__)
        size = self.pipe.readinto(b)
        if size == 0:
            # The end of the data is good only if the program agrees.
            self._finish()
        return size

    def write(self, data):
        if self._reading:
            raise OSError(errno.EBADF, "write() on read-only %s object" % type(self).__name__)
        return self.pipe.write(data)
