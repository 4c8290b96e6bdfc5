# Stands for the recipe of the same name in IMAGE_MULTICONFIG: each task just asks for that one's.

IMAGE_ALIAS_TASKS = "build testimage lock_update rootfs clean"
IMAGE_ALIAS_TASKS[doc] = "Tasks that are passed on."

deltask do_fetch
deltask do_unpack
deltask do_patch
deltask do_configure
deltask do_compile
deltask do_install

# Which packages the image needs is the business of the other recipe.
RDEPENDS = ""

python () {
    for name in d.getVar("IMAGE_ALIAS_TASKS").split():
        task = "do_" + name
        if not d.getVarFlag(task, "task", False):
            d.setVar(task, ":")
            d.setVarFlag(task, "func", "1")
            bb.build.addtask(task, "", "", d)
        d.delVarFlag(task, "recrdeptask")
        d.setVarFlag(task, "mcdepends", "mc::%s:%s:%s" % (d.getVar("IMAGE_MULTICONFIG"), d.getVar("PN"), task))
        d.setVarFlag(task, "nostamp", "1")
        d.setVarFlag(task, "noexec", "1")
}
