subfunc() {
    echo "sub ${OTHER}"
}
do_compile() {
    echo "compiling ${GREETING} $(subfunc)"
}
addtask compile
python do_listvars() {
    bb.plain("%s %s" % (d.getVar("PN"), d.getVar("GREETING")))
}
addtask listvars after do_compile
do_build() {
    :
}
addtask build after do_listvars
