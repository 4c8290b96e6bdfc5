SUMMARY = "A program"
DEPENDS = "crust star"
inherit cproject
WORLDS_LIBS = "star gas crust mantle core"
