# A recipe of which no packages are made, such as one that only deploys files.
PACKAGES = ""
PACKAGES_DYNAMIC = ""
