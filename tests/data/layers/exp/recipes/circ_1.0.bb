do_aa() {
    :
}
do_bb() {
    :
}
do_cc() {
    :
}
addtask aa after do_bb before do_build
addtask bb after do_cc
addtask cc after do_aa
