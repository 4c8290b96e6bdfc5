# SPDX-License-Identifier: Apache-2.0
"""Container images in the OCI image layout (OCI image specification 1.0)."""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import time

import bb


class _Blobs:
    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)

    def add(self, path, media_type):
        """Move a file in; its descriptor."""
        digest = bb.utils.sha256_file(path)
        size = os.path.getsize(path)
        os.rename(path, os.path.join(self.folder, digest))
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": size}

    def add_json(self, value, media_type):
        """Write a document; its descriptor."""
        path = os.path.join(self.folder, "document")
        with open(path, "w") as file:
            json.dump(value, file, sort_keys=True, separators=(",", ":"))
        return self.add(path, media_type)


class _Hashing:
    """A file to write to that knows the hash of what was written."""

    def __init__(self, file):
        self.file, self.hash, self.at = file, hashlib.sha256(), 0

    def write(self, data):
        self.hash.update(data)
        self.at += len(data)
        return self.file.write(data)

    def tell(self):
        return self.at


def _layer(root_tar, target, excluded):
    """Write the root, less what is excluded, as a compressed layer; the digest of its uncompressed bytes."""
    skipped = tuple(path.strip("/") for path in excluded)
    with open(target, "wb") as out:
        packer = subprocess.Popen(["gzip", "-n", "-6"], stdin=subprocess.PIPE, stdout=out)
        hashed = _Hashing(packer.stdin)
        with tarfile.open(root_tar, "r:") as source, tarfile.open(fileobj=hashed, mode="w", format=tarfile.PAX_FORMAT) as layer:
            for member in source:
                name = member.name.removeprefix("./").strip("/")
                # Devices are the runtime's business.
                if not name or name.startswith("dev/") or any(name == path or name.startswith(path + "/") for path in skipped):
                    continue
                member.name, member.uname, member.gname = name, "", ""
                # A pax record of the source's own would be written twice.
                member.pax_headers = {key: value for key, value in member.pax_headers.items() if key.startswith("SCHILY.xattr.")}
                layer.addfile(member, source.extractfile(member) if member.isreg() else None)
        packer.stdin.close()
        if packer.wait() != 0:
            bb.fatal("gzip failed")
    return "sha256:" + hashed.hash.hexdigest()


def make(work, root_tar, archive, name, settings, excluded, epoch):
    """Write an archive of an OCI layout with one image, called `name`, of one layer. `settings` is the configuration's `config`."""
    layout = os.path.join(work, "oci")
    shutil.rmtree(layout, ignore_errors=True)
    os.makedirs(layout)
    blobs = _Blobs(os.path.join(layout, "blobs/sha256"))
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
    packed = os.path.join(work, "layer.tar.gz")
    diff = _layer(root_tar, packed, excluded)
    layer = blobs.add(packed, "application/vnd.oci.image.layer.v1.tar+gzip")
    config = blobs.add_json({
        "created": created, "architecture": "amd64", "os": "linux", "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [diff]}, "history": [{"created": created, "created_by": "rbake"}],
    }, "application/vnd.oci.image.config.v1+json")
    manifest = blobs.add_json({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [layer],
    }, "application/vnd.oci.image.manifest.v1+json")
    reference = dict(manifest, annotations={"org.opencontainers.image.ref.name": name})
    for path, value in (("index.json", {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                                        "manifests": [reference]}), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        with open(os.path.join(layout, path), "w") as file:
            json.dump(value, file, sort_keys=True, separators=(",", ":"))
    temporary = archive + ".tmp"
    with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as out:
        for parent, directories, files in os.walk(layout):
            directories.sort()
            for entry in sorted(directories) + sorted(files):
                path = os.path.join(parent, entry)
                member = out.gettarinfo(path, os.path.relpath(path, layout))
                member.uid = member.gid = 0
                member.uname = member.gname = ""
                member.mtime, member.mode = epoch, 0o755 if member.isdir() else 0o644
                with open(path, "rb") if member.isreg() else open(os.devnull, "rb") as file:
                    out.addfile(member, file if member.isreg() else None)
    os.rename(temporary, archive)
    shutil.rmtree(layout)
