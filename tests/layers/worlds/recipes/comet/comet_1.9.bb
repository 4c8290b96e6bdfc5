SUMMARY = "A library"
DEPENDS = "dust"
inherit cproject
