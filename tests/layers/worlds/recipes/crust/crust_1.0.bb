SUMMARY = "A library"
DEPENDS = "mantle"
inherit cproject
