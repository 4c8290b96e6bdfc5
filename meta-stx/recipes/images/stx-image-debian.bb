SUMMARY = "StarlingX on Debian 12"

IMAGE_MULTICONFIG = "debian"
IMAGE_NAME = "stx-debian"

require stx-image.inc
