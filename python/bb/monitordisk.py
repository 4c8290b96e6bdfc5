"""Reading the settings of the disk monitor, BB_DISKMON_DIRS and BB_DISKMON_WARNINTERVAL.

The monitor itself is the engine's; its events are bb.event.MonitorDiskEvent
and bb.event.DiskFull.
"""

import logging
import os
import re

import bb

logger = logging.getLogger("BitBake.Monitor")

# What can happen when space runs out: stop at once, start no more tasks, say so.
ACTIONS = ("HALT", "STOPTASKS", "WARN")

# How much space (bytes) and how many inodes must have gone before warning again.
DEFAULT_SPACE_INTERVAL = 50 * 1024 * 1024
DEFAULT_INODE_INTERVAL = 5 * 1024

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_AMOUNT = re.compile(r"([1-9][0-9]*)([KMG]?)\s?$", re.IGNORECASE)


def printErr(info):
    """Say why there will be no disk monitor."""
    logger.error("%s\n       Disk space monitor will NOT be enabled" % info)


def convertGMK(unit):
    """The number that `5`, `5K`, `5M` or `5G` stands for; None for anything else."""
    match = _AMOUNT.match(unit)
    return int(match.group(1)) * _UNITS[match.group(2).upper()] if match else None


def getMountedDev(path):
    """The device that is mounted where a path is, or None."""
    while path != "/" and not os.path.ismount(path):
        path = os.path.dirname(path)
    try:
        with open("/proc/mounts") as mounts:
            for line in mounts:
                device, place = line.split()[:2]
                if place == path:
                    return device
    except OSError:
        pass
    return None


def getDiskData(BBDirs):
    """(path, action) -> [device, least space, least inodes] of BB_DISKMON_DIRS, None after reporting an error.

    An entry is `ACTION,PATH,SPACE[,INODES]`; space or inodes may be left out.
    """
    result = {}
    for entry in BBDirs.split():
        fields = entry.split(",", 3)
        if len(fields) < 3:
            printErr("Invalid value in BB_DISKMON_DIRS: %s" % entry)
            return None
        action, path, space, inodes = fields if len(fields) == 4 else fields + [""]
        if action == "ABORT":
            logger.warnonce('The BB_DISKMON_DIRS "ABORT" action has been renamed to "HALT", update configuration')
            action = "HALT"
        if action not in ACTIONS:
            printErr("Unknown disk space monitor action: %s" % action)
            return None
        if not path:
            printErr("Invalid path value in BB_DISKMON_DIRS: %s" % entry)
            return None
        limits = []
        for name, text in (("disk space", space), ("inode", inodes)):
            limits.append(convertGMK(text) if text else None)
            if text and limits[-1] is None:
                printErr("Invalid %s value in BB_DISKMON_DIRS: %s" % (name, text))
                return None
        if limits == [None, None]:
            printErr("No disk space or inode value in found BB_DISKMON_DIRS: %s" % entry)
            return None
        path = os.path.realpath(path)
        # DL_DIR, for one, need not exist at the start of the first build.
        bb.utils.mkdirhier(path)
        result[path, action] = [getMountedDev(path), *limits]
    return result


def getInterval(configuration):
    """(bytes, inodes) of BB_DISKMON_WARNINTERVAL, `SPACE[,INODES]`; (None, None) after reporting an error."""
    space, _, inodes = (configuration.getVar("BB_DISKMON_WARNINTERVAL") or "").partition(",")
    result = []
    for name, text, default in (("space", space, DEFAULT_SPACE_INTERVAL),
                                ("inode", inodes.strip(), DEFAULT_INODE_INTERVAL)):
        amount = convertGMK(text) if text else default
        if amount is None:
            printErr("Invalid disk %s interval value in BB_DISKMON_WARNINTERVAL: %s" % (name, text))
            return None, None
        result.append(amount)
    return tuple(result)
