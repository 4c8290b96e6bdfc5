# SPDX-License-Identifier: Apache-2.0
"""Programs run inside a root made of packages: namespaces of their own, no network, the root itself never written to."""

import os
import shutil
import subprocess

import bb

# What is in /dev: nothing of the host's hardware.
DEVICES = "null zero full random urandom tty"

# Ends what it starts when the task that called it ends, however that ends: in a namespace of processes nobody hears a polite signal.
LEASH = ["setpriv", "--pdeathsig", "KILL", "--"]

# Runs as root of the namespaces. The host's view of the disk ends with them, whatever happens.
ENTER = r'''set -e
lower=$1 work=$2 binds=$3; shift 3
mkdir -p "$work/upper" "$work/overlay" "$work/mount"
root=$work/mount
options="lowerdir=$lower,upperdir=$work/upper,workdir=$work/overlay"
mount -t overlay overlay -o "$options${OVERLAY_OPTIONS:-}" "$root"
mount -t tmpfs -o mode=755 dev "$root/dev"
for name in DEVICES; do
    : > "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t proc proc "$root/proc"
printf '%s\n' "$binds" | while IFS='|' read -r how source target; do
    [ -n "$how" ] || continue
    mkdir -p "$root$target"
    mount --bind "$source" "$root$target"
    [ "$how" = rw ] || mount -o "remount,bind,ro" "$root$target"
done
hostname rbake
ip link set lo up 2>/dev/null || true
exec chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TZ=UTC HOME=/root \
    DEBIAN_FRONTEND=noninteractive "$@"
'''.replace("DEVICES", DEVICES)


def alone(network=False):
    """How a command line begins that makes the namespaces: as root, or as a user with subordinate ids."""
    line = [*LEASH, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts", "--propagation", "private"]
    if not network:
        line.append("--net")
    if os.geteuid() != 0:
        if not shutil.which("newuidmap"):
            bb.fatal("Roots can be made by root, or with subordinate ids: apt-get install uidmap, and a line for the user in "
                     "/etc/subuid and /etc/subgid")
        line += ["--user", "--map-root-user", "--map-auto"]
    return [*line, "--"]


def host(script, *arguments):
    """Run a shell script on the host's files as the owner of roots' files."""
    done = subprocess.run([*alone(), "/bin/sh", "-ec", script, "sh", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode != 0:
        bb.fatal("%s\n(exit code %d of: %s)" % (done.stdout.decode(errors="replace").strip(), done.returncode, script.strip()))


def remove(path):
    """Remove a folder whose files may belong to others."""
    if os.path.lexists(path):
        host('rm -rf --one-file-system -- "$1"', path)


def run(root, work, script, arguments=(), binds=(), environment=None):
    """Run a shell script in a root, of which `work` keeps the changes. `binds` are (`ro` or `rw`, folder, place in the root)."""
    bb.utils.mkdirhier(work)
    listed = "\n".join("|".join(entry) for entry in binds)
    settings = ["%s=%s" % pair for pair in sorted((environment or {}).items())]
    surroundings = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    if os.geteuid() != 0:
        # What overlayfs notes about removed folders it can't keep where only root of the machine may.
        surroundings["OVERLAY_OPTIONS"] = ",userxattr"
    done = subprocess.run([*alone(), "/bin/sh", "-c", ENTER, "sh", root, work, listed, *settings, "/bin/sh", "-ec", script, "sh", *arguments],
                          stdin=subprocess.DEVNULL, env=surroundings, umask=0o022)
    return done.returncode
