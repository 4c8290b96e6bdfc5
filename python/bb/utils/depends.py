"""Dependency strings: `NAME (OP VERSION) NAME …`, as in RDEPENDS."""

from collections import OrderedDict

# Two-character operators come first: a longer one must win over its beginning.
_OPERATORS = ("<=", "=<", "<<", "==", "!=", ">=", "=>", ">>", "<", ">", "=")


def explode_deps(s):
    """The names of a dependency string; what is in parentheses is left out."""
    names = []
    in_parentheses = False
    for word in s.split():
        if word.startswith("("):
            in_parentheses = True
        if not in_parentheses:
            names.append(word)
        elif word.endswith(")"):
            in_parentheses = False
    return names


def explode_dep_versions2(s, *, sort=True):
    """Ordered dictionary from name to a list of `OP VERSION` constraints.

    Commas are ignored. A name given several times collects its constraints.
    Raises VersionStringException for a constraint without a known operator.
    """
    deps = OrderedDict()
    name = None
    operator = version = ""
    # Where we are: outside parentheses, before the operator, or after it.
    want_operator = in_version = False
    for word in s.replace(",", "").split():
        if word.startswith("("):
            want_operator = True
            word = word[1:]
            if not word:
                continue
        if want_operator:
            operator = next(filter(word.startswith, _OPERATORS), None)
            if operator is None:
                from bb.utils.versions import VersionStringException
                raise VersionStringException(
                    'Invalid version specification in "(%s" - invalid or missing operator' % word)
            want_operator, in_version = False, True
            word = word[len(operator):]
            if not word:
                continue
        if not in_version:
            name = word
            operator = version = ""
            deps.setdefault(name, [])
            continue
        if word.endswith(")"):
            in_version = False
            word = word[:-1]
            if version and word:
                version += " "
        if word:
            version += word
            deps.setdefault(name, []).append("%s %s" % (operator, version))
    return OrderedDict(sorted(deps.items())) if sort else deps


def explode_dep_versions(s):
    """Like `explode_dep_versions2`, with at most one constraint (or None) per name."""
    deps = explode_dep_versions2(s)
    for name, constraints in deps.items():
        if len(constraints) > 1:
            import bb
            bb.warn("explode_dep_versions(): Item %s appeared in dependency string '%s' multiple times"
                    " with different values.  explode_dep_versions cannot cope with this." % (name, s))
        deps[name] = constraints[0] if constraints else None
    return deps


def join_deps(deps, commasep=True):
    """The dependency string of a dictionary from name to constraint(s)."""
    items = []
    for name, constraints in deps.items():
        if not constraints:
            items.append(name)
            continue
        if not isinstance(constraints, list):
            constraints = [constraints]
        items.extend("%s (%s)" % (name, constraint) for constraint in constraints)
    return (", " if commasep else " ").join(items)
