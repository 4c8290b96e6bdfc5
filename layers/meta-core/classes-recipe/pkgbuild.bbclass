# Builds packages in the format of the distribution: PKGBUILD_CLASS says how.

PKGBUILD_CLASS ??= ""
PKGBUILD_CLASS[doc] = "The class that builds packages of the distribution's format."
inherit ${PKGBUILD_CLASS}

python () {
    if not d.getVar("PKGBUILD_CLASS"):
        others = ["mc:%s:%s" % (mc, d.getVar("PN")) for mc in (d.getVar("BBMULTICONFIG") or "").split()]
        raise bb.parse.SkipRecipe("packages are built for an operating system, and DISTRO '%s' is none%s"
                                  % (d.getVar("DISTRO"), "; build " + " or ".join(others) if others else ""))
}
