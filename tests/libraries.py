# SPDX-License-Identifier: Apache-2.0
"""Tests of the Python libraries of layers: packages, archives and images, with programs of the host as the judges.

    libraries.py [TEST…]
"""

import hashlib
import io
import os
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/conformance"))
import ours  # noqa: E402

EPOCH = 1704067200
UUIDS = ("11111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-666666666666")


def run(*words, **more):
    """A program's output; its failure is the test's."""
    return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, **more).stdout


class Variables(dict):
    """Stands for a recipe's variables where only these are asked for."""

    def getVar(self, name, expand=True):
        return self.get(name)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="libraries-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def tar(self, name, *members):
        """An archive of (path, type, content or link, mode, extended attributes)."""
        path = self.folder / name
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            for place, kind, content, mode, attributes in members:
                member = tarfile.TarInfo("./" + place)
                member.type, member.mode, member.mtime, member.uid, member.gid = kind, mode, EPOCH - 5, 12, 34
                member.pax_headers = {"SCHILY.xattr." + key: value for key, value in attributes.items()}
                data = None
                if kind == tarfile.REGTYPE:
                    data = io.BytesIO(content)
                    member.size = len(content)
                elif kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                    member.linkname = content
                elif kind == tarfile.CHRTYPE:
                    member.devmajor, member.devminor = content
                archive.addfile(member, data)
        return path

    def deb(self, control, files):
        """A package made by dpkg-deb."""
        tree = self.folder / ("tree-" + control["Package"])
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN/control").write_text("".join("%s: %s\n" % pair for pair in control.items()))
        sums = ""
        for path, text in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text)
            sums += "%s  %s\n" % (hashlib.md5(text.encode()).hexdigest(), path)
        (tree / "DEBIAN/md5sums").write_text(sums)
        target = self.folder / ("%s_%s_all.deb" % (control["Package"], control["Version"]))
        run("dpkg-deb", "--root-owner-group", "-b", str(tree), str(target))
        return target


def package(name, version="1", **more):
    return {"Package": name, "Version": version, "Architecture": "all", "Maintainer": "x <x@localhost>", "Description": "y"} | more


