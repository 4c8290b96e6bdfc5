# SPDX-License-Identifier: Apache-2.0
"""Source packages: our version and patches in them, what they are built with, and the build itself (see pkgbuild-deb.bbclass)."""

import os
import re
import shutil
import subprocess
import time
from email.utils import formatdate

import bb

from debroot import fetch, pool, raw, sandbox
from debroot.apt import Resolver, run
from debroot.lock import pin_or, read, view_of_own, without_own, write

# Entries of debian/changelog (Debian Policy 4.4): the first line, and the last.
HEAD = re.compile(r"^(?P<name>[a-z0-9][a-z0-9+.-]*) \((?P<version>[^()\s]+)\) (?P<suite>[^;]+);(?P<rest>.*)$", re.M)
TAIL = re.compile(r"^ -- (?P<who>.+?)  (?P<date>.+)$", re.M)


def tree(d):
    """The copy of the sources that is built: S may be somebody's working tree."""
    return os.path.join(d.getVar("WORKDIR"), "package-tree")


def paragraphs(text):
    """The paragraphs of a control file, each a dictionary; continuation lines are joined by newlines (Debian Policy 5.1)."""
    found = []
    for block in re.split(r"\n[ \t]*\n", "\n".join(line for line in text.splitlines() if not line.startswith("#"))):
        values = {}
        for line in block.splitlines():
            if line[:1] in " \t":
                if values:
                    values[last] += "\n" + line.strip()
            elif ":" in line:
                last, _, value = line.partition(":")
                last = last.strip().lower()
                values[last] = value.strip()
        if values:
            found.append(values)
    return found


def _control(d):
    with open(os.path.join(tree(d), "debian/control")) as file:
        return paragraphs(file.read())


def _entry(name, version, suite, lines, who, date):
    return "%s (%s) %s; urgency=medium\n\n%s\n -- %s  %s\n" % (name, version, suite, "".join("  * %s\n" % line for line in lines), who, date)


def _subject(path):
    """What a patch says it is about."""
    with open(path, errors="replace") as file:
        match = re.search(r"^(?:Subject|Description): *(?:\[PATCH[^]]*\] *)?(.+)$", file.read(), re.M)
    return match[1].strip() if match else os.path.basename(path)


