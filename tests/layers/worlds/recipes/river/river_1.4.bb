SUMMARY = "A library"
DEPENDS = "ocean"
inherit cproject
