SUMMARY = "Tasks in Python, a nostamp task, a task that depends on another recipe's"
LICENSE = "Apache-2.0"

inherit allarch nopackages

S = "${UNPACKDIR}"
REPORT = "${DEPLOY_DIR}/report.json"

python do_compile () {
    import json

    files = []
    for manifest in ("hello-1.0-r0", "greeting-0.1-r0"):
        with open(os.path.join(d.getVar("DEPLOY_DIR"), "manifest", manifest + ".txt")) as f:
            files += [line.split()[1] for line in f]
    with open("report.json", "w") as f:
        json.dump({"files": sorted(files), "distro": d.getVar("DISTRO")}, f, indent=2)
        f.write("\n")
    bb.note("%d files" % len(files))
}
do_compile[depends] = "hello:do_manifest greeting:do_manifest"

addtask deploy after do_compile before do_build
do_deploy[dirs] = "${B} ${DEPLOY_DIR}"
do_deploy () {
	install -m 0644 ${B}/report.json ${REPORT}
}

addtask show after do_deploy
do_show[nostamp] = "1"
python do_show () {
    with open(d.getVar("REPORT")) as f:
        bb.plain(f.read())
}
