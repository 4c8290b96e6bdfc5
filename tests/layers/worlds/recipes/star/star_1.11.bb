SUMMARY = "A library"
DEPENDS = "gas"
inherit cproject
