# An image of the multiconfig IMAGE_MULTICONFIG, which is built by its plain name, too: in the default configuration the recipe
# stands for the one there.
#
#   IMAGE_MULTICONFIG = "debian"
#   inherit multiconfig-image

IMAGE_MULTICONFIG[doc] = "The multiconfig in which the image is built."

def multiconfig_image_class(d):
    here = d.getVar("BB_CURRENT_MC") or ""
    if here == d.getVar("IMAGE_MULTICONFIG"):
        return "image"
    return "image-alias" if here in ("", "default") and not multiconfig_image_skipped(d) else ""

# Why there is no image in this configuration, or nothing.
def multiconfig_image_skipped(d):
    here, wanted = d.getVar("BB_CURRENT_MC") or "", d.getVar("IMAGE_MULTICONFIG")
    if here not in ("", "default", wanted):
        return "it is built in another configuration: mc:%s:%s" % (wanted, d.getVar("PN"))
    if wanted not in (d.getVar("BBMULTICONFIG") or "").split():
        return "it is built in the configuration '%s': add that to BBMULTICONFIG in conf/local.conf" % wanted
    return ""

inherit ${@multiconfig_image_class(d)}

python () {
    reason = multiconfig_image_skipped(d)
    if reason:
        raise bb.parse.SkipRecipe(reason)
}
