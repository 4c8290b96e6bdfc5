# SPDX-License-Identifier: Apache-2.0
"""A long-lived process that answers questions about metadata: JSON lines in, JSON lines out.

    oracle.py             the real BitBake answers
    oracle.py --ours      rbake's `bb` package answers, the engine behind it

The protocol is written down in PROTOCOL.md.

Every question is answered in a forked copy of this process, which already has BitBake loaded. So no state of one case
(global functions of ``def``, class caches, warn-once sets, handlers) reaches the next, and a case that crashes, loops
or exhausts the stack ends only its own copy.
"""

import base64
import io
import json
import logging
import os
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback

import ours
import reference

# A case that takes longer is reported as {"status": "timeout"}.
TIMEOUT_SECONDS = float(os.environ.get("RBAKE_ORACLE_TIMEOUT", "20"))
# Names hidden from iteration which the comparison still wants to see.
INTERNAL_NAMES = ("__BBTASKS", "__BBHANDLERS", "__BBANONFUNCS", "__SKIPPED", "_task_deps")
# BitBake's names for the translation of a path into a function name.
MANGLED = "/.+-@%&~"

LEVELS = ((logging.ERROR - 1, "ERROR"), (logging.WARNING - 1, "WARNING"))


def encode(value):
    """A Python value as JSON that keeps its type: see PROTOCOL.md, "Values"."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [encode(item) for item in value]}
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {"dict": {key: encode(item) for key, item in value.items()}}
        return {"repr": repr(value)}
    if isinstance(value, (set, frozenset)):
        return {"set": sorted((encode(item) for item in value), key=json.dumps)}
    return {"repr": "<%s>" % type(value).__name__}


def error_of(exc):
    """[class name, text] of an exception."""
    return [type(exc).__name__, str(exc)]


class LogCapture(logging.Handler):
    """Keeps warnings and errors as [level, text]; levels are spelled as the console spells them."""

    def __init__(self, show_once):
        super().__init__(logging.WARNING - 1)
        self.records = []
        self.addFilter(show_once)

    def emit(self, record):
        for threshold, name in LEVELS:
            if record.levelno >= threshold:
                self.records.append([name, record.getMessage()])
                return


class Case:
    """One question, answered inside a forked process. `root` is the case's own folder."""

    def __init__(self, root):
        self.root = root
        self.mangled_root = "".join("_" if c in MANGLED else c for c in root)
        self.log = LogCapture(bb.msg.LogFilterShowOnce())
        logging.getLogger("BitBake").addHandler(self.log)

    # Paths: "@ROOT@" in a question means the case's folder; in an answer the folder is removed.

    def localise(self, value):
        """Put the folder's path into a question."""
        if isinstance(value, str):
            return value.replace("@ROOT@", self.root)
        if isinstance(value, list):
            return [self.localise(item) for item in value]
        if isinstance(value, dict):
            return {key: self.localise(item) for key, item in value.items()}
        return value

    def neutral(self, value):
        """Take the folder's path out of an answer, also in its form as a part of function names."""
        if isinstance(value, str):
            return value.replace(self.root, "").replace(self.mangled_root, "")
        if isinstance(value, list):
            return [self.neutral(item) for item in value]
        if isinstance(value, dict):
            return {self.neutral(key): self.neutral(item) for key, item in value.items()}
        return value

    def write_files(self, files):
        for name, content in files.items():
            path = os.path.normpath(os.path.join(self.root, name))
            if not path.startswith(self.root + os.sep):
                raise ValueError("file outside of the case's folder: %s" % name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            data = base64.b64decode(content["base64"]) if isinstance(content, dict) else content.encode("utf-8")
            with open(path, "wb") as handle:
                handle.write(data)

    def answer(self, question):
        op = question.get("op")
        handler = getattr(self, "op_" + str(op), None)
        if handler is None:
            return {"status": "unsupported", "error": ["ValueError", "unknown op %s" % op]}
        return handler(self.localise(question))

    def failed(self, exc):
        result = {"status": "error", "error": error_of(exc), "log": self.log.records}
        if os.environ.get("RBAKE_ORACLE_TRACEBACK"):
            result["traceback"] = traceback.format_exc()
        return result

    # The questions.

    def op_metadata(self, q):
        """Parse one file the way a recipe is parsed and describe every store that comes out."""
        self.write_files(q.get("files", {}))
        target = os.path.join(self.root, q.get("target", "t.bb"))
        os.chdir(self.root)
        d = bb.data.init()
        if q.get("history"):
            d.enableTracking()
        try:
            self.calls(d, q.get("before", []))
            bb.parse.siggen = bb.siggen.init(d)
            if target.endswith(".conf"):
                stores = {"": bb.parse.handle(target, d, q.get("include", True))}
            else:
                stores = bb.parse.handle(target, d)
        except Exception as exc:
            return self.failed(exc)
        d = stores[""]
        result = {"status": "ok", "log": self.log.records}
        if "after" in q:
            result["calls"] = self.calls(d, q["after"])
        if q.get("read", True):
            result["stores"] = {name: self.describe(store, q) for name, store in stores.items()}
        if hasattr(bb.parse.siggen, "basehash"):
            result["basehash"] = dict(sorted(bb.parse.siggen.basehash.items()))
        return result

    def describe(self, d, q):
        """Every variable of a store: unexpanded, expanded or the error, flags."""
        try:
            names = set(d.keys()) if q.get("names") is None else set(q["names"])
        except Exception as exc:
            # OVERRIDES cannot be computed.
            return {"error": error_of(exc)}
        if q.get("names") is None:
            names = {name for name in names if not name.startswith("__") and name not in INTERNAL_NAMES}
            names |= {name for name in INTERNAL_NAMES if d.getVar(name, False) is not None}
        variables = {}
        for name in sorted(names):
            entry = {}
            for field, expand in (("raw", False), ("value", True)):
                try:
                    entry[field] = encode(d.getVar(name, expand))
                except Exception as exc:
                    entry["raw_error" if field == "raw" else "error"] = error_of(exc)
            entry["flags"] = {flag: encode(value) for flag, value in (d.getVarFlags(name) or {}).items()}
            if q.get("history"):
                try:
                    entry["history"] = self.history(d, name)
                except Exception as exc:
                    entry["history_error"] = error_of(exc)
            variables[name] = entry
        result = {"vars": variables}
        if "deps" in q:
            try:
                result["deps"] = self.dependencies(d, names, q["deps"])
            except Exception as exc:
                # Which variables are exported cannot be told.
                result["deps_error"] = error_of(exc)
        return result

    def history(self, d, name):
        out = io.StringIO()
        d.varhistory.emit(name, d.getVar(name, False), d.getVar(name, False), out, d)
        return out.getvalue()

    def dependencies(self, d, names, options):
        """Direct dependencies and hashed value of every name (or of options["names"])."""
        keys, shelldeps, codeparserd = self.dependency_inputs(d)
        ignored = set(options.get("ignored", []))
        excluded = set(options.get("exclude_flags", []))
        return {name: self.one_dependency(name, keys, shelldeps, excluded, ignored, d, codeparserd)
                for name in sorted(options.get("names") or names)}

    def dependency_inputs(self, d):
        keys = {key for key in d.keys() if not key.startswith("__")} | set(bb.codeparser.modulecode_deps)
        exported = d.getVar("__exportlist", False) or ()
        shelldeps = {key for key in exported if bb.utils.to_boolean(d.getVarFlag(key, "export"))
                     and not bb.utils.to_boolean(d.getVarFlag(key, "unexport"))}
        copy = d.createCopy()
        for forced in (d.getVar("BB_HASH_CODEPARSER_VALS") or "").split():
            key, value = forced.split("=", 1)
            copy.setVar(key, value)
        return keys, shelldeps, copy

    def one_dependency(self, name, keys, shelldeps, excluded, ignored, d, codeparserd):
        try:
            deps, value = bb.data.build_dependencies(name, keys, set(bb.codeparser.modulecode_deps), shelldeps, excluded,
                                                     ignored, d, codeparserd)
            return {"deps": sorted(deps), "value": encode(value)}
        except Exception as exc:
            return {"error": error_of(exc)}

    def calls(self, d, calls):
        """Run [method, argument…] one after the other on the store; the list of outcomes."""
        return [self.call(d, call) for call in calls]

    def call(self, d, call):
        method, *args = call
        try:
            if method in STORE_METHODS:
                return {"result": encode(getattr(d, method)(*args))}
            if method in ("keys", "overridedata"):
                prefix = args[0] if args else ""
                if method == "keys":
                    return {"result": sorted(key for key in d.keys() if key.startswith(prefix))}
                return {"result": {"dict": {k: encode(v) for k, v in sorted(d.overridedata.items()) if k.startswith(prefix)}}}
            if method == "expandKeys":
                return {"result": encode(bb.data.expandKeys(d))}
            if method == "references":
                parsed = d.expandWithRefs(d.getVar(args[0], False), args[0])
                return {"result": self.parsed(parsed)}
            if method == "text_references":
                return {"result": self.parsed(d.expandWithRefs(args[0], args[1] if len(args) > 1 else None))}
            if method == "dependencies":
                options = args[1] if len(args) > 1 else {}
                keys, shelldeps, copy = self.dependency_inputs(d)
                answer = self.one_dependency(args[0], keys, shelldeps, set(options.get("exclude_flags", [])),
                                             set(options.get("ignored", [])), d, copy)
                return {"error": answer["error"]} if "error" in answer else {"result": {"dict": answer}}
            if method == "emit_var":
                out = io.StringIO()
                bb.data.emit_var(args[0], out, d, *args[1:])
                return {"result": out.getvalue()}
            if method == "history":
                return {"result": self.history(d, args[0])}
            return {"error": ["AttributeError", "unknown call %s" % method]}
        except Exception as exc:
            return {"error": error_of(exc)}

    def parsed(self, parsed):
        """A VariableParse in the terms of PROTOCOL.md."""
        return {"dict": {"references": sorted(parsed.references), "execs": sorted(parsed.execs),
                         "contains": {"dict": {k: sorted(v) for k, v in sorted(parsed.contains.items())}},
                         "value": encode(parsed.value)}}

    def op_expand(self, q):
        """Expand a text in a store with the given variables."""
        d = bb.data.init()
        try:
            for name, value in q.get("variables", {}).items():
                d.setVar(name, value)
            return {"status": "ok", "value": encode(d.expand(q["text"], q.get("name"))), "log": self.log.records}
        except Exception as exc:
            return self.failed(exc)

    def op_scan_shell(self, q):
        """Commands that a shell text runs."""
        parser = bb.codeparser.ShellParser("scan", logging.getLogger("BitBake.Scan"))
        try:
            execs = parser.parse_shell(q["text"])
        except Exception as exc:
            return self.failed(exc)
        return {"status": "ok", "execs": sorted(execs), "allexecs": sorted(parser.allexecs),
                "funcdefs": sorted(parser.funcdefs), "log": self.log.records}

    def op_scan_python(self, q):
        """References and calls of a Python text."""
        parser = bb.codeparser.PythonParser("scan", logging.getLogger("BitBake.Scan"))
        try:
            parser.parse_python(q["text"])
        except Exception as exc:
            return self.failed(exc)
        return {"status": "ok", "references": sorted(parser.references), "execs": sorted(parser.execs),
                "var_execs": sorted(parser.var_execs),
                "contains": {k: sorted(map(str, v)) for k, v in sorted(parser.contains.items())}, "log": self.log.records}

    def op_vercmp(self, q):
        """Compare two versions: (epoch, version, revision) triples, or plain strings."""
        try:
            a, b = q["a"], q["b"]
            result = bb.utils.vercmp_string(a, b) if isinstance(a, str) else bb.utils.vercmp(tuple(a), tuple(b))
            return {"status": "ok", "value": result}
        except Exception as exc:
            return self.failed(exc)

    def op_utils(self, q):
        """Call a pure function of bb.utils by name."""
        if q["function"] not in UTILS:
            return {"status": "unsupported", "error": ["ValueError", "not in the list: %s" % q["function"]]}
        try:
            value = getattr(bb.utils, q["function"])(*q.get("args", []))
            if isinstance(value, dict):
                value = dict(value)
            return {"status": "ok", "value": encode(value)}
        except Exception as exc:
            return self.failed(exc)


STORE_METHODS = frozenset("""getVar setVar appendVar prependVar delVar renameVar getVarFlag setVarFlag appendVarFlag
    prependVarFlag delVarFlag getVarFlags setVarFlags delVarFlags expand hasOverrides setVarFilter expandVarref""".split())
UTILS = frozenset("explode_deps explode_dep_versions explode_dep_versions2 join_deps to_boolean vercmp_string_op "
                  "vercmp_string".split())


def in_fork(question, root):
    """Answer one question in a forked process; its answer as a line of text."""
    read_end, write_end = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read_end)
            # Metadata may print or read: neither may touch the protocol's streams.
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(null, 1)
            case = Case(root)
            try:
                answer = case.neutral(case.answer(question))
            except RecursionError:
                answer = {"status": "error", "error": ["RecursionError", ""], "log": []}
            data = json.dumps(answer, ensure_ascii=True).encode("ascii")
            with os.fdopen(write_end, "wb") as out:
                out.write(data)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(write_end)
    chunks, deadline = [], time.monotonic() + TIMEOUT_SECONDS
    timed_out = False
    while True:
        ready, _, _ = select.select([read_end], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            timed_out = True
            os.kill(pid, signal.SIGKILL)
            break
        chunk = os.read(read_end, 1 << 20)
        if not chunk:
            break
        chunks.append(chunk)
    os.close(read_end)
    _, status = os.waitpid(pid, 0)
    if timed_out:
        return {"status": "timeout"}
    if status != 0:
        return {"status": "crash", "error": ["Crash", "wait status %d" % status]}
    return json.loads(b"".join(chunks))


def serve(lines, out):
    """Answer questions until the input ends."""
    base = tempfile.mkdtemp(prefix="oracle-")
    root = os.path.join(os.path.realpath(base), "case")
    try:
        for line in lines:
            if not line.strip():
                continue
            question = json.loads(line)
            shutil.rmtree(root, ignore_errors=True)
            os.makedirs(root)
            answer = in_fork(question, root)
            answer["id"] = question.get("id")
            out.write(json.dumps(answer, sort_keys=True) + "\n")
            out.flush()
    finally:
        shutil.rmtree(base, ignore_errors=True)


def load(own):
    """Make `import bb` give the one that is to answer. Raises reference.Missing."""
    environment = reference.clean_environment(("RBAKE_NATIVE_EXPR",))
    if own:
        engine = ours.engine()
        if engine is None:
            raise SystemExit("no extension module is built")
        os.environ.clear()
        os.environ.update(environment)
        return ours.activate(engine)
    found = reference.find()
    os.environ.clear()
    os.environ.update(environment)
    return found.activate()


def main(prepare=None, own=False):
    """Answer questions; `prepare` is given the loaded `bb` package first."""
    try:
        load(own)
    except reference.Missing as exc:
        # The other side decides whether that is a failure.
        print(json.dumps({"skip": str(exc)}), flush=True)
        return 0
    global bb
    import bb, bb.build, bb.codeparser, bb.data, bb.event, bb.msg, bb.parse, bb.siggen, bb.utils  # noqa: E401
    if prepare:
        prepare(bb)
    # Warm what is loaded lazily, so that no forked copy does it again.
    bb.codeparser.ShellParser("warm", logging.getLogger("BitBake.Scan")).parse_shell("true")
    print(json.dumps({"hello": {"bitbake": bb.__version__, "python": sys.version.split()[0]}}), flush=True)
    serve(sys.stdin, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(own=sys.argv[1:] == ["--ours"]))
