"""Checksums of files, as lower-case hexadecimal text."""

import hashlib

_BLOCK = 1 << 18


def _hasher(method, filename):
    """Feed a file to a hashlib object and return its digest."""
    block = bytearray(_BLOCK)
    view = memoryview(block)
    with open(filename, "rb", buffering=0) as file:
        while True:
            size = file.readinto(block)
            if not size:
                return method.hexdigest()
            method.update(view[:size])


def md5_file(filename):
    """MD5 of a file, for identification only (works on FIPS systems too)."""
    return _hasher(hashlib.md5(usedforsecurity=False), filename)


def sha1_file(filename):
    """SHA-1 of a file."""
    return _hasher(hashlib.sha1(), filename)


def sha256_file(filename):
    """SHA-256 of a file."""
    return _hasher(hashlib.sha256(), filename)


def sha384_file(filename):
    """SHA-384 of a file."""
    return _hasher(hashlib.sha384(), filename)


def sha512_file(filename):
    """SHA-512 of a file."""
    return _hasher(hashlib.sha512(), filename)


def goh1_file(filename):
    """The `h1` hash of a Go module: of a zip's members, or of a single go.mod file.

    Defined by golang.org/x/mod/sumdb/dirhash: SHA-256 over the sorted lines
    `SHA256␠␠NAME`.
    """
    import zipfile

    try:
        with zipfile.ZipFile(filename) as archive:
            sums = [(name, hashlib.sha256(archive.read(name)).hexdigest())
                    for name in sorted(archive.namelist())]
    except zipfile.BadZipFile:
        sums = [("go.mod", sha256_file(filename))]
    listing = "".join("%s  %s\n" % (digest, name) for name, digest in sums)
    return hashlib.sha256(listing.encode("utf-8")).hexdigest()
