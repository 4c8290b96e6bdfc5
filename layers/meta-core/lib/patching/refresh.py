# SPDX-License-Identifier: Apache-2.0
"""Patches made anew from a tree where quilt's state says which files each of them touched, and how they were before."""

import filecmp
import os
import re
import shutil
import stat
import subprocess

# What begins the part of a patch that is made anew, and what only git can make.
_DIFF = re.compile(rb"^(?:diff -|Index: |--- [^\n]+\n\+\+\+ )", re.M)
_OF_GIT = re.compile(rb"^(?:GIT binary patch|rename from |copy from )", re.M)
_SIGNATURE = re.compile(rb"^-- ?\n[^\n]*\n*\Z", re.M)
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class RefreshError(Exception):
    """Why a patch can't be made anew."""


class Tree:
    """A tree and the patches that are applied to it, the first one first."""

    def __init__(self, path):
        self.path = path
        self.state = os.path.join(path, ".pc")
        try:
            with open(os.path.join(self.state, "applied-patches")) as file:
                self.applied = file.read().split()
        except FileNotFoundError:
            self.applied = []
        self.touched = {name: self._kept(name) for name in self.applied}

    def _kept(self, name):
        """The files that a patch touched, of which there are copies from before."""
        backup = os.path.join(self.state, name)
        found = set()
        for folder, _, files in os.walk(backup):
            below = os.path.relpath(folder, backup)
            found.update(os.path.normpath(os.path.join(below, file)) for file in files)
        # quilt notes there when it wrote the patch.
        return found - {".timestamp"}

    def before(self, name, file):
        """The copy of a file from before a patch; None if there was no such file."""
        copy = os.path.join(self.state, name, file)
        return copy if os.path.getsize(copy) else None

    def after(self, name, file):
        """The file as it is after a patch; None if there is none."""
        for later in self.applied[self.applied.index(name) + 1:]:
            if file in self.touched[later]:
                return self.before(later, file)
        path = os.path.join(self.path, file)
        return path if os.path.isfile(path) else None

    def changed(self, origin, inner):
        """Files of the sources that are different now, or gone, and that no patch touches.

        `origin` is the same tree as it was unpacked; `inner` are folders in it that are trees of their own.
        """
        touched = set().union(*self.touched.values())
        found = []
        for folder, folders, files in os.walk(origin):
            folders[:] = [name for name in folders if name != ".git" and os.path.join(folder, name) not in inner]
            for name in files:
                file = os.path.relpath(os.path.join(folder, name), origin)
                if file not in touched and not _same(os.path.join(origin, file), os.path.join(self.path, file)):
                    found.append(file)
        return sorted(found)

    def take(self, file, original):
        """Let the last patch have touched a file that was like `original`."""
        copy = os.path.join(self.state, self.applied[-1], file)
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copy2(original, copy)
        self.touched[self.applied[-1]].add(file)

    def text(self, name):
        """The patch as quilt has it; nothing for one that was begun only."""
        try:
            with open(os.path.join(self.state, "patches", name), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    def put(self, name, text):
        """Let quilt go on with what was made anew."""
        with open(os.path.join(self.state, "patches", name), "wb") as file:
            file.write(text)
        try:
            os.unlink(os.path.join(self.state, name + "~refresh"))
        except FileNotFoundError:
            pass

    def refreshed(self, name, strip):
        """The patch as it has to be for the tree as it is; its old text if that still says the same."""
        old = self.text(name)
        if _OF_GIT.search(old):
            raise RefreshError("it renames files or has some that are no text, which only git can write")
        begin = _DIFF.search(old)
        header = old[:begin.start()] if begin else old
        body = old[len(header):]
        end = _SIGNATURE.search(body)
        style = Style(body, strip)
        essence = _essence(body[:end.start()] if end else body)
        # One that has fewer lines around its changes than usual, and fits, is not worth a change.
        for context in (style.context, 3):
            parts = [self._part(name, file, style, context) for file in style.order(self.touched[name])]
            new = b"".join(parts)
            if new and _essence(new) == essence:
                return old
        return header + new + (end.group(0) if end and new else b"")

    def _part(self, name, file, style, context):
        """What the patch does to one file."""
        before, after = self.before(name, file), self.after(name, file)
        old, new = style.labels(file)
        command = ["diff", "-U%d" % context] + (["-p"] if style.functions else [])
        command += ["--label", old if before else "/dev/null", "--label", new if after else "/dev/null"]
        done = subprocess.run(command + [before or os.devnull, after or os.devnull], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, LC_ALL="C"))
        if done.returncode > 1 or done.stdout.startswith(b"Binary files"):
            raise RefreshError("%s can't be compared: %s" % (file, (done.stderr or done.stdout).decode().strip()))
        was, now = (_mode(path) if path else None for path in (before, after))
        extra = ""
        if was is None and now is not None and (style.git or now != 0o644):
            extra = "new file mode 100%o\n" % now
        elif now is None and was is not None and style.git:
            extra = "deleted file mode 100%o\n" % was
        elif None not in (was, now) and was != now:
            extra = "old mode 100%o\nnew mode 100%o\n" % (was, now)
        if not done.stdout and not extra:
            return b""
        if style.git or extra:
            extra = "diff --git %s %s\n" % (old, new) + extra
        return os.fsencode(extra) + done.stdout


