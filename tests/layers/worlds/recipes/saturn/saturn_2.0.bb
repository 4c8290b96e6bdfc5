SUMMARY = "A program"
DEPENDS = "ring gas"
inherit cproject
WORLDS_LIBS = "ring gas dust"
