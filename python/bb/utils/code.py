"""Compiling and running the Python of metadata, with errors that show its lines."""

import logging
import os
import sys
import time

import bb

logger = logging.getLogger("BitBake.Util")

# (text, file, mode, line offset) -> code object. Recipes inherit the same
# functions over and over; compiling is the expensive part.
_compiled = {}

# Lines shown before and after the one that failed.
_AROUND = 4


def clean_context():
    """The modules every piece of metadata Python can use without importing."""
    return {"os": os, "bb": bb, "time": time}


def get_context():
    """The globals that metadata Python runs with."""
    return bb.utils._context


def set_context(ctx):
    """Replace the globals that metadata Python runs with."""
    bb.utils._context = ctx


def _print_trace(body, line):
    """The lines around `line` (counted from 1), numbered, `line` marked by stars."""
    first = max(1, line - _AROUND)
    last = min(len(body), line + _AROUND)
    return ["%s%.4d:%s" % (" *** " if number == line else "     ", number, body[number - 1].rstrip())
            for number in range(first, last + 1)]


def better_compile(text, file, realfile, mode="exec", lineno=0):
    """Compile metadata code found after line `lineno` of `realfile`.

    A failure is logged with the lines it is in, then raised as
    BBHandledException.
    """
    key = (text, realfile, mode, lineno)
    code = _compiled.get(key)
    if code is None:
        try:
            # compile() takes no start line; blank lines shift the numbers.
            code = compile("\n" * int(lineno) + text, realfile, mode)
        except Exception as exc:
            _report_compile_error(exc, text.split("\n"), realfile, lineno)
            raise bb.BBHandledException(exc)
        _compiled[key] = code
    return code


def _report_compile_error(exc, body, realfile, lineno):
    line = getattr(exc, "lineno", None)
    report = ["Error in compiling python function in %s, line %s:\n" % (realfile, line)]
    if line is None:
        report.append("The function causing this error was:")
        report.extend(body)
    else:
        report.append("The code lines resulting in this error were:")
        report.extend(_print_trace(body, line - lineno))
    report.append("%s: %s" % (type(exc).__name__, exc))
    logger.error("\n".join(report))


def better_exec(code, context, text=None, realfile="<code>", pythonexception=False):
    """Run code (an object, or text to compile) with `context` as its namespace.

    Exceptions that were already reported pass through; any other is logged
    with the lines of `text` around it, then raised as BBHandledException, or
    passed on as it is with `pythonexception`.
    """
    if not text:
        text = code
    if not hasattr(code, "co_filename"):
        code = better_compile(code, realfile, realfile)
    try:
        exec(code, get_context(), context)
    except Exception as exc:
        if pythonexception or isinstance(exc, _reported_exceptions()):
            raise
        try:
            _print_exception(type(exc), exc, exc.__traceback__, realfile, text, context)
        except Exception as failure:
            logger.error("Exception handler error: %s" % failure)
        raise bb.BBHandledException(exc)


def _reported_exceptions():
    """Classes whose message has reached the user already.

    A class from a module that was never imported cannot have been raised.
    """
    classes = [bb.BBHandledException]
    for module, name in (("bb.parse", "SkipRecipe"), ("bb.data_smart", "ExpansionError"),
                         ("bb.process", "ExecutionError")):
        if module in sys.modules:
            classes.append(getattr(sys.modules[module], name))
    return tuple(classes)


def _print_exception(t, value, tb, realfile, text, context):
    """Log an exception with the source lines of every frame it went through."""
    import traceback

    report = ["Error executing a python function in %s:\n" % realfile]
    try:
        # The outermost frame is better_exec, no news unless it failed itself.
        frames = traceback.extract_tb(tb.tb_next or tb)
        formatted = traceback.format_list(frames)
        own_lines = text.split("\n")
        report.append("The stack trace of python calls that resulted in this exception/failure was:")
        for depth, frame in enumerate(frames):
            report.append("File: '%s', lineno: %s, function: %s" % (frame.filename, frame.lineno, frame.name))
            caller = frames[depth - 1].filename if depth else None
            if depth == 0 or caller == frame.filename == frame.name:
                report.extend(_print_trace(own_lines, frame.lineno))
                continue
            lines = _lines_of(frame.filename)
            if lines is None:
                report.append(formatted[depth])
            else:
                report.extend(_print_trace(lines, frame.lineno))
        report.append("Exception: %s" % "".join(traceback.format_exception_only(t, value)))
        output = _command_output(value)
        if output:
            report += ["Subprocess output:", output]
    finally:
        logger.error("\n".join(report))


def _lines_of(path):
    """The lines of a file with an absolute path; None if there is no reading it."""
    if path.startswith("/"):
        try:
            with open(path) as file:
                return file.readlines()
        except (OSError, ValueError):
            pass
    return None


def _command_output(exc):
    """What a failed command printed, if `exc` is subprocess.CalledProcessError."""
    subprocess = sys.modules.get("subprocess")
    if subprocess is None or not isinstance(exc, subprocess.CalledProcessError) or not exc.output:
        return None
    output = exc.output
    return output if isinstance(output, str) else output.decode("utf-8", errors="ignore")


def simple_exec(code, context):
    """Run code without any error reporting."""
    exec(code, get_context(), context)


def better_eval(source, locals, extraglobals=None):
    """Evaluate an expression in the metadata globals, extended by `extraglobals`."""
    scope = get_context()
    if extraglobals:
        scope = {**scope, **extraglobals}
    return eval(source, scope, locals)


def exec_flat_python_func(func, *args, **kwargs):
    """Call a `def` function of the metadata by name and return its result."""
    context = {"arg_%d" % number: arg for number, arg in enumerate(args, 1)}
    passed = list(context) + ["%s=%s" % (name, name) for name in kwargs]
    context.update(kwargs)
    call = "retval = %s(%s)" % (func, ", ".join(passed))
    better_exec(better_compile(call, "<string>", "<string>"), context, call, "<string>")
    return context["retval"]
