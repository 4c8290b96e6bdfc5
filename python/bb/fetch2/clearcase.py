"""ccrc:// - ClearCase, with cleartool or rcleartool.

Parameters: vob (needed), module, protocol. SRCREV is a label; with
CCASE_CUSTOM_CONFIG_SPEC it is part of the tarball's name only.
"""

import logging
import os
import shlex

import bb
from bb.fetch2 import (FetchError, FetchMethod, MissingParameterError, ParameterError, check_network_access,
                       runfetchcmd)

logger = logging.getLogger("BitBake.Fetcher")


class ClearCase(FetchMethod):
    """Loads files into a view and packs them up."""

    def supports(self, ud, d):
        return ud.type == "ccrc"

    def supports_srcrev(self):
        return True

    def urldata_init(self, ud, d):
        ud.proto = ud.parm.get("protocol", "https")
        if ud.proto not in ("http", "https"):
            raise ParameterError("Invalid protocol type", ud.url)
        if "vob" not in ud.parm:
            raise MissingParameterError("vob", ud.url + ": vob must be defined so the fetcher knows what to get.")
        ud.vob = ud.parm["vob"]
        ud.module = ud.parm.get("module", "")
        ud.fallbackcmd = shlex.split(d.getVar("FETCHCMD_ccrc") or "")
        ud.label = d.getVar("SRCREV", False)
        if not ud.label or ud.label == "INVALID":
            raise FetchError("Set a valid SRCREV for the clearcase fetcher in your recipe, e.g. SRCREV ="
                             " \"/main/LATEST\" or any other label of your choice.")
        ud.customspec = d.getVar("CCASE_CUSTOM_CONFIG_SPEC")
        ud.server = "%s://%s%s" % (ud.proto, ud.host, ud.path)
        ud.identifier = "clearcase-%s%s-%s" % (ud.vob.replace("/", ""), ud.module.replace("/", "."),
                                               ud.label.replace("/", "."))
        ud.viewname = "%s-view%s" % (ud.identifier, d.getVar("DATETIME"))
        ud.csname = ud.identifier + "-config-spec"
        ud.ccasedir = os.path.join(d.getVar("DL_DIR"), ud.type)
        ud.viewdir = os.path.join(ud.ccasedir, ud.viewname)
        ud.configspecfile = os.path.join(ud.ccasedir, ud.csname)
        ud.localfile = ud.identifier + ".tar.gz"

    def need_update(self, ud, d):
        if "LATEST" in ud.label or "LATEST" in (ud.customspec or ""):
            ud.identifier += "-%s" % d.getVar("DATETIME")
            return True
        return not os.path.exists(ud.localpath)

    def sortable_revision(self, ud, d, name):
        return False, ud.identifier

    def _run(self, ud, d, verb, arguments, workdir=None):
        """Run one of the tools: cleartool, rcleartool or FETCHCMD_ccrc."""
        import shutil
        tool = shutil.which("cleartool") or shutil.which("rcleartool")
        command = [tool] if tool else list(ud.fallbackcmd)
        if not command:
            raise FetchError("Neither cleartool nor rcleartool is installed", ud.url)
        remote = command[0].endswith("rcleartool")
        command.append(verb)
        if remote:
            command += ["-server", ud.server]
        elif verb == "mkview":
            command.append("-snapshot")
        command += arguments
        check_network_access(d, command, ud.url)
        return runfetchcmd(command, d, workdir=workdir)

    def _config_spec(self, ud):
        """What the view shall contain."""
        if ud.customspec is not None:
            bb.warn("A custom config spec has been set, SRCREV is only relevant for the tarball name.")
            return ud.customspec.replace("\\n", "\n") + "\n"
        return "element * CHECKEDOUT\nelement * %s\nload %s%s\n" % (ud.label, ud.vob, ud.module)

    def download(self, ud, d):
        """Make a view, load it and pack it up."""
        bb.utils.mkdirhier(ud.ccasedir)
        spec = self._config_spec(ud)
        logger.info("Using config spec: \n%s" % spec)
        with open(ud.configspecfile, "w") as file:
            file.write(spec)
        logger.info("creating view [VOB=%s label=%s view=%s]", ud.vob, ud.label, ud.viewname)
        try:
            self._run(ud, d, "mkview", ["-tag", ud.viewname, ud.viewdir])
        except FetchError as exc:
            if "CRCLI2008E" in exc.msg:
                raise FetchError("%s\nCall `rcleartool login` in your console to authenticate to the clearcase server"
                                 " before running bitbake.\n" % exc.msg)
            raise
        # Setting the specification loads the files.
        logger.info("fetching data [VOB=%s label=%s view=%s]", ud.vob, ud.label, ud.viewname)
        logger.info("%s", self._run(ud, d, "setcs", ["-overwrite", ud.configspecfile], ud.viewdir))
        bb.utils.copyfile(ud.configspecfile, os.path.join(ud.viewdir, ud.csname))
        runfetchcmd(["tar", "-czf", ud.localpath, "."], d, cleanup=[ud.localpath], workdir=ud.viewdir)
        self.clean(ud, d)

    def clean(self, ud, d):
        """Remove the view, so that the next one can have its name."""
        if os.path.exists(ud.viewdir):
            logger.info("cleaning up [VOB=%s label=%s view=%s]", ud.vob, ud.label, ud.viewname)
            logger.info("rmview output: %s", self._run(ud, d, "rmview", ["-force", ud.viewdir], ud.ccasedir))
        bb.utils.remove(ud.configspecfile)
