SUMMARY = "StarlingX on Ubuntu 24.04"

IMAGE_MULTICONFIG = "ubuntu"
# An image of the sample feed must not be taken for Ubuntu's.
IMAGE_NAME = "stx-ubuntu${@'-sample' if d.getVar('OS_FEED') == 'sample' else ''}"

require stx-image.inc

STX_BASE_PACKAGES:ubuntu = "linux-image-generic systemd-sysv systemd-resolved udev kmod iproute2 dbus login passwd procps less"

TESTIMAGE_CHECKS += "release"
TESTIMAGE_CHECK_release = ". /etc/os-release && echo $ID $VERSION_CODENAME $VARIANT_ID"
TESTIMAGE_EXPECT_release = "^ubuntu noble${@' sample' if d.getVar('OS_FEED') == 'sample' else ''}\s*$"
