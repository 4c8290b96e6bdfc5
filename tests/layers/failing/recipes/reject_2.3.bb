SUMMARY = "A patch that does not fit"
SRC_URI = "file://words-2.3.tar.gz file://reject.patch"
S = "${UNPACKDIR}/words-2.3"
