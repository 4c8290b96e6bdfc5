"""Changing variable settings in recipes and configuration files, keeping the rest as it is."""

import os
import re

import bb


class _Setting:
    """One assignment or function that is being read from the lines of a file."""

    def __init__(self, line, match, name):
        self.is_function = name.endswith("()")
        self.end = "}" if self.is_function else match.group("quote")
        head, _, value = line.partition("{" if self.is_function else self.end)
        self.name = match.group("name") + ("()" if self.is_function else "")
        # What stands before the opening quote or brace, e.g. `SRC_URI +=`.
        self.head = head.rstrip()
        self.operator = "" if self.is_function else self.head[len(match.group("name")):].strip()
        self.lines = [line]
        self.value = value.rstrip()
        if not self.is_function and self.value.endswith("\\"):
            self.value = self.value[:-1]
        self.complete = self.value.endswith(self.end)
        if self.complete:
            self.value = self.value[:-1]

    def add(self, line):
        """Take in one more line."""
        self.lines.append(line)
        text = line.rstrip()
        ends = text.endswith(self.end)
        if not self.is_function:
            # Cuts off the backslash, or the closing quote.
            self.value += text[:-1]
        else:
            self.value += "\n" + text
            if ends and self.value.count("{") >= self.value.count("}"):
                ends = False
            if ends:
                self.value = self.value[:-1]
        self.complete = ends

    def rewritten(self, value, operator, indent, minbreak):
        """The lines of this setting with another value or operator."""
        head = "%s %s" % (self.name, operator) if operator not in (None, self.operator) else self.head
        if isinstance(indent, int):
            indent = " " * (len(head) + 2 if indent == -1 else indent)
        if self.is_function:
            if isinstance(value, list):
                value = "\n%s%s\n" % (indent, ("\n" + indent).join(value))
            else:
                value = "%s%s%s" % ("" if value.startswith("\n") else "\n", value,
                                    "" if value.endswith("\n") else "\n")
            return ["%s {%s}\n" % (head, value)]
        if not isinstance(value, list):
            return ['%s "%s"\n' % (head, value)]
        if not value:
            return ['%s ""\n' % head]
        items = list(value)
        if minbreak:
            first = items.pop(0)
            if not items:
                return ['%s "%s"\n' % (head, first)]
            opening = '%s "%s \\\n' % (head, first)
        else:
            opening = '%s " \\\n' % head
        return [opening] + ["%s%s \\\n" % (indent, item) for item in items] + ['%s"\n' % indent]


def _setting_patterns(variables, match_overrides):
    """(name, regular expression for its first line) of everything to look for."""
    override = r"(?:_[a-zA-Z0-9-_$(){}]+)?" if match_overrides else ""
    for name in variables:
        if name.endswith("()"):
            pattern = r"(?P<name>%s%s)[ \t]*\([ \t]*\)[ \t]*{" % (name[:-2].rstrip(), override)
        else:
            pattern = r"(?P<name>%s%s)[ \t]*[?+:.]*=[+.]*[ \t]*(?P<quote>[\"'])" % (name, override)
        yield name, re.compile(pattern)


def edit_metadata(meta_lines, variables, varfunc, match_overrides=False):
    """Let a function change the settings of some variables in lines of metadata.

    `variables` are names, as regular expressions; functions are written with
    `()`. Overrides and operators like `:append` count as part of the name,
    unless `match_overrides` accepts anything after a `_`.

    For each setting `varfunc(name, value, operator, newlines)` is called;
    `newlines` is the result so far and may be changed. It returns a tuple
    (value, operator, indent, minbreak): the value as string, list of items to
    break over lines, or None to drop the setting; the operator, None to keep
    it; how far to indent items, as a number of blanks, -1 for below the first
    item, or a string; whether the first item stays on the first line.

    Returns (whether anything changed, the new lines).
    """
    patterns = list(_setting_patterns(variables, match_overrides))
    result = []
    changed = False
    squash_blank = False
    setting = None
    for line in meta_lines:
        if setting is not None:
            setting.add(line)
        else:
            for name, pattern in patterns:
                match = pattern.match(line)
                if match:
                    setting = _Setting(line, match, name)
                    break
            else:
                # Dropping a setting must not leave two blank lines behind.
                if not (squash_blank and line == "\n" and result and result[-1] == "\n"):
                    result.append(line)
                squash_blank = False
                continue
        if setting.complete:
            if _apply(setting, varfunc, result):
                changed = squash_blank = True
            setting = None
    if setting is not None:
        # The file ends within a setting; that is not ours to repair.
        result.extend(setting.lines)
    return changed, result


