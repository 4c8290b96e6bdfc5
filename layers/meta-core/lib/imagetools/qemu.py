# SPDX-License-Identifier: Apache-2.0
"""Boots images in QEMU and talks to them over the serial console."""

import os
import re
import select
import shutil
import subprocess
import time
from xml.sax.saxutils import escape, quoteattr

import bb

FIRMWARE = (("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"), ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"))
PROMPT = "stx-test-prompt> "


class NoAnswer(Exception):
    """What was waited for did not come."""


def command(image, firmware, memory=1024, drive="cdrom", work=None):
    """QEMU's command line. Software emulation: whether a machine's KVM really runs guests only a guest can tell."""
    if not shutil.which("qemu-system-x86_64"):
        bb.fatal("qemu-system-x86_64 is needed: apt-get install --no-install-recommends qemu-system-x86 ovmf")
    line = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(memory),
            "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot",
            "-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net"]
    if firmware == "uefi":
        code, variables = next((pair for pair in FIRMWARE if os.path.exists(pair[0])), (None, None))
        if not code:
            bb.fatal("UEFI firmware is needed: apt-get install --no-install-recommends ovmf")
        own = os.path.join(work, "OVMF_VARS.fd")
        shutil.copyfile(variables, own)
        line += ["-drive", "if=pflash,format=raw,readonly=on,file=" + code, "-drive", "if=pflash,format=raw,file=" + own]
    if drive in ("cdrom", "install"):
        line += ["-drive", "media=cdrom,format=raw,readonly=on,file=" + image]
    else:
        line += ["-drive", "if=virtio,format=raw,snapshot=on,file=" + image]
    return line


class Guest:
    """A running machine and its console."""

    def __init__(self, line, log):
        self.log = open(log, "wb")
        self.process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def wait(self, pattern, seconds):
        """Wait until the console shows the pattern; the text up to its end, which is taken away."""
        deadline = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.text)
            if match:
                before, self.text = self.text[:match.end()], self.text[match.end():]
                return before
            left = deadline - time.monotonic()
            if left <= 0:
                raise NoAnswer("%r did not appear within %d s; last on the console:\n%s" % (pattern, seconds, self.text[-1500:]))
            if select.select([self.process.stdout], [], [], min(left, 1))[0]:
                data = os.read(self.process.stdout.fileno(), 65536)
                if not data:
                    raise NoAnswer("the machine went off; last on the console:\n%s" % self.text[-1500:])
                self.log.write(data)
                self.log.flush()
                self.text += data.decode(errors="replace").replace("\r", "")

    def send(self, text):
        """Type a line."""
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def login(self, user, password, seconds):
        """Wait for the login, and log in."""
        self.wait(r"login: $", seconds)
        self.send(user)
        self.wait(r"Password: $", 60)
        self.send(password)
        self.wait(r"[#$] $", 120)
        # Nothing on the line but what a command says. The prompt is put together there, so that the echo of this is none.
        self.send("stty -echo; export TERM=dumb PAGER=cat SYSTEMD_PAGER= SYSTEMD_COLORS=0; PS1='%s''%s'; dmesg -n 1" % (PROMPT[:5], PROMPT[5:]))
        self.wait(re.escape(PROMPT) + "$", 60)

    def run(self, line, seconds):
        """Run a command; its output and exit status."""
        self.send("%s; echo \"stx-status=$?\"" % line)
        text = self.wait(r"stx-status=(\d+)\n[^\n]*" + re.escape(PROMPT), seconds)
        output, _, rest = text.rpartition("stx-status=")
        return output.strip(), int(re.match(r"\d+", rest).group())


def install(iso, disk, firmware, work, seconds):
    """Boot the medium beside an empty disk and a volume with answers: it installs without being asked. A list like test's."""
    answers, started = os.path.join(work, "answers.img"), time.monotonic()
    with open(os.path.join(work, "answers"), "w") as file:
        file.write("disk=auto\nhostname=installed\nafter=poweroff\n")
    for line in (["mkfs.vfat", "-C", "-n", "ANSWERS", answers, "1024"], ["mcopy", "-i", answers, file.name, "::/answers"]):
        subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    with open(disk, "wb") as file:
        file.truncate(4 << 30)
    line = command(iso, firmware, drive="install", work=work)
    for path in (disk, answers):
        line += ["-drive", "if=virtio,format=raw,cache=unsafe,file=" + path]
    with Guest(line, os.path.join(work, "console-installer.log")) as guest:
        try:
            guest.wait(r"installer: installed on /dev/\w+\n", seconds)
            guest.process.wait(60)
        except (NoAnswer, subprocess.TimeoutExpired) as exc:
            return [("install", time.monotonic() - started, str(exc))]
    return [("install", time.monotonic() - started, None)]


def test(image, drive, firmware, login, checks, work, seconds):
    """Boot and run the checks: a list of (name, seconds, failure or None)."""
    user, password = login
    started, results = time.monotonic(), []
    log = os.path.join(work, "console-%s-%s.log" % (drive, firmware))
    with Guest(command(image, firmware, drive=drive, work=work), log) as guest:
        try:
            guest.login(user, password, seconds)
        except NoAnswer as exc:
            return [("boot", time.monotonic() - started, str(exc))]
        results.append(("boot", time.monotonic() - started, None))
        for name, line, pattern in checks:
            began = time.monotonic()
            try:
                output, status = guest.run(line, seconds)
            except NoAnswer as exc:
                results.append((name, time.monotonic() - began, str(exc)))
                break
            good = re.search(pattern, output) if pattern else status == 0
            wanted = "output that matches %r" % pattern if pattern else "exit status 0"
            results.append((name, time.monotonic() - began, None if good else "`%s` gave %d:\n%s\nwanted: %s" % (line, status, output, wanted)))
        guest.send("poweroff")
        try:
            guest.wait(r"(Power down|reboot: Power down|System halted)", 120)
        except NoAnswer:
            # It may be off already, with the last words unsaid.
            pass
    return results


def junit(path, suite, results):
    """Write results as a JUnit file."""
    failures = sum(failure is not None for _, _, failure in results)
    lines = ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
             "<testsuite name=%s tests=\"%d\" failures=\"%d\">" % (quoteattr(suite), len(results), failures)]
    for name, seconds, failure in results:
        lines.append("  <testcase name=%s time=\"%.1f\">" % (quoteattr(name), seconds))
        if failure is not None:
            # XML has no place for most control characters.
            lines.append("    <failure>%s</failure>" % escape(re.sub(r"[^\n\t\x20-\uffff]", "?", failure)))
        lines.append("  </testcase>")
    with open(path, "w") as file:
        file.write("\n".join([*lines, "</testsuite>", ""]))
