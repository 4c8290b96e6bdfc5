python do_compile() {
    bb.error("an error msg")
    raise Exception("boom")
}
GREETING = "a"
OTHER = ""
