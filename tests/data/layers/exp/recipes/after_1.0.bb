DEPENDS = "fail"
do_compile[deptask] = "do_build"
