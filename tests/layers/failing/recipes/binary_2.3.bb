SUMMARY = "A patch of git's that renames a file and changes binary ones"
SRC_URI = "file://words-2.3.tar.gz file://binary.patch"
S = "${UNPACKDIR}/words-2.3"