class Style:
    """How a patch is written, which is kept."""

    def __init__(self, body, strip):
        self.git = b"diff --git " in body
        self.functions = re.search(rb"^@@ -[\d,]+ \+[\d,]+ @@ \S", body, re.M) is not None
        self.strip = int(strip)
        self.context = _context(body)
        self.listed = []
        for match in re.finditer(rb"^--- ([^\t\n]+)[^\n]*\n\+\+\+ ([^\t\n]+)", body, re.M):
            for path in match.groups():
                if path != b"/dev/null":
                    self.listed.append("/".join(os.fsdecode(path).split("/")[self.strip:]))

    def order(self, files):
        """Files in the order that the patch has them, new ones at the end."""
        known = [file for file in dict.fromkeys(self.listed) if file in files]
        return known + sorted(files - set(known))

    def labels(self, file):
        """A file's two names."""
        if self.strip == 0:
            return file, file
        return ("%s/%s" % ("/".join([side] * self.strip), file) for side in "ab")


def _same(one, other):
    """Whether two files are of one kind and have the same content and permissions."""
    if os.path.islink(one) or os.path.islink(other):
        return os.path.islink(one) and os.path.islink(other) and os.readlink(one) == os.readlink(other)
    return os.path.isfile(other) and _mode(one) == _mode(other) and filecmp.cmp(one, other, shallow=False)


def _context(body):
    """How many lines a patch has around its changes, as far as that can be seen: 1 to 3."""
    # Between two changes there may be more of them, which does no harm: 3 are usual.
    runs = re.findall(rb"(?:^@@ [^\n]*\n|^[+-][^\n]*\n)((?: [^\n]*\n)+)", body, re.M)
    return min(max((run.count(b"\n") for run in runs), default=3), 3)


def _mode(path):
    """What git would keep of a file's permissions."""
    return 0o755 if os.stat(path).st_mode & stat.S_IXUSR else 0o644


def _essence(body):
    """What a patch does: without times, names of functions, and what git notes of its own."""
    kept = []
    for line in body.split(b"\n"):
        hunk = _HUNK.match(line)
        if hunk:
            kept.append(tuple(number or b"1" for number in hunk.groups()))
        elif line.startswith((b"--- ", b"+++ ")):
            # Which folder the names begin with is nobody's business.
            path = line[4:].split(b"\t")[0]
            kept.append((line[:3], path if path == b"/dev/null" else path.partition(b"/")[2] or path))
        elif line.startswith((b"+", b"-", b" ", b"\\", b"old mode ", b"new mode ", b"new file mode ", b"deleted file mode ")):
            kept.append(line)
        elif line == b"" and kept and isinstance(kept[-1], bytes):
            # Editors take the blank of an empty line away.
            kept.append(b" ")
    while kept and kept[-1] == b" ":
        kept.pop()
    return kept
