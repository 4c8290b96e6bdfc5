SUMMARY = "A program"
DEPENDS = "star"
inherit cproject
WORLDS_LIBS = "star gas"
