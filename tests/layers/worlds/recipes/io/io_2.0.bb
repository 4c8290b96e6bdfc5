SUMMARY = "A program"
DEPENDS = "orbit tide"
inherit cproject
WORLDS_LIBS = "tide ocean orbit star gas moon"
