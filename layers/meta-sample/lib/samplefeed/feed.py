# SPDX-License-Identifier: Apache-2.0
"""An archive in Debian's format (Debian repository format 1.0), made of packages of another one and signed with a key made on the spot."""

import hashlib
import io
import lzma
import os
import re
import subprocess
import tarfile


def fingerprint(folder):
    """The key that signed the feed in a folder; nothing while there is none."""
    try:
        with open(os.path.join(folder, "fingerprint")) as file:
            return file.read().strip()
    except OSError:
        return ""


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
