# A recipe whose result is the same on every architecture: built once, whatever DISTRO_ARCH is.
PACKAGE_ARCH = "all"
