# Builds packages in the format of the distribution: PKGBUILD_CLASS says how.

PKGBUILD_CLASS ??= ""
PKGBUILD_CLASS[doc] = "The class that builds packages of the distribution's format."
def pkgbuild_class(d):
    name = d.getVar("PKGBUILD_CLASS")
    if not name:
        others = [mc for mc in (d.getVar("BBMULTICONFIG") or "").split()]
        hint = "; try " + " or ".join("mc:%s:%s" % (mc, d.getVar("PN")) for mc in others) if others else ""
        raise bb.parse.SkipRecipe("packages are built for an operating system, and DISTRO '%s' is none%s" % (d.getVar("DISTRO"), hint))
    return name

inherit ${@pkgbuild_class(d)}
