#!/bin/sh
# Compares how rpm packages are unpacked with rpm2cpio and cpio, on the packages that the Rust crate `rpm` ships for its own tests:
# vendors' and synthetic ones, source and binary, of every compression. What rpm2cpio refuses (version 6) is compared with rpm2archive and tar.
set -eu
cd "$(dirname "$0")/.."
for tool in rpm2cpio rpm2archive cpio; do
    command -v $tool >/dev/null || { echo "skipped: real rpm packages ($tool is missing)"; exit 0; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
folders=
for version in 0.16.1 0.30.2; do
    mkdir -p "$work/$version/src"
    : >"$work/$version/src/lib.rs"
    printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\nrpm = "=%s"\n[workspace]\n' $version \
        >"$work/$version/Cargo.toml"
    manifest=$(cargo metadata --quiet --format-version 1 --manifest-path "$work/$version/Cargo.toml" |
        python3 -c 'import json, sys; print(next(p["manifest_path"] for p in json.load(sys.stdin)["packages"] if p["name"] == "rpm"))')
    crate=$(dirname "$manifest")
    for folder in "$crate/test_assets" "$crate/tests/assets"; do
        [ ! -d "$folder" ] || folders="$folders${folders:+:}$folder"
    done
done
RBAKE_TEST_RPMS=$folders cargo test --test rpm -- --nocapture real_packages
