"""ssh://[USER[:PASSWORD]@]HOST[:PORT]/PATH - files and directories, with scp.

A path that begins with `~` is relative to the home directory.
"""

import os
import re
from urllib.parse import unquote

from bb.fetch2 import FetchMethod, ParameterError, check_network_access, runfetchcmd

# Not the general URL parser: a `~` counts, and `;` may follow the user.
_URL = re.compile(r"""
    \s* ssh://
    (?: (?P<user>[^\s:;@]+) (?: :(?P<password>[^\s;@]+) )? (?: ;[^;@]+ )* @ )?
    (?P<host>\S+?) (?: :(?P<port>[0-9]+) )?
    / (?P<path>[^;]+)
    (?: ;[^;]+ )* $
    """, re.VERBOSE)


class SSH(FetchMethod):
    """Copies files."""

    def supports(self, urldata, d):
        return _URL.match(urldata.url) is not None

    def supports_checksum(self, urldata):
        return False

    def urldata_init(self, urldata, d):
        if urldata.parm.get("protocol") == "git":
            raise ParameterError("Invalid protocol - if you wish to fetch from a git repository using ssh, you need to"
                                 " use git:// prefix with protocol=ssh", urldata.url)
        urldata.localfile = os.path.basename(os.path.normpath(self._parts(urldata)[2]))

    @staticmethod
    def _parts(urldata):
        """([user[:password]@]host, port or None, path) of a URL."""
        match = _URL.match(urldata.url)
        host = match["host"]
        if match["user"]:
            host = "%s%s@%s" % (match["user"], ":" + match["password"] if match["password"] else "", host)
        path = unquote(match["path"])
        return host, match["port"], path if path.startswith("~") else "/" + path

    def download(self, urldata, d):
        host, port, path = self._parts(urldata)
        command = ["scp", "-B", "-r"] + (["-P", port] if port else [])
        command += ["%s:%s" % (host, path), d.getVar("DL_DIR") + "/"]
        check_network_access(d, command, urldata.url)
        runfetchcmd(command, d)

    def checkstatus(self, fetch, urldata, d):
        host, port, path = self._parts(urldata)
        command = ["ssh", "-o", "BatchMode=true"] + (["-p", port] if port else [])
        command += [host, "[", "-f", path, "]"]
        check_network_access(d, command, urldata.url)
        runfetchcmd(command, d)
        return True
