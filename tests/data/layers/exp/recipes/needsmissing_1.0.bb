DEPENDS = "helo nosuchdep"
do_compile[deptask] = "do_build"
