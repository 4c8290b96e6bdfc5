SUMMARY = "A program"
DEPENDS = "ocean tide"
inherit cproject
WORLDS_LIBS = "tide moon ocean"
