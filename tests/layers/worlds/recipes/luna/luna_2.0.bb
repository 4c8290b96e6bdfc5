SUMMARY = "A program"
DEPENDS = "moon"
inherit cproject
WORLDS_LIBS = "moon"
