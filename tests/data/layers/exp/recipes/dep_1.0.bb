DEPENDS = "hello"
do_compile[deptask] = "do_build"
