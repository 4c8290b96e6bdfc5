"""Running commands."""

import logging
import subprocess

logger = logging.getLogger("BitBake.Process")

_ENOENT = 2


def subprocess_setup():
    """Give a child the default action for SIGPIPE, which Python ignores."""
    import signal
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


class CmdError(RuntimeError):
    """A command that could not be run."""

    def __init__(self, command, msg=None):
        self.command = command
        self.msg = msg

    def __str__(self):
        command = self.command if isinstance(self.command, str) else subprocess.list2cmdline(self.command)
        text = "Execution of '%s' failed" % command
        return "%s: %s" % (text, self.msg) if self.msg else text


class NotFoundError(CmdError):
    """A command whose program does not exist."""

    def __str__(self):
        return super().__str__() + ": command not found"


class ExecutionError(CmdError):
    """A command that ended with an error; it keeps what the command printed."""

    def __init__(self, command, exitcode, stdout=None, stderr=None):
        super().__init__(command)
        self.exitcode = exitcode
        self.stdout = stdout
        self.stderr = stderr
        # Text that whoever catches the exception may append to the message.
        self.extra_message = None

    def __str__(self):
        output = (self.stderr or "") + (self.stdout or "")
        return "%s with exit code %s%s%s" % (super().__str__(), self.exitcode,
                                             ":\n" + output if output else "", self.extra_message or "")


class Popen(subprocess.Popen):
    """subprocess.Popen with pipes by default.

    SIGPIPE gets its default action in the child because `restore_signals` is
    on by default; a preexec function would only make starting slower.
    """

    defaults = {
        "close_fds": True,
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "shell": False,
    }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{**self.defaults, **kwargs})


class _TextStream:
    """A pipe of a child: decodes what it prints, copies it to the log and keeps it."""

    def __init__(self, pipe, log):
        import codecs
        self.pipe = pipe
        self.log = log
        self.parts = []
        # Output may be cut in the middle of a character.
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def receive(self):
        """Take what has arrived; False at the end of the stream."""
        import os
        try:
            data = os.read(self.pipe.fileno(), 1 << 16)
        except BlockingIOError:
            return True
        text = self._decode(data, final=not data)
        if text:
            self.parts.append(text)
            self.log.write(text)
            self.log.flush()
        return bool(data)


class _ExtraFile:
    """A file or fifo that is handed to a callback as it fills."""

    def __init__(self, file, callback):
        self.pipe = file
        self.callback = callback

    def receive(self):
        """Pass on what has arrived; False at the end of the file."""
        try:
            data = self.pipe.read()
        except BlockingIOError:
            data = None
        if data:
            self.callback(data)
        return data is None or bool(data)


def _logged_communicate(pipe, log, input, extrafiles):
    """Feed a child and copy its output to `log` until it ends; returns (stdout, stderr)."""
    import select
    from bb.utils import nonblockingfd

    if pipe.stdin:
        if input is not None:
            pipe.stdin.write(input)
        pipe.stdin.close()

    texts = [_TextStream(stream, log) if stream else None for stream in (pipe.stdout, pipe.stderr)]
    poll = select.poll()
    sources = {}
    for source in [text for text in texts if text] + [_ExtraFile(*extra) for extra in extrafiles]:
        descriptor = source.pipe.fileno()
        nonblockingfd(descriptor)
        poll.register(descriptor, select.POLLIN)
        sources[descriptor] = source

    def receive(milliseconds):
        """Read from whatever is ready; whether anything was."""
        ready = poll.poll(milliseconds)
        for descriptor, _ in ready:
            if not sources[descriptor].receive():
                poll.unregister(descriptor)
                del sources[descriptor]
        return bool(ready)

    try:
        # Usually the end of its output tells that the child is done. One that
        # leaves its output to a daemon is noticed by looking now and then.
        while pipe.poll() is None:
            if sources:
                receive(1000 if any(text and text.pipe.fileno() in sources for text in texts) else 50)
            else:
                pipe.wait()
        while sources and receive(0):
            pass
    finally:
        log.flush()
        for text in texts:
            if text:
                text.pipe.close()
    return tuple("".join(text.parts) if text else "" for text in texts)


def run(cmd, input=None, log=None, extrafiles=None, **options):
    """Run a command (a list, or a string for the shell) and return (stdout, stderr).

    With `log`, a file-like object, the output is copied there as it comes.
    `extrafiles` are (file, callback) pairs: files the command fills, read
    meanwhile. Other options go to Popen. Raises ExecutionError if the command
    fails, NotFoundError or CmdError if it can't be run.
    """
    if isinstance(cmd, str):
        options.setdefault("shell", True)
    try:
        pipe = Popen(cmd, **options)
    except OSError as exc:
        if exc.errno == _ENOENT:
            raise NotFoundError(cmd)
        raise CmdError(cmd, exc)

    if log:
        stdout, stderr = _logged_communicate(pipe, log, input, extrafiles or [])
    else:
        stdout, stderr = [output if output is None else output.decode("utf-8")
                          for output in pipe.communicate(input)]
    if pipe.returncode != 0:
        if log:
            # The reader of the log has seen the output already.
            stdout = stderr = None
        raise ExecutionError(cmd, pipe.returncode, stdout, stderr)
    return stdout, stderr
