SUMMARY = "A library"
DEPENDS = "core"
inherit cproject
