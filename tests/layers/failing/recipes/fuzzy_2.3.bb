SUMMARY = "A patch that fits if the lines around it may differ"
SRC_URI = "file://words-2.3.tar.gz file://fuzzy.patch"
S = "${UNPACKDIR}/words-2.3"
