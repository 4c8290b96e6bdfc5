# SPDX-License-Identifier: Apache-2.0
"""Lists of patches as quilt keeps them: one a line, with `-pN` if it is not `-p1`, and comments after `#`."""

import os


class SeriesError(Exception):
    """What is wrong with a line of a list."""


def parse(text):
    """The (name, strip level) pairs of a list."""
    found = []
    for line in text.splitlines():
        words = line.partition("#")[0].split() if line.startswith("#") else line.split(" #")[0].split()
        if not words:
            continue
        strip = "1"
        for word in words[1:]:
            if not (word.startswith("-p") and (word[2:].isdigit() or word == "-pab")):
                raise SeriesError("%s: %s is no option that is known here; there is only -pN" % (words[0], word))
            strip = "1" if word == "-pab" else word[2:]
        if os.path.isabs(words[0]) or ".." in words[0].split("/"):
            raise SeriesError("%s is not beside the series" % words[0])
        found.append((words[0], strip))
    return found


def read(folder):
    """The (file, strip level) pairs of the file `series` in a folder."""
    path = os.path.join(folder, "series")
    with open(path, encoding="utf-8") as file:
        try:
            return [(os.path.join(folder, name), strip) for name, strip in parse(file.read())]
        except SeriesError as exc:
            raise SeriesError("%s: %s" % (path, exc)) from None
