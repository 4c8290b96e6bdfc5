SUMMARY = "A program"
DEPENDS = "dust"
inherit cproject
WORLDS_LIBS = "dust"
