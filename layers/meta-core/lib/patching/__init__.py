# SPDX-License-Identifier: Apache-2.0
"""Patches and the state of trees they are applied to; see patch.bbclass."""

BBIMPORTS = ["refresh", "series"]
