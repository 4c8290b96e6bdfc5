"""s3://BUCKET/KEY - objects of Amazon S3, with the aws command."""

import os
import re
import shlex

import bb
from bb.fetch2 import FetchError, FetchMethod, check_network_access, runfetchcmd
from bb.progress import LineFilterProgressHandler

_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def convertToBytes(value, unit):
    """A size in bytes; unknown units count as bytes."""
    return float(value) * _UNITS.get(unit, 1)


class S3ProgressHandler(LineFilterProgressHandler):
    """Reads lines like `Completed 5.1 KiB/8.8 GiB (12.0 MiB/s) with 1 file(s) remaining`."""

    _PROGRESS = re.compile(r"^Completed ([\d.]+) (\w+)/~?([\d.]+) (\w+) (\(.+\)) with\s")

    def __init__(self, d):
        super().__init__(d)
        self._fire_progress(0)

    def writeline(self, line):
        match = self._PROGRESS.match(line)
        if not match:
            return True
        done, done_unit, total, total_unit, rate = match.groups()
        total = convertToBytes(total, total_unit)
        if total:
            self.update(convertToBytes(done, done_unit) / total * 100, rate)
        return False


class S3(FetchMethod):
    """Copies objects."""

    def supports(self, ud, d):
        return ud.type == "s3"

    def recommends_checksum(self, urldata):
        return True

    def urldata_init(self, ud, d):
        ud.localfile = ud.basename = ud.parm.get("downloadfilename", os.path.basename(ud.path))
        ud.basecmd = shlex.split(d.getVar("FETCHCMD_s3") or "aws s3")

    def download(self, ud, d):
        source = "s3://%s%s" % (ud.host, ud.path)
        command = ud.basecmd + ["cp", source, ud.localpath]
        check_network_access(d, command, ud.url)
        runfetchcmd(command, d, log=S3ProgressHandler(d))
        if not os.path.exists(ud.localpath):
            raise FetchError("The aws cp command returned success for %s but %s doesn't exist?!"
                             % (source, ud.localpath))
        if os.path.getsize(ud.localpath) == 0:
            bb.utils.remove(ud.localpath)
            raise FetchError("The aws cp command for %s resulted in a zero size file?! Deleting and failing since this"
                             " isn't right." % source)
        return True

    def checkstatus(self, fetch, ud, d):
        source = "s3://%s%s" % (ud.host, ud.path)
        command = ud.basecmd + ["ls", source]
        check_network_access(d, command, ud.url)
        # It succeeds for a missing object too, without printing anything.
        if not runfetchcmd(command, d):
            raise FetchError("The aws ls command for %s gave empty output" % source)
        return True
