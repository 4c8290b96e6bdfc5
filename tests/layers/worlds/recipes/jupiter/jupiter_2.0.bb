SUMMARY = "A program"
DEPENDS = "gas ring orbit"
inherit cproject
WORLDS_LIBS = "orbit star moon ring dust gas"
