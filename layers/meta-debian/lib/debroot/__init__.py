# SPDX-License-Identifier: Apache-2.0
"""Roots made of Debian packages; see debroot.bbclass."""

BBIMPORTS = ["apt", "lock", "fetch", "root"]
