"""Who may be talked to, and running the commands that talk."""

import logging
import os

import bb
from bb.fetch2.errors import FetchError, NetworkAccess, UntrustedUrl
from bb.fetch2.uri import decodeurl

logger = logging.getLogger("BitBake.Fetcher")

# Variables that download commands get from the store, or from the environment
# BitBake was started in.
FETCH_EXPORT_VARS = """
    HOME PATH
    HTTP_PROXY http_proxy HTTPS_PROXY https_proxy FTP_PROXY ftp_proxy FTPS_PROXY ftps_proxy
    NO_PROXY no_proxy ALL_PROXY all_proxy
    GIT_CONFIG_GLOBAL GIT_PROXY_COMMAND GIT_SSH GIT_SSH_COMMAND GIT_SSL_CAINFO GIT_SMART_HTTP
    SSH_AUTH_SOCK SSH_AGENT_PID SOCKS5_USER SOCKS5_PASSWD DBUS_SESSION_BUS_ADDRESS
    P4CONFIG SSL_CERT_FILE NODE_EXTRA_CA_CERTS
    AWS_PROFILE AWS_SHARED_CREDENTIALS_FILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_ROLE_ARN
    AWS_WEB_IDENTITY_TOKEN_FILE AWS_DEFAULT_REGION AWS_SESSION_TOKEN
    GIT_CACHE_PATH REMOTE_CONTAINERS_IPC GITHUB_TOKEN SSL_CERT_DIR
""".split()


def get_fetcher_environment(d):
    """The variables of FETCH_EXPORT_VARS that have a value."""
    original = d.getVar("BB_ORIGENV")
    found = {}
    for name in bb.fetch2.FETCH_EXPORT_VARS:
        value = d.getVar(name) or (original.getVar(name) if original else None)
        if value:
            found[name] = value
    return found


def trusted_network(d, url):
    """Whether BB_ALLOWED_NETWORKS (or its flag for this recipe) has the host of a URL.

    Without such a list, without a host, and with the network switched off
    everything is trusted.
    """
    if bb.utils.to_boolean(d.getVar("BB_NO_NETWORK")):
        return True
    recipe = d.getVar("PN")
    allowed = recipe and d.getVarFlag("BB_ALLOWED_NETWORKS", recipe, False)
    allowed = allowed or d.getVar("BB_ALLOWED_NETWORKS")
    if not allowed:
        return True
    host = decodeurl(url)[1].partition(":")[0].lower()
    if not host:
        return True
    for entry in allowed.lower().split():
        if entry == host or entry.startswith("*.") and ("." + host).endswith(entry[1:]):
            return True
    return False


def check_network_access(d, info, url):
    """Raise NetworkAccess or UntrustedUrl if the command `info` must not go to a URL."""
    if bb.utils.to_boolean(d.getVar("BB_NO_NETWORK")):
        raise NetworkAccess(url, info)
    if not trusted_network(d, url):
        raise UntrustedUrl(url, info)
    logger.debug("Fetcher accessed the network with the command %s" % info)


def _without_version(d):
    """`d`, or a copy with fixed PV and PR if those can't be expanded.

    PATH may contain WORKDIR, WORKDIR contains PV, and PV may be what is being
    found out by running a command.
    """
    import bb.data_smart
    try:
        d.getVar("PV")
        d.getVar("PR")
    except bb.data_smart.ExpansionError:
        d = d.createCopy()
        d.setVar("PV", "fetcheravoidrecurse")
        d.setVar("PR", "fetcheravoidrecurse")
    return d


def runfetchcmd(cmd, d, quiet=False, cleanup=None, log=None, workdir=None, extraenv=None):
    """Run a command with the environment for downloads and return what it printed.

    If it fails, the files in `cleanup` are removed and FetchError is raised.
    """
    import subprocess
    import bb.process

    env = {**os.environ, **get_fetcher_environment(_without_version(d)), **(extraenv or {})}
    # Under pseudo, ssh can hang.
    env["PSEUDO_DISABLED"] = "1"

    if workdir:
        logger.debug("Running '%s' in %s" % (cmd, workdir))
    else:
        logger.debug("Running %s", cmd)
    try:
        return bb.process.run(cmd, log=log, stderr=subprocess.PIPE, cwd=workdir, env=env)[0]
    except bb.process.NotFoundError as exc:
        problem = "Fetch command %s not found" % exc.command
    except bb.process.ExecutionError as exc:
        if exc.stdout:
            output = "output:\n%s\n%s" % (exc.stdout, exc.stderr)
        elif exc.stderr:
            output = "output:\n%s" % exc.stderr
        else:
            output = "see logfile for output" if log else "no output"
        problem = "Fetch command %s failed with exit code %s, %s" % (exc.command, exc.exitcode, output)
    except bb.process.CmdError as exc:
        problem = "Fetch command %s could not be run:\n%s" % (exc.command, exc.msg)
    for path in cleanup or ():
        try:
            bb.utils.remove(path, True)
        except OSError:
            pass
    raise FetchError(problem)
