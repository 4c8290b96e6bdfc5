"""Variable filters: pure expressions applied to a variable's value on reading.

BitBake manual, section "Variable filters". An expression sees `val` and the
functions registered here, nothing else.
"""

from bb.utils import depends

# What an expression may use. Real builtins are switched off.
FILTERS = {"__builtins__": {}}

# (value, expression) -> result: filters are pure by contract.
CACHE = {}


class Namespace:
    """One part of a dotted function name, e.g. the `bb` of `bb.utils.explode_deps`.

    Filled with item access by `filter_proc`; expressions can only read it.
    """

    def __getitem__(self, name):
        return vars(self)[name]

    def __setitem__(self, name, value):
        vars(self)[name] = value

    def __contains__(self, name):
        return name in vars(self)

    def __setattr__(self, name, value):
        raise AttributeError("Attribute %r cannot be changed" % name)

    def __delattr__(self, name):
        raise AttributeError("Attribute %r cannot be deleted" % name)


def apply_filters(val, expressions):
    """Send `val` through every non-blank expression in turn."""
    for expression in filter(None, map(str.strip, expressions)):
        try:
            val = CACHE[val, expression]
        except KeyError:
            result = eval(expression, dict(FILTERS), {"val": val})
            CACHE[val, expression] = result
            val = result
    return val


def filter_proc(*, name=None):
    """Decorator: let filter expressions call a function, under a dotted `name` if given.

    The function must be pure, as results are cached.
    """
    def register(func):
        *outer, last = (name or func.__name__).split(".")
        scope = FILTERS
        for part in outer:
            if part not in scope:
                scope[part] = Namespace()
            scope = scope[part]
        scope[last] = func
        return func

    return register


for _builtin in (all, any, bin, bool, chr, enumerate, float, format, hex, int,
                 len, map, max, min, oct, ord, pow, str, sum):
    filter_proc()(_builtin)

filter_proc(name="bb.utils.explode_deps")(depends.explode_deps)


@filter_proc()
def suffix(val, suffix):
    """Append a text to each word."""
    return " ".join([word + suffix for word in val.split()])


@filter_proc()
def prefix(val, prefix):
    """Put a text in front of each word."""
    return " ".join([prefix + word for word in val.split()])


@filter_proc()
def sort(val):
    """Sort the words."""
    return " ".join(sorted(val.split()))


@filter_proc()
def remove(val, remove, sep=None):
    """Drop the given words; both values are split at `sep`, by default at blanks."""
    unwanted = remove.split(sep) if isinstance(remove, str) else remove
    return (sep or " ").join([word for word in val.split(sep) if word not in unwanted])
