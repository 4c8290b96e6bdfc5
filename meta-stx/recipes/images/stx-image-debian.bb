SUMMARY = "StarlingX on Debian 12"

# The image is Debian's, whatever DISTRO is.
require conf/distro/debian-bookworm.conf
require stx-image.inc

IMAGE_NAME = "stx-debian"
