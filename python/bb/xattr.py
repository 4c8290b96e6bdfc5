"""Extended attributes of files."""

import errno
import os


def listxattr(path, follow=True):
    """The names of a file's attributes; of a symbolic link itself without `follow`."""
    return os.listxattr(path, follow_symlinks=follow)


def getxattr(path, name, follow=True):
    """The value of an attribute as bytes, or None if there is none of that name."""
    try:
        return os.getxattr(path, name, follow_symlinks=follow)
    except OSError as exc:
        if exc.errno != errno.ENODATA:
            raise
        return None


def get_all_xattr(path, follow=True):
    """All attributes of a file, as a dictionary from name to bytes."""
    values = {name: getxattr(path, name, follow) for name in listxattr(path, follow)}
    # One may vanish between listing and reading.
    return {name: value for name, value in values.items() if value is not None}