def _apply(setting, varfunc, result):
    """Ask `varfunc` about a setting and append what it wants; whether that is a change."""
    before = list(result)
    value, operator, indent, minbreak = varfunc(setting.name, setting.value, setting.operator, result)
    if value is None:
        return True
    if value != setting.value or operator not in (None, setting.operator):
        result.extend(setting.rewritten(value, operator, indent, minbreak))
        return True
    touched = result != before
    result.extend(setting.lines)
    return touched


def edit_metadata_file(meta_file, variables, varfunc):
    """`edit_metadata` on a file, which is written only if something changed.

    Returns whether it was.
    """
    with open(meta_file) as file:
        changed, lines = edit_metadata(file, variables, varfunc)
    if changed:
        with open(meta_file, "w") as file:
            file.writelines(lines)
    return changed


def _without_slash(path):
    return path[:-1] if path.endswith(os.sep) else path


def _layer_list(layers):
    """One path, a list of them or nothing, as a list without trailing slashes."""
    if not layers:
        return []
    return [_without_slash(path) for path in (layers if isinstance(layers, list) else [layers])]


class _LayerEditor:
    """Adds and removes entries of BBLAYERS."""

    def __init__(self, add, remove, edit_cb):
        self.add = _layer_list(add)
        self.remove = _layer_list(remove)
        self.edit_cb = edit_cb
        self.removed = []
        self.operators = []
        self.present = []
        self._expand_home = "HOME" in bb.utils.approved_variables()

    def canonical(self, path):
        path = _without_slash(path)
        return os.path.expanduser(path) if self._expand_home and "~" in path else path

    def survey(self, name, value, operator, newlines):
        """First pass: learn what is there and how it is written."""
        self.operators.append(operator)
        if operator == "=":
            self.present.clear()
        self.present.extend(map(self.canonical, value.split()))
        return value, None, 2, False

    def skip_present(self):
        """Forget about adding what is there already; returns those layers."""
        leaving = set(map(self.canonical, self.remove))
        here = [path for path in self.add
                if self.canonical(path) in self.present and self.canonical(path) not in leaving]
        known = set(map(self.canonical, here))
        self.add = [path for path in self.add if self.canonical(path) not in known]
        return here

    def change(self, name, value, operator, newlines):
        """Second pass: make the changes."""
        import fnmatch

        original = [_without_slash(path) for path in value.split()]
        layers = list(original)
        gone = len(self.removed)
        for pattern in self.remove:
            wanted = self.canonical(pattern)
            match = next((path for path in layers if fnmatch.fnmatch(self.canonical(path), wanted)), None)
            if match is not None:
                layers.remove(match)
                self.removed.append(pattern)
        # A file of `+=` lines gets new layers in the same style, at its end.
        if self.operators.count("+=") <= 1:
            layers.extend(path for path in dict.fromkeys(self.add) if path not in layers)
            self.add = []
        if self.edit_cb:
            layers = [self.edit_cb(path, self.canonical(path)) for path in layers]
        if layers == original and len(self.removed) == gone:
            return value, None, 2, False
        if operator == "+=" and not layers:
            layers = None
        return layers, None, 2, False


def edit_bblayers_conf(bblayers_conf, add, remove, edit_cb=None):
    """Add layers to and remove layers from BBLAYERS in a bblayers.conf.

    `add` and `remove` are paths or lists of paths, with wildcards in
    `remove`. `edit_cb(entry, full path)` may return another text for each
    entry. Returns (layers that were there already, layers that were not).
    """
    editor = _LayerEditor(add, remove, edit_cb)
    with open(bblayers_conf) as file:
        _, lines = edit_metadata(file, ["BBLAYERS"], editor.survey)
    if not editor.operators:
        raise Exception("Unable to find BBLAYERS in %s" % bblayers_conf)

    notadded = editor.skip_present()
    changed, lines = edit_metadata(lines, ["BBLAYERS"], editor.change)
    if editor.add:
        lines.extend('BBLAYERS += "%s"\n' % path for path in editor.add)
        changed = True
    if changed:
        with open(bblayers_conf, "w") as file:
            file.writelines(lines)
    return notadded, [path for path in dict.fromkeys(editor.remove) if path not in editor.removed]
