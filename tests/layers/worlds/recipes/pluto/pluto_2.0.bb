SUMMARY = "A program"
DEPENDS = "comet"
inherit cproject
WORLDS_LIBS = "comet dust"
