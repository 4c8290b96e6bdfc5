# SPDX-License-Identifier: Apache-2.0
"""Archives in Debian's repository format, signed: what apt on any machine reads."""

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from email.utils import formatdate

import bb

from debroot import pool


def _run(command, **more):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
    if done.returncode != 0:
        bb.fatal("%s failed: %s" % (command[0], done.stderr.decode(errors="replace").strip()))
    return done.stdout.decode(errors="replace")


class Key:
    """A key for signing: the file private.asc of a folder, made when it is asked for first."""

    def __init__(self, folder, name):
        bb.utils.mkdirhier(folder)
        private = os.path.join(folder, "private.asc")
        # A home of its own for each use: the path of its agent's socket may not be long, and no agent outlives it.
        self.home = tempfile.mkdtemp(prefix="rbake-gpg-")
        self.gpg = ["gpg", "--homedir", self.home, "--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""]
        if os.path.exists(private):
            _run([*self.gpg, "--import", private])
        else:
            _run([*self.gpg, "--quick-generate-key", name, "rsa3072", "sign", "never"])
            temporary = "%s.%d.tmp" % (private, os.getpid())
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(_run([*self.gpg, "--armor", "--export-secret-keys"]))
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, private)
        found = re.search(r"^fpr:::::::::([0-9A-F]+):", _run([*self.gpg, "--with-colons", "--list-secret-keys"]), re.M)
        if not found:
            self.close()
            bb.fatal("%s has no private key" % private)
        self.fingerprint = found[1]

    def sign(self, text, target):
        """Write a text with a signature in it."""
        _run([*self.gpg, "--yes", "--digest-algo", "SHA512", "--local-user", self.fingerprint, "--output", target, "--clearsign", text])

    def export(self, target):
        """Write the public key."""
        _run([*self.gpg, "--yes", "--output", target, "--export", self.fingerprint])

    def close(self):
        """Forget the home."""
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        shutil.rmtree(self.home, ignore_errors=True)


def sources(folder, descriptions):
    """The index of source packages: each .dsc, with the folder of its files."""
    stanzas = []
    for path in sorted(descriptions):
        with open(path) as file:
            text = file.read()
        if text.startswith("-----BEGIN PGP SIGNED MESSAGE-----\n"):
            text = text.partition("\n\n")[2].partition("\n-----BEGIN PGP SIGNATURE-----")[0]
        body = text.strip() + "\n"
        with open(path, "rb") as file:
            data = file.read()
        name = os.path.basename(path)
        body = re.sub(r"^Source: ", "Package: ", body, count=1, flags=re.M)
        for field, algorithm in (("Files", "md5"), ("Checksums-Sha1", "sha1"), ("Checksums-Sha256", "sha256")):
            line = " %s %d %s" % (hashlib.new(algorithm, data).hexdigest(), len(data), name)
            body = re.sub(r"^(%s:)[ \t]*$" % field, lambda found: found[1] + "\n" + line, body, count=1, flags=re.M)
        stanzas.append(body + "Directory: %s\n" % os.path.relpath(os.path.dirname(path), folder))
    return "\n".join(stanzas)


def write_suite(folder, suite, fields, components, indexes, key):
    """Write dists/SUITE: `indexes` are the texts of Packages and Sources by their paths in it, all others being empty."""
    place = os.path.join(folder, "dists", suite)
    listed = []
    for component in components:
        for path in ("binary-amd64/Packages", "source/Sources"):
            path = component + "/" + path
            data = indexes.get(path, "").encode()
            for name, content in ((path, data), (path + ".gz", gzip.compress(data, 9, mtime=0))):
                target = os.path.join(place, name)
                bb.utils.mkdirhier(os.path.dirname(target))
                with open(target, "wb") as file:
                    file.write(content)
                listed.append(" %s %d %s" % (hashlib.sha256(content).hexdigest(), len(content), name))
    release = os.path.join(place, "Release")
    with open(release, "w") as file:
        file.writelines("%s: %s\n" % pair for pair in fields.items())
        file.write("SHA256:\n%s\n" % "\n".join(listed))
    key.sign(release, os.path.join(place, "InRelease"))


def date(epoch):
    """A time as Release has it."""
    return formatdate(epoch, usegmt=True).replace("GMT", "UTC")


def publish(d, target):
    """Make an archive of all packages that recipes made for this system."""
    staging = target + ".new"
    bb.utils.remove(staging, recurse=True)
    source = d.getVar("DEPLOY_DIR_DEB")
    for parent, folders, files in os.walk(source):
        folders.sort()
        for name in sorted(files):
            if name.endswith(".deb"):
                place = os.path.join(staging, "pool", os.path.relpath(parent, source))
                bb.utils.mkdirhier(place)
                pool.link(os.path.join(parent, name), os.path.join(place, name))
    bb.utils.mkdirhier(staging)
    packages = pool.index(os.path.join(staging, "pool")).replace("\nFilename: ", "\nFilename: pool/")
    fields = {"Origin": d.getVar("PACKAGE_FEED_ORIGIN"), "Label": d.getVar("PACKAGE_FEED_ORIGIN"), "Suite": d.getVar("BASE_DISTRO_CODENAME"),
              "Codename": d.getVar("BASE_DISTRO_CODENAME"), "Date": date(int(d.getVar("SOURCE_DATE_EPOCH"))), "Architectures": d.getVar("DISTRO_ARCH"),
              "Components": "main"}
    key = Key(d.getVar("PACKAGE_FEED_KEY_DIR"), "%s <rbake@localhost>" % d.getVar("PACKAGE_FEED_ORIGIN"))
    try:
        write_suite(staging, d.getVar("BASE_DISTRO_CODENAME"), fields, ["main"], {"main/binary-amd64/Packages": packages}, key)
        key.export(os.path.join(staging, "key.gpg"))
    finally:
        key.close()
    bb.utils.remove(target, recurse=True)
    os.rename(staging, target)
    return packages.count("\nFilename: "), key.fingerprint
