SUMMARY = "A stand-in for Ubuntu's archive"
DESCRIPTION = "In the format of Ubuntu 24.04's archive, but of Debian's packages: it proves the way from an archive to an image, not Ubuntu's packages."
LICENSE = "CLOSED"

python () {
    if (d.getVar("BB_CURRENT_MC") or "default") != "default":
        raise bb.parse.SkipRecipe("the feed is made once, in the default configuration")
}

# Whatever DISTRO is.
require conf/distro/debian-bookworm.conf
inherit sample-feed

SAMPLE_DISTRO = "ubuntu-noble"
SAMPLE_SUITES = "noble noble-updates noble-security"
SAMPLE_COMPONENTS = "main universe"
SAMPLE_RELEASE[Origin] = "Ubuntu"
SAMPLE_RELEASE[Label] = "Ubuntu"
SAMPLE_RELEASE[Version] = "24.04"
SAMPLE_RELEASE[Codename] = "noble"
SAMPLE_RELEASE[Description] = "A sample in the format of Ubuntu 24.04"

SAMPLE_OS_RELEASE[NAME] = "Ubuntu"
SAMPLE_OS_RELEASE[PRETTY_NAME] = "Ubuntu 24.04 LTS (sample feed)"
SAMPLE_OS_RELEASE[VERSION_ID] = "24.04"
SAMPLE_OS_RELEASE[VERSION_CODENAME] = "noble"
SAMPLE_OS_RELEASE[ID] = "ubuntu"
SAMPLE_OS_RELEASE[ID_LIKE] = "debian"
SAMPLE_OS_RELEASE[VARIANT_ID] = "sample"
# Names that only Ubuntu has.
SAMPLE_META[linux-image-generic] = "linux-image-amd64"

# What images, builds and their dependencies ask the archive for.
SAMPLE_PACKAGES = " \
    linux-image-amd64 systemd-sysv systemd-resolved udev kmod iproute2 dbus login passwd procps less \
    busybox-static fdisk e2fsprogs python3-minimal ethtool net-tools tcpdump dnsmasq-base \
    build-essential fakeroot debhelper \
    autoconf automake bison dh-apparmor dh-exec dh-runit flex gettext libbluetooth-dev libdbus-1-dev libgmp-dev libidn2-dev \
    liblua5.4-dev libmnl-dev libnetfilter-conntrack-dev libnftables-dev libselinux1-dev libsqlite3-dev libssl-dev nettle-dev \
    pkg-config pkgconf \
"
SAMPLE_SOURCES = "dnsmasq ethtool libpcap net-tools tcpdump"
