# An image of the multiconfig IMAGE_MULTICONFIG, which is built by its plain name, too: in the default configuration the recipe
# stands for the one there.
#
#   IMAGE_MULTICONFIG = "debian"
#   inherit multiconfig-image

IMAGE_MULTICONFIG[doc] = "The multiconfig in which the image is built."

def multiconfig_image_class(d):
    here, wanted = d.getVar("BB_CURRENT_MC") or "", d.getVar("IMAGE_MULTICONFIG")
    if here == wanted:
        return "image"
    if here not in ("", "default"):
        raise bb.parse.SkipRecipe("it is built in another configuration: mc:%s:%s" % (wanted, d.getVar("PN")))
    if wanted not in (d.getVar("BBMULTICONFIG") or "").split():
        raise bb.parse.SkipRecipe("it is built in the configuration '%s': add that to BBMULTICONFIG in conf/local.conf" % wanted)
    return "image-alias"

inherit ${@multiconfig_image_class(d)}
