"""Functions on values that are lists of words, and on yes/no values."""

_TRUE = frozenset(("y", "yes", "1", "true"))
_FALSE = frozenset(("n", "no", "0", "false"))


def to_boolean(string, default=None):
    """The truth value a string spells; `default` if it is empty or None.

    Integers go by their value. Raises ValueError for any other text.
    """
    if not string:
        return default
    if isinstance(string, int):
        return True
    word = string.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("Invalid value for to_boolean: %s" % string)


def to_filemode(input):
    """A file mode as a number: an int as it is, a string read as octal."""
    return input if type(input) is int else int(input, 8)


def _as_set(words):
    return set(words.split() if isinstance(words, str) else words)


def contains(variable, checkvalues, truevalue, falsevalue, d):
    """`truevalue` if a variable holds every one of some words, else `falsevalue`.

    `checkvalues` is a string of words or any iterable of them. An empty or
    unset variable always gives `falsevalue`.
    """
    value = d.getVar(variable)
    if value and _as_set(checkvalues).issubset(value.split()):
        return truevalue
    return falsevalue


def contains_any(variable, checkvalues, truevalue, falsevalue, d):
    """Like `contains`, but one of the words is enough."""
    value = d.getVar(variable)
    if value and not _as_set(checkvalues).isdisjoint(value.split()):
        return truevalue
    return falsevalue


def filter_string(val, checkvalues):
    """The words of `val` that are among `checkvalues`, sorted, in one string."""
    if not val:
        return ""
    return " ".join(sorted(_as_set(checkvalues).intersection(val.split())))


def filter(variable, checkvalues, d):
    """The words of a variable that are among `checkvalues`, sorted, in one string."""
    return filter_string(d.getVar(variable), checkvalues)


def prune_suffix(var, suffixes, d):
    """`var` without the first of the suffixes that it ends with."""
    for suffix in suffixes:
        if suffix and var.endswith(suffix):
            return var[:-len(suffix)]
    return var


def get_referenced_vars(start_expr, d):
    """Names of all variables an expression refers to, directly or through others.

    Nearer ones come first; the order among equally near ones is undefined.
    """
    import bb.data

    # An empty store expands nothing, so it reports the direct references only.
    scanner = bb.data.init()
    found = {}
    expressions = [start_expr]
    while expressions:
        fresh = []
        for expression in expressions:
            for name in scanner.expandWithRefs(expression, None).references:
                if name not in found:
                    found[name] = True
                    fresh.append(name)
        expressions = [d.getVar(name, False) for name in fresh]
    return list(found)
