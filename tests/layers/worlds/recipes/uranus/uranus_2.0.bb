SUMMARY = "A program"
DEPENDS = "ring"
inherit cproject
WORLDS_LIBS = "ring gas dust"
