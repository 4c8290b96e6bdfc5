"""Access control lists of files, as POSIX.1e drafted them and Linux stores them."""

import errno
import os
import stat
import struct

ACL_TYPE_ACCESS = 0x8000
ACL_TYPE_DEFAULT = 0x4000

ACL_UNDEFINED_TAG = 0x00
ACL_USER_OBJ = 0x01
ACL_USER = 0x02
ACL_GROUP_OBJ = 0x04
ACL_GROUP = 0x08
ACL_MASK = 0x10
ACL_OTHER = 0x20

ACL_READ = 0x04
ACL_WRITE = 0x02
ACL_EXECUTE = 0x01

# linux/posix_acl_xattr.h: a version, then tag, permissions and id of each entry.
_ATTRIBUTES = {ACL_TYPE_ACCESS: "system.posix_acl_access", ACL_TYPE_DEFAULT: "system.posix_acl_default"}
_VERSION = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")

_TYPES = {ACL_USER_OBJ: "user", ACL_USER: "user", ACL_GROUP_OBJ: "group", ACL_GROUP: "group",
          ACL_MASK: "mask", ACL_OTHER: "other"}


class Entry:
    """What somebody may do: a tag, for ACL_USER and ACL_GROUP the id as qualifier, a mode of ACL_READ and so on."""

    def __init__(self, tag, qualifier, mode):
        self.tag = tag
        self.qualifier = qualifier
        self.mode = mode

    def __str__(self):
        name = ""
        if self.tag == ACL_USER:
            import pwd
            name = pwd.getpwuid(self.qualifier).pw_name
        elif self.tag == ACL_GROUP:
            import grp
            name = grp.getgrgid(self.qualifier).gr_name
        mode = "".join(letter if self.mode & bit else "-"
                       for letter, bit in (("r", ACL_READ), ("w", ACL_WRITE), ("x", ACL_EXECUTE)))
        return "%s:%s:%s" % (_TYPES.get(self.tag, ""), name, mode)


class ACL:
    """The list of a file."""

    def __init__(self, acl):
        self.acl = list(acl)

    def entries(self):
        """The entries, one after the other."""
        yield from self.acl

    @classmethod
    def from_path(cls, path, typ):
        """The ACL_TYPE_ACCESS or ACL_TYPE_DEFAULT list of a file.

        A file without an access list has one that says what its mode says.
        """
        try:
            data = os.getxattr(path, _ATTRIBUTES[typ])
        except OSError as exc:
            if exc.errno not in (errno.ENODATA, errno.EOPNOTSUPP):
                raise
            return cls(_from_mode(os.stat(path).st_mode) if typ == ACL_TYPE_ACCESS else ())
        return cls(Entry(tag, qualifier if tag in (ACL_USER, ACL_GROUP) else None, mode)
                   for tag, mode, qualifier in _ENTRY.iter_unpack(data[_VERSION.size:]))


def _from_mode(mode):
    bits = stat.S_IMODE(mode)
    for tag, shift in ((ACL_USER_OBJ, 6), (ACL_GROUP_OBJ, 3), (ACL_OTHER, 0)):
        yield Entry(tag, None, bits >> shift & 7)
