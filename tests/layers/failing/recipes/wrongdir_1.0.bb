SUMMARY = "An archive with another directory than S expects"
SRC_URI = "file://words-2.3.tar.gz"
