# SPDX-License-Identifier: Apache-2.0
"""An archive in Debian's format (Debian repository format 1.0), made of packages of another one and signed with a key made on the spot."""

import gzip
import hashlib
import io
import lzma
import os
import re
import subprocess
import tarfile
from email.utils import formatdate

import bb


def fingerprint(folder):
    """The key that signed the feed in a folder; nothing while there is none."""
    try:
        with open(os.path.join(folder, "fingerprint")) as file:
            return file.read().strip()
    except OSError:
        return ""


def _run(command, **more):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
    if done.returncode != 0:
        bb.fatal("%s failed: %s" % (command[0], done.stderr.decode(errors="replace").strip()))
    return done.stdout.decode(errors="replace")


class Key:
    """A key for signing, kept in a folder: made when it is asked for first."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        bb.utils.mkdirhier(folder)
        os.chmod(folder, 0o700)
        self.gpg = ["gpg", "--homedir", folder, "--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""]
        if not re.search(r"^fpr:", self._listed(), re.M):
            _run([*self.gpg, "--quick-generate-key", name, "rsa3072", "sign", "never"])
        self.fingerprint = re.search(r"^fpr:::::::::([0-9A-F]+):", self._listed(), re.M)[1]

    def _listed(self):
        return _run([*self.gpg, "--with-colons", "--list-keys"])

    def sign(self, text, target):
        """Write a text with a signature in it."""
        _run([*self.gpg, "--yes", "--digest-algo", "SHA512", "--local-user", self.fingerprint, "--output", target, "--clearsign", text])

    def export(self, target):
        """Write the public key."""
        _run([*self.gpg, "--yes", "--output", target, "--export", self.fingerprint])

    def close(self):
        """End the agent, which would hold the folder."""
        subprocess.run(["gpgconf", "--homedir", self.folder, "--kill", "all"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)


def _tar(source, texts, changed=lambda name, text: text):
    """An archive with the members of another, with owners, modes and times; `texts` replaces files, `changed` may."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(source)) as old, tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as new:
        for member in old:
            data = old.extractfile(member).read() if member.isreg() else b""
            name = member.name.removeprefix("./")
            data = texts[name].encode() if name in texts else changed(name, data)
            member.size = len(data)
            new.addfile(member, io.BytesIO(data) if member.isreg() else None)
    return out.getvalue()


def _write_deb(target, control, data, epoch):
    """A package in its outer format (deb(5)): an ar archive of three members."""
    with open(target, "wb") as file:
        file.write(b"!<arch>\n")
        for name, content in (("debian-binary", b"2.0\n"), ("control.tar.xz", lzma.compress(control)), ("data.tar.xz", lzma.compress(data))):
            file.write(b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name.encode(), epoch, 0, 0, b"100644", len(content)))
            file.write(content + b"\n" * (len(content) % 2))


def repack(deb, target, files, epoch, version_suffix):
    """Write a package again with other contents of some of its files; `files` maps paths to texts."""
    def part(which):
        return subprocess.run(["dpkg-deb", which, deb], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout

    def control(name, data):
        text = data.decode()
        if name == "control":
            return re.sub(r"^(Version: .+)$", lambda found: found[1] + version_suffix, text, count=1, flags=re.M).encode()
        if name == "md5sums":
            # As dpkg -V wants them; configuration files are not among them.
            return re.sub(r"^[0-9a-f]{32}  (.+)$", lambda found: "%s  %s" % (
                hashlib.md5(files[found[1]].encode()).hexdigest(), found[1]) if found[1] in files else found[0], text, flags=re.M).encode()
        return data

    _write_deb(target, _tar(part("--ctrl-tarfile"), {}, control), _tar(part("--fsys-tarfile"), files), epoch)


def empty_package(target, fields, epoch):
    """Write a package that only depends on others."""
    def archive(entries):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as new:
            for name, text in entries:
                member = tarfile.TarInfo(name)
                member.mtime, member.size = epoch, len(text)
                member.mode, member.type = (0o755, tarfile.DIRTYPE) if name == "." else (0o644, tarfile.REGTYPE)
                new.addfile(member, io.BytesIO(text))
        return out.getvalue()

    text = "".join("%s: %s\n" % pair for pair in fields.items()).encode()
    _write_deb(target, archive([(".", b""), ("./control", text)]), archive([(".", b"")]), epoch)


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
