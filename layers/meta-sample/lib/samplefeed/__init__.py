# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for archives; see sample-feed.bbclass."""

BBIMPORTS = ["feed"]
