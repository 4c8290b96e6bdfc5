# SPDX-License-Identifier: Apache-2.0
"""Files that say what went into the hash of a task: writing, showing and comparing them."""

import collections
import difflib
import hashlib
import json
import os

import bb
import bb.utils


class SetEncoder(json.JSONEncoder):
    """Writes sets as objects, which JSON has no form for."""

    def default(self, obj):
        if isinstance(obj, (set, frozenset)):
            return {"_set_object": sorted(obj)}
        return super().default(obj)


def SetDecoder(dct):
    return frozenset(dct["_set_object"]) if "_set_object" in dct else dct


def handle_renames(data):
    """Gives fields of older files their present names."""
    for old, new in (("basewhitelist", "basehash_ignore_vars"), ("taskwhitelist", "taskhash_ignore_tasks")):
        if old in data:
            data[new] = data.pop(old)


def clean_checksum_file_path(file_checksum_tuple):
    """The part of a path that doesn't depend on where the layer is."""
    path = file_checksum_tuple[0]
    return "./" + path.split("/./")[1] if "/./" in path else os.path.basename(path)


def write_sigfile(path, data):
    """Writes a file, whole or not at all."""
    from bb.compress import zstd
    folder = os.path.dirname(path)
    with bb.utils.umask(0o002):
        bb.utils.mkdirhier(folder)
    # Always the same name: what a killed process left is written over by the next one.
    temporary = path + ".tmp"
    try:
        with zstd.open(temporary, "wt", encoding="utf-8", num_threads=1) as f:
            json.dump(data, f, sort_keys=True, separators=(",", ":"), cls=SetEncoder)
            f.flush()
        os.chmod(temporary, 0o664)
        bb.utils.rename(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _read(path):
    from bb.compress import zstd
    try:
        with zstd.open(path, "rt", encoding="utf-8", num_threads=1) as f:
            data = json.load(f, object_hook=SetDecoder)
    except (TypeError, OSError) as exc:
        bb.error("Failed to open sigdata file '%s': %s" % (path, exc))
        raise
    handle_renames(data)
    return data


# --- hashes -------------------------------------------------------------------------------------------------------------------------


def calc_basehash(sigdata):
    values = sigdata["varvals"]
    parts = [values[sigdata["task"]] or ""]
    for name in sorted(sigdata["taskdeps"]):
        parts.append(name)
        if values[name] is not None:
            parts.append(str(values[name]))
    return hashlib.sha256("".join(parts).encode("utf-8")).hexdigest()


def calc_taskhash(sigdata):
    parts = [sigdata["basehash"]]
    parts += [sigdata["runtaskhashes"][dep] for dep in sigdata["runtaskdeps"]]
    for path, checksum in sigdata["file_checksum_values"]:
        if checksum:
            parts += [path, checksum] if "./" in path else [checksum]
    taint = sigdata.get("taint", "")
    parts.append(taint[len("nostamp:"):] if "nostamp:" in taint else taint)
    return hashlib.sha256("".join(parts).encode("utf-8")).hexdigest()


# --- showing ------------------------------------------------------------------------------------------------------------------------


def _shown_taint(taint):
    return taint.replace("nostamp:", "nostamp(uuid4):") if taint and taint.startswith("nostamp:") else taint


def dump_sigfile(a):
    """The content of a file as lines for people."""
    data = _read(a)
    lines = [
        "basehash_ignore_vars: %s" % sorted(data["basehash_ignore_vars"]),
        "taskhash_ignore_tasks: %s" % sorted(data["taskhash_ignore_tasks"] or []),
        "Task dependencies: %s" % sorted(data["taskdeps"]),
        "basehash: %s" % data["basehash"],
    ]
    lines += ["List of dependencies for variable %s is %s" % (name, sorted(deps)) for name, deps in sorted(data["gendeps"].items())]
    lines += ["Variable %s value is %s" % item for item in sorted(data["varvals"].items())]
    if "runtaskdeps" in data:
        lines.append("Tasks this task depends on: %s" % sorted(data["runtaskdeps"]))
    if "file_checksum_values" in data:
        lines.append("This task depends on the checksums of files: %s" % sorted(data["file_checksum_values"]))
    lines += ["Hash for dependent task %s is %s" % item for item in sorted(data.get("runtaskhashes", {}).items())]
    if "taint" in data:
        lines.append("Tainted (by forced/invalidated task): %s" % _shown_taint(data["taint"]))
    if "task" in data:
        lines.append("Computed base hash is %s and from file %s" % (calc_basehash(data), data["basehash"]))
    else:
        lines.append("Unable to compute base hash")
    if "runtaskdeps" in data:
        lines.append("Computed task hash is %s" % calc_taskhash(data))
    else:
        lines.append("Unable to compute task hash")
    return lines


# --- comparing ----------------------------------------------------------------------------------------------------------------------


def init_colors(enable_color):
    """Escape sequences by their use, all empty without colour."""
    colors = {"color_title": "\033[1m", "color_default": "\033[0m", "color_add": "\033[0;32m", "color_remove": "\033[0;31m"}
    return colors if enable_color else dict.fromkeys(colors, "")


def _pieces(old, new):
    """The pieces of two lists in order: '=' for what both have, '-' for what only the old one has, '+' for the new one."""
    for _, start, end, new_start, new_end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        removed, added = old[start:end], new[new_start:new_end]
        if removed == added:
            yield "=", removed
            continue
        if removed:
            yield "-", removed
        if added:
            yield "+", added


def worddiff_str(oldstr, newstr, colors=None):
    """What changed in a text, word by word."""
    colors = colors or init_colors(False)
    forms = {"=": "%s", "+": "{color_add}{{+%s+}}{color_default}".format(**colors), "-": "{color_remove}[-%s-]{color_default}".format(**colors)}
    text = " ".join(forms[kind] % " ".join(words) for kind, words in _pieces(oldstr.split(" "), newstr.split(" ")))
    only_blanks = oldstr != newstr and oldstr.split() == newstr.split()
    return '"%s"%s' % (text, " (whitespace changed)" if only_blanks else "")


def list_inline_diff(oldlist, newlist, colors=None):
    """What changed in a list."""
    colors = colors or init_colors(False)
    forms = {"=": "'%s'", "+": "{color_add}+%s{color_default}".format(**colors), "-": "{color_remove}-%s{color_default}".format(**colors)}
    return "[%s]" % ", ".join(forms[kind] % " ".join(items) for kind, items in _pieces(oldlist, newlist))


def _dict_diff(a, b, ignored=frozenset()):
    changed = {key for key in a.keys() & b.keys() if a[key] != b[key] and key not in ignored}
    return sorted(changed), sorted(b.keys() - a.keys()), sorted(a.keys() - b.keys())


def _files_diff(a, b):
    """Changed files with both checksums, added and removed ones. A name may occur more than once."""
    old, new = [tuple(entry) for entry in a], [tuple(entry) for entry in b]
    gone, came = list((collections.Counter(old) - collections.Counter(new)).elements()), []
    left = collections.Counter(new) - collections.Counter(old)
    for entry in new:
        if left[entry] > 0:
            left[entry] -= 1
            came.append(entry)
    changed, removed = [], []
    for path, checksum in gone:
        partner = next((entry for entry in came if entry[0] == path), None)
        if partner is None:
            removed.append(path)
        else:
            changed.append((path, checksum, partner[1]))
            came.remove(partner)
    return changed, [path for path, _ in came], removed


class _Comparison:
    """Two files and the lines about their differences."""

    def __init__(self, a, b, color):
        self.a, self.b = _read(a), _read(b)
        self.color = color
        self.colors = init_colors(color)
        self.lines = []

    def _colored(self, text):
        """A text with names of colours in angle brackets; it ends in the default one."""
        if not text.endswith("<default>"):
            text += "<default>"
        for name, sequence in self.colors.items():
            text = text.replace("<%s>" % name[len("color_"):], sequence)
        return text

    def say(self, text, *values):
        self.lines.append(self._colored(text) % values if values else self._colored(text))

    def ignored(self):
        for field in ("basehash_ignore_vars", "taskhash_ignore_tasks"):
            old, new = self.a.get(field), self.b.get(field)
            if field in self.a and old != new:
                self.say("<title>" + field + " changed<default> from '%s' to '%s'", old, new)
                if old and new and isinstance(old, frozenset):
                    self.lines.append("changed items: %s" % old.symmetric_difference(new))

    def basehash(self, collapsed):
        a, b = self.a, self.b
        if a["taskdeps"] != b["taskdeps"]:
            self.say("<title>Task dependencies changed<default> from:\n%s\nto:\n%s", sorted(a["taskdeps"]), sorted(b["taskdeps"]))
        if a["basehash"] != b["basehash"] and not collapsed:
            self.say("<title>basehash changed<default> from %s to %s", a["basehash"], b["basehash"])
        ignored = a["basehash_ignore_vars"] & b["basehash_ignore_vars"]
        changed, added, removed = _dict_diff(a["gendeps"], b["gendeps"], ignored)
        for name in changed:
            old, new = a["gendeps"][name], b["gendeps"][name]
            self.say("<title>List of dependencies for variable %s changed from '<default>%s<title>' to '<default>%s<title>'", name, old, new)
            if old and new:
                self.lines.append("changed items: %s" % old.symmetric_difference(new))
        for name in added:
            self.say("<title>Dependency on variable %s was added", name)
        for name in removed:
            self.say("<title>Dependency on Variable %s was removed", name)
        for name in _dict_diff(a["varvals"], b["varvals"])[0]:
            self._value(name, a["varvals"][name], b["varvals"][name])

    def _value(self, name, old, new):
        texts = str(old or ""), str(new or "")
        if old and new and any("\n" in text for text in texts):
            # The first two lines name the files.
            lines = list(difflib.unified_diff(texts[0].splitlines(), texts[1].splitlines(), lineterm=""))[2:]
            if self.color:
                marks = {"+": "<add>", "-": "<remove>"}
                lines = [self._colored(marks[line[0]] + "\0").replace("\0", line) if line[:1] in marks else line for line in lines]
            self.say("<title>Variable %s value changed:<default>\n%s", name, "\n".join(lines))
        elif old and new and any(" " in text for text in texts):
            self.say("<title>Variable %s value changed:<default>\n%s", name, worddiff_str(*texts, self.colors))
        else:
            self.say("<title>Variable %s value changed from '<default>%s<title>' to '<default>%s<title>'<default>", name, old, new)

    def files(self):
        changed, added, removed = _files_diff(self.a.get("file_checksum_values", []), self.b.get("file_checksum_values", []))
        for path, old, new in changed:
            self.say("<title>Checksum for file %s changed<default> from %s to %s", path, old, new)
        for path in added:
            self.say("<title>Dependency on checksum of file %s was added", path)
        for path in removed:
            self.say("<title>Dependency on checksum of file %s was removed", path)

    def run_deps(self):
        old, new = self.a.get("runtaskdeps", []), self.b.get("runtaskdeps", [])
        changed = []
        if len(old) != len(new):
            changed = ["Number of task dependencies changed"]
        else:
            for one, other in zip(old, new):
                hashes = self.a["runtaskhashes"][one], self.b["runtaskhashes"][other]
                if hashes[0] != hashes[1]:
                    changed.append("%s with hash %s\n changed to\n%s with hash %s" % (one, hashes[0], other, hashes[1]))
        if changed:
            if old != new:
                self.say("<title>runtaskdeps changed:<default>\n%s", list_inline_diff(old, new, self.colors))
            else:
                self.say("<title>runtaskdeps changed:")
            self.lines.append("\n".join(changed))

    def run_hashes(self, recursecb, collapsed):
        old, new = self.a["runtaskhashes"], self.b["runtaskhashes"]
        changed, added, removed = _dict_diff(old, new)
        # A task that only got another name is no news.
        gone = {old[name] for name in removed}
        for name in added:
            if new[name] not in gone:
                self.say("<title>Dependency on task %s was added<default> with hash %s", name, new[name])
        came = {new[name] for name in added}
        for name in removed:
            if old[name] not in came:
                self.say("<title>Dependency on task %s was removed<default> with hash %s", name, old[name])
        for name in changed:
            if not collapsed:
                self.say("<title>Hash for task dependency %s changed<default> from %s to %s", name, old[name], new[name])
            found = recursecb(name, old[name], new[name]) if callable(recursecb) else None
            if found and collapsed:
                self.lines.extend(found)
            elif found:
                # Most likely all the differences come from there.
                self.lines = [self.lines[-1]] + found
                break

    def taint(self):
        old, new = self.a.get("taint"), self.b.get("taint")
        if old != new:
            self.say("<title>Taint (by forced/invalidated task) changed<default> from %s to %s", _shown_taint(old), _shown_taint(new))


def compare_sigfiles(a, b, recursecb=None, color=False, collapsed=False):
    """Lines about what differs between two files. `recursecb` gives the lines about a task that both depend on."""
    comparison = _Comparison(a, b, color)
    comparison.ignored()
    comparison.basehash(collapsed)
    comparison.files()
    if not collapsed:
        comparison.run_deps()
    if "runtaskhashes" in comparison.a and "runtaskhashes" in comparison.b:
        comparison.run_hashes(recursecb, collapsed)
    comparison.taint()
    return comparison.lines
