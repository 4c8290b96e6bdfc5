SUMMARY = "A program"
DEPENDS = "crust ocean cloud tide moon"
inherit cproject
WORLDS_LIBS = "tide moon cloud wind ocean crust mantle core"
