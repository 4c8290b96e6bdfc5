SUMMARY = "A program"
DEPENDS = "crust dust"
inherit cproject
WORLDS_LIBS = "dust crust mantle core"
