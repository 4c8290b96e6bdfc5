# SPDX-License-Identifier: Apache-2.0
"""Drives the real BitBake over OE-core; started by oecore.py in a prepared environment, one process per job.

    oecore_reference.py dump OUT JOBS        every recipe's stores as JSON lines, in PROTOCOL.md's record format
    oecore_reference.py dash-e DIR NAME=TARGET…    the text of `bitbake -e` for each target, into DIR/NAME
    oecore_reference.py targets OUT          the names of all targets and the counts of `bitbake -p`

The working directory is the build folder. BitBake's own server, event and cache machinery is left out; configuration,
recipe collection and recipe parsing are BitBake's own functions.
"""

import gzip
import io
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import reference
from oracle import encode, error_of

# Read before BitBake cleans the environment. (folder, word that stands for it in the output)
FOLDERS = json.loads(os.environ.get("ORACLE_FOLDERS", "[]"))
EXTRA_NAMES = ("__BBTASKS", "__BBHANDLERS", "__SKIPPED")


class Reader:
    """A configured BitBake: `tracking` records the history that `-e` shows."""

    def __init__(self, arguments, tracking=False):
        import bb.cache
        import bb.cooker
        import bb.cookerdata
        import bb.fetch2
        import bb.server.process
        # What the command line does before it starts its server.
        removed = bb.utils.clean_environment()
        environment = {**os.environ, **removed}
        features = [bb.cooker.CookerFeatures.BASEDATASTORE_TRACKING] if tracking else []
        self.cooker = bb.cooker.BBCooker(features)
        self.cooker.configuration.env = environment
        self.cooker.ui_cmdline = [str(argument) for argument in arguments]
        self.cooker.handlePRServ = lambda: None
        self.cooker.initConfigurationData()
        if tracking:
            self.cooker.enableDataTracking()
        self.cooker.parseConfiguration()
        self.collection = self.cooker.collections[""]
        # `-e` shows a configuration that was read again after the recipes were collected.
        data = self.cooker.data.createCopy() if tracking else self.cooker.data
        self.files, self.masked, _ = self.collection.collect_bbfiles(data, data)
        self.context = bb.utils.get_context().copy()
        self.handlers = bb.event.get_class_handlers().copy()

    def reset(self):
        """Forget what the recipe before has registered, as BitBake's parser processes do."""
        bb.utils.set_context(self.context.copy())
        bb.event.set_class_handlers(self.handlers.copy())
        bb.parse.siggen.postparsing_clean_cache()

    def appends(self, file):
        return self.collection.get_file_appends(file), self.collection.calc_bbfile_priority(file)[2]

    def variants(self, file):
        """[(target, store)] of a recipe file: the recipe itself, then its variants in order."""
        self.reset()
        appends, layer = self.appends(file)
        stores = self.cooker.databuilder.parseRecipeVariants(file, appends, mc="", layername=layer)
        return [(bb.cache.realfn2virtual(file, variant, ""), store) for variant, store in
                sorted(stores.items(), key=lambda item: item[0] != "")]


def record(target, file, store):
    """One target in PROTOCOL.md's record format."""
    names = {name for name in store.keys() if not name.startswith("__")}
    names |= {name for name in EXTRA_NAMES if store.getVar(name, False) is not None}
    variables = {}
    for name in sorted(names):
        entry = {}
        try:
            entry["value"] = encode(store.getVar(name))
        except Exception as exc:
            entry["error"] = error_of(exc)
        try:
            raw = encode(store.getVar(name, False))
            if "value" not in entry or raw != entry["value"]:
                entry["raw"] = raw
        except Exception as exc:
            entry["raw_error"] = error_of(exc)
        flags = {flag: encode(value) for flag, value in (store.getVarFlags(name) or {}).items()}
        if flags:
            entry["flags"] = flags
        variables[name] = entry
    prefix = target + ":"
    hashes = {tid[len(prefix):]: value for tid, value in getattr(bb.parse.siggen, "basehash", {}).items()
              if tid.startswith(prefix)}
    return {"target": target, "file": file, "vars": variables, "basehash": hashes}


