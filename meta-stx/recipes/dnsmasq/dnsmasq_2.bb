SUMMARY = "Small caching DNS proxy and DHCP server"
HOMEPAGE = "https://thekelleys.org.uk/dnsmasq/doc.html"
LICENSE = "GPL-2.0-only OR GPL-3.0-only"

SRC_URI = "file://0001-version-says-StarlingX.patch"
SRC_URI:prepend:deb = "apt://dnsmasq;subdir=source "
PACKAGES = "dnsmasq dnsmasq-base dnsmasq-base-lua dnsmasq-utils"

inherit pkgbuild
