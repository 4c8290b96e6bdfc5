#!/bin/sh
# Compares apt:// with dpkg-source on source packages of the archive that this machine's apt is configured for.
set -eu
cd "$(dirname "$0")/.."
command -v dpkg-source >/dev/null || { echo "skipped: apt:// on real packages (dpkg-source is missing)"; exit 0; }
RBAKE_TEST_ARCHIVE=1 cargo test --test archive -- --nocapture real_packages
