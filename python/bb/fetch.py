"""`bb.fetch`: the older name of `bb.fetch2`, the very same module."""

import sys

import bb.fetch2

sys.modules[__name__] = bb.fetch2