def prepare(d, patches):
    """Copy the sources and make them a package of ours."""
    source, target = d.getVar("S"), tree(d)
    bb.utils.remove(target, recurse=True)
    # A working tree may have other people's repositories and results of earlier builds in it; only git knows which.
    if os.path.exists(os.path.join(source, ".git")):
        os.makedirs(target)
        listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                                cwd=source, stdout=subprocess.PIPE, check=True).stdout
        there = b"\0".join(name for name in listed.split(b"\0") if name and os.path.lexists(os.path.join(os.fsencode(source), name)))
        first = subprocess.Popen(["tar", "-C", source, "--null", "--no-recursion", "-T", "-", "-cf", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        second = subprocess.Popen(["tar", "-C", target, "-xf", "-"], stdin=first.stdout)
        first.stdin.write(there)
        first.stdin.close()
        if first.wait() or second.wait():
            bb.fatal("%s could not be copied" % source)
    else:
        bb.utils.mkdirhier(os.path.dirname(target))
        subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)
    changelog = os.path.join(target, "debian/changelog")
    suffix = d.getVar("PKG_VERSION_SUFFIX")
    who = d.getVar("MAINTAINER") or "rbake <rbake@localhost>"
    if not os.path.exists(os.path.join(target, "debian/control")):
        raw.write(d, target)
        epoch = int(d.getVar("SOURCE_DATE_EPOCH"))
        with open(changelog, "w") as file:
            file.write(_entry(d.getVar("BPN"), d.getVar("PV") + suffix, d.getVar("BASE_DISTRO_CODENAME"), ["Built by a recipe."], who,
                              formatdate(epoch)))
        return
    with open(changelog) as file:
        before = file.read()
    head, tail = HEAD.search(before), TAIL.search(before)
    if not head or not tail:
        bb.fatal("%s has no entry that says a version" % changelog)
    lines = [_subject(path) for path, *_ in patches] or ["Built again."]
    # The date is that of upstream's entry: it becomes SOURCE_DATE_EPOCH, and the clock has no say in results.
    entry = _entry(head["name"], head["version"] + suffix, d.getVar("BASE_DISTRO_CODENAME"), lines, who, tail["date"])
    with open(changelog, "w") as file:
        file.write(entry + "\n" + before)
    bb.note("%s %s" % (head["name"], head["version"] + suffix))


# --- What it is built with --------------------------------------------------------------------------------

def _request(d):
    head = _control(d)[0]
    wanted = {name: " ".join(head.get(name, "").split()) for name in (
        "build-depends", "build-depends-arch", "build-depends-indep", "build-conflicts")}
    return wanted | {"profiles": d.getVar("DEB_BUILD_PROFILES").split(), "codename": d.getVar("BASE_DISTRO_CODENAME"),
                     "architecture": d.getVar("DISTRO_ARCH")}


def _installed(d):
    """dpkg's status of the base root."""
    blocks = []
    for entry in read(d.getVar("BUILD_BASE_DIR") + ".lock.json")["packages"]:
        lines = [line for line in entry["stanza"].splitlines() if not re.match(r"(Filename|Size|SHA256|MD5sum):", line)]
        blocks.append("\n".join([lines[0], "Status: install ok installed", *lines[1:]]) + "\n")
    return "\n".join(blocks)


def _resolve(d, own):
    directory, lists = os.path.join(d.getVar("WORKDIR"), "apt"), d.getVar("BUILD_BASE_DIR") + ".lists"
    bb.utils.remove(directory, recurse=True)
    resolver = Resolver(d, directory, own, _installed(d))
    if os.path.isdir(lists):
        # The indexes that the base was resolved with, verified then.
        for name in os.listdir(lists):
            if os.path.isfile(os.path.join(lists, name)):
                pool.link(os.path.join(lists, name), os.path.join(directory, "lists", name))
        if own:
            only = os.path.join(directory, "own.list")
            with open(only, "w") as file:
                file.write("deb [trusted=yes] file:%s ./\n" % own)
            run(["apt-get", "-q", "update", "-o", "Dir::Etc::sourcelist=" + only, "-o", "APT::Get::List-Cleanup=false"], resolver.config)
    else:
        resolver.update(d.getVar("DISTRO_ORIGIN"))
    return resolver.build_dependencies(tree(d), d.getVar("DEB_BUILD_PROFILES").split())


def lock(d):
    """Write BUILDDEPS_LOCK."""
    pin_or(d, d.getVar("BUILDDEPS_LOCKFILE"), d.getVar("BUILDDEPS_LOCK"), _request(d), lambda own: _resolve(d, own))


def lock_update(d):
    """Write BUILDDEPS_LOCKFILE anew."""
    path = d.getVar("BUILDDEPS_LOCKFILE")
    content = without_own({"format": 1, "request": _request(d), "packages": _resolve(d, view_of_own(d))})
    write(path, content)
    bb.plain("%s has %d packages" % (path, len(content["packages"])))


# --- The build --------------------------------------------------------------------------------------------

SCRIPT = r'''
if [ "$#" -gt 0 ]; then
    echo 'deb [trusted=yes] file:/rbake/repository ./' > /etc/apt/sources.list
    apt-get -qq -o APT::Sandbox::User=root update
    apt-get -qq -o APT::Sandbox::User=root -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Use-Pty=0 --no-install-recommends -y install "$@" </dev/null
fi
mkdir -p /build
cp -a /rbake/source /build/source
chown -R builder:builder /build
cd /build/source
HOME=/build setpriv --reuid=1000 --regid=1000 --clear-groups dpkg-buildpackage -us -uc -b -rfakeroot -P"$PROFILES"
for file in /build/*.deb /build/*.buildinfo; do
    [ ! -f "$file" ] || cp "$file" /rbake/result/
done
'''


def build(d):
    """Build the packages; they come to DEB_RESULT."""
    work, result = os.path.join(d.getVar("WORKDIR"), "build-root"), d.getVar("DEB_RESULT")
    repository = os.path.join(d.getVar("WORKDIR"), "builddeps")
    bb.utils.remove(repository, recurse=True)
    fetch.repository(d, d.getVar("BUILDDEPS_LOCK"), repository)
    names = ["%s=%s" % (entry["package"], entry["version"]) for entry in read(d.getVar("BUILDDEPS_LOCK"))["packages"]]
    # What an interrupted build left.
    sandbox.remove(work)
    jobs = re.search(r"\d+", d.getVar("PARALLEL_MAKE") or "")
    settings = {
        "DEB_BUILD_OPTIONS": " ".join([*d.getVar("DEB_BUILD_OPTIONS").split(), "parallel=" + (jobs[0] if jobs else "1")]),
        "PROFILES": ",".join(d.getVar("DEB_BUILD_PROFILES").split()),
    }
    started = time.monotonic()
    status = sandbox.run(d.getVar("BUILD_BASE_DIR") + "/root", work, SCRIPT, names, (
        ("ro", repository, "/rbake/repository"), ("ro", tree(d), "/rbake/source"), ("rw", result, "/rbake/result")), settings)
    if status != 0:
        bb.fatal("%s could not be built (exit code %d). The root with everything in it is kept: %s" % (d.getVar("PN"), status, work))
    sandbox.remove(work)
    bb.utils.remove(repository, recurse=True)
    made = sorted(name for name in os.listdir(result) if name.endswith(".deb"))
    if not made:
        bb.fatal("The build made no packages")
    bb.note("%.0f s: %s" % (time.monotonic() - started, " ".join(made)))


def qa(d):
    """Refuse packages that would do harm where they are installed."""
    result, suffix, wrong = d.getVar("DEB_RESULT"), d.getVar("PKG_VERSION_SUFFIX"), []
    for name in sorted(os.listdir(result)):
        if not name.endswith(".deb"):
            continue
        path = os.path.join(result, name)
        values = pool.fields(pool.stanza(path))
        if suffix not in values["Version"]:
            bb.warn("%s has the version %s, without %s: nobody can tell it from upstream's" % (name, values["Version"], suffix))
        listing = subprocess.run(["dpkg-deb", "--contents", path], stdout=subprocess.PIPE, text=True, check=True).stdout
        for line in listing.splitlines():
            mode, owner, _, _, _, file = line.split(None, 5)
            file = file.split(" -> ")[0].removeprefix(".")
            if "builder" in owner:
                wrong.append("%s: %s belongs to the user that built it" % (name, file))
            if re.match(r"/(build|rbake|home|tmp|usr/local|root)/.", file):
                wrong.append("%s: %s is in a place that packages must leave alone" % (name, file))
            if mode[0] == "-" and mode[8] == "w":
                wrong.append("%s: everybody may write to %s" % (name, file))
    if wrong:
        bb.fatal("\n".join(wrong))
