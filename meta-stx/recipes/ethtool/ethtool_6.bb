SUMMARY = "Shows and changes settings of Ethernet devices"
HOMEPAGE = "https://www.kernel.org/pub/software/network/ethtool/"
LICENSE = "GPL-2.0-only"

SRC_URI = "file://0001-version-says-StarlingX.patch"
SRC_URI:prepend:deb = "apt://ethtool;subdir=source "
PACKAGES = "ethtool"

inherit pkgbuild
