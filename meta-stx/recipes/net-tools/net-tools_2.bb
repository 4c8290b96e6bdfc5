SUMMARY = "ifconfig, netstat, route and their like"
HOMEPAGE = "https://net-tools.sourceforge.io/"
LICENSE = "GPL-2.0-or-later"

SRC_URI = "file://0001-version-says-StarlingX.patch"
SRC_URI:prepend:deb = "apt://net-tools;subdir=source "
PACKAGES = "net-tools"

inherit pkgbuild
