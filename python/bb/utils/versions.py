"""Comparing version strings: [PE:]PV[-PR], with `~` sorting before anything."""

import re
from itertools import zip_longest

# Ranks of the parts of a version; a higher rank wins whatever the text.
_TILDE, _NUMBER, _LETTERS, _OTHER = -1, 0, 1, 2
_PART = re.compile(r"([0-9]+)|([A-Za-z]+)|(.)", re.DOTALL)
# Stands for "no more parts": below every number, above a tilde.
_END = (_NUMBER, -1)

# The numbers, pre-release and build parts of semver.org's grammar, version 2.0.0.
_SEMVER = None


class VersionStringException(Exception):
    """A version constraint that cannot be understood."""


def explode_version(s):
    """The parts of a version as (rank, number or text) pairs."""
    parts = []
    for digits, letters, other in _PART.findall(s):
        if digits:
            parts.append((_NUMBER, int(digits)))
        elif letters:
            parts.append((_LETTERS, letters))
        else:
            parts.append((_TILDE if other == "~" else _OTHER, other))
    return parts


def split_version(s):
    """(epoch, version, revision) of `PE:PV-PR`; 0 and "" for what is missing."""
    s = s.strip(" <>=")
    epoch, revision = 0, ""
    if ":" in s:
        head, s = s.split(":")[:2]
        epoch = int(head)
    if "-" in s:
        s, revision = s.rsplit("-", 1)
    return epoch, s, revision


def vercmp_part(a, b):
    """-1, 0 or 1: how one version or revision text compares with another."""
    for left, right in zip_longest(explode_version(a), explode_version(b), fillvalue=_END):
        if left != right:
            return -1 if left < right else 1
    return 0


def vercmp(ta, tb):
    """Compare two (epoch, version, revision) triples: negative, 0 or positive."""
    (epoch_a, version_a, revision_a), (epoch_b, version_b, revision_b) = ta, tb
    return (int(epoch_a or 0) - int(epoch_b or 0)
            or vercmp_part(version_a, version_b)
            or vercmp_part(revision_a, revision_b))


def vercmp_string(a, b):
    """Compare two version strings: negative, 0 or positive."""
    return vercmp(split_version(a), split_version(b))


def vercmp_string_op(a, b, op):
    """Whether `a op b` holds, for = == != < << <= > >> >=."""
    order = vercmp_string(a, b)
    if op in ("=", "=="):
        return order == 0
    if op == "!=":
        return order != 0
    if op in ("<", "<<"):
        return order < 0
    if op == "<=":
        return order <= 0
    if op in (">", ">>"):
        return order > 0
    if op == ">=":
        return order >= 0
    raise VersionStringException('Unsupported comparison operator "%s"' % op)


def is_semver(version):
    """Whether a version follows semver.org 2.0.0."""
    global _SEMVER
    if _SEMVER is None:
        number = r"(?:0|[1-9][0-9]*)"
        # A pre-release identifier of digits only has no leading zero.
        identifier = r"(?:%s|[0-9]*[A-Za-z-][0-9A-Za-z-]*)" % number
        _SEMVER = re.compile(r"{n}\.{n}\.{n}(?:-{i}(?:\.{i})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
                             .format(n=number, i=identifier))
    return _SEMVER.fullmatch(version) is not None
