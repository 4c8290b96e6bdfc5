do_compile() {
    exit 1
}
