SUMMARY = "A program"
DEPENDS = "river gas"
inherit cproject
WORLDS_LIBS = "gas river ocean"
