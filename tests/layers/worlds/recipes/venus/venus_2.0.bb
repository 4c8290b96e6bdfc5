SUMMARY = "A program"
DEPENDS = "cloud crust"
inherit cproject
WORLDS_LIBS = "crust mantle core cloud wind ocean"
