# SPDX-License-Identifier: Apache-2.0
"""Roots made of Debian packages; see debroot.bbclass."""

BBIMPORTS = ["pool", "apt", "lock", "fetch", "root", "sandbox", "archive", "source", "raw"]
