# SPDX-License-Identifier: Apache-2.0
"""Archives of .deb files on this machine: what recipes built, shown to those that need it."""

import os
import re
import subprocess
from urllib.parse import unquote

import bb


def stanza(path):
    """A package's control fields as an index has them, without where it is."""
    done = subprocess.run(["dpkg-deb", "--field", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        bb.fatal("%s is no package: %s" % (path, done.stderr.strip()))
    return done.stdout.rstrip("\n") + "\nSize: %d\nSHA256: %s\n" % (os.path.getsize(path), bb.utils.sha256_file(path))


def fields(text):
    """The one-line fields of a stanza."""
    return dict(re.findall(r"^([A-Za-z0-9-]+): ?(.*)$", text, re.M))


def index(folder):
    """The text of the index of the packages in a folder and below, by path."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders.sort()
        found += [os.path.relpath(os.path.join(parent, name), folder) for name in sorted(files) if name.endswith(".deb")]
    return "\n".join("%sFilename: %s\n" % (stanza(os.path.join(folder, path)), path) for path in sorted(found))


def recipes_before(d, task="do_package_write_deb"):
    """The recipes whose packages the running task may use: those among all that it depends on."""
    known = d.getVar("BB_TASKDEPDATA", False)
    own = [tid for tid, about in known.items() if about[0] == d.getVar("PN") and about[1] == "do_" + d.getVar("BB_CURRENTTASK")]
    wanted, seen, names = list(own), set(own), set()
    while wanted:
        about = known[wanted.pop()]
        if about[1] == task:
            names.add(about[0])
        for tid in about[3]:
            if tid in known and tid not in seen:
                seen.add(tid)
                wanted.append(tid)
    return sorted(names - {d.getVar("PN")})


def view(d, folder):
    """Make an archive of just what the recipes before this task built; whether there is anything. Its paths: FOLDER/RECIPE/FILE."""
    bb.utils.remove(folder, recurse=True)
    bb.utils.mkdirhier(folder)
    for name in recipes_before(d):
        source = os.path.join(d.getVar("DEPLOY_DIR_DEB"), name)
        bb.utils.mkdirhier(os.path.join(folder, name))
        for file in sorted(os.listdir(source)) if os.path.isdir(source) else ():
            if file.endswith(".deb"):
                link(os.path.join(source, file), os.path.join(folder, name, file))
    text = index(folder)
    with open(os.path.join(folder, "Packages"), "w") as file:
        file.write(text)
    with open(os.path.join(folder, "Release"), "w") as file:
        file.write("Origin: rbake\nLabel: rbake\nSuite: view\nSHA256:\n %s %d Packages\n" % (
            bb.utils.sha256_file(os.path.join(folder, "Packages")), os.path.getsize(os.path.join(folder, "Packages"))))
    return bool(text)


def local(url):
    """The path of a file: URL, or None; apt writes some characters as %xx."""
    return unquote(url.removeprefix("file:")) if url.startswith("file:") else None


def link(source, target):
    """The same file once more; a copy where the disk allows no link."""
    try:
        os.link(source, target)
    except FileExistsError:
        os.remove(target)
        os.link(source, target)
    except OSError:
        bb.utils.copyfile(source, target)
