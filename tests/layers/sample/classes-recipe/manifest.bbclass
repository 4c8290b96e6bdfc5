# Writes the list of what do_install made, with checksums, to DEPLOY_DIR/manifest.

MANIFEST_DIR ?= "${DEPLOY_DIR}/manifest"

addtask manifest after do_install before do_build
do_manifest[doc] = "Lists what do_install made."
do_manifest[dirs] = "${MANIFEST_DIR} ${D}"
do_manifest () {
	find . -type f | LC_ALL=C sort | xargs sha256sum > ${MANIFEST_DIR}/${PF}.txt
	bbnote "$(wc -l < ${MANIFEST_DIR}/${PF}.txt) files"
}
