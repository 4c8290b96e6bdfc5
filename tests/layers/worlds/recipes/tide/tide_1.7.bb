SUMMARY = "A library"
DEPENDS = "moon ocean"
inherit cproject
