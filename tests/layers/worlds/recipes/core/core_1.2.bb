SUMMARY = "A library"
inherit cproject