def neutral(text):
    """Replace the folders of this machine, also where they are a part of function names."""
    for folder, word in FOLDERS:
        mangled = "".join("_" if c in "/.+-@%&~" else c for c in folder)
        text = text.replace(folder, word).replace(mangled, word)
    return text


def dump(out, jobs):
    """Write every target's record; the files in sorted order, shared out to `jobs` forked processes."""
    reader = Reader(["bitbake", "-p"])
    files = sorted(reader.files)
    folder = Path(out + ".parts")
    folder.mkdir(parents=True, exist_ok=True)
    children = []
    for job in range(jobs):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                for number in range(job, len(files), jobs):
                    lines = []
                    for target, store in reader.variants(files[number]):
                        lines.append(neutral(json.dumps(record(target, files[number], store), sort_keys=True)))
                    with gzip.open(folder / str(number), "wb", compresslevel=3) as part:
                        part.write("".join(line + "\n" for line in lines).encode("ascii"))
                status = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                os._exit(status)
        children.append(pid)
    failed = sum(os.waitpid(pid, 0)[1] != 0 for pid in children)
    if failed:
        return 1
    with open(out + ".new", "wb") as whole:
        # Targets are much alike: over a long window they pack to a twentieth of what gzip makes of them.
        packer = subprocess.Popen(["zstd", "-3", "-q", "--long=27"], stdin=subprocess.PIPE,
                                  stdout=whole) if out.endswith(".zst") else None
        for number in range(len(files)):
            part = folder / str(number)
            if packer:
                with gzip.open(part) as lines:
                    shutil.copyfileobj(lines, packer.stdin)
            else:
                # Gzip members one after the other are a gzip file.
                whole.write(part.read_bytes())
            part.unlink()
        if packer:
            packer.stdin.close()
            if packer.wait() != 0:
                return 1
    folder.rmdir()
    os.rename(out + ".new", out)
    return 0


def targets(out):
    """The counts that `bitbake -p` reports and the names of all targets."""
    reader = Reader(["bitbake", "-p"])
    result = {"files": len(reader.files), "masked": reader.masked, "targets": [], "skipped": []}
    for file in sorted(reader.files):
        for target, store in reader.variants(file):
            entry = [target, store.getVar("PN"), store.getVar("PV")]
            (result["skipped"] if store.getVar("__SKIPPED", False) else result["targets"]).append(entry)
    Path(out).write_text(neutral(json.dumps(result)))
    return 0


def dash_e(folder, wanted):
    """Write the text of `bitbake -e` for each target, given as `FILE-NAME=TARGET`."""
    reader = Reader(["bitbake", "-e"], tracking=True)
    for item in wanted:
        name, target = item.split("=", 1)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                Path(folder, name).write_text(neutral(one_dash_e(reader, target)))
                status = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                os._exit(status)
        if os.waitpid(pid, 0)[1] != 0:
            return 1
    return 0


def one_dash_e(reader, target):
    """What BitBake prints for one target: the include tree, variables and shell functions, Python functions."""
    # Asked with the name of a variant, `bitbake -e` finds no layer for it and shows another store than is built with. Here it
    # is told the recipe's.
    appends, layer = reader.appends(bb.cache.virtualfn2realfn(target)[0])
    store = reader.cooker.databuilder.parseRecipe(target, appends, layer)
    tree, variables = io.StringIO(), io.StringIO()
    reader.cooker.data.inchistory.emit(tree)
    bb.data.emit_env(variables, store, True)
    blocks = [tree.getvalue(), variables.getvalue()]
    for key in sorted(store.keys()):
        if store.getVarFlag(key, "func", False) and store.getVarFlag(key, "python", False):
            blocks.append("\npython %s () {\n%s}\n" % (key, store.getVar(key, False)))
    # The console ends each block with a line break of its own.
    return "".join(block + "\n" for block in blocks)


def main():
    reference.find().activate()
    global bb
    import bb, bb.event, bb.parse, bb.utils  # noqa: E401
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    logging.getLogger("BitBake").addHandler(handler)
    command, *arguments = sys.argv[1:]
    if command == "dump":
        return dump(arguments[0], int(arguments[1]))
    if command == "targets":
        return targets(arguments[0])
    if command == "dash-e":
        return dash_e(arguments[0], arguments[1:])
    print("unknown command %s" % command, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
