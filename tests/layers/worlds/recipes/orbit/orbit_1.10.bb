SUMMARY = "A library"
DEPENDS = "moon star"
inherit cproject
