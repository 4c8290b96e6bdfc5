"""Copy-on-write dictionaries and sets: copies that share what they don't change.

`COWDictBase.copy()` makes a dictionary, `COWSetBase.copy()` a set; their
copies refer to them. Keys are strings. A mutable value is copied when a copy
reads it, unless it promises not to change it.
"""

import copy

_IMMUTABLE = (bool, int, float, complex, str, tuple, frozenset, type(None))
# Sorts mutable values apart from others, a habit that callers may rely on.
MUTABLE = "__mutable__"
_DELETED = object()
_NO_DEFAULT = object()


class COWMeta:
    """Common ancestor of the copy-on-write types."""


class COWDictMeta(COWMeta):
    """A dictionary with a parent that it is a copy of.

    A file in `__warn__`, inherited by copies, is told about slow operations.
    """

    _kind = "COWDict"

    def __init__(self, parent=None):
        self._parent = parent
        self._own = {}
        self._has_mutable = False
        self.__count__ = parent.__count__ + 1 if parent is not None else 0

    def __getattr__(self, name):
        if name != "__warn__":
            raise AttributeError(name)
        return self._parent.__warn__ if self._parent is not None else False

    def cow(self):
        """A copy."""
        return type(self)(self)

    copy = __call__ = cow

    def __str__(self):
        return "<%s Level: %i Current Keys: %i>" % (self._kind, self.__count__, len(self._own) + self._has_mutable)

    __repr__ = __str__

    def _ancestry(self):
        """This dictionary and all it is a copy of, nearest first."""
        level = self
        while level is not None:
            yield level
            level = level._parent

    def _warn(self, text):
        if self.__warn__ is not False:
            print("Warning: " + text, file=self.__warn__)

    def __setitem__(self, key, value):
        self._own[key] = value
        if not isinstance(value, (*_IMMUTABLE, COWMeta)) and value is not _DELETED:
            self._has_mutable = True

    def _get(self, key, default=_NO_DEFAULT, readonly=False):
        for level in self._ancestry():
            if key in level._own:
                value = level._own[key]
                break
        else:
            value = _DELETED
        if value is _DELETED:
            if default is _NO_DEFAULT:
                raise KeyError(key)
            return default
        if level is self or readonly or isinstance(value, _IMMUTABLE):
            return value
        if isinstance(value, COWMeta):
            value = value.copy()
        else:
            self._warn("Doing a copy because %s is a mutable type." % key)
            value = value.copy() if hasattr(value, "copy") else copy.copy(value)
        self._own[key] = value
        return value

    def __getitem__(self, key):
        return self._get(key)

    def __getreadonly__(self, key, default=_NO_DEFAULT):
        """A value that the caller promises not to change."""
        return self._get(key, default, readonly=True)

    def __delitem__(self, key):
        self._own[key] = _DELETED

    def __revertitem__(self, key):
        """Undo what this copy did to a key."""
        del self._own[key]

    def has_key(self, key):
        return self._get(key, _DELETED, readonly=True) is not _DELETED

    __contains__ = has_key

    def _sort_name(self, key):
        value = self._get(key, None, readonly=True)
        return key if isinstance(value, _IMMUTABLE) else key + MUTABLE

    def _items(self, readonly):
        keys = {key for level in self._ancestry() for key in level._own}
        for key in sorted(filter(self.has_key, keys), key=self._sort_name):
            yield key, self._get(key, readonly=readonly)

    def _advise(self, readonly):
        if not readonly and any(level._has_mutable for level in self._ancestry()):
            self._warn("If you aren't going to change any of the values call with True.")

    def iterkeys(self):
        return (key for key, _ in self._items(True))

    def itervalues(self, readonly=False):
        self._advise(readonly)
        return (value for _, value in self._items(readonly))

    def iteritems(self, readonly=False):
        self._advise(readonly)
        return self._items(readonly)


class COWSetMeta(COWDictMeta):
    """A set with a parent that it is a copy of."""

    _kind = "COWSet"

    def add(self, value):
        self[repr(hash(value))] = value

    def remove(self, value):
        del self[repr(hash(value))]

    def __contains__(self, value):
        return self.has_key(repr(hash(value)))

    def iterkeys(self):
        raise TypeError("sets don't have keys")

    def iteritems(self):
        raise TypeError("sets don't have 'items'")


COWDictBase = COWDictMeta()
COWSetBase = COWSetMeta()
