SUMMARY = "A library"
DEPENDS = "ocean wind"
inherit cproject