class Ext4(Case):
    MEMBERS = (
        (".", tarfile.DIRTYPE, None, 0o755, {}),
        ("etc", tarfile.DIRTYPE, None, 0o750, {}),
        ("etc/fstab", tarfile.REGTYPE, b"old\n", 0o644, {}),
        ("etc/with space \"quoted\" 100%s", tarfile.REGTYPE, b"a\0b" * 5000, 0o4711, {}),
        ("etc-more", tarfile.REGTYPE, b"", 0o600, {}),
        ("etc/link", tarfile.SYMTYPE, "../etc/fstab", 0o777, {}),
        ("etc/a-second-name", tarfile.LNKTYPE, "./etc/fstab2", 0o644, {}),
        ("etc/fstab2", tarfile.REGTYPE, b"two names\n", 0o640, {}),
        ("bin", tarfile.DIRTYPE, None, 0o755, {}),
        ("bin/ping", tarfile.REGTYPE, b"ping", 0o755, {"user.note": "kept"}),
        ("dev", tarfile.DIRTYPE, None, 0o755, {}),
        ("dev/null", tarfile.CHRTYPE, (1, 3), 0o666, {}),
    )

    def make(self, name, **more):
        from imagetools import ext4
        work = self.folder / name
        work.mkdir()
        ext4.make(str(work), str(self.tar("root.tar", *self.MEMBERS)), str(work / "image"), *UUIDS, EPOCH, 16, **more)
        return work / "image"

    def test_everything_of_the_archive_is_in_it(self):
        image = self.make("one", more={"etc/fstab": b"new\n", "boot/grub/grub.cfg": b"menu\n"})
        ask = lambda request: subprocess.run(
            ["debugfs", "-R", request, str(image)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
        self.assertEqual(ask('cat "/etc/with space ""quoted"" 100%s"'), b"a\0b" * 5000)
        self.assertEqual(ask("cat /etc/fstab"), b"new\n")
        self.assertEqual(ask("cat /boot/grub/grub.cfg"), b"menu\n")
        self.assertEqual(ask("cat /etc/a-second-name"), b"two names\n")
        self.assertIn(b'dest: "../etc/fstab"', ask("stat /etc/link"))
        about = ask("stat /etc/fstab2").decode()
        self.assertIn("Links: 2", about)
        self.assertRegex(about, r"User: +12 +Group: +34")
        self.assertRegex(about, r"Mode: +0640")
        self.assertRegex(ask('stat "/etc/with space ""quoted"" 100%s"').decode(), r"Mode: +04711")
        self.assertRegex(ask("stat /dev/null").decode(), r"Device major/minor number: 01:03")
        self.assertIn(b"kept", ask("ea_get /bin/ping user.note"))
        # Nothing of now is in it.
        times = [line for line in about.splitlines() if "time:" in line]
        self.assertTrue(len(times) >= 3 and all("2023" in line or "2024" in line for line in times), times)

    def test_the_same_bytes_wherever_it_is_made(self):
        self.assertEqual(self.make("one").read_bytes(), self.make("another-longer-name").read_bytes())

    def test_a_file_system_that_is_too_small_is_an_error(self):
        from imagetools import ext4
        big = self.tar("big.tar", (".", tarfile.DIRTYPE, None, 0o755, {}), ("big", tarfile.REGTYPE, b"x" * (32 << 20), 0o644, {}))
        with self.assertRaises(bb.BBHandledException):
            ext4.make(str(self.folder), str(big), str(self.folder / "image"), *UUIDS, EPOCH, 16)


class Disk(Case):
    def test_the_partition_table_is_what_sfdisk_reads(self):
        from imagetools import disk
        image = self.folder / "disk"
        with open(image, "wb") as file:
            file.truncate(256 << 20)
        subprocess.run(["sfdisk", "-q", "--no-reread", "--no-tell-kernel", str(image)], input=disk.table(), text=True, check=True)
        lines = [line for line in run("sfdisk", "--dump", str(image)).splitlines() if "start=" in line]
        starts = [int(line.partition("start=")[2].partition(",")[0]) for line in lines]
        self.assertEqual(starts, [2048, 4096, 135168])
        self.assertTrue(lines[0].count(disk.CORE_TYPE) and lines[1].count(disk.ESP_TYPE) and lines[2].count(disk.ROOT_TYPE))

    def test_grub_is_told_where_its_core_lies(self):
        from imagetools import disk
        boot, core = disk.embed_grub(bytes(512), bytes(1300), 2048)
        self.assertEqual(len(boot), 440)
        self.assertEqual(struct.unpack_from("<Q", boot, 0x5c)[0], 2048)
        self.assertEqual(len(core), 1536)
        self.assertEqual(struct.unpack_from("<QHH", core, 0x1f4), (2049, 2, 0x820))
        with self.assertRaises(ValueError):
            disk.embed_grub(bytes(100), bytes(1300), 2048)


class Initramfs(Case):
    def test_cpio_reads_the_archive(self):
        from imagetools import initramfs
        path = self.folder / "archive"
        path.write_bytes(initramfs.cpio([("bin", 0o040755, b"", (0, 0)), ("bin/x", 0o100755, b"hello", (0, 0)), ("console", 0o020600, b"", (5, 1))]))
        with open(path, "rb") as file:
            listing = subprocess.run(["cpio", "-itv", "--quiet"], stdin=file, stdout=subprocess.PIPE, text=True, check=True).stdout
        self.assertRegex(listing, r"(?s)drwxr-xr-x .* bin\n-rwxr-xr-x .* 5 .* bin/x\ncrw------- .* 5, +1 .* console\n")

    def test_modules_are_as_they_are_loaded(self):
        import gzip
        import lzma
        from imagetools import initramfs
        packed = subprocess.run(["zstd", "-q", "-c"], input=b"module", stdout=subprocess.PIPE, check=True).stdout
        for path, data in (("a.ko", b"module"), ("a.ko.gz", gzip.compress(b"module")), ("a.ko.xz", lzma.compress(b"module")), ("a.ko.zst", packed)):
            self.assertEqual((initramfs._plain(path), initramfs._unpacked(path, data)), ("a.ko", b"module"))


class Control(Case):
    def test_paragraphs_of_a_control_file(self):
        from debroot import source
        text = "# a comment\nSource: x\nBuild-Depends: a (>= 1),\n# another\n b | c,\n\n\nPackage: y\nDescription: z\n more\n .\n"
        self.assertEqual(source.paragraphs(text), [
            {"source": "x", "build-depends": "a (>= 1),\nb | c,"}, {"package": "y", "description": "z\nmore\n."}])

    def test_the_packaging_of_raw_sources(self):
        from debroot import raw, source
        d = Variables({"BPN": "x", "SUMMARY": "Does it", "DESCRIPTION": "Does it.\n\nWell.", "PACKAGE_SECTION": "net", "BUILD_DEPENDS": "libfoo-dev, bar",
                       "RDEPENDS:x-client": "x python3 (>= 3.9) python3 (<< 4)", "PACKAGE_ARCH:x-client": "all"})
        head, one, client = source.paragraphs(raw._control(d, ["x", "x-client"]))
        self.assertEqual(head["build-depends"], "debhelper-compat (= 13), libfoo-dev, bar")
        self.assertEqual((one["architecture"], client["architecture"]), ("any", "all"))
        self.assertEqual(one["description"], "Does it\nDoes it.\n.\nWell.")
        self.assertEqual(client["depends"], "${shlibs:Depends}, ${misc:Depends}, x (= ${binary:Version}), python3 (>= 3.9), python3 (<< 4)")

    def split(self, files, **wanted):
        from debroot import raw
        (self.folder / "debian/rbake").mkdir(parents=True)
        for path in files:
            place = self.folder / "debian/tmp" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(path)
        packages = list(wanted)
        script = raw._split(Variables({"FILES:" + name: patterns for name, patterns in wanted.items()}), packages)
        done = subprocess.run(["sh", "-e"], input=script, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        found = {name: sorted(str(path.relative_to(self.folder / "debian" / name)) for path in (self.folder / "debian" / name).rglob("*") if path.is_file())
                 for name in packages}
        return done, found

    def test_a_file_goes_to_the_first_package_that_wants_it(self):
        done, found = self.split(["usr/bin/a", "usr/lib/liba.so", "usr/lib/liba.so.1", "etc/with space"],
                                 dev="/usr/lib/lib*.so", main="/usr/bin /usr/lib /etc /nothing", none="/opt")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(found, {"dev": ["usr/lib/liba.so"], "main": ["etc/with space", "usr/bin/a", "usr/lib/liba.so.1"], "none": []})
        self.assertEqual((self.folder / "debian/rbake/empty").read_text(), "none\n")

    def test_a_file_that_nobody_wants_is_an_error(self):
        done, _ = self.split(["usr/bin/a", "opt/b"], main="/usr")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("./opt/b", done.stderr)


class Archives(Case):
    def variables(self, **more):
        return Variables({"PN": "me", "DEPLOY_DIR_DEB": str(self.folder / "deploy"), "MANAGED_PACKAGE_POLICY": "error"} | more)

    def test_a_kept_lock_takes_our_packages_as_they_are_now(self):
        from debroot import lock, pool
        view = self.folder / "view"
        (view / "ours").mkdir(parents=True)
        shutil.copy(self.deb(package("x", "2"), {"usr/x": "x"}), view / "ours")
        (view / "Packages").write_text(pool.index(str(view)))
        upstream = {"package": "up", "version": "1", "url": "http://localhost/up.deb", "sha256": "0" * 64, "size": 1}
        kept = lock.without_own({"packages": [upstream, {"package": "x", "architecture": "all", "recipe": "ours", "version": "1", "sha256": "1" * 64}]})
        self.assertEqual(kept["packages"][1], {"package": "x", "architecture": "all", "recipe": "ours"})
        now = lock.with_own(kept, str(view))["packages"]
        self.assertEqual(now[0], upstream)
        self.assertEqual((now[1]["version"], pool.local(now[1]["url"])), ("2", str(view / "ours/x_2_all.deb")))
        with self.assertRaises(bb.BBHandledException):
            lock.with_own(kept, None)

    def test_a_package_of_ours_never_comes_from_the_archive(self):
        from debroot import lock
        (self.folder / "deploy/ours").mkdir(parents=True)
        (self.folder / "deploy/ours/x_2_all.deb").touch()
        lock.check_managed(self.variables(), {"packages": [{"package": "x", "recipe": "ours"}, {"package": "y"}]})
        lock.check_managed(self.variables(MANAGED_PACKAGE_POLICY="ignore"), {"packages": [{"package": "x"}]})
        with self.assertRaises(bb.BBHandledException):
            lock.check_managed(self.variables(), {"packages": [{"package": "x"}]})

    def test_names_that_apt_escapes(self):
        from debroot import apt, pool
        self.assertEqual(pool.local("file:/a/x_1%2bstx.1_amd64.deb"), "/a/x_1+stx.1_amd64.deb")
        self.assertIsNone(pool.local("http://localhost/x"))
        self.assertEqual(apt.name_and_version({"file": "x_1%3a2-3_amd64.deb"}), ("x", "1:2-3"))

    def test_gpgv_accepts_what_is_published_and_keeps_to_the_key(self):
        from debroot import archive
        for turn in range(2):
            key = archive.Key(str(self.folder / "key"), "test <test@localhost>")
            try:
                target = self.folder / str(turn)
                archive.write_suite(str(target), "noble", {"Origin": "Ubuntu"}, ["main", "universe"], {"main/binary-amd64/Packages": "Package: x\n"}, key)
                key.export(str(target / "key.gpg"))
            finally:
                key.close()
            self.assertFalse(os.path.exists(key.home))
            said = run("gpgv", "--keyring", str(self.folder / "0/key.gpg"), "--status-fd", "1", str(target / "dists/noble/InRelease"))
            self.assertIn("VALIDSIG " + key.fingerprint, said)
        self.assertEqual(stat.S_IMODE(os.stat(self.folder / "key/private.asc").st_mode), 0o600)
        release = (self.folder / "0/dists/noble/Release").read_text()
        data = (self.folder / "0/dists/noble/main/binary-amd64/Packages").read_bytes()
        self.assertIn(" %s %d main/binary-amd64/Packages\n" % (hashlib.sha256(data).hexdigest(), len(data)), release)

    def test_a_package_written_again_keeps_all_but_what_was_meant(self):
        from samplefeed import feed
        old = self.deb(package("base-files", "12.4"), {"usr/lib/os-release": "ID=debian\n", "usr/share/x": "x"})
        new = self.folder / "new.deb"
        feed.repack(str(old), str(new), {"usr/lib/os-release": "ID=ubuntu\n"}, EPOCH, "+sample1")
        self.assertEqual(run("dpkg-deb", "-f", str(new), "Version"), "12.4+sample1\n")
        out = self.folder / "out"
        run("dpkg-deb", "-R", str(new), str(out))
        self.assertEqual((out / "usr/lib/os-release").read_text(), "ID=ubuntu\n")
        run("md5sum", "--quiet", "-c", "DEBIAN/md5sums", cwd=out)
        feed.empty_package(str(new), package("meta", Depends="x"), EPOCH)
        self.assertEqual(run("dpkg-deb", "-f", str(new), "Depends"), "x\n")

    def test_the_index_of_source_packages(self):
        from debroot import archive, source
        place = self.folder / "source/x"
        place.mkdir(parents=True)
        text = "Format: 3.0 (native)\nSource: x\nVersion: 1\nChecksums-Sha256:\n %s 3 x_1.tar.gz\nFiles:\n %s 3 x_1.tar.gz\n" % ("0" * 64, "0" * 32)
        (place / "x_1.dsc").write_text("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n%s\n-----BEGIN PGP SIGNATURE-----\n\nx\n" % text)
        found, = source.paragraphs(archive.sources(str(self.folder), [str(place / "x_1.dsc")]))
        self.assertEqual((found["package"], found["directory"]), ("x", "source/x"))
        data = (place / "x_1.dsc").read_bytes()
        self.assertIn("%s %d x_1.dsc" % (hashlib.sha256(data).hexdigest(), len(data)), found["checksums-sha256"])


def main():
    global bb
    lacking = [name for name in ("dpkg-deb", "debugfs", "mke2fs", "sfdisk", "gpg", "cpio", "zstd") if not shutil.which(name)]
    if ours.engine() is None or lacking:
        print("skipped: libraries of layers (missing: %s)" % ", ".join(lacking or ["the engine"]))
        print("0 passed, 0 failed, 1 skipped")
        return 0
    ours.activate(ours.engine())
    import bb
    sys.path[:0] = [str(ROOT / "layers" / layer / "lib") for layer in ("meta-core", "meta-debian", "meta-sample")]
    program = unittest.main(module="__main__", exit=False, verbosity=1)
    wrong = len(program.result.failures) + len(program.result.errors)
    print("%d passed, %d failed, 0 skipped" % (program.result.testsRun - wrong, wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    # Programs of the administrator are not on everybody's PATH.
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    sys.exit(main())
