SUMMARY = "A program"
DEPENDS = "wind gas"
inherit cproject
WORLDS_LIBS = "gas wind"
