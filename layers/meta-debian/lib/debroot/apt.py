# SPDX-License-Identifier: Apache-2.0
"""apt with a state of its own, in which nothing is installed: a resolver for roots that do not exist yet."""

import os
import re
import subprocess

import bb

from debroot.pool import fields, local


def run(arguments, config=None, check=True):
    """Run a program of apt's; its output. Nothing of the host's configuration counts but where `config` is None."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        if name in os.environ:
            environment[name] = os.environ[name]
    if config:
        environment["APT_CONFIG"] = config
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    if check and done.returncode != 0:
        bb.fatal("%s: %s" % (" ".join(arguments[:2]), done.stderr.strip() or done.stdout.strip()))
    return done.stdout


def host_archives():
    """The archives that apt on this host reads: (address, suite, component)."""
    try:
        text = run(["apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(COMPONENT)", "Created-By: Packages"])
    except FileNotFoundError:
        return []
    return sorted({tuple(line.split("|")) for line in text.splitlines() if line.count("|") == 2})


def archives(d):
    """The archives that packages are taken from: (address, suite, component)."""
    suites, components = ((d.getVar(name) or "").split() for name in ("DISTRO_SUITES", "DISTRO_COMPONENTS"))
    mirror = (d.getVar("DISTRO_MIRROR") or "").rstrip("/")
    if mirror:
        # Debian's security updates are not where the rest is.
        apart = [suite for suite in suites if suite.endswith("-security")] if d.getVar("BASE_DISTRO") == "debian" else []
        security = (d.getVar("DEBIAN_SECURITY_MIRROR") or "").rstrip("/")
        places = [(mirror, suite) for suite in suites if suite not in apart] + [(security, suite) for suite in apart if security]
        return [(place, suite, component) for place, suite in places for component in components]
    found = [entry for entry in host_archives() if entry[1] in suites and entry[2] in components]
    if not any(entry[1] == suites[0] for entry in found):
        bb.fatal("apt on this host knows no archive with the suite %s. Say where there is one: DEBIAN_MIRROR = \"https://…\" in "
                 "conf/local.conf" % suites[0])
    return found


def pinned_keyring(d, directory):
    """A keyring with just the keys of DISTRO_KEY_FINGERPRINTS; its path."""
    source, target = d.getVar("DISTRO_KEYRING"), os.path.join(directory, "keyring.gpg")
    if not os.path.exists(source):
        bb.fatal("There is no %s, which has the archive's keys: install %s-archive-keyring or %s-keyring, or say where they are: %s_KEYRING" % (
            source, *[d.getVar("BASE_DISTRO")] * 2, d.getVar("BASE_DISTRO").upper()))
    home = os.path.join(directory, "gpg")
    bb.utils.mkdirhier(home)
    os.chmod(home, 0o700)
    wanted = (d.getVar("DISTRO_KEY_FINGERPRINTS") or "").split()
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--no-default-keyring", "--keyring", source]
    listed = run([*gpg, "--with-colons", "--list-keys"])
    known = set(re.findall(r"^fpr:::::::::([0-9A-F]+):", listed, re.M))
    usable = [key for key in wanted if key in known]
    if not usable:
        bb.fatal("None of the keys in DISTRO_KEY_FINGERPRINTS is in %s" % source)
    # Without --armor the output is binary.
    done = subprocess.run([*gpg, "--export", *usable], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    with open(target, "wb") as file:
        file.write(done.stdout)
    return target


# Ours win over whatever version an archive has.
PREFER_OWN = "Package: *\nPin: release o=rbake\nPin-Priority: 1001\n"


class Resolver:
    """apt's view of the archives: nothing installed but what `status` says; `own` is an archive of what recipes built (pool.view).
    `directory` keeps its state."""

    def __init__(self, d, directory, own=None, status=""):
        self.directory, self.own, self.d = directory, own, d
        for name in ("lists/partial", "archives/partial"):
            bb.utils.mkdirhier(os.path.join(directory, name))
        keyring = pinned_keyring(d, directory)
        sources = "".join("deb [arch=%s signed-by=%s] %s %s %s\n" % (d.getVar("DISTRO_ARCH"), keyring, *entry) for entry in archives(d))
        if own:
            sources += "deb [trusted=yes] file:%s ./\n" % own
        self._write("status", status)
        self._write("preferences", PREFER_OWN if own else "")
        self._write("sources.list", sources)
        # What the host allows itself (unsigned or expired archives) does not count here.
        self.config = self._write("apt.conf", "".join('%s "%s";\n' % pair for pair in (
            ("Dir::Etc", directory), ("Dir::Etc::sourcelist", os.path.join(directory, "sources.list")),
            ("Dir::Etc::sourceparts", "/dev/null"), ("Dir::Etc::preferences", os.path.join(directory, "preferences")),
            ("Dir::Etc::preferencesparts", "/dev/null"), ("Dir::Etc::trustedparts", "/dev/null"), ("Dir::Etc::trusted", "/dev/null"),
            ("Dir::State", directory), ("Dir::State::status", os.path.join(directory, "status")), ("Dir::Cache", directory),
            ("APT::Architecture", d.getVar("DISTRO_ARCH")), ("APT::Install-Recommends", "false"), ("APT::Sandbox::User", "root"),
            ("Acquire::Languages", "none"), ("Acquire::ForceHash", "SHA256"), ("Acquire::Retries", "3"),
            ("Acquire::Check-Valid-Until", "true"), ("Acquire::AllowInsecureRepositories", "false"),
            ("Acquire::AllowWeakRepositories", "false"), ("APT::Get::AllowUnauthenticated", "false"))))

    def _write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def update(self, origin):
        """Fetch the indexes; an archive of somebody else is an error."""
        run(["apt-get", "-q", "update", "-o", "APT::Update::Error-Mode=any"], self.config)
        text = run(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(REPO_URI) $(RELEASE)", "Created-By: Packages"], self.config)
        for line in text.splitlines():
            found, _, place = line.partition("|")
            if self.own and place.startswith("file:%s/" % self.own.rstrip("/")):
                continue
            if found != origin:
                bb.fatal("The archive %s is published by '%s', not by '%s' (DISTRO_ORIGIN)" % (place, found, origin))

    def resolve(self, packages, excluded):
        """Everything that `packages` need, with essential and required packages: a list of dictionaries, by name."""
        wanted = ["?essential", "?priority(required)", *packages, *(name + "-" for name in excluded)]
        return self._listed(["apt-get", "install", "--print-uris", "-qq", "-y", *wanted])

    def build_dependencies(self, tree, profiles):
        """What building the unpacked source package `tree` needs beside what is installed."""
        options = ["-P" + ",".join(profiles)] if profiles else []
        # apt takes a word for a folder only if it has a slash.
        return self._listed(["apt-get", "build-dep", "--print-uris", "-qq", "-y", *options, os.path.join(tree, ".")])

    def _listed(self, command):
        found = {}
        for line in run(command, self.config).splitlines():
            match = re.fullmatch(r"'([^']+)' (\S+) (\d+) SHA256:([0-9a-f]{64})", line)
            if not match:
                bb.fatal("apt-get --print-uris says something unknown: %s" % line)
            url, file, size, digest = match.groups()
            found[digest] = {"url": url, "file": file, "size": int(size), "sha256": digest}
        names = ["%s=%s" % (name, version) for name, version in map(name_and_version, found.values())]
        for stanza in (run(["apt-cache", "show", "--no-all-versions", *names], self.config) if names else "").split("\n\n"):
            values = fields(stanza)
            package = found.get(values.get("SHA256", ""))
            if package is not None:
                package.update(package=values["Package"], version=values["Version"], architecture=values["Architecture"],
                               source=values.get("Source", values["Package"]), stanza=stanza.strip() + "\n")
        lacking = [entry["file"] for entry in found.values() if "package" not in entry]
        if lacking:
            bb.fatal("apt does not describe %s" % ", ".join(lacking))
        for entry in found.values():
            path = local(entry["url"])
            if self.own and path and path.startswith(self.own + "/"):
                entry["recipe"] = os.path.relpath(path, self.own).split("/")[0]
        return sorted(found.values(), key=lambda entry: (entry["package"], entry["architecture"]))


def name_and_version(entry):
    """Name and version in a package's file name (apt writes an epoch's colon as %3a)."""
    name, version, _ = entry["file"].rsplit("_", 2)
    return name, version.replace("%3a", ":")
