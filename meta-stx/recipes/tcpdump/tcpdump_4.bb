SUMMARY = "Shows packets of a network"
HOMEPAGE = "https://www.tcpdump.org/"
LICENSE = "BSD-3-Clause"

SRC_URI = "file://0001-version-says-StarlingX.patch"
SRC_URI:prepend:deb = "apt://tcpdump;subdir=source "
PACKAGES = "tcpdump"

# Built with our libpcap, and linked to it.
DEPENDS = "libpcap"
RDEPENDS:tcpdump:deb = "libpcap0.8"

inherit pkgbuild
