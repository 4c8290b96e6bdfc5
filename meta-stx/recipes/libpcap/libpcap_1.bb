SUMMARY = "Library to capture packets of a network"
HOMEPAGE = "https://www.tcpdump.org/"
LICENSE = "BSD-3-Clause"

SRC_URI = "file://0001-version-says-StarlingX.patch"
SRC_URI:prepend:deb = "apt://libpcap;subdir=source "
PACKAGES:deb = "libpcap0.8 libpcap0.8-dev libpcap-dev"
RDEPENDS:${PN}-dev = "libpcap0.8-dev"

inherit pkgbuild
