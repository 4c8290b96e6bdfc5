SUMMARY = "A library"
DEPENDS = "dust gas"
inherit cproject
