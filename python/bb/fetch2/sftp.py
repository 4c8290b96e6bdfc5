"""sftp://[USER@]HOST[:PORT]/PATH - single files, with the sftp command.

A path that begins with `/~/` is relative to the home directory.
"""

import os

from bb.fetch2 import URI, FetchMethod, ParameterError, check_network_access, runfetchcmd


class SFTP(FetchMethod):
    """Copies files. Authentication has to work without asking."""

    def supports(self, ud, d):
        return ud.type == "sftp"

    def recommends_checksum(self, urldata):
        return True

    def urldata_init(self, ud, d):
        if ud.parm.get("protocol") == "git":
            raise ParameterError("Invalid protocol - if you wish to fetch from a git repository using ssh, you need to"
                                 " use the git:// prefix with protocol=ssh", ud.url)
        ud.localfile = ud.basename = ud.parm.get("downloadfilename", os.path.basename(ud.path))

    def download(self, ud, d):
        uri = URI(ud.url)
        path = uri.path[len("/~/"):] if uri.path.startswith("/~/") else uri.path
        host = "%s@%s" % (uri.userinfo, uri.hostname) if uri.userinfo else uri.hostname
        command = ["sftp", "-oBatchMode=yes"] + (["-P", str(uri.port)] if uri.port else [])
        command += ["%s:%s" % (host, path), os.path.join(d.getVar("DL_DIR"), ud.localfile)]
        check_network_access(d, command, ud.url)
        runfetchcmd(command, d)
        return True
